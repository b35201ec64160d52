"""Spectra in SPEC files, PyMca's .mca among them: #S, #@CALIB, #@CTIME and lines of @A.

#@CTIME holds preset, live and real time; #@CALIB the coefficients of energy, lowest power first,
in a unit the file does not name.
"""

from __future__ import annotations

import math
import re

import numpy as np

from raffinate.errors import DataError
from raffinate.instruments.spectrum import Flag, Spectrum
from raffinate.instruments.spectrum_file_parts import (
    UNCALIBRATED,
    Axis,
    assumed_unit,
    expected_count,
    leading_numbers,
    looks_whole,
    polynomial_axis,
    row_numbers,
)

FORMAT = "SPEC"


def is_spec(text: str) -> bool:
    """Tell whether this is a SPEC file that holds spectra."""
    return bool(re.search(r"^@[A-Z]?\d*\s", text, re.MULTILINE)) and bool(
        re.search(r"^#(S|@MCA|@CHANN|@CALIB)\s", text, re.MULTILINE)
    )


def read_spec(text: str, where: str) -> tuple[Spectrum, ...]:
    """Return the spectra of a file in their order.

    Raises:
        DataError: One of them is cut off, or contradicts itself.
    """
    found: list[Spectrum] = []
    header: dict[str, str] = {}
    pending: list[str] = []
    opened = 0
    for number, line in enumerate(text.split("\n"), start=1):
        place = f"{where}, line {opened or number}"
        if pending or line.startswith("@"):
            opened = opened or number
            pending.append(line.rstrip().removesuffix("\\"))
            if not line.rstrip().endswith("\\"):
                found.append(_read_one(" ".join(pending), header, place))
                pending, opened = [], 0
            continue
        if line.startswith("#"):
            key, _, value = line[1:].strip().partition(" ")
            if key == "S":
                header = {}
            header[key.lstrip("@")] = value.strip()
    if pending:
        raise DataError(
            "the last spectrum ends in the middle of a line.",
            where=f"{where}, line {opened}",
            mend="It was cut off; export it again.",
        )
    if not found:
        raise DataError("there is no line of @A with counts.", where=where)
    return tuple(found)


def _read_one(text: str, header: dict[str, str], where: str) -> Spectrum:
    counts = row_numbers(re.sub(r"^@[A-Z]?\d*", "", text), where)
    flags: list[Flag] = []
    channels = _numbers(header, "CHANN", where)
    if channels:
        expected_count(len(counts), channels[0], where)
    elif not looks_whole(len(counts)):
        text = f"the file does not say whether {len(counts)} channels are all"
        flags.append(Flag(name="length_not_stated", text=text))
    times = _numbers(header, "CTIME", where)
    axis = _axis(header, len(counts), where)
    first = channels[1] if len(channels) > 2 else 0.0
    return Spectrum(
        counts=np.array(counts),
        zero=axis.zero + first * axis.gain,
        gain=axis.gain,
        live_time=times[1] if len(times) > 2 else math.nan,
        real_time=times[2] if len(times) > 2 else math.nan,
        title=header.get("S", ""),
        format=FORMAT,
        where=where,
        header=dict(header),
        flags=(*flags, *axis.flags),
    )


def _numbers(header: dict[str, str], key: str, where: str) -> list[float]:
    text = header.get(key, "")
    return leading_numbers(",".join(text.split()), f"{where}, #@{key}") if text else []


def _axis(header: dict[str, str], channels: int, where: str) -> Axis:
    values = _numbers(header, "CALIB", where)
    # PyMca writes 0 1 0 for channels that were never calibrated.
    if len(values) < 2 or not any(values[1:]) or values[:2] == [0.0, 1.0]:
        return UNCALIBRATED
    if values[1] < 0.0:
        raise DataError("energies fall with the channels.", where=where,
                        allowed="rising energies")  # fmt: skip
    per_unit, flag = assumed_unit(values[1], where)
    axis = polynomial_axis([value * per_unit for value in values], channels, where)
    return Axis(axis.zero, axis.gain, (*axis.flags, flag))
