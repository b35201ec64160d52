"""Lines that can be told apart without colour: styles, and names written beside their ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array: TypeAlias = NDArray[np.float64]

# Okabe and Ito's set without its yellow, which is too pale for a line on white; told apart with
# every common colour blindness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.2, 1.4)), (0, (6, 1.4, 1.2, 1.4)))

LINE_POINTS = 10.5
"""Least distance between two names, [pt]."""


class LineStyle(NamedTuple):
    """How one line is drawn."""

    colour: str
    dashes: Any


def line_styles(names: Sequence[str]) -> dict[str, LineStyle]:
    """Return a style for each name: colours first, then dashes, so that no two are alike."""
    return {
        name: LineStyle(
            COLOURS[place % len(COLOURS)], _DASHES[place // len(COLOURS) % len(_DASHES)]
        )
        for place, name in enumerate(names)
    }


def plain_logarithm(axes: Axes, low: float, high: float) -> None:
    """Make y logarithmic from `low` to `high`, with 1, 2, 5, 10, ... written plainly."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def label_ends(axes: Axes, ends: Mapping[str, float], colours: Mapping[str, str]) -> None:
    """Write names to the right of the axes at the height of what they name, kept apart.

    Call it when limits and scale are final.

    Args:
        axes: Where the lines are.
        ends: Height of each name, in data; those outside the axes are pulled to their edge.
        colours: Of each name.
    """
    if not ends:
        return
    names = [name for name in ends if np.isfinite(ends[name])]
    points = np.array([(0.0, ends[name]) for name in names]).reshape(-1, 2)
    # The x of the points must be one the scale can show.
    points[:, 0] = axes.get_xlim()[1]
    inside = axes.transAxes.inverted().transform(axes.transData.transform(points))[:, 1]
    wanted = np.clip(inside, 0.0, 1.0)
    height = float(axes.get_position().height * axes.figure.get_figheight() * 72.0)  # type: ignore[union-attr]
    placed = spread(wanted, LINE_POINTS / height)
    for name, at, y in zip(names, wanted, placed, strict=True):
        axes.annotate(
            name, xy=(1.0, float(at)), xytext=(1.035, float(y)), xycoords="axes fraction",
            textcoords="axes fraction", va="center", ha="left", color=colours[name], fontsize=9,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-", "color": colours[name], "linewidth": 0.6, "shrinkA": 1,
                "shrinkB": 0, "relpos": (0.0, 0.5),
            },
        )  # fmt: skip


def spread(wanted: Array, gap: float) -> Array:
    """Return places at least `gap` apart, in the order of `wanted` and as near to it as may be.

    Args:
        wanted: (name,), 0 to 1.
        gap: Least distance.
    """
    order = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(len(order))
    # With x' = x - gap·rank the condition is that x' rises: least squares by pooling neighbours.
    blocks: list[list[float]] = []
    for value in wanted[order] - steps:
        blocks.append([float(value), 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            last, before = blocks.pop(), blocks.pop()
            weight = last[1] + before[1]
            blocks.append([(last[0] * last[1] + before[0] * before[1]) / weight, weight])
    level = np.concatenate([np.full(int(weight), value) for value, weight in blocks])
    placed = np.empty(len(order))
    placed[order] = level + steps
    over = placed.max() - max(1.0, float(steps[-1]))
    return placed - over if over > 0.0 else placed - min(0.0, float(placed.min()))
