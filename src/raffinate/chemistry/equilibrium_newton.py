"""Newton for the masters of a tableau at given activity coefficients, many contacts at once.

At fixed coefficients the equilibrium minimises the convex Φ(λ) = Σ V_s c_s(λ) - Σ T_j λ_j in the
logarithms λ of the component activities; its gradient is the mass balances. The linear components
are minimised away, which leaves a convex function of the masters. The step is Newton's for
ln(supply/demand) of each master, which is nearly piecewise linear in λ, wherever that step goes
well down in Φ; otherwise it is Newton's for Φ, which always does. A step is accepted when the
slope of Φ along it has not turned up by more than half of what it was, so that neither the value
of Φ, which rounding spoils, nor a good start is needed.

Sources: W. R. Smith, R. W. Missen, Chemical Reaction Equilibrium Analysis (1982), for the dual;
S. Boyd, L. Vandenberghe, Convex Optimization (2004), chapter 9, for the descent.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.equilibrium_plan import Plan
from raffinate.numerics.jax_setup import Array, jnp, lax

TOLERANCE = 1e-13
"""Imbalance of a master relative to what there is of it, at which a contact counts as solved."""

LARGEST_STEP = 30.0
"""Largest change of the logarithm of an activity in one step."""

LEAST_DESCENT = 0.1
"""Slope of Φ along a step for ln(supply/demand), relative to that along Newton's for Φ, below
which the latter is taken."""

LARGEST_EXPONENT = 300.0
"""Largest logarithm of an amount that is looked at: beyond, only that it is too much matters."""

ROUNDED = 1e-12
"""Imbalance that counts as solved when one more step does not better it: rounding is reached."""

BLIND = 0.3
"""Imbalance below which the step that is known when the work ends is taken without a look."""

NEAR = 1e-6
"""Imbalance below which every step is accepted: Newton's is quadratic, and slopes are rounding."""


class Balance(NamedTuple):
    """The masters' balances at some activities.

    Attributes:
        gradient: Supply less demand, (master, contact), [mol per m³ of both phases].
        error: ln(supply/demand), (master, contact), [-].
        log_jacobian: Derivative of `error` by λ, (master, master, contact).
        hessian: Derivative of `gradient` by λ, (master, master, contact).
    """

    gradient: Array
    error: Array
    log_jacobian: Array
    hessian: Array


class Groups(NamedTuple):
    """Species of the linear components, in slots, and the others.

    Attributes:
        slots: ln of constant and volume, (slot, linear, contact).
        pure: The same of the others, (pure, contact).
        slot_coefficients: Of the masters, (slot, linear, master); 0 where there is no species.
        pure_coefficients: (pure, master).
    """

    slots: Array
    pure: Array
    slot_coefficients: NDArray[np.float64]
    pure_coefficients: NDArray[np.float64]


def groups_of(plan: Plan, log_weight: Array) -> Groups:
    """Return the weights, (species, contact), sorted into slots."""
    padded = jnp.concatenate([log_weight, jnp.full_like(log_weight[:1], -jnp.inf)])
    matrix = np.vstack([plan.stoichiometry, np.zeros((1, plan.stoichiometry.shape[1]))])
    matrix = matrix[:, list(plan.masters)]
    return Groups(padded[plan.slots], log_weight[plan.pure], matrix[plan.slots], matrix[plan.pure])


def _amount(log_weight: Array, coefficients: NDArray[np.float64], masters: Array) -> Array:
    exponent = log_weight
    for j in range(len(masters)):
        if coefficients[..., j].any():
            exponent = exponent + coefficients[..., j, None] * masters[j]
    return jnp.exp(jnp.minimum(exponent, LARGEST_EXPONENT))


def amounts_of(groups: Groups, held: Array, masters: Array) -> tuple[Array, Array, Array]:
    """Return the amounts of the species and the scale of the linear components.

    Args:
        groups: Weights of the species.
        held: Totals of the linear components, (linear, contact), [mol per m³ of both phases].
        masters: Logarithms of their activities, (master, contact).

    Returns:
        Amounts in slots, (slot, linear, contact), and of the others, (pure, contact), [mol per m³
        of both phases]; amount over weight, (linear, contact).
    """
    found = _amount(groups.slots, groups.slot_coefficients, masters)
    weight = jnp.sum(found, axis=0)
    scale = jnp.where(weight > 0.0, held / weight, 0.0)
    return found * scale, _amount(groups.pure, groups.pure_coefficients, masters), scale


