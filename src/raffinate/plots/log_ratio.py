"""log₁₀ of an element ratio along a bank, and the same as steps between two lines.

In terms of the ratio of two elements a stage is a step between an equilibrium line, y/x = β, which
is level in log₁₀ of the ratio in the organic over that in the aqueous, and the ratios of the
streams that pass each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.exchange import FLOOR
from raffinate.errors import SpecificationError, nearest_name
from raffinate.plant.model import STRIP_LIQUOR, Plant
from raffinate.plant.steady import SteadyState
from raffinate.plots.canvas import (
    BAND,
    ELEMENT_COLOURS,
    MUTED,
    TEXT,
    clean,
    drawing,
    new_figure,
    spans,
)
from raffinate.plots.picture_page import save_picture_or_page

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

STANDING = 0.02
"""log₁₀ of the ratio that a section must move to be drawn as a line: a strip moves none, [-]."""

_AQUEOUS, _ORGANIC, _EQUILIBRIUM = ELEMENT_COLOURS[0], ELEMENT_COLOURS[3], ELEMENT_COLOURS[2]


def save_log_ratio(
    state: SteadyState, heavy: Sequence[str], light: Sequence[str], path: Path, *, plant: Plant
) -> None:
    """Draw the ratio of elements along a bank and write it: PNG, SVG, PDF or HTML by the ending.

    Raises:
        SpecificationError: Elements that are not there, or the file cannot be written.
    """
    figure = log_ratio_figure(state, heavy, light, plant=plant)
    save_picture_or_page(figure, path, title=f"{plant.name}: {_name(heavy)}/{_name(light)}")


def cut_of(plant: Plant) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the elements on either side of a plant's cut: extracted, and left in the raffinate."""
    for product in plant.products.values():
        if product.outlet == STRIP_LIQUOR:
            rest = (each for each in plant.circuit.elements if each not in product.elements)
            return product.elements, tuple(rest)
    raise SpecificationError("no product is stripped.", where=plant.name)


def ratio_of(
    phase: Array, elements: Sequence[str], heavy: Sequence[str], light: Sequence[str]
) -> Array:
    """Return log₁₀ of moles of heavy over moles of light, (stage,), [-].

    NaN where one of them is no more than the trace that solvers put into acid.

    Args:
        phase: (stage, element), [mol/m³].
        elements: Symbols on its element axis.
        heavy: Above.
        light: Below.

    Raises:
        SpecificationError: None of them, one on both sides, or one that is not there.
    """
    for symbol in (*heavy, *light):
        if symbol not in elements:
            raise SpecificationError(
                f"{symbol!r} is not in the bank.",
                where="log ratio",
                mend=nearest_name(symbol, tuple(elements)),
            )
    if not heavy or not light or set(heavy) & set(light):
        raise SpecificationError(
            f"{_name(heavy) or 'nothing'} over {_name(light) or 'nothing'}.",
            where="log ratio",
            allowed="elements on either side, none on both",
        )
    above, below = (
        phase[:, [elements.index(symbol) for symbol in side]] for side in (heavy, light)
    )
    upper, lower = above.sum(axis=1), below.sum(axis=1)
    known = (upper > 10.0 * FLOOR) & (lower > 10.0 * FLOOR)
    ratio: Array = np.full(len(phase), np.nan)
    ratio[known] = np.log10(upper[known] / lower[known])
    return ratio


def log_ratio_figure(
    state: SteadyState, heavy: Sequence[str], light: Sequence[str], *, plant: Plant
) -> Figure:
    """Return the picture: the ratio against stage on the left, the steps on the right.

    Args:
        state: The bank at rest.
        heavy: Elements above the line of the ratio.
        light: Elements below it.
        plant: Its plant, whose system gives β of two elements.

    Raises:
        SpecificationError: Elements that are not there.
    """
    aqueous = ratio_of(state.aqueous, state.elements, heavy, light)
    organic = ratio_of(state.organic, state.elements, heavy, light)
    name = f"{_name(heavy)}/{_name(light)}"
    with drawing():
        figure = new_figure(12.0, 5.6)
        along, steps = figure.subplots(1, 2, width_ratios=(1.35, 1.0))
        _draw_along(along, state, aqueous, organic)
        along.set_ylabel(f"log₁₀ {name}, moles")
        _draw_steps(steps, state, aqueous, organic)
        _draw_equilibrium(steps, plant, heavy, light)
        _set_limits(steps, aqueous, organic)
        steps.set_xlabel(f"log₁₀ {name}, aqueous")
        steps.set_ylabel(f"log₁₀ of {name}, organic over aqueous")
        steps.legend(loc="upper left", frameon=False, fontsize=9)
        figure.suptitle(
            f"{plant.title}: {name}", fontsize=12, x=0.012, ha="left", fontweight="bold"
        )
    return figure


