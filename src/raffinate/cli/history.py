"""`raffinate history`: rows, trends, reports and archives of a run, while it goes on or later."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from raffinate.cli.common import (
    check_ending,
    check_formats,
    console,
    failing_politely,
    progress,
    table,
    to_json,
    write_output,
)
from raffinate.cli.history_common import FromOption, RunArgument, ToOption, opened
from raffinate.cli.history_report import report
from raffinate.errors import DataError, SpecificationError, nearest_name

if TYPE_CHECKING:
    import pandas as pd

    from raffinate.runtime.historian import Historian, Trend
    from raffinate.runtime.history_report_periods import Period

ENDINGS = (".csv", ".parquet")
"""What `export --output` writes."""


def register(app: typer.Typer) -> None:
    """Add the group `history` to `app`."""
    group = typer.Typer(no_args_is_help=True, help="Rows, trends, reports and archives of a run.")
    for command in (export, trend, report, archive):
        group.command(name=command.__name__)(command)
    app.add_typer(group, name="history")


def export(
    run: RunArgument,
    tags: Annotated[
        str, typer.Option("--tags", help="Which tags, such as 'Levers/*/Measured'.")
    ] = "*",
    from_h: FromOption = None,
    to_h: ToOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write .csv or .parquet.")
    ] = None,
) -> None:
    """Write every row of some tags; CSV to stdout unless a file is named."""
    with failing_politely(), opened(run) as (historian, _):
        check_ending(output, ENDINGS)
        from raffinate.runtime.history_report_periods import span_period

        period = span_period(historian, from_h, to_h)
        known = historian.tags()
        chosen = [tag for tag in known if fnmatchcase(tag.path, tags)]
        if not chosen:
            raise SpecificationError(
                f"{tags!r} fits no tag of this run.",
                where="--tags",
                mend=nearest_name(tags, sorted({tag.path for tag in known})),
            )
        with progress("Reading", len(chosen)) as advance:
            frames = _frames(historian, [tag.name for tag in chosen], period, advance)
            if output is None:
                _write_csv(frames, sys.stdout)
                return
            write_output(
                output,
                {
                    ".csv": lambda path: _write_csv_file(frames, path),
                    ".parquet": lambda path: _write_parquet(frames, path),
                },
            )


def _frames(
    historian: Historian, names: list[str], period: Period, advance: Any
) -> Iterator[pd.DataFrame]:
    import numpy as np
    import pandas as pd

    from raffinate.runtime.historian import QUALITIES

    for name in names:
        rows = historian.rows(name, period.begin_us, period.end_us)
        source, _, path = name.partition(":")
        yield pd.DataFrame(
            {
                "tag": path,
                "source": source,
                "plant_h": (rows.source_time - period.epoch_us) / 3.6e9,
                "time_utc": rows.source_time.astype("datetime64[us]"),
                "sequence": rows.sequence,
                "value": rows.value,
                "quality": np.array(QUALITIES, dtype=object)[rows.quality],
                "result_utc": rows.result_time.astype("datetime64[us]"),
                "wall_utc": rows.wall_time.astype("datetime64[us]"),
            }
        )
        advance()


def _write_csv(frames: Iterator[pd.DataFrame], file: TextIO) -> None:
    for number, frame in enumerate(frames):
        frame.to_csv(file, index=False, header=number == 0, date_format="%Y-%m-%dT%H:%M:%S.%fZ")


def _write_csv_file(frames: Iterator[pd.DataFrame], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        _write_csv(frames, file)


def _write_parquet(frames: Iterator[pd.DataFrame], path: Path) -> None:
    from raffinate.runtime.historian_archive import export_rows

    export_rows(frames, path)


def trend(
    run: RunArgument,
    tag: Annotated[str, typer.Argument(help="Path of the tag, such as Levers/x/Measured.")],
    from_h: FromOption = None,
    to_h: ToOption = None,
    points: Annotated[int, typer.Option(help="Most rows.", min=1, max=100_000)] = 24,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print as CSV.")] = False,
) -> None:
    """Print one tag over time: least, greatest, mean and last value of each stretch."""
    with failing_politely(as_json=as_json), opened(run) as (historian, _):
        check_formats(as_json, as_csv)
        from raffinate.runtime.history_report_periods import span_period

        period = span_period(historian, from_h, to_h)
        found = historian.trend(tag, period.begin_us, period.end_us, points)
        if not len(found.t_us):
            _refuse_tag(historian, tag)
        rows = _trend_rows(found, period)
        if as_json:
            typer.echo(to_json({"tag": tag, "bucket_s": found.bucket_us / 1e6, "rows": rows}))
        elif as_csv:
            import pandas as pd

            typer.echo(pd.DataFrame(rows).to_csv(index=False), nl=False)
        else:
            _print_trend(tag, rows)


def _refuse_tag(historian: Historian, tag: str) -> None:
    known = historian.tags()
    names = sorted({tag.path for tag in known} | {tag.name for tag in known})
    if tag in names:
        raise DataError("it has no row in this span.", where=tag, mend="Widen --from and --to.")
    raise SpecificationError(
        f"{tag!r} is no tag of this run.", where="history", mend=nearest_name(tag, names)
    )


def _trend_rows(found: Trend, period: Period) -> list[dict[str, Any]]:
    from raffinate.runtime.history_report_html import utc_text

    columns = (found.t_us, found.low, found.high, found.mean, found.last, found.count)
    return [
        {
            "plant_h": period.plant_hour(t_us),
            "utc": utc_text(t_us),
            "low": low,
            "high": high,
            "mean": mean,
            "last": last,
            "count": count,
        }
        for t_us, low, high, mean, last, count in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]


def _print_trend(tag: str, rows: list[dict[str, Any]]) -> None:
    made = table(
        tag, "UTC", "plant h", "least", "mean", "greatest", "last", "values",
        caption="Each row stands at the time of its last good value.",
    )  # fmt: skip
    for row in rows:
        numbers = (row[key] for key in ("low", "mean", "high", "last"))
        made.add_row(
            row["utc"],
            f"{row['plant_h']:.2f}",
            *("bad" if number != number else f"{number:.6g}" for number in numbers),
            str(row["count"]),
        )
    console().print(made)


def archive(
    run: RunArgument,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where; `archive` in the run directory if not.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Write each complete UTC day to a Parquet file of its own, unless it is there already."""
    with failing_politely(as_json=as_json), opened(run) as (historian, place):
        from raffinate.runtime.historian_archive import nightly

        if folder is None and place.folder is None:
            raise SpecificationError("nowhere to write to.", where=run, mend="Name a --folder.")
        into = folder or Path(place.folder or "", "archive")
        with progress("Archiving"):
            done = nightly(historian, into, historian.span()[1])
        rows: list[dict[str, Any]] = [
            {"day": each.day.isoformat(), "file": str(each.path), "rows": each.rows,
             "sha256": each.checksum}
            for each in done
        ]  # fmt: skip
        if as_json:
            typer.echo(to_json({"days": rows}))
            return
        for row in rows:
            typer.echo(f"{row['file']}  {row['rows']} rows  {row['sha256'][:16]}")
        if not rows:
            typer.echo("Every complete day is in the archive already.", err=True)
