"""Figures of the fit report: each one panel, narrow enough for a telephone, inline as SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from raffinate.chemistry.fit_predict import NORMAL_90
from raffinate.chemistry.fit_report import FitResult
from raffinate.chemistry.fit_sources import SourceTable
from raffinate.plots.parity import element_colours, laboratory_markers
from raffinate.units import PER_LITRE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GRID, BAND = "#0a0b0c", "#0a0b0d", "#0a0b0e"
"""Stand for the page's own colours, which light and dark set differently."""

_PAGE_COLOURS = {INK: "var(--ink)", GRID: "var(--grid)", BAND: "var(--band)"}
_DARKEST = "#222222"


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure of the report.

    Attributes:
        title: What it shows.
        svg: The picture.
    """

    title: str
    svg: str


def new_axes(width: float = 5.0, height: float = 3.9) -> tuple[Figure, Axes]:
    """Return an empty panel of this size [inch] in the page's colours."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_facecolor("none")
    axes.grid(visible=True, color=GRID, linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=9)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(INK)
    return figure, axes


def to_svg(figure: Figure, name: str) -> str:
    """Return a figure as an inline SVG; `name` keeps its marks apart from those of the others."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    for axes in figure.axes:
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set_color(INK)
        legend = axes.get_legend()
        for text in legend.get_texts() if legend else ():
            text.set_color(INK)
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        # `savefig` would draw everything once more to lay it out.
        canvas = FigureCanvasSVG(figure)
        canvas.print_svg(buffer, metadata={"Date": None})  # type: ignore[no-untyped-call]
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    for sentinel, colour in {**_PAGE_COLOURS, _DARKEST: "var(--ink)"}.items():
        drawing = drawing.replace(sentinel, colour)
    drawing = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", drawing, count=1)
    drawing = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", drawing, count=1)
    drawing = re.sub(r"font: ([0-9.]+)px [^;\"]*", r"font: \1px system-ui, sans-serif", drawing)
    return re.sub(r'<g id="[^"]*"', "<g", drawing)


def parity_panels(result: FitResult, left_out: SourceTable) -> Iterator[Panel]:
    """Yield parity of the fit, and of each laboratory predicted by the others."""
    fit = (result.predicted, result.predicted_deviation)
    others = (left_out.predicted, left_out.deviation)
    for name, title, (predicted, deviation) in (
        ("parity", "Fit, offsets of laboratories left out", fit),
        ("left-out", "Each laboratory predicted by the others", others),
    ):
        figure, axes = new_axes(5.0, 4.6)
        shown = np.isfinite(predicted)
        ends = np.array([result.measured.min() - 0.2, result.measured.max() + 0.2])
        axes.plot(ends, ends, color=INK, linewidth=1.0, zorder=2)
        axes.errorbar(
            result.measured[shown],
            predicted[shown],
            yerr=NORMAL_90 * deviation[shown],
            fmt="none",
            ecolor=BAND,
            elinewidth=2.2,
            zorder=1,
        )
        _scatter(axes, result, result.measured, predicted)
        low, high = ends[0] - 0.6, ends[1] + 0.6
        axes.set(xlim=ends, ylim=(low, high), xlabel="log₁₀ D measured", ylabel="log₁₀ D predicted")
        yield Panel(title, to_svg(figure, name))


def residual_panels(result: FitResult) -> Iterator[Panel]:
    """Yield the errors of log₁₀ D against each variable of the tests."""
    table, test = result.table, result.table.test
    told = result.problem.shake(result.problem.without_effects(result.estimate.unknowns))
    variables = {
        "acid of the feed, mol/L": (table.acidity[test] / PER_LITRE, True),
        "acid after shaking, mol/L": (told.proton[test] / PER_LITRE, True),
        "extractant as HA, mol/L": (table.extractant_concentration[test] / PER_LITRE, False),
        "metal in the feed, mol/L": (table.aqueous_feed / PER_LITRE, True),
        "share of extractant loaded": (told.loading[test], False),
        "log₁₀ D measured": (result.measured, False),
    }
    for number, (label, (values, logarithmic)) in enumerate(variables.items()):
        figure, axes = new_axes(4.2, 2.9)
        axes.axhspan(-0.2, 0.2, color=BAND, linewidth=0, zorder=0)
        axes.axhline(0.0, color=INK, linewidth=0.8, zorder=1)
        _scatter(axes, result, values, result.residual)
        if logarithmic:
            axes.set_xscale("log")
        axes.set(xlabel=label, ylabel="predicted − measured")
        yield Panel(f"Against {label.split(',')[0]}", to_svg(figure, f"residual{number}"))


def _scatter(axes: Axes, result: FitResult, across: np.ndarray, height: np.ndarray) -> None:
    elements, laboratories = np.array(result.table.element), np.array(result.table.row_laboratory)
    colours = element_colours(result)
    for symbol, colour in colours.items():
        for laboratory, marker in laboratory_markers(result).items():
            own = (elements == symbol) & (laboratories == laboratory)
            for used in (True, False):
                chosen = own & (result.used == used)
                if not chosen.any():
                    continue
                axes.scatter(
                    across[chosen],
                    height[chosen],
                    s=20,
                    marker=marker,
                    facecolors=colour if used else "none",
                    edgecolors=colour,
                    linewidths=0.9,
                    alpha=0.85,
                    zorder=3,
                )
