"""What every command shares: polite failure, progress, tables, and writing by ending."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import typer

from raffinate.errors import RaffinateError, SpecificationError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


@contextmanager
def failing_politely(as_json: bool = False) -> Iterator[None]:
    """Print a deliberate error to stderr and exit with its code; bugs keep their traceback.

    Args:
        as_json: Print it as `{"error": {where, what, allowed, mend}}`.
    """
    try:
        yield
    except RaffinateError as error:
        if as_json:
            typer.echo(to_json({"error": error.to_dict()}), err=True)
        else:
            _print_error(error)
        raise typer.Exit(error.exit_code) from error


def _print_error(error: RaffinateError) -> None:
    place = f"{error.where}: " if error.where else ""
    typer.echo(typer.style("error: ", fg="red", bold=True) + place + error.what, err=True)
    if error.allowed:
        typer.echo(f"  allowed: {error.allowed}", err=True)
    if error.mend:
        typer.echo(f"  mend: {error.mend}", err=True)


class Advance(Protocol):
    """Tells the terminal that one more step is done and, in words, what is done next."""

    def __call__(self, step: str = "", /) -> None:
        """Advance by one; without words those before stay."""


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Advance]:
    """Show on stderr that something goes on; yields a function that advances by one.

    Args:
        label: What goes on.
        total: How many advances there will be; left out, only that it goes on is shown.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns: list[Any] = [SpinnerColumn(), TextColumn("{task.description}")]
    if total is not None:
        columns += [BarColumn(), TextColumn("{task.percentage:>3.0f}%")]
    columns.append(TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as shown:
        task = shown.add_task(label, total=total)

        def advance(step: str = "", /) -> None:
            shown.update(task, advance=1, description=f"{label}: {escape(step)}" if step else None)

        yield advance


def to_json(value: Any) -> str:
    """Return JSON text that every reader takes: what is not finite becomes null."""
    return json.dumps(_finite(value), ensure_ascii=False, indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value


def check_formats(as_json: bool, as_csv: bool) -> None:
    """Refuse two formats at once.

    Raises:
        SpecificationError: Both are asked for.
    """
    if as_json and as_csv:
        raise SpecificationError(
            "--json and --csv exclude each other.", mend="Ask for one of them."
        )


Writer = Callable[[Path], None]
"""Writes one file."""


def check_ending(path: Path | None, endings: Sequence[str], option: str = "--output") -> None:
    """Refuse an ending nothing is written for, before any work is done.

    Args:
        path: Where to write; None asks for nothing.
        endings: With their dots.
        option: By which the path was given.

    Raises:
        SpecificationError: The ending is none of `endings`.
    """
    if path is not None and path.suffix.lower() not in endings:
        raise SpecificationError(
            f"{path.suffix or 'no ending'!r} is no ending known here.",
            where=f"{option} {path}",
            allowed=", ".join(endings),
        )


def write_output(
    path: Path | None, writers: Mapping[str, Writer], option: str = "--output"
) -> None:
    """Write a file by the ending of its name; nothing without a path.

    Args:
        path: Where.
        writers: What to call, by ending with its dot.
        option: By which the path was given.

    Raises:
        SpecificationError: No writer has this ending, or the file cannot be written.
    """
    if path is None:
        return
    check_ending(path, tuple(writers), option)
    try:
        writers[path.suffix.lower()](path)
    except OSError as error:
        raise SpecificationError(
            f"cannot be written ({error.strerror}).",
            where=f"{option} {path}",
            mend="Choose another path.",
        ) from error
    typer.echo(f"wrote {path}", err=True)


def text_writer(text: Callable[[], str]) -> Writer:
    """Return a writer of text that is made only if it is asked for."""
    return lambda path: _write_text(path, text())


def _write_text(path: Path, text: str) -> None:
    path.write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")


def console() -> Console:
    """Return the terminal on stdout; tables are 100 columns wide where it is none."""
    from rich.console import Console

    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=max(found.width, 100))


def table(title: str, *headings: str, left: int = 1, caption: str = "") -> Table:
    """Return an empty table; its first `left` columns are texts, the others numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        caption=caption or None,
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for place, heading in enumerate(headings):
        made.add_column(
            heading,
            justify="left" if place < left else "right",
            no_wrap=place >= left,
            vertical="top",
        )
    return made


LONGEST_WARNING = 400
"""Characters of a warning that a terminal is shown."""


def print_warnings(warnings: Sequence[str]) -> None:
    """Print each warning to stderr; one that lists very much is cut, `--json` has all of it."""
    for warning in warnings:
        shown = warning
        if len(warning) > LONGEST_WARNING:
            head = warning[:LONGEST_WARNING].rpartition(",")[0] or warning[:LONGEST_WARNING]
            shown = f"{head}, and so on; --json has all of it."
        typer.echo(typer.style("warning: ", fg="yellow", bold=True) + shown, err=True)


def amount(value: float) -> str:
    """Return a concentration in four decimals, or in powers of ten where those show nothing."""
    return f"{value:.4f}" if value >= 1e-3 or value == 0.0 else f"{value:.1e}"
