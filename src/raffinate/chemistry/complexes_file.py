"""Tables of aqueous complexes and solids as they lie in the package: comments, then CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files

from raffinate.chemistry.species import FREE_SPECIES
from raffinate.errors import DataError, nearest_name
from raffinate.sources import Evidence, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantTable:
    """A table of constants.

    Attributes:
        source: Of the table as a whole.
        sources: Of single rows that do not follow it, by key.
        rows: Line number and cells by column.
    """

    source: Source
    sources: tuple[tuple[str, Source], ...]
    rows: tuple[tuple[int, dict[str, str]], ...]

    def row_source(self, key: str, note: str, where: str) -> Source:
        """Return the source of a row with this key, or that of the table where it is empty.

        Raises:
            DataError: The header has no source of this key.
        """
        if not key:
            return self.source
        named = dict(self.sources)
        if key not in named:
            raise DataError(
                f"there is no source {key!r} in the header.",
                where=where,
                mend=nearest_name(key, tuple(named)),
            )
        base = named[key]
        return Source(title=base.title, reference=base.reference, evidence=base.evidence, note=note)


def read_table(name: str, columns: Sequence[str]) -> ConstantTable:
    """Return a table shipped in the package's data.

    Args:
        name: File name.
        columns: Columns it must have, in order.
    """
    content = files("raffinate.data").joinpath(name).read_text(encoding="utf-8")
    return parse_table(content, name, columns)


def parse_table(content: str, name: str, columns: Sequence[str]) -> ConstantTable:
    """Return a table from its text.

    Header lines read `# title:`, `# reference:`, `# evidence:`, `# licence:`, `# note:`, and
    `# source KEY (evidence): title; reference` for rows that do not follow the table's source.

    Raises:
        DataError: The header has no title, the columns are others, or a row is of other length.
    """
    lines = content.splitlines()
    header = [line[1:].strip() for line in lines if line.startswith("#")]
    values = dict(_split(line, name) for line in header)
    sources = tuple(
        (key.split()[1], _row_source(key, text, name))
        for key, text in values.items()
        if key.startswith("source ")
    )
    if "title" not in values:
        raise DataError("the header has no title.", where=name, mend="Add a line '# title: …'.")
    table = Source(
        title=values["title"],
        reference=values.get("reference", ""),
        evidence=_evidence(values.get("evidence", "sourced"), name),
        licence=values.get("licence", ""),
        note=values.get("note", ""),
    )
    return ConstantTable(
        source=table, sources=sources, rows=tuple(_rows(lines, len(header), name, columns))
    )


def parse_formula(text: str, where: str) -> tuple[tuple[str, float], ...]:
    """Return components and moles from such as "Nd:1 sulfate:2".

    Raises:
        DataError: A part is no component with a number, or the component is not known.
    """
    return tuple(_parse_part(part, where) for part in text.split())


def parse_number(text: str, where: str, column: str) -> float:
    """Return a finite number.

    Raises:
        DataError: It is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{column} reads {text!r}.", where=where, allowed="a finite number")
    return value


def _parse_part(part: str, where: str) -> tuple[str, float]:
    component, _, moles = part.partition(":")
    if component not in FREE_SPECIES:
        raise DataError(
            f"component {component!r} is not known.",
            where=where,
            mend=nearest_name(component, tuple(FREE_SPECIES)),
        )
    return component, parse_number(moles, where, f"moles of {component}")


def _split(line: str, name: str) -> tuple[str, str]:
    key, separator, text = line.partition(":")
    if not separator:
        raise DataError(f"header line {line!r} has no colon.", where=name)
    return key.strip(), text.strip()


def _row_source(key: str, text: str, name: str) -> Source:
    evidence = key.partition("(")[2].rstrip(")") or "sourced"
    title, _, reference = text.partition(";")
    return Source(
        title=title.strip(), reference=reference.strip(), evidence=_evidence(evidence, name)
    )


def _evidence(text: str, name: str) -> Evidence:
    known: tuple[Evidence, ...] = ("sourced", "fitted", "computed", "interpolated", "assumed")
    for evidence in known:
        if text == evidence:
            return evidence
    raise DataError(f"evidence reads {text!r}.", where=name, allowed=", ".join(known))


def _rows(
    lines: Sequence[str], skipped: int, name: str, columns: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(lines[skipped:])
    found = next(reader, [])
    if list(found) != list(columns):
        raise DataError(f"columns are {', '.join(found)}.", where=name, allowed=", ".join(columns))
    for offset, cells in enumerate(reader, start=skipped + 2):
        if len(cells) != len(columns):
            raise DataError(
                f"the row has {len(cells)} cells.",
                where=f"{name}, line {offset}",
                allowed=f"{len(columns)}",
            )
        yield offset, dict(zip(columns, cells, strict=True))
