"""`raffinate optimise`: the cheapest plant that keeps its purities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raffinate.cli.common import (
    Writer,
    check_ending,
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
from raffinate.cli.network_optimise import optimise_network_command
from raffinate.cli.optimise_front import ENDINGS, PICTURES, front_command
from raffinate.cli.purities import parse_purities
from raffinate.cli.ranges import parse_ranges
from raffinate.errors import SpecificationError

if TYPE_CHECKING:
    from raffinate.plant.optimise import Optimum
    from raffinate.plant.optimise_stages import StageSearch


def register(app: typer.Typer) -> None:
    """Add the command `optimise` to `app`."""
    app.command(name="optimise")(optimise)


def optimise(
    plant: Annotated[str, typer.Argument(help="A shipped plant, or the path of a plant file.")],
    prices: Annotated[str, typer.Option("--prices", help="A price file.")],
    spec: Annotated[
        list[str] | None,
        typer.Option(
            "--spec", help="Least purity, such as nd_purity=0.999; one left out is the nominal one."
        ),
    ] = None,
    free: Annotated[
        list[str] | None,
        typer.Option(
            "--free",
            help="Range of a lever, SI, such as saponification_degree=0.3..0.45; without any, "
            "the ratio of organic to acid is free. Of a plant of many circuits, a flow such as "
            "nd_sm.organic_flow=1e-3..2e-3; without any, all flows are free.",
        ),
    ] = None,
    stages: Annotated[
        list[str] | None,
        typer.Option(
            "--stages",
            help="Range of the stages of a section: extraction=20..32. Of a plant of many "
            "circuits la_ce.extraction=16..24, or `all`: every section from half to twice.",
        ),
    ] = None,
    pareto: Annotated[
        str | None,
        typer.Option("--pareto", help="Trade cost for `purity` or `inventory`: a front."),
    ] = None,
    points: Annotated[int, typer.Option("--points", help="Plants of a front.")] = 6,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write .csv or .json; of fronts and stages .png, .svg, .pdf too."
        ),
    ] = None,
) -> None:
    """Find the flows, strengths and stages of least cost that keep the purities."""
    with failing_politely(as_json=as_json):
        if pareto is not None and stages:
            raise SpecificationError(
                "--pareto and --stages exclude each other.", mend="Ask for one of them."
            )
        if pareto is not None:
            front_command(
                plant,
                prices,
                against=pareto,
                points=points,
                spec=spec or (),
                free=free or (),
                as_json=as_json,
                output=output,
            )
            return
        if is_network_file(plant):
            optimise_network_command(
                plant,
                prices,
                spec=spec or (),
                free=free or (),
                stages=stages or (),
                as_json=as_json,
                output=output,
            )
            return
        check_ending(output, ENDINGS if stages else tuple(set(ENDINGS) - set(PICTURES)))
        from raffinate.plant.economics_prices_file import load_prices
        from raffinate.plant.plant_file import load_plant

        loaded, given = load_plant(plant), load_prices(prices)
        asked: dict[str, Any] = {"purities": parse_purities(spec or (), loaded)}
        if free:
            asked["free"] = parse_ranges(free, "--free")
        if stages:
            ranges = {
                name: (int(low), int(high))
                for name, (low, high) in parse_ranges(stages, "--stages").items()
            }
            with progress("Optimising"):
                from raffinate.plant.optimise import optimise_task
                from raffinate.plant.optimise_stages import optimise_stages

                search = optimise_stages(optimise_task(loaded, given, **asked), ranges)
            _show_search(search, output, as_json)
        else:
            with progress("Optimising"):
                from raffinate.plant.optimise import optimise_plant

                found = optimise_plant(loaded, given, **asked)
            write_output(output, _data(found, found.to_dict()))
            _show(found, as_json)


def _data(found: Optimum, told: dict[str, Any]) -> dict[str, Writer]:
    return {
        ".csv": text_writer(lambda: found.to_dataframe().to_csv(index=False)),
        ".json": text_writer(lambda: to_json(told)),
    }


def _show(found: Optimum, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(found.to_dict()))
    else:
        _print(found)
    if not found.account.complete:
        print_warnings((f"not every cost is counted: {'; '.join(found.account.missing)}",))
    print_warnings(found.state.warnings)


def _show_search(search: StageSearch, output: Path | None, as_json: bool) -> None:
    def picture(path: Path) -> None:
        from raffinate.plots.pareto import save_stages

        save_stages(search, path)

    told = search.to_dict()
    write_output(output, {**dict.fromkeys(PICTURES, picture), **_data(search.best, told)})
    if as_json:
        typer.echo(to_json(told))
        return
    made = table("Stages", *search.best.stages, "objective", "why not", left=0)
    for trial in search.trials:
        value = "-" if trial.value is None else f"{trial.value:.6g}"
        made.add_row(*(str(count) for count in trial.stages), value, trial.reason)
    made.columns[-1].no_wrap = False
    console().print(made)
    _show(search.best, as_json)


def _print(found: Optimum) -> None:
    told = found.to_dict()
    terminal = console()
    terminal.print(
        f"[bold]{found.plant.name}[/bold]  {found.cost:.5g} {told['currency']} per kg REO, "
        f"before {found.cost_before:.5g}; {found.evaluations} steady states\n"
    )
    levers = table(
        "Levers, SI", "lever", "low", "high", "before", "value", f"d {found.objective}", "at end"
    )
    for each in found.settings:
        numbers = (each.low, each.high, each.before, each.value, each.slope)
        levers.add_row(
            each.name, *(f"{value:.5g}" for value in numbers), "yes" if each.at_end else ""
        )
    terminal.print(levers)
    flows = table("Flows", "", "m³/h")
    for name, value in told["flows_m3_per_h"].items():
        flows.add_row(name.removesuffix("_flow"), f"{value:.4f}")
    terminal.print(flows)
    products = table("Products", "product", "purity, %", "recovery, %")
    for name, purity in told["purity"].items():
        products.add_row(name, f"{100 * purity:.5f}", f"{100 * told['recovery'][name]:.3f}")
    terminal.print(products)
    if found.binding:
        terminal.print(f"At the end of their range: {', '.join(found.binding)}.", style="dim")
