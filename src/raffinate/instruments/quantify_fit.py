"""The most likely parameters of a Poisson spectrum: Fisher scoring with a damped first step.

Weights come from the model, never from the counts: weights from counts pull low channels down.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.instruments.quantify_model import Expected, FitModel, Slopes

Array = NDArray[np.float64]

LEAST_EXPECTED = 0.1
"""[counts]. A channel is weighted as if it expected no less: a stray count where nothing is
expected shall not rule the fit. It biases nothing, as the residual stays as it is."""

SMALL_STEP = 0.25
"""Squared length of a step in standard deviations with which a fit has arrived: over so little the
model is straight, and the next step would be a hundredth of one standard deviation."""

NEAR = 0.02
"""Of all metals together: slopes are taken anew where the composition has moved further since, [-].
Slopes of another composition find nearly the same values, and another uncertainty."""

NEAR_AMOUNT = 25.0
"""Metals count as if there were no less, [mol/m³]: about a blank, slopes hold this far."""

NEAR_MATRIX = 20.0
"""Of where the matrix's unknown starts: what counts as its range, [-]."""

FAR_BELOW = 5.0
"""Standard deviations below zero that chance does not reach."""

MOST_STEPS = 40
MOST_DAMPING = 1e8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """Where a fit ended.

    Attributes:
        values: (parameter,).
        covariance: Of counting statistics, (parameter, parameter).
        expected: The model there.
        jacobian: (fitted channel, parameter).
        slopes: Composition slopes last used.
        steps: How many were taken.
    """

    values: Array
    covariance: Array
    expected: Expected
    jacobian: Array
    slopes: Slopes
    steps: int


def fisher_information(jacobian: Array, counts: Array) -> Array:
    """Return J' W J with Poisson weights of expected counts, (parameter, parameter)."""
    weighted = jacobian * (1.0 / np.maximum(counts, LEAST_EXPECTED))[:, None]
    return np.asarray(jacobian.T @ weighted, dtype=np.float64)


def inverse(information: Array) -> Array:
    """Return the covariance of an information matrix, scaled first as units differ widely.

    Args:
        information: (parameter, parameter), or a stack of them.
    """
    diagonal = np.diagonal(information, axis1=-2, axis2=-1)
    scale = 1.0 / np.sqrt(np.maximum(diagonal, 1e-300))
    scales = scale[..., :, None] * scale[..., None, :]
    unit = information * scales
    try:
        np.linalg.cholesky(unit)
        scaled = np.linalg.inv(unit)
    except np.linalg.LinAlgError:
        # Two parameters that the spectrum cannot tell apart.
        scaled = np.linalg.pinv(unit, rcond=1e-13, hermitian=True)
    return np.asarray(scaled * scales, dtype=np.float64)


