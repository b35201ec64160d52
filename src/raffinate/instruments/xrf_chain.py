"""The analyzer of the virtual plant, whole: true liquor to spectrum, spectrum to reading."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.errors import ConvergenceError, DataError
from raffinate.instruments.calibrate_result import Calibration
from raffinate.instruments.quantify import quantify
from raffinate.instruments.quantify_result import Quantification
from raffinate.instruments.reading import Quality, Reading, concentrations_or_error
from raffinate.instruments.spectrum import Spectrum
from raffinate.instruments.xrf_chain_build import ChainSpec, Machine, build_machine
from raffinate.instruments.xrf_drift import NO_DRIFT, Drift
from raffinate.sources import Source
from raffinate.units import HOUR

Array = NDArray[np.float64]

DRIFT_SOURCE = Source(
    title="Drift of an online analyzer between calibrations",
    evidence="assumed",
    note=(
        "Zero 3 eV, gain 0.02 % and flux 0.5 % sd, each an Ornstein-Uhlenbeck process with a "
        "memory of 8 h; 0.3 % sd of the flux from spectrum to spectrum (bubbles, density)."
    ),
)
"""Where the numbers of `DriftLaw` come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftLaw:
    """How far and how fast an analyzer drifts.

    Attributes:
        zero_sd: [eV].
        gain_sd: [-].
        flux_sd: [-].
        memory: Time constant, [s].
        flicker: Relative sd of the flux from spectrum to spectrum, [-].
    """

    zero_sd: float = 3.0
    gain_sd: float = 2e-4
    flux_sd: float = 5e-3
    memory: float = 8.0 * HOUR
    flicker: float = 3e-3

    def moved(self, drift: Drift, duration: float, generator: np.random.Generator) -> Drift:
        """Return the drift after a time, [s]: exact steps of an Ornstein-Uhlenbeck process."""
        kept = math.exp(-max(duration, 0.0) / self.memory)
        fresh = math.sqrt(1.0 - kept**2)
        zero, gain, flux = generator.standard_normal(3).tolist()
        return Drift(
            zero=kept * drift.zero + fresh * self.zero_sd * zero,
            gain=kept * drift.gain + fresh * self.gain_sd * gain,
            flux=max(1.0 + kept * (drift.flux - 1.0) + fresh * self.flux_sd * flux, 0.1),
        )


NO_LAW = DriftLaw(zero_sd=0.0, gain_sd=0.0, flux_sd=0.0, flicker=0.0)
"""An analyzer that does not drift."""


