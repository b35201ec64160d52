"""Picture of a quantified spectrum: counts, fit and its parts, and what is left in sigmas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from raffinate.instruments.quantify_limits import Limits
from raffinate.instruments.quantify_model import FitModel
from raffinate.instruments.quantify_result import Quantification
from raffinate.instruments.spectrum import KILO
from raffinate.plots.canvas import (
    BAND,
    LIMIT,
    MUTED,
    TEXT,
    clean,
    drawing,
    new_figure,
    save_picture,
)
from raffinate.plots.labels import line_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array: TypeAlias = NDArray[np.float64]

FOOT = 0.5
"""Lower end of the logarithmic axis, [counts]."""
NAMED = 1e-4
"""Parts with a smaller share of the counts are drawn together as one."""
RESIDUAL = 5.0
"""Least half height of the lower axes, [sigma]."""


def save_fit(result: Quantification, path: Path) -> None:
    """Draw a result and write it, as PNG, SVG or PDF by the ending of `path`."""
    save_picture(fit_figure(result), path)


def fit_figure(result: Quantification) -> Figure:
    """Return the picture of a fit, contributions by element, residual below."""
    with drawing():
        figure = new_figure(11.0, 6.6)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.0, 1.0])
        energy = result.energy / KILO
        counts = result.spectrum.counts[result.model.channels]
        above.step(
            energy, np.maximum(counts, FOOT), where="mid", color=MUTED, linewidth=0.7,
            label="counts",
        )  # fmt: skip
        above.plot(energy, result.fit.expected.counts, color=TEXT, linewidth=1.0, label="fit")
        _draw_parts(above, energy, fit_parts(result))
        above.set_ylim(FOOT, 4.0 * max(float(counts.max()), 10.0))
        _draw_residual(below, energy, result.residual)
        above.set_xlim(float(energy[0]), float(energy[-1]))
        figure.suptitle(result.spectrum.where, fontsize=11, x=0.012, ha="left", fontweight="bold")
        above.set_title(_summary(result), fontsize=9, loc="left", color=MUTED)
        if result.flags:
            flags = ", ".join(dict.fromkeys(flag.name.replace("_", " ") for flag in result.flags))
            figure.supxlabel(f"flags: {flags}", fontsize=8.5, color=LIMIT, x=0.99, ha="right")
    return figure


def fit_parts(result: Quantification) -> dict[str, Array]:
    """Return what makes the fit before pile-up, in counts, by name, each (fitted channel,)."""
    return _parts(result.model, result.fit.values, result.live_time)


def _draw_residual(axes: Axes, energy: Array, residual: Array) -> None:
    axes.axhspan(-2.0, 2.0, color=BAND, zorder=0)
    axes.axhline(0.0, color=MUTED, linewidth=0.6)
    axes.plot(energy, residual, ".", color=TEXT, markersize=1.6)
    height = max(RESIDUAL, 1.05 * float(np.quantile(np.abs(residual), 0.999)))
    axes.set_ylim(-height, height)
    axes.set_ylabel("residual, σ")
    axes.set_xlabel("energy, keV")
    clean(axes)


def _summary(result: Quantification) -> str:
    total, sigma = result.total_reo
    parts = [f"χ²/dof {result.misfit.chi2_per_dof:.3f}"]
    if result.trusted:
        parts.insert(0, f"{total:.2f} ± {sigma:.2f} g/L REO")
    else:
        parts.insert(0, "not to be trusted")
    return "   ".join(parts)


def save_expected(model: FitModel, limits: Limits, path: Path) -> None:
    """Draw the expected spectrum of a mixture by parts, and write it like `save_fit`."""
    with drawing():
        figure = new_figure(11.0, 5.0)
        axes = figure.subplots()
        parts = _parts(model, limits.values, limits.live_time)
        energy = model.forward.instrument.energies[model.channels] / KILO
        total = np.sum(list(parts.values()), axis=0)
        axes.plot(energy, total, color=TEXT, linewidth=1.1, label="expected")
        _draw_parts(axes, energy, parts)
        axes.set_xlim(float(energy[0]), float(energy[-1]))
        axes.set_ylim(FOOT, 4.0 * max(float(total.max()), 10.0))
        axes.set_xlabel("energy, keV")
        name, rate = model.forward.instrument.name, f"{limits.count_rate:,.0f} counts/s"
        title = f"{name}, {limits.live_time:g} s, {rate}"
        figure.suptitle(title, fontsize=11, x=0.012, ha="left", fontweight="bold")
    save_picture(figure, path)


def _parts(model: FitModel, values: Array, live_time: float) -> dict[str, Array]:
    count = len(model.sample.metals)
    kept = np.maximum(values[: count + 1], 0.0)
    flux, drift = model.drift(values)
    masses = np.maximum(model.sample.masses(kept[:count], float(kept[count])), 0.0)
    found = model.forward.contributions(masses, drift)
    scale = flux * live_time
    parts: dict[str, Array] = {}
    for place, (symbol, _) in enumerate(found.groups):
        column = scale * found.fluorescence[model.channels, place]
        parts[symbol] = parts.get(symbol, np.zeros_like(column)) + column
    parts["coherent scatter"] = scale * found.coherent[model.channels]
    parts["Compton scatter"] = scale * found.compton[model.channels]
    least = NAMED * float(np.sum([np.sum(part) for part in parts.values()]))
    return {name: part for name, part in parts.items() if float(np.sum(part)) > least}


def _draw_parts(axes: Axes, energy: Array, parts: dict[str, Array]) -> None:
    for name, style in line_styles(list(parts)).items():
        axes.plot(
            energy, np.maximum(parts[name], 0.5 * FOOT), color=style.colour,
            linestyle=style.dashes, linewidth=1.0, label=name,
        )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylabel("counts in a channel")
    axes.legend(loc="upper right", ncols=4, fontsize=8, frameon=False)
    clean(axes)
