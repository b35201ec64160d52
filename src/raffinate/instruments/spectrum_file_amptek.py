"""Amptek spectra (.mca): <<PMCA SPECTRUM>>, <<CALIBRATION>>, <<DATA>>, <<DP5 CONFIGURATION>>."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np

from raffinate.errors import DataError
from raffinate.instruments.spectrum import Flag, Spectrum
from raffinate.instruments.spectrum_file_parts import (
    ENERGY_UNITS,
    UNCALIBRATED,
    Axis,
    assumed_unit,
    decimal_points,
    expected_count,
    looks_whole,
    one_number,
    row_numbers,
)

FORMAT = "Amptek MCA"

STRAY = 2.0
"""Departure of a calibration point from the line through all, [channel], beyond which they are no
calibration. Assumed."""

_SECTION = re.compile(r"<<([A-Z0-9 _]+)>>")


def is_amptek(text: str) -> bool:
    """Tell whether this is a file of Amptek's programs."""
    return bool(re.search(r"^\s*<<(PMCA SPECTRUM|DATA)>>", text[:20000], re.MULTILINE))


def read_amptek(text: str, where: str) -> tuple[Spectrum, ...]:
    """Return the spectrum of a file.

    Raises:
        DataError: It is cut off, or contradicts itself.
    """
    sections, closed = _sections(text, where)
    counts = [
        value
        for number, line in sections.get("DATA", [])
        for value in row_numbers(line, f"{where}, line {number}")
    ]
    header = _header(sections)
    flags: list[Flag] = []
    stated = header.get("MCAC", "")
    if stated:
        expected_count(len(counts), one_number(stated, f"{where}, MCAC"), where)
    elif not closed and not looks_whole(len(counts)):
        raise DataError(
            f"the data ends after {len(counts)} channels without <<END>>.",
            where=where,
            mend="It was cut off; export it again.",
        )
    if not closed:
        flags.append(Flag(name="no_end_mark", text="the line <<END>> is missing"))
    axis = _axis(sections.get("CALIBRATION", []), where)
    return (
        Spectrum(
            counts=np.array(counts),
            zero=axis.zero,
            gain=axis.gain,
            live_time=_time(header, ("LIVE_TIME", "Accumulation Time"), where),
            real_time=_time(header, ("REAL_TIME", "Real Time"), where),
            detector=header.get("Device Type", ""),
            title=header.get("DESCRIPTION", "") or header.get("TAG", ""),
            format=FORMAT,
            where=where,
            header=header,
            flags=(*flags, *axis.flags),
        ),
    )


def _sections(text: str, where: str) -> tuple[dict[str, list[tuple[int, str]]], bool]:
    """Return the lines of each section with their numbers, and whether the data is closed."""
    sections: dict[str, list[tuple[int, str]]] = {}
    current, closed = "", False
    for number, line in enumerate(text.split("\n"), start=1):
        found = _SECTION.match(line.strip())
        if found:
            current = found[1].strip()
            closed = closed or current == "END"
            if current in sections and current in ("DATA", "CALIBRATION"):
                raise DataError(
                    f"a second section <<{current}>>.", where=f"{where}, line {number}",
                    mend="Write one spectrum per file.",
                )  # fmt: skip
            sections.setdefault(current, [])
        elif line.strip() and current:
            sections[current].append((number, line.strip()))
    if not sections.get("DATA"):
        raise DataError("there is no data under <<DATA>>.", where=where)
    return sections, closed


def _header(sections: Mapping[str, list[tuple[int, str]]]) -> dict[str, str]:
    header: dict[str, str] = {}
    for name, between in (
        ("PMCA SPECTRUM", "-"),
        ("DP5 CONFIGURATION", "="),
        ("DPP CONFIGURATION", "="),
        ("DPP STATUS", ":"),
    ):
        for _, line in sections.get(name, []):
            key, found, value = line.partition(between)
            if found:
                header.setdefault(key.strip(), value.partition(";")[0].strip())
    return header


def _time(header: Mapping[str, str], names: tuple[str, ...], where: str) -> float:
    for name in names:
        if header.get(name):
            return one_number(decimal_points(header[name]), f"{where}, {name}")
    return math.nan


def _axis(lines: list[tuple[int, str]], where: str) -> Axis:
    """Return the line through the calibration points, channel and energy each."""
    unit, points = "", []
    for number, line in lines:
        key, labelled, value = line.partition("-")
        if key.strip() == "LABEL" and labelled:
            unit = value.strip().lower()
            continue
        pair = row_numbers(decimal_points(line), f"{where}, line {number}")
        if len(pair) != 2:
            raise DataError(f"{line[:40]!r} is no channel with its energy.",
                            where=f"{where}, line {number}")  # fmt: skip
        points.append(pair)
    if len(points) < 2:
        return UNCALIBRATED
    channel, energy = np.array(points).T
    spread = channel - channel.mean()
    scatter = float(spread @ spread)
    if scatter == 0.0:
        raise DataError("the calibration points are all of one channel.", where=where)
    gain = float(spread @ (energy - energy.mean())) / scatter
    zero = float(energy.mean() - gain * channel.mean())
    if gain <= 0.0:
        raise DataError("energies of the calibration points do not rise.", where=where,
                        allowed="rising energies")  # fmt: skip
    worst = float(np.abs(energy - zero - gain * channel).max()) / gain
    if worst > STRAY:
        raise DataError(
            f"a calibration point lies {worst:.3g} channels off the line through all.",
            where=where,
            allowed=f"up to {STRAY:g}",
            mend="Calibrate again.",
        )
    flags: list[Flag] = []
    if unit in ENERGY_UNITS:
        per_unit = ENERGY_UNITS[unit]
    else:
        per_unit, flag = assumed_unit(gain, where)
        flags = [flag]
    if worst > 0.5:
        text = f"a calibration point lies {worst:.2g} channels off the line through all"
        flags.append(Flag(name="energy_not_linear", text=text))
    return Axis(zero * per_unit, gain * per_unit, tuple(flags))
