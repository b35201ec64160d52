"""Profile intervals: how far a constant can be moved while all else makes the best of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from raffinate.chemistry.fit_flask import Floats
from raffinate.chemistry.fit_map import Estimate
from raffinate.chemistry.fit_predict import NORMAL_90
from raffinate.chemistry.fit_problem import Problem
from raffinate.chemistry.fit_report import FitResult
from raffinate.chemistry.fit_rows import (
    Quadratic,
    distances,
    expand,
    locate,
    prior_misfit,
    robust_weights,
    solve_scaled,
)

STEPS = 40
"""Most steps with one constant held; robust weights are renewed at each."""

LEAST_LEFT = 0.25
"""Share of the curvature in any direction that must be left as the robust weights follow, [-]."""

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
    distance = distances(problem, locate(problem, unknowns).predicted, best.scales)[problem.keep]
    tail, count = problem.effects.tail, problem.present.sum(axis=1)[problem.keep]
    by_flask = (tail + count) * np.log1p(distance / tail)
    return float(np.sum(by_flask)) + prior_misfit(problem, unknowns, best.scales)


def _refit(problem: Problem, best: Estimate, direction: Floats, distance: float) -> Floats:
    """Return the best unknowns with `direction` moved by `distance` from the best fit."""
    along = best.covariance @ direction
    unknowns = best.unknowns + along * (distance / (direction @ along))
    for _ in range(STEPS):
        point = locate(problem, unknowns)
        weight = robust_weights(problem, point.predicted, best.scales)
        here = expand(problem, point, best.scales, weight)
        both = solve_scaled(_curvature(here), np.column_stack([-here.pull, direction]))
        step, across = both[:, 0], both[:, 1]
        step = step - across * (direction @ step) / (direction @ across)
        unknowns = unknowns + step
        if np.max(np.abs(step)) < 1e-7:
            break
    return unknowns


def _curvature(here: Quadratic) -> Floats:
    """Return the curvature with weights that follow, or with held ones where little is left.

    Steps with held weights arrive slowly and surely; the others are at most as many times longer
    as `LEAST_LEFT` allows.
    """
    root = np.sqrt(np.diag(here.precision))
    left = (1.0 - LEAST_LEFT) * here.precision - here.yielding
    try:
        np.linalg.cholesky(left / np.outer(root, root))
    except np.linalg.LinAlgError:
        return here.precision
    return here.precision - here.yielding
