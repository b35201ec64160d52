"""From a spectrum to concentrations: the whole spectrum, explained by the physics of the analyzer.

Metals, one unknown of the matrix (free acid; share of extractant), flux, zero, gain and width are
fitted together. What the tube's scattered light says of flux and matrix thus corrects the metals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import DataError
from raffinate.instruments.calibrate_result import Calibration, calibration_flags
from raffinate.instruments.quantify_factors import factor_spread
from raffinate.instruments.quantify_fit import Fit, Start, deviance, fit_counts, start_at
from raffinate.instruments.quantify_flags import line_significance, misfit, result_flags
from raffinate.instruments.quantify_limits import ONE_SIDED, detection_limits, parameters
from raffinate.instruments.quantify_model import TOLERANCE, FitModel
from raffinate.instruments.quantify_result import Quantification
from raffinate.instruments.quantify_sample import sample_of
from raffinate.instruments.spectrum import KILO, Flag, Spectrum, anode_name
from raffinate.instruments.xrf_atomic import atomic_number
from raffinate.instruments.xrf_instrument import XrfInstrument
from raffinate.instruments.xrf_spectrum_build import build_forward_model

Array = NDArray[np.float64]

OWN_ZERO = 100.0
"""Further from the instrument's zero a file's calibration is another instrument's, [eV]. Assumed,
as are the next two."""
OWN_GAIN = 0.01
OWN_VOLTAGE = 0.02
TOTALS = (3.0, 30.0, 150.0, 400.0, 900.0)
"""Concentrations of all metals together where a fit may begin, [mol/m³]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quantifier:
    """An analyzer ready to be asked for given elements in a given matrix.

    Attributes:
        model: Parameters to counts.
        starts: Equal parts of all metals, from little to much.
        calibration: In force; None without one.
        matrix: As asked for.
    """

    model: FitModel
    starts: tuple[Start, ...]
    calibration: Calibration | None = None
    matrix: str = "chloride"

    def nearest(self, counts: Array, live_time: float) -> Start:
        """Return the start most like the counts, (fitted channel,)."""
        return min(self.starts, key=lambda one: deviance(counts, live_time * one.expected.counts))


def build_quantifier(
    instrument: XrfInstrument,
    metals: Sequence[str],
    matrix: str = "chloride",
    calibration: Calibration | None = None,
) -> Quantifier:
    """Return an analyzer ready to be asked.

    Args:
        instrument: The analyzer.
        metals: Symbols of what may be in the stream.
        matrix: "chloride", "nitrate", "sulfate", or an extractant in kerosene.
        calibration: Factors from standards of this very analyzer; None takes tables as they are.

    Raises:
        SpecificationError: An element or the matrix is unknown.
        DataError: The calibration is another analyzer's.
    """
    sample = sample_of(metals, matrix)
    if calibration is None:
        forward = build_forward_model(instrument, sample.components, tolerance=TOLERANCE)
        model = FitModel(forward=forward, sample=sample)
    else:
        correction = calibration.correction(instrument, sample.components)
        model = FitModel(forward=correction.forward(), sample=sample, correction=correction)
    starts = tuple(_start(model, total) for total in TOTALS)
    return Quantifier(model=model, starts=starts, calibration=calibration, matrix=matrix)


def _start(model: FitModel, total: float) -> Start:
    metals = model.sample.metals
    return start_at(model, parameters(model, np.full(len(metals), total / len(metals))))


def quantify(
    spectrum: Spectrum, quantifier: Quantifier, *, start: Array | None = None
) -> Quantification:
    """Return the concentrations a spectrum speaks for.

    Args:
        spectrum: As read, checked.
        quantifier: Analyzer, elements and matrix.
        start: Parameters near those sought, such as the last result's `fit.values`.

    Raises:
        DataError: The spectrum is not this instrument's, or has no calibration or time.
        ConvergenceError: No concentrations explain it.
    """
    model = quantifier.model
    check_instrument(spectrum, model.instrument)
    spectrum, live_time = timed(spectrum)
    counts = np.maximum(spectrum.counts[model.channels], 0.0)
    near = quantifier.nearest(counts, live_time) if start is None else start_at(model, start)
    fit = fit_counts(model, counts, live_time, near)
    significance = line_significance(model, counts, fit.expected.counts)
    found = misfit(counts, fit.expected.counts, len(fit.values), significance)
    flags = result_flags(spectrum, model, fit, found, significance)
    if quantifier.calibration is not None:
        flags += calibration_flags(
            quantifier.calibration, model.sample.metals, quantifier.matrix, fit.values
        )
    result = Quantification(
        spectrum=spectrum,
        model=model,
        fit=fit,
        misfit=found,
        detection=_detection(model, fit),
        flags=flags,
        live_time=live_time,
    )
    result = replace(result, detection=result.widening * result.detection)
    if model.correction is None:
        return result
    spread, absent = factor_spread(model, fit, live_time)
    # Currie's limit with both standard deviations in it.
    limit = np.hypot(result.detection, 2.0 * ONE_SIDED * absent)
    return replace(result, detection=limit, factor_covariance=spread)


def _detection(model: FitModel, fit: Fit) -> Array:
    return detection_limits(fit.jacobian, fit.expected.counts, fit.values, len(model.sample.metals))


def check_instrument(spectrum: Spectrum, instrument: XrfInstrument) -> None:
    """Refuse what another analyzer has measured.

    Raises:
        DataError: Channels, calibration, voltage or anode are not the instrument's.
    """
    if not spectrum.calibrated:
        raise DataError(
            "the spectrum has no energy calibration.",
            where=spectrum.where,
            mend="Export it with zero and channel width.",
        )
    same = spectrum.counts.size == instrument.channels
    same = same and abs(spectrum.zero - instrument.zero) <= OWN_ZERO
    if not same or abs(spectrum.gain / instrument.gain - 1.0) > OWN_GAIN:
        raise DataError(
            f"the spectrum has {spectrum.counts.size} channels of {spectrum.gain:.5g} eV from "
            f"{spectrum.zero:.4g} eV.",
            where=spectrum.where,
            allowed=f"{instrument.channels} of {instrument.gain:g} eV from {instrument.zero:g} eV, "
            f"as of instrument {instrument.name}",
            mend="Name the instrument that took it.",
        )
    tube = instrument.tube
    if abs(spectrum.tube_voltage / tube.voltage - 1.0) > OWN_VOLTAGE:
        raise DataError(
            f"the tube ran at {spectrum.tube_voltage / KILO:g} kV.",
            where=spectrum.where,
            allowed=f"{tube.voltage / KILO:g} kV, as of instrument {instrument.name}",
        )
    if spectrum.anode and spectrum.anode != atomic_number(tube.anode):
        raise DataError(
            f"the tube's anode is {anode_name(spectrum.anode)}.",
            where=spectrum.where,
            allowed=f"{tube.anode}, as of instrument {instrument.name}",
        )


def timed(spectrum: Spectrum) -> tuple[Spectrum, float]:
    """Return the live time [s], and the spectrum with a flag if that is an assumption.

    Raises:
        DataError: It states no time at all.
    """
    if spectrum.live_time > 0.0:
        return spectrum, spectrum.live_time
    if math.isnan(spectrum.real_time) or not spectrum.real_time > 0.0:
        raise DataError(
            "the spectrum states neither live nor real time.",
            where=spectrum.where,
            mend="Export it with its live time.",
        )
    flag = Flag(name="live_time_assumed", text="real time stands for the live time")
    return replace(spectrum, flags=(*spectrum.flags, flag)), spectrum.real_time
