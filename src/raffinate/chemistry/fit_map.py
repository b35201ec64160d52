"""The search for the constants: a robust maximum a posteriori estimate with its covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.fit_problem import Floats, Problem, Scales
from raffinate.errors import ConvergenceError

FLAT_DEVIATION = 10.0
"""Stands for no prior on log₁₀ K where a proper one is needed, [-]."""

OUTER_LIMIT = 200
"""Most rounds of weights, scales and constants."""

SCALE_STEPS = 4
"""Steps of the search for the scales in one round; the rounds do the rest."""

SETTLED = 1e-6
"""Largest last change of an unknown or of the logarithm of a scale, [-]."""

SCALE_BOUNDS = (1e-4, 3.0)
"""Within which a scale is sought, [-]."""


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


def estimate(problem: Problem, start: Floats | None = None) -> Estimate:
    """Return the robust maximum a posteriori estimate.

    A flask with residuals r of its elements follows Student's law with covariance
    V = diag(assay²) + σ_flask² 11ᵀ, which is a normal law with weight
    w = (ν + n)/(ν + rᵀV⁻¹r); offsets are normal about 0. Three steps are repeated until nothing
    moves: weights at the present residuals; scales that make the linearised table most probable,
    unknowns integrated out; unknowns by SciPy's least squares with JAX's slopes.

    Raises:
        ConvergenceError: The rounds did not settle, or a flask has no equilibrium.
    """
    unknowns = np.zeros(problem.size) if start is None else start
    if start is None:
        unknowns[: len(problem.elements)] = -1.0
    scales = prior_scales(problem)
    weight = np.ones(len(problem.keep))
    history: list[float] = []
    for _ in range(OUTER_LIMIT):
        moved = _search(problem, unknowns, scales, weight)
        predicted, slopes = problem.predict(moved)
        weight = _weights(problem, predicted, scales)
        found = _scales(problem, moved, predicted, slopes, weight, scales)
        history.append(
            max(
                float(np.max(np.abs(moved - unknowns))),
                *(abs(np.log(a / b)) for a, b in zip(_flat(found), _flat(scales), strict=True)),
            )
        )
        unknowns, scales = moved, found
        if history[-1] < SETTLED:
            return _finish(problem, unknowns, scales)
    raise ConvergenceError(
        "weights, scales and constants did not settle.",
        where=problem.table.name,
        mend="Look for flasks that contradict all others, and leave them out.",
        history=history,
    )


def prior_scales(problem: Problem) -> Scales:
    """Return the medians of the priors."""
    effects = problem.effects
    return Scales(
        flask=effects.flask.median,
        series=effects.series.median,
        laboratory=effects.laboratory.median,
        assay=(effects.assay.median,) * len(problem.laboratories),
    )


def _finish(problem: Problem, unknowns: Floats, scales: Scales) -> Estimate:
    predicted, slopes = problem.predict(unknowns)
    weight = _weights(problem, predicted, scales)
    rows = whiten(problem, slopes, scales, weight)
    precision = rows.T @ rows + _prior_precision(problem, unknowns, scales)
    return Estimate(
        unknowns=unknowns,
        covariance=invert(precision),
        scales=scales,
        weight=weight,
        predicted=predicted,
        slopes=slopes,
    )


def invert(precision: Floats) -> Floats:
    """Return the inverse of a symmetric positive matrix whose diagonal spans many decades."""
    root = 1.0 / np.sqrt(np.diag(precision))
    inverse = np.linalg.pinv(precision * np.outer(root, root), rcond=1e-13, hermitian=True)
    return np.asarray(inverse * np.outer(root, root), dtype=np.float64)


def _prior_precision(problem: Problem, unknowns: Floats, scales: Scales) -> Floats:
    _, known = problem.separation_rows(unknowns)
    return np.diag(problem.prior_deviations(scales) ** -2.0) + known.T @ known


def flask_covariance(problem: Problem, scales: Scales) -> Floats:
    """Return V of every flask, (flask, element, element); absent elements have variance 1."""
    both = problem.present[:, :, None] & problem.present[:, None, :]
    blocks = np.where(both, scales.flask**2, 0.0)
    diagonal = np.arange(len(problem.elements))
    stated = np.where(problem.present, np.array(scales.assay)[problem.own][:, None], 1.0)
    blocks[:, diagonal, diagonal] += (stated * problem.deviation) ** 2
    return blocks


def whiten(problem: Problem, values: Floats, scales: Scales, weight: NDArray[np.float64]) -> Floats:
    """Return √w V^(-1/2) of values (flask, element, column), as (row in use, column)."""
    used = problem.present & problem.keep[:, None]
    masked = np.where(used[:, :, None], values, 0.0)
    lower = np.linalg.cholesky(flask_covariance(problem, scales))
    rows = np.linalg.solve(lower, masked) * np.sqrt(weight)[:, None, None]
    return np.asarray(rows[used], dtype=np.float64)


def _weights(problem: Problem, predicted: Floats, scales: Scales) -> Floats:
    residual = np.where(problem.present, predicted - problem.measured, 0.0)[:, :, None]
    pulled = np.linalg.solve(flask_covariance(problem, scales), residual)
    distance = np.sum(residual * pulled, axis=(1, 2))
    tail = problem.effects.tail
    return np.asarray((tail + problem.present.sum(axis=1)) / (tail + distance))


def _search(problem: Problem, start: Floats, scales: Scales, weight: Floats) -> Floats:
    from scipy.optimize import least_squares

    inverse = 1.0 / problem.prior_deviations(scales)
    at: dict[bytes, tuple[Floats, Floats]] = {}

    def rows(unknowns: Floats) -> tuple[Floats, Floats]:
        key = unknowns.tobytes()
        if key not in at:
            at.clear()
            predicted, slopes = problem.predict(unknowns)
            residual = (predicted - problem.measured)[:, :, None]
            both = whiten(problem, np.concatenate([residual, slopes], axis=2), scales, weight)
            known, known_slopes = problem.separation_rows(unknowns)
            at[key] = (
                np.concatenate([both[:, 0], inverse * unknowns, known]),
                np.vstack([both[:, 1:], np.diag(inverse), known_slopes]),
            )
        return at[key]

    answer = least_squares(
        lambda unknowns: rows(unknowns)[0],
        start,
        jac=lambda unknowns: rows(unknowns)[1],
        method="lm",
        x_scale="jac",
        xtol=1e-11,
        ftol=1e-13,
        gtol=1e-11,
        max_nfev=200,
    )
    if not answer.success:
        raise ConvergenceError(
            f"the fit stopped early: {answer.message}",
            where=problem.table.name,
            mend="Look for tests with extreme concentrations.",
        )
    return np.asarray(answer.x, dtype=np.float64)


def _scales(
    problem: Problem,
    unknowns: Floats,
    predicted: Floats,
    slopes: Floats,
    weight: Floats,
    start: Scales,
) -> Scales:
    """Return the most probable scales of the table linearised here, unknowns integrated out."""
    from scipy.linalg import cho_solve
    from scipy.optimize import minimize

    fixed, parts, values = _marginal(problem, unknowns, predicted, slopes, weight)
    effects = problem.effects
    priors = [effects.flask, effects.series, effects.laboratory]
    priors += [effects.assay] * len(problem.laboratories)
    medians = np.log([prior.median for prior in priors])
    widths = np.log([prior.factor for prior in priors])

    def cost(logs: Floats) -> tuple[float, Floats]:
        variances = np.exp(2.0 * logs)
        whole = fixed + sum(v * part for v, part in zip(variances, parts, strict=True))
        lower = np.linalg.cholesky(whole)
        inverse = cho_solve((lower, True), np.eye(len(values)))
        pulled = inverse @ values
        off = (logs - medians) / widths
        value = np.log(np.diag(lower)).sum() + 0.5 * values @ pulled + 0.5 * off @ off
        slope = np.array(
            [
                v * (np.sum(inverse * part) - pulled @ part @ pulled)
                for v, part in zip(variances, parts, strict=True)
            ]
        )
        return float(value), slope + off / widths

    bounds = [(np.log(SCALE_BOUNDS[0]), np.log(SCALE_BOUNDS[1]))] * len(priors)
    answer = minimize(
        cost,
        np.log(_flat(start)),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": SCALE_STEPS},
    )
    flask, series, laboratory, *assay = (float(value) for value in np.exp(answer.x))
    return Scales(flask=flask, series=series, laboratory=laboratory, assay=tuple(assay))


def _marginal(
    problem: Problem, unknowns: Floats, predicted: Floats, slopes: Floats, weight: Floats
) -> tuple[Floats, list[Floats], Floats]:
    """Return fixed covariance, the matrices that the variances multiply, and the values."""
    used = problem.present & problem.keep[:, None]
    flask, element = np.nonzero(used)
    rows = slopes[flask, element]
    known, known_slopes = problem.separation_rows(unknowns)
    design = np.vstack([rows, known_slopes])
    shared = problem.shared
    count = len(problem.laboratories)
    values = (
        np.concatenate([(problem.measured - predicted)[flask, element], -known]) + design @ unknowns
    )
    deviations = problem.prior_deviations(prior_scales(problem))[:shared]
    deviations = np.where(np.isfinite(deviations), deviations, FLAT_DEVIATION)
    common = design[:, :shared] * deviations
    noise = np.concatenate([np.zeros(len(flask)), np.ones(len(known))])
    same = np.zeros((len(values), len(values)))
    same[: len(flask), : len(flask)] = (flask[:, None] == flask[None, :]) / weight[flask]
    laboratory, series = design[:, shared : shared + count], design[:, shared + count :]
    assay = problem.deviation[flask, element] ** 2 / weight[flask]
    parts = [same, series @ series.T, laboratory @ laboratory.T]
    for number in range(count):
        own = np.where(problem.own[flask] == number, assay, 0.0)
        parts.append(np.diag(np.concatenate([own, np.zeros(len(known))])))
    return np.diag(noise) + common @ common.T, parts, values


def _flat(scales: Scales) -> tuple[float, ...]:
    return scales.flask, scales.series, scales.laboratory, *scales.assay
