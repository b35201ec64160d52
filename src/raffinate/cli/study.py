"""`raffinate study`: sweeps and Monte Carlo over a plant, on one machine or many."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raffinate.cli.common import (
    check_ending,
    console,
    failing_politely,
    table,
    to_json,
    write_output,
)
from raffinate.errors import SpecificationError

if TYPE_CHECKING:
    from raffinate.studies.solve_case import Row
    from raffinate.studies.study_file import StudyText
    from raffinate.studies.summary import Summary
    from raffinate.studies.workers import Workers

PICTURES = (".png", ".svg", ".pdf")
"""What `--picture` writes."""


def register(app: typer.Typer) -> None:
    """Add the command `study` to `app`."""
    app.command(name="study")(study)


def study(
    file: Annotated[str, typer.Argument(help="A shipped study, or the path of a study file.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the results; by default NAME-results."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=0, help="Processes on this machine; 0 solves in this one, without Dask."),
    ] = None,
    scheduler: Annotated[
        str, typer.Option(help="A Dask scheduler that runs already, such as tcp://host:8786.")
    ] = "",
    memory_limit: Annotated[
        str, typer.Option(help="Of each process on this machine, such as 2GB.")
    ] = "auto",
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Do cases again that ended with an error.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Draw the outcomes: .png, .svg or .pdf.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Solve a plant over many cases; stopped or killed, it goes on where it was."""
    with failing_politely(as_json=as_json):
        check_ending(picture, PICTURES, "--picture")
        _check_place(jobs, scheduler)
        from raffinate.studies.run_study import default_folder
        from raffinate.studies.study_file import load_study

        text = load_study(file)
        folder = output if output is not None else default_folder(text)
        found = _run(text, folder, _workers(jobs, scheduler, memory_limit), retry_failed)
        _draw(text, found, picture)
        from raffinate.studies.summary import summarise

        summary = summarise(found, len(found))
        if as_json:
            about = {"study": text.study.name, "plant": text.study.plant.name}
            sources = [str(source) for source in text.study.sources]
            facts = {**about, "results": str(folder / "results.parquet")}
            typer.echo(to_json({**facts, **summary.to_dict(), "sources": sources}))
        else:
            _print(text, summary, folder)


def _check_place(jobs: int | None, scheduler: str) -> None:
    if jobs is not None and scheduler:
        raise SpecificationError(
            "--jobs and --scheduler exclude each other.",
            mend="A scheduler that runs already has its own workers.",
        )


def _workers(jobs: int | None, scheduler: str, memory_limit: str) -> Workers | None:
    from raffinate.studies.workers import Workers

    count = (os.cpu_count() or 1) if jobs is None else jobs
    if not count and not scheduler:
        return None
    return Workers(jobs=count, memory_limit=memory_limit, scheduler=scheduler)


def _run(text: StudyText, folder: Path, workers: Workers | None, retry_failed: bool) -> Any:
    from raffinate.studies.run_study import run_study

    with _progress(text.study.name) as (begun, done):
        try:
            return run_study(
                text, folder, workers=workers, retry_failed=retry_failed, begun=begun, done=done
            )
        except KeyboardInterrupt:
            typer.echo(
                f"stopped: what is done is in {folder}; the same command goes on from there.",
                err=True,
            )
            raise typer.Exit(1) from None


@contextmanager
def _progress(
    label: str,
) -> Iterator[tuple[Callable[[int, int], None], Callable[[Sequence[Row]], None]]]:
    """Show cases done, rate, failures and the time that is left, on stderr."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    terminal = Console(stderr=True)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=terminal,
        transient=True,
        disable=not terminal.is_terminal,
    ) as shown:
        task = shown.add_task(label, total=None, told="")
        failed = 0

        def begun(cases: int, there: int) -> None:
            shown.update(task, total=cases, completed=there)

        def done(rows: Sequence[Row]) -> None:
            nonlocal failed
            failed += sum(bool(row["error"]) for row in rows)
            shown.advance(task, len(rows))
            speed = shown.tasks[task].speed
            rate = f"{speed:.3g}/s" if speed else ""
            shown.update(task, told=f"{rate}, {failed} failed" if failed else rate)

        yield begun, done


def _draw(text: StudyText, found: Any, picture: Path | None) -> None:
    def draw(path: Path) -> None:
        from raffinate.plots.study import save_study

        save_study(found, path, title=text.study.title or text.study.name)

    write_output(picture, dict.fromkeys(PICTURES, draw), "--picture")


def _print(text: StudyText, summary: Summary, folder: Path) -> None:
    terminal = console()
    terminal.print(f"[bold]{text.study.name}[/bold]  {text.study.title}\n")
    made = table("Outcomes", "outcome", "mean", "deviation", "5 %", "median", "95 %")
    for name, each in summary.outcomes.items():
        # What is held alike in every case is no outcome worth a line.
        if name != "balance_error" and abs(each.deviation) > 1e-9 * abs(each.mean):
            numbers = (each.mean, each.deviation, each.low_5, each.median, each.high_95)
            made.add_row(name, *(f"{number:.6g}" for number in numbers))
    terminal.print(made)
    if summary.within_limit:
        limits = table("Cases within the purity limit", "product", "share", "95 % interval", "of")
        for name, chance in summary.within_limit.items():
            interval = f"{chance.low:.3f} to {chance.high:.3f}"
            limits.add_row(name, f"{chance.share:.3f}", interval, str(chance.cases))
        terminal.print(limits)
    for kind, count in summary.failed.items():
        terminal.print(f"{count} cases ended with {kind}; the column error says why.", style="red")
    terminal.print(f"{summary.done} cases in {folder / 'results.parquet'}", style="dim")