def balance_of(plan: Plan, groups: Groups, totals: Array, masters: Array, held: Array) -> Balance:
    """Return the balances of the masters.

    Args:
        plan: Layout of the tableau.
        groups: Weights of the species.
        totals: (component, contact), [mol per m³ of both phases].
        masters: Logarithms of their activities, (master, contact).
        held: Whether a master is absent and not solved for, (master, contact).
    """
    count, contacts = masters.shape
    linear = totals[np.array(plan.linear, dtype=np.intp)]
    slots, pure, _ = amounts_of(groups, linear, masters)
    signed = np.flatnonzero(plan.signed)
    # Sides: what supplies each master, then what takes it up where something does.
    in_slots, in_pure = (
        np.concatenate([np.maximum(c, 0.0), np.maximum(-c[..., signed], 0.0)], axis=-1)
        for c in (groups.slot_coefficients, groups.pure_coefficients)
    )
    by_linear = jnp.zeros((in_slots.shape[-1], *linear.shape))
    for part, amount in zip(in_slots, slots, strict=True):
        by_linear = by_linear + part.T[..., None] * amount
    inverse = jnp.where(linear > 0.0, 1.0 / jnp.where(linear > 0.0, linear, 1.0), 0.0)
    mean = (by_linear[:count] - _spread(by_linear[count:], signed, count)) * inverse
    sides = jnp.sum(by_linear, axis=1) + jnp.tensordot(in_pure.T, pure, 1)
    slopes = _second(in_slots, groups.slot_coefficients, slots.reshape(-1, contacts))
    slopes = slopes + _second(in_pure, groups.pure_coefficients, pure)
    slopes = slopes - jnp.sum(by_linear[:, None] * mean, axis=2)
    given = totals[np.array(plan.masters, dtype=np.intp)]
    supply = sides[:count] + jnp.maximum(-given, 0.0)
    demand = jnp.maximum(given, 0.0) + _spread(sides[count:], signed, count)
    supply = jnp.where(held, 1.0, jnp.maximum(supply, 1e-290))
    demand = jnp.where(held, 1.0, jnp.maximum(demand, 1e-290))
    rise, fall = slopes[:count], _spread(slopes[count:], signed, count)
    alone = jnp.asarray(np.eye(count)[:, :, None])
    idle = held[:, None]
    return Balance(
        gradient=supply - demand,
        error=jnp.log(supply / demand),
        log_jacobian=jnp.where(idle, alone, rise / supply[:, None] - fall / demand[:, None]),
        hessian=jnp.where(idle, alone, rise - fall),
    )


def _spread(rows: Array, places: NDArray[np.intp], count: int) -> Array:
    """Return rows at their places among `count`, zeros elsewhere."""
    order = np.full(count, len(places), dtype=np.intp)
    order[places] = np.arange(len(places))
    return jnp.concatenate([rows, jnp.zeros((1, *rows.shape[1:]))])[order]


def _second(sides: NDArray[np.float64], coefficients: NDArray[np.float64], amounts: Array) -> Array:
    """Return Σ side·coefficient·amount over species, (side, master, contact)."""
    product = sides[..., :, None] * coefficients[..., None, :]
    matrix = product.reshape(-1, sides.shape[-1] * coefficients.shape[-1]).T
    found: Array = jnp.tensordot(matrix, amounts, 1)
    return found.reshape(sides.shape[-1], coefficients.shape[-1], -1)


def solve_small(matrix: Array, right: Array) -> Array:
    """Return x of small systems, one for each contact, by elimination with pivots.

    Args:
        matrix: (row, column, ...).
        right: (row, ...).
    """
    count = len(right)
    rows = [jnp.concatenate([matrix[k], right[k][None]]) for k in range(count)]
    for k in range(count):
        for other in range(k + 1, count):
            swap = jnp.abs(rows[other][k]) > jnp.abs(rows[k][k])
            rows[k], rows[other] = (
                jnp.where(swap, rows[other], rows[k]),
                jnp.where(swap, rows[k], rows[other]),
            )
        pivot = rows[k][k]
        rows[k] = rows[k] / jnp.where(pivot == 0.0, 1e-290, pivot)
        for other in range(count):
            if other != k:
                rows[other] = rows[other] - rows[other][k] * rows[k]
    return jnp.stack([row[count] for row in rows])


class _State(NamedTuple):
    """Where a contact stands, what step it tries, and how it fared."""

    masters: Array
    direction: Array
    length: Array
    slope: Array
    error: Array
    done: Array
    iterations: Array
    steps: Array


