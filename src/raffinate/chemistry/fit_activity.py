"""Fits on the scale of activities, their coefficients held while constants are sought."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from raffinate.chemistry.fit_flask import Floats
from raffinate.chemistry.fit_map import Estimate, estimate
from raffinate.chemistry.fit_problem import FitActivity, Problem
from raffinate.chemistry.species import free_species
from raffinate.errors import ConvergenceError

if TYPE_CHECKING:
    from raffinate.chemistry.nonideality import BuiltNonIdeality

ROUNDS = 12
"""Most times the coefficients are found again."""

SETTLED = 1e-4
"""Largest last change of a coefficient, in log₁₀, [-]; far below any error of measurement."""

BACKGROUND = ("ammonium", "sodium", "chloride")
"""Ions besides metals and acid whose coefficients are known together with theirs."""


def solve(problem: Problem, start: Estimate | None = None) -> tuple[Problem, Estimate]:
    """Return the estimate of a problem, and the problem with the coefficients that belong to it.

    K = y h³γ_H³/(x γ_RE f³), so log₁₀ γ_RE - 3 log₁₀ γ_H adds to log₁₀ K in each flask. It is taken
    from the liquor of the round before.

    Raises:
        ConvergenceError: Constants or coefficients did not settle.
    """
    best = estimate(problem, start)
    if problem.activity == "ideal":
        return problem, best
    history: list[float] = []
    for _ in range(ROUNDS):
        shift = activity_shift(problem, best.unknowns)
        history.append(float(np.max(np.abs(shift - problem.shift))))
        if history[-1] < SETTLED:
            return problem, best
        problem = replace(problem, shift=shift)
        best = estimate(problem, best)
    raise _unsettled(problem, history)


def with_own_activities(problem: Problem, unknowns: Floats) -> Problem:
    """Return the problem with the coefficients of the liquors that these unknowns predict.

    Raises:
        ConvergenceError: The coefficients did not settle.
    """
    if problem.activity == "ideal":
        return problem
    history: list[float] = []
    for _ in range(2 * ROUNDS):
        shift = activity_shift(problem, unknowns)
        history.append(float(np.max(np.abs(shift - problem.shift))))
        problem = replace(problem, shift=shift)
        if history[-1] < SETTLED:
            return problem
    raise _unsettled(problem, history)


def _unsettled(problem: Problem, history: list[float]) -> ConvergenceError:
    return ConvergenceError(
        "the activities of the liquors did not settle.",
        where=problem.table.name,
        mend="Fit with ideal activities, or look for liquors beyond the model's range.",
        history=history,
    )


def activity_shift(problem: Problem, unknowns: Floats) -> Floats:
    """Return log₁₀ γ_RE - 3 log₁₀ γ_H in every flask at equilibrium, (flask, element), [-]."""
    from raffinate.numerics.jax_setup import jnp

    shaken = problem.shake(unknowns)
    flasks, table, proton = problem.flasks, problem.table, shaken.proton
    left = flasks.feed / (1.0 + flasks.oa_ratio[:, None] * 10.0**shaken.log10_ratio)
    amounts = {symbol: left[:, place] for place, symbol in enumerate(problem.elements)}
    amounts |= {"proton": proton}
    amounts |= {ion: table.background_of(ion) for ion in BACKGROUND[:2]}
    charge = 3.0 * left.sum(axis=1) + proton
    amounts["chloride"] = charge + amounts["ammonium"] + amounts["sodium"]
    names = tuple(name for name, amount in amounts.items() if np.any(amount > 0.0))
    built = _liquor_model(problem.activity, names)
    aqueous = jnp.asarray(np.stack([amounts[name] for name in names]))
    organic = jnp.zeros((0, len(proton)))
    logs = np.asarray(built.model.log_coefficients(aqueous, organic, built.parameters)[0])
    places = [names.index(symbol) for symbol in problem.elements]
    shift = (logs[places] - 3.0 * logs[names.index("proton")]).T / np.log(10.0)
    return np.asarray(shift, dtype=np.float64)


@cache
def _liquor_model(activity: FitActivity, names: tuple[str, ...]) -> BuiltNonIdeality:
    """Return the model of a liquor; it is asked for in every round and read from files."""
    from raffinate.chemistry.nonideality import build_nonideality

    return build_nonideality(activity, [free_species(name) for name in names])
