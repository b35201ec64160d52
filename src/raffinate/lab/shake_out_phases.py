"""Tables with one line for each sample and a column that names its phase, made one line a flask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from raffinate.errors import DataError
from raffinate.lab.shake_out_columns import Column, phase_of, recognise
from raffinate.lab.shake_out_grid import Grid, Line
from raffinate.lab.shake_out_layout import Layout

PHASE_HEADINGS = ("phase", "sample type", "stream")
"""Headings of a column that names the phase of each sample."""

WORDS = {"feed": "feed", "aqueous": "aqueous eq", "organic": "organic"}
"""What the heading of a column is called by, once its samples are told apart."""

_BY_PHASE = ("acidity", "dilution_aqueous", "density_aqueous", "assay_deviation")


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Where the columns stand that tell samples apart, and which belong to a phase."""

    phase: int
    test: int
    element: int | None
    shared: tuple[int, ...]
    by_phase: tuple[int, ...]


@dataclass(slots=True)
class _Flask:
    """The samples of one flask, or of one element of it, by column and phase."""

    place: str
    cells: dict[tuple[int, str], tuple[str, str]] = field(default_factory=dict)


def spread_phases(grid: Grid, layout: Layout) -> tuple[Grid, Layout]:
    """Return a grid with one line for each flask, and the layout that is left to apply.

    Grids without a column of phases return as they are. A feed whose flask is left empty is that
    of every flask.

    Raises:
        DataError: A phase is not known, a sample names no flask, or one stands twice.
    """
    headings = [layout.columns.get(heading, heading) for heading in grid.headings]
    lowered = [heading.lower().strip() for heading in headings]
    place = next((lowered.index(name) for name in PHASE_HEADINGS if name in lowered), None)
    if place is None:
        return grid, layout
    sheet = _understand(headings, place, grid, layout)
    flasks = _collect(grid, sheet)
    used = dict.fromkeys(key for flask in flasks for key in flask.cells)
    keys = [(column, "") for column in sheet.shared if (column, "") in used]
    keys += [(c, phase) for phase in WORDS for c in sheet.by_phase if (c, phase) in used]
    lines = tuple(
        Line(
            tuple(flask.cells.get(key, ("", ""))[0] for key in keys),
            flask.place,
            places=tuple(flask.cells.get(key, ("", flask.place))[1] for key in keys),
        )
        for flask in flasks
    )
    made = tuple(f"{headings[c]} {WORDS[p]}" if p else grid.headings[c] for c, p in keys)
    kept = {grid.headings[column] for column in sheet.shared}
    left = {theirs: ours for theirs, ours in layout.columns.items() if theirs in kept}
    ignored = tuple(heading for heading in layout.ignore if heading in made)
    return replace(grid, headings=made, lines=lines), replace(layout, columns=left, ignore=ignored)


def _understand(headings: Sequence[str], phase: int, grid: Grid, layout: Layout) -> _Sheet:
    test, element = None, None
    shared: list[int] = []
    by_phase: list[int] = []
    for index, heading in enumerate(headings):
        column = recognise(heading)
        role = column.role if column else ""
        if index == phase or grid.headings[index] in layout.ignore or role == "ignored":
            continue
        test = index if role == "test_id" else test
        element = index if role == "element" else element
        (by_phase if _is_by_phase(column) else shared).append(index)
    if test is None:
        raise DataError(
            "the table has a column of phases, but none that says which flask a sample is from.",
            where=grid.heading_place,
            mend="Add a column 'test_id'.",
        )
    return _Sheet(phase, test, element, tuple(shared), tuple(by_phase))


def _is_by_phase(column: Column | None) -> bool:
    """Tell a column whose meaning depends on the phase; unknown headings become known with it."""
    return column is None or column.role in _BY_PHASE


def _collect(grid: Grid, sheet: _Sheet) -> list[_Flask]:
    flasks: dict[tuple[str, str], _Flask] = {}
    common: list[tuple[Line, str]] = []
    for line in grid.lines:
        phase = phase_of(line.cells[sheet.phase])
        where = grid.place(line, sheet.phase)
        if not phase:
            raise DataError(
                f"the phase is {line.cells[sheet.phase]!r}.",
                where=where,
                allowed="feed, aqueous or organic",
            )
        test = line.cells[sheet.test]
        if not test and phase == "feed":
            common.append((line, phase))
            continue
        if not test:
            raise DataError("the sample names no flask.", where=where, mend="Fill in its test.")
        symbol = "" if sheet.element is None else line.cells[sheet.element]
        flask = flasks.setdefault((test, symbol), _Flask(line.place))
        _fill(flask, line, phase, grid, sheet)
    for (_, symbol), flask in flasks.items():
        for line, phase in common:
            if sheet.element is None or line.cells[sheet.element] == symbol:
                _fill(flask, line, phase, grid, sheet)
    return list(flasks.values())


def _fill(flask: _Flask, line: Line, phase: str, grid: Grid, sheet: _Sheet) -> None:
    for column in (*sheet.shared, *sheet.by_phase):
        text = line.cells[column]
        if not text:
            continue
        key = (column, phase if column in sheet.by_phase else "")
        known = flask.cells.setdefault(key, (text, grid.place(line, column)))
        if known[1] != grid.place(line, column) and (key[1] or known[0] != text):
            raise DataError(
                f"{text!r}, but {known[0]!r} stands at {known[1]}.",
                where=grid.place(line, column),
                mend="Give each flask its own test_id, and each phase of it one line.",
            )
