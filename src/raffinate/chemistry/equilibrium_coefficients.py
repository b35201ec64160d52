"""Activity coefficients that agree with the concentrations they follow from.

With u the coefficients, the balances give c(u) and the activity model gives Γ(c): wanted is
u = Γ(c(u)). Anderson's mixing of the last few iterates finds it, contact by contact; where an
iterate is worse than the one before, its history is dropped and the step is shortened. A contact
that has not settled in `ROUNDS` begins anew with shorter steps, and shorter ones again.

Source: H. F. Walker, P. Ni, SIAM J. Numer. Anal. 49 (2011) 1715, for the mixing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from raffinate.chemistry.equilibrium_contact import (
    MAX_ITERATIONS,
    Amounts,
    Solved,
    first_guess,
    solve_at,
)
from raffinate.chemistry.equilibrium_newton import TOLERANCE, solve_small
from raffinate.chemistry.equilibrium_plan import Plan
from raffinate.chemistry.nonideality import NonIdeality
from raffinate.numerics.jax_setup import Array, jnp, lax

AGREEMENT = 5e-13
"""Largest difference of u and Γ(c(u)) at which a contact counts as solved, [-]."""

ROUNDS = 100
"""Evaluations of the activity model after which mixing begins anew, more cautiously."""

CAUTION = 0.25
"""Factor of the longest step and of the damping each time it begins anew."""

SETTLED = 1e-7
"""Imbalance of a master before its last step at which that step has solved it."""


class Effort(NamedTuple):
    """How long a contact is worked on before it is given up.

    Attributes:
        newton: Newton steps at given coefficients.
        rounds: Evaluations of the activity model.
        finish: Imbalance from which the last Newton step is taken without looking at it.
    """

    newton: int | Array = MAX_ITERATIONS
    rounds: int | Array = 4 * ROUNDS
    finish: float | Array = TOLERANCE


PATIENT = Effort()
"""Effort that all contacts with an equilibrium need less than, as far as is known."""

HISTORY = 2
"""Differences that are mixed."""

LARGEST_CHANGE = 3.0
"""Largest change of the logarithm of a coefficient in one round."""

WORSE = 2.0
"""Growth of the disagreement at which the history of a contact is dropped."""

RIDGE = 1e-14
"""Regularisation of the mixing, relative to the size of the differences."""


class Coefficients(NamedTuple):
    """Logarithms of activity coefficients and, last, of the activity of water.

    Attributes:
        values: (species + 1, contact), [-].
        solved: The equilibrium at these.
        agreement: Largest difference of the values and those of the model, (contact,), [-].
    """

    values: Array
    solved: Solved
    agreement: Array


def model_coefficients(
    plan: Plan, model: NonIdeality, parameters: Any, log_concentration: Array
) -> Array:
    """Return ln γ of all species and ln a of water, (species + 1, contact), [-]."""
    concentration = jnp.exp(log_concentration)
    aqueous, organic, water = model.log_coefficients(
        concentration[: plan.aqueous_count], concentration[plan.aqueous_count :], parameters
    )
    return jnp.concatenate([aqueous, organic, water[None]])


class _Mixing(NamedTuple):
    """Iterates of every contact; the history is newest first."""

    values: Array
    change: Array
    agreement: Array
    value_steps: Array
    change_steps: Array
    damping: Array
    solved: Solved
    done: Array
    round: Array


class _Contacts(NamedTuple):
    """What does not change from round to round."""

    plan: Plan
    amounts: Amounts
    log_constants: Array
    model: NonIdeality
    parameters: Any
    effort: Effort


def agreed_coefficients(
    plan: Plan,
    amounts: Amounts,
    log_constants: Array,
    model: NonIdeality,
    parameters: Any,
    effort: Effort = PATIENT,
) -> Coefficients:
    """Return coefficients and concentrations that agree, beginning from ideal phases.

    Args:
        plan: Layout of the tableau.
        amounts: What there is.
        log_constants: ln of the constants for [mol/m³], (species, contact).
        model: Activity model.
        parameters: Its numbers.
        effort: How long each contact is worked on.
    """
    contacts = _Contacts(plan, amounts, log_constants, model, parameters, effort)

    def unfinished(state: _Mixing) -> Array:
        return jnp.any(~state.done) & (state.round < effort.rounds)

    def after_one_round(state: _Mixing) -> _Mixing:
        return _after_one_round(contacts, state)

    state = lax.while_loop(unfinished, after_one_round, _beginning(contacts))
    return Coefficients(state.values, state.solved, state.agreement)


def _beginning(contacts: _Contacts) -> _Mixing:
    plan, log_constants = contacts.plan, contacts.log_constants
    values = jnp.zeros((len(log_constants) + 1, log_constants.shape[1]))
    masters = first_guess(plan, contacts.amounts, log_constants)
    activity = jnp.zeros_like(contacts.amounts.totals)
    none, never = jnp.zeros_like(values[0]), jnp.full_like(values[0], jnp.inf)
    hopeless = contacts.amounts.hopeless
    return _Mixing(
        values=values,
        change=values,
        agreement=never,
        value_steps=jnp.zeros((HISTORY, *values.shape)),
        change_steps=jnp.zeros((HISTORY, *values.shape)),
        damping=jnp.ones_like(none),
        solved=Solved(
            log_activity=activity.at[np.array(plan.masters, dtype=np.intp)].set(masters),
            log_concentration=values[:-1],
            converged=hopeless,
            error=never,
            iterations=jnp.zeros(hopeless.shape, dtype=jnp.int32),
        ),
        done=hopeless,
        round=jnp.array(0),
    )


def _after_one_round(contacts: _Contacts, state: _Mixing) -> _Mixing:
    plan, amounts = contacts.plan, contacts.amounts
    anew = state.round % ROUNDS == 0
    caution = CAUTION ** (state.round // ROUNDS)
    values = jnp.where(anew, 0.0, _mixed(state, LARGEST_CHANGE * caution))
    values = jnp.where(state.done, state.values, values)
    places = np.array(plan.masters, dtype=np.intp)
    free = np.array([plan.free[k] for k in plan.masters], dtype=np.intp)
    # What hardly changes with the coefficients is the concentration of the free form.
    start = state.solved.log_activity[places] + (values - state.values)[free]
    start = jnp.where(amounts.held, 0.0, start)
    solved = solve_at(
        plan,
        amounts,
        contacts.log_constants,
        values[:-1],
        values[-1],
        start,
        contacts.effort.newton,
        contacts.effort.finish,
    )
    wanted = model_coefficients(plan, contacts.model, contacts.parameters, solved.log_concentration)
    counts = jnp.concatenate([amounts.exists, ~amounts.hopeless[None]])
    change = jnp.where(counts, wanted - values, 0.0)
    agreement = jnp.max(jnp.abs(change), axis=0)
    worse = ~(agreement <= WORSE * state.agreement)
    damping = jnp.where(worse, 0.5, jnp.minimum(1.0 / state.damping, 1.2)) * state.damping
    settled = (agreement <= AGREEMENT) & (solved.error <= SETTLED)
    return _Mixing(
        values=values,
        change=change,
        agreement=agreement,
        value_steps=_pushed(state.value_steps, values - state.values, worse | anew),
        change_steps=_pushed(state.change_steps, change - state.change, worse | anew),
        damping=jnp.minimum(jnp.where(anew, 1.0, damping), caution),
        solved=solved._replace(iterations=solved.iterations + state.solved.iterations),
        done=state.done | settled,
        round=state.round + 1,
    )


def _mixed(state: _Mixing, limit: Array) -> Array:
    """Return the next coefficients, (species + 1, contact), none changed by more than `limit`."""
    steps = state.change_steps
    products = jnp.sum(steps[:, None] * steps, axis=2)
    size = sum((products[i, i] for i in range(HISTORY)), jnp.full_like(state.agreement, 1e-300))
    matrix = products + RIDGE * np.eye(HISTORY)[:, :, None] * size
    shares = solve_small(matrix, jnp.sum(steps * state.change, axis=1))
    step = state.damping * state.change
    for share, value, change in zip(shares, state.value_steps, steps, strict=True):
        step = step - share * (value + state.damping * change)
    longest = jnp.max(jnp.abs(step), axis=0)
    limited = step * jnp.where(longest > limit, limit / longest, 1.0)
    plain = jnp.clip(state.damping * state.change, -limit, limit)
    return state.values + jnp.where(jnp.isfinite(longest), limited, plain)


def _pushed(steps: Array, newest: Array, dropped: Array) -> Array:
    pushed = jnp.concatenate([newest[None], steps[:-1]])
    return jnp.where(dropped, 0.0, pushed)
