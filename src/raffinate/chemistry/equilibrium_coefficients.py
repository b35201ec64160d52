"""Activity coefficients that agree with the concentrations they follow from.

With u the coefficients, the balances give c(u) and the activity model gives Γ(c): wanted is
u = Γ(c(u)). Anderson's mixing of the last few iterates finds it, contact by contact; where an
iterate is worse than the one before, its history is dropped and the step is shortened.

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
from raffinate.chemistry.equilibrium_newton import solve_small
from raffinate.chemistry.equilibrium_plan import Plan
from raffinate.chemistry.nonideality import NonIdeality
from raffinate.numerics.jax_setup import Array, jnp, lax

AGREEMENT = 5e-13
"""Largest difference of u and Γ(c(u)) at which a contact counts as solved, [-]."""

ROUNDS = 100
"""Evaluations of the activity model after which a contact is given up."""


class Effort(NamedTuple):
    """How long a contact is worked on before it is given up.

    Attributes:
        newton: Newton steps at given coefficients.
        rounds: Evaluations of the activity model.
    """

    newton: int = MAX_ITERATIONS
    rounds: int = ROUNDS


PATIENT = Effort()
"""Effort that all contacts with an equilibrium need less than, as far as is known."""

HISTORY = 4
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


def _mixed(state: _Mixing) -> Array:
    """Return the next coefficients, (species + 1, contact)."""
    depth = state.change_steps.shape[0]
    products = [
        [jnp.sum(state.change_steps[i] * state.change_steps[j], axis=0) for j in range(depth)]
        for i in range(depth)
    ]
    size = sum((products[i][i] for i in range(depth)), jnp.full_like(state.agreement, 1e-300))
    matrix = [
        [p + RIDGE * size if i == j else p for j, p in enumerate(row)]
        for i, row in enumerate(products)
    ]
    right = [jnp.sum(step * state.change, axis=0) for step in state.change_steps]
    shares = solve_small(matrix, right)
    step = state.damping * state.change
    for share, value, change in zip(shares, state.value_steps, state.change_steps, strict=True):
        step = step - share * (value + state.damping * change)
    longest = jnp.max(jnp.abs(step), axis=0)
    limited = step * jnp.where(longest > LARGEST_CHANGE, LARGEST_CHANGE / longest, 1.0)
    plain = jnp.clip(state.damping * state.change, -LARGEST_CHANGE, LARGEST_CHANGE)
    return state.values + jnp.where(jnp.isfinite(longest), limited, plain)


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
    counts = jnp.concatenate([amounts.exists, ~amounts.hopeless[None]])

    free = np.array([plan.free[k] for k in plan.masters], dtype=np.intp)

    def solve(values: Array, start: Array) -> tuple[Solved, Array]:
        solved = solve_at(
            plan, amounts, log_constants, values[:-1], values[-1], start, effort.newton
        )
        wanted = model_coefficients(plan, model, parameters, solved.log_concentration)
        return solved, jnp.where(counts, wanted - values, 0.0)

    def advance(state: _Mixing) -> _Mixing:
        values = jnp.where(state.done, state.values, _mixed(state))
        masters = state.solved.log_activity[np.array(plan.masters, dtype=np.intp)]
        # What hardly changes with the coefficients is the concentration of the free form.
        masters = masters + (values - state.values)[free]
        solved, change = solve(values, jnp.where(amounts.held, 0.0, masters))
        agreement = jnp.max(jnp.abs(change), axis=0)
        worse = ~(agreement <= WORSE * state.agreement)
        value_steps = _pushed(state.value_steps, values - state.values, worse)
        change_steps = _pushed(state.change_steps, change - state.change, worse)
        solved = solved._replace(iterations=solved.iterations + state.solved.iterations)
        return _Mixing(
            values=values,
            change=change,
            agreement=agreement,
            value_steps=value_steps,
            change_steps=change_steps,
            damping=jnp.where(worse, 0.5 * state.damping, jnp.minimum(1.0, 1.2 * state.damping)),
            solved=solved,
            done=state.done | (agreement <= AGREEMENT),
            round=state.round + 1,
        )

    def unfinished(state: _Mixing) -> Array:
        return jnp.any(~state.done) & (state.round < effort.rounds)

    values = jnp.zeros((len(log_constants) + 1, log_constants.shape[1]))
    solved, change = solve(values, first_guess(plan, amounts))
    none = jnp.zeros((HISTORY, *values.shape))
    agreement = jnp.max(jnp.abs(change), axis=0)
    state = _Mixing(
        values=values,
        change=change,
        agreement=agreement,
        value_steps=none,
        change_steps=none,
        damping=jnp.ones_like(agreement),
        solved=solved,
        done=(agreement <= AGREEMENT) | amounts.hopeless,
        round=jnp.array(1),
    )
    state = lax.while_loop(unfinished, advance, state)
    return Coefficients(state.values, state.solved, state.agreement)


def _pushed(steps: Array, newest: Array, dropped: Array) -> Array:
    pushed = jnp.concatenate([newest[None], steps[:-1]])
    return jnp.where(dropped, 0.0, pushed)
