"""Picture of a plant in time: impurities, flows, disturbances and the bank as a heat map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from raffinate.plant.model import STRIP_LIQUOR, Plant
from raffinate.plots.canvas import (
    ELEMENT_COLOURS,
    HEAT_COLOURS,
    LEVER_COLOURS,
    LIMIT,
    MUTED,
    TEXT,
    clean,
    drawing,
    element_colours,
    new_figure,
    save_picture,
    spans,
)
from raffinate.plots.time_axis import draw_events, legend_beside, mark_changes, set_hours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from raffinate.plant.simulate import Trajectory

Array = NDArray[np.float64]

HEAT_SPAN = 4.0
"""log₁₀ of the molar ratio at which the heat map has its full colour, [-]."""


def save_trajectory(trajectory: Trajectory, path: Path, *, plant: Plant | None = None) -> None:
    """Draw a trajectory and write it, as PNG, SVG or PDF by the ending.

    Raises:
        SpecificationError: The ending is another one, or the file cannot be written.
    """
    save_picture(trajectory_figure(trajectory, plant=plant), path)


def trajectory_figure(trajectory: Trajectory, *, plant: Plant | None = None) -> Figure:
    """Return the picture, all panels over time.

    Args:
        trajectory: The plant in time.
        plant: Its plant; says which elements the strip liquor is meant to hold. Left out, it is
            the last one.
    """
    count, end = len(trajectory.events), float(_hours(trajectory)[-1])
    heights = [0.16 * count] * bool(count) + [1.5, 0.8, 0.8, 1.5]
    with drawing():
        figure = new_figure(10.0, 1.0 + 1.75 * sum(heights))
        panels = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
        if count:
            draw_events(panels.pop(0), trajectory.events, end)
        for axes in panels[:3]:
            clean(axes)
            mark_changes(axes, trajectory.events, end)
        _draw_impurities(panels[0], trajectory)
        _draw_flows(panels[1], trajectory)
        _draw_disturbances(panels[2], trajectory)
        _draw_bank(figure, panels[3], trajectory, _heavy(trajectory, plant))
        set_hours(panels[3], end)
        title = plant.title if plant is not None else trajectory.plant_name
        figure.suptitle(title, fontsize=12, x=0.012, ha="left", fontweight="bold")
    return figure


def _hours(trajectory: Trajectory) -> Array:
    return trajectory.time / 3600.0


def _draw_impurities(axes: Axes, trajectory: Trajectory) -> None:
    hours = _hours(trajectory)
    colours = (ELEMENT_COLOURS[0], ELEMENT_COLOURS[2], *LEVER_COLOURS)
    limits = sorted({1.0 - limit for limit in trajectory.purity_limit.values()})
    for limit in limits:
        axes.axhline(limit, color=LIMIT, linewidth=1.1, linestyle=(0, (5, 3)))
    for (name, impurity), colour in zip(trajectory.impurity.items(), colours, strict=False):
        limit = 1.0 - trajectory.purity_limit[name]
        shown = np.maximum(impurity, 1e-12)
        axes.plot(hours, shown, color=colour, linewidth=1.7, label=name)
        axes.fill_between(
            hours, limit, shown, where=shown > limit, color=colour, alpha=0.16, linewidth=0
        )
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 1e-7), min(max(high, 3.0 * limits[-1]), 1.5))
    axes.annotate(
        f"limit {limits[-1]:g}", xy=(1.0, limits[-1]), xycoords=axes.get_yaxis_transform(),
        xytext=(-4, 3), textcoords="offset points", ha="right", va="bottom", color=LIMIT,
    )  # fmt: skip
    axes.set_ylabel("impurity / REO")
    legend_beside(axes)


def _draw_flows(axes: Axes, trajectory: Trajectory) -> None:
    hours = _hours(trajectory)
    flows = {
        "organic": trajectory.organic_flow,
        "strip acid": trajectory.acid_flow,
        "scrub": trajectory.scrub_flow,
    }
    # Flows that do not move lie on each other; each is thinner than the one below it.
    for (name, flow), colour, width in zip(
        flows.items(), LEVER_COLOURS, (3.6, 2.4, 1.2), strict=False
    ):
        usual = float(np.median(flow))
        label = f"{name}, {usual * 3600.0:.3g} m³/h"
        axes.plot(hours, flow / (usual or 1.0), color=colour, linewidth=width, label=label)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.9), max(high, 1.1))
    axes.set_ylabel("flow / usual")
    legend_beside(axes)


def _draw_disturbances(axes: Axes, trajectory: Trajectory) -> None:
    hours = _hours(trajectory)
    for index, (symbol, colour) in enumerate(element_colours(trajectory.elements).items()):
        share = trajectory.feed_mass_fraction[:, index]
        axes.plot(hours, share, color=colour, linewidth=1.5, label=f"{symbol} in feed")
    axes.plot(
        hours, trajectory.saponification_degree, color=TEXT, linewidth=1.5,
        linestyle=(0, (4, 1.8)), label="saponified",
    )  # fmt: skip
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("fraction")
    legend_beside(axes)


def _heavy(trajectory: Trajectory, plant: Plant | None) -> tuple[str, ...]:
    for product in plant.products.values() if plant is not None else ():
        if product.outlet == STRIP_LIQUOR:
            return product.elements
    return trajectory.elements[-1:]


def _draw_bank(figure: Figure, axes: Axes, trajectory: Trajectory, heavy: tuple[str, ...]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    chosen = np.array([symbol in heavy for symbol in trajectory.elements])
    amount = np.maximum(trajectory.aqueous, 1e-12)
    ratio = np.log10(amount[..., chosen].sum(axis=2) / amount[..., ~chosen].sum(axis=2))
    stages = len(trajectory.sections)
    image = axes.imshow(
        ratio.T, aspect="auto", origin="lower", interpolation="nearest",
        extent=(0.0, float(_hours(trajectory)[-1]), 0.5, stages + 0.5),
        cmap=LinearSegmentedColormap.from_list("bank", HEAT_COLOURS),
        vmin=-HEAT_SPAN, vmax=HEAT_SPAN,
    )  # fmt: skip
    for name, first, last in spans(trajectory.sections):
        if first > 1:
            axes.axhline(first - 0.5, color="white", linewidth=1.2)
        axes.annotate(
            name, xy=(1.0, (first + last) / 2.0), xycoords=axes.get_yaxis_transform(),
            xytext=(5, 0), textcoords="offset points", va="center", color=MUTED,
        )  # fmt: skip
    axes.set_ylabel("stage")
    axes.tick_params(length=3, color=MUTED)
    light = "".join(symbol for symbol in trajectory.elements if symbol not in heavy)
    beside = axes.inset_axes((1.12, 0.04, 0.02, 0.92))
    bar = figure.colorbar(image, cax=beside, extend="both")
    bar.set_label(f"log₁₀ {''.join(heavy)}/{light}, aqueous")
    bar.outline.set_visible(False)
