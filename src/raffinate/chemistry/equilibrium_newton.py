"""Newton for the masters of a tableau at given activity coefficients, many contacts at once.

At fixed coefficients the equilibrium minimises the convex Φ(λ) = Σ V_s c_s(λ) - Σ T_j λ_j in the
logarithms λ of the component activities; its gradient is the mass balances. The linear components
are minimised away, which leaves a convex function of the masters. The step is Newton's for
ln(supply/demand) of each master, which is nearly piecewise linear in λ, wherever that step goes
down in Φ; otherwise it is Newton's for Φ, which always does. A step is accepted when the slope of
Φ along it has not turned up by more than half of what it was, so that neither the value of Φ, which
rounding spoils, nor a good start is needed.

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

LARGEST_EXPONENT = 300.0
"""Largest logarithm of an amount that is looked at: beyond, only that it is too much matters."""

ROUNDED = 1e-12
"""Imbalance that counts as solved when one more step does not better it: rounding is reached."""

NEAR = 1e-6
"""Imbalance below which every step is accepted: Newton's is quadratic, and slopes are rounding."""


class Balance(NamedTuple):
    """The masters' balances at some activities.

    Attributes:
        gradient: Supply less demand, (master, contact), [mol per m³ of both phases].
        error: ln(supply/demand), (master, contact), [-].
        log_jacobian: Derivative of `error` by λ, nested rows of (contact,).
        hessian: Derivative of `gradient` by λ, nested rows of (contact,).
        scale: Of each linear component, amount over weight, (linear, contact).
    """

    gradient: Array
    error: Array
    log_jacobian: list[list[Array]]
    hessian: list[list[Array]]
    scale: Array


