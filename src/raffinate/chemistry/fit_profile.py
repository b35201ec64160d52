"""Profile intervals: how far a constant can be moved while all else makes the best of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from raffinate.chemistry.fit_map import Estimate, flask_covariance, invert, whiten
from raffinate.chemistry.fit_predict import NORMAL_90
from raffinate.chemistry.fit_problem import Floats, Problem
from raffinate.chemistry.fit_report import FitResult

STEPS = 40
"""Most steps with one constant held; robust weights are renewed at each."""

SEARCHES = 8
"""Most trials for one end of an interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileInterval:
    """Where one quantity lies with 90 % probability.

    Attributes:
        name: "Nd" for its log₁₀ K, "Nd/Pr" for log₁₀ β, "level" or "spread" of the loading.
        value: At the best fit, [-].
        low: Lower end of the profile interval, [-].
        high: Upper end of the profile interval, [-].
        normal_low: Lower end by the covariance, [-].
        normal_high: Upper end by the covariance, [-].
    """

    name: str
    value: float
    low: float
    high: float
    normal_low: float
    normal_high: float


def profile_intervals(
    result: FitResult, names: Sequence[str] | None = None
) -> tuple[ProfileInterval, ...]:
    """Return 90 % intervals by profiling the posterior, beside those by the covariance.

    A quantity is held at a distance while all other unknowns are fitted again, scales held; the
    interval ends where -2 ln of the posterior has risen by 1.645².

    Args:
        result: The fit.
        names: Which quantities; left out, every log₁₀ K, log₁₀ β of neighbours in order of
            extraction, and the loading terms where fitted.
    """
    problem, best = result.problem, result.estimate
    known = _directions(problem, best)
    return tuple(_profile(problem, best, name, known[name]) for name in names or known)


def _directions(problem: Problem, best: Estimate) -> dict[str, Floats]:
    unit = np.eye(problem.size)
    width = len(problem.elements)
    found = dict(zip(problem.elements, unit, strict=False))
    for low, high in pairwise(np.argsort(best.unknowns[:width])):
        name = f"{problem.elements[high]}/{problem.elements[low]}"
        found[name] = unit[high] - unit[low]
    if problem.loading is not None:
        found |= {"level": unit[width], "spread": unit[width + 1]}
    return found


def _profile(problem: Problem, best: Estimate, name: str, direction: Floats) -> ProfileInterval:
    value = float(direction @ best.unknowns)
    deviation = float(np.sqrt(direction @ best.covariance @ direction))
    least = _cost(problem, best, best.unknowns)
    ends = [_end(problem, best, direction, least, side * deviation) for side in (-1.0, 1.0)]
    return ProfileInterval(
        name=name,
        value=value,
        low=value + ends[0],
        high=value + ends[1],
        normal_low=value - NORMAL_90 * deviation,
        normal_high=value + NORMAL_90 * deviation,
    )


def _end(
    problem: Problem, best: Estimate, direction: Floats, least: float, deviation: float
) -> float:
    """Return the signed distance at which the posterior has fallen to the level sought."""
    distance = NORMAL_90 * deviation
    for _ in range(SEARCHES):
        moved = _refit(problem, best, direction, distance)
        risen = np.sqrt(max(_cost(problem, best, moved) - least, 1e-12))
        if abs(risen / NORMAL_90 - 1.0) < 1e-3:
            break
        distance *= float(np.clip(NORMAL_90 / risen, 0.3, 3.0))
    return distance


def _cost(problem: Problem, best: Estimate, unknowns: Floats) -> float:
    """Return -2 ln of the posterior at the scales of the fit, up to a constant."""
    predicted, _ = problem.predict(unknowns)
    residual = np.where(problem.present, predicted - problem.measured, 0.0)[:, :, None]
    pulled = np.linalg.solve(flask_covariance(problem, best.scales), residual)
    distance = np.sum(residual * pulled, axis=(1, 2))[problem.keep]
    tail, count = problem.effects.tail, problem.present.sum(axis=1)[problem.keep]
    known, _ = problem.separation_rows(unknowns)
    prior = unknowns / problem.prior_deviations(best.scales)
    return float(np.sum((tail + count) * np.log1p(distance / tail)) + known @ known + prior @ prior)


def _refit(problem: Problem, best: Estimate, direction: Floats, distance: float) -> Floats:
    """Return the best unknowns with `direction` moved by `distance` from the best fit."""
    along = best.covariance @ direction
    unknowns = best.unknowns + along * (distance / (direction @ along))
    precision = problem.prior_deviations(best.scales) ** -2.0
    tail, count = problem.effects.tail, problem.present.sum(axis=1)
    for _ in range(STEPS):
        predicted, slopes = problem.predict(unknowns)
        residual = (predicted - problem.measured)[:, :, None]
        off = np.where(problem.present[:, :, None], residual, 0.0)
        pulled = np.linalg.solve(flask_covariance(problem, best.scales), off)
        weight = (tail + count) / (tail + np.sum(off * pulled, axis=(1, 2)))
        both = whiten(problem, np.concatenate([residual, slopes], axis=2), best.scales, weight)
        known, known_slopes = problem.separation_rows(unknowns)
        whole = both[:, 1:].T @ both[:, 1:] + np.diag(precision) + known_slopes.T @ known_slopes
        pull = both[:, 1:].T @ both[:, 0] + precision * unknowns + known_slopes.T @ known
        inverse = invert(whole)
        step, across = -inverse @ pull, inverse @ direction
        step -= across * (direction @ step) / (direction @ across)
        unknowns = unknowns + step
        if np.max(np.abs(step)) < 1e-7:
            break
    return unknowns