def _name(symbols: Sequence[str]) -> str:
    return "+".join(symbols) if len(symbols) < 2 else f"({'+'.join(symbols)})"


def _draw_along(axes: Axes, state: SteadyState, aqueous: Array, organic: Array) -> None:
    clean(axes)
    stages = np.arange(1, len(state.sections) + 1)
    for place, (section, first, last) in enumerate(spans(state.sections)):
        if place % 2:
            axes.axvspan(first - 0.5, last + 0.5, color=BAND, linewidth=0, zorder=-5)
        axes.text(
            (first + last) / 2.0, 1.01, f"{section} · {last - first + 1}",
            transform=axes.get_xaxis_transform(), ha="center", va="bottom", color=MUTED,
        )  # fmt: skip
    axes.plot(stages, aqueous, color=_AQUEOUS, linewidth=1.9, label="aqueous")
    axes.plot(
        stages, organic, color=_ORGANIC, linewidth=1.5, linestyle=(0, (4, 1.8)), label="organic"
    )
    axes.set_xlim(0.5, len(stages) + 0.5)
    axes.set_xlabel("stage, counted along the organic")
    axes.legend(loc="upper left", frameon=False)


def _draw_steps(axes: Axes, state: SteadyState, aqueous: Array, organic: Array) -> None:
    """Draw a point per stage and the teeth between: down to what passes, up in the next stage."""
    clean(axes)
    axes.axhline(0.0, color=MUTED, linewidth=0.8)
    styles = {0: "-", 1: (0, (4, 1.8)), 2: (0, (1.2, 1.4))}
    for place, (section, first, last) in enumerate(spans(state.sections)):
        # The organic that leaves a stage passes the liquor that leaves the next one.
        passing = slice(first - 1, min(last, len(aqueous) - 1))
        beside = aqueous[1:][passing]
        if not np.nanmax(beside, initial=-np.inf) - np.nanmin(beside, initial=np.inf) > STANDING:
            continue
        axes.plot(
            beside, organic[:-1][passing] - beside, color=_AQUEOUS, linewidth=1.7,
            linestyle=styles.get(place, "-"), label=f"operating line, {section}", zorder=3,
        )  # fmt: skip
    across = np.repeat(aqueous, 2)[1:]
    up = np.repeat(organic, 2)[:-1]
    axes.plot(across, up - across, color=TEXT, linewidth=0.7, zorder=2)
    axes.plot(
        aqueous, organic - aqueous, linestyle="none", marker="o", markersize=3.2, color=_ORGANIC,
        zorder=4, label="stages, both phases as they leave",
    )  # fmt: skip


def _draw_equilibrium(axes: Axes, plant: Plant, heavy: Sequence[str], light: Sequence[str]) -> None:
    """Draw log₁₀ β, which is one number for two elements of equal slopes."""
    if len(heavy) != 1 or len(light) != 1:
        return
    try:
        factor = plant.circuit.system.separation_factor(heavy[0], light[0])
    except SpecificationError:
        return
    axes.axhline(
        float(np.log10(factor)), color=_EQUILIBRIUM, linewidth=1.5, zorder=1,
        label=f"equilibrium, β = {factor:.3g}",
    )  # fmt: skip


def _set_limits(axes: Axes, aqueous: Array, organic: Array) -> None:
    shown = aqueous[np.isfinite(aqueous)]
    if len(shown):
        margin = 0.04 * max(float(np.ptp(shown)), 0.1)
        axes.set_xlim(float(shown.min()) - margin, float(shown.max()) + margin)
    low, high = axes.get_ylim()
    # Room for the words above the lines.
    axes.set_ylim(low, high + 0.45 * (high - low))
