"""The machinery of a simulated analyzer: physics that is drawn, standards measured, calibration.

Everything follows from `ChainSpec`, so that it can be made again in another process and need not
travel in a checkpoint; only the calibration is worth keeping.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from raffinate.instruments.calibrate import calibrate
from raffinate.instruments.calibrate_result import Calibration
from raffinate.instruments.calibrate_standard import Standard
from raffinate.instruments.quantify import Quantifier, build_quantifier
from raffinate.instruments.quantify_model import FitModel
from raffinate.instruments.quantify_sample import sample_of
from raffinate.instruments.quantify_simulate import simulate_spectrum
from raffinate.instruments.spectrum import Spectrum
from raffinate.instruments.xrf_chain_mismatch import AS_ASSUMED, draw_physics
from raffinate.instruments.xrf_drift import NO_DRIFT, Drift
from raffinate.instruments.xrf_instrument_file import load_instrument
from raffinate.instruments.xrf_spectrum_build import build_forward_model
from raffinate.sources import Source

Array = NDArray[np.float64]

STANDARDS_SOURCE = Source(
    title="Standards with which a simulated analyzer is calibrated",
    evidence="assumed",
    note=(
        "Each metal alone at 1500 and 300 mol/m³, equal parts of all at 300, 900 and 1800 mol/m³, "
        "each metal beside a tenth of the next, acid of 100 to 3000 mol/m³; weighed and titrated "
        "to 0.2 % of each metal, acid to 1 %; counted for 300 s. At most thirteen."
    ),
)
"""Where the numbers below come from."""

STANDARD_TIME = 300.0
"""Count of one standard, [s]."""

STANDARD_SD = 0.002
"""Relative sd of a certified metal, [-]."""

ACID_SD = 0.01
"""Relative sd of the acid of a standard, [-]."""

TRACE = 0.05
"""Sd of a metal that a standard is certified not to hold, [mol/m³]: 7 mg/L; assumed."""

MOST_STANDARDS = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSpec:
    """All that a simulated analyzer follows from.

    Attributes:
        elements: Metals it is asked for; they fix the element axis.
        seed: Of its physics and of the counts of its standards.
        matched: Make its physics that of the quantifier, which is then not calibrated.
        instrument: Name of a shipped instrument.
        matrix: As of `quantify_sample.sample_of`.
    """

    elements: tuple[str, ...]
    seed: int
    matched: bool = False
    instrument: str = "online_rh_40kv"
    matrix: str = "chloride"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulator:
    """An analyzer as it truly is.

    Attributes:
        model: Drawn physics, liquor to counts.
        voltage: What the tube's display says, [V].
    """

    model: FitModel
    voltage: float

    def spectrum(
        self,
        metals: Array,
        acid: float,
        *,
        count_time: float,
        drift: Drift,
        generator: np.random.Generator,
        title: str,
    ) -> Spectrum:
        """Return a spectrum as the analyzer would file it.

        Args:
            metals: (metal,), [mol/m³].
            acid: Free acid, [mol/m³].
            count_time: Real time, [s].
            drift: Of the analyzer now.
            generator: Source of the counting noise.
            title: Of the spectrum.
        """
        found = simulate_spectrum(
            self.model,
            metals,
            acid,
            real_time=count_time,
            generator=generator,
            drift=drift,
            title=title,
        )
        # The tube's true voltage is nothing that an analyzer could know.
        return replace(found, tube_voltage=self.voltage)


@lru_cache(maxsize=4)
def build_simulator(spec: ChainSpec) -> Simulator:
    """Return the analyzer of a spec as it truly is.

    Raises:
        SpecificationError: An element, the matrix or the instrument is unknown.
    """
    instrument = load_instrument(spec.instrument)
    sample = sample_of(spec.elements, spec.matrix)
    physics = AS_ASSUMED
    if not spec.matched:
        physics = draw_physics(spec.elements, np.random.default_rng([spec.seed, 11]))
    forward = build_forward_model(
        instrument,
        sample.components,
        voltage=instrument.tube.voltage + physics.voltage,
        adjustment=physics.adjustment,
    )
    return Simulator(
        model=FitModel(forward=forward, sample=sample), voltage=instrument.tube.voltage
    )


def commissioned(spec: ChainSpec) -> Calibration | None:
    """Return the calibration of an analyzer from its standards; None for a matched one.

    It takes seconds: keep the result.

    Raises:
        SpecificationError: An element, the matrix or the instrument is unknown.
        ConvergenceError: The standards cannot be fitted.
    """
    if spec.matched:
        return None
    generator = np.random.default_rng([spec.seed, 12])
    standards = measured_standards(build_simulator(spec), spec.elements, generator)
    return calibrate(load_instrument(spec.instrument), spec.elements, standards, spec.matrix)


@lru_cache(maxsize=4)
def chain_quantifier(spec: ChainSpec, calibration: Calibration | None) -> Quantifier:
    """Return what reads the spectra of an analyzer; knows of it no more than its calibration."""
    instrument = load_instrument(spec.instrument)
    return build_quantifier(instrument, spec.elements, spec.matrix, calibration)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Machine:
    """A simulated analyzer, ready to count and to quantify.

    Attributes:
        simulator: It as it truly is.
        quantifier: What reads its spectra.
    """

    simulator: Simulator
    quantifier: Quantifier


@lru_cache(maxsize=4)
def build_machine(spec: ChainSpec, calibration: Calibration | None) -> Machine:
    """Return the machine of an analyzer, which takes some seconds.

    Args:
        spec: What it follows from.
        calibration: From `commissioned`.

    Raises:
        SpecificationError: An element, the matrix or the instrument is unknown.
    """
    return Machine(simulator=build_simulator(spec), quantifier=chain_quantifier(spec, calibration))


def standard_liquors(elements: Sequence[str]) -> list[tuple[Array, float]]:
    """Return (metals, acid) of each standard, [mol/m³]; see `STANDARDS_SOURCE`."""
    count = len(elements)
    one, all_ = np.eye(count), np.full(count, 1.0 / count)
    found = [(1500.0 * row, 100.0) for row in one]
    found += [(total * all_, acid) for total, acid in ((300.0, 3e3), (900.0, 1e3), (1800.0, 100.0))]
    if count > 1:
        beside = np.roll(one, 1, axis=1)
        found += [
            (1000.0 * row + 100.0 * next_, 500.0) for row, next_ in zip(one, beside, strict=True)
        ]
    found += [(300.0 * row, 2e3) for row in one]
    return found[:MOST_STANDARDS]


def measured_standards(
    simulator: Simulator, elements: Sequence[str], generator: np.random.Generator
) -> list[Standard]:
    """Return the standards as the analyzer saw them; what they hold departs from their labels."""
    standards = []
    for number, (metals, acid) in enumerate(standard_liquors(elements), start=1):
        uncertainty = np.where(metals > 0.0, STANDARD_SD * metals, TRACE)
        held = np.maximum(metals + uncertainty * generator.standard_normal(len(metals)), 0.0)
        spectrum = simulator.spectrum(
            np.where(metals > 0.0, held, 0.0),
            acid * (1.0 + ACID_SD * float(generator.standard_normal())),
            count_time=STANDARD_TIME,
            drift=NO_DRIFT,
            generator=generator,
            title=f"standard {number}",
        )
        standards.append(
            Standard(
                spectrum=spectrum,
                metals=metals,
                uncertainty=uncertainty,
                unknown=acid,
                unknown_uncertainty=ACID_SD * acid,
                name=f"standard {number}",
            )
        )
    return standards
