"""Pictures of the probability of making specification: where each outcome may lie, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from raffinate.plots.canvas import LEVER_COLOURS, LIMIT, clean, drawing, new_figure, save_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from raffinate.plant.uncertainty import SpecificationProbability, Uncertain

PANEL = (7.6, 2.3)
"""Width of the picture and height of one outcome, [inch]."""

REACH = 4.0
"""Standard deviations drawn to either side, [-]."""

BARS = 6
"""Inputs named as shares of the variance."""


def probability_figure(found: SpecificationProbability) -> Figure:
    """Return, for every outcome, its normal densities with its range, and its variance by input.

    The filled density is that of the gradients, the line the normal one with mean and deviation of
    the trials.
    """
    count = len(found.outcomes)
    with drawing():
        figure = new_figure(PANEL[0], 0.7 + PANEL[1] * count)
        rows = figure.subplots(count, 2, squeeze=False, width_ratios=(3, 2))
        for (left, right), each in zip(rows, found.outcomes, strict=True):
            _density(left, each)
            _shares(right, each)
        rows[0][0].legend(frameon=False, fontsize=8, loc="upper left")
        rows[0][1].set_title("share of the variance", fontsize=9)
        trials = f"{found.probability:.1%} of {found.samples} trials" if found.samples else "plant"
        figure.suptitle(
            f"{found.plant_name}: {trials} in specification, by gradients "
            f"{found.linear_probability:.1%}",
            fontsize=10.5,
        )
    return figure


def save_probability(found: SpecificationProbability, path: Path) -> None:
    """Write `probability_figure` as .png, .svg or .pdf.

    Raises:
        SpecificationError: Another ending.
    """
    save_picture(probability_figure(found), path)


def _density(axes: Axes, each: Uncertain) -> None:
    pairs = [(each.value, each.linear_deviation), (each.mean, each.deviation)]
    known = [(m, s) for m, s in pairs if np.isfinite(m) and s > 0.0]
    ends = [m + sign * REACH * s for m, s in known for sign in (-1.0, 1.0)] or [each.value]
    limits = [end for end in (each.low, each.high) if np.isfinite(end)]
    low, high = min([*ends, *limits]), max([*ends, *limits])
    pad = 0.03 * (high - low) or max(abs(high), 1.0) * 0.01
    x = np.linspace(low - pad, high + pad, 400)
    if each.linear_deviation > 0.0:
        linear = _normal(x, each.value, each.linear_deviation)
        axes.fill_between(x, linear, color=LEVER_COLOURS[1], alpha=0.35, lw=0, label="gradients")
    if np.isfinite(each.deviation) and each.deviation > 0.0:
        sampled = _normal(x, each.mean, each.deviation)
        axes.plot(x, sampled, color=LEVER_COLOURS[0], linewidth=1.4, label="trials")
    for end in limits:
        axes.axvline(end, color=LIMIT, linewidth=1.2)
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(bottom=0.0)
    axes.set_yticks([])
    tried = np.isfinite(each.probability)
    inside, of = (each.probability, "trials") if tried else (each.linear_probability, "it")
    axes.set_xlabel(f"{each.name}: in range {inside:.1%} of {of}")
    clean(axes)


def _normal(x: np.ndarray, mean: float, deviation: float) -> np.ndarray:
    return np.asarray(np.exp(-0.5 * ((x - mean) / deviation) ** 2) / deviation)


def _shares(axes: Axes, each: Uncertain) -> None:
    rows = each.shares[:BARS]
    places = range(len(rows))
    axes.barh(places, [100.0 * share for _, share in rows], color=LEVER_COLOURS[2], height=0.65)
    axes.set_yticks(places, [name for name, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel("%")
    clean(axes)
