"""Parity picture of a fit: distribution ratios predicted against measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from raffinate.chemistry.fit_report import ALL, FitResult
from raffinate.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAND = 0.2
"""Half width of the shaded band in log₁₀ D, [-]: a factor of 1.6."""

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC3311", "#AA3377", "#56B4E9", "#222222", "#999933")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_ENDINGS = (".png", ".svg")


def save_parity(result: FitResult, path: Path) -> None:
    """Draw the parity picture and write it, as PNG or SVG by the ending of `path`.

    Raises:
        SpecificationError: The ending is another one, or the file cannot be written.
    """
    if path.suffix.lower() not in _ENDINGS:
        raise SpecificationError(
            f"{path.suffix or 'no ending'!r} is no picture format known here.",
            where=str(path),
            allowed=" or ".join(_ENDINGS),
        )
    try:
        parity_figure(result).savefig(path, dpi=150)
    except OSError as error:
        raise SpecificationError(
            f"cannot be written ({error.strerror}).", where=str(path), mend="Choose another path."
        ) from error


def parity_figure(result: FitResult) -> Figure:
    """Return the picture: predicted against measured log₁₀ D above, their difference below.

    Colours tell elements, shapes tell laboratories, hollow signs were left out of the fit.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 8.4), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.0, 1.0))
    reach = np.concatenate([result.measured, result.predicted])
    ends = np.array([reach.min() - 0.15, reach.max() + 0.15])
    _draw_frame(upper, ends, level=False)
    _draw_frame(lower, ends, level=True)
    _draw_points(upper, result, result.predicted)
    _draw_points(lower, result, result.residual)
    upper.set(xlim=ends, ylim=ends, ylabel="log₁₀ D predicted")
    lower.set(xlabel="log₁₀ D measured", ylabel="predicted − measured")
    half = max(0.5, 1.1 * float(np.abs(result.residual).max()))
    lower.set_ylim(-half, half)
    _draw_legend(upper, result)
    figure.suptitle(_title(result), fontsize=11)
    return figure


def _draw_frame(axes: Axes, ends: np.ndarray, *, level: bool) -> None:
    middle = np.zeros(2) if level else ends
    axes.fill_between(ends, middle - BAND, middle + BAND, color="#d9e3ec", linewidth=0, zorder=0)
    axes.plot(ends, middle, color="#444444", linewidth=1.0, zorder=1)
    axes.grid(visible=True, color="#eeeeee", linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _draw_points(axes: Axes, result: FitResult, height: np.ndarray) -> None:
    elements, laboratories = np.array(result.table.element), np.array(result.table.row_laboratory)
    for symbol, colour in element_colours(result).items():
        for laboratory, marker in laboratory_markers(result).items():
            own = (elements == symbol) & (laboratories == laboratory)
            for used, face in ((True, colour), (False, "none")):
                chosen = own & (result.used == used)
                axes.scatter(
                    result.measured[chosen],
                    height[chosen],
                    s=26,
                    marker=marker,
                    facecolors=face,
                    edgecolors="white" if used else colour,
                    linewidths=0.4 if used else 1.0,
                    alpha=0.9,
                    zorder=3,
                )


def _draw_legend(axes: Axes, result: FitResult) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    def sign(marker: str, colour: str, label: str, face: str) -> Line2D:
        return Line2D(
            [], [], linestyle="none", marker=marker, color=colour, label=label, markerfacecolor=face
        )

    elements = [sign("o", colour, name, colour) for name, colour in element_colours(result).items()]
    first = axes.legend(
        handles=elements, title="element", loc="upper left", frameon=False, ncols=2, fontsize=9
    )
    axes.add_artist(first)
    labels = _laboratory_labels(result)
    laboratories: list[Line2D | Patch] = [
        sign(marker, "#555555", labels[name], "#555555" if name in _used(result) else "none")
        for name, marker in laboratory_markers(result).items()
    ]
    laboratories.append(Patch(color="#d9e3ec", label=f"±{BAND} in log₁₀ D"))
    axes.legend(
        handles=laboratories, title="laboratory", loc="lower right", frameon=False, fontsize=9
    )


def _laboratory_labels(result: FitResult) -> dict[str, str]:
    labels = {name: f"{name}, left out" for name in result.table.laboratories}
    labels.update(
        {
            score.laboratory: f"{score.laboratory}, n = {score.rows}, rms {score.rms:.2f}"
            for score in result.scores
        }
    )
    return labels


def _title(result: FitResult) -> str:
    whole = next(score for score in result.scores if score.laboratory == ALL)
    return (
        f"{result.system.name}: {result.table.extractant} against {result.table.medium}\n"
        f"{whole.rows} distribution ratios, rms {whole.rms:.2f}, "
        f"median error {whole.median_error:.2f} in log₁₀ D"
    )


def _used(result: FitResult) -> set[str]:
    return {score.laboratory for score in result.scores}


def element_colours(result: FitResult) -> dict[str, str]:
    """Return a colour for each element of the fit."""
    elements = result.system.elements
    return {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(elements)}


def laboratory_markers(result: FitResult) -> dict[str, str]:
    """Return a sign of Matplotlib for each laboratory of the table."""
    laboratories = result.table.laboratories
    return {name: _MARKERS[place % len(_MARKERS)] for place, name in enumerate(laboratories)}
