"""One contact or many at given activity coefficients: what is there, first guess, result."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from raffinate.chemistry.equilibrium_guess import exchanged
from raffinate.chemistry.equilibrium_newton import TOLERANCE, solve_masters
from raffinate.chemistry.equilibrium_plan import Plan
from raffinate.numerics.jax_setup import Array, jnp

STANDARD = float(np.log(1000.0))
"""ln of the standard concentration, 1000 mol/m³."""

CLOSED = 1e-12
"""Largest imbalance of a component relative to what there is of it, [-]."""

MAX_ITERATIONS = 400
"""Newton steps after which a contact is given up."""

START_PROTON = float(np.log(0.1))
"""ln of the first guess of the proton where the totals give none, ln mol/m³."""


class Amounts(NamedTuple):
    """What a contact is made of, contact last.

    Attributes:
        totals: (component, contact), [mol per m³ of both phases]; of a given component its free
            concentration or 1000 times its activity, [mol/m³].
        volume: Of the aqueous and organic phase that the balances count, (2, contact), [-].
        exists: Whether a species can exist, (species, contact).
        held: Whether a master is absent, (master, contact).
        hopeless: Whether the totals have no equilibrium, (contact,).
    """

    totals: Array
    volume: Array
    exists: Array
    held: Array
    hopeless: Array


def amounts_of(plan: Plan, totals: Array, volume: Array, has_organic: Array) -> Amounts:
    """Return what the totals let exist.

    Args:
        plan: Layout of the tableau.
        totals: (component, contact).
        volume: (2, contact), [-].
        has_organic: Whether there is an organic phase, (contact,).
    """
    holds = (plan.stoichiometry > 0.0).astype(float)
    signed = [k for k, s in zip(plan.masters, plan.signed, strict=True) if s]
    unsigned = np.setdiff1d(np.arange(holds.shape[1]), signed)
    absent = totals == 0.0
    phases = jnp.stack([jnp.ones_like(has_organic), has_organic])
    missing = jnp.tensordot(holds[:, unsigned], absent[unsigned].astype(float), 1)
    exists = phases[_phase(plan)] & (missing == 0.0)
    hopeless = ~jnp.all(jnp.isfinite(totals), axis=0)
    hopeless = hopeless | jnp.any(totals[unsigned] < 0.0, axis=0)
    for k in signed:
        released = jnp.any(exists & (plan.stoichiometry[:, k] < 0.0)[:, None], axis=0)
        hopeless = hopeless | ((totals[k] < 0.0) & ~released)
        nothing = absent[k] & ~released
        absent = absent.at[k].set(nothing)
        exists = exists & ~((holds[:, k] > 0.0)[:, None] & nothing)
    balanced = np.setdiff1d(unsigned, plan.given)
    somewhere = jnp.tensordot(holds[:, balanced].T, exists.astype(float), 1) > 0.0
    hopeless = hopeless | jnp.any((totals[balanced] > 0.0) & ~somewhere, axis=0)
    held = absent[np.array(plan.masters, dtype=np.intp)]
    return Amounts(totals, volume, exists, held, hopeless)


def _phase(plan: Plan) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return (np.arange(len(plan.stoichiometry)) >= plan.aqueous_count).astype(np.intp)


def standard_constants(plan: Plan, log10_constants: Array) -> Array:
    """Return ln of the constants for concentrations in [mol/m³], (species, contact)."""
    shift = (1.0 - plan.stoichiometry.sum(axis=1)) * STANDARD
    constants: Array = jnp.asarray(log10_constants) * float(np.log(10.0)) + shift[:, None]
    return constants


def given_activities(plan: Plan, amounts: Amounts, log_coefficient: Array) -> Array:
    """Return ln of 1000 times the activities of the given components, (given, contact)."""
    rows = []
    for k, as_activity in zip(plan.given, plan.given_activity, strict=True):
        known = amounts.totals[k]
        value = jnp.log(jnp.where(known > 0.0, known, 1.0))
        rows.append(value if as_activity else value + log_coefficient[plan.free[k]])
    return jnp.stack(rows) if rows else jnp.zeros((0, amounts.totals.shape[1]))


def first_guess(plan: Plan, amounts: Amounts, log_constants: Array) -> Array:
    """Return where to begin at ideal activities, (master, contact).

    Each master as if it were all free; then, where an acid extractant exchanges protons, these
    two as exchange alone would leave them.
    """
    start = _all_free(plan, amounts)
    if plan.exchange is None:
        return start
    none = jnp.zeros_like(log_constants)
    log_weight = _weights(plan, amounts, log_constants, none, none[0])[2]
    return exchanged(plan, log_weight, amounts.totals, amounts.volume, start)


def _all_free(plan: Plan, amounts: Amounts) -> Array:
    volume = jnp.where(amounts.volume > 0.0, amounts.volume, 1.0)
    rows = []
    for j, k in enumerate(plan.masters):
        total = amounts.totals[k] / volume[_phase(plan)[plan.free[k]]]
        guess = jnp.log(jnp.where(total > 0.0, total, 1.0))
        unknown = START_PROTON if plan.signed[j] else 0.0
        rows.append(jnp.where(total > 0.0, guess, unknown))
    start = jnp.stack(rows) if rows else jnp.zeros((0, amounts.totals.shape[1]))
    return jnp.where(amounts.held, 0.0, start)


class Solved(NamedTuple):
    """Equilibrium at given coefficients.

    Attributes:
        log_activity: ln of 1000 times the activity of the components, (component, contact).
        log_concentration: (species, contact), [ln mol/m³].
        converged: (contact,).
        error: Largest |ln(supply/demand)| of a master before the last step, (contact,).
        iterations: (contact,).
    """

    log_activity: Array
    log_concentration: Array
    converged: Array
    error: Array
    iterations: Array


def _weights(
    plan: Plan, amounts: Amounts, log_constants: Array, log_coefficient: Array, log_water: Array
) -> tuple[Array, Array, Array]:
    """Return ln of the known activities, of the constants at these coefficients, and of weights.

    The weights are those with the volumes, -inf where the balances do not count a species.
    """
    known = given_activities(plan, amounts, log_coefficient)
    effective = log_constants - log_coefficient
    if plan.water.any():
        effective = effective + plan.water[:, None] * log_water
    for row, k in enumerate(plan.given):
        effective = effective + plan.stoichiometry[:, k][:, None] * known[row]
    log_volume = jnp.log(jnp.where(amounts.volume > 0.0, amounts.volume, 1.0))
    counted = amounts.exists & (amounts.volume > 0.0)[_phase(plan)]
    return known, effective, jnp.where(counted, effective + log_volume[_phase(plan)], -jnp.inf)


def solve_at(
    plan: Plan,
    amounts: Amounts,
    log_constants: Array,
    log_coefficient: Array,
    log_water: Array,
    start: Array,
    max_iterations: int | Array = MAX_ITERATIONS,
    finish: float | Array = TOLERANCE,
) -> Solved:
    """Solve the balances at given activity coefficients.

    Args:
        plan: Layout of the tableau.
        amounts: What there is.
        log_constants: ln of the constants for [mol/m³], (species, contact).
        log_coefficient: ln γ, (species, contact).
        log_water: ln of the activity of water, (contact,).
        start: Masters to begin from, (master, contact).
        max_iterations: Newton steps after which a contact is given up.
        finish: Imbalance from which the last step is taken unseen.
    """
    known, effective, log_weight = _weights(
        plan, amounts, log_constants, log_coefficient, log_water
    )
    found = solve_masters(
        plan,
        log_weight,
        amounts.totals,
        start,
        amounts.held,
        amounts.hopeless,
        max_iterations,
        finish,
    )
    linear = jnp.log(jnp.where(found.scale > 0.0, found.scale, 1.0))
    solved_for = [*plan.masters, *plan.linear]
    activity = jnp.concatenate([found.log_activity, linear])
    log_concentration = effective + jnp.tensordot(plan.stoichiometry[:, solved_for], activity, 1)
    order = np.argsort([*solved_for, *plan.given])
    activity = jnp.concatenate([activity, known])[order]
    log_concentration = jnp.where(amounts.exists, log_concentration, -jnp.inf)
    return Solved(activity, log_concentration, found.converged, found.error, found.iterations)


def imbalance(plan: Plan, amounts: Amounts, log_concentration: Array) -> Array:
    """Return the largest imbalance relative to what there is of a component, (contact,), [-]."""
    held = jnp.exp(log_concentration) * amounts.volume[_phase(plan)]
    balanced = np.array([*plan.masters, *plan.linear], dtype=np.intp)
    if not len(balanced):
        return jnp.zeros_like(amounts.totals[0])
    matrix = plan.stoichiometry[:, balanced].T
    totals = amounts.totals[balanced]
    present = jnp.tensordot(np.abs(matrix), held, 1) + jnp.abs(totals)
    excess = jnp.abs(jnp.tensordot(matrix, held, 1) - totals)
    worst: Array = jnp.max(excess / jnp.where(present > 0.0, present, 1.0), axis=0)
    return worst
