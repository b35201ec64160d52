"""What makes a spectrum unusable, and what makes it doubtful."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from raffinate.errors import DataError
from raffinate.instruments.spectrum import KILO, Array, Flag, Spectrum

MOST_CHANNELS = 1 << 20
FEW_CHANNELS = 128
FEW_COUNTS = 1000.0
"""Below these a spectrum tells next to nothing. Assumed."""

MOST_COUNTS = 1e15
"""More than any counter holds; such a number is damage."""

NEGATIVE_SHARE = 0.01
"""Share of negative counts up to which a spectrum is read, [-]. A strobe that was subtracted leaves
a few in the NIST spectra; a subtracted background leaves many, and no counting statistics."""

GAINS = (0.5, 500.0)
"""Channel widths of energy-dispersive detectors, [eV]. Assumed."""

TOP_ENERGIES = (1e3, 1e6)
"""Highest energies such detectors are set to, [eV]. Assumed."""

VOLTAGES = (1e3, 5e5)
"""Tube and beam voltages, [V]. Assumed."""

DEAD_TIME = 0.6
"""Dead-time fraction beyond which counts are lost rather than corrected for, [-]. Assumed."""

LONGEST = 1e8
"""Longest count, [s]: three years."""

COUNTERS = (2.0**15 - 1.0, 2.0**16 - 1.0, 2.0**24 - 1.0, 2.0**31 - 1.0, 2.0**32 - 1.0)
"""What a full counter of 16, 24 or 32 bits holds."""

PLATEAU = 1000.0
"""Three neighbours equal and highest are a ceiling above this, and chance below it. By Poisson
statistics it happens once in thousands of peaks of this height."""

ABOVE_VOLTAGE = 0.1
"""Share of counts above what the tube can give beyond which pile-up is no explanation, [-].
Assumed."""


def check_spectrum(spectrum: Spectrum) -> Spectrum:
    """Return the spectrum with a flag for all that is doubtful.

    Raises:
        DataError: It holds no spectrum: nothing, zeros, one number throughout, numbers no counter
            gives, reversed energies, negative times.
    """
    _refuse_counts(spectrum)
    _refuse_axis(spectrum)
    _refuse_times(spectrum)
    usable = replace(
        spectrum,
        live_time=_or_unknown(spectrum.live_time),
        real_time=_or_unknown(spectrum.real_time),
        tube_voltage=_or_unknown(spectrum.tube_voltage),
        tube_current=_or_unknown(spectrum.tube_current),
    )
    known = {flag.name for flag in usable.flags}
    found = [
        Flag(name=name, text=text)
        for finder in (_doubtful_counts, _doubtful_axis, _doubtful_times, _doubtful_tube)
        for name, text in finder(usable)
        if name not in known
    ]
    return replace(usable, flags=(*usable.flags, *found))


def _or_unknown(value: float) -> float:
    """Return NaN for zero, which programs write where they know no better."""
    return value if value != 0.0 else math.nan


def calibrate_spectrum(spectrum: Spectrum, *, zero: float, gain: float) -> Spectrum:
    """Return the spectrum with another energy calibration, checked against it.

    Args:
        spectrum: Any.
        zero: Energy of channel 0, [eV].
        gain: Width of a channel, [eV].

    Raises:
        DataError: Not finite, or a gain of zero or less.
    """
    if not (math.isfinite(zero) and math.isfinite(gain)):
        raise DataError(
            f"zero {zero:g} eV and gain {gain:g} eV are no calibration.",
            where=spectrum.where,
            allowed="finite numbers",
        )
    of_energies = ("uncalibrated", "calibration_implausible", "counts_above_tube_voltage")
    stale = (*of_energies, "energy_unit_assumed", "energy_not_linear", "calibration_disagrees")
    kept = tuple(flag for flag in spectrum.flags if flag.name not in stale)
    return check_spectrum(replace(spectrum, zero=zero, gain=gain, flags=kept))


def _refuse_counts(spectrum: Spectrum) -> None:
    counts, where = spectrum.counts, spectrum.where
    if counts.size < 2:
        raise DataError(f"the file holds {counts.size} channels, no spectrum.", where=where)
    if counts.size > MOST_CHANNELS:
        raise DataError(
            f"the file holds {counts.size} channels.", where=where, allowed=f"{MOST_CHANNELS}"
        )
    largest = float(np.abs(counts).max())
    if not largest <= MOST_COUNTS:
        raise DataError(
            f"a channel holds {largest:g} counts.", where=where, allowed=f"up to {MOST_COUNTS:g}"
        )
    if largest == 0.0:
        raise DataError(
            f"all {counts.size} channels are zero.",
            where=where,
            mend="Look whether tube, shutter and detector were on, and export it again.",
        )
    if counts.min() == counts.max():
        raise DataError(f"every channel holds {counts[0]:g}; that is no spectrum.", where=where)
    negative = float(-counts[counts < 0.0].sum())
    positive = float(counts[counts > 0.0].sum())
    if negative > NEGATIVE_SHARE * positive:
        raise DataError(
            f"{int((counts < 0.0).sum())} channels are negative, together {-negative:g} beside "
            f"{positive:g} counts.",
            where=where,
            allowed=f"up to {NEGATIVE_SHARE:.0%}",
            mend="Export counts as measured, without subtracting a background.",
        )


def _refuse_axis(spectrum: Spectrum) -> None:
    if spectrum.calibrated and not spectrum.gain > 0.0:
        raise DataError(
            f"a channel is {spectrum.gain:g} eV wide: energies do not rise with the channels.",
            where=spectrum.where,
            allowed="more than 0",
            mend="Export the spectrum with energies that rise, or correct its calibration.",
        )


def _refuse_times(spectrum: Spectrum) -> None:
    stated = {"live": spectrum.live_time, "real": spectrum.real_time}
    for name, time in stated.items():
        if time < 0.0 or time > LONGEST:
            raise DataError(
                f"the {name} time is {time:g} s.",
                where=spectrum.where,
                allowed=f"0 to {LONGEST:g} s",
            )
    if spectrum.tube_voltage < 0.0 or spectrum.tube_current < 0.0:
        raise DataError(
            f"the tube runs at {spectrum.tube_voltage:g} V and {spectrum.tube_current:g} A.",
            where=spectrum.where,
            allowed="0 or more",
        )


def _doubtful_counts(spectrum: Spectrum) -> Iterator[tuple[str, str]]:
    counts = spectrum.counts
    if counts.size < FEW_CHANNELS:
        yield "few_channels", f"only {counts.size} channels"
    if spectrum.total < FEW_COUNTS:
        yield "few_counts", f"only {spectrum.total:g} counts"
    negative = int((counts < 0.0).sum())
    if negative:
        yield (
            "negative_counts",
            f"{negative} channels are negative, the lowest {counts.min():g}; left as they are",
        )
    broken = int((counts != np.round(counts)).sum())
    if broken:
        yield (
            "fractional_counts",
            f"{broken} channels hold no whole number: counts were corrected, smoothed or scaled, "
            f"and do not follow counting statistics",
        )
    yield from _ceiling(counts)
    before = counts[-6:-1]
    if counts.size >= FEW_CHANNELS and counts[-1] > 5.0 * before.max() + 20.0:
        yield (
            "overflow_channel",
            f"the last channel holds {counts[-1]:g} counts beside {before.max():g}: it collects "
            f"what lies above the range",
        )


def _ceiling(counts: Array) -> Iterator[tuple[str, str]]:
    top = float(counts.max())
    high = counts == top
    full = int(high.sum())
    plateau = bool((high[:-2] & high[1:-1] & high[2:]).any()) if counts.size > 2 else False
    if top in COUNTERS or (top >= PLATEAU and plateau):
        yield "saturated", f"{full} channels stand at {top:.0f}, the ceiling of a counter"


def _doubtful_axis(spectrum: Spectrum) -> Iterator[tuple[str, str]]:
    if not spectrum.calibrated:
        yield "uncalibrated", "no energy calibration; only channels are known"
        return
    first = spectrum.zero
    last = spectrum.zero + spectrum.gain * (spectrum.counts.size - 1)
    inside = GAINS[0] <= spectrum.gain <= GAINS[1]
    inside = inside and TOP_ENERGIES[0] <= last <= TOP_ENERGIES[1]
    if not inside or first < -0.25 * (last - first):
        yield (
            "calibration_implausible",
            f"channels of {spectrum.gain:.4g} eV from {first:.4g} eV to {last:.4g} eV fit no X-ray "
            f"detector; look at the unit of energy",
        )


def _doubtful_times(spectrum: Spectrum) -> Iterator[tuple[str, str]]:
    live, real = spectrum.live_time, spectrum.real_time
    if math.isnan(live):
        yield "live_time_missing", "no live time; count rates are not known"
    if live > real:
        yield (
            "live_above_real",
            f"live time {live:g} s is above real time {real:g} s, as in a sum over detectors; no "
            f"dead time follows from them",
        )
    if spectrum.dead_time_fraction > DEAD_TIME:
        yield "dead_time_high", f"dead time {spectrum.dead_time_fraction:.0%}"


def _doubtful_tube(spectrum: Spectrum) -> Iterator[tuple[str, str]]:
    voltage = spectrum.tube_voltage
    if math.isnan(voltage):
        return
    if not VOLTAGES[0] <= voltage <= VOLTAGES[1]:
        yield "tube_voltage_implausible", f"the tube is said to run at {voltage / KILO:g} kV"
        return
    if any(_doubtful_axis(spectrum)):
        return
    # One elementary charge falling through 1 V gains 1 eV, so volts compare with energies.
    above = float(spectrum.counts[spectrum.energy > 1.02 * voltage].sum())
    if above > ABOVE_VOLTAGE * spectrum.total:
        yield (
            "counts_above_tube_voltage",
            f"{above / spectrum.total:.0%} of the counts lie above {voltage / KILO:g} keV, which "
            f"the tube cannot give: calibration or voltage is wrong",
        )
