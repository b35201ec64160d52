"""Steady state of a bank from nothing: pseudo-transient continuation, then Newton.

Each iteration is one implicit step in a time that grows as the residual falls; the vessels' own
holdups set the scale. At the end the step is infinite and the iteration is Newton's.

Source: C. T. Kelley, D. E. Keyes, SIAM J. Numer. Anal. 35 (1998) 508.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from raffinate.cascade.bank import Inventory, Unknowns
from raffinate.cascade.equations import Problem, blank_inventory, inventory, residual
from raffinate.cascade.jacobian import factorise_newton
from raffinate.cascade.transport import advanced
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.numerics.block_tridiagonal import solve_bordered
from raffinate.numerics.jax_setup import Array, jax, jnp, lax

HISTORY = 600
"""Iterations whose residual is kept."""

STEP_TOLERANCE = 0.1
"""Largest relative residual at which a pseudo-time step counts as taken."""

LARGEST_INNER = 7
"""Iterations within one pseudo-time step before it is tried shorter."""

LONGEST_STEP = 1e15
"""Pseudo-time step beyond which an iteration is Newton's, [s]."""


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


def _after_one_iteration(
    chemistry: StageChemistry, problem: Problem, blank: Inventory, march: _March
) -> _March:
    zero, rate = jnp.array(0.0), 1.0 / march.step
    base = inventory(chemistry, problem, march.accepted, blank, zero)
    found = residual(chemistry, problem, march.iterate, base, rate)
    matrix = factorise_newton(chemistry, problem, march.iterate, base, rate)
    move = Unknowns(*solve_bordered(matrix, -found.stage, -found.border))
    trial = advanced(chemistry, problem, march.iterate, move, base, rate)
    left = largest(residual(chemistry, problem, trial, base, rate))
    done = left < STEP_TOLERANCE
    hopeless = ~jnp.isfinite(left) | (march.inner >= LARGEST_INNER)
    growth = jnp.where(march.inner < 2, 4.0, jnp.where(march.inner < 4, 2.5, 1.3))
    factor = jnp.where(done, growth, jnp.where(hopeless, 0.3, 1.0))
    accepted = jax.tree.map(partial(jnp.where, done), trial, march.accepted)
    steady = largest(residual(chemistry, problem, accepted, blank, zero))
    index = jnp.minimum(march.iteration, HISTORY - 1)
    back = hopeless & ~done
    return _March(
        accepted=accepted,
        iterate=jax.tree.map(partial(jnp.where, back), march.accepted, trial),
        step=jnp.minimum(march.step * factor, LONGEST_STEP),
        inner=jnp.where(done | hopeless, 0, march.inner + 1),
        iteration=march.iteration + 1,
        norm=jnp.where(done, steady, march.norm),
        history=march.history.at[index].set(march.norm),
    )


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
        first_step: First pseudo-time step, [s]; `LONGEST_STEP` is Newton at once.
        tolerance: Largest relative residual accepted, [-].
        max_iterations: Newton iterations after which it gives up.
    """
    zero = jnp.array(0.0)
    blank = blank_inventory(chemistry, problem)

    def unfinished(march: _March) -> Array:
        return (march.norm > tolerance) & (march.iteration < max_iterations)

    march = _March(
        accepted=start,
        iterate=start,
        step=jnp.asarray(first_step, dtype=jnp.float64),
        inner=jnp.array(0),
        iteration=jnp.array(0),
        norm=largest(residual(chemistry, problem, start, blank, zero)),
        history=jnp.full((HISTORY,), jnp.nan),
    )
    march = lax.while_loop(
        unfinished, partial(_after_one_iteration, chemistry, problem, blank), march
    )
    left = residual(chemistry, problem, march.accepted, blank, zero)
    return SteadyResult(march.accepted, march.history, march.iteration, march.norm, left)
