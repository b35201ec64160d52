"""What a fit says of a laboratory it has not seen: predictions with their deviations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.fit_activity import with_own_activities
from raffinate.chemistry.fit_flask import Floats
from raffinate.chemistry.fit_map import Estimate
from raffinate.chemistry.fit_problem import Problem

NORMAL_90 = 1.6448536269514722
"""Half width of the central 90 % of a normal law, in standard deviations, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forecast:
    """log₁₀ D of every flask as if its laboratory were new.

    Attributes:
        log10_ratio: (flask, element), [-].
        deviation: Standard deviation of a measurement about it, (flask, element), [-]: of the
            constants, of a new laboratory and its series, of a flask, and of its assays.
        loading: Share of the extractant bound to metals, (flask,), [-].
        proton: After shaking, (flask,), [mol/m³].
        free_extractant: After shaking, (flask,), [mol/m³].
    """

    log10_ratio: Floats
    deviation: Floats
    loading: Floats
    proton: Floats
    free_extractant: Floats


def forecast(problem: Problem, best: Estimate) -> Forecast:
    """Return log₁₀ D of every flask of the table, and how far a measurement may lie off.

    The laboratory's own offsets are taken as 0 with the variances of the fit. Its assay error is
    that of the table times the root mean square of its prior; a flask's Student law enters with its
    variance.
    """
    unknowns = problem.without_effects(best.unknowns)
    problem = with_own_activities(problem, unknowns)
    predicted, slopes = problem.predict(unknowns)
    shaken = problem.shake(unknowns)
    variance = constants_variance(problem, best, slopes)
    own = slopes[:, :, problem.shared :]
    offsets = problem.prior_deviations(best.scales)[problem.shared :]
    variance = variance + np.sum((own * offsets) ** 2, axis=2)
    variance = variance + flask_variance(problem, best)
    stated = problem.effects.assay.root_mean_square * problem.deviation
    return Forecast(
        log10_ratio=predicted,
        deviation=np.sqrt(variance + np.where(problem.present, stated, 0.0) ** 2),
        loading=shaken.loading,
        proton=shaken.proton,
        free_extractant=shaken.free_extractant,
    )


def constants_variance(problem: Problem, best: Estimate, slopes: Floats) -> Floats:
    """Return the variance of log₁₀ D that the constants leave, (flask, element), [-]."""
    shared = problem.shared
    inner = slopes[:, :, :shared] @ best.covariance[:shared, :shared]
    return np.asarray(np.sum(inner * slopes[:, :, :shared], axis=2), dtype=np.float64)


def flask_variance(problem: Problem, best: Estimate) -> float:
    """Return the variance of the Student law of one flask, [-]."""
    tail = problem.effects.tail
    return best.scales.flask**2 * tail / (tail - 2.0)


def by_row(problem: Problem, values: Floats) -> NDArray[np.float64]:
    """Return (flask, element) as the rows of the table, (row,)."""
    place = [problem.elements.index(symbol) for symbol in problem.table.element]
    return np.asarray(values[problem.table.test, place], dtype=np.float64)
