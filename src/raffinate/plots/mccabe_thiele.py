"""McCabe–Thiele diagram: equilibrium curve, operating line and the steps between them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from raffinate.cascade.mccabe_thiele import Construction, Curve
from raffinate.plots.canvas import MUTED, TEXT, clean, drawing, new_figure, save_picture
from raffinate.plots.labels import COLOURS
from raffinate.units import PER_LITRE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE = 20.0
"""Feed over raffinate beyond which a second, logarithmic panel shows the raffinate end, [-]."""

_EQUILIBRIUM, _OPERATING, _STEPS = COLOURS[0], COLOURS[1], TEXT
_BOX = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": "#c4c9ce", "linewidth": 0.8}


def save_mccabe_thiele(
    found: Construction, curve: Curve, path: Path, *, name: str, title: str
) -> None:
    """Draw a construction and write it, as PNG, SVG or PDF by the ending of `path`."""
    save_picture(mccabe_thiele_figure(found, curve, name=name, title=title), path)


def mccabe_thiele_figure(found: Construction, curve: Curve, *, name: str, title: str) -> Figure:
    """Return the diagram; a feed far above the raffinate gets a logarithmic panel beside it.

    Args:
        found: The steps.
        curve: The curve they were taken on, [mol/m³].
        name: What is stepped, such as "Nd" or "total".
        title: Stands above.
    """
    wide = found.feed > WIDE * found.raffinate
    with drawing():
        figure = new_figure(11.0 if wide else 6.4, 5.4)
        axes = figure.subplots(1, 2 if wide else 1, squeeze=False)[0]
        for place, each in enumerate(axes):
            _draw(each, found, curve, name, logarithmic=place == 1)
        _draw_legend(figure, found, columns=3 if wide else 1)
        figure.suptitle(title, fontsize=11, x=0.012, ha="left", fontweight="bold")
    return figure


def _draw(axes: Axes, found: Construction, curve: Curve, name: str, *, logarithmic: bool) -> None:
    low = 0.5 * found.raffinate if logarithmic else 0.0
    high = (1.6 if logarithmic else 1.04) * found.feed
    if logarithmic:
        x = np.geomspace(low, found.feed, 400)
        axes.set(xscale="log", yscale="log")
    else:
        x = np.linspace(low, found.feed, 400)
    y = np.array([curve(float(value)) for value in x])
    axes.plot(x / PER_LITRE, y / PER_LITRE, color=_EQUILIBRIUM, linewidth=2.0, zorder=3)
    ends = np.array([found.raffinate, found.feed])
    if logarithmic:
        ends = np.geomspace(found.raffinate, found.feed, 200)
    axes.plot(
        ends / PER_LITRE, found.operating_line(ends) / PER_LITRE, color=_OPERATING,
        linewidth=1.8, linestyle=(0, (6, 2)), zorder=3,
    )  # fmt: skip
    _draw_steps(axes, found, logarithmic=logarithmic)
    _set_limits(axes, found, y, low, high, logarithmic=logarithmic)
    _mark_ends(axes, found)
    scale = " (logarithmic)" if logarithmic else ""
    axes.set(xlabel=f"aqueous {name}, mol/L{scale}", ylabel=f"organic {name}, mol/L{scale}")
    clean(axes)


def _draw_steps(axes: Axes, found: Construction, *, logarithmic: bool) -> None:
    """Draw stairs up to a stage and across to the next; those after the feed are cut there."""
    x, y = found.aqueous / PER_LITRE, found.organic / PER_LITRE
    place = np.log(x / x[0]) / np.log(WIDE) if logarithmic else (x - x[0]) / x[-1]
    numbered = -1.0
    for n in range(len(x) - 1):
        beyond = min(x[n + 1], found.feed / PER_LITRE)
        axes.plot(
            [x[n], x[n], beyond], [y[n], y[n + 1], y[n + 1]], color=_STEPS, linewidth=1.1, zorder=4
        )
        if place[n] - numbered > 0.045:
            numbered = place[n]
            axes.annotate(
                str(n + 1), xy=(x[n], y[n + 1]), xytext=(-3, 3), textcoords="offset points",
                ha="right", va="bottom", fontsize=8.5, color=_STEPS, zorder=6, annotation_clip=True,
            )  # fmt: skip
    axes.plot(x[:-1], y[1:], linestyle="none", marker="o", markersize=4, color=_STEPS, zorder=5)


def _set_limits(
    axes: Axes, found: Construction, y: np.ndarray, low: float, high: float, *, logarithmic: bool
) -> None:
    top = float(max(y.max(), found.organic.max(), found.loaded))
    axes.set_xlim(low / PER_LITRE, high / PER_LITRE)
    if logarithmic:
        first = found.organic[1] - found.organic[0]
        bottom = 0.3 * min(first, float(found.operating_line(2.0 * found.raffinate)))
        axes.set_ylim(bottom / PER_LITRE, 2.0 * top / PER_LITRE)
    else:
        axes.set_ylim(0.0, 1.12 * top / PER_LITRE)


def _mark_ends(axes: Axes, found: Construction) -> None:
    for value, word in ((found.raffinate, "raffinate"), (found.feed, "feed")):
        at = value / PER_LITRE
        axes.axvline(at, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
        axes.annotate(
            f"{word} {at:.3g}", xy=(at, 1.0), xycoords=("data", "axes fraction"),
            xytext=(0, 3), textcoords="offset points", va="bottom", fontsize=8.5, color=MUTED,
            ha="left" if word == "raffinate" else "right",
        )  # fmt: skip


def _draw_legend(figure: Figure, found: Construction, *, columns: int) -> None:
    from matplotlib.lines import Line2D

    efficiency = f", efficiency {found.efficiency:.0%}" if found.efficiency < 1.0 else ""
    handles = [
        Line2D([], [], color=_EQUILIBRIUM, linewidth=2.0, label="equilibrium"),
        Line2D(
            [], [], color=_OPERATING, linewidth=1.8, linestyle=(0, (6, 2)),
            label=f"operating line, O/A {found.oa_ratio:.3g} "
            f"(smallest {found.smallest_oa_ratio:.3g})",
        ),
        Line2D([], [], color=_STEPS, linewidth=1.1, marker="o", markersize=4,
               label=f"{found.stages:.2f} stages{efficiency}, {found.recovery:.2%} extracted"),
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="outside lower left", ncols=columns, frameon=False, handlelength=2.6,
        columnspacing=1.4,
    )  # fmt: skip