def _direction(balance: Balance) -> tuple[Array, Array]:
    """Return a direction that goes down and the slope along it, (contact,)."""
    matrix = jnp.stack([balance.log_jacobian, balance.hessian], axis=2)
    right = jnp.stack([balance.error, balance.gradient], axis=1)
    step = -solve_small(matrix, right)
    longest = jnp.max(jnp.abs(step), axis=0)
    factor = jnp.where(longest > LARGEST_STEP, LARGEST_STEP / longest, 1.0)
    step = jnp.where(jnp.isfinite(longest), factor * step, 0.0)
    slope = jnp.sum(step * balance.gradient[:, None], axis=0)
    # Across the valley of Φ, the first would go down for ever and get nowhere.
    down = slope[0] < LEAST_DESCENT * slope[1]
    return jnp.where(down, step[:, 0], step[:, 1]), jnp.where(down, slope[0], slope[1])


def _after_one_step(
    plan: Plan, groups: Groups, totals: Array, held: Array, finish: float | Array, state: _State
) -> _State:
    trial = state.masters + state.length * state.direction
    balance = balance_of(plan, groups, totals, trial, held)
    error = jnp.max(jnp.abs(balance.error), axis=0)
    slope = jnp.sum(balance.gradient * state.direction, axis=0)
    down = slope <= 0.5 * jnp.abs(state.slope)
    taken = (down | (error <= NEAR)) & ~state.done
    solved = (error <= finish) | ((error <= ROUNDED) & (state.error <= ROUNDED))
    direction, new_slope = _direction(balance)
    back = jnp.abs(state.slope) / (jnp.abs(state.slope) + jnp.maximum(slope, 0.0))
    shorter = state.length * jnp.clip(jnp.nan_to_num(back), 0.1, 0.6)
    return _State(
        masters=jnp.where(taken, trial, state.masters),
        direction=jnp.where(taken, direction, state.direction),
        length=jnp.where(taken, 1.0, shorter),
        slope=jnp.where(taken, new_slope, state.slope),
        error=jnp.where(taken, error, state.error),
        done=state.done | (taken & solved),
        iterations=state.iterations + (~state.done & (state.steps > 0)),
        steps=state.steps + 1,
    )


class Masters(NamedTuple):
    """What the balances of the masters give.

    Attributes:
        log_activity: ln of the masters' activities, (master, contact).
        scale: Amount over weight of the linear components, (linear, contact).
        converged: (contact,).
        error: Largest |ln(supply/demand)| at the last look, (contact,).
        iterations: (contact,).
    """

    log_activity: Array
    scale: Array
    converged: Array
    error: Array
    iterations: Array


def solve_masters(
    plan: Plan,
    log_weight: Array,
    totals: Array,
    start: Array,
    held: Array,
    hopeless: Array,
    max_iterations: int | Array,
    finish: float | Array,
) -> Masters:
    """Solve the balances of the masters.

    Args:
        plan: Layout of the tableau.
        log_weight: ln of constant, coefficients and volume, (species, contact); -inf where a
            species cannot exist.
        totals: (component, contact), [mol per m³ of both phases].
        start: Where to begin, logarithms of activities, (master, contact).
        held: Masters that are absent, (master, contact).
        hopeless: Contacts that have no equilibrium, (contact,); not worked on.
        max_iterations: Steps after which a contact is given up.
        finish: Imbalance from which the last step is taken unseen: Newton's is quadratic.
    """
    groups = groups_of(plan, log_weight)
    linear = totals[np.array(plan.linear, dtype=np.intp)]
    if not plan.masters:
        scale = amounts_of(groups, linear, start)[2]
        none = jnp.zeros_like(totals[0])
        return Masters(start, scale, ~hopeless, none, jnp.zeros_like(hopeless, dtype=jnp.int32))

    def unfinished(state: _State) -> Array:
        return jnp.any(~state.done) & (state.steps < max_iterations)

    # The start is looked at as a step of no length, so that the loop alone is compiled.
    state = _State(
        masters=start,
        direction=jnp.zeros_like(start),
        length=jnp.ones_like(totals[0]),
        slope=jnp.full_like(totals[0], -jnp.inf),
        error=jnp.full_like(totals[0], jnp.inf),
        done=hopeless,
        iterations=jnp.zeros(hopeless.shape, dtype=jnp.int32),
        steps=jnp.array(0),
    )
    after = partial(_after_one_step, plan, groups, totals, held, finish)
    state = lax.while_loop(unfinished, after, state)
    unseen = (state.error > TOLERANCE) & (state.error <= BLIND)
    masters = state.masters + jnp.where(unseen, state.direction, 0.0)
    scale = amounts_of(groups, linear, masters)[2]
    return Masters(masters, scale, state.done & ~hopeless, state.error, state.iterations)