def deviance(counts: Array, expected: Array) -> float:
    """Return twice the Poisson log-likelihood ratio to a perfect model, [-]."""
    model = np.maximum(expected, LEAST_EXPECTED)
    logs = counts * np.log(np.maximum(counts, 1e-300) / model)
    return float(2.0 * np.sum(model - counts + np.where(counts > 0.0, logs, 0.0)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Start:
    """Where a fit may begin, and what can be computed there beforehand.

    Attributes:
        values: (parameter,).
        slopes: Of the composition.
        expected: The model there, of one second.
        jacobian: Likewise, (fitted channel, parameter).
    """

    values: Array
    slopes: Slopes
    expected: Expected
    jacobian: Array


@lru_cache(maxsize=32)
def _about(model: FitModel, composition: tuple[float, ...]) -> tuple[Slopes, Array]:
    """Return slopes and undrifted spectrum of a composition: fits of a stream begin at one."""
    values = np.array(composition)
    return model.slopes(values), model.undrifted(values)


def start_at(model: FitModel, values: Array) -> Start:
    """Return a start at `values`, (parameter,); quick where one of that composition was made."""
    slopes, undrifted = _about(model, tuple(values[: model.composition_size].tolist()))
    here = model.expected(values, 1.0, slopes, undrifted)
    jacobian = model.jacobian(values, here, slopes, 1.0, pile_up=False)
    return Start(values=values, slopes=slopes, expected=here, jacobian=jacobian)


def fit_counts(model: FitModel, counts: Array, live_time: float, start: Start) -> Fit:
    """Return the most likely parameters.

    Args:
        model: Parameters to counts.
        counts: In the fitted channels, (fitted channel,).
        live_time: [s].
        start: Where to begin.

    Raises:
        ConvergenceError: No step lowers the misfit, or there is no end to them.
    """
    values, slopes, size = start.values, start.slopes, model.composition_size
    slopes_at = values
    here = replace(start.expected, counts=live_time * start.expected.counts)
    jacobian = live_time * start.jacobian
    reached, damping, history, fresh = deviance(counts, here.counts), 0.0, [], True
    for steps in range(1, MOST_STEPS + 1):
        found = _step(model, counts, live_time, (values, here, jacobian, slopes), reached, damping)
        if found is None and fresh:
            break
        length = np.inf
        if found is not None:
            length, step, damping, here = found
            history.append(float(np.sqrt(length)))
            values, reached = values + step, deviance(counts, here.counts)
        moved = _moved(model, values, slopes_at)
        if length < SMALL_STEP and moved <= NEAR:
            covariance = inverse(fisher_information(jacobian, here.counts))
            return Fit(
                values=values, covariance=covariance, expected=here, jacobian=jacobian,
                slopes=slopes, steps=steps,
            )  # fmt: skip
        fresh = found is None or moved > NEAR or steps % 8 == 0
        if fresh:
            try:
                slopes, slopes_at = model.slopes(values), values
                if length < SMALL_STEP or np.min(values[:size]) < 0.0:
                    here = model.expected(values, live_time, slopes)
            except SpecificationError:  # at the edge of what can be a sample
                break
            reached = deviance(counts, here.counts)
            damping = 0.0 if found is None else damping
        jacobian = model.jacobian(values, here, slopes, live_time, pile_up=False)
    raise ConvergenceError(
        "the fit of the spectrum does not end.",
        history=history,
        where="XRF fit",
        mend="Look at the spectrum; check elements, matrix and instrument.",
    )


def _moved(model: FitModel, here: Array, there: Array) -> float:
    """Return how far apart two compositions are, of all metals or of the matrix's range, [-]."""
    away, place = np.abs(here - there), len(model.sample.metals)
    amount = max(float(np.sum(np.abs(here[:place]))), NEAR_AMOUNT)
    matrix = float(away[place]) / (NEAR_MATRIX * model.sample.unknown.start)
    return max(float(np.max(away[:place])) / amount, matrix)


def _step(
    model: FitModel,
    counts: Array,
    live_time: float,
    at: tuple[Array, Expected, Array, Slopes],
    reached: float,
    damping: float,
) -> tuple[float, Array, float, Expected] | None:
    """Return squared length undamped, the step, the next damping, and the model after it.

    None where no step lowers the misfit.
    """
    values, here, jacobian, slopes = at
    information = fisher_information(jacobian, here.counts)
    pull = jacobian.T @ ((counts - here.counts) / np.maximum(here.counts, LEAST_EXPECTED))
    free = inverse(information) @ pull
    length = float(pull @ free)
    if length < SMALL_STEP:
        arrived = np.maximum(here.counts + jacobian @ free, 0.0)
        return length, free, 0.0, replace(here, counts=arrived)
    while damping < MOST_DAMPING:
        covariance = inverse(information + damping * np.diag(np.diag(information)))
        step = _kept_inside(model, values, covariance @ pull, np.sqrt(np.diag(covariance)))
        moved = _tried(model, values + step, live_time, slopes)
        # A short step may raise the deviance by rounding and by slopes that were kept.
        if moved is not None and (length < 1.0 or deviance(counts, moved.counts) < reached):
            return length, step, 0.0 if damping < 1e-3 else 0.1 * damping, moved
        damping = max(10.0 * damping, 1e-2)
    return None


def _tried(model: FitModel, values: Array, live_time: float, slopes: Slopes) -> Expected | None:
    """Return the model at `values`; None where there is no such sample or drift."""
    try:
        return model.expected(values, live_time, slopes)
    except SpecificationError:
        return None


def _kept_inside(model: FitModel, values: Array, step: Array, sigma: Array) -> Array:
    """Shorten a step that would leave what the model is defined for."""
    size = model.composition_size
    scale = np.array([1000.0] * (size - 1) + [4.0 * model.sample.unknown.start])
    most = np.concatenate([scale, [0.5 * values[size], 60.0, 0.01, 1500.0]])
    ratio = float(np.max(np.abs(step) / most))
    kept = step / ratio if ratio > 1.0 else step.copy()
    # Far below zero the straight line on which the model goes on has no meaning: halt at zero.
    now, reach = values[:size], -FAR_BELOW * sigma[:size]
    halted = np.where(now > 0.0, -now, np.maximum(kept[:size], reach))
    kept[:size] = np.where(now + kept[:size] < reach, halted, kept[:size])
    return kept
