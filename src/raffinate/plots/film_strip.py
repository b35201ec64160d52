"""Film strip of a bank in time: its profile at chosen moments, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.exchange import FLOOR
from raffinate.errors import SpecificationError
from raffinate.plant.simulate import Trajectory
from raffinate.plots.canvas import BAND, MUTED, clean, drawing, element_colours, new_figure, spans
from raffinate.plots.picture_page import save_picture_or_page
from raffinate.units import HOUR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

FRAMES = 8
"""Pictures of a strip, unless moments are given."""

COLUMNS = 4

LOWEST = 1e-5
"""Least mole fraction shown, [-]."""


def save_film_strip(
    trajectory: Trajectory, path: Path, *, times: Sequence[float] = (), title: str = ""
) -> None:
    """Draw a film strip and write it, as PNG, SVG, PDF or HTML by the ending.

    Raises:
        SpecificationError: A moment outside the trajectory, or the file cannot be written.
    """
    figure = film_strip_figure(trajectory, times=times, title=title)
    save_picture_or_page(figure, path, title=title or trajectory.plant_name)


def frame_times(trajectory: Trajectory, frames: int = FRAMES) -> Array:
    """Return moments between which the profile moves about equally far, [s].

    A start-up is fast at first and slow in the end: equal times would show one picture of the
    beginning and seven of the end.

    Args:
        trajectory: The plant in time.
        frames: How many, 2 or more, the first and the last moment among them.

    Raises:
        SpecificationError: Fewer than two.
    """
    if frames < 2:
        raise SpecificationError(f"{frames} frames.", where="film strip", allowed="2 or more")
    share = _shares(trajectory.aqueous)
    moved = np.abs(np.diff(share, axis=0)).sum(axis=(1, 2))
    path = np.append(0.0, np.cumsum(moved))
    if not path[-1] > 0.0:
        return np.linspace(trajectory.time[0], trajectory.time[-1], frames)
    # With a little of the time itself a pause cannot swallow a frame.
    time = trajectory.time - trajectory.time[0]
    travelled = path / path[-1] + 0.1 * time / time[-1]
    wanted = np.linspace(0.0, travelled[-1], frames)
    return np.interp(wanted, travelled, trajectory.time)


def film_strip_figure(
    trajectory: Trajectory, *, times: Sequence[float] = (), title: str = ""
) -> Figure:
    """Return the strip: mole fractions in the aqueous against stage, a picture for each moment.

    Behind each picture the last one of all stands in thin lines.

    Args:
        trajectory: The plant in time.
        times: Moments, [s]; of each the nearest row is shown. Left out, `frame_times`.
        title: Above the strip.

    Raises:
        SpecificationError: A moment outside the trajectory.
    """
    moments = np.asarray(times, np.float64) if len(times) else frame_times(trajectory)
    first, last = trajectory.time[0], trajectory.time[-1]
    if outside := [moment for moment in moments if not first <= moment <= last]:
        raise SpecificationError(
            f"{outside[0] / HOUR:g} h is not in the trajectory.",
            where="film strip",
            allowed=f"{first / HOUR:g} to {last / HOUR:g} h",
        )
    rows = [int(np.argmin(np.abs(trajectory.time - moment))) for moment in moments]
    shares = _shares(trajectory.aqueous)
    columns = min(COLUMNS, len(rows))
    lines = math.ceil(len(rows) / columns)
    with drawing():
        figure = new_figure(3.1 * columns, 0.9 + 2.5 * lines)
        frames = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        for place, axes in enumerate(frames.flat):
            if place >= len(rows):
                axes.set_visible(False)
                continue
            _draw_frame(axes, trajectory, shares[rows[place]], shares[-1])
            axes.set_title(_clock(trajectory.time[rows[place]]), fontsize=10, loc="left")
        for axes in frames[:, 0]:
            axes.set_ylabel("mole fraction")
        for axes in frames[-1]:
            axes.set_xlabel("stage")
        _legend(figure, trajectory)
        figure.suptitle(
            title or trajectory.plant_name, fontsize=12, x=0.012, ha="left", fontweight="bold"
        )
    return figure


def _shares(aqueous: Array) -> Array:
    """Return mole fractions, (time, stage, element); traces as `LOWEST`, as the picture has them.

    What the solvers put into acid as a trace counts as nothing.
    """
    amount = np.where(aqueous > 10.0 * FLOOR, aqueous, 0.0)
    total = amount.sum(axis=-1, keepdims=True)
    share = amount / np.where(total > 0.0, total, 1.0)
    shown: Array = np.maximum(share, LOWEST)
    return shown


def _clock(time: float) -> str:
    hours = time / HOUR
    if 0.0 < hours < 1.0:
        return f"{time / 60.0:.3g} min"
    return f"{hours:.3g} h" if hours < 48.0 else f"{hours / 24.0:.3g} d"


def _draw_frame(axes: Axes, trajectory: Trajectory, share: Array, final: Array) -> None:
    clean(axes)
    stages = np.arange(1, len(trajectory.sections) + 1)
    for place, (_, first, last) in enumerate(spans(trajectory.sections)):
        if place % 2:
            axes.axvspan(first - 0.5, last + 0.5, color=BAND, linewidth=0, zorder=-5)
    for index, colour in enumerate(element_colours(trajectory.elements).values()):
        axes.plot(stages, final[:, index], color=colour, linewidth=0.7, alpha=0.55)
        axes.plot(stages, share[:, index], color=colour, linewidth=1.8)
    axes.set_yscale("log")
    axes.set_ylim(LOWEST, 1.6)
    axes.set_xlim(0.5, len(stages) + 0.5)


def _legend(figure: Figure, trajectory: Trajectory) -> None:
    from matplotlib.lines import Line2D

    colours = element_colours(trajectory.elements)
    handles = [
        Line2D([], [], color=colour, linewidth=2.2, label=symbol)
        for symbol, colour in colours.items()
    ]
    handles.append(Line2D([], [], color=MUTED, linewidth=0.7, label="at the end"))
    sections = ", ".join(
        f"{name} {first}–{last}" for name, first, last in spans(trajectory.sections)
    )
    figure.legend(
        handles=handles, title=f"aqueous phase; stages: {sections}", loc="outside lower left",
        ncols=len(handles), frameon=False, alignment="left", handlelength=1.8,
    )  # fmt: skip
