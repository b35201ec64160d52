"""Spectra in sections that begin with $ (.spe of Ortec's and the IAEA's programs, and PyMca's).

The sections $MEAS_TIM (live and real time, s), $DATA (first and last channel, then counts),
$ENER_FIT and $MCA_CAL (energies as a polynomial) are used; every other is kept in the header.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np

from raffinate.errors import DataError
from raffinate.instruments.spectrum import Array, Flag, Spectrum
from raffinate.instruments.spectrum_file_parts import (
    CHANNEL_UNITS,
    ENERGY_UNITS,
    UNCALIBRATED,
    Axis,
    assumed_unit,
    decimal_points,
    expected_count,
    in_unit,
    leading_numbers,
    looks_whole,
    one_number,
    polynomial_axis,
    row_numbers,
)

FORMAT = "SPE sections"
LONGEST_FIELD = 2000

_SECTION = re.compile(r"\$([A-Za-z0-9_ ]+):(.*)")

Lines = list[tuple[int, str]]


def is_spe(text: str) -> bool:
    """Tell whether this is a file in sections that begin with $."""
    return bool(re.search(r"^\s*\$[A-Z][A-Z0-9_ ]*:", text[:20000], re.MULTILINE))


def read_spe(text: str, where: str) -> tuple[Spectrum, ...]:
    """Return the spectrum of a file.

    Raises:
        DataError: It is cut off, or contradicts itself.
    """
    sections = _sections(text, where)
    counts, first = _counts(sections, where)
    axis = _axis(sections, counts.size, where)
    # The calibration counts channels from 0 also where the data begins later.
    zero = axis.zero + first * axis.gain
    times = _times(sections, where)
    return (
        Spectrum(
            counts=counts,
            zero=zero,
            gain=axis.gain,
            live_time=times[0],
            real_time=times[1],
            title=_text(sections, "SPEC_ID"),
            format=FORMAT,
            where=where,
            header={name: _text(sections, name) for name in sections if name != "DATA"},
            flags=axis.flags,
        ),
    )


def _sections(text: str, where: str) -> dict[str, Lines]:
    sections: dict[str, Lines] = {}
    current: Lines = []
    for number, line in enumerate(text.split("\n"), start=1):
        found = _SECTION.match(line.strip())
        if found:
            name = found[1].strip().upper()
            if name == "DATA" and name in sections:
                raise DataError("a second section $DATA.", where=f"{where}, line {number}",
                                mend="Write one spectrum per file.")  # fmt: skip
            current = sections.setdefault(name, [])
            if found[2].strip():
                current.append((number, found[2].strip()))
        elif line.strip():
            current.append((number, line.strip()))
    return sections


def _text(sections: Mapping[str, Lines], name: str) -> str:
    return "\n".join(line for _, line in sections.get(name, []))[:LONGEST_FIELD]


def _counts(sections: Mapping[str, Lines], where: str) -> tuple[Array, int]:
    """Return the counts and the number of the first channel."""
    lines = sections.get("DATA", [])
    if not lines:
        raise DataError("there is no data under $DATA.", where=where)
    number, head = lines[0]
    limits = row_numbers(head, f"{where}, line {number}")
    whole = all(limit >= 0.0 and limit == round(limit) for limit in limits)
    if len(limits) != 2 or not whole or limits[1] < limits[0]:
        raise DataError(
            f"$DATA begins with {head[:40]!r}.",
            where=f"{where}, line {number}",
            allowed="the first and the last channel",
        )
    counts = [
        value
        for number, line in lines[1:]
        for value in row_numbers(line, f"{where}, line {number}")
    ]
    first, last = int(limits[0]), int(limits[1])
    # Some programs write the number of channels where the last one belongs.
    if not (len(counts) == last and first == 0 and looks_whole(last)):
        expected_count(len(counts), last - first + 1, where)
    return np.array(counts), first


def _times(sections: Mapping[str, Lines], where: str) -> tuple[float, float]:
    lines = sections.get("MEAS_TIM", [])
    if not lines:
        return math.nan, math.nan
    values = row_numbers(decimal_points(lines[0][1]), f"{where}, $MEAS_TIM")
    if len(values) > 2:
        raise DataError(f"$MEAS_TIM holds {len(values)} numbers.", where=where,
                        allowed="live and real time")  # fmt: skip
    return (*values, math.nan, math.nan)[0], (*values, math.nan, math.nan)[1]


def _axis(sections: Mapping[str, Lines], channels: int, where: str) -> Axis:
    found = _calibration(sections, where)
    if found is None:
        return UNCALIBRATED
    coefficients, unit = found
    if unit.lower() in CHANNEL_UNITS:
        return UNCALIBRATED
    flags: list[Flag] = []
    if unit:
        per_unit = in_unit(1.0, unit, ENERGY_UNITS, f"{where}, $MCA_CAL")
    else:
        if coefficients[1] < 0.0:
            raise DataError("energies fall with the channels.", where=where,
                            allowed="rising energies")  # fmt: skip
        per_unit, flag = assumed_unit(coefficients[1], where)
        flags = [flag]
    axis = polynomial_axis([value * per_unit for value in coefficients], channels, where)
    return Axis(axis.zero, axis.gain, (*axis.flags, *flags))


def _calibration(sections: Mapping[str, Lines], where: str) -> tuple[list[float], str] | None:
    """Return the coefficients of energy, lowest power first, and their unit; None without any."""
    lines = sections.get("MCA_CAL", [])
    if len(lines) > 1:
        count = one_number(lines[0][1], f"{where}, $MCA_CAL")
        parts = decimal_points(lines[1][1]).split()
        unit = parts.pop() if parts[-1][:1].isalpha() else ""
        values = row_numbers(" ".join(parts), f"{where}, $MCA_CAL")
        expected_count(len(values), count, f"{where}, $MCA_CAL")
        if len(values) > 1 and any(values[1:]):
            return values, unit
    lines = sections.get("ENER_FIT", [])
    if lines:
        parts = decimal_points(lines[0][1]).split()
        unit = parts.pop() if parts[-1][:1].isalpha() else ""
        values = leading_numbers(",".join(parts), f"{where}, $ENER_FIT")
        if len(values) > 1 and any(values[1:]):
            return values, unit
    return None
