"""What the commands of `raffinate history` share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from raffinate.runtime.historian import Historian, HistoryPlace

LATEST = "latest"
"""What names the latest run."""

RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help=f"A run directory, {LATEST!r}, an SQLite file or a postgresql:// URL.",
    ),
]
FromOption = Annotated[float | None, typer.Option("--from", help="First plant hour.")]
ToOption = Annotated[float | None, typer.Option("--to", help="Last plant hour.")]


@contextmanager
def opened(run: str) -> Iterator[tuple[Historian, HistoryPlace]]:
    """Give the history of a run, for reading, and where it lies.

    Raises:
        DataError: There is no run, or its history cannot be opened.
        SpecificationError: It is a URL of another kind.
    """
    from raffinate.runtime.historian import locate_history, open_historian

    if run == LATEST:
        from raffinate.runtime.run_directory import find_run

        run = str(find_run(None).path)
    place = locate_history(run)
    historian = open_historian(place.database, read_only=True)
    try:
        yield historian, place
    finally:
        historian.close()
