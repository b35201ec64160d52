"""First guess of proton and extractant where an acid extractant exchanges them one for one.

With the activities of all other masters as if these were free, what the organic binds, B, is a
rising function of the ratio f/h of extractant and proton alone. Their balances, f V_o = T_E - B and
h V_a = T_H + B, then leave one equation in x = ln(f/h),

    ln(r(T_H⁺ + B) + B) = ln(T_E + r T_H⁻),   r = (V_o/V_a) eˣ,

with T_H⁺ and T_H⁻ the positive and the negative part of T_H. It is nearly piecewise linear in x, so
that a few of Newton's steps, kept between bounds, come close.
"""

from __future__ import annotations

import numpy as np

from raffinate.chemistry.equilibrium_newton import groups_of
from raffinate.chemistry.equilibrium_plan import Plan
from raffinate.numerics.jax_setup import Array, jnp, lax

STEPS = 4
"""Newton steps; more do not pay, because the full balances differ a little."""

WIDEST = 60.0
"""Largest |ln(f/h)| looked for."""

LONGEST = 8.0
"""Largest change of it in one step."""

LARGEST = 200.0
"""Largest logarithm of bound over unbound of a component."""


def exchanged(plan: Plan, log_weight: Array, totals: Array, volume: Array, start: Array) -> Array:
    """Return the masters with proton and extractant as exchange leaves them, (master, contact).

    Args:
        plan: Layout of the tableau, with an `exchange`.
        log_weight: ln of constant and volume, (species, contact).
        totals: (component, contact), [mol per m³ of both phases].
        volume: (2, contact), [-].
        start: Masters, (master, contact).
    """
    if plan.exchange is None:
        return start
    proton, extractant = plan.exchange
    units, bound, held = _bound(plan, log_weight, totals, start)
    acid, reagent = totals[plan.masters[proton]], totals[plan.masters[extractant]]
    aqueous, organic = (jnp.where(v > 0.0, v, 1.0) for v in volume)
    surplus, deficit = jnp.maximum(acid, 0.0), jnp.maximum(-acid, 0.0)

    def taken(x: Array) -> tuple[Array, Array]:
        """Return B and its derivative by x."""
        shares = [
            jnp.exp(jnp.minimum(b + u * x, LARGEST)) for b, u in zip(bound, units, strict=True)
        ]
        none = jnp.ones_like(held)
        whole = sum(shares, none)
        first = sum((u * s for u, s in zip(units, shares, strict=True)), 0.0 * none) / whole
        second = sum((u * u * s for u, s in zip(units, shares, strict=True)), 0.0 * none) / whole
        return jnp.sum(held * first, axis=0), jnp.sum(held * (second - first * first), axis=0)

    def improve(_: int, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        x, low, high = state
        b, slope = taken(x)
        ratio = organic / aqueous * jnp.exp(x)
        supply = jnp.maximum(ratio * (surplus + b) + b, 1e-290)
        demand = jnp.maximum(reagent + ratio * deficit, 1e-290)
        error = jnp.log(supply / demand)
        rise = (ratio * (surplus + b + slope) + slope) / supply - ratio * deficit / demand
        low, high = jnp.where(error < 0.0, x, low), jnp.where(error < 0.0, high, x)
        step = jnp.clip(-error / jnp.maximum(rise, 1e-6), -LONGEST, LONGEST)
        there = x + step
        inside = (there > low) & (there < high)
        return jnp.where(inside, there, 0.5 * (low + high)), low, high

    first = start[extractant] - start[proton]
    edge = jnp.full_like(first, WIDEST)
    x, _, _ = lax.fori_loop(0, STEPS, improve, (jnp.clip(first, -20.0, 20.0), -edge, edge))
    b, _ = taken(x)
    # Of the two balances the one that loses fewer digits gives both.
    left, free = acid + b, reagent - b
    by_acid = left * (reagent + b) > free * (jnp.abs(acid) + b)
    h = jnp.where(by_acid, left / aqueous, free / organic * jnp.exp(-x))
    log_h = jnp.log(jnp.where(h > 0.0, h, 1.0))
    good = (h > 0.0) & (reagent > 0.0)
    start = start.at[proton].set(jnp.where(good, log_h, start[proton]))
    return start.at[extractant].set(jnp.where(good, log_h + x, start[extractant]))


def _bound(
    plan: Plan, log_weight: Array, totals: Array, start: Array
) -> tuple[list[Array], list[Array], Array]:
    """Return how the linear components are bound.

    Returns:
        Extractant units of each slot, (linear, 1); ln of what is bound in the slot over what is
        not bound at all, at f = h, (linear, contact); totals, (linear, contact).
    """
    proton, extractant = plan.exchange or (0, 0)
    groups = groups_of(plan, log_weight)
    units = groups.slot_coefficients[..., extractant]
    others = groups.slot_coefficients.copy()
    others[units > 0.0, proton] = 0.0
    others[..., extractant] = 0.0
    logs = groups.slots + jnp.sum(others[..., None] * start, axis=2)
    loose = jnp.where((units > 0.0)[..., None], -jnp.inf, logs)
    largest = jnp.maximum(jnp.max(loose, axis=0), -1e3)
    unbound = largest + jnp.log(jnp.sum(jnp.exp(loose - largest), axis=0) + 1e-300)
    used = [d for d in range(len(units)) if units[d].any()]
    bound = [jnp.where((units[d] > 0.0)[:, None], logs[d] - unbound, -jnp.inf) for d in used]
    return (
        [jnp.asarray(units[d][:, None]) for d in used],
        bound,
        totals[np.array(plan.linear, dtype=np.intp)],
    )