KEPT = 0.01
"""Of each amount and beside two standard deviations: a fit begins where the last one of its place
did, with the slopes taken there, while the composition has moved no further, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """What an analyzer remembers from one spectrum to the next.

    Attributes:
        time: Of the last one, [s].
        drift: Then.
        starts: Composition at each place where the next fit begins, metals and matrix.
        nuisances: The other parameters, found last; they are of the analyzer, not of a place.
    """

    time: float
    drift: Drift = NO_DRIFT
    starts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    nuisances: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """One measurement.

    Attributes:
        reading: What it says.
        spectrum: What was counted.
        result: What explains it; None where nothing does.
    """

    reading: Reading
    spectrum: Spectrum
    result: Quantification | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class XrfChain:
    """A simulated analyzer, read through its spectra.

    Attributes:
        spec: What it follows from.
        calibration: From `xrf_chain_build.commissioned`; None reads by the tables as they are.
        count_time: Real time of one spectrum, [s].
        law: How it drifts.
        name: Written into readings.
        made: Its machine, where that was made before; it follows from spec and calibration.
    """

    spec: ChainSpec
    calibration: Calibration | None
    count_time: float = 100.0
    law: DriftLaw = DriftLaw()
    name: str = "xrf"
    made: Machine | None = None

    @property
    def machine(self) -> Machine:
        """Simulator and quantifier; making them takes some seconds."""
        return build_machine(self.spec, self.calibration) if self.made is None else self.made

    def start(self, time: float) -> ChainState:
        """Return the state at plant time `time`, [s], before the first spectrum."""
        return ChainState(time=time)

    def measure(
        self,
        state: ChainState,
        concentration: ArrayLike,
        acid: float,
        time: float,
        generator: np.random.Generator,
        *,
        place: str = "",
    ) -> tuple[ChainState, Measured]:
        """Count one spectrum and quantify it.

        Args:
            state: After the last one.
            concentration: True, (element,), [mol/m³].
            acid: True free acid, [mol/m³].
            time: Plant time at which counting begins, [s].
            generator: Source of drift and counts.
            place: Written into the reading.

        Raises:
            SpecificationError: A concentration is negative or not finite.
        """
        true = concentrations_or_error(concentration, self.spec.elements, "online XRF")
        drift = self.law.moved(state.drift, time - state.time, generator)
        flicker = max(1.0 + self.law.flicker * float(generator.standard_normal()), 0.1)
        spectrum = self.machine.simulator.spectrum(
            true,
            max(acid, 0.0),
            count_time=self.count_time,
            drift=replace(drift, flux=drift.flux * flicker),
            generator=generator,
            title=place or self.name,
        )
        kept = state.starts.get(place)
        start = None if kept is None else (*kept, *state.nuisances)
        result, trouble = self._explained(spectrum, start)
        reading = (
            self._reading(result, place, time)
            if result is not None
            else self._no_reading(place, time, trouble)
        )
        after = replace(state, time=time, drift=drift)
        if result is not None and result.trusted:
            size = result.model.composition_size
            found = tuple(result.fit.values.tolist())
            begin = kept if kept is not None and _near(kept, result) else found[:size]
            starts = {**state.starts, place: begin}
            after = replace(after, starts=starts, nuisances=found[size:])
        return after, Measured(reading=reading, spectrum=spectrum, result=result)

    def _explained(
        self, spectrum: Spectrum, start: tuple[float, ...] | None
    ) -> tuple[Quantification | None, str]:
        """Quantify from where the last fit of the place ended, and else from anywhere."""
        quantifier = self.machine.quantifier
        for begin in (None if start is None else np.array(start), None):
            try:
                return quantify(spectrum, quantifier, start=begin), ""
            except DataError:
                return None, "not_this_instrument"
            except ConvergenceError:
                continue
        return None, "no_fit"

    def _reading(self, result: Quantification, place: str, time: float) -> Reading:
        seen = bool(np.any(result.concentration >= result.detection))
        quality: Quality = "good" if seen else "below_limit"
        return Reading(
            place=place,
            sample_time=time,
            result_time=time + self.count_time,
            elements=self.spec.elements,
            values=result.concentration.copy(),
            covariance=result.covariance,
            detection_limit=result.detection.copy(),
            quality=quality if result.trusted else "bad",
            instrument=self.name,
            chi2_per_dof=result.misfit.chi2_per_dof,
            flags=tuple(dict.fromkeys(flag.name for flag in result.flags)),
        )

    def _no_reading(self, place: str, time: float, trouble: str) -> Reading:
        count = len(self.spec.elements)
        return Reading(
            place=place,
            sample_time=time,
            result_time=time + self.count_time,
            elements=self.spec.elements,
            values=np.full(count, math.nan),
            covariance=np.full((count, count), math.nan),
            detection_limit=np.full(count, math.nan),
            quality="bad",
            instrument=self.name,
            flags=(trouble,),
        )


def _near(composition: tuple[float, ...], result: Quantification) -> bool:
    """Whether slopes taken at a composition are as good as those of the one found."""
    size = len(composition)
    variance = np.diag(result.fit.covariance)[:size].copy()
    variance[: size - 1] = np.diag(result.covariance)
    found = result.fit.values[:size]
    away = np.abs(np.array(composition) - found)
    return bool(np.all(away <= KEPT * np.abs(found) + 2.0 * np.sqrt(variance)))
