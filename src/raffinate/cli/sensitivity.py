"""`raffinate sensitivity`: what moves which outcome of a plant, and by how much."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raffinate.cli.common import (
    check_ending,
    check_formats,
    console,
    failing_politely,
    print_warnings,
    progress,
    table,
    text_writer,
    to_json,
    write_output,
)
from raffinate.cli.network import is_network_file
from raffinate.cli.purities import parse_purities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raffinate.plant.economics_prices import Prices
    from raffinate.plant.gradients import Gradients

ENDINGS = (".png", ".svg", ".pdf", ".csv", ".json")
"""What `--output` writes."""

MOST_FLOWS = 4
"""Flows shown where purities are met and nothing else is asked for."""


def register(app: typer.Typer) -> None:
    """Add the command `sensitivity` to `app`."""
    app.command(name="sensitivity")(sensitivity)


def sensitivity(
    plant: Annotated[str, typer.Argument(help="A shipped plant, or the path of a plant file.")],
    prices: Annotated[
        str | None,
        typer.Option("--prices", help="A price file; with it, the cost is an outcome too."),
    ] = None,
    spec: Annotated[
        list[str] | None,
        typer.Option(
            "--spec",
            help="Purity to solve for, such as nd_purity=0.999; one left out is the nominal one.",
        ),
    ] = None,
    outcome: Annotated[
        list[str] | None,
        typer.Option(
            "--outcome",
            help="What is moved, such as log_impurity.nd or cost; may be given again.",
        ),
    ] = None,
    meet: Annotated[
        bool,
        typer.Option("--meet", help="Keep the purities by moving organic and draw."),
    ] = False,
    count: Annotated[int, typer.Option("--count", min=1, help="Rows of each table.")] = 12,
    as_json: Annotated[bool, typer.Option("--json", help="Print every slope as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print every slope as CSV.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write picture or data: .png, .svg, .pdf, .csv or .json."
        ),
    ] = None,
) -> None:
    """Rank what moves purities, recoveries, reagents or cost: constants, flows, feed, stages."""
    with failing_politely(as_json=as_json):
        check_formats(as_json, as_csv)
        check_ending(output, ENDINGS)
        given = None
        if prices is not None:
            from raffinate.plant.economics_prices_file import load_prices

            given = load_prices(prices)
        solve = _of_network if is_network_file(plant) else _of_plant
        found, products, warnings = solve(plant, spec or (), given, meet)
        chosen = outcome or _usual(found, products)
        for name in chosen:
            found.value(name)
        _write(found, chosen[0], count, output)
        if as_json:
            typer.echo(to_json(found.to_dict()))
        elif as_csv:
            typer.echo(found.to_dataframe().to_csv(index=False), nl=False)
        else:
            _print(found, chosen, count)
        print_warnings(warnings)


def _of_plant(
    plant: str, spec: Sequence[str], prices: Prices | None, meet: bool
) -> tuple[Gradients, tuple[str, ...], tuple[str, ...]]:
    """Return gradients, products and warnings of a plant of one circuit."""
    from raffinate.plant.plant_file import load_plant

    loaded = load_plant(plant)
    purities = {**loaded.nominal_purity, **parse_purities(spec, loaded)}
    with progress("Solving"):
        from raffinate.plant.gradients import plant_gradients
        from raffinate.plant.steady import solve_steady

        state = solve_steady(loaded, purities=purities)
        met = tuple(purities) if meet else ()
        found = plant_gradients(loaded, state, meet=met, prices=prices)
    return found, tuple(loaded.products), state.warnings


def _of_network(
    plant: str, spec: Sequence[str], prices: Prices | None, meet: bool
) -> tuple[Gradients, tuple[str, ...], tuple[str, ...]]:
    """Return gradients, products and warnings of a plant of many circuits."""
    from raffinate.plant.network_file import load_network

    network = load_network(plant)
    asked = parse_purities(spec, network)
    with progress("Solving"):
        from raffinate.plant.network_asked import solve_network_for
        from raffinate.plant.network_outcomes import network_gradients
        from raffinate.plant.network_solve import solve_network

        if asked:
            network, state = solve_network_for(network, asked)
        else:
            state = solve_network(network)
        found = network_gradients(network, state, meet=meet, prices=prices)
    return found, tuple(network.products), state.warnings


def _usual(found: Gradients, products: tuple[str, ...]) -> list[str]:
    """Return the outcomes shown if none is asked for."""
    if not found.met:
        return [f"log_impurity.{name}" for name in products]
    if "cost" in found.outcomes:
        return ["cost"]
    flows = [name for name in found.outcomes if name.endswith(("organic_flow", "scrub_flow"))]
    return flows[:MOST_FLOWS]


def _write(found: Gradients, outcome: str, count: int, output: Path | None) -> None:
    def picture(path: Path) -> None:
        from raffinate.plots.pareto import save_tornado

        save_tornado(found, outcome, path, count)

    write_output(
        output,
        {
            ".png": picture,
            ".svg": picture,
            ".pdf": picture,
            ".csv": text_writer(lambda: found.to_dataframe().to_csv(index=False)),
            ".json": text_writer(lambda: to_json(found.to_dict())),
        },
    )


def _print(found: Gradients, outcomes: list[str], count: int) -> None:
    terminal = console()
    held = "purities met by organic and draw" if found.met else "at given flows"
    terminal.print(f"[bold]{found.plant_name}[/bold]  {held}; SI units\n")
    for name in outcomes:
        unit = found.outcome_units[found.outcomes.index(name)]
        made = table(
            f"{name}, now {found.value(name):.6g} {unit}".removesuffix(" -"),
            *("input", "unit", "value", "step", "effect of the step", "slope"),
            left=2,
            caption="step: 1 % of the value, 0.01 of a log₁₀; effects are first order",
        )
        for by, step, effect in found.tornado(name, count):
            place = found.inputs.index(by)
            made.add_row(
                by,
                found.input_units[place],
                f"{found.input_values[place]:.5g}",
                f"{step:.3g}",
                f"{effect:+.4g}",
                f"{found.slope(name, by):.4g}",
            )
        terminal.print(made)
