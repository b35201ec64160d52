"""How far flasks, series, laboratories and assays scatter: the scales that explain a table best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.fit_flask import Floats
from raffinate.chemistry.fit_problem import Problem, Scales
from raffinate.chemistry.fit_rows import Point, groups, used_rows

FLAT_DEVIATION = 10.0
"""Stands for no prior on log₁₀ K where a proper one is needed, [-]."""

LONGEST = 1.0
"""Largest change of the logarithm of a scale in a step, [-]."""

HALVINGS = 30
"""Most halvings of a step until the table is not less probable after it."""

ROUNDING = 1e-9
"""Fall of the logarithm of a probability that is taken for none, [-]."""

SCALE_BOUNDS = (1e-4, 3.0)
"""Within which a scale is sought, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearTable:
    """A table linearised about a point: values = columns · offsets + noise of flasks and assays.

    Attributes:
        columns: Of the unknowns in units of their prior, of laboratories, and of their series;
            those without a row left out; the values last, (row, column).
        known: The same of separation factors, in units of their deviation, (prior, column).
        kind: 0 of an unknown, 1 of a laboratory, 2 of a series, (column - 1,).
        laboratory: Index of the laboratory of each row, (row,).
        laboratories: Number of laboratories.
        variance: Of log₁₀ D by stated assays, (row,), [-].
        weight: Robust weight of the flask of each row, (row,), [-].
        first: First row of each flask, (flask,).
        group: Place of the flask of each row in `first`, (row,).
    """

    columns: Floats
    known: Floats
    kind: NDArray[np.intp]
    laboratory: NDArray[np.intp]
    laboratories: int
    variance: Floats
    weight: Floats
    first: NDArray[np.intp]
    group: NDArray[np.intp]

    def by_flask(self, values: Floats) -> Floats:
        """Return the sums of values, (row, ...), over the rows of each flask, (flask, ...)."""
        return np.asarray(np.add.reduceat(values, self.first, axis=0), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Marginal:
    """The covariance A + USSUᵀ of the values, A of flasks and assays, U the columns.

    With M = 1 + SUᵀA⁻¹US its determinant is |A||M|, and its inverse
    A⁻¹ - A⁻¹US M⁻¹ SUᵀA⁻¹ (Woodbury). A is inverted flask by flask (Sherman and Morrison).

    Attributes:
        inverse: 1/variance of the assay of each row, flask weights apart, (row,).
        shrunk: σ²/(1 + σ² Σ inverse) of each flask, (flask,).
        scale: S, (column,).
        reach: A⁻¹US, (row, column).
        back: M⁻¹, (column, column).
        offsets: M⁻¹SUᵀA⁻¹ of the values, (column,).
        pulled: The inverse of the covariance times the values, (row,).
        surprise: -ln of the probability of the values, up to a constant, [-].
    """

    inverse: Floats
    shrunk: Floats
    scale: Floats
    reach: Floats
    back: Floats
    offsets: Floats
    pulled: Floats
    surprise: float


def prior_scales(problem: Problem) -> Scales:
    """Return the medians of the priors."""
    effects = problem.effects
    return Scales(
        flask=effects.flask.median,
        series=effects.series.median,
        laboratory=effects.laboratory.median,
        assay=(effects.assay.median,) * len(problem.laboratories),
    )


def more_probable_scales(
    problem: Problem, point: Point, weight: Floats, start: Scales
) -> tuple[Scales, float]:
    """Return the scales after a step towards those that make the table here most probable.

    The table is linearised and the unknowns are integrated out. The step is Newton's with the
    average of observed and expected information, halved until the probability does not fall.
    Also returned is the largest change of a logarithm that the whole step asks for.
    """
    effects = problem.effects
    priors = [effects.flask, effects.series, effects.laboratory]
    priors += [effects.assay] * len(problem.laboratories)
    medians = np.log([prior.median for prior in priors])
    widths = np.log([prior.factor for prior in priors])
    table = linear_table(problem, point, weight)

    def by_prior(logs: Floats) -> float:
        return 0.5 * float(np.sum(((logs - medians) / widths) ** 2))

    low, high = np.log(SCALE_BOUNDS)
    logs = np.clip(np.log(start.flat), low, high)
    surprise, slope, information = expand_surprise(table, logs)
    slope = slope + (logs - medians) / widths**2
    # A scale that would leave its bounds stays, or it would cut short the step of the others.
    free = np.flatnonzero(~((logs <= low) & (slope > 0.0) | (logs >= high) & (slope < 0.0)))
    curvature = (information + np.diag(widths**-2.0))[np.ix_(free, free)]
    move = np.zeros(len(logs))
    move[free] = np.linalg.solve(curvature, -slope[free])
    move = move * (LONGEST / max(float(np.max(np.abs(move))), LONGEST))
    highest = surprise + by_prior(logs) + ROUNDING
    found = whole = np.clip(logs + move, low, high)
    for halving in range(HALVINGS):
        found = np.clip(logs + 0.5**halving * move, low, high)
        if surprise_of(table, found) + by_prior(found) <= highest:
            break
    flask, series, laboratory, *assay = (float(value) for value in np.exp(found))
    scales = Scales(flask=flask, series=series, laboratory=laboratory, assay=tuple(assay))
    return scales, float(np.max(np.abs(whole - logs)))


def linear_table(problem: Problem, point: Point, weight: Floats) -> LinearTable:
    """Return the table in use, linearised about a point."""
    flask, element = used_rows(problem)
    shared, count = problem.shared, len(problem.laboratories)
    deviations = problem.prior_deviations(prior_scales(problem))[:shared]
    deviations = np.where(np.isfinite(deviations), deviations, FLAT_DEVIATION)
    width = np.append(deviations, np.ones(problem.size - shared))
    kind = np.repeat([0, 1, 2], [shared, count, problem.size - shared - count])
    slopes = point.slopes[flask, element]
    known_residual, known_slopes = problem.separation_rows(point.unknowns)
    held = slopes.any(axis=0) | known_slopes.any(axis=0)

    def columns(by: Floats, residual: Floats) -> Floats:
        return np.column_stack([(by * width)[:, held], residual + by @ point.unknowns])

    first, group = groups(flask)
    return LinearTable(
        columns=columns(slopes, (problem.measured - point.predicted)[flask, element]),
        known=columns(known_slopes, -known_residual),
        kind=kind[held],
        laboratory=problem.own[flask],
        laboratories=count,
        variance=problem.deviation[flask, element] ** 2,
        weight=weight[flask],
        first=first,
        group=group,
    )


def surprise_of(table: LinearTable, logs: Floats) -> float:
    """Return -ln of the probability of a table, up to a constant, [-].

    Args:
        table: The table.
        logs: ln of the scales of flasks, series, laboratories, and of the assays of each
            laboratory, (scale,).
    """
    return _marginal(table, logs).surprise


def expand_surprise(table: LinearTable, logs: Floats) -> tuple[float, Floats, Floats]:
    """Return `surprise_of`, its slopes, (scale,), and its curvature, (scale, scale), on `logs`.

    The curvature is the average of the observed and the expected one, which holds no traces.
    """
    marginal = _marginal(table, logs)
    variances = np.exp(2.0 * logs)
    by_flask, by_assay = _noise_slopes(table, marginal)
    free = 1.0 - np.diag(marginal.back) - marginal.offsets**2
    _, by_laboratory, by_series = np.bincount(table.kind, weights=free, minlength=3)
    slopes = [variances[0] * by_flask, by_series, by_laboratory, *(variances[3:] * by_assay)]
    spreads = _spreads(table, marginal, variances)
    noise = _by_noise(table, marginal.inverse, marginal.shrunk, spreads)
    across = marginal.reach.T @ spreads
    curvature = 2.0 * (spreads.T @ noise - across.T @ marginal.back @ across)
    return marginal.surprise, np.array(slopes), curvature


def _marginal(table: LinearTable, logs: Floats) -> _Marginal:
    flask, series, laboratory, *assay = np.exp(2.0 * logs)
    inverse = 1.0 / (np.array(assay)[table.laboratory] * table.variance)
    total = table.by_flask(inverse)
    shrunk = flask / (1.0 + flask * total)
    pulled = _by_noise(table, inverse, shrunk, table.columns)
    whole = table.columns.T @ pulled + table.known.T @ table.known
    scale = np.sqrt([1.0, laboratory, series])[table.kind]
    inner = np.eye(len(scale)) + scale[:, None] * whole[:-1, :-1] * scale
    back = np.asarray(np.linalg.inv(inner), dtype=np.float64)
    along = scale * whole[:-1, -1]
    reach, offsets = pulled[:, :-1] * scale, back @ along
    twice = np.log1p(flask * total).sum() - np.log(inverse).sum()
    twice += np.linalg.slogdet(inner)[1] + whole[-1, -1] - along @ offsets
    return _Marginal(
        inverse=inverse,
        shrunk=shrunk,
        scale=scale,
        reach=reach,
        back=back,
        offsets=offsets,
        pulled=pulled[:, -1] - reach @ offsets,
        surprise=0.5 * float(twice),
    )


def _by_noise(table: LinearTable, inverse: Floats, shrunk: Floats, columns: Floats) -> Floats:
    """Return A⁻¹ times columns, (row, column)."""
    along = table.by_flask(inverse[:, None] * columns) * shrunk[:, None]
    return (table.weight * inverse)[:, None] * (columns - along[table.group])


def _noise_slopes(table: LinearTable, marginal: _Marginal) -> tuple[float, Floats]:
    """Return slopes on half the variances of flasks and of the assays of each laboratory."""
    weight, inverse, back = table.weight[table.first], marginal.inverse, marginal.back
    reached = table.by_flask(marginal.reach)
    lost = np.sum((reached @ back) * reached, axis=1)
    total = table.by_flask(inverse)
    by_flask = total * (1.0 - marginal.shrunk * total)
    by_flask -= (lost + table.by_flask(marginal.pulled) ** 2) / weight
    lost = np.sum((marginal.reach @ back) * marginal.reach, axis=1)
    by_row = inverse - marginal.shrunk[table.group] * inverse**2
    by_row -= (lost + marginal.pulled**2) / table.weight
    by_assay = np.bincount(
        table.laboratory, weights=table.variance * by_row, minlength=table.laboratories
    )
    return float(by_flask.sum()), np.asarray(by_assay, dtype=np.float64)


def _spreads(table: LinearTable, marginal: _Marginal, variances: Floats) -> Floats:
    """Return each scale's part of the covariance times `pulled`, (row, scale)."""
    pulled, width = marginal.pulled, len(table.kind)
    parts = [(table.by_flask(pulled) / table.weight[table.first])[table.group]]
    for kind in (2, 1):
        own = table.columns[:, :width][:, table.kind == kind]
        parts.append(own @ (own.T @ pulled))
    by_assay = table.variance * pulled / table.weight
    parts += [
        np.where(table.laboratory == number, by_assay, 0.0) for number in range(table.laboratories)
    ]
    return np.column_stack(parts) * variances
