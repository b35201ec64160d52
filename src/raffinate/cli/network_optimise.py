"""`raffinate optimise` of a plant of many circuits: flows, products and cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from raffinate.cli.common import (
    check_ending,
    console,
    print_warnings,
    progress,
    table,
    text_writer,
    to_json,
    write_output,
)
from raffinate.cli.network_cost import cost_table
from raffinate.cli.purities import parse_purities
from raffinate.cli.ranges import parse_ranges
from raffinate.errors import SpecificationError

if TYPE_CHECKING:
    from raffinate.plant.network_optimise import NetworkOptimum

ENDINGS = (".csv", ".json")
"""What `--output` writes of the optimum of a network."""


def optimise_network_command(
    plant: str,
    prices: str,
    *,
    spec: Sequence[str],
    free: Sequence[str],
    further: Sequence[str],
    as_json: bool,
    output: Path | None,
) -> None:
    """Find the flows of least cost of a plant of many circuits and print them.

    Args:
        plant: A shipped name or a path.
        prices: A price file.
        spec: Least purities of products, as `--spec` writes them.
        free: Ranges of flows, as `--free` writes them; none frees all.
        further: What else was asked for; none is possible here.
        as_json: Print JSON.
        output: File to write.

    Raises:
        RaffinateError: As loading and optimising do.
    """
    if further:
        raise SpecificationError(
            f"{plant} has many circuits: {', '.join(further)} is searched in plants of one.",
            where="optimise",
            allowed="--spec, --free and --pareto purity",
            mend="Leave out --stages.",
        )
    check_ending(output, ENDINGS)
    from raffinate.plant.economics_prices_file import load_prices
    from raffinate.plant.network_file import load_network

    network, given = load_network(plant), load_prices(prices)
    asked = parse_purities(spec, network)
    ranges = parse_ranges(free, "--free") if free else None
    with progress("Optimising") as advance:
        from raffinate.plant.network_optimise import optimise_network

        found = optimise_network(network, given, purities=asked, free=ranges, advance=advance)
    write_output(
        output,
        {
            ".csv": text_writer(lambda: found.to_dataframe().to_csv(index=False)),
            ".json": text_writer(lambda: to_json(found.to_dict())),
        },
    )
    if as_json:
        typer.echo(to_json(found.to_dict()))
    else:
        _print(found)
    print_warnings(found.account.missing)
    print_warnings(found.state.warnings)


def _print(found: NetworkOptimum) -> None:
    terminal = console()
    money = found.account.prices.currency
    unit = f"{money} per kg REO" if found.objective == "cost" else found.objective
    terminal.print(
        f"[bold]{found.network.name}[/bold]  {found.value:.5g} {unit}, before {found.before:.5g}; "
        f"{found.evaluations} steady states\n"
    )
    flows = table("Flows, SI", "flow", "low", "high", "before", "value", "at end")
    for each in found.settings:
        numbers = (each.low, each.high, each.before, each.value)
        flows.add_row(
            each.name, *(f"{value:.5g}" for value in numbers), "yes" if each.at_end else ""
        )
    terminal.print(flows)
    products = table("Products", "product", "purity, %", "recovery, %")
    for name, product in found.state.products.items():
        products.add_row(name, f"{100 * product.purity:.5f}", f"{100 * product.recovery:.3f}")
    terminal.print(products)
    terminal.print(cost_table(found.account))
    if found.binding:
        terminal.print(f"At the end of their range: {', '.join(found.binding)}.", style="dim")
