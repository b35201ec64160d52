"""`raffinate alarms`: the rationalised alarm list of a plant."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raffinate.cli.common import check_formats, console, failing_politely, table, to_json

if TYPE_CHECKING:
    from raffinate.runtime.alarm_definitions import AlarmDefinition, AlarmDefinitions


def register(app: typer.Typer) -> None:
    """Add the command `alarms` to `app`."""
    app.command(name="alarms")(alarms)


def alarms(
    name: Annotated[
        str, typer.Argument(help="A shipped alarm list, or the path of one.")
    ] = "alarms_ceprnd_p507",
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a row per alarm as CSV.")] = False,
) -> None:
    """Print a rationalised alarm list: priority, cause, consequence and what to do."""
    with failing_politely(as_json=as_json):
        from raffinate.runtime.alarm_list_file import load_alarm_list

        check_formats(as_json, as_csv)
        found = load_alarm_list(name)
        rows = [describe_alarm(each) for each in found.definitions]
        if as_json:
            typer.echo(to_json(_as_dict(found, rows)))
        elif as_csv:
            typer.echo(_csv(rows), nl=False)
        else:
            _print(found)


def describe_alarm(definition: AlarmDefinition) -> dict[str, Any]:
    """Return a line of the list as plain values, with units in their names."""
    again = definition.realarm_after
    return {
        "tag": definition.tag,
        "priority": definition.priority,
        "severity": definition.severity,
        "respond_min": definition.respond_within / 60.0,
        "cause": definition.cause,
        "consequence": definition.consequence,
        "action": definition.action,
        "group": definition.group,
        "on_delay_s": definition.on_delay,
        "off_delay_s": definition.off_delay,
        "deadband_fraction": definition.deadband,
        "latching": definition.latching,
        "longest_shelving_h": definition.longest_shelving / 3600.0,
        "suppressed_by": list(definition.suppressed_by),
        "realarm_h": None if again is None else again / 3600.0,
        "auto_delay": definition.auto_delay,
        "evidence": "" if definition.source is None else definition.source.evidence,
    }


def shares(found: AlarmDefinitions) -> dict[str, float]:
    """Return the share of each priority among the lines of a list, most urgent first."""
    from raffinate.runtime.alarm_definitions import PRIORITIES

    given = [each.priority for each in found.definitions]
    return {priority: given.count(priority) / len(given) for priority in PRIORITIES}


def _as_dict(found: AlarmDefinitions, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": found.name,
        "title": found.title,
        "matrix": {
            "borders_min": [border / 60.0 for border in found.matrix.borders],
            **{severity: list(row) for severity, row in found.matrix.rows.items()},
        },
        "shares": shares(found),
        "alarms": rows,
        "sources": [
            {"title": each.title, "reference": each.reference, "evidence": each.evidence}
            for each in found.sources
        ],
    }


def _csv(rows: list[dict[str, Any]]) -> str:
    written = io.StringIO()
    writer = csv.DictWriter(written, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "suppressed_by": " ".join(row["suppressed_by"])} for row in rows)
    return written.getvalue()


def _print(found: AlarmDefinitions) -> None:
    terminal = console()
    terminal.print(f"[bold]{found.name}[/bold]  {found.title}\n")
    made = table(
        "Alarms", "tag", "priority", "respond\nwithin", "cause", "consequence", "what to do",
        left=6,
    )  # fmt: skip
    for each in found.definitions:
        minutes = each.respond_within / 60.0
        within = f"{minutes:.0f} min" if minutes < 120.0 else f"{minutes / 60.0:.0f} h"
        made.add_row(
            each.tag, each.priority, within, each.cause, each.consequence, each.action,
            end_section=True,
        )  # fmt: skip
    terminal.print(made)
    said = ", ".join(f"{priority} {share:.0%}" for priority, share in shares(found).items())
    terminal.print(f"{len(found.definitions)} lines: {said}")
