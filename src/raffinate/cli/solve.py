"""`raffinate solve`: the steady state of a plant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raffinate.cli.common import (
    amount,
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
from raffinate.cli.network import ENDINGS as NETWORK_ENDINGS
from raffinate.cli.network import is_network_file, solve_network_command
from raffinate.cli.options import PlantName, Purities, ResultFile, csv_option, json_option
from raffinate.cli.purities import parse_purities
from raffinate.cli.solve_solutions import print_solutions, refuse_solutions

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from raffinate.plant.model import Plant
    from raffinate.plant.steady import SteadyState

ENDINGS = (".png", ".svg", ".pdf", ".csv", ".json")
"""What `--output` writes."""


def register(app: typer.Typer) -> None:
    """Add the command `solve` to `app`."""
    app.command(name="solve")(solve)


def solve(
    plant: PlantName,
    spec: Purities = None,
    as_json: Annotated[bool, json_option("Print the result as JSON.")] = False,
    as_csv: Annotated[bool, csv_option("Print the stages as CSV.")] = False,
    output: ResultFile = None,
    all_solutions: Annotated[
        bool,
        typer.Option(
            "--all-solutions", help="Search the flows found for further steady states as well."
        ),
    ] = False,
) -> None:
    """Solve for the flows that give the purities: products, reagents and every stage."""
    with failing_politely(as_json=as_json):
        check_formats(as_json, as_csv)
        if is_network_file(plant):
            if all_solutions:
                refuse_solutions("a plant of several circuits", as_csv=False, output=None)
            check_ending(output, NETWORK_ENDINGS)
            solve_network_command(
                plant, spec=spec or (), as_json=as_json, as_csv=as_csv, output=output
            )
            return
        if all_solutions:
            refuse_solutions("", as_csv=as_csv, output=output)
        check_ending(output, ENDINGS)
        from raffinate.plant.plant_file import load_plant

        loaded = load_plant(plant)
        purities = {**loaded.nominal_purity, **parse_purities(spec or (), loaded)}
        with progress("Solving") as advance:
            from raffinate.plant.steady import solve_steady

            state = solve_steady(loaded, purities=purities, advance=advance)
        if all_solutions:
            print_solutions(loaded, state, as_json=as_json)
            return
        _write(state, loaded, output)
        if as_json:
            typer.echo(to_json(state.to_dict()))
        elif as_csv:
            typer.echo(state.to_dataframe().to_csv(index=False), nl=False)
        else:
            _print_tables(console(), state, loaded)
        print_warnings(state.warnings)


def _write(state: SteadyState, plant: Plant, output: Path | None) -> None:
    def picture(path: Path) -> None:
        from raffinate.plots.profile import save_profile

        save_profile(state, path, plant=plant)

    write_output(
        output,
        {
            ".png": picture,
            ".svg": picture,
            ".pdf": picture,
            ".csv": text_writer(lambda: state.to_dataframe().to_csv(index=False)),
            ".json": text_writer(lambda: to_json(state.to_dict())),
        },
    )


def _print_tables(terminal: Console, state: SteadyState, plant: Plant) -> None:
    terminal.print(f"[bold]{plant.name}[/bold]  {plant.title}\n")
    terminal.print(_product_table(state, plant))
    terminal.print(_flow_table(state))
    terminal.print(_stage_table(state))
    terminal.print(
        f"Balance error {state.balance_error:.1e}, residual {state.residual:.1e}, "
        f"{state.iterations} iterations.",
        style="dim",
    )


def _product_table(state: SteadyState, plant: Plant) -> Table:
    from raffinate.plant.outcome import is_below_limit

    made = table(
        "Products",
        "product",
        "purity, %",
        "limit, %",
        "recovery, %",
        "REO, kg/h",
        *(f"{symbol}, %" for symbol in state.elements),
    )
    for name, product in state.products.items():
        limit = plant.products[name].purity_limit
        style = "red" if is_below_limit(product.purity, limit) else ""
        made.add_row(
            name,
            f"{product.purity:.4%}"[:-1],
            f"{limit:.2%}"[:-1],
            f"{product.recovery:.3%}"[:-1],
            f"{product.reo_flow * 3600.0:.2f}",
            *(_percent(product.reo_fraction.get(symbol, 0.0)) for symbol in state.elements),
            style=style,
        )
    return made


def _percent(fraction: float) -> str:
    """Return a fraction as a percentage without its sign, traces in powers of ten."""
    percent = 100.0 * fraction
    return f"{percent:.4f}" if percent >= 1e-3 or percent == 0.0 else f"{percent:.0e}"


def _flow_table(state: SteadyState) -> Table:
    made = table("Flows and reagents", "", "m³/h", "per feed", "reagent", "t per t REO")
    made.columns[3].justify = "left"
    operation = state.operation
    assert operation is not None
    flows = [
        ("feed", operation.feed_flow),
        ("organic", operation.organic_flow),
        ("strip acid", operation.acid_flow),
        ("to scrub", operation.scrub_flow),
        ("drawn", operation.acid_flow - operation.scrub_flow),
    ]
    reagents = [(name, f"{value:.3f}") for name, value in state.reagents.items()]
    reagents += [("", "")] * (len(flows) - len(reagents))
    for (name, flow), (reagent, used) in zip(flows, reagents, strict=True):
        ratio = f"{flow / operation.feed_flow:.3f}"
        made.add_row(name, f"{flow * 3600.0:.4f}", ratio, reagent, used)
    return made


def _stage_table(state: SteadyState) -> Table:
    made = table(
        "Stages: aqueous x, organic y, free extractant (HA)₂, mol/L",
        "stage",
        "section",
        *(f"x {symbol}" for symbol in state.elements),
        *(f"y {symbol}" for symbol in state.elements),
        "pH",
        "(HA)₂",
        left=2,
    )
    made.columns[0].justify = "right"
    made.columns[1].no_wrap = True
    pH = state.pH
    last = len(state.sections) - 1
    for index, section in enumerate(state.sections):
        new = index == 0 or state.sections[index - 1] != section
        made.add_row(
            str(index + 1),
            section if new else "",
            *(amount(value / 1e3) for value in state.aqueous[index]),
            *(amount(value / 1e3) for value in state.organic[index]),
            f"{pH[index]:.2f}",
            f"{state.free_extractant[index] / 1e3:.4f}",
            end_section=index < last and state.sections[index + 1] != section,
        )
    return made
