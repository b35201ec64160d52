"""`raffinate optimise` of a plant of many circuits: flows and stages, products and cost."""

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
from raffinate.cli.optimise_front import ENDINGS as STAGE_ENDINGS
from raffinate.cli.optimise_front import PICTURES
from raffinate.cli.purities import parse_purities
from raffinate.cli.ranges import parse_ranges

if TYPE_CHECKING:
    from raffinate.plant.economics_prices import Prices
    from raffinate.plant.network import Network
    from raffinate.plant.network_optimise import NetworkOptimum
    from raffinate.plant.network_stages import NetworkStageSearch
    from raffinate.plant.optimise_stages import StageTrial

ENDINGS = (".csv", ".json")
"""What `--output` writes of the optimum of a network at its own stages."""

ALL = "all"
"""What `--stages` calls every section."""


def optimise_network_command(
    plant: str,
    prices: str,
    *,
    spec: Sequence[str],
    free: Sequence[str],
    stages: Sequence[str],
    as_json: bool,
    output: Path | None,
) -> None:
    """Find the flows, and the stages, of least cost of a plant of many circuits and print them.

    Args:
        plant: A shipped name or a path.
        prices: A price file.
        spec: Least purities of products, as `--spec` writes them.
        free: Ranges of flows, as `--free` writes them; none frees all.
        stages: Ranges of stages, as `--stages` writes them; none keeps all.
        as_json: Print JSON.
        output: File to write.

    Raises:
        RaffinateError: As loading and optimising do.
    """
    check_ending(output, STAGE_ENDINGS if stages else ENDINGS)
    from raffinate.plant.economics_prices_file import load_prices
    from raffinate.plant.network_file import load_network

    network, given = load_network(plant), load_prices(prices)
    asked = parse_purities(spec, network)
    ranges = parse_ranges(free, "--free") if free else None
    if stages:
        search = _searched(network, given, asked, ranges, stage_ranges(stages, network))
        _show_search(search, output, as_json)
        return
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
    _print_warnings(found)


def stage_ranges(texts: Sequence[str], network: Network) -> dict[str, tuple[int, int]]:
    """Read ranges written `circuit.section=low..high`; `all` gives the others their usual ones.

    Raises:
        SpecificationError: It is no such text, or a name stands twice.
    """
    from raffinate.plant.network_stages import usual_ranges

    named = parse_ranges([text for text in texts if text.strip() != ALL], "--stages")
    ranges = {name: (int(low), int(high)) for name, (low, high) in named.items()}
    return (usual_ranges(network) if len(named) < len(texts) else {}) | ranges


def _searched(
    network: Network,
    prices: Prices,
    purities: dict[str, float],
    free: dict[str, tuple[float, float]] | None,
    ranges: dict[str, tuple[int, int]],
) -> NetworkStageSearch:
    with progress("Optimising") as advance:
        from raffinate.plant.network_optimise import network_task
        from raffinate.plant.network_stages import optimise_network_stages

        advance("the plant as it is written")
        values: list[float] = []

        def told(trial: StageTrial) -> None:
            if trial.value is not None:
                values.append(trial.value)
            stages = "+".join(str(count) for count in trial.stages)
            least = f", least {min(values):.5g}" if values else ""
            advance(f"{stages} stages tried{least}")

        task = network_task(network, prices, purities=purities, free=free)
        return optimise_network_stages(task, ranges, told=told)


def _show_search(search: NetworkStageSearch, output: Path | None, as_json: bool) -> None:
    def picture(path: Path) -> None:
        from raffinate.plots.pareto import save_stages

        save_stages(search, path)

    write_output(
        output,
        {
            **dict.fromkeys(PICTURES, picture),
            ".csv": text_writer(lambda: search.to_dataframe().to_csv(index=False)),
            ".json": text_writer(lambda: to_json(search.to_dict())),
        },
    )
    if as_json:
        typer.echo(to_json(search.to_dict()))
    else:
        _print_search(search)
    _print_warnings(search.best)
    if not search.settled:
        print_warnings(
            (
                f"the search ended after {len(search.trials)} choices of stages: not every "
                "neighbour of the cheapest was tried. Give narrower ranges, or fewer.",
            )
        )


def _print_search(search: NetworkStageSearch) -> None:
    terminal = console()
    unit = _unit(search.best)
    steps = table(
        "Search", "choice", "circuit", "stages", f"{search.best.objective}, {unit}", left=0
    )
    for number, circuit, stages, value in _improvements(search):
        steps.add_row(str(number), circuit, stages, f"{value:.6g}")
    refused = sum(each.value is None for each in search.trials)
    terminal.print(steps)
    terminal.print(
        f"{len(search.trials)} choices of stages tried, {refused} of them cannot be run"
        f"{'; no neighbour is cheaper' if search.settled else ''}.\n",
        style="dim",
    )
    chosen = table("Stages", "section", "least", "most", "before", "stages", "at end")
    for (name, count), before, (low, high) in zip(
        search.stages.items(), search.begin, search.ranges, strict=True
    ):
        at_end = "yes" if name in search.at_end else ""
        chosen.add_row(name, *(str(each) for each in (low, high, before, count)), at_end)
    terminal.print(chosen)
    _print(search.best)


def _improvements(search: NetworkStageSearch) -> list[tuple[int, str, str, float]]:
    """Return number, circuit, its stages and objective of every trial cheaper than those before."""
    found: list[tuple[int, str, str, float]] = []
    here = search.begin
    for number, trial in enumerate(search.trials, start=1):
        if trial.value is None or (found and trial.value >= found[-1][3]):
            continue
        pairs = list(zip(search.sections, trial.stages, strict=True))
        changed = [
            name.partition(".")[0]
            for (name, count), old in zip(pairs, here, strict=True)
            if count != old
        ]
        circuit = changed[0] if changed else ""
        own = [str(count) for name, count in pairs if name.partition(".")[0] == circuit]
        found.append((number, circuit or "as written", " + ".join(own), trial.value))
        here = trial.stages
    return found


def _unit(found: NetworkOptimum) -> str:
    money = found.account.prices.currency
    return f"{money} per kg REO" if found.objective == "cost" else found.objective


def _print_warnings(found: NetworkOptimum) -> None:
    print_warnings(found.account.missing)
    print_warnings(found.state.warnings)


def _print(found: NetworkOptimum) -> None:
    terminal = console()
    terminal.print(
        f"[bold]{found.network.name}[/bold]  {found.value:.5g} {_unit(found)}, "
        f"before {found.before:.5g}; {found.evaluations} steady states\n"
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
