"""Pictures of an isotherm: y against x, D and share extracted against what was varied, β."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.isotherm import TOTAL, Isotherm, Variable
from raffinate.plots.canvas import MUTED, TEXT, clean, drawing, new_figure, save_picture
from raffinate.plots.labels import COLOURS, LineStyle, label_ends, line_styles, plain_logarithm
from raffinate.units import PER_LITRE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array: TypeAlias = NDArray[np.float64]

AXIS: dict[Variable, str] = {
    "oa": "O/A of the contact",
    "metal": "metal in the feed, mol/L",
    "acid": "free acid in the feed, mol/L",
    "saponification": "saponification degree, %",
    "extractant": "extractant, mol/L of HA",
    "pH": "pH at equilibrium",
    "loading": "extractant bound to metal, %",
}
"""What each variable is called, with the unit in which it is shown."""

_SCALE: dict[Variable, float] = {
    "metal": 1.0 / PER_LITRE,
    "acid": 1.0 / PER_LITRE,
    "extractant": 1.0 / PER_LITRE,
    "saponification": 100.0,
    "loading": 100.0,
}
_LOGARITHMIC = ("oa", "metal", "acid")

LOWEST_D, HIGHEST_D = 1e-4, 1e4
"""Distribution ratios beyond which no assay could tell, [-]; the axis ends there."""


def shown_values(isotherm: Isotherm) -> Array:
    """Return what was varied in the unit of its axis, (point,)."""
    return isotherm.value * _SCALE.get(isotherm.variable, 1.0)


def save_isotherm(isotherm: Isotherm, path: Path) -> None:
    """Draw an isotherm and write it, as PNG, SVG or PDF by the ending of `path`."""
    save_picture(isotherm_figure(isotherm), path)


def isotherm_figure(isotherm: Isotherm) -> Figure:
    """Return the picture: two panels that suit what was varied.

    Lines are dotted where a warning holds that does not hold everywhere.
    """
    with drawing():
        figure = new_figure(10.2, 4.5)
        left, right = figure.subplots(1, 2)
        if isotherm.variable in ("oa", "metal"):
            _draw_phases(left, isotherm)
            _draw_separation(right, isotherm)
        elif isotherm.variable == "loading":
            _draw_separation(left, isotherm)
            _draw_ratios(right, isotherm)
        else:
            _draw_ratios(left, isotherm)
            _draw_shares(right, isotherm)
        figure.suptitle(_title(isotherm), fontsize=11, x=0.012, ha="left", fontweight="bold")
        if isotherm.doubtful.any():
            figure.supxlabel(
                "thin dots: outside the range of the data, see the warnings",
                fontsize=8.5, color=MUTED, x=0.99, ha="right",
            )  # fmt: skip
    return figure


def _title(isotherm: Isotherm) -> str:
    ratio = "" if isotherm.variable in ("oa", "loading") else f" at O/A {isotherm.oa_ratio[0]:g}"
    return f"{isotherm.system}: {', '.join(isotherm.elements)}{ratio}"


def _line(axes: Axes, isotherm: Isotherm, x: Array, y: Array, colour: str, dashes: Any) -> None:
    """Draw what is trusted as a line and what is not as thin dots."""
    doubted = isotherm.doubtful
    # A trusted stretch keeps its last point in common with the doubted one, so that none is torn.
    edge = doubted.copy()
    edge[:-1] &= doubted[1:]
    edge[1:] &= doubted[:-1]
    axes.plot(
        x, np.where(edge, np.nan, y), color=colour, linestyle=dashes, linewidth=1.9,
        marker="." if np.sum(~doubted) == 1 else "",
    )  # fmt: skip
    axes.plot(
        x, np.where(doubted | np.roll(doubted, 1), y, np.nan), color=colour, linewidth=1.0,
        linestyle=(0, (1, 2)),
    )  # fmt: skip


def _draw_phases(axes: Axes, isotherm: Isotherm) -> None:
    from matplotlib.lines import Line2D

    several = len(isotherm.elements) > 1
    names = (*isotherm.elements, TOTAL) if several else isotherm.elements
    styles = {**line_styles(isotherm.elements), TOTAL: LineStyle(TEXT, "-")}
    for name in names:
        x, y = (held / PER_LITRE for held in isotherm.phases(name))
        _line(axes, isotherm, x, y, *styles[name])
    axes.set(xlabel="aqueous, mol/L", ylabel="organic, mol/L")
    axes.set_xlim(left=0.0)
    axes.set_ylim(bottom=0.0)
    clean(axes)
    if several:
        handles = [
            Line2D([], [], color=style.colour, linestyle=style.dashes, linewidth=1.9, label=name)
            for name, style in styles.items()
        ]
        axes.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.02), frameon=False,
            borderaxespad=0.0, handlelength=2.2,
        )  # fmt: skip


def _draw_separation(axes: Axes, isotherm: Isotherm) -> None:
    """Draw β of neighbours against loading; with one element, pH instead."""
    loading, pairs = 100.0 * isotherm.loading, isotherm.neighbours()
    axes.set_xlabel(AXIS["loading"])
    if not pairs:
        _line(axes, isotherm, loading, isotherm.pH, COLOURS[0], "-")
        axes.set_ylabel("pH at equilibrium")
        clean(axes)
        return
    named = {f"{first}/{second}": (first, second) for first, second in pairs}
    styles, ends = line_styles(list(named)), {}
    highest = 1.0
    for name, pair in named.items():
        factor = isotherm.separation_factor(*pair)
        _line(axes, isotherm, loading, factor, *styles[name])
        ends[name] = float(factor[np.argmax(loading)])
        highest = max(highest, float(np.nanmax(factor)))
    if highest > 20.0:
        plain_logarithm(axes, 1.0, 1.3 * highest)
    else:
        axes.set_ylim(1.0, 1.0 + 1.15 * (highest - 1.0))
    axes.set_ylabel("separation factor β")
    clean(axes)
    label_ends(axes, ends, {name: style.colour for name, style in styles.items()})


def _draw_ratios(axes: Axes, isotherm: Isotherm) -> None:
    _draw_each(axes, isotherm, isotherm.distribution_ratio)
    axes.set_yscale("log")
    ratios = isotherm.distribution_ratio
    low = max(LOWEST_D, float(np.nanmin(ratios, initial=1.0)) / 1.5)
    high = min(HIGHEST_D, float(np.nanmax(ratios, initial=1.0)) * 1.5)
    axes.set_ylim(low, high)
    axes.set_ylabel("distribution ratio D")
    clean(axes)
    _label_elements(axes, isotherm, ratios)


def _draw_shares(axes: Axes, isotherm: Isotherm) -> None:
    organic = isotherm.oa_ratio[:, None] * isotherm.organic
    share = 100.0 * organic / np.maximum(isotherm.aqueous + organic, 1e-300)
    _draw_each(axes, isotherm, share)
    axes.set_ylim(0.0, 100.0)
    axes.set_ylabel("extracted, %")
    clean(axes)
    _label_elements(axes, isotherm, share)


def _draw_each(axes: Axes, isotherm: Isotherm, values: Array) -> None:
    x, styles = shown_values(isotherm), line_styles(isotherm.elements)
    for place, symbol in enumerate(isotherm.elements):
        _line(axes, isotherm, x, values[:, place], *styles[symbol])
    if isotherm.variable in _LOGARITHMIC:
        axes.set_xscale("log")
    axes.set_xlim(x.min(), x.max())
    axes.set_xlabel(AXIS[isotherm.variable])


def _label_elements(axes: Axes, isotherm: Isotherm, values: Array) -> None:
    styles = line_styles(isotherm.elements)
    ends = {symbol: float(values[-1, place]) for place, symbol in enumerate(isotherm.elements)}
    label_ends(axes, ends, {name: style.colour for name, style in styles.items()})
