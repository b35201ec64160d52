"""Isotherms, and separation factors against loading, with the bands of a fit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.fit_flask import Flasks, Floats
from raffinate.chemistry.fit_predict import NORMAL_90, flask_variance
from raffinate.chemistry.fit_problem import predict_flasks
from raffinate.chemistry.fit_report import FitResult
from raffinate.plots.fit_figures import BAND, INK, Panel, new_axes, to_svg
from raffinate.plots.parity import laboratory_markers
from raffinate.units import PER_LITRE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVE_POINTS = 40
MOST_CURVES = 3
LEAST_POINTS = 4
_COLOURS = ("#0072B2", "#CC3311", "#009E73", "#E69F00", "#AA3377")


def isotherm_panels(result: FitResult) -> Iterator[Panel]:
    """Yield organic against aqueous of each element, at its most measured acids."""
    for symbol in result.system.elements:
        groups = _groups(result, symbol)
        if not groups:
            continue
        figure, axes = new_axes(4.2, 3.1)
        for colour, group in zip(_COLOURS, groups, strict=False):
            _draw_isotherm(axes, result, symbol, group, colour)
        axes.set(
            xlabel=f"{symbol} in the aqueous, mol/L",
            ylabel=f"{symbol} in the organic, mol/L",
            xlim=(0, None),
            ylim=(0, None),
        )
        axes.legend(frameon=False, fontsize=8, loc="best")
        yield Panel(f"{symbol}", to_svg(figure, f"isotherm-{symbol}"))


def _groups(result: FitResult, symbol: str) -> list[NDArray[np.intp]]:
    """Return rows of one element shaken alone at one acid and extractant, longest first."""
    table = result.table
    alone = np.bincount(table.test, minlength=len(table.test_id)) == 1
    found: dict[tuple[str, float, float], list[int]] = {}
    for row, (name, test) in enumerate(zip(table.element, table.test, strict=True)):
        if name == symbol and alone[test] and result.used[row]:
            key = (
                table.laboratory[test],
                table.acidity[test],
                table.extractant_concentration[test],
            )
            found.setdefault(key, []).append(row)
    long = [np.array(rows) for rows in found.values() if len(rows) >= LEAST_POINTS]
    long.sort(key=lambda rows: table.acidity[table.test[rows[0]]])
    step = max(1, (len(long) - 1) // (MOST_CURVES - 1))
    return long[::step][:MOST_CURVES]


def _draw_isotherm(
    axes: Axes, result: FitResult, symbol: str, rows: NDArray[np.intp], colour: str
) -> None:
    table, problem = result.table, result.problem
    place, test = problem.elements.index(symbol), table.test[rows[0]]
    feed = np.zeros((CURVE_POINTS, len(problem.elements)))
    feed[:, place] = np.linspace(0.02, 1.1, CURVE_POINTS) * table.aqueous_feed[rows].max()
    taken = problem.flasks

    def repeat(values: Floats) -> Floats:
        return np.full(CURVE_POINTS, values[test])

    flasks = taken._replace(
        feed=feed,
        acidity=repeat(taken.acidity),
        at_end=np.full(CURVE_POINTS, taken.at_end[test]),
        extractant=repeat(taken.extractant),
        saponified=repeat(taken.saponified),
        oa_ratio=repeat(taken.oa_ratio),
    )
    middle, deviation = _ratio_and_deviation(result, flasks, place)
    oa = taken.oa_ratio[test]
    curves = []
    for side in (-NORMAL_90, 0.0, NORMAL_90):
        ratio = 10.0 ** (middle + side * deviation)
        aqueous = feed[:, place] / (1.0 + oa * ratio) / PER_LITRE
        curves.append((aqueous, ratio * aqueous))
    axes.fill(
        np.concatenate([curves[0][0], curves[2][0][::-1]]),
        np.concatenate([curves[0][1], curves[2][1][::-1]]),
        color=colour,
        alpha=0.13,
        linewidth=0,
    )
    axes.plot(*curves[1], color=colour, linewidth=1.3)
    label = f"{table.acidity[test] / PER_LITRE:.3g} mol/L acid"
    axes.scatter(
        table.aqueous[rows] / PER_LITRE,
        table.organic[rows] / PER_LITRE,
        s=20,
        color=colour,
        marker=laboratory_markers(result)[table.laboratory[test]],
        label=f"{table.laboratory[test]}, {label}",
        zorder=3,
    )


def _ratio_and_deviation(
    result: FitResult, flasks: Flasks, place: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return log₁₀ D and its deviation in a new laboratory, (flask,)."""
    problem, best = result.problem, result.estimate
    shared, width = problem.shared, len(problem.elements)
    unknowns = np.concatenate([best.unknowns[:shared], np.zeros(1 + width)])
    predicted, slopes = predict_flasks(flasks, unknowns, problem.reference)
    rows = slopes[:, place]
    offsets = np.array([best.scales.laboratory] + [best.scales.series] * width)
    variance = np.sum((rows[:, :shared] @ best.covariance[:shared, :shared]) * rows[:, :shared], 1)
    variance = variance + np.sum((rows[:, shared:] * offsets) ** 2, axis=1)
    return predicted[:, place], np.sqrt(variance + flask_variance(problem, best))


