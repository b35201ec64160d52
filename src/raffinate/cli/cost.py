"""`raffinate cost`: what a plant uses, holds and gives off, and what its oxides cost."""

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
from raffinate.cli.network_cost import cost_network_command
from raffinate.cli.options import PlantName, Purities, csv_option, json_option, output_option
from raffinate.cli.purities import parse_purities

if TYPE_CHECKING:
    from rich.table import Table

    from raffinate.cli.cost_tables import Sheet
    from raffinate.plant.economics_account import Economics

ENDINGS = (".html", ".csv", ".json")
"""What `--output` writes."""


def register(app: typer.Typer) -> None:
    """Add the command `cost` to `app`."""
    app.command(name="cost")(cost)


def cost(
    plant: PlantName,
    prices: Annotated[
        str,
        typer.Option(
            "--prices", help="A price file; prices_example ships with oxides only, as a pattern."
        ),
    ],
    spec: Purities = None,
    allocation: Annotated[
        str, typer.Option("--allocation", help="How oxides share the cost: revenue or mass.")
    ] = "revenue",
    as_json: Annotated[bool, json_option("Print the account as JSON.")] = False,
    as_csv: Annotated[bool, csv_option("Print the costs as CSV.")] = False,
    output: Annotated[Path | None, output_option("Write it: .html, .csv or .json.")] = None,
) -> None:
    """Account for a plant at its purities: reagents, energy, inventory, effluent, cost per kg."""
    with failing_politely(as_json=as_json):
        check_formats(as_json, as_csv)
        if is_network_file(plant):
            cost_network_command(
                plant,
                prices,
                spec=spec or (),
                allocation=allocation,
                as_json=as_json,
                as_csv=as_csv,
                output=output,
            )
            return
        check_ending(output, ENDINGS)
        from raffinate.plant.economics_prices_file import load_prices
        from raffinate.plant.economics_products import check_allocation
        from raffinate.plant.plant_file import load_plant

        given, loaded = load_prices(prices), load_plant(plant)
        check_allocation(allocation)
        purities = {**loaded.nominal_purity, **parse_purities(spec or (), loaded)}
        with progress("Solving") as advance:
            from raffinate.plant.economics import plant_economics
            from raffinate.plant.steady import solve_steady

            state = solve_steady(loaded, purities=purities, advance=advance)
            advance("the account")
            account = plant_economics(loaded, state, given, allocation=allocation)
        _write(account, output)
        if as_json:
            typer.echo(to_json(account.to_dict()))
        elif as_csv:
            typer.echo(account.to_dataframe().to_csv(index=False), nl=False)
        else:
            _print(account)
        print_warnings((*state.warnings, *account.warnings))


def _write(account: Economics, output: Path | None) -> None:
    def page() -> str:
        from raffinate.cli.cost_html import account_page

        return account_page(account)

    write_output(
        output,
        {
            ".html": text_writer(page),
            ".csv": text_writer(lambda: account.to_dataframe().to_csv(index=False)),
            ".json": text_writer(lambda: to_json(account.to_dict())),
        },
    )


def _print(account: Economics) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from raffinate.cli.cost_tables import account_tables, headline

    terminal = console()
    terminal.print(f"[bold]{account.plant_name}[/bold]  {headline(account)}\n")
    for sheet in account_tables(account):
        terminal.print(_table(sheet))
        terminal.print(f"{sheet.note}\n" if sheet.note else "", style="dim", markup=False)
    if account.missing:
        terminal.print("[bold]Missing[/bold]")
        for sentence in account.missing:
            terminal.print(Padding(Text(sentence, style="yellow"), (0, 0, 0, 2)))


def _table(sheet: Sheet) -> Table:
    """Return a table of an account, close enough for a terminal of 100 columns."""
    shown = [place for place in range(len(sheet.headings)) if place not in sheet.page_only]
    texts = sum(place < sheet.texts for place in shown)
    made = table(sheet.title, *(sheet.headings[place] for place in shown), left=texts)
    made.padding = (0, 1, 0, 0)
    for row in sheet.rows:
        made.add_row(*(row[place] for place in shown))
    return made
