"""`raffinate cost` of a plant of many circuits: what its units use, line by line."""

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
from raffinate.cli.purities import parse_purities

if TYPE_CHECKING:
    from rich.table import Table

    from raffinate.plant.network_economics import NetworkAccount

ENDINGS = (".csv", ".json")
"""What `--output` writes of the account of a network."""


def cost_network_command(
    plant: str,
    prices: str,
    *,
    spec: Sequence[str],
    allocation: str,
    as_json: bool,
    as_csv: bool,
    output: Path | None,
) -> None:
    """Account for a plant of many circuits and print it.

    Args:
        plant: A shipped name or a path.
        prices: A price file.
        spec: Purities of products, as `--spec` writes them; without any, those of its flows.
        allocation: How oxides share the cost: "revenue" or "mass".
        as_json: Print JSON.
        as_csv: Print the costs as CSV.
        output: File to write.

    Raises:
        RaffinateError: As loading, solving and accounting do.
    """
    check_ending(output, ENDINGS)
    from raffinate.plant.economics_prices_file import load_prices
    from raffinate.plant.economics_products import check_allocation
    from raffinate.plant.network_file import load_network

    network, given = load_network(plant), load_prices(prices)
    asked = parse_purities(spec, network)
    check_allocation(allocation)
    with progress("Solving") as advance:
        from raffinate.plant.network_asked import solve_network_for
        from raffinate.plant.network_economics import account_of

        network, state = solve_network_for(network, asked, advance=advance)
        advance("the account")
        account = account_of(network, state, given, allocation=allocation)
    write_output(
        output,
        {
            ".csv": text_writer(lambda: account.to_dataframe().to_csv(index=False)),
            ".json": text_writer(lambda: to_json(account.to_dict())),
        },
    )
    if as_json:
        typer.echo(to_json(account.to_dict()))
    elif as_csv:
        typer.echo(account.to_dataframe().to_csv(index=False), nl=False)
    else:
        terminal = console()
        terminal.print(
            f"[bold]{network.name}[/bold]  {account.cost_per_reo:.5g} {given.currency} counted per "
            "kg REO of all products\n"
        )
        terminal.print(cost_table(account))
        terminal.print(_oxide_table(account))
        terminal.print(_held_table(account))
    print_warnings(account.missing)
    print_warnings(state.warnings)


def cost_table(account: NetworkAccount) -> Table:
    """Return the lines of an account per kilogram of REO."""
    made = table("Costs", "cost", "group", f"{account.prices.currency} per kg REO", left=2)
    for row in account.to_dict()["costs"]:
        value = row["cost_per_kg_reo"]
        made.add_row(row["cost"], row["group"], "missing" if value is None else f"{value:.5g}")
    return made


def _oxide_table(account: NetworkAccount) -> Table:
    """Return what each oxide of each product brings and costs."""
    money = account.prices.currency
    made = table(
        f"Oxides; cost shared by {account.allocation}",
        *("product", "oxide", "class", "kg/h"),
        *(f"price\n{money}/kg", f"revenue\n{money}/h", f"cost\n{money}/h", f"cost\n{money}/kg"),
        left=3,
    )
    for row in account.to_dict()["oxides"]:
        keys = ("kg_per_h", "price_per_kg", "revenue_per_h", "cost_per_h", "cost_per_kg")
        made.add_row(
            row["product"],
            row["oxide"],
            row["evidence"] or "missing",
            *("-" if row[key] is None else f"{row[key]:.4g}" for key in keys),
        )
    return made


def _held_table(account: NetworkAccount) -> Table:
    """Return what the circuits hold, in amounts and money."""
    made = table("Held in the circuits", "what", "unit", "amount", account.prices.currency, left=2)
    for row in account.to_dict()["inventory"]["holdings"]:
        numbers = (row["amount"], row["value"])
        made.add_row(
            row["what"], row["unit"], *("-" if v is None else f"{v:,.5g}" for v in numbers)
        )
    return made
