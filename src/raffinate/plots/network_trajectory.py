"""Picture of a plant of many circuits in time: impurities, oxides made, metals that stick."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from raffinate.plots.canvas import (
    ELEMENT_COLOURS,
    LIMIT,
    clean,
    drawing,
    new_figure,
    save_picture,
)
from raffinate.plots.time_axis import draw_events, legend_beside, mark_changes, set_hours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from raffinate.plant.network_simulate import NetworkTrajectory

DASHES = ("-", (0, (5, 1.6)), (0, (1.4, 1.4)))
"""Line styles; a plant may have more products than there are colours."""


def save_network_trajectory(trajectory: NetworkTrajectory, path: Path) -> None:
    """Draw a trajectory and write it, as PNG, SVG or PDF by the ending.

    Raises:
        SpecificationError: The ending is another one, or the file cannot be written.
    """
    save_picture(network_trajectory_figure(trajectory), path)


def network_trajectory_figure(trajectory: NetworkTrajectory) -> Figure:
    """Return the picture, all panels over time."""
    count, end = len(trajectory.events), float(trajectory.time[-1]) / 3600.0
    rows = max(len(trajectory.impurity), 4)
    heights = [0.16 * count] * bool(count) + [0.5 + 0.14 * rows, 0.3 + 0.12 * rows]
    heights += [0.9] * bool(trajectory.stuck)
    with drawing():
        figure = new_figure(10.0, 1.0 + 1.75 * sum(heights))
        panels = np.atleast_1d(
            figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        ).tolist()
        if count:
            draw_events(panels.pop(0), trajectory.events, end)
        for axes in panels:
            clean(axes)
            mark_changes(axes, trajectory.events, end)
        _draw_impurities(panels[0], trajectory)
        _draw_oxides(panels[1], trajectory)
        if trajectory.stuck:
            _draw_stuck(panels[2], trajectory)
        set_hours(panels[-1], end)
        figure.suptitle(
            trajectory.network.title, fontsize=12, x=0.012, ha="left", fontweight="bold"
        )
    return figure


def _styles(count: int) -> list[dict[str, Any]]:
    pairs = product(DASHES, ELEMENT_COLOURS)
    return [
        {"linestyle": dash, "color": colour}
        for _, (dash, colour) in zip(range(count), pairs, strict=False)
    ]


def _draw_impurities(axes: Axes, trajectory: NetworkTrajectory) -> None:
    hours, highest = trajectory.time / 3600.0, 1.0
    axes.axhline(1.0, color=LIMIT, linewidth=1.1, linestyle=(0, (5, 3)))
    styles = _styles(len(trajectory.impurity))
    for (name, impurity), style in zip(trajectory.impurity.items(), styles, strict=True):
        limit = 1.0 - trajectory.network.products[name].purity_limit
        over = np.maximum(impurity, 1e-12) / limit
        highest = max(highest, float(over.max()))
        axes.plot(hours, over, linewidth=1.6, label=f"{name}, limit {100.0 * limit:.3g} %", **style)
    axes.set_yscale("log")
    low, _ = axes.get_ylim()
    axes.set_ylim(max(low, 1e-4), 2.0 * highest)
    axes.set_ylabel("impurity / limit")
    legend_beside(axes)


def _draw_oxides(axes: Axes, trajectory: NetworkTrajectory) -> None:
    hours = trajectory.time / 3600.0
    styles = _styles(len(trajectory.reo_flow))
    for (name, flow), style in zip(trajectory.reo_flow.items(), styles, strict=True):
        usual = float(flow[0]) or 1.0
        label = f"{name}, {usual * 3600.0:.3g} kg/h"
        axes.plot(hours, flow / usual, linewidth=1.6, label=label, **style)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.9), max(high, 1.1))
    axes.set_ylabel("REO / at the beginning")
    legend_beside(axes)


def _draw_stuck(axes: Axes, trajectory: NetworkTrajectory) -> None:
    hours = trajectory.time / 3600.0
    styles = _styles(len(trajectory.stuck))
    for (name, values), style in zip(trajectory.stuck.items(), styles, strict=True):
        axes.plot(hours, values / 1e3, linewidth=1.6, label=name, **style)
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("in organic, mol/L")
    legend_beside(axes)
