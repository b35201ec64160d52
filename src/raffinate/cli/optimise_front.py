"""`raffinate optimise --pareto`: what more purity, or less metal in the plant, costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from raffinate.cli.network import is_network_file
from raffinate.cli.purities import parse_purities
from raffinate.cli.ranges import parse_ranges

if TYPE_CHECKING:
    from raffinate.plant.pareto import ParetoFront

PICTURES = (".png", ".svg", ".pdf")
"""Endings of pictures."""

ENDINGS = (*PICTURES, ".csv", ".json")
"""What `--output` writes of a front, and of a search over stages."""


def front_command(
    plant: str,
    prices: str,
    *,
    against: str,
    points: int,
    spec: Sequence[str],
    free: Sequence[str],
    as_json: bool,
    output: Path | None,
) -> None:
    """Find a front of plants none of which is beaten, and print it.

    Args:
        plant: A shipped name or a path, of one circuit or of many.
        prices: A price file.
        against: What is traded for cost: "purity" or "inventory".
        points: How many plants.
        spec: Least purities of products, as `--spec` writes them.
        free: Ranges of levers or flows, as `--free` writes them.
        as_json: Print JSON.
        output: File to write.

    Raises:
        RaffinateError: As loading and optimising do.
    """
    check_ending(output, ENDINGS)
    ranges = parse_ranges(free, "--free") if free else None
    if is_network_file(plant):
        front = _network_front(plant, prices, against, points, spec, ranges)
    else:
        front = _plant_front(plant, prices, against, points, spec, ranges)
    _show(front, output, as_json)


def _plant_front(
    plant: str,
    prices: str,
    against: str,
    points: int,
    spec: Sequence[str],
    free: dict[str, tuple[float, float]] | None,
) -> ParetoFront:
    from raffinate.plant.economics_prices_file import load_prices
    from raffinate.plant.plant_file import load_plant

    loaded, given = load_plant(plant), load_prices(prices)
    asked = parse_purities(spec, loaded)
    with progress("Optimising", points) as advance:
        from raffinate.plant.pareto import pareto_front

        return pareto_front(
            loaded, given, against=against, points=points, purities=asked, free=free, told=advance
        )


def _network_front(
    plant: str,
    prices: str,
    against: str,
    points: int,
    spec: Sequence[str],
    free: dict[str, tuple[float, float]] | None,
) -> ParetoFront:
    from raffinate.plant.economics_prices_file import load_prices
    from raffinate.plant.network_file import load_network

    network, given = load_network(plant), load_prices(prices)
    asked = parse_purities(spec, network)
    with progress("Optimising", points) as advance:
        from raffinate.plant.pareto import network_front

        return network_front(
            network, given, against=against, points=points, purities=asked, free=free, told=advance
        )


def _show(front: ParetoFront, output: Path | None, as_json: bool) -> None:
    def picture(path: Path) -> None:
        from raffinate.plots.pareto import save_pareto

        save_pareto(front, path)

    told = front.to_dict()
    write_output(
        output,
        {
            **dict.fromkeys(PICTURES, picture),
            ".csv": text_writer(lambda: front.to_dataframe().to_csv(index=False)),
            ".json": text_writer(lambda: to_json(told)),
        },
    )
    if as_json:
        typer.echo(to_json(told))
    else:
        _print(front, told)
    print_warnings(front.left_out)


def _print(front: ParetoFront, told: dict[str, Any]) -> None:
    from raffinate.plant.pareto import FLOWS

    # A plant of many circuits has too many flows for a table; the files have them all.
    own = [name for name in front.points[0].flows if name in FLOWS]
    made = table(
        f"{front.plant_name}: least cost",
        *(front.axis, f"{front.currency}/kg REO"),
        *(f"{name.removesuffix('_flow')}, m³/h" for name in own),
        *(f"{name}, %" for name in front.points[0].optimum.state.products),
        left=0,
    )
    for point, row in zip(front.points, told["points"], strict=True):
        made.add_row(
            f"{point.other:.4g}",
            f"{point.cost:.5g}",
            *(f"{row[f'{name}_m3_per_h']:.4f}" for name in own),
            *(f"{100 * each.purity:.5f}" for each in point.optimum.state.products.values()),
        )
    console().print(made)
