"""A measured energy-dispersive spectrum: counts, energies, times, and what is doubtful."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import DataError, SpecificationError

Array: TypeAlias = NDArray[np.float64]

KILO = 1e3
"""eV in one keV, V in one kV, mA in one A."""

ZERO_PEAK_RANGE = 200.0
"""[eV]. Counts closer than this to zero energy are noise or the strobe of the electronics: the
softest line of interest here, Na Kα, lies at 1041 eV. Assumed."""

TUBE_ANODES = {
    **{24: "Cr", 26: "Fe", 27: "Co", 28: "Ni", 29: "Cu", 40: "Zr", 41: "Nb", 42: "Mo"},
    **{45: "Rh", 46: "Pd", 47: "Ag", 64: "Gd", 73: "Ta", 74: "W", 78: "Pt", 79: "Au"},
}
"""Symbols of the metals X-ray tubes are made with, by atomic number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """Something about a spectrum that whoever uses it must know.

    Attributes:
        name: Short and stable, such as "saturated".
        text: What was found, with numbers.
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spectrum:
    """Counts against channel, with what the file says of how they were taken.

    Attributes:
        counts: Counts of each channel as read, (channel,), [-]; not to be written to.
        zero: Energy of channel 0, [eV]; NaN where the file gives no calibration.
        gain: Width of a channel, [eV]; NaN where the file gives no calibration.
        live_time: Time in which a photon could be counted, [s]; NaN where not stated.
        real_time: Time on the clock, [s]; NaN where not stated.
        tube_voltage: Of the X-ray tube or the electron beam, [V]; NaN where not stated.
        tube_current: Of the X-ray tube or the electron beam, [A]; NaN where not stated.
        anode: Atomic number of the tube's anode; 0 where not stated.
        detector: What the file calls the detector; empty where not stated.
        title: What the file calls the spectrum.
        format: Which kind of file it was.
        where: Name of the file, for messages.
        header: Every further field of the file, by its own name, as text.
        flags: What is doubtful or was assumed on reading.
    """

    counts: Array
    zero: float = math.nan
    gain: float = math.nan
    live_time: float = math.nan
    real_time: float = math.nan
    tube_voltage: float = math.nan
    tube_current: float = math.nan
    anode: int = 0
    detector: str = ""
    title: str = ""
    format: str = ""
    where: str = "spectrum"
    header: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()

    def __post_init__(self) -> None:
        counts = np.array(self.counts, dtype=np.float64)
        if counts.ndim != 1:
            raise SpecificationError(
                f"counts have {counts.ndim} axes.", where=self.where, allowed="one: (channel,)"
            )
        counts.setflags(write=False)
        object.__setattr__(self, "counts", counts)

    @property
    def calibrated(self) -> bool:
        """Tell whether energies are known."""
        return math.isfinite(self.zero) and math.isfinite(self.gain)

    @property
    def energy(self) -> Array:
        """Return the energy of each channel, (channel,), [eV].

        Raises:
            DataError: The spectrum has no energy calibration.
        """
        if not self.calibrated:
            raise DataError(
                "the spectrum has no energy calibration.",
                where=self.where,
                mend="Give zero and gain with calibrate_spectrum, or export it with calibration.",
            )
        return self.zero + self.gain * np.arange(self.counts.size, dtype=np.float64)

    @property
    def total(self) -> float:
        """Return the sum of all counts, [-]."""
        return float(self.counts.sum())

    @property
    def count_rate(self) -> float:
        """Return counts per live second, [1/s]; NaN without a live time."""
        return self.total / self.live_time if self.live_time > 0.0 else math.nan

    @property
    def dead_time_fraction(self) -> float:
        """Return the share of the real time that was not live, [-]; NaN where that has no sense."""
        if not 0.0 < self.live_time <= self.real_time:
            return math.nan
        return 1.0 - self.live_time / self.real_time

    @property
    def zero_peak_counts(self) -> float:
        """Return the counts within `ZERO_PEAK_RANGE` of zero energy, [-]; NaN uncalibrated."""
        if not self.calibrated:
            return math.nan
        return float(self.counts[np.abs(self.energy) <= ZERO_PEAK_RANGE].sum())

    def has(self, name: str) -> bool:
        """Tell whether the flag `name` is raised."""
        return any(flag.name == name for flag in self.flags)


def describe_spectrum(spectrum: Spectrum) -> dict[str, Any]:
    """Return what was read as plain values, each with its unit in the key; NaN where not known.

    `flags` holds the names, `warnings` the texts that belong to them, in the same order.
    """
    top = int(np.argmax(spectrum.counts)) if spectrum.counts.size else 0
    energy = spectrum.energy if spectrum.calibrated else None
    return {
        "file": spectrum.where,
        "format": spectrum.format,
        "title": spectrum.title,
        "detector": spectrum.detector,
        "channels": int(spectrum.counts.size),
        "zero_eV": spectrum.zero,
        "gain_eV_per_channel": spectrum.gain,
        "lowest_keV": math.nan if energy is None else float(energy[0]) / KILO,
        "highest_keV": math.nan if energy is None else float(energy[-1]) / KILO,
        "live_time_s": spectrum.live_time,
        "real_time_s": spectrum.real_time,
        "dead_time_fraction": spectrum.dead_time_fraction,
        "total_counts": spectrum.total,
        "zero_peak_counts": spectrum.zero_peak_counts,
        "counts_per_live_s": spectrum.count_rate,
        "highest_channel": top,
        "highest_channel_keV": math.nan if energy is None else float(energy[top]) / KILO,
        "highest_channel_counts": float(spectrum.counts[top]),
        "tube_kV": spectrum.tube_voltage / KILO,
        "tube_mA": spectrum.tube_current * KILO,
        "anode": anode_name(spectrum.anode),
        "flags": [flag.name for flag in spectrum.flags],
        "warnings": [flag.text for flag in spectrum.flags],
        "header": dict(spectrum.header),
    }


def anode_name(number: int) -> str:
    """Return the symbol of a tube's anode, "Z = ..." of an unusual one, nothing where unknown."""
    return TUBE_ANODES.get(number, f"Z = {number}" if number else "")
