"""`raffinate simulate` of a plant of many circuits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from raffinate.cli.common import console, progress, table, text_writer, to_json, write_output
from raffinate.cli.courses import course_cells, purity_course
from raffinate.errors import SpecificationError
from raffinate.units import HOUR, MINUTE

if TYPE_CHECKING:
    from rich.console import Console

    from raffinate.plant.network_simulate import NetworkTrajectory

    Read = Callable[[Any, Any], Any]


def simulate_network_command(
    plant: str,
    *,
    hours: float,
    step: Sequence[str],
    startup: bool,
    interval_min: float,
    save_state: Path | None,
    from_state: Path | None,
    as_json: bool,
    as_csv: bool,
    output: Path | None,
) -> None:
    """Move a plant of many circuits in time and print what became of it.

    Args:
        plant: A shipped name or a path.
        hours: How long, [h].
        step: Events as written.
        startup: Whether to begin with vessels that are only filled; there is no such beginning.
        interval_min: Time between rows, [min].
        save_state: File for the plant in motion.
        from_state: File to go on from.
        as_json: Print JSON.
        as_csv: Print a row per time.
        output: File to write.

    Raises:
        RaffinateError: As loading, solving and moving do.
    """
    if startup:
        raise SpecificationError(
            "a plant of many circuits begins at rest.",
            where="--start startup",
            allowed="steady",
            mend="Start up each circuit alone, as a plant file of its own.",
        )
    trajectory = _moved(plant, hours, step, interval_min, from_state)
    if save_state is not None:
        from raffinate.plant.network_simulate_state import write_network_state

        write_network_state(save_state, trajectory.state)
    summary = summarise(trajectory, "state" if from_state else "steady")

    def picture(path: Path) -> None:
        from raffinate.plots.network_trajectory import save_network_trajectory

        save_network_trajectory(trajectory, path)

    write_output(
        output,
        {
            **dict.fromkeys((".png", ".svg", ".pdf"), picture),
            ".csv": text_writer(lambda: trajectory.to_dataframe().to_csv(index=False)),
            ".json": text_writer(lambda: to_json(summary)),
        },
    )
    if as_json:
        typer.echo(to_json(summary))
    elif as_csv:
        typer.echo(trajectory.to_dataframe().to_csv(index=False), nl=False)
    else:
        _print(console(), trajectory, summary)


def _moved(
    plant: str, hours: float, step: Sequence[str], interval_min: float, from_state: Path | None
) -> NetworkTrajectory:
    from raffinate.plant.network_events import parse_network_event
    from raffinate.plant.network_file import load_network
    from raffinate.plant.network_levers import at_state
    from raffinate.plant.network_solve import solve_network

    network = load_network(plant)
    with progress("Solving") as advance:
        nominal = solve_network(network, advance=advance)
    network = at_state(network, nominal)
    events = [parse_network_event(text, network) for text in step]
    start = None
    if from_state is not None:
        from raffinate.plant.network_simulate_state import read_network_state

        start = read_network_state(from_state, network, nominal)
    rows = hours * HOUR / (interval_min * MINUTE) if interval_min > 0.0 else 1.0
    total = math.ceil(rows) + len(network.circuits) if math.isfinite(rows) else None
    with progress(f"Simulating {hours:g} h", total) as advance:
        from raffinate.plant.network_simulate import simulate_network

        return simulate_network(
            network,
            hours * HOUR,
            events,
            start=start,
            nominal=nominal,
            interval=interval_min * MINUTE,
            progress=advance,
        )


def summarise(trajectory: NetworkTrajectory, start: str) -> dict[str, Any]:
    """Return what `raffinate simulate --json` prints; purities in fractions, times in hours."""
    hours = trajectory.time / HOUR
    products = {}
    for name, impurity in trajectory.impurity.items():
        limit = trajectory.network.products[name].purity_limit
        reo = trajectory.reo_flow[name]
        products[name] = {
            **purity_course(hours, impurity, limit),
            "first_reo_kg_per_h": float(reo[0]) * HOUR,
            "last_reo_kg_per_h": float(reo[-1]) * HOUR,
        }
    return {
        "plant": trajectory.network.name,
        "plant_hours": float(hours[-1]),
        "start": start,
        "events": [str(event) for event in trajectory.events],
        "products": products,
        "metals_in_organic_mol_per_L": {
            name: {"first": float(values[0]) / 1e3, "last": float(values[-1]) / 1e3}
            for name, values in trajectory.stuck.items()
        },
        "assumed_tanks": list(trajectory.assumed_tanks),
        "balance": dict(trajectory.balance),
        "balance_error": trajectory.balance_error,
        "intervals": trajectory.times,
        "steps": trajectory.steps,
    }


def _print(terminal: Console, trajectory: NetworkTrajectory, summary: dict[str, Any]) -> None:
    begun = "where a saved state left off" if summary["start"] == "state" else "at rest"
    terminal.print(
        f"[bold]{trajectory.network.name}[/bold]  {trajectory.network.stages} stages in "
        f"{len(trajectory.network.circuits)} circuits, {summary['plant_hours']:g} h, begun {begun}"
    )
    for event in summary["events"]:
        terminal.print(f"· {event}")
    terminal.print()
    made = table(
        "Purities, % of REO",
        "product", "limit", "first", "lowest", "last", "REO, kg/h", "off spec. from, h",
        "off spec., h",
    )  # fmt: skip
    for name, product in summary["products"].items():
        purities, off = course_cells(product)
        style = "red" if math.isfinite(product["hours_to_off_spec"]) else ""
        made.add_row(name, *purities, f"{product['last_reo_kg_per_h']:.4g}", *off, style=style)
    terminal.print(made)
    if trajectory.stuck:
        made = table(
            "Metals that stick to the organic, mol/L", "circuit and metal", "first", "last"
        )
        for name, row in summary["metals_in_organic_mol_per_L"].items():
            made.add_row(name, f"{row['first']:.4g}", f"{row['last']:.4g}")
        terminal.print(made)
    if trajectory.assumed_tanks:
        from raffinate.plant.network_tank import RESIDENCE

        terminal.print(
            f"Assumed: {', '.join(trajectory.assumed_tanks)} hold {RESIDENCE / HOUR:g} h of their "
            "usual stream; write residence_h to say otherwise.",
            style="yellow",
        )
    terminal.print(
        f"Balance error {trajectory.balance_error:.1e}; {trajectory.times} intervals, "
        f"{trajectory.steps} steps.",
        style="dim",
    )
