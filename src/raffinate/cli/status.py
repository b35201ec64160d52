"""`raffinate status`: how the processes of a run are."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raffinate.cli.common import console, failing_politely, table, to_json

if TYPE_CHECKING:
    from rich.console import Group

    from raffinate.runtime.process_status import ProcessStatus
    from raffinate.runtime.run_directory import RunDirectory

SILENT = 20.0
"""Age of a sign of life above which a running process is not well, wall [s]; the supervisor ends
it at the same age."""


def register(app: typer.Typer) -> None:
    """Add the command `status` to `app`."""
    app.command(name="status")(status)


def status(
    run: Annotated[
        Path | None, typer.Argument(help="A run directory; the latest run if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it anew every second until Ctrl+C.")
    ] = False,
) -> None:
    """Show how the processes of a run are: exit 0 if all are well, 1 if not."""
    with failing_politely(as_json=as_json):
        from raffinate.runtime.run_directory import find_run

        found = find_run(run)
        report = _watched(found) if watch and not as_json else report_of(found)
        if as_json:
            typer.echo(to_json(report))
        elif not watch:
            console().print(_shown(report))
        if not report["healthy"]:
            raise typer.Exit(1)


def report_of(run: RunDirectory) -> dict[str, Any]:
    """Return what `raffinate status --json` prints; ages and times since in wall seconds."""
    from raffinate.runtime.audit_run import last_verdict
    from raffinate.runtime.process_status import read_statuses
    from raffinate.runtime.run_directory import reachable
    from raffinate.runtime.web_rows import link_rows, process_rows

    statuses = read_statuses(run)
    rows = [
        {**row, "last_exit": each.last_exit, "error": each.error, "detail": dict(each.detail)}
        for row, each in zip(process_rows(statuses), statuses, strict=True)
    ]
    links = link_rows(statuses)
    verdict = last_verdict(run)
    return {
        "run": str(run.path),
        "plant": run.settings.plant,
        "page": f"http://{reachable(run.settings.host)}:{run.settings.web_port}",
        "healthy": _healthy(rows, links),
        "plant_h": _first(statuses, "plant_h"),
        "mode": _first(statuses, "mode"),
        "alarms": _first(statuses, "alarms"),
        "processes": rows,
        "links": links,
        "audit": None if verdict is None else {"wall": verdict[0], "sound": verdict[1]},
    }


def _healthy(rows: list[dict[str, Any]], links: list[dict[str, Any]]) -> bool:
    running = all(
        row["state"] == "running" and row["age_s"] is not None and row["age_s"] <= SILENT
        for row in rows
    )
    return bool(rows) and running and all(link["connected"] for link in links)


def _first(statuses: tuple[ProcessStatus, ...], key: str) -> Any:
    """Return a detail as operate tells it, or else any other process."""
    for each in sorted(statuses, key=lambda status: status.name != "operate"):
        if key in each.detail:
            return each.detail[key]
    return None


def _watched(run: RunDirectory) -> dict[str, Any]:
    import time

    from rich.live import Live

    report = report_of(run)
    with Live(_shown(report), console=console(), auto_refresh=False) as live:
        try:
            while True:
                time.sleep(1.0)
                report = report_of(run)
                live.update(_shown(report), refresh=True)
        except KeyboardInterrupt:
            return report


def _shown(report: dict[str, Any]) -> Group:
    from rich.console import Group
    from rich.markup import escape
    from rich.text import Text

    made = table(
        escape(report["run"]),
        "process", "state", "pid", "since", "restarts", "CPU, %", "memory, MB", "last sign, s",
        left=2,
    )  # fmt: skip
    for row in report["processes"]:
        made.add_row(
            row["name"],
            row["state"],
            str(row["pid"] or ""),
            _duration(row["since_s"]),
            str(row["restarts"]),
            f"{row['cpu_percent']:.0f}" if row["state"] == "running" else "",
            f"{row['memory_MB']:.0f}" if row["memory_MB"] and row["state"] == "running" else "",
            f"{row['age_s']:.1f}" if row["age_s"] is not None and _lives(row) else "",
            style=_STYLES.get(row["state"], ""),
        )
    lines = [_plant_line(report), *_troubles(report), _audit_line(report)]
    return Group(made, *(Text(line) for line in lines if line))


_STYLES = {"failed": "red", "restarting": "yellow", "starting": "yellow", "stopped": "dim"}


def _lives(row: dict[str, Any]) -> bool:
    return row["state"] in ("running", "starting")


def _plant_line(report: dict[str, Any]) -> str:
    parts = [report["plant"]]
    if report["plant_h"] is not None:
        parts.append(f"{report['plant_h']:.1f} h of plant time")
    if report["mode"] is not None:
        parts.append(f"mode {report['mode']}")
    if report["alarms"] is not None:
        parts.append(f"{report['alarms']} alarms standing")
    if any(row["name"] == "web" and row["state"] == "running" for row in report["processes"]):
        parts.append(report["page"])
    return ", ".join(parts)


def _troubles(report: dict[str, Any]) -> list[str]:
    lines = []
    for link in report["links"]:
        age = "" if link["age_s"] is None else f", last heard {link['age_s']:.1f} s ago"
        if link["connected"]:
            trip = link["round_trip_ms"]
            took = "" if trip is None else f", {trip:.0f} ms"
            lines.append(f"{link['name']}: connected{took}")
        else:
            lines.append(f"{link['name']}: NOT connected{age}")
    for row in report["processes"]:
        if row["error"] is not None:
            where = f"{row['error']['where']}: " if row["error"]["where"] else ""
            lines.append(f"{row['name']}: {where}{row['error']['what']}")
        elif row["last_exit"] is not None and row["restarts"]:
            lines.append(f"{row['name']}: exit code {row['last_exit']} before its last start")
        if row["detail"].get("trouble"):
            lines.append(f"{row['name']}: {row['detail']['trouble']}")
    return lines


def _audit_line(report: dict[str, Any]) -> str:
    if report["audit"] is None:
        return "Audit trails: not verified yet (raffinate audit verify)"
    moment = datetime.fromtimestamp(report["audit"]["wall"] / 1e6, tz=UTC)
    verdict = "sound" if report["audit"]["sound"] else "BROKEN"
    return f"Audit trails: {verdict} at {moment:%Y-%m-%d %H:%M:%S} UTC"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for size, unit in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
