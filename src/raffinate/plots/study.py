"""The outcomes of a study: histograms of what was drawn, lines of what was swept."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import SpecificationError
from raffinate.plots.canvas import ELEMENT_COLOURS, MUTED, clean, drawing, new_figure, save_picture

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

MOST_PANELS = 12
"""Outcomes drawn at most; the table has the others."""

FEW_VALUES = 12
"""An input with at most so many values in the whole study is taken for one of a sweep."""

COLUMNS = 3

_LAST = ("balance_error", "reagent_", "feed_flow")
_LABELS = {
    "purity": "purity of {}, -",
    "log10_impurity": "log₁₀ impurity of {}",
    "log10_impurity_worst": "worst log₁₀ impurity of {}",
    "recovery": "recovery of {}, -",
    "reo_kg_per_h": "{}, kg REO/h",
    "reagent_t_per_t_reo": "{}, t per t REO",
    "hours_to_off_spec": "{} off specification after, h",
    "organic_flow_m3_per_h": "organic, m³/h",
    "acid_flow_m3_per_h": "strip acid, m³/h",
    "scrub_flow_m3_per_h": "scrub, m³/h",
    "feed_flow_m3_per_h": "feed, m³/h",
    "draw_flow_m3_per_h": "strip liquor drawn, m³/h",
    "cost_per_kg_reo": "cost per kg REO",
    "revenue_per_h": "revenue per h",
    "margin_per_h": "margin per h",
}


def save_study(results: pd.DataFrame, path: Path, *, title: str = "") -> None:
    """Draw the outcomes of a study and write the picture, as PNG, SVG or PDF by the ending.

    Raises:
        SpecificationError: No case was solved, or the file cannot be written.
    """
    save_picture(study_figure(results, title=title), path)


def study_figure(results: pd.DataFrame, *, title: str = "") -> Figure:
    """Return one small picture for each outcome that varies.

    Over one swept input lines are drawn, one for each value of a second; otherwise histograms
    with the 5 %, 50 % and 95 % points.

    Args:
        results: Rows of a study, as its `results.parquet` has them.
        title: Above the picture.

    Raises:
        SpecificationError: No case was solved, or no outcome varies.
    """
    solved = results[results["error"] == ""]
    names = _outcomes(solved)
    if not names:
        raise SpecificationError(
            f"of {len(results)} cases {len(solved)} were solved, and no outcome varies.",
            where="picture of a study",
            mend="Look at the column `error` of the results.",
        )
    swept = _swept(solved)
    rows = math.ceil(len(names) / COLUMNS)
    with drawing():
        figure = new_figure(10.0, 0.9 + 2.35 * rows)
        axes = np.atleast_2d(figure.subplots(rows, COLUMNS, squeeze=False))
        for place, panel in enumerate(axes.flat):
            if place >= len(names):
                panel.set_visible(False)
                continue
            clean(panel)
            values = np.asarray(solved[names[place]], np.float64)
            if swept:
                _draw_lines(panel, solved, swept, values)
            else:
                _draw_histogram(panel, values)
            _label(panel, names[place], swept)
        if len(swept) > 1:
            handles, labels = axes.flat[0].get_legend_handles_labels()
            figure.legend(
                handles, labels, title=_input_label(swept[1]), loc="outside lower center",
                ncols=min(len(labels), 8), frameon=False,
            )  # fmt: skip
        failed = len(results) - len(solved)
        told = f"{len(solved)} cases" + (f", {failed} more failed" if failed else "")
        if not swept:
            told += "; lines at 5 %, 50 % and 95 % of them"
        figure.suptitle(f"{title}\n{told}" if title else told, fontsize=11, x=0.012, ha="left")
    return figure


def _outcomes(solved: pd.DataFrame) -> list[str]:
    """Return the outcomes worth a picture: those that vary by more than rounding."""
    skipped = ("input.", "within_limit", "cost_is_complete")
    names = [
        name
        for name in solved.columns
        if not name.startswith(skipped)
        and name not in ("case", "seed", "error", "error_kind", "balance_error")
    ]
    varied = []
    for name in names:
        values = np.asarray(solved[name], np.float64)
        values = values[np.isfinite(values)]
        if len(values) > 1 and np.ptp(values) > 1e-6 * np.abs(values).max():
            varied.append(name)
    # Purity and its logarithm tell the same; the logarithm shows it.
    told = [name for name in varied if not name.startswith("purity.")]
    order = sorted(told, key=lambda name: name.startswith(_LAST) or _is_of_a_circuit(name))
    return order[:MOST_PANELS]


def _is_of_a_circuit(name: str) -> bool:
    return "." in name and name.endswith(("_m3_per_h", "_per_feed"))


def _swept(solved: pd.DataFrame) -> list[str]:
    """Return one or two inputs that were swept, the one with more values first."""
    inputs = [name for name in solved.columns if name.startswith("input.")]
    counts = {name: solved[name].nunique() for name in inputs}
    varied = [name for name in inputs if counts[name] > 1]
    total = math.prod(counts[name] for name in varied)
    few = len(varied) == 1 or all(counts[name] <= FEW_VALUES for name in varied)
    # A full grid has as many points as its sides multiply to; what is drawn has far fewer.
    if not 1 <= len(varied) <= 2 or not few or len(solved) < 0.5 * total:
        return []
    if len(varied) == 1 and len(solved) > 2 * FEW_VALUES:
        steps = np.diff(np.sort(np.asarray(solved[varied[0]], np.float64)))
        # Values that were drawn do not stand at equal distances.
        if not np.allclose(steps, steps.mean(), rtol=1e-6):
            return []
    return sorted(varied, key=lambda name: -counts[name])


def _draw_histogram(axes: Axes, values: Array) -> None:
    shown = values[np.isfinite(values)]
    bins = int(np.clip(math.sqrt(len(shown)), 5, 40))
    axes.hist(shown, bins=bins, color=ELEMENT_COLOURS[0], alpha=0.75, linewidth=0)
    for share, dashes in ((0.05, ":"), (0.5, "-"), (0.95, ":")):
        axes.axvline(
            float(np.quantile(shown, share)), color=ELEMENT_COLOURS[3], linestyle=dashes,
            linewidth=1.2,
        )  # fmt: skip


def _draw_lines(axes: Axes, solved: pd.DataFrame, swept: list[str], values: Array) -> None:
    along = np.asarray(solved[swept[0]], np.float64)
    apart = np.asarray(solved[swept[1]], np.float64) if len(swept) > 1 else np.zeros(len(along))
    for place, each in enumerate(np.unique(apart)):
        chosen = apart == each
        order = np.argsort(along[chosen])
        axes.plot(
            along[chosen][order], values[chosen][order], marker="o", markersize=3, linewidth=1.4,
            color=ELEMENT_COLOURS[place % len(ELEMENT_COLOURS)],
            linestyle="-" if place < len(ELEMENT_COLOURS) else "--", label=f"{each:g}",
        )  # fmt: skip


def _label(axes: Axes, name: str, swept: list[str]) -> None:
    from matplotlib.ticker import MaxNLocator

    kind, _, what = name.partition(".")
    # Of a plant of many circuits, flows bear the name of their circuit.
    circuit, _, flow = name.rpartition(".")
    label = _LABELS.get(kind, name).format(what)
    if circuit and flow in _LABELS:
        label = f"{circuit}: {_LABELS[flow]}"
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.ticklabel_format(useOffset=False)
    if swept:
        axes.set_title(label, fontsize=9.5, loc="left")
        axes.set_xlabel(_input_label(swept[0]), color=MUTED)
    else:
        axes.set_xlabel(label)
        axes.set_ylabel("cases", color=MUTED)


def _input_label(column: str) -> str:
    return column.removeprefix("input.")
