"""Steady states of one bank told apart, and whether the bank stays in them.

A closed organic loop answers for itself: what the strip leaves comes back to the extraction. More
than one state can then satisfy all balances at the same flows, and a bank rests only in those from
which small disturbances die away.

A disturbance of what the vessels hold, carried through one implicit step of the dynamic equations
of rate r, is multiplied by r/(r - λ) for each of their eigenvalues λ. At a small r the λ nearest
to zero outgrows the others when the step is repeated: inverse iteration on the dynamic Jacobian,
with the block elimination of the steady solve.

Source: G. H. Golub, C. F. Van Loan, Matrix Computations, 4th ed. (2013), 7.6.1 (inverse iteration).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from raffinate.cascade.bank import Inventory, Unknowns
from raffinate.cascade.equations import Problem, blank_inventory, inventory, residual
from raffinate.cascade.jacobian import factorise_newton
from raffinate.cascade.steady import SteadyResult
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.numerics.block_tridiagonal import solve_bordered
from raffinate.numerics.jax_setup import Array, jax, jnp, lax

RATE = 1e-8
"""r of the implicit step, [1/s]: a step of three years, longer than any bank takes to settle."""

POWER_ITERATIONS = 400
"""Steps after which an eigenvalue that has not settled is not told."""

DISTINCT = 1e-4
"""Least difference of an organic loading, against the extractant, of two states, [-]."""

SETTLED = 1e-6
"""Relative change of the multiplier in a step at which it counts as settled, [-]."""


class _Power(NamedTuple):
    """State of the iteration: a disturbance of length one and what a step multiplied it by."""

    held: Inventory
    multiplier: Array
    change: Array
    iteration: Array


def apart(one: Unknowns, other: Unknowns, problem: Problem) -> float:
    """Return how far two states are from each other, against the extractant, [-].

    It is the largest difference of the organic's loading, barren organic included: traces, which
    may differ by decades between states that nobody could tell apart, do not count.

    Args:
        one: A state.
        other: Another of the same bank.
        problem: The bank.
    """
    carried = np.asarray(one.border).shape[0] + 1
    active = np.asarray(problem.vessels.active)
    loading = [np.asarray(state.stage)[active][:, -carried - 1 : -1] for state in (one, other)]
    barren = [np.asarray(state.border) for state in (one, other)]
    return float(
        max(np.abs(loading[0] - loading[1]).max(), np.abs(barren[0] - barren[1]).max(initial=0.0))
    )


def distinct(
    problem: Problem, results: Sequence[SteadyResult], tolerance: float
) -> tuple[tuple[int, ...], ...]:
    """Return which results are one and the same state, as groups of their places.

    Args:
        problem: The bank.
        results: Outcomes of several solves of it.
        tolerance: Largest relative residual at which one counts as solved, [-]; others are in no
            group.
    """
    groups: list[list[int]] = []
    for place, result in enumerate(results):
        if not float(result.norm) <= tolerance:
            continue
        for group in groups:
            if apart(results[group[0]].unknowns, result.unknowns, problem) <= DISTINCT:
                group.append(place)
                break
        else:
            groups.append([place])
    return tuple(map(tuple, groups))


@partial(jax.jit, static_argnums=0)
def leading_rate(chemistry: StageChemistry, problem: Problem, unknowns: Unknowns) -> Array:
    """Return the eigenvalue of the dynamic equations that is nearest to zero, [1/s].

    Negative: a small disturbance dies away at that rate, the slowest of all. Positive: it grows.
    Not a number if the iteration did not settle, as where it belongs to an oscillation.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the bank; volumes and flows stay as they are, settlers are mixed.
        unknowns: A steady state.
    """
    rate = jnp.array(RATE)
    rest = inventory(chemistry, problem, unknowns, blank_inventory(chemistry, problem), 0.0 * rate)
    matrix = factorise_newton(chemistry, problem, unknowns, rest, rate)

    def stepped(held: Inventory) -> Inventory:
        _, given_by = jax.jvp(
            lambda base: residual(chemistry, problem, unknowns, base, rate), (rest,), (held,)
        )
        moved = Unknowns(*solve_bordered(matrix, -given_by.stage, -given_by.border))
        _, found = jax.jvp(
            lambda at, base: inventory(chemistry, problem, at, base, rate),
            (unknowns, rest),
            (moved, held),
        )
        return _of_active(found, problem)

    def iterated(now: _Power) -> _Power:
        found = stepped(now.held)
        multiplier = _product(found, now.held)
        return _Power(
            held=_of_length_one(found),
            multiplier=multiplier,
            change=jnp.abs(multiplier - now.multiplier) / jnp.abs(multiplier),
            iteration=now.iteration + 1,
        )

    def unfinished(now: _Power) -> Array:
        return (now.change > SETTLED) & (now.iteration < POWER_ITERATIONS)

    begin = _of_length_one(_of_active(rest, problem))
    end = lax.while_loop(
        unfinished, iterated, _Power(begin, jnp.array(1.0), jnp.array(jnp.inf), jnp.array(0))
    )
    eigenvalue = rate * (1.0 - 1.0 / end.multiplier)
    return jnp.where(end.change <= SETTLED, eigenvalue, jnp.nan)


def _of_active(held: Inventory, problem: Problem) -> Inventory:
    """Return a disturbance without what it would put into padding."""
    active = problem.vessels.active[:, None]
    return held._replace(
        mixer=jnp.where(active, held.mixer, 0.0),
        mixer_organic=jnp.where(active, held.mixer_organic, 0.0),
        settler_aqueous=jnp.where(active, held.settler_aqueous, 0.0),
        settler_organic=jnp.where(active, held.settler_organic, 0.0),
    )


def _product(one: Inventory, other: Inventory) -> Array:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return jnp.stack([jnp.vdot(a, b) for a, b in pairs]).sum()


def _of_length_one(held: Inventory) -> Inventory:
    length = jnp.sqrt(_product(held, held))
    scaled: Inventory = jax.tree.map(lambda value: value / length, held)
    return scaled
