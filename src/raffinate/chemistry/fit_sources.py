"""Each laboratory predicted by a fit to the others: what to expect of the next one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.fit_activity import solve
from raffinate.chemistry.fit_flask import Floats
from raffinate.chemistry.fit_predict import NORMAL_90, Forecast, by_row, forecast
from raffinate.chemistry.fit_problem import Problem
from raffinate.chemistry.fit_report import ALL, FitResult


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceScore:
    """How well a laboratory is predicted by the others.

    Attributes:
        laboratory: Whose tests were left out, or `ALL`.
        elements: Those that the others measured too.
        rows: Number of distribution ratios of these elements.
        median_error: Median of |log₁₀ D predicted less measured|, [-].
        rms: Its root mean square, [-].
        bias: Median with its sign, [-].
        coverage: Share of the rows inside the 90 % interval predicted for them, [-].
        pooled: Whether the rows count in the score over all.
    """

    laboratory: str
    elements: tuple[str, ...]
    rows: int
    median_error: float
    rms: float
    bias: float
    coverage: float
    pooled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparationCheck:
    """One β measured in one flask against its prediction by the other laboratories.

    Attributes:
        laboratory: Who measured it.
        test_id: In which flask.
        first: Symbol of the element extracted more.
        second: Symbol of the element extracted less.
        measured: β, [-].
        predicted: β, [-].
        assay_deviation: Of log₁₀ β by the assay error the table states, [-].
        loading: Share of the extractant bound to metals, [-].
    """

    laboratory: str
    test_id: str
    first: str
    second: str
    measured: float
    predicted: float
    assay_deviation: float
    loading: float

    @property
    def error(self) -> float:
        """log₁₀ β predicted less measured, in deviations of the assays, [-]."""
        return float(np.log10(self.predicted / self.measured) / self.assay_deviation)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SourceTable:
    """Every laboratory left out in turn.

    Attributes:
        scores: One for each laboratory that shares an element with the others, then the pooled.
        predicted: log₁₀ D by the others, (row,), [-]; NaN where they have no constant.
        deviation: Of a measurement about it, (row,), [-].
        separations: β of neighbours measured in one flask.
        assay_factor: Ratio of the assay error a new laboratory is given over the stated one, [-].
    """

    scores: tuple[SourceScore, ...]
    predicted: NDArray[np.float64]
    deviation: NDArray[np.float64]
    separations: tuple[SeparationCheck, ...]
    assay_factor: float

    @property
    def pooled(self) -> SourceScore:
        """The score over all laboratories in use."""
        return self.scores[-1]

    def to_dict(self) -> dict[str, Any]:
        """Return the scores and separation factors as plain numbers and texts."""
        return {
            "scores": {
                score.laboratory: {
                    "elements": list(score.elements),
                    "rows": score.rows,
                    "median_error": score.median_error,
                    "rms": score.rms,
                    "bias": score.bias,
                    "coverage_of_90_percent": score.coverage,
                    "pooled": score.pooled,
                }
                for score in self.scores
            },
            "separation_factors": [
                {
                    "laboratory": check.laboratory,
                    "test_id": check.test_id,
                    "pair": f"{check.first}/{check.second}",
                    "measured": check.measured,
                    "predicted": check.predicted,
                    "error_in_assay_deviations": check.error,
                }
                for check in self.separations
            ],
        }


def leave_one_source_out(result: FitResult, *, unfiltered: bool = False) -> SourceTable:
    """Predict each laboratory from a fit to the others, without its own offset.

    A laboratory that was excluded is predicted by the whole fit and not pooled.

    Args:
        result: The fit whose table, priors and model are taken.
        unfiltered: Fit and pool the excluded tests as well.
    """
    whole, best = result.problem, result.estimate
    if unfiltered:
        whole = whole.using(np.ones_like(whole.keep))
    predicted = np.full(len(whole.table.element), np.nan)
    deviation = np.full_like(predicted, np.nan)
    scores: list[SourceScore] = []
    checks: list[SeparationCheck] = []
    pooled = np.zeros(len(predicted), dtype=bool)
    for number, name in enumerate(whole.laboratories):
        own = whole.own == number
        others = whole.using(whole.keep & ~own)
        seen: NDArray[np.bool_] = np.any(others.present & others.keep[:, None], axis=0)
        kept = whole.keep & own
        chosen = kept if kept.any() else own
        rows = by_row(whole, (chosen[:, None] & seen & whole.present).astype(float)) > 0.0
        if not rows.any() or not others.keep.any():
            continue
        refit = bool((whole.keep & own).any())
        told = forecast(*(solve(others, best) if refit else (whole, best)))
        predicted[rows] = by_row(whole, told.log10_ratio)[rows]
        deviation[rows] = by_row(whole, told.deviation)[rows]
        counts = bool(whole.keep[own].any())
        pooled |= rows & counts
        scores.append(_score(result, name, rows, predicted, deviation, pooled=counts))
        checks += _separations(whole, told, chosen, seen, name)
    if pooled.any():
        scores.append(_score(result, ALL, pooled, predicted, deviation, pooled=True))
    return SourceTable(
        scores=tuple(scores),
        predicted=predicted,
        deviation=deviation,
        separations=tuple(checks),
        assay_factor=whole.effects.assay.root_mean_square,
    )


def _score(
    result: FitResult,
    name: str,
    rows: NDArray[np.bool_],
    predicted: Floats,
    deviation: Floats,
    *,
    pooled: bool,
) -> SourceScore:
    residual = (predicted - result.measured)[rows]
    inside = np.abs(residual) <= NORMAL_90 * deviation[rows]
    held = {symbol for symbol, row in zip(result.table.element, rows, strict=True) if row}
    return SourceScore(
        laboratory=name,
        elements=tuple(symbol for symbol in result.system.elements if symbol in held),
        rows=int(rows.sum()),
        median_error=float(np.median(np.abs(residual))),
        rms=float(np.sqrt(np.mean(residual**2))),
        bias=float(np.median(residual)),
        coverage=float(np.mean(inside)),
        pooled=pooled,
    )


def _separations(
    whole: Problem,
    told: Forecast,
    chosen: NDArray[np.bool_],
    seen: NDArray[np.bool_],
    name: str,
) -> list[SeparationCheck]:
    checks = []
    for flask in np.flatnonzero(chosen):
        held = np.flatnonzero(whole.present[flask] & seen)
        for second, first in pairwise(held):
            gap = whole.measured[flask, first] - whole.measured[flask, second]
            said = told.log10_ratio[flask, first] - told.log10_ratio[flask, second]
            error = np.hypot(whole.deviation[flask, first], whole.deviation[flask, second])
            checks.append(
                SeparationCheck(
                    laboratory=name,
                    test_id=whole.table.test_id[flask],
                    first=whole.elements[first],
                    second=whole.elements[second],
                    measured=float(10.0**gap),
                    predicted=float(10.0**said),
                    assay_deviation=float(error),
                    loading=float(told.loading[flask]),
                )
            )
    return checks
