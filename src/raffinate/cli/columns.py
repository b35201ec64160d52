"""Tables with more columns than a terminal has room for: split into several, rows thinned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from raffinate.cli.common import table

if TYPE_CHECKING:
    from rich.console import Console

MOST_ROWS = 22
"""Rows beyond which only some are shown."""

GAP = 3
"""Space between columns, [character]."""


class Column(NamedTuple):
    """A heading, its unit under it, and the cells."""

    heading: str
    cells: Sequence[str]


def print_columns(
    terminal: Console, title: str, lead: Sequence[Column], columns: Sequence[Column]
) -> None:
    """Print the columns beside the leading ones, in as many tables as the width asks for."""
    shown = _shown_rows(len(lead[0].cells))
    room = terminal.width - sum(_width(column) for column in lead)
    blocks: list[list[Column]] = [[]]
    left = room
    for column in columns:
        if _width(column) > left and blocks[-1]:
            blocks.append([])
            left = room
        blocks[-1].append(column)
        left -= _width(column)
    total = len(lead[0].cells)
    note = f"{len(shown)} of {total} points; --csv prints all." if len(shown) < total else ""
    # A title inside a table would be wrapped to its width.
    terminal.print(f"[bold]{title}[/bold]")
    for place, block in enumerate(blocks):
        together = [*lead, *block]
        made = table(
            "",
            *(column.heading for column in together),
            left=0,
            caption=note if place == len(blocks) - 1 else "",
        )
        made.title = None
        for row in shown:
            made.add_row(*(column.cells[row] for column in together))
        terminal.print(made)


def _width(column: Column) -> int:
    lines = [*column.heading.split("\n"), *column.cells]
    return max(len(line) for line in lines) + GAP


def _shown_rows(total: int) -> list[int]:
    if total <= MOST_ROWS:
        return list(range(total))
    step = -(-(total - 1) // (MOST_ROWS - 1))
    return sorted({*range(0, total, step), total - 1})


def significant(value: float) -> str:
    """Return a number in four figures, in powers of ten where it is very small or large."""
    if value != value:
        return "–"
    return f"{value:.4g}" if value == 0.0 or 1e-3 <= abs(value) < 1e5 else f"{value:.1e}"
