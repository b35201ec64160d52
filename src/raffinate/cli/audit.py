"""`raffinate audit`: who changed what, and whether the trail of it is whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raffinate.cli.common import console, failing_politely, table, to_json
from raffinate.errors import DataError
from raffinate.units import HOUR

if TYPE_CHECKING:
    from raffinate.runtime.audit_run import RunVerdict

Run = Annotated[
    Path | None, typer.Argument(help="A run directory or one trail; the latest run if left out.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands `audit verify` and `audit show` to `app`."""
    audit = typer.Typer(help="Verify and show the audit trails of a run.", no_args_is_help=True)
    audit.command(name="verify")(verify)
    audit.command(name="show")(show)
    app.add_typer(audit, name="audit")


def verify(run: Run = None, as_json: AsJson = False) -> None:
    """Check that no entry was changed, removed, added or moved: exit 0 if sound, 1 if not."""
    with failing_politely(as_json=as_json):
        verdict = _verdict(run)
        if as_json:
            typer.echo(to_json(verdict.to_dict()))
        else:
            _print_verdict(verdict)
        if not verdict.sound:
            raise typer.Exit(1)


def show(
    run: Run = None,
    user: Annotated[str | None, typer.Option("--user", help="Of this user alone.")] = None,
    refused: Annotated[bool, typer.Option("--refused", help="Refused ones alone.")] = False,
    most: Annotated[int, typer.Option("--most", help="The newest so many.", min=1)] = 100,
    as_json: AsJson = False,
) -> None:
    """List who changed, or tried to change, what; the oldest first."""
    with failing_politely(as_json=as_json):
        from heapq import nlargest

        from raffinate.runtime.audit import read_audit

        kept = (
            entry
            for path in _trails(run)
            for entry in read_audit(path)
            if user in (None, entry["user"]) and not (refused and entry["accepted"])
        )
        newest = nlargest(most, kept, key=lambda entry: (entry["wall"], entry["n"]))
        entries = newest[::-1]
        if as_json:
            typer.echo(to_json({"entries": entries}))
        else:
            _print_entries(entries)


def _verdict(path: Path | None) -> RunVerdict:
    from raffinate.runtime.audit import verify_audit
    from raffinate.runtime.audit_run import RunVerdict, verify_run
    from raffinate.runtime.private_files import now_us
    from raffinate.runtime.run_directory import find_run

    if path is not None and path.is_file():
        return RunVerdict(trails=(verify_audit(path),), copies=None, wall=now_us())
    return verify_run(find_run(path))


def _trails(path: Path | None) -> tuple[Path, ...]:
    from raffinate.runtime.run_directory import find_run

    if path is not None and path.is_file():
        return (path,)
    run = find_run(path)
    found = run.audit_files()
    if not found:
        raise DataError("there is no audit trail yet.", where=str(run.path))
    return found


def _print_verdict(verdict: RunVerdict) -> None:
    made = table("Audit trails", "trail", "verdict", "entries", "anchored", "recovered", left=2)
    for trail in verdict.trails:
        made.add_row(
            trail.path.name,
            "sound" if trail.sound else f"BROKEN at line {trail.line}: {trail.reason}",
            str(trail.entries),
            str(trail.anchored),
            str(trail.recovered),
            style="" if trail.sound else "red",
        )
    console().print(made)
    if not verdict.trails:
        typer.echo("There is no audit trail yet.", err=True)
    elif verdict.copies is None:
        typer.echo("Compared with the anchors alone: the history was not to be had.", err=True)
    else:
        typer.echo(f"Compared with {verdict.copies} entries in the history.", err=True)


def _print_entries(entries: list[dict[str, Any]]) -> None:
    made = table("Changes", "UTC", "plant, h", "who", "by", "what", "from", "to", "verdict", left=8)
    for entry in entries:
        moment = datetime.fromtimestamp(entry["wall"] / 1e6, tz=UTC)
        plant_time = entry["plant_time"]
        made.add_row(
            f"{moment:%Y-%m-%d %H:%M:%S}",
            f"{plant_time / HOUR:.2f}" if isinstance(plant_time, (int, float)) else "",
            _safe(f"{entry['user']} ({entry['role']})"),
            _safe(str(entry["source"])),
            _safe(str(entry["what"])),
            _value(entry["old"]),
            _value(entry["new"]),
            "accepted" if entry["accepted"] else _safe(f"refused: {entry['reason']}"),
            style="" if entry["accepted"] else "yellow",
        )
    console().print(made)


def _value(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _safe(text if len(text) <= 40 else f"{text[:39]}…")


def _safe(text: str) -> str:
    """Return a text that can neither style the table nor command the terminal.

    Whoever is refused chooses what stands here.
    """
    from rich.markup import escape

    return escape("".join(c if c.isprintable() else repr(c)[1:-1] for c in text))
