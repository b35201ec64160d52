"""Picture of a calibration: factors with their uncertainty, and each standard left out in turn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from raffinate.instruments.calibrate_result import Calibration
from raffinate.instruments.xrf_atomic import atomic_mass
from raffinate.plots.canvas import (
    BAND,
    MUTED,
    TEXT,
    clean,
    drawing,
    element_colours,
    new_figure,
    save_picture,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST_REACH = 4.0
"""Half height of the axes of left-out errors, at least, [sigma]."""


def save_calibration_picture(calibration: Calibration, path: Path) -> None:
    """Draw a calibration and write it, as PNG, SVG or PDF by the ending of `path`."""
    save_picture(calibration_figure(calibration), path)


def calibration_figure(calibration: Calibration) -> Figure:
    """Return the picture: group and common factors above, left-out standards below."""
    with drawing():
        figure = new_figure(11.0, 8.0)
        above, below = figure.subplots(2, 1, height_ratios=[1.1, 1.0])
        _draw_factors(above, calibration)
        _draw_left_out(below, calibration)
        title = f"{calibration.instrument}, {len(calibration.standards)} standards"
        figure.suptitle(title, fontsize=11, x=0.012, ha="left", fontweight="bold")
    return figure


def _draw_factors(axes: Axes, calibration: Calibration) -> None:
    colours = element_colours(calibration.metals)
    shown = [place for place, name in enumerate(calibration.names) if "-" not in name]
    for row, place in enumerate(shown):
        name = calibration.names[place]
        factor, sigma = np.exp(calibration.logs[place]), calibration.sigma[place]
        colour = colours.get(name.split()[0], TEXT)
        axes.errorbar(
            row, factor, yerr=1.96 * factor * sigma, fmt="o", color=colour, markersize=4.5,
            capsize=3, linewidth=1.1,
        )  # fmt: skip
    axes.axhline(1.0, color=MUTED, linewidth=0.8)
    axes.set_xticks(
        range(len(shown)), [calibration.names[place] for place in shown], rotation=60, ha="right"
    )
    axes.set_ylabel("factor, 95 % interval")
    axes.set_title("factors on tables and description", fontsize=9, loc="left", color=MUTED)
    clean(axes)


def _draw_left_out(axes: Axes, calibration: Calibration) -> None:
    colours, reach = element_colours(calibration.metals), LEAST_REACH
    axes.axhspan(-1.96, 1.96, color=BAND, zorder=0)
    axes.axhline(0.0, color=MUTED, linewidth=0.8)
    for place, symbol in enumerate(calibration.metals):
        amounts = [one.certified[place] * atomic_mass(symbol) for one in calibration.standards]
        errors = [
            (one.found[place] - one.certified[place])
            / np.hypot(one.sigma[place], one.certified_sigma[place])
            for one in calibration.standards
        ]
        reach = max(reach, 1.1 * float(np.max(np.abs(errors))))
        axes.plot(
            amounts, errors, "o", color=colours[symbol], markersize=5, alpha=0.85, label=symbol
        )
    axes.set_ylim(-reach, reach)
    axes.set_xlabel("certified, g/L of the element")
    axes.set_ylabel("found less certified, σ")
    axes.set_title(
        "each standard read with a calibration from the others; shaded: 95 %",
        fontsize=9, loc="left", color=MUTED,
    )  # fmt: skip
    axes.legend(loc="upper right", ncols=5, fontsize=8, frameon=False)
    clean(axes)
