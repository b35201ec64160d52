"""Steady state of a bank from nothing: pseudo-transient continuation, then Newton.

Each iteration is one implicit step in a time that grows as the residual falls; the vessels' own
holdups set the scale. At the end the step is infinite and the iteration is Newton's.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from raffinate.cascade.bank import Inventory, Unknowns
from raffinate.cascade.equations import Problem, factorise_newton, inventory, residual
from raffinate.cascade.transport import advanced
from raffinate.chemistry.exchange import StageChemistry
from raffinate.numerics.block_tridiagonal import solve_bordered
from raffinate.numerics.jax_setup import Array, jax, jnp, lax

HISTORY = 600
"""Iterations whose residual is kept."""

STEP_TOLERANCE = 0.1
"""Largest relative residual at which a pseudo-time step counts as taken."""


class SteadyResult(NamedTuple):
    """Outcome of a steady solve.

    Attributes:
        unknowns: Where it ended.
        history: Norm of the residual before each iteration, (HISTORY,), NaN where not reached.
        iterations: Steps taken.
        norm: Largest residual at the end, relative, [-].
        residuals: All residuals at the end.
    """

    unknowns: Unknowns
    history: Array
    iterations: Array
    norm: Array
    residuals: Unknowns


def largest(residuals: Unknowns) -> Array:
    """Return the largest absolute residual; infinity if any is not a number."""
    stage = jnp.max(jnp.abs(residuals.stage))
    border = jnp.max(jnp.abs(residuals.border), initial=0.0)
    norm = jnp.maximum(stage, border)
    return jnp.where(jnp.isnan(norm), jnp.inf, norm)


class _March(NamedTuple):
    """State of the march: an accepted state, the Newton iterate from it, and the step."""

    accepted: Unknowns
    iterate: Unknowns
    step: Array
    inner: Array
    iteration: Array
    norm: Array
    history: Array


@partial(jax.jit, static_argnums=0)
def solve_pseudo_transient(
    chemistry: StageChemistry,
    problem: Problem,
    start: Unknowns,
    first_step: float,
    tolerance: float,
    max_iterations: int,
) -> SteadyResult:
    """March to the steady state.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the bank.
        start: Where to begin; any positive state.
        first_step: First pseudo-time step, [s]; 1e15 is Newton at once.
        tolerance: Largest relative residual accepted, [-].
        max_iterations: Newton iterations after which it gives up.
    """
    zero = jnp.array(0.0)
    blank = blank_inventory(chemistry, problem)

    def steady_norm(unknowns: Unknowns) -> Array:
        return largest(residual(chemistry, problem, unknowns, blank, zero))

    def unfinished(march: _March) -> Array:
        return (march.norm > tolerance) & (march.iteration < max_iterations)

    def advance(march: _March) -> _March:
        rate = 1.0 / march.step
        base = inventory(chemistry, problem, march.accepted, blank, zero)
        found = residual(chemistry, problem, march.iterate, base, rate)
        matrix = factorise_newton(chemistry, problem, march.iterate, base, rate)
        move = Unknowns(*solve_bordered(matrix, -found.stage, -found.border))
        trial = advanced(chemistry, problem, march.iterate, move, base, rate)
        left = largest(residual(chemistry, problem, trial, base, rate))
        done = left < STEP_TOLERANCE
        hopeless = ~jnp.isfinite(left) | (march.inner >= 7)
        growth = jnp.where(march.inner < 2, 4.0, jnp.where(march.inner < 4, 2.5, 1.3))
        factor = jnp.where(done, growth, jnp.where(hopeless, 0.3, 1.0))
        accepted = jax.tree.map(partial(jnp.where, done), trial, march.accepted)
        back = hopeless & ~done
        index = jnp.minimum(march.iteration, HISTORY - 1)
        return _March(
            accepted=accepted,
            iterate=jax.tree.map(partial(jnp.where, back), march.accepted, trial),
            step=jnp.minimum(march.step * factor, 1e15),
            inner=jnp.where(done | hopeless, 0, march.inner + 1),
            iteration=march.iteration + 1,
            norm=jnp.where(done, steady_norm(accepted), march.norm),
            history=march.history.at[index].set(march.norm),
        )

    march = _March(
        accepted=start,
        iterate=start,
        step=jnp.asarray(first_step, dtype=jnp.float64),
        inner=jnp.array(0),
        iteration=jnp.array(0),
        norm=steady_norm(start),
        history=jnp.full((HISTORY,), jnp.nan),
    )
    march = lax.while_loop(unfinished, advance, march)
    left = residual(chemistry, problem, march.accepted, blank, zero)
    return SteadyResult(march.accepted, march.history, march.iteration, march.norm, left)


def blank_inventory(chemistry: StageChemistry, problem: Problem) -> Inventory:
    """Return an inventory of zeros in the right shapes, for solves that do not read it."""
    stages = problem.vessels.active.shape[0]
    components, carried = len(chemistry.components), len(chemistry.organic_components)
    return Inventory(
        jnp.zeros((stages, components)),
        jnp.zeros((stages, carried)),
        jnp.zeros((stages, components)),
        jnp.zeros((stages, carried)),
        jnp.zeros((components - 3,)),
    )
