"""`raffinate simulate`: a plant in time, left to its flows."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from raffinate.cli.common import (
    check_ending,
    check_formats,
    console,
    failing_politely,
    progress,
    table,
    text_writer,
    to_json,
    write_output,
)
from raffinate.cli.courses import course_cells, purity_course
from raffinate.cli.network import is_network_file
from raffinate.cli.network_simulate import simulate_network_command
from raffinate.cli.options import PlantName, ResultFile, csv_option, json_option
from raffinate.units import HOUR, MINUTE

if TYPE_CHECKING:
    from rich.console import Console

    from raffinate.plant.model import Plant
    from raffinate.plant.motion_state import MotionState
    from raffinate.plant.simulate import Trajectory

ENDINGS = (".png", ".svg", ".pdf", ".csv", ".json")
"""What `--output` writes."""


class Start(StrEnum):
    """What a simulation begins with."""

    STEADY = "steady"
    STARTUP = "startup"


def register(app: typer.Typer) -> None:
    """Add the command `simulate` to `app`."""
    app.command(name="simulate")(simulate)


def simulate(
    plant: PlantName,
    hours: Annotated[float, typer.Option("--hours", help="How long, h of plant time.")] = 720.0,
    step: Annotated[
        list[str] | None,
        typer.Option(
            "--step",
            help="What changes, such as feed.nd_mass_fraction=0.4213@24h; = sets, += adds, "
            "*= scales, @24h..72h lasts. May be repeated.",
        ),
    ] = None,
    start: Annotated[
        Start, typer.Option("--start", help="Begin at the nominal steady state or at start-up.")
    ] = Start.STEADY,
    interval_min: Annotated[
        float, typer.Option("--interval-min", help="Time between rows of the result, min.")
    ] = 10.0,
    save_state: Annotated[
        Path | None, typer.Option("--save-state", help="Write the plant in motion to FILE (.npz).")
    ] = None,
    from_state: Annotated[
        Path | None,
        typer.Option("--from-state", help="Go on from a FILE of --save-state; --start is unread."),
    ] = None,
    as_json: Annotated[bool, json_option("Print the summary as JSON.")] = False,
    as_csv: Annotated[bool, csv_option("Print a row per time as CSV.")] = False,
    output: ResultFile = None,
) -> None:
    """Move a plant in time at its nominal flows, with upsets: purities and the whole bank."""
    with failing_politely(as_json=as_json):
        check_formats(as_json, as_csv)
        check_ending(output, ENDINGS)
        if is_network_file(plant):
            simulate_network_command(
                plant,
                hours=hours,
                step=step or (),
                startup=start is Start.STARTUP and from_state is None,
                interval_min=interval_min,
                save_state=save_state,
                from_state=from_state,
                as_json=as_json,
                as_csv=as_csv,
                output=output,
            )
            return
        from raffinate.plant.events import parse_event
        from raffinate.plant.plant_file import load_plant

        loaded = load_plant(plant)
        events = [parse_event(text, loaded.circuit.elements) for text in step or ()]
        begin: Literal["steady", "startup"] | MotionState = start.value
        if from_state is not None:
            from raffinate.plant.simulate_state import read_state

            begin = read_state(from_state, loaded)
        rows = hours * HOUR / (interval_min * MINUTE) if interval_min > 0.0 else 1.0
        total = math.ceil(rows) if math.isfinite(rows) else None
        with progress(f"Simulating {hours:g} h", total) as advance:
            from raffinate.plant.simulate import simulate as move

            trajectory = move(
                loaded,
                hours * HOUR,
                events,
                start=begin,
                interval=interval_min * MINUTE,
                progress=advance,
            )
        if save_state is not None:
            from raffinate.plant.simulate_state import write_state

            write_state(save_state, trajectory.state)
        summary = summarise(trajectory, "state" if from_state else start.value)
        _write(trajectory, loaded, summary, output)
        if as_json:
            typer.echo(to_json(summary))
        elif as_csv:
            typer.echo(trajectory.to_dataframe().to_csv(index=False), nl=False)
        else:
            _print_tables(console(), trajectory, summary)


def summarise(trajectory: Trajectory, start: str) -> dict[str, Any]:
    """Return what `raffinate simulate --json` prints; purities in fractions, times in hours."""
    hours = trajectory.time / HOUR
    products = {
        name: purity_course(hours, impurity, trajectory.purity_limit[name])
        for name, impurity in trajectory.impurity.items()
    }
    return {
        "plant": trajectory.plant_name,
        "plant_hours": float(hours[-1]),
        "start": start,
        "events": [str(event) for event in trajectory.events],
        "limits": [str(event) for event in trajectory.state.limits],
        "products": products,
        "balance_error": trajectory.balance_error,
        "steps": trajectory.steps,
    }


def _write(
    trajectory: Trajectory, plant: Plant, summary: dict[str, Any], output: Path | None
) -> None:
    def picture(path: Path) -> None:
        from raffinate.plots.trajectory import save_trajectory

        save_trajectory(trajectory, path, plant=plant)

    write_output(
        output,
        {
            ".png": picture,
            ".svg": picture,
            ".pdf": picture,
            ".csv": text_writer(lambda: trajectory.to_dataframe().to_csv(index=False)),
            ".json": text_writer(lambda: to_json(summary)),
        },
    )


def _print_tables(terminal: Console, trajectory: Trajectory, summary: dict[str, Any]) -> None:
    begun = _BEGUN[summary["start"]]
    terminal.print(
        f"[bold]{trajectory.plant_name}[/bold]  {summary['plant_hours']:g} h, begun {begun}"
    )
    for event in summary["events"]:
        terminal.print(f"· {event}")
    for limit in summary["limits"]:
        terminal.print(f"· {limit}", style="yellow")
    terminal.print()
    made = table(
        "Purities, % of REO",
        "product", "limit", "first", "lowest", "last", "off spec. from, h", "off spec., h",
    )  # fmt: skip
    for name, product in summary["products"].items():
        purities, off = course_cells(product)
        style = "red" if math.isfinite(product["hours_to_off_spec"]) else ""
        made.add_row(name, *purities, *off, style=style)
    terminal.print(made)
    terminal.print(
        f"Balance error {trajectory.balance_error:.1e}, {trajectory.steps} steps.", style="dim"
    )


_BEGUN = {
    "steady": "at the nominal steady state",
    "startup": "at start-up",
    "state": "where a saved state left off",
}
