"""`raffinate solve --all-solutions`: every steady state found at the flows of a plant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from raffinate.cli.common import console, progress, table, to_json
from raffinate.errors import SpecificationError

if TYPE_CHECKING:
    from rich.table import Table

    from raffinate.plant.model import Plant
    from raffinate.plant.solutions import Solution
    from raffinate.plant.steady import SteadyState


def refuse_solutions(what: str, *, as_csv: bool, output: Path | None) -> None:
    """Raise if something is asked for that a search for all solutions does not give.

    Args:
        what: What it is asked of; empty for a plant of one circuit.
        as_csv: Whether stages as CSV are asked for.
        output: File asked for; None if none is.

    Raises:
        SpecificationError: Says what is given instead.
    """
    if not what and not as_csv and output is None:
        return
    asked = f"it is asked of {what}." if what else "it gives no CSV and no file."
    raise SpecificationError(
        asked,
        where="--all-solutions",
        allowed="a plant of one circuit, as tables or with --json",
        mend="Leave --all-solutions out.",
    )


def print_solutions(plant: Plant, state: SteadyState, *, as_json: bool) -> None:
    """Search the flows of a state for all steady states and print them.

    Args:
        plant: The plant.
        state: One of its states, whose flows are searched.
        as_json: Print JSON instead of a table.
    """
    assert state.operation is not None
    with progress("Searching"):
        from raffinate.plant.solutions import find_solutions

        found = find_solutions(plant.operated(state.operation))
    if as_json:
        typer.echo(to_json({"plant": plant.name, "solutions": [_told(one) for one in found]}))
        return
    terminal = console()
    terminal.print(f"[bold]{plant.name}[/bold]  {plant.title}\n")
    terminal.print(_solution_table(plant, found))
    count = "One steady state was" if len(found) == 1 else f"{len(found)} steady states were"
    terminal.print(f"{count} found. A search proves none beyond those it found.", style="dim")


def _told(one: Solution) -> dict[str, Any]:
    rate = None if one.stable is None else one.leading_rate * 3600.0
    return {
        **one.state.to_dict(),
        "stable": one.stable,
        "leading_rate_per_h": rate,
        "found_from": list(one.found_from),
    }


def _solution_table(plant: Plant, found: tuple[Solution, ...]) -> Table:
    made = table(
        "Steady states at these flows",
        "",
        *(f"{name}, %" for name in plant.products),
        "barren, mol/m³",
        "slowest, 1/h",
        "stable",
        "searches",
        "balance",
    )
    words = {True: "yes", False: "no", None: "not found"}
    for number, one in enumerate(found, start=1):
        products = one.state.products.values()
        made.add_row(
            str(number),
            *(f"{100.0 * product.purity:.4f}" for product in products),
            f"{float(one.state.barren_organic.sum()):.3g}",
            "" if one.stable is None else f"{one.leading_rate * 3600.0:.2e}",
            words[one.stable],
            str(len(one.found_from)),
            f"{one.state.balance_error:.1e}",
        )
    return made
