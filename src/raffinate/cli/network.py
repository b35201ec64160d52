"""`raffinate check` and `solve` of a plant of many circuits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from raffinate.cli.common import (
    console,
    print_warnings,
    progress,
    table,
    text_writer,
    to_json,
    write_output,
)
from raffinate.cli.purities import parse_purities
from raffinate.cli.systems import print_sources, source_as_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from raffinate.plant.network import Network
    from raffinate.plant.network_state import NetworkState

ENDINGS = (".png", ".svg", ".pdf", ".csv", ".json")
"""What `--output` writes of a network."""


def is_network_file(name_or_path: str) -> bool:
    """Return whether a plant, by shipped name or path, has many circuits.

    Raises:
        DataError: No such plant, or no plant file.
    """
    # The first import of a command: what it loads takes seconds on a slow disk.
    with progress("Reading the plant"):
        from raffinate.plant.network_file import is_network

        return is_network(name_or_path)


def solve_network_command(
    plant: str,
    *,
    spec: Sequence[str],
    as_json: bool,
    as_csv: bool,
    output: Path | None,
) -> None:
    """Solve a plant of many circuits and print it.

    Args:
        plant: A shipped name or a path.
        spec: Purities of products asked for with `--spec`; all flows may move to give them.
        as_json: Print JSON.
        as_csv: Print the streams as CSV.
        output: File to write.

    Raises:
        RaffinateError: As loading and solving do.
    """
    from raffinate.plant.network_file import load_network

    network = load_network(plant)
    asked = parse_purities(spec, network)
    with progress("Solving") as advance:
        if asked:
            from raffinate.plant.network_asked import solve_network_for

            _, state = solve_network_for(network, asked, advance=advance)
        else:
            from raffinate.plant.network_solve import solve_network

            state = solve_network(network, advance=advance)

    def draw(path: Path) -> None:
        from raffinate.plots.network_links import save_network_sankey

        save_network_sankey(state, path)

    write_output(
        output,
        {
            **dict.fromkeys((".png", ".svg", ".pdf"), draw),
            ".csv": text_writer(lambda: state.to_dataframe().to_csv(index=False)),
            ".json": text_writer(lambda: to_json(state.to_dict())),
        },
    )
    if as_json:
        typer.echo(to_json(state.to_dict()))
    elif as_csv:
        typer.echo(state.to_dataframe().to_csv(index=False), nl=False)
    else:
        print_network(console(), state)
    print_warnings(state.warnings)


def check_network_command(plant: str, *, as_json: bool) -> None:
    """Read a plant of many circuits and print what it holds, without solving anything.

    Args:
        plant: A shipped name or a path.
        as_json: Print JSON.

    Raises:
        DataError: What is wrong with the file.
    """
    from raffinate.plant.network_file import load_network

    network = load_network(plant)
    if as_json:
        typer.echo(to_json(_network_as_dict(network)))
        return
    terminal = console()
    terminal.print(f"[bold]{network.name}[/bold]  {network.title}")
    terminal.print(f"{_size(network)}; {' '.join(network.elements)}\n", style="dim")
    made = table("Circuits", "circuit", "parts", "sections", "stages", left=3)
    for circuit in network.circuits:
        sections = " + ".join(f"{each.name} {each.stages}" for each in circuit.sections)
        made.add_row(circuit.name, circuit.title, sections, str(circuit.stages))
    terminal.print(made)
    made = table("Products", "product", "stream", "counts as product", "limit, %", left=3)
    for name, product in network.products.items():
        limit = f"{100.0 * product.purity_limit:.5g}"
        made.add_row(name, product.stream, ", ".join(product.elements), limit)
    terminal.print(made)
    print_sources(terminal, network.sources)


def _network_as_dict(network: Network) -> dict[str, Any]:
    return {
        "plant": network.name,
        "title": network.title,
        "elements": list(network.elements),
        "stages": network.stages,
        "circuits": {
            circuit.name: {each.name: each.stages for each in circuit.sections}
            for circuit in network.circuits
        },
        "products": {
            name: {"elements": list(product.elements), "purity_limit": product.purity_limit}
            for name, product in network.products.items()
        },
        "sources": [source_as_dict(source) for source in network.sources],
        "warnings": [],
    }


def _size(network: Network) -> str:
    count = len(network.circuits)
    return f"{count} circuit{'' if count == 1 else 's'}, {network.stages} stages"


def print_network(terminal: Console, state: NetworkState) -> None:
    """Print the tables of a solved network."""
    network = state.network
    terminal.print(f"[bold]{network.name}[/bold]  {network.title}")
    terminal.print(f"{_size(network)}\n", style="dim")
    terminal.print(_products(state))
    terminal.print(_circuits(state))
    terminal.print(_reagents(state))
    worst = max(state.balance, key=lambda name: state.balance[name])
    rounds = f", {state.rounds} rounds of the recycles" if state.rounds else ""
    terminal.print(
        f"Balance of {len(state.balance)} components: {state.balance[worst]:.1e} at worst "
        f"({worst}); residual {state.residual:.1e}{rounds}.",
        style="dim",
    )


def _products(state: NetworkState) -> Table:
    from raffinate.plant.outcome import is_below_limit

    made = table(
        "Products",
        "product",
        "purity, %",
        "limit, %",
        "recovery, %",
        "REO, kg/h",
        "most of the rest",
    )
    for name, product in state.products.items():
        wanted = state.network.products[name]
        others = {s: x for s, x in product.reo_fraction.items() if s not in wanted.elements}
        worst = max(others, key=lambda symbol: others[symbol], default="")
        made.add_row(
            name,
            f"{product.purity:.4%}"[:-1],
            f"{wanted.purity_limit:.2%}"[:-1],
            f"{product.recovery:.3%}"[:-1],
            f"{product.reo_flow * 3600.0:.3f}",
            f"{worst} {100.0 * others[worst]:.2g} %" if worst else "",
            style="red" if is_below_limit(product.purity, wanted.purity_limit) else "",
        )
    return made


def _circuits(state: NetworkState) -> Table:
    made = table(
        "Circuits: flows in m³/h, S in mol per mol of feed",
        "circuit",
        "parts",
        "stages",
        "S",
        "organic",
        "acid",
        "drawn",
        left=2,
    )
    for name, circuit in state.circuits.items():
        flows = circuit.flows
        made.add_row(
            name,
            state.network.circuit(name).title,
            str(circuit.circuit.stages),
            f"{circuit.extraction_amount:.3f}",
            f"{circuit.circuit.organic_flow * 3600.0:.3f}",
            f"{flows.acid * 3600.0:.3f}" if flows else "",
            f"{flows.draw * 3600.0:.3f}" if flows else "",
        )
    return made


def _reagents(state: NetworkState) -> Table:
    made = table("Reagents", "reagent", "t per t REO", "kg/h")
    for name, value in state.reagents_per_reo.items():
        made.add_row(name, f"{value:.3f}", f"{state.reagents[name] * 3600.0:.2f}")
    return made