def separation_panels(result: FitResult) -> Iterator[Panel]:
    """Yield β of neighbours against loading: fit with its 90 % band, flasks, and priors."""
    problem = result.problem
    order = np.argsort(result.system.log10_extraction_constant)
    loading = problem.shake(problem.without_effects(result.estimate.unknowns)).loading
    for low, high in pairwise(order):
        both = problem.present[:, low] & problem.present[:, high]
        pair = (problem.elements[high], problem.elements[low])
        priors = [one for one in problem.separations if (one.first, one.second) == pair]
        if not both.any() and not priors:
            continue
        figure, axes = new_axes(4.2, 3.1)
        _draw_band(axes, result, int(high), int(low))
        _draw_flasks(axes, result, int(high), int(low), np.flatnonzero(both), loading)
        for prior in priors:
            reach = 10.0 ** (NORMAL_90 * prior.log10_deviation)
            value = prior.separation_factor
            axes.errorbar(
                prior.loading,
                value,
                yerr=[[value - value / reach], [value * reach - value]],
                fmt="*",
                markersize=10,
                color="#CC3311",
                label="known from a process",
                zorder=4,
            )
        name = f"{pair[0]}/{pair[1]}"
        axes.set(xlabel="share of extractant loaded", ylabel=f"β({name})", xlim=(0.0, 1.0))
        axes.set_yscale("log")
        axes.set_ylim(*_reach(result, int(high), int(low), np.flatnonzero(both)))
        _plain_ticks(axes)
        axes.legend(frameon=False, fontsize=8, loc="best")
        yield Panel(f"β({name})", to_svg(figure, f"beta-{pair[0]}-{pair[1]}"))


def _reach(result: FitResult, high: int, low: int, flasks: NDArray[np.intp]) -> tuple[float, float]:
    """Return the span of β that holds fit and flasks; longer bars of error run out of it."""
    problem, constant = result.problem, result.estimate.unknowns
    seen = np.append(
        problem.measured[flasks, high] - problem.measured[flasks, low],
        constant[high] - constant[low],
    )
    return float(10.0 ** (seen.min() - 0.15)), float(10.0 ** (seen.max() + 0.25))


def _plain_ticks(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator

    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
    axes.yaxis.set_minor_locator(LogLocator(subs=()))
    axes.yaxis.set_major_formatter(plain)


def _draw_band(axes: Axes, result: FitResult, high: int, low: int) -> None:
    problem, best = result.problem, result.estimate
    spread = len(problem.elements) + 1
    gap = best.unknowns[high] - best.unknowns[low]
    share = np.linspace(0.0, 1.0, 50)
    slopes = np.zeros((len(share), problem.size))
    slopes[:, high] = 1.0 - best.unknowns[spread] * share
    slopes[:, low] = -slopes[:, high]
    slopes[:, spread] = -gap * share
    middle = gap * slopes[:, high]
    reach = NORMAL_90 * np.sqrt(np.sum((slopes @ best.covariance) * slopes, axis=1))
    axes.fill_between(share, 10.0 ** (middle - reach), 10.0 ** (middle + reach), color=BAND)
    axes.plot(share, 10.0**middle, color=INK, linewidth=1.4, label="fit, 90 %")


def _draw_flasks(
    axes: Axes,
    result: FitResult,
    high: int,
    low: int,
    flasks: NDArray[np.intp],
    loading: np.ndarray,
) -> None:
    problem = result.problem
    markers = laboratory_markers(result)
    for number, name in enumerate(problem.laboratories):
        own = flasks[problem.own[flasks] == number]
        if not own.size:
            continue
        value = 10.0 ** (problem.measured[own, high] - problem.measured[own, low])
        reach = NORMAL_90 * np.hypot(problem.deviation[own, high], problem.deviation[own, low])
        kept = bool(problem.keep[own].any())
        axes.errorbar(
            loading[own],
            value,
            yerr=[value - value * 10.0**-reach, value * 10.0**reach - value],
            fmt=markers[name],
            markersize=4.5,
            markerfacecolor="#0072B2" if kept else "none",
            color="#0072B2",
            elinewidth=0.8,
            label=name if kept else f"{name}, left out",
            zorder=3,
        )
