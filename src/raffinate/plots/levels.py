"""Picture of the volumes of a bank in time: phase ratios of its mixers, levels of its settlers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import SpecificationError
from raffinate.plant.model import Plant
from raffinate.plant.simulate import Trajectory
from raffinate.plots.canvas import (
    HEAT_COLOURS,
    LEVER_COLOURS,
    LIMIT,
    MUTED,
    clean,
    drawing,
    new_figure,
    save_picture,
    spans,
)
from raffinate.units import HOUR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]


def save_levels(trajectory: Trajectory, plant: Plant, path: Path) -> None:
    """Draw the volumes of a bank in time and write them, as PNG, SVG or PDF by the ending.

    Raises:
        SpecificationError: The volumes stay, or the file cannot be written.
    """
    save_picture(levels_figure(trajectory, plant), path)


def levels_figure(trajectory: Trajectory, plant: Plant) -> Figure:
    """Return flows, phase ratios of all mixers and levels of all settlers over time.

    Where a settler floods its stage is crossed by a line; where a mixer inverts stands a dot.

    Args:
        trajectory: The plant in time.
        plant: Its plant, with a block `hydraulics`.

    Raises:
        SpecificationError: The volumes stay.
    """
    layers, design = trajectory.layers, plant.circuit.hydraulics
    if layers is None or design is None:
        raise SpecificationError(
            "the volumes of this plant stay.",
            where="levels",
            allowed="a plant whose file has a block hydraulics",
            mend="Add the block, or draw the trajectory.",
        )
    sections = plant.circuit.sections
    mixer = np.repeat([s.mixer for s in sections], [s.stages for s in sections])
    ratio = (mixer - layers.mixer_aqueous) / layers.mixer_aqueous
    depth = (layers.settler_aqueous + layers.settler_organic) / design.area
    aqueous = layers.settler_aqueous / design.area
    with drawing():
        figure = new_figure(9.0, 8.0)
        panels = figure.subplots(4, 1, sharex=True, height_ratios=[0.7, 1.5, 1.5, 1.5])
        _draw_flows(panels[0], trajectory)
        _draw_map(figure, panels[1], trajectory, ratio, "organic to aqueous\nin the mixer")
        _draw_map(figure, panels[2], trajectory, 1e3 * (depth - depth[0]), "surface, mm")
        _draw_map(figure, panels[3], trajectory, 1e3 * (aqueous - aqueous[0]), "interface, mm")
        for axes in panels[1:]:
            _draw_limits(axes, trajectory)
        panels[-1].set_xlabel("time, h")
        panels[-1].set_xlim(trajectory.time[0] / HOUR, trajectory.time[-1] / HOUR)
        figure.suptitle(plant.title, fontsize=12, x=0.012, ha="left", fontweight="bold")
    return figure


def _draw_flows(axes: Axes, trajectory: Trajectory) -> None:
    clean(axes)
    flows = (trajectory.organic_flow, trajectory.acid_flow, trajectory.scrub_flow)
    names = ("organic", "strip acid", "scrub")
    # Flows that do not move lie on each other; each is thinner than the one below it.
    for name, flow, colour, width in zip(
        names, flows, LEVER_COLOURS, (3.6, 2.4, 1.2), strict=False
    ):
        axes.step(
            trajectory.time / HOUR, flow / flow[0], where="pre",
            color=colour, linewidth=width, label=name,
        )  # fmt: skip
    axes.set_ylabel("flow / first")
    axes.legend(loc="center left", bbox_to_anchor=(1.005, 0.5), frameon=False, handlelength=1.6)


def _draw_map(
    figure: Figure, axes: Axes, trajectory: Trajectory, values: Array, label: str
) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    stages = np.arange(1, values.shape[1] + 1)
    # Colours about where it began, so that what does not move stays pale.
    middle = float(np.median(values[0]))
    span = max(float(np.abs(values - middle).max()), 1e-9)
    image = axes.pcolormesh(
        trajectory.time / HOUR, stages, values.T, shading="nearest",
        cmap=LinearSegmentedColormap.from_list("levels", HEAT_COLOURS),
        vmin=middle - span, vmax=middle + span, rasterized=True,
    )  # fmt: skip
    for name, first, last in spans(trajectory.sections):
        if first > 1:
            axes.axhline(first - 0.5, color="white", linewidth=1.2)
        axes.annotate(
            name, xy=(1.0, (first + last) / 2.0), xycoords=axes.get_yaxis_transform(),
            xytext=(5, 0), textcoords="offset points", va="center", color=MUTED,
        )  # fmt: skip
    axes.set_ylabel("stage")
    beside = axes.inset_axes((1.12, 0.04, 0.02, 0.92))
    bar = figure.colorbar(image, cax=beside)
    bar.set_label(label)
    bar.outline.set_visible(False)


def _draw_limits(axes: Axes, trajectory: Trajectory) -> None:
    """Draw what befell the stages, as the plant noted it."""
    begun: dict[int, float] = {}
    for event in trajectory.state.limits:
        time = event.time / HOUR
        if event.what == "flooding":
            begun[event.stage] = time
        elif event.what == "flooding_over":
            axes.hlines(event.stage, begun.pop(event.stage), time, color=LIMIT, linewidth=1.1)
        elif event.what == "inversion":
            axes.plot([time], [event.stage], "o", color=LIMIT, markersize=3.5)
    for stage, time in begun.items():
        axes.hlines(stage, time, trajectory.time[-1] / HOUR, color=LIMIT, linewidth=1.1)
