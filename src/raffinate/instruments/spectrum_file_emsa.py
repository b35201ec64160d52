"""EMSA/MAS spectral data files (.msa, .emsa, ISO 22029), one or several detectors.

Keywords and units follow R. F. Egerton, C. E. Fiori, J. A. Hunt, M. S. Isaacson, E. J. Kirkland,
N. J. Zaluzec, Proceedings of the EMSA 49 (1991) 526; the data type YY, values by detector and the
counters TRIGGERS and EVENTS are those of the PIXL instrument, as documented with PIQUANT.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from raffinate.errors import DataError
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
    expected_count,
    in_unit,
    leading_numbers,
    line_axis,
    looks_whole,
    one_number,
    refuse_grouped,
    row_numbers,
)

FORMAT = "EMSA/MAS"

COUNT_UNITS = ("", "counts", "count", "cts", "intensity", "counts/channel")
RATE_UNITS = ("cps", "counts/s", "cts/s", "counts/sec", "counts per second", "counts/second")
SIGNALS = ("", "EDS", "EDX", "XRF", "EDXRF", "XEDS", "GAM")
"""Signals of energy-dispersive photon counters."""

MOST_DETECTORS = 64

_FIELD = re.compile(r"#+\s*([^\s:#][^\s:]*)\s*([^:]*):(.*)")
_FORMAT = re.compile(r"^#+\s*FORMAT\s*:", re.MULTILINE | re.IGNORECASE)
_TYPE = re.compile(r"(X?)(Y+)")


@dataclass(frozen=True, slots=True)
class _Field:
    unit: str
    text: str


def is_emsa(text: str) -> bool:
    """Tell whether this is an EMSA/MAS file."""
    head = text[:20000]
    if _FORMAT.search(head):
        return True
    return bool(re.search(r"^#+\s*NPOINTS\s*:", head, re.MULTILINE | re.IGNORECASE))


def read_emsa(text: str, where: str) -> tuple[Spectrum, ...]:
    """Return the spectra of a file, by detector and by block if several were joined.

    Raises:
        DataError: It is cut off, contradicts itself, or has units that are not known.
    """
    starts = [found.start() for found in _FORMAT.finditer(text)]
    if len(starts) < 2:
        return _read_block(text, where)
    ends = [*starts[1:], len(text)]
    return tuple(
        spectrum
        for place, (start, end) in enumerate(zip(starts, ends, strict=True), start=1)
        for spectrum in _read_block(text[start:end], f"{where}, block {place}")
    )


def _read_block(text: str, where: str) -> tuple[Spectrum, ...]:
    fields, rows, ended = _split(text, where)
    if not rows:
        raise DataError(
            "there is no data: " + ("nothing follows #SPECTRUM." if ended else "it was cut off."),
            where=where,
            mend="Export it again.",
        )
    has_energy, detectors = _layout(fields, where)
    flags = [] if ended else [Flag(name="no_end_mark", text="the line #ENDOFDATA is missing")]
    energies, columns, more = _columns(fields, rows, has_energy, detectors, where)
    flags += more
    return tuple(
        _one_detector(fields, energies, counts, place, len(columns), flags, where)
        for place, counts in enumerate(columns)
    )


def _split(text: str, where: str) -> tuple[dict[str, _Field], list[list[float]], bool]:
    """Return the fields, the rows of data, and whether their end is marked."""
    fields: dict[str, _Field] = {}
    rows: list[list[float]] = []
    cells: list[str] = []
    reading = False
    for number, line in enumerate(text.split("\n"), start=1):
        place = f"{where}, line {number}"
        if line.lstrip().startswith("#"):
            found = _FIELD.match(line.strip())
            # PIXL's flight software ends the last keyword without a colon.
            name = found[1].upper() if found else line.strip("# \t").upper()
            if name == "ENDOFDATA":
                refuse_grouped(cells, where)
                return fields, rows, True
            if name == "SPECTRUM":
                reading = True
            elif found:
                _keep(fields, name, _Field(found[2].strip(" -"), found[3].strip()), place)
        elif line.strip():
            if not reading:
                raise DataError("values stand before the line #SPECTRUM.", where=place)
            rows.append(row_numbers(line, place))
            cells.append(line.strip(" \t,;"))
    refuse_grouped(cells, where)
    return fields, rows, False


def _keep(fields: dict[str, _Field], name: str, value: _Field, place: str) -> None:
    before = fields.get(name)
    if before is None or before.text == value.text:
        fields[name] = value
    elif name in ("NPOINTS", "XPERCHAN", "OFFSET", "XUNITS", "DATATYPE", "LIVETIME", "REALTIME"):
        raise DataError(f"{name} is {before.text[:20]!r}, and here {value.text[:20]!r}.",
                        where=place)  # fmt: skip
    else:
        fields[name] = _Field(before.unit, f"{before.text}\n{value.text}")


def _layout(fields: Mapping[str, _Field], where: str) -> tuple[bool, int]:
    """Return whether energies stand beside the counts, and of how many detectors those are."""
    written = fields["DATATYPE"].text.upper() if "DATATYPE" in fields else "Y"
    found = _TYPE.fullmatch(re.split(r"\s{2,}", written)[0].replace(",", "").strip())
    if not found:
        raise DataError(
            f"DATATYPE is {written[:20]!r}.", where=where, allowed="Y, XY; YY of several detectors"
        )
    detectors = len(found[2])
    listed = len(leading_numbers(fields["XPERCHAN"].text, f"{where}, XPERCHAN")) if (
        "XPERCHAN" in fields and fields["XPERCHAN"].text
    ) else 1  # fmt: skip
    if detectors > 1 or listed > 1:
        columns = _whole(fields, "NCOLUMNS", where) or detectors
        if detectors == 1 and columns == 1 and "NCOLUMNS" in fields:
            raise DataError(
                f"XPERCHAN is {fields['XPERCHAN'].text[:20]!r}, and NCOLUMNS says one column.",
                where=where,
                allowed="one number",
                mend="Write a decimal point, not a comma.",
            )
        detectors = max(detectors, listed, columns - bool(found[1]))
    if detectors > MOST_DETECTORS:
        raise DataError(f"the file is of {detectors} detectors.", where=where,
                        allowed=f"up to {MOST_DETECTORS}")  # fmt: skip
    return bool(found[1]), detectors


def _whole(fields: Mapping[str, _Field], name: str, where: str) -> int:
    """Return a whole number, 0 where it is not stated."""
    if name not in fields or not fields[name].text:
        return 0
    value = one_number(fields[name].text, f"{where}, {name}")
    if value != round(value) or value < 0.0:
        raise DataError(f"{name} is {value:g}.", where=where, allowed="a whole number")
    return int(value)


def _columns(
    fields: Mapping[str, _Field],
    rows: list[list[float]],
    has_energy: bool,
    detectors: int,
    where: str,
) -> tuple[Array | None, list[Array], list[Flag]]:
    """Return the energies if they are given, and the counts by detector."""
    points = _whole(fields, "NPOINTS", where)
    width = has_energy + detectors
    for number, row in enumerate(rows, start=1):
        if len(row) % width:
            raise DataError(
                f"row {number} of the data holds {len(row)} values.",
                where=where,
                allowed=f"{width}, or a multiple",
                mend="A file cut off ends like this, and so does one with decimal commas.",
            )
    flat = np.array([value for row in rows for value in row])
    several = _whole(fields, "NCOLUMNS", where)
    # Some programs write a column per detector and call the data type Y all the same.
    if width == 1 and several > 1 and points and flat.size == points * several:
        width = detectors = several
    table = flat.reshape(-1, width)
    flags = []
    if points:
        full = several * -(-points // several) if several > 1 else points
        if points < len(table) <= full and not table[points:].any():
            table = table[:points]
        expected_count(len(table), points, where)
    elif not looks_whole(len(table)):
        flags.append(_no_length(len(table)))
    energies = table[:, 0] if has_energy else None
    return energies, [table[:, has_energy + place] for place in range(detectors)], flags


def _no_length(found: int) -> Flag:
    return Flag(
        name="length_not_stated",
        text=f"the file does not say how many channels there are; whether {found} are all is not "
        f"known",
    )


def _one_detector(
    fields: Mapping[str, _Field],
    energies: Array | None,
    counts: Array,
    place: int,
    detectors: int,
    flags: list[Flag],
    where: str,
) -> Spectrum:
    def stated(name: str, unit: str, known: dict[str, float]) -> float:
        return _quantity(fields, name, unit, known, place, detectors, where)

    axis = _axis(fields, energies, counts.size, place, detectors, where)
    live = stated("LIVETIME", "s", TIME_UNITS)
    live, corrected = _correct_live(fields, live, place, detectors, where)
    counts, scaled = _as_counts(fields, counts, live, where)
    detector = fields["EDSDET"].text if "EDSDET" in fields else ""
    detector = detector or (fields["RTDET"].text if "RTDET" in fields else "")
    if detectors > 1:
        detector = f"{detector} {place + 1} of {detectors}".strip()
    known = ("TITLE",)
    return Spectrum(
        counts=counts,
        zero=axis.zero,
        gain=axis.gain,
        live_time=live,
        real_time=stated("REALTIME", "s", TIME_UNITS),
        tube_voltage=stated("BEAMKV", "kV", VOLTAGE_UNITS),
        tube_current=stated("PROBECUR", "nA", CURRENT_UNITS),
        detector=detector,
        title=fields["TITLE"].text if "TITLE" in fields else "",
        format=FORMAT,
        where=where,
        header={name: field.text for name, field in fields.items() if name not in known},
        flags=(*flags, *axis.flags, *corrected, *scaled, *_signal(fields)),
    )


def _signal(fields: Mapping[str, _Field]) -> list[Flag]:
    signal = fields["SIGNALTYPE"].text.upper() if "SIGNALTYPE" in fields else ""
    if signal in SIGNALS:
        return []
    return [Flag(name="other_signal", text=f"the signal is {signal[:20]}, no X-ray counting")]


def _quantity(
    fields: Mapping[str, _Field],
    name: str,
    unit: str,
    known: dict[str, float],
    place: int,
    detectors: int,
    where: str,
) -> float:
    """Return a quantity of one detector in SI, NaN where it is not stated."""
    if name not in fields or not fields[name].text:
        return math.nan
    value = _of_detector(fields[name].text, place, detectors, f"{where}, {name}")
    return in_unit(value, fields[name].unit or unit, known, f"{where}, {name}")


def _of_detector(text: str, place: int, detectors: int, where: str) -> float:
    values = leading_numbers(text, where)
    if len(values) not in (1, detectors):
        raise DataError(
            f"{text[:40]!r} holds {len(values)} numbers for {detectors} detectors.",
            where=where,
            mend="Write a decimal point, not a comma.",
        )
    return values[place] if len(values) == detectors else values[0]


def _axis(
    fields: Mapping[str, _Field],
    energies: Array | None,
    channels: int,
    place: int,
    detectors: int,
    where: str,
) -> Axis:
    unit = fields["XUNITS"].text.strip() if "XUNITS" in fields else ""
    if unit.lower() in CHANNEL_UNITS:
        return UNCALIBRATED
    stated = [
        _of_detector(fields[name].text, place, detectors, f"{where}, {name}")
        if name in fields and fields[name].text
        else None
        for name in ("OFFSET", "XPERCHAN")
    ]
    offset, width = stated
    if energies is None and width is None and offset is None:
        return UNCALIBRATED
    if energies is None and (width is None or offset is None):
        missing = "XPERCHAN" if width is None else "OFFSET"
        raise DataError(f"{missing} is missing.", where=where, mend="Export the file again.")
    if energies is None and width == 0.0 and offset == 0.0:
        return UNCALIBRATED
    step = width if energies is None else (energies[-1] - energies[0]) / max(channels - 1, 1)
    assert step is not None
    if unit:
        per_unit, flags = in_unit(1.0, unit, ENERGY_UNITS, f"{where}, XUNITS"), []
    else:
        per_unit, flag = assumed_unit(abs(float(step)), where)
        flags = [flag]
    if energies is None:
        assert offset is not None
        assert width is not None
        return Axis(offset * per_unit, width * per_unit, tuple(flags))
    axis = line_axis(energies * per_unit, where)
    if offset is not None and width is not None:
        flags += _disagreement(axis, offset * per_unit, width * per_unit, channels)
    return Axis(axis.zero, axis.gain, (*axis.flags, *flags))


def _disagreement(axis: Axis, zero: float, gain: float, channels: int) -> list[Flag]:
    """Return a flag where OFFSET and XPERCHAN say other energies than the energies do."""
    at_first = abs(axis.zero - zero)
    at_last = abs(axis.zero - zero + (axis.gain - gain) * (channels - 1))
    worst = max(at_first, at_last)
    if worst <= axis.gain:
        return []
    text = (
        f"the energies beside the counts and OFFSET with XPERCHAN differ by up to {worst:.4g} eV; "
        f"the former were taken"
    )
    return [Flag(name="calibration_disagrees", text=text)]


def _correct_live(
    fields: Mapping[str, _Field], live: float, place: int, detectors: int, where: str
) -> tuple[float, list[Flag]]:
    """Return the live time of both pulse channels where the file gives their counters.

    PIXL's pulse processor states the live time of its fast channel; PIQUANT's description of the
    format multiplies it by events over triggers.
    """
    if "TRIGGERS" not in fields or "EVENTS" not in fields or math.isnan(live):
        return live, []
    triggers, events = (
        _of_detector(fields[name].text, place, detectors, f"{where}, {name}")
        for name in ("TRIGGERS", "EVENTS")
    )
    if not 0.0 < events <= triggers:
        return live, []
    text = (
        f"the live time {live:g} s was multiplied by {events / triggers:.4f}, events over triggers"
    )
    return live * events / triggers, [Flag(name="live_time_corrected", text=text)]


def _as_counts(
    fields: Mapping[str, _Field], counts: Array, live: float, where: str
) -> tuple[Array, list[Flag]]:
    unit = fields["YUNITS"].text.strip().lower() if "YUNITS" in fields else ""
    if unit in COUNT_UNITS:
        return counts, []
    if unit not in RATE_UNITS:
        raise DataError(
            f"YUNITS is {unit[:20]!r}.",
            where=where,
            allowed="counts, or counts/s with a live time",
            mend="Export counts.",
        )
    if not live > 0.0:
        raise DataError("the file gives count rates, and no live time.", where=where,
                        mend="Export counts.")  # fmt: skip
    text = f"count rates were multiplied by the live time, {live:g} s"
    return counts * live, [Flag(name="rate_converted", text=text)]
