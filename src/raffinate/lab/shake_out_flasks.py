"""From the cells of a grid to flasks: which column is what, and which lines belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from raffinate.errors import DataError, nearest_name
from raffinate.lab.shake_out_cells import Cell, is_below_detection
from raffinate.lab.shake_out_columns import (
    LEGACY,
    ROLES,
    ROW_ROLES,
    TEST_ROLES,
    Column,
    element_of,
    names_element,
    recognise,
)
from raffinate.lab.shake_out_elements import ELEMENTS
from raffinate.lab.shake_out_grid import Grid, Line
from raffinate.lab.shake_out_layout import Layout, split_constant
from raffinate.lab.shake_out_units import find_unit

Key = tuple[str, str]
"""Role, and what tells columns of one role apart: the formula of a salt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEntry:
    """One element of one flask, its cells not yet converted.

    Attributes:
        element: Symbol.
        place: Of the line.
        cells: By role.
    """

    element: str
    place: str
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFlask:
    """One flask, its cells not yet converted.

    Attributes:
        test_id: Its name.
        place: Of its first line.
        cells: What holds for the whole flask, by key.
        entries: What was measured of each element.
        co_elements: Elements that were in it without a result.
    """

    test_id: str
    place: str
    cells: Mapping[Key, Cell]
    entries: tuple[RawEntry, ...]
    co_elements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A grid understood.

    Attributes:
        columns: Of the grid.
        constants: Cells that hold for every flask.
        wide: Whether a line holds a flask, an element to a column.
    """

    columns: tuple[Column, ...]
    constants: tuple[Cell, ...]
    wide: bool


def understand(grid: Grid, layout: Layout) -> Reading:
    """Return what each column means.

    Raises:
        DataError: A column is unknown, stands twice, or names no element.
    """
    for name, given in (("columns", layout.columns), ("ignore", layout.ignore)):
        for heading in given:
            if heading not in grid.headings:
                raise DataError(
                    f"{name} names {heading!r}, which the table does not have.",
                    where=grid.heading_place,
                    mend=nearest_name(heading, grid.headings),
                )
    columns = tuple(_column(heading, grid, layout) for heading in grid.headings)
    constants = tuple(_constant(*item, grid, layout) for item in layout.constants.items())
    every = (*columns, *(cell.column for cell in constants))
    _check_once(every, grid)
    long = any(column.role == "element" for column in every)
    wide = any(column.element for column in every)
    if long == wide:
        what = (
            "both a column of elements and columns named after elements"
            if wide
            else ("neither a column of elements nor columns named after elements")
        )
        raise DataError(
            f"missing columns: the table has {what}.",
            where=grid.heading_place,
            allowed="headings such as 'Nd feed (g/L)', with " + ", ".join(ELEMENTS),
            mend="Name elements in one of the two ways.",
        )
    if wide:
        _check_elements_named(columns, grid)
    return Reading(columns, constants, wide)


def _column(heading: str, grid: Grid, layout: Layout) -> Column:
    if heading in layout.ignore:
        return Column(heading, "ignored")
    ours = layout.columns.get(heading, heading)
    unit = find_unit(layout.unit) if layout.unit else None
    found = recognise(ours, default_unit=unit, basis=layout.basis)
    if found is None:
        raise _unknown(heading, ours, grid)
    return replace(found, heading=heading)


def _unknown(heading: str, ours: str, grid: Grid) -> DataError:
    mapped = f" (mapped from {heading!r})" if ours != heading else ""
    symbol = names_element(ours)
    what, mend = f"unknown column {ours!r}{mapped}.", _hint(ours)
    if symbol:
        what = f"column {ours!r}{mapped} does not say in known words what of {symbol} it holds."
        mend = "Say of which phase."
    return DataError(
        what,
        where=grid.heading_place,
        allowed="feed, aqueous, organic, D, extraction" if symbol else "",
        mend=f"{mend} Or map it by '# column: {heading} -> Nd aqueous (g/L)', or leave it by "
        f"'# ignore: {heading}'.",
    )


def _hint(heading: str) -> str:
    return nearest_name(heading, (*LEGACY, *(role for role in ROLES if role != "ignored")))


def _constant(heading: str, value: str, grid: Grid, layout: Layout) -> Cell:
    place = f"{grid.name}, constant {heading!r}"
    united, number = split_constant(heading, value)
    unit = find_unit(layout.unit) if layout.unit else None
    column = recognise(united, default_unit=unit, basis=layout.basis)
    if column is None or column.role in ("ignored", "element", "test_id"):
        raise DataError(
            f"{heading!r} is nothing that can hold for every flask.",
            where=place,
            mend=_hint(heading),
        )
    return Cell(number, place, replace(column, heading=heading))


def _check_once(columns: Sequence[Column], grid: Grid) -> None:
    seen: dict[tuple[str, str, str], str] = {}
    for column in columns:
        key = (column.role, column.element, column.note if column.role == "salt" else "")
        if column.role != "ignored" and key in seen:
            of = f" of {column.element}" if column.element else ""
            raise DataError(
                f"{column.role}{of} stands twice, under {seen[key]!r} and {column.heading!r}.",
                where=grid.heading_place,
                mend=f"Remove one, or leave one by '# ignore: {column.heading}'.",
            )
        seen[key] = column.heading


def _check_elements_named(columns: Sequence[Column], grid: Grid) -> None:
    for column in columns:
        if column.role in ROW_ROLES and not column.element and column.role != "assay_deviation":
            raise DataError(
                f"{column.heading!r} names no element known here.",
                where=grid.heading_place,
                allowed=", ".join(ELEMENTS),
                mend=f"Mend the symbol, or leave the column by '# ignore: {column.heading}'.",
            )


def read_flasks(grid: Grid, layout: Layout, reading: Reading) -> tuple[RawFlask, ...]:
    """Return the flasks of a grid in the order of their first lines.

    Raises:
        DataError: A line lacks what it needs, or lines of one flask contradict each other.
    """
    fixed = {_key(cell.column): cell for cell in reading.constants if not cell.column.element}
    flasks: dict[str, RawFlask] = {}
    for number, line in enumerate(grid.lines, start=1):
        cells = _cells_of(line, grid, reading)
        flask = (
            _wide_flask(cells, line, reading, layout, number)
            if reading.wide
            else _long_flask(cells, line, grid, reading, layout)
        )
        flask = replace(flask, cells={**fixed, **flask.cells})
        known = flasks.get(flask.test_id)
        flasks[flask.test_id] = _merge(known, flask) if known else flask
    return tuple(flasks.values())


def _key(column: Column) -> Key:
    return column.role, column.note if column.role == "salt" else ""


def _cells_of(line: Line, grid: Grid, reading: Reading) -> list[Cell]:
    return [
        Cell(text, grid.place(line, index), column)
        for index, (text, column) in enumerate(zip(line.cells, reading.columns, strict=True))
        if column.role != "ignored"
    ]


def _flask_cells(cells: Sequence[Cell]) -> dict[Key, Cell]:
    return {
        _key(cell.column): cell
        for cell in cells
        if cell.text and cell.column.role not in (*ROW_ROLES, "element", "co_elements", "test_id")
    }


def _co_elements(cells: Sequence[Cell]) -> tuple[str, ...]:
    named = []
    for cell in cells:
        if cell.column.role == "co_elements" and cell.text:
            named += [_symbol(replace_text(cell, part))[0] for part in _parts(cell.text)]
    return tuple(dict.fromkeys(named))


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.replace(",", ";").split(";") if part.strip()]


def replace_text(cell: Cell, text: str) -> Cell:
    """Return a cell with another text in its place."""
    return Cell(text, cell.place, cell.column)


def _symbol(cell: Cell) -> tuple[str, bool]:
    symbol, as_oxide = element_of(cell.text)
    if not symbol:
        raise cell.refuse(
            f"{cell.text!r} is no element known here.",
            allowed=", ".join(ELEMENTS),
            mend=nearest_name(cell.text, tuple(ELEMENTS)),
        )
    return symbol, as_oxide


def _long_flask(
    cells: Sequence[Cell], line: Line, grid: Grid, reading: Reading, layout: Layout
) -> RawFlask:
    """Return a flask with the one element of this line."""
    by_role = {cell.column.role: cell for cell in cells}
    for role in ("test_id", "element"):
        if role not in by_role:
            raise DataError(f"missing columns: {role}.", where=grid.heading_place, mend="Add it.")
        if not by_role[role].text:
            raise by_role[role].refuse("the cell is empty.", mend="Fill it.")
    symbol, as_oxide = _symbol(by_role["element"])
    fixed = [cell for cell in reading.constants if cell.column.role in ROW_ROLES]
    measured: dict[str, Cell] = {}
    unseen = False
    for cell in [*fixed, *cells]:
        if cell.column.role not in ROW_ROLES:
            continue
        if not cell.text:
            raise cell.refuse("the cell is empty.", mend="Fill it, or leave the line out.")
        if layout.below_detection == "leave out" and is_below_detection(cell.text):
            unseen = True
            continue
        basis = "oxide" if as_oxide else cell.column.basis
        column = replace(cell.column, element=symbol, basis=basis)
        measured[cell.column.role] = Cell(cell.text, cell.place, column)
    entry = RawEntry(element=symbol, place=line.place, cells=measured)
    return RawFlask(
        test_id=by_role["test_id"].text,
        place=line.place,
        cells=_flask_cells(cells),
        entries=() if unseen else (entry,),
        co_elements=_co_elements(cells) + ((symbol,) if unseen else ()),
    )


def _wide_flask(
    cells: Sequence[Cell], line: Line, reading: Reading, layout: Layout, number: int
) -> RawFlask:
    """Return the flask of this line; an element without a result is a co-element."""
    measured: dict[str, dict[str, Cell]] = {}
    unseen: dict[str, None] = {}
    common = [
        cell for cell in cells if cell.column.role == "assay_deviation" and not cell.column.element
    ]
    fixed = [cell for cell in reading.constants if cell.column.role in ROW_ROLES]
    common += [cell for cell in fixed if not cell.column.element]
    for cell in [*(cell for cell in fixed if cell.column.element), *cells]:
        symbol = cell.column.element
        if not symbol or not cell.text or cell.text in ("-", "–", "—"):
            continue
        if layout.below_detection == "leave out" and is_below_detection(cell.text):
            unseen[symbol] = None
            continue
        measured.setdefault(symbol, {})[cell.column.role] = cell
    entries = []
    for symbol, found in measured.items():
        results = [role for role in found if not role.startswith(("aqueous_feed", "deviation"))]
        if symbol in unseen or not results:
            if not _is_zero(found.get("aqueous_feed")):
                unseen[symbol] = None
            continue
        for cell in common:
            column = replace(cell.column, element=symbol)
            found.setdefault(cell.column.role, Cell(cell.text, cell.place, column))
        if not (_is_zero(found.get("aqueous_feed")) and _is_zero(found.get("aqueous"))):
            entries.append(RawEntry(element=symbol, place=line.place, cells=found))
    name = next((cell.text for cell in cells if cell.column.role == "test_id" and cell.text), "")
    return RawFlask(
        test_id=name or str(number),
        place=line.place,
        cells=_flask_cells(cells),
        entries=tuple(entries),
        co_elements=tuple(dict.fromkeys([*_co_elements(cells), *unseen])),
    )


def _is_zero(cell: Cell | None) -> bool:
    try:
        return cell is not None and float(cell.text) == 0.0
    except ValueError:
        return False


def _merge(first: RawFlask, more: RawFlask) -> RawFlask:
    """Return the flask of both lines, which must agree and name different elements."""
    known = {entry.element: entry for entry in first.entries}
    for entry in more.entries:
        if entry.element in known:
            line = known[entry.element].place.rpartition(", ")[2]
            raise DataError(
                f"{entry.element} of test {first.test_id} stands already on {line}.",
                where=entry.place,
                mend="Give each flask its own test_id.",
            )
    for key, cell in more.cells.items():
        other = first.cells.get(key)
        if other is not None and not _same(other, cell):
            line = first.place.rpartition(", ")[2]
            raise cell.refuse(
                f"{cell.text!r}, but {line} of test {first.test_id} says {other.text!r}.",
                mend="Give each flask its own test_id.",
            )
    return replace(
        first,
        cells={**more.cells, **first.cells},
        entries=first.entries + more.entries,
        co_elements=tuple(dict.fromkeys([*first.co_elements, *more.co_elements])),
    )


def _same(one: Cell, other: Cell) -> bool:
    if one.text == other.text or one.column.role not in TEST_ROLES:
        return one.text == other.text
    try:
        return float(one.text) == float(other.text)
    except ValueError:
        return False
