"""Spectra as columns of numbers: CSV, tables with blanks, and PyMca's single column of counts."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from raffinate.errors import DataError, SpecificationError, nearest_name
from raffinate.instruments.spectrum import Array, Flag, Spectrum
from raffinate.instruments.spectrum_file_parts import (
    CHANNEL_UNITS,
    CURRENT_UNITS,
    ENERGY_UNITS,
    TIME_UNITS,
    UNCALIBRATED,
    VOLTAGE_UNITS,
    Axis,
    assumed_unit,
    in_unit,
    line_axis,
    looks_whole,
    one_number,
    refuse_grouped,
    to_number,
)

FORMAT = "table"

_QUANTITIES = {
    "live_time": (r"(acquisition )?live ?time|livetime", "s", TIME_UNITS),
    "real_time": (r"(acquisition )?real ?time|realtime|clock time", "s", TIME_UNITS),
    "tube_voltage": (r"(tube|beam)? ?(voltage|kv|hv|high voltage)", "kV", VOLTAGE_UNITS),
    "tube_current": (r"(tube|beam)? ?current", "", CURRENT_UNITS),
}
_TEXTS = {"title": r"title|sample|name|spectrum", "detector": r"detector"}
_COUNTS = re.compile(r"(y|counts?|cts|intensity|total counts)\b", re.IGNORECASE)
_ENERGY = re.compile(r"(x|e|energy|energies)\b|k?ev\b", re.IGNORECASE)
_CHANNEL = re.compile(r"(ch|chan|channels?|bin|index|no\.?)$", re.IGNORECASE)
_UNIT = re.compile(r"[(\[,/\s_]\s*([kKmM]?e[vV])\s*[)\]]?\s*$|^(k?e[vV])$")
_KEY = re.compile(r"#?\s*([A-Za-z][A-Za-z0-9 _./-]*?)\s*([(\[][^)\]]*[)\]])?\s*[:=,;\t]\s*(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrumColumns:
    """Which column holds what, for tables whose headings do not say.

    Attributes:
        counts: Heading of the counts, or their place counted from 1.
        energy: Heading of the energies, or their place; None where there are none.
        unit: Of the energies: "eV", "keV", or "" to take it from the heading.
    """

    counts: str | int
    energy: str | int | None = None
    unit: str = ""


def read_table(
    text: str, where: str, columns: SpectrumColumns | None = None
) -> tuple[Spectrum, ...]:
    """Return the spectrum of a table.

    Lines before the numbers may give `live time: 100 s`, `real time`, `voltage`, `current`, `title`
    and `detector`, with or without #; others are kept in the header.

    Raises:
        DataError: Cells are no numbers, columns are not known, energies do not rise in equal steps.
        SpecificationError: A column is asked for that is not there.
    """
    rows, lead = _rows(text, where)
    width = len(rows[0])
    headings = _headings(lead, width)
    chosen = columns or _guess(headings, rows, where)
    place = _place(chosen.counts, headings, width, where)
    table = np.array(rows)
    axis = UNCALIBRATED
    if chosen.energy is not None:
        at = _place(chosen.energy, headings, width, where)
        axis = _axis(table[:, at], headings[at] if headings else "", chosen.unit, where)
    header, values = _header(lead, headings, where)
    flags = list(axis.flags)
    if not looks_whole(len(rows)):
        text = f"the file does not say whether {len(rows)} channels are all"
        flags.append(Flag(name="length_not_stated", text=text))
    return (
        Spectrum(
            counts=table[:, place],
            zero=axis.zero,
            gain=axis.gain,
            live_time=values.get("live_time", math.nan),
            real_time=values.get("real_time", math.nan),
            tube_voltage=values.get("tube_voltage", math.nan),
            tube_current=values.get("tube_current", math.nan),
            title=_text(header, "title"),
            detector=_text(header, "detector"),
            format=FORMAT,
            where=where,
            header=header,
            flags=tuple(flags),
        ),
    )


def _rows(text: str, where: str) -> tuple[list[list[float]], list[str]]:
    """Return the rows of numbers and the lines before them."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    between = _delimiter([line for _, line in lines])
    comma = between in (";", "\t") and any(re.search(r"\d,\d", line) for _, line in lines)
    rows: list[list[float]] = []
    lead: list[str] = []
    written: list[list[str]] = []
    for number, line in lines:
        cells = _cells(line, between)
        values = [to_number(cell.replace(",", ".") if comma else cell) for cell in cells]
        numbers = [value for value in values if value is not None]
        if len(numbers) == len(values) and values:
            if rows and len(values) != len(rows[0]):
                raise DataError(
                    f"{len(values)} columns, and {len(rows[0])} above.",
                    where=f"{where}, line {number}",
                    mend="The file was cut off, or holds several tables.",
                )
            rows.append(numbers)
            written.append(cells)
        elif not rows:
            lead.append(line.strip())
        elif not line.lstrip().startswith("#"):
            raise DataError(
                f"{line.strip()[:40]!r} stands among the numbers.", where=f"{where}, line {number}"
            )
    if len(rows) < 2:
        raise DataError(
            "the file is in no form known here, nor a table of numbers.",
            where=where,
            allowed="EMSA/MAS .msa, Bruker .spx, Amptek .mca, .spe, SPEC, CSV",
            mend="Export the spectrum as EMSA/MAS (.msa) or CSV.",
        )
    for column in zip(*written, strict=True):
        refuse_grouped(column, where)
    return rows, lead


