"""The classic picture of a bank: composition against stage, on a logarithmic scale."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from raffinate.chemistry.exchange import FLOOR
from raffinate.plant.model import Plant
from raffinate.plant.outcome import is_below_limit
from raffinate.plots.callouts import clear_place, note_size
from raffinate.plots.canvas import (
    BAND,
    LEVER_COLOURS,
    MUTED,
    TEXT,
    clean,
    drawing,
    element_colours,
    new_figure,
    save_picture,
    spans,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from raffinate.plant.steady import SteadyState

LOWEST = 1e-6
"""Least mole fraction shown, [-]."""

HIGHEST = 1.6
"""Upper end of that axis, [-]."""

_BOX = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": "#c4c9ce", "linewidth": 0.8}


def save_profile(state: SteadyState, path: Path, *, plant: Plant | None = None) -> None:
    """Draw the profile of a steady state and write it, as PNG, SVG or PDF by the ending.

    Raises:
        SpecificationError: The ending is another one, or the file cannot be written.
    """
    save_picture(profile_figure(state, plant=plant), path)


def profile_figure(state: SteadyState, *, plant: Plant | None = None) -> Figure:
    """Return the picture: mole fractions of both phases above, pH and total rare earths below.

    Args:
        state: The bank at rest.
        plant: Its plant; adds feed, products and monitored stages.
    """
    from matplotlib.ticker import MaxNLocator

    with drawing():
        figure = new_figure(10.0, 7.2)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1.0))
        for axes in (upper, lower):
            clean(axes)
            _draw_sections(axes, state)
        _draw_fractions(upper, state)
        _label_sections(upper, state)
        if plant is not None:
            _mark_feed(upper, plant)
            _mark_products(upper, state, plant)
            _mark_monitored(upper, plant)
        _draw_state(lower, state)
        lower.set_xlabel("stage, counted along the organic")
        lower.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        title = plant.title if plant is not None else state.plant_name
        figure.suptitle(title, fontsize=12, x=0.012, ha="left", fontweight="bold")
    return figure


def _stages(state: SteadyState) -> np.ndarray:
    return np.arange(1, len(state.sections) + 1)


def _draw_sections(axes: Axes, state: SteadyState) -> None:
    for place, (_, first, last) in enumerate(spans(state.sections)):
        if place % 2:
            axes.axvspan(first - 0.5, last + 0.5, color=BAND, linewidth=0, zorder=-5)
    axes.set_xlim(0.5, len(state.sections) + 0.5)


def _label_sections(axes: Axes, state: SteadyState) -> None:
    for name, first, last in spans(state.sections):
        middle = (first + last) / 2.0
        axes.text(
            middle, 1.015, f"{name} · {last - first + 1}",
            transform=axes.get_xaxis_transform(), ha="center", va="bottom", color=MUTED,
        )  # fmt: skip


def _draw_fractions(axes: Axes, state: SteadyState) -> None:
    from matplotlib.lines import Line2D

    stages = _stages(state)
    for phase, dashes in ((state.aqueous, "-"), (state.organic, (0, (4, 1.8)))):
        # Acid is given a trace of every element for the logarithms; that trace is not shown.
        share = np.where(phase > 10.0 * FLOOR, phase, np.nan) / phase.sum(axis=1, keepdims=True)
        for index, (symbol, colour) in enumerate(element_colours(state.elements).items()):
            axes.plot(
                stages, share[:, index], color=colour, linestyle=dashes,
                linewidth=1.9 if dashes == "-" else 1.4, label=symbol if dashes == "-" else None,
            )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(LOWEST, HIGHEST)
    axes.set_ylabel("mole fraction among rare earths")
    handles = [
        Line2D([], [], color=colour, linewidth=2.2, label=symbol)
        for symbol, colour in element_colours(state.elements).items()
    ]
    handles.append(Line2D([], [], color=TEXT, linewidth=1.9, label="aqueous"))
    handles.append(
        Line2D([], [], color=TEXT, linewidth=1.4, linestyle=(0, (4, 1.8)), label="organic")
    )
    axes.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.075), ncols=len(handles),
        frameon=False, borderaxespad=0.0, handlelength=2.2, columnspacing=1.6,
    )  # fmt: skip
    axes.text(
        1.0, 1.09, "organic flows →    ← aqueous flows", transform=axes.transAxes, ha="right",
        va="bottom", color=MUTED,
    )  # fmt: skip


def _mark_feed(axes: Axes, plant: Plant) -> None:
    for section in plant.circuit.sections:
        if section.aqueous is None:
            continue
        stage = plant.circuit.last_stage(section.name) + 1
        axes.annotate(
            "", xy=(stage, LOWEST * 1.1), xytext=(0, 30), textcoords="offset points",
            arrowprops={"arrowstyle": "-|>", "color": TEXT, "linewidth": 1.2, "shrinkA": 0},
        )  # fmt: skip
        axes.annotate(
            section.aqueous.name, xy=(stage, LOWEST * 1.1), xytext=(-6, 14),
            textcoords="offset points", ha="right", va="center",
        )  # fmt: skip


def _mark_products(axes: Axes, state: SteadyState, plant: Plant) -> None:
    """Hang each product on its impurity, which is what the logarithm lets one see."""
    curves, taken = _drawn(state), list[tuple[float, float]]()
    for name, product in plant.products.items():
        found = state.products[name]
        index = plant.stage_index(product)
        share = state.aqueous[index] / state.aqueous[index].sum()
        foreign = [symbol not in product.elements for symbol in state.elements]
        impurity = max(float(share[foreign].sum()), LOWEST * 10.0)
        sign = "<" if is_below_limit(found.purity, product.purity_limit) else "≥"
        text = (
            f"{product.title}\n{100.0 * found.purity:.3f} % of REO\n"
            f"{sign} {100.0 * product.purity_limit:.2f} % wanted"
        )
        point = (index + 0.5) / len(state.sections), _height(impurity)
        x, y = clear_place(curves, point, taken, text)
        taken.append((x, y))
        width, height = note_size(text)
        axes.annotate(
            text, xy=(index + 1, impurity), xytext=(x, y), textcoords="axes fraction",
            ha="left", va="top", bbox=_BOX, fontsize=9, linespacing=1.35,
            arrowprops={
                "arrowstyle": "-", "color": MUTED, "linewidth": 0.9, "shrinkB": 4,
                "relpos": (
                    float(np.clip((point[0] - x) / width, 0.0, 1.0)),
                    float(np.clip(1.0 + (point[1] - y) / height, 0.0, 1.0)),
                ),
            },
        )  # fmt: skip
        axes.plot(
            index + 1, impurity, marker="o", markersize=7, markerfacecolor="none",
            markeredgecolor=TEXT, markeredgewidth=1.1, zorder=6, clip_on=False,
        )  # fmt: skip


def _height(fraction: np.ndarray | float) -> Any:
    """Return how high a mole fraction stands, as a share of the axes, [-]."""
    return np.log10(np.asarray(fraction) / LOWEST) / np.log10(HIGHEST / LOWEST)


def _drawn(state: SteadyState) -> np.ndarray:
    """Return points of all curves as shares of the axes, (point, 2)."""
    count = len(state.sections)
    fine = np.linspace(1.0, count, 40 * count)
    found = []
    for phase in (state.aqueous, state.organic):
        share = np.maximum(phase, 1e-300) / phase.sum(axis=1, keepdims=True)
        for column in _height(share).T:
            height = np.interp(fine, _stages(state), column)
            found.append(np.stack([(fine - 0.5) / count, height], axis=1))
    return np.concatenate(found)


def _mark_monitored(axes: Axes, plant: Plant) -> None:
    stages = [stage + 1 for stage in plant.analyzer.monitored_stages]
    axes.plot(
        stages, [LOWEST] * len(stages), linestyle="none", marker="^", markersize=7, color=MUTED,
        markeredgecolor="white", clip_on=False, zorder=5,
    )  # fmt: skip
    axes.text(
        stages[0], LOWEST * 1.7, "online XRF", ha="center", va="bottom", color=MUTED, fontsize=8.5
    )


def _draw_state(axes: Axes, state: SteadyState) -> None:
    stages = _stages(state)
    total = state.aqueous.sum(axis=1) / 1e3
    loaded = state.organic.sum(axis=1) / 1e3
    axes.plot(stages, total, color=TEXT, linewidth=1.6)
    axes.plot(stages, loaded, color=TEXT, linewidth=1.3, linestyle=(0, (4, 1.8)))
    axes.set_ylim(0.0, 1.15 * float(max(total.max(), loaded.max())))
    axes.set_ylabel("rare earths, mol/L")
    right = axes.twinx()
    colour = LEVER_COLOURS[1]
    right.plot(stages, state.pH, color=colour, linewidth=1.6)
    right.set_ylabel("pH", color=colour)
    right.tick_params(colors=colour, labelcolor=colour, length=3)
    for side in ("top", "left"):
        right.spines[side].set_visible(False)
    right.spines["right"].set_color(colour)