def _columns(plan: Plan, places: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the masters' coefficients of some species, (species, master); 0 for no species."""
    padded = np.vstack([plan.stoichiometry, np.zeros((1, plan.stoichiometry.shape[1]))])
    return padded[places][:, list(plan.masters)]


def _weighted(coefficients: NDArray[np.float64], amounts: Array) -> Array | None:
    """Return Σ coefficient·amount over species, (contact,); None where all are zero."""
    if not coefficients.any():
        return None
    if (coefficients == 1.0).all():
        return jnp.sum(amounts, axis=0)
    return jnp.sum(coefficients[:, None] * amounts, axis=0)


def _add(left: Array | None, right: Array | None) -> Array | None:
    if left is None or right is None:
        return right if left is None else left
    return left + right


class _Groups(NamedTuple):
    """Species of the linear components and the others, with the masters' coefficients.

    Attributes:
        log_weight: ln of constant and volume: one (linear, contact) per slot, then (pure, contact).
        coefficients: (species, master) of each.
    """

    log_weight: list[Array]
    coefficients: list[NDArray[np.float64]]


def groups_of(plan: Plan, log_weight: Array) -> _Groups:
    """Return the weights, (species, contact), sorted into slots."""
    padded = jnp.concatenate([log_weight, jnp.full_like(log_weight[:1], -jnp.inf)])
    places = [*plan.slots, plan.pure]
    return _Groups([padded[p] for p in places], [_columns(plan, p) for p in places])


def amounts_of(
    plan: Plan, groups: _Groups, totals: Array, masters: Array
) -> tuple[list[Array], Array]:
    """Return the amounts of the species by group and the scale of the linear components.

    Args:
        plan: Layout of the tableau.
        groups: Weights of the species.
        totals: (component, contact), [mol per m³ of both phases].
        masters: Logarithms of their activities, (master, contact).
    """
    found = []
    for log_weight, coefficients in zip(groups.log_weight, groups.coefficients, strict=True):
        exponent = log_weight
        for j, column in enumerate(coefficients.T):
            if column.any():
                exponent = exponent + column[:, None] * masters[j]
        found.append(jnp.exp(jnp.minimum(exponent, LARGEST_EXPONENT)))
    weight = sum(found[:-1], jnp.zeros_like(totals[np.array(plan.linear, dtype=np.intp)]))
    scale = jnp.where(weight > 0.0, totals[np.array(plan.linear, dtype=np.intp)] / weight, 0.0)
    return [*(w * scale for w in found[:-1]), found[-1]], scale


def balance_of(plan: Plan, groups: _Groups, totals: Array, masters: Array, held: Array) -> Balance:
    """Return the balances of the masters.

    Args:
        plan: Layout of the tableau.
        groups: Weights of the species.
        totals: (component, contact), [mol per m³ of both phases].
        masters: Logarithms of their activities, (master, contact).
        held: Whether a master is absent and not solved for, (master, contact).
    """
    amounts, scale = amounts_of(plan, groups, totals, masters)
    count = len(plan.masters)
    signed = [(j, sign) for j in range(count) for sign in ((1, -1) if plan.signed[j] else (1,))]
    means = _means(plan, groups, amounts, totals)
    zero = jnp.zeros_like(totals[0])
    side, slope = {}, {}
    for j, sign in signed:
        total: Array | None = None
        first: list[Array | None] = [None] * count
        for index, (amount, matrix) in enumerate(zip(amounts, groups.coefficients, strict=True)):
            part = np.maximum(sign * matrix[:, j], 0.0)
            if not part.any():
                continue
            total = _add(total, _weighted(part, amount))
            for k in range(count):
                spread = _weighted(part * matrix[:, k], amount)
                if index < len(plan.slots) and means[k] is not None:
                    shift = -jnp.sum(part[:, None] * amount * means[k], axis=0)
                    spread = _add(spread, shift)
                first[k] = _add(first[k], spread)
        side[j, sign] = zero if total is None else total
        slope[j, sign] = [zero if f is None else f for f in first]
    return _assembled(plan, totals, held, side, slope, scale)


def _means(plan: Plan, groups: _Groups, amounts: list[Array], totals: Array) -> list[Array | None]:
    """Return the mean coefficient of each master in each linear component, (linear, contact)."""
    held = totals[np.array(plan.linear, dtype=np.intp)]
    inverse = jnp.where(held > 0.0, 1.0 / jnp.where(held > 0.0, held, 1.0), 0.0)
    means: list[Array | None] = []
    for k in range(len(plan.masters)):
        total: Array | None = None
        for amount, matrix in zip(amounts[:-1], groups.coefficients[:-1], strict=True):
            if matrix[:, k].any():
                total = _add(total, amount * matrix[:, k][:, None])
        means.append(None if total is None else total * inverse)
    return means


def _assembled(
    plan: Plan,
    totals: Array,
    held: Array,
    side: dict[tuple[int, int], Array],
    slope: dict[tuple[int, int], list[Array]],
    scale: Array,
) -> Balance:
    gradient, error, jacobian, hessian = [], [], [], []
    for j, place in enumerate(plan.masters):
        total, absent = totals[place], held[j]
        supply = side[j, 1] + jnp.maximum(-total, 0.0)
        demand = jnp.maximum(total, 0.0)
        rise = slope[j, 1]
        fall = [jnp.zeros_like(total)] * len(rise)
        if plan.signed[j]:
            demand, fall = demand + side[j, -1], slope[j, -1]
        supply = jnp.where(absent, 1.0, jnp.maximum(supply, 1e-290))
        demand = jnp.where(absent, 1.0, jnp.maximum(demand, 1e-290))
        gradient.append(supply - demand)
        error.append(jnp.log(supply / demand))
        own = [jnp.where(absent, float(k == j), 0.0) for k in range(len(rise))]
        jacobian.append(
            [
                jnp.where(absent, o, r / supply - f / demand)
                for o, r, f in zip(own, rise, fall, strict=True)
            ]
        )
        hessian.append(
            [jnp.where(absent, o, r - f) for o, r, f in zip(own, rise, fall, strict=True)]
        )
    return Balance(jnp.stack(gradient), jnp.stack(error), jacobian, hessian, scale)


def solve_small(matrix: list[list[Array]], right: list[Array]) -> list[Array]:
    """Return x of a small system whose entries are arrays over contacts, by pivoted elimination."""
    count = len(right)
    rows = [[*row, r] for row, r in zip(matrix, right, strict=True)]
    for k in range(count):
        for other in range(k + 1, count):
            swap = jnp.abs(rows[other][k]) > jnp.abs(rows[k][k])
            pair = list(zip(rows[k], rows[other], strict=True))
            rows[k] = [jnp.where(swap, b, a) for a, b in pair]
            rows[other] = [jnp.where(swap, a, b) for a, b in pair]
        pivot = jnp.where(rows[k][k] == 0.0, 1e-290, rows[k][k])
        rows[k] = [jnp.ones_like(pivot) if i == k else v / pivot for i, v in enumerate(rows[k])]
        for other in range(k + 1, count):
            factor = rows[other][k]
            rows[other] = [b - factor * a for a, b in zip(rows[k], rows[other], strict=True)]
    found: list[Array] = [jnp.zeros_like(right[0])] * count
    for k in reversed(range(count)):
        value = rows[k][count]
        for i in range(k + 1, count):
            value = value - rows[k][i] * found[i]
        found[k] = value
    return found


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
    quick = jnp.stack(solve_small(balance.log_jacobian, list(-balance.error)))
    safe = _bounded(jnp.stack(solve_small(balance.hessian, list(-balance.gradient))))
    quick = _bounded(quick)
    down = jnp.sum(quick * balance.gradient, axis=0)
    direction = jnp.where(down < 0.0, quick, safe)
    return direction, jnp.sum(direction * balance.gradient, axis=0)


def _after_one_step(
    plan: Plan, groups: _Groups, totals: Array, held: Array, state: _State
) -> _State:
    trial = state.masters + state.length * state.direction
    balance = balance_of(plan, groups, totals, trial, held)
    error = jnp.max(jnp.abs(balance.error), axis=0)
    slope = jnp.sum(balance.gradient * state.direction, axis=0)
    down = slope <= 0.5 * jnp.abs(state.slope)
    taken = (down | (error <= NEAR)) & ~state.done
    solved = (error <= TOLERANCE) | ((error <= ROUNDED) & (state.error <= ROUNDED))
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


def _bounded(step: Array) -> Array:
    longest = jnp.max(jnp.abs(step), axis=0)
    finite = jnp.isfinite(longest)
    factor = jnp.where(longest > LARGEST_STEP, LARGEST_STEP / longest, 1.0)
    return jnp.where(finite, factor * step, 0.0)


def solve_masters(
    plan: Plan,
    log_weight: Array,
    totals: Array,
    start: Array,
    held: Array,
    hopeless: Array,
    max_iterations: int,
) -> tuple[Array, Array, Array, Array]:
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

    Returns:
        The masters, (master, contact); the linear components' scale, (linear, contact); whether
        each contact converged; and its iterations.
    """
    groups = groups_of(plan, log_weight)
    if not plan.masters:
        _, scale = amounts_of(plan, groups, totals, start)
        return start, scale, ~hopeless, jnp.zeros_like(hopeless, dtype=jnp.int32)

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
    state = lax.while_loop(unfinished, partial(_after_one_step, plan, groups, totals, held), state)
    _, scale = amounts_of(plan, groups, totals, state.masters)
    return state.masters, scale, state.done & ~hopeless, state.iterations