def _delimiter(lines: Sequence[str]) -> str:
    """Return what separates columns: ; tab , or blanks, by the last lines, which are numbers."""
    last = [line for line in lines[-9:] if not line.lstrip().startswith("#")]
    for mark in (";", "\t", ","):
        if 2 * sum(mark in line for line in last) > len(last):
            return mark
    return " "


def _cells(line: str, between: str) -> list[str]:
    if between == " ":
        return line.split()
    try:
        cells = next(csv.reader([line], delimiter=between, skipinitialspace=True), [])
    except csv.Error:
        return [line]
    # A separator at the end of each line makes no column.
    while cells and not cells[-1].strip():
        cells.pop()
    return [cell.strip() for cell in cells]


def _headings(lead: Sequence[str], width: int) -> list[str]:
    """Return the headings: of the last lines before the numbers one that has as many cells."""
    for line in reversed(lead[-3:]):
        for mark in (";", "\t", ",", " "):
            cells = [cell for cell in _cells(line.lstrip("# "), mark) if cell]
            if len(cells) == width and any(_role(cell) for cell in cells):
                return cells
    last = lead[-1] if lead else "#"
    for mark in (";", "\t", ",", " "):
        cells = [cell for cell in _cells(last, mark) if cell]
        # Headings of an unknown kind must not be passed over, or energies would be guessed.
        if len(cells) == width and not re.match(r"#|.*[:=]", last):
            return cells
    return []


def _role(heading: str) -> str:
    name = re.sub(r"[(\[].*", "", heading).replace("_", " ").strip()
    if _CHANNEL.fullmatch(name):
        return "channel"
    if _COUNTS.match(name):
        return "counts"
    return "energy" if _ENERGY.match(name) or _ENERGY.match(heading) else ""


def _guess(headings: list[str], rows: list[list[float]], where: str) -> SpectrumColumns:
    """Return which columns hold counts and energies, where there is no doubt."""
    width = len(rows[0])
    if width == 1:
        return SpectrumColumns(counts=1)
    roles = [_role(heading) for heading in headings]
    counts = [place for place, role in enumerate(roles, 1) if role == "counts"]
    energy = [place for place, role in enumerate(roles, 1) if role == "energy"]
    channel = [place for place, role in enumerate(roles, 1) if role == "channel"]
    if len(counts) == 1 and len(energy) == 1:
        return SpectrumColumns(counts=counts[0], energy=energy[0])
    if len(counts) == 1 and not energy and channel:
        return SpectrumColumns(counts=counts[0])
    if width == 2 and not headings:
        first = [row[0] for row in rows]
        start = first[0]
        running = start in (0.0, 1.0) and first == [start + step for step in range(len(first))]
        return SpectrumColumns(counts=2, energy=None if running else 1)
    raise DataError(
        f"of {width} columns it is not clear which holds the counts.",
        where=where,
        allowed="one column headed counts, and one headed energy (keV), energy (eV) or channel",
        mend="Name them: SpectrumColumns(counts=..., energy=..., unit=...), or --counts-column.",
    )


def _place(column: str | int, headings: list[str], width: int, where: str) -> int:
    """Return the index of a column given by its heading or its place from 1."""
    if isinstance(column, str) and column.isdigit() and column not in headings:
        column = int(column)
    if isinstance(column, int):
        if 1 <= column <= width:
            return column - 1
        raise SpecificationError(f"column {column} of {width}.", where=where,
                                 allowed=f"1 to {width}")  # fmt: skip
    if column in headings:
        return headings.index(column)
    raise SpecificationError(
        f"no column is headed {column!r}.",
        where=where,
        mend=nearest_name(column, headings) if headings else "Give its place, counted from 1.",
    )


def _axis(energies: Array, heading: str, unit: str, where: str) -> Axis:
    found = _UNIT.search(heading)
    written = unit or ((found[1] or found[2]) if found else "")
    if written.lower() in CHANNEL_UNITS:
        return UNCALIBRATED
    step = float(energies[-1] - energies[0]) / (energies.size - 1)
    if written:
        return line_axis(energies * in_unit(1.0, written, ENERGY_UNITS, where), where)
    per_unit, flag = assumed_unit(abs(step), where)
    axis = line_axis(energies * per_unit, where)
    return Axis(axis.zero, axis.gain, (*axis.flags, flag))


def _header(
    lead: Sequence[str], headings: list[str], where: str
) -> tuple[dict[str, str], dict[str, float]]:
    """Return the fields before the numbers, and the quantities among them in SI."""
    header: dict[str, str] = {}
    values: dict[str, float] = {}
    remarks = []
    for line in lead:
        found = _KEY.fullmatch(line)
        if headings and line.lstrip("# ").startswith(headings[0]):
            continue
        if not found:
            remarks.append(line.lstrip("# "))
            continue
        key, unit, text = found[1].strip(), found[2] or "", found[3].strip()
        header[key] = text
        name = key.lower().replace("_", " ")
        for quantity, (pattern, default, known) in _QUANTITIES.items():
            if re.fullmatch(pattern, name) and text:
                values[quantity] = _quantity(text, unit, default, known, f"{where}, {key}")
    if remarks:
        header["remarks"] = "\n".join(remarks)[:2000]
    return header, values


def _quantity(text: str, unit: str, default: str, known: dict[str, float], where: str) -> float:
    number, _, after = text.strip(" ,;\t").partition(" ")
    written = unit.strip("()[] ") or after.strip() or default
    if not written:
        return math.nan
    return in_unit(one_number(number, where), written, known, where)


def _text(header: Mapping[str, str], quantity: str) -> str:
    for key, text in header.items():
        if re.fullmatch(_TEXTS[quantity], key.lower()):
            return text
    return ""
