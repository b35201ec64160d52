"""What the readers of spectrum files share: text from bytes, strict numbers, units, energy axes."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from raffinate.errors import DataError
from raffinate.instruments.spectrum import Array, Flag

LARGEST_NUMBER = 1e18
"""No field of a spectrum is larger; keeps damaged exponents out of the arithmetic."""

ENERGY_UNITS = {"ev": 1.0, "kev": 1e3, "mev": 1e6}
"""eV in one unit of energy. Nobody measures X-rays in milli-electronvolts."""

TIME_UNITS = {"s": 1.0, "sec": 1.0, "secs": 1.0, "seconds": 1.0, "second": 1.0, "ms": 1e-3}
TIME_UNITS |= {"min": 60.0, "us": 1e-6, "µs": 1e-6}
VOLTAGE_UNITS = {"v": 1.0, "kv": 1e3}
CURRENT_UNITS = {"a": 1.0, "ma": 1e-3, "ua": 1e-6, "µa": 1e-6, "na": 1e-9, "pa": 1e-12}
CHANNEL_UNITS = ("channel", "channels", "chan", "ch", "bin", "none", "a.u.", "arb. units")
"""Names of an axis that carries no energy."""

KEV_GAINS = (5e-4, 0.5)
EV_GAINS = (0.9, 500.0)
"""Channel widths taken for keV and for eV where no unit is given; they do not overlap. Assumed."""

STRAIGHT = 0.1
"""Departure from equal steps that rounding explains, [channel]."""

BENT = 0.5
"""Departure beyond which one zero and one gain no longer tell the energies, [channel]."""

_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?"
_WHOLE_NUMBER = re.compile(_NUMBER)
_LEADING = re.compile(rf"\s*({_NUMBER})(\s*,\s*{_NUMBER})*")
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:[.,][0-9]{3})+")
_BELOW_THOUSAND = re.compile(r"[0-9]{1,3}")
_BETWEEN = re.compile(r"[\s,;]+")


class Axis(NamedTuple):
    """Energies as a straight line: zero and gain, [eV], and what is doubtful about it."""

    zero: float
    gain: float
    flags: tuple[Flag, ...]


UNCALIBRATED = Axis(math.nan, math.nan, ())
"""No energies are known."""


def decode(content: bytes, where: str) -> str:
    """Return the text of a file: UTF-8, UTF-16 with its mark, or Latin letters of one byte.

    Raises:
        DataError: It is no text.
    """
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        # Every byte is a letter in Latin-1, which degree and micro signs of older programs are.
        text = content.decode("latin-1")
    odd = sum(not (letter.isprintable() or letter in "\t\r\n\f\x1a") for letter in text[:4096])
    if "\0" in text or odd > 8:
        raise DataError(
            "the file is not text.",
            where=where,
            allowed="EMSA/MAS .msa, Bruker .spx, Amptek .mca, .spe, SPEC, CSV",
            mend="Export the spectrum as EMSA/MAS (.msa) or CSV from the program that took it.",
        )
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x1a", "")


def to_number(text: str) -> float | None:
    """Return a finite number a spectrum may hold, else None; stricter than float()."""
    stripped = text.strip()
    if not _WHOLE_NUMBER.fullmatch(stripped):
        return None
    value = float(stripped)
    return value if abs(value) <= LARGEST_NUMBER else None


def leading_numbers(text: str, where: str) -> list[float]:
    """Return the numbers a field begins with, separated by commas; a remark may follow them.

    Raises:
        DataError: It begins with none.
    """
    found = _LEADING.match(text)
    rest = text[found.end() :] if found else text
    values = [to_number(part) for part in found[0].split(",")] if found else [None]
    if (rest[:1] in tuple("0123456789.+-,_") and rest) or None in values:
        raise DataError(f"{text.strip()[:40]!r} is not a number.", where=where)
    return [value for value in values if value is not None]


def one_number(text: str, where: str) -> float:
    """Return the one number of a field.

    Raises:
        DataError: There is none, or there are several.
    """
    values = leading_numbers(text, where)
    if len(values) != 1:
        raise DataError(
            f"{text.strip()[:40]!r} holds {len(values)} numbers.",
            where=where,
            allowed="one",
            mend="Write a decimal point, not a comma.",
        )
    return values[0]


def decimal_points(text: str) -> str:
    """Return text in which commas between digits are points; not for lists with commas."""
    return re.sub(r"(?<=\d),(?=\d)", ".", text)


def refuse_grouped(cells: Sequence[str], where: str) -> None:
    """Refuse counts in which thousands are set off: 1.234 beside 56 would be read as 1.

    Raises:
        DataError: Numbers below 1000 are whole, and all others have three digits after a mark.
    """
    grouped = [cell for cell in cells if _GROUPED.fullmatch(cell)]
    plain = [cell for cell in cells if _BELOW_THOUSAND.fullmatch(cell)]
    if grouped and len(grouped) + len(plain) == len(cells) and len(plain) > len(cells) // 100:
        raise DataError(
            f"{grouped[0]!r} stands beside {plain[-1]!r}: thousands seem to be set off.",
            where=where,
            allowed="whole counts without separators",
            mend="Export the counts without thousands separators.",
        )


def row_numbers(line: str, where: str) -> list[float]:
    """Return the numbers of a line of data, separated by commas, semicolons or blanks.

    Raises:
        DataError: One of them is none.
    """
    values = []
    for part in _BETWEEN.split(line.strip().strip(",;")):
        if not part:
            continue
        value = to_number(part)
        if value is None:
            raise DataError(f"{part[:40]!r} is not a number.", where=where)
        values.append(value)
    return values


def in_unit(value: float, unit: str, known: dict[str, float], where: str) -> float:
    """Return a value in SI.

    Raises:
        DataError: The unit is not known.
    """
    name = unit.strip().strip("[]()").strip().lower().replace("μ", "µ")
    if name not in known:
        raise DataError(f"the unit {unit.strip()[:20]!r} is not known.", where=where,
                        allowed=", ".join(known))  # fmt: skip
    return value * known[name]


def assumed_unit(gain: float, where: str) -> tuple[float, Flag]:
    """Return eV per unit for a channel width given without one, and the flag that says so.

    Raises:
        DataError: It might be neither eV nor keV.
    """
    for name, (low, high) in (("kev", KEV_GAINS), ("ev", EV_GAINS)):
        if low <= gain <= high:
            written = {"kev": "keV", "ev": "eV"}[name]
            text = f"no unit of energy; channels of {gain:.4g} were taken to be in {written}"
            return ENERGY_UNITS[name], Flag(name="energy_unit_assumed", text=text)
    raise DataError(
        f"channels are {gain:.4g} wide in a unit the file does not give.",
        where=where,
        allowed=f"{KEV_GAINS[0]:g} to {KEV_GAINS[1]:g} keV or {EV_GAINS[0]:g} to "
        f"{EV_GAINS[1]:g} eV",
        mend="State the unit of energy in the file.",
    )


def line_axis(energies: Sequence[float] | Array, where: str) -> Axis:
    """Return zero and gain of energies that rise in equal steps, (channel,), [eV].

    Raises:
        DataError: They fall, repeat, or do not lie on a straight line.
    """
    values = np.asarray(energies, dtype=np.float64)
    if values.size < 2:
        raise DataError("the file holds fewer than two channels.", where=where)
    steps = np.diff(values)
    if np.all(steps < 0.0):
        raise DataError(
            f"energies fall from {values[0]:g} to {values[-1]:g} eV.",
            where=where,
            allowed="rising energies",
            mend="Reverse the order of the lines.",
        )
    if np.any(steps <= 0.0):
        place = int(np.argmax(steps <= 0.0)) + 1
        raise DataError(
            f"the energy of channel {place} is {values[place]:g} eV, after {values[place - 1]:g} "
            f"eV.",
            where=where,
            allowed="rising energies",
        )
    channel = np.arange(values.size, dtype=np.float64)
    middle = channel.mean()
    spread = channel - middle
    gain = float(spread @ (values - values.mean()) / (spread @ spread))
    zero = float(values.mean() - gain * middle)
    worst = float(np.abs(values - zero - gain * channel).max())
    if worst > BENT * gain:
        raise DataError(
            f"energies do not rise in equal steps: from a straight line they depart by up to "
            f"{worst:.3g} eV, and a channel is {gain:.4g} eV wide.",
            where=where,
            allowed=f"departures up to {BENT:g} of a channel",
            mend="Export the channels as counted, or bring them on equal steps first.",
        )
    if worst > STRAIGHT * gain:
        text = f"energies depart from equal steps by up to {worst:.3g} eV; the best line was taken"
        return Axis(zero, gain, (Flag(name="energy_not_linear", text=text),))
    return Axis(zero, gain, ())


def polynomial_axis(coefficients: Sequence[float], channels: int, where: str) -> Axis:
    """Return zero and gain of a polynomial in the channel number, [eV], lowest power first."""
    if not any(coefficients[1:]):
        return UNCALIBRATED
    if len(coefficients) < 3 or not any(coefficients[2:]):
        return Axis(coefficients[0], coefficients[1], ())
    channel = np.arange(channels, dtype=np.float64)
    energies = np.zeros(channels)
    for coefficient in reversed(coefficients):
        energies = energies * channel + coefficient
    if not np.all(np.abs(energies) <= LARGEST_NUMBER):
        raise DataError("the energy calibration leaves all bounds.", where=where)
    return line_axis(energies, where)


def expected_count(found: int, stated: float, where: str) -> None:
    """Refuse a spectrum that is shorter or longer than its file says.

    Raises:
        DataError: It is.
    """
    if found != stated:
        less = "fewer" if found < stated else "more"
        raise DataError(
            f"the file holds {found} values, {less} than the {stated:g} it says.",
            where=where,
            mend="It was cut off or damaged; export it again." if found < stated else "",
        )


def looks_whole(found: int) -> bool:
    """Tell whether a length is one that analyzers have: a power of two from 256 on."""
    return found >= 256 and found & (found - 1) == 0
