"""The search for the constants: a robust maximum a posteriori estimate with its covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raffinate.chemistry.fit_flask import Floats
from raffinate.chemistry.fit_problem import Problem, Scales
from raffinate.chemistry.fit_rows import (
    Point,
    expand,
    invert,
    locate,
    misfit,
    robust_weights,
    solve_scaled,
)
from raffinate.chemistry.fit_scales import more_probable_scales, prior_scales
from raffinate.errors import ConvergenceError

OUTER_LIMIT = 500
"""Most rounds of weights, scales and constants."""

SETTLED = 1e-8
"""Largest last change of an unknown or of the logarithm of a scale, [-]."""

SEARCH_STEPS = 60
"""Most steps from a start that knows nothing."""

NEAR = 1e-3
"""Largest change of an unknown in a step of that search after which the rounds begin, [-]."""

DAMPINGS = (0.0, *(10.0**power for power in range(-4, 9)))
"""Shares of its diagonal that are added to the precision until a step lowers the misfit, [-]."""

ROUNDING = 1e-10
"""Rise of the misfit, as a share of it, that rounding may cause, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Estimate:
    """The unknowns that explain a table best.

    Attributes:
        unknowns: See `Problem`, (unknown,).
        covariance: Of the unknowns, (unknown, unknown).
        scales: Of flasks, series and laboratories.
        weight: Robust weight of each flask, (flask,), [-].
        predicted: log₁₀ D with all offsets, (flask, element), [-].
        slopes: ∂ log₁₀ D/∂ unknown, (flask, element, unknown).
    """

    unknowns: Floats
    covariance: Floats
    scales: Scales
    weight: Floats
    predicted: Floats
    slopes: Floats


def estimate(problem: Problem, start: Estimate | None = None) -> Estimate:
    """Return the robust maximum a posteriori estimate.

    A flask with residuals r of its elements follows Student's law with covariance
    V = diag(assay²) + σ_flask² 11ᵀ, which is a normal law with weight
    w = (ν + n)/(ν + rᵀV⁻¹r); offsets are normal about 0. Three steps are repeated until nothing
    moves: weights at the present residuals; scales that make the linearised table most probable,
    unknowns integrated out; a step of Gauss and Newton towards the unknowns that fit best.

    Args:
        problem: The table and its priors.
        start: The estimate of a problem much like it; left out, the unknowns are first sought
            without weights at the medians of the scales.

    Raises:
        ConvergenceError: The rounds did not settle, or a flask has no equilibrium.
    """
    if start is None:
        scales = prior_scales(problem)
        point = _search(problem, scales)
    else:
        scales, point = start.scales, locate(problem, start.unknowns)
    history: list[float] = []
    for _ in range(OUTER_LIMIT):
        weight = robust_weights(problem, point.predicted, scales)
        scales, shift = more_probable_scales(problem, point, weight, scales)
        point, change = _step(problem, point, scales, weight)
        history.append(max(change, shift))
        if history[-1] < SETTLED:
            return _finish(problem, point, scales)
    raise ConvergenceError(
        "weights, scales and constants did not settle.",
        where=problem.table.name,
        mend="Look for flasks that contradict all others, and leave them out.",
        history=history,
    )


def _search(problem: Problem, scales: Scales) -> Point:
    """Return the point near the best fit without weights, from log₁₀ K = -1 and no offsets."""
    unknowns = np.zeros(problem.size)
    unknowns[: len(problem.elements)] = -1.0
    point, weight = locate(problem, unknowns), np.ones(len(problem.keep))
    history: list[float] = []
    for _ in range(SEARCH_STEPS):
        point, change = _step(problem, point, scales, weight)
        history.append(change)
        if change < NEAR:
            return point
    raise ConvergenceError(
        "the fit stopped early: its steps do not shrink.",
        where=problem.table.name,
        mend="Look for tests with extreme concentrations.",
        history=history,
    )


def _step(problem: Problem, point: Point, scales: Scales, weight: Floats) -> tuple[Point, float]:
    """Return the point after a step of Gauss and Newton, damped until it lowers the misfit.

    Also returned is the largest change of an unknown that the undamped step asks for: a point
    that cannot be left is a solution only if nothing pulls at it.
    """
    here = expand(problem, point, scales, weight)
    change = float(np.max(np.abs(solve_scaled(here.precision, here.pull))))
    for damping in DAMPINGS:
        move = solve_scaled(here.precision, here.pull, damping)
        there = locate(problem, point.unknowns - move)
        if misfit(problem, there, scales, weight) <= here.misfit * (1.0 + ROUNDING):
            return there, change
    return point, change


def _finish(problem: Problem, point: Point, scales: Scales) -> Estimate:
    weight = robust_weights(problem, point.predicted, scales)
    return Estimate(
        unknowns=point.unknowns,
        covariance=invert(expand(problem, point, scales, weight).precision),
        scales=scales,
        weight=weight,
        predicted=point.predicted,
        slopes=point.slopes,
    )
