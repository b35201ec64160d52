"""The measured rows of a problem, freed of their correlation within a flask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.fit_flask import Floats
from raffinate.chemistry.fit_problem import Problem, Scales


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Point:
    """What the flasks say at some unknowns.

    Attributes:
        unknowns: See `Problem`, (unknown,).
        predicted: log₁₀ D with all offsets, (flask, element), [-].
        slopes: ∂ log₁₀ D/∂ unknown, (flask, element, unknown).
    """

    unknowns: Floats
    predicted: Floats
    slopes: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quadratic:
    """Twice -ln of the posterior at held weights and scales about a point, [-].

    Attributes:
        misfit: Its value there, up to a constant.
        pull: Half its slope, (unknown,).
        precision: Half its curvature, that of the predictions left out, (unknown, unknown).
        yielding: What of the precision is lost as robust weights follow, (unknown, unknown).
    """

    misfit: float
    pull: Floats
    precision: Floats
    yielding: Floats


def locate(problem: Problem, unknowns: Floats) -> Point:
    """Return what the flasks say at these unknowns.

    Raises:
        ConvergenceError: The equilibrium of a flask was not found.
    """
    predicted, slopes = problem.predict(unknowns)
    return Point(unknowns=unknowns, predicted=predicted, slopes=slopes)


def assay_variance(problem: Problem, scales: Scales) -> Floats:
    """Return the variance of log₁₀ D by assays, (flask, element), [-]; 1 where absent."""
    stated = np.where(problem.present, np.array(scales.assay)[problem.own][:, None], 1.0)
    return np.asarray((stated * problem.deviation) ** 2, dtype=np.float64)


def distances(problem: Problem, predicted: Floats, scales: Scales) -> Floats:
    """Return rᵀV⁻¹r of the residuals of every flask, (flask,), [-].

    V = diag(assay²) + σ²11ᵀ, whose inverse Sherman and Morrison give.
    """
    residual = np.where(problem.present, predicted - problem.measured, 0.0)
    inverse = problem.present / assay_variance(problem, scales)
    common = scales.flask**2 * np.sum(inverse * residual, axis=1) ** 2
    by_assay = np.sum(inverse * residual**2, axis=1)
    shared = common / (1.0 + scales.flask**2 * inverse.sum(axis=1))
    return np.asarray(by_assay - shared, dtype=np.float64)


def robust_weights(problem: Problem, predicted: Floats, scales: Scales) -> Floats:
    """Return the weight of a normal law that stands for Student's, (flask,), [-]."""
    tail = problem.effects.tail
    seen = problem.present.sum(axis=1)
    weights = (tail + seen) / (tail + distances(problem, predicted, scales))
    return np.asarray(weights, dtype=np.float64)


def misfit(problem: Problem, point: Point, scales: Scales, weight: Floats) -> float:
    """Return twice -ln of the posterior at held weights and scales, up to a constant, [-]."""
    kept = np.where(problem.keep, weight, 0.0)
    return float(kept @ distances(problem, point.predicted, scales)) + prior_misfit(
        problem, point.unknowns, scales
    )


def prior_misfit(problem: Problem, unknowns: Floats, scales: Scales) -> float:
    """Return twice -ln of the priors at held scales, up to a constant, [-]."""
    known, _ = problem.separation_rows(unknowns)
    off = unknowns / problem.prior_deviations(scales)
    return float(known @ known + off @ off)


def expand(problem: Problem, point: Point, scales: Scales, weight: Floats) -> Quadratic:
    """Return the posterior about a point, the predictions taken as linear.

    The weight of a flask, w = (ν + n)/(ν + d), falls by 2w²/(ν + n) of half the slope of d.
    """
    flask, _ = used_rows(problem)
    first, _ = groups(flask)
    rows = _whitened(problem, point, scales, weight)
    residual, slopes = rows[:, 0], rows[:, 1:]
    by_flask = np.add.reduceat(slopes * residual[:, None], first, axis=0)
    seen = problem.effects.tail + problem.present.sum(axis=1)[flask[first]]
    known, known_slopes = problem.separation_rows(point.unknowns)
    precision = problem.prior_deviations(scales) ** -2.0
    return Quadratic(
        misfit=misfit(problem, point, scales, weight),
        pull=slopes.T @ residual + precision * point.unknowns + known_slopes.T @ known,
        precision=slopes.T @ slopes + np.diag(precision) + known_slopes.T @ known_slopes,
        yielding=by_flask.T @ (by_flask * (2.0 / seen)[:, None]),
    )


def _whitened(problem: Problem, point: Point, scales: Scales, weight: Floats) -> Floats:
    """Return √w V^(-1/2) of residuals and slopes, (row in use, 1 + unknown).

    With u the vector of 1/assay, (1 + σ²uuᵀ)^(-1/2) = 1 - uuᵀ(1 - 1/√(1 + σ²|u|²))/|u|².
    """
    flask, element = used_rows(problem)
    residual = (point.predicted - problem.measured)[flask, element]
    scale = 1.0 / np.sqrt(assay_variance(problem, scales)[flask, element])
    rows = np.column_stack([residual, point.slopes[flask, element]]) * scale[:, None]
    first, group = groups(flask)
    square = np.add.reduceat(scale**2, first)
    shrunk = (1.0 - 1.0 / np.sqrt(1.0 + scales.flask**2 * square)) / square
    along = np.add.reduceat(rows * scale[:, None], first, axis=0) * shrunk[:, None]
    return (rows - scale[:, None] * along[group]) * np.sqrt(weight[flask])[:, None]


def used_rows(problem: Problem) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return flask and element of every row in use, (row,), flask by flask."""
    flask, element = np.nonzero(problem.present & problem.keep[:, None])
    return flask, element


def groups(flask: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first row of every flask, (group,), and the group of every row, (row,)."""
    new = np.append(True, flask[1:] != flask[:-1])
    return np.flatnonzero(new), np.cumsum(new) - 1


def solve_scaled(matrix: Floats, rhs: Floats, damping: float = 0.0) -> Floats:
    """Solve equations with a symmetric positive matrix whose diagonal spans many decades.

    Args:
        matrix: (unknown, unknown).
        rhs: (unknown,) or (unknown, column).
        damping: Share of its diagonal that is added to the matrix, [-].
    """
    root = 1.0 / np.sqrt(np.diag(matrix))
    scaled = matrix * np.outer(root, root) + damping * np.eye(len(root))
    return np.asarray((np.linalg.solve(scaled, (rhs.T * root).T).T * root).T, dtype=np.float64)


def invert(precision: Floats) -> Floats:
    """Return the inverse of a symmetric positive matrix whose diagonal spans many decades."""
    root = 1.0 / np.sqrt(np.diag(precision))
    inverse = np.linalg.pinv(precision * np.outer(root, root), rcond=1e-13, hermitian=True)
    return np.asarray(inverse * np.outer(root, root), dtype=np.float64)
