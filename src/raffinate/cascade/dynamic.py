"""A bank in time: implicit, of fourth order, error-controlled, conservative to rounding.

The linear states of `Inventory` are integrated by the method of `dynamic_method`; all implicit
stages of a step share one eliminated Jacobian, which is kept for later steps as long as it
contracts. What crosses the boundary is integrated with the same weights as the states. Steps are
as long as their error allows and know nothing of where values are wanted: those come from the
cubic between the ends of a step (`dynamic_record`).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from raffinate.cascade.bank import Inventory, Unknowns, streams_at
from raffinate.cascade.boundary import Boundary, no_crossing
from raffinate.cascade.dynamic_cells import at_rest, blank_factors, factorise_stage, filled
from raffinate.cascade.dynamic_method import DIAGONAL, ORDER, STAGES
from raffinate.cascade.dynamic_record import Instant, Record, blank_record, recorded
from raffinate.cascade.dynamic_stage import MAX_CHORD, Matrix, time_derivative
from raffinate.cascade.dynamic_step import NEWTON_TOLERANCE, Start, error_norm, take_step
from raffinate.cascade.equations import Problem, blank_inventory, inventory
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.numerics.jax_setup import Array, jax, jnp, lax

__all__ = ["NEWTON_TOLERANCE", "Motion", "Span", "begin", "integrate"]

SAFETY = 0.85
"""Share of the step that the error estimate would allow, [-]."""

SAME_MATRIX = 1.3
"""Ratio of step lengths up to which a Jacobian serves both, [-]."""

STRETCH = 1.1
"""A step that ends within this of the end of a call goes to the end, [-]."""

AFTER_JUMP = 30.0
"""First step after a change, in times in which the jump of rates moves a state by its tolerance."""

LONGEST_WANTED = 30.0 * 86400.0
"""Longest step that is remembered as worth trying, [s]."""

SHORTEST_STEP = 1e-4
"""Step below which an integration is given up, [s]."""

UNUSABLE = 1e-300
"""Rate of a Jacobian that must be made anew, [1/s]."""


class Motion(NamedTuple):
    """State of an integration; with the problem, all that fixes how it goes on.

    Attributes:
        time: Since the beginning, [s].
        held: Inventory.
        unknowns: Algebraic unknowns that belong to it.
        rates: d(held)/dt.
        crossing: Boundary rates.
        crossed: Amounts that crossed the boundary since the start of the call.
        before: Unknowns at the beginning of the last step, for the first guess of the next.
        before_step: Length of that step, [s]; 0 where nothing can be learnt from it.
        step: Step to try next, [s].
        matrix: Eliminated Jacobian.
        steps: Steps taken in the call.
        rejected: Steps given up.
        factorisations: Jacobians made.
        iterations: Chord iterations.
        failed: Whether the step size fell below its least.
        organic_continuous: Mixers whose organic is the continuous phase, (stage,): a state that
            jumps between calls and is not touched in one; None where nobody follows it.
    """

    time: Array
    held: Inventory
    unknowns: Unknowns
    rates: Inventory
    crossing: Boundary
    crossed: Boundary
    before: Unknowns
    before_step: Array
    step: Array
    matrix: Matrix
    steps: Array
    rejected: Array
    factorisations: Array
    iterations: Array
    failed: Array
    organic_continuous: Array | None = None


@partial(jax.jit, static_argnums=0)
def begin(
    chemistry: StageChemistry, problem: Problem, unknowns: Unknowns, first_step: Array
) -> Motion:
    """Return the state of an integration whose vessels hold what `unknowns` say, settled."""
    unknowns = jax.tree.map(partial(jnp.asarray, dtype=jnp.float64), unknowns)
    blank = blank_inventory(chemistry, problem)
    problem = at_rest(problem)
    held = filled(problem, inventory(chemistry, problem, unknowns, blank, jnp.array(0.0)))
    rates, crossing = time_derivative(chemistry, problem, held, unknowns)
    zero, none = jnp.array(0, dtype=jnp.int64), jnp.array(0.0, dtype=jnp.float64)
    return Motion(
        time=none,
        held=held,
        unknowns=unknowns,
        rates=rates,
        crossing=crossing,
        crossed=no_crossing(chemistry, problem.streams.draw_flow.shape[0]),
        before=unknowns,
        before_step=none,
        step=first_step,
        # The first step makes its own: here it would only be one more kernel to compile.
        matrix=Matrix(blank_factors(problem, unknowns), jnp.array(UNUSABLE, dtype=jnp.float64)),
        steps=zero,
        rejected=zero,
        factorisations=zero,
        iterations=zero,
        failed=jnp.array(False),
    )


def _renewed(
    chemistry: StageChemistry, problem: Problem, now: Motion, rate: Array
) -> tuple[Matrix, Array]:
    """Return a Jacobian that serves at `rate`, and whether it had to be made."""
    ratio = now.matrix.rate / rate
    stale = (ratio > SAME_MATRIX) | (ratio < 1.0 / SAME_MATRIX)

    def renew() -> Matrix:
        factors = factorise_stage(chemistry, problem, now.unknowns, now.held, rate)
        return Matrix(factors, rate)

    return lax.cond(stale, renew, lambda: now.matrix), stale


def _advanced(
    chemistry: StageChemistry,
    problem: Problem,
    now: Motion,
    step: Array,
    end: Array,
    tolerance: Array,
) -> tuple[Motion, Array, Unknowns]:
    """Return the motion after one attempt of `step`, whether it was good, and its middle."""
    matrix, stale = _renewed(chemistry, problem, now, 1.0 / (DIAGONAL * step))
    start = Start(
        now.time,
        now.held,
        now.unknowns,
        now.rates,
        now.crossing,
        now.before,
        now.before_step,
    )
    taken = take_step(chemistry, problem, start, step, matrix, tolerance)
    good = taken.error <= 1.0
    unsolved = ~jnp.isfinite(taken.error)
    hard = taken.iterations >= (STAGES - 1) * (MAX_CHORD - 2)
    allowed = SAFETY * jnp.maximum(taken.error, 1e-8) ** (-1.0 / ORDER)
    growth = jnp.clip(allowed, 0.2, 4.0)
    # A Jacobian that barely contracts at this length will not at a longer one.
    growth = jnp.where(hard, jnp.minimum(growth, 1.0), growth)
    # Without convergence there is no error to go by: a fresh Jacobian first, then a shorter step.
    shrink = jnp.where(unsolved, jnp.where(stale, 0.25, 1.0), growth)
    longer = jnp.maximum(step * growth, now.step * (growth >= 1.0))
    wanted = jnp.where(good, longer, step * shrink)
    keep = partial(jax.tree.map, partial(jnp.where, good))
    after = Motion(
        time=jnp.where(good, end, now.time),
        held=keep(taken.held, now.held),
        unknowns=keep(taken.unknowns, now.unknowns),
        rates=keep(taken.rates, now.rates),
        crossing=keep(taken.crossing, now.crossing),
        crossed=keep(jax.tree.map(jnp.add, now.crossed, taken.crossed), now.crossed),
        before=keep(now.unknowns, now.before),
        before_step=jnp.where(good, step, now.before_step),
        step=jnp.minimum(wanted, LONGEST_WANTED),
        matrix=matrix._replace(rate=jnp.where(hard | unsolved, UNUSABLE, matrix.rate)),
        steps=now.steps + good,
        rejected=now.rejected + ~good,
        factorisations=now.factorisations + stale,
        iterations=now.iterations + taken.iterations,
        failed=wanted < SHORTEST_STEP,
        organic_continuous=now.organic_continuous,
    )
    return after, good, taken.middle


def _changed(
    chemistry: StageChemistry, problem: Problem, motion: Motion, tolerance: Array
) -> Motion:
    """Return the motion with the rates of changed streams, and a step short enough for them."""
    problem = problem._replace(streams=streams_at(problem.streams, motion.time))
    rates, crossing = time_derivative(chemistry, problem, motion.held, motion.unknowns)
    jump = jax.tree.map(jnp.subtract, rates, motion.rates)
    speed = error_norm(problem, jump, motion.held, tolerance)
    first = jnp.maximum(AFTER_JUMP / jnp.maximum(speed, 1e-30), 1.0)
    return motion._replace(
        rates=rates,
        crossing=crossing,
        step=jnp.minimum(motion.step, first),
        before_step=jnp.where(first < motion.step, 0.0, motion.before_step),
    )


class Span(NamedTuple):
    """How far one call goes, and how.

    Attributes:
        until: Where it ends, on the clock of the motion, [s].
        changed: Whether the streams are other than in the call before.
        short: Whether to stop before the first step that would be cut at the end, so that the
            integration can go on as if there were no end.
        tolerance: Relative error per step; also the absolute one in mol/m³.
        longest: Longest step, [s].
    """

    until: Array
    changed: Array
    short: Array
    tolerance: Array
    longest: Array


def _instant(motion: Motion) -> Instant:
    return Instant(motion.time, motion.held, motion.rates, motion.unknowns)


@partial(jax.jit, static_argnums=(0, 4))
def integrate(
    chemistry: StageChemistry, problem: Problem, motion: Motion, span: Span, rows: int
) -> tuple[Motion, Record]:
    """Advance with streams held constant, but for feeds that follow their ramp.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the bank; its specification frees nothing.
        motion: Where to start; `crossed` and the counters start from zero.
        span: How far.
        rows: Steps that can be recorded; the call ends when they are used up.

    Returns:
        The motion, and the record of its steps.
    """
    # Typed, here as in `begin`: for a scalar of a weaker type all would be compiled again.
    zero = jnp.array(0, dtype=jnp.int64)
    motion = motion._replace(
        crossed=no_crossing(chemistry, problem.streams.draw_flow.shape[0]),
        steps=zero,
        rejected=zero,
        factorisations=zero,
        iterations=zero,
    )
    motion = lax.cond(
        span.changed,
        lambda: _changed(chemistry, problem, motion, span.tolerance),
        lambda: motion,
    )

    def ends(now: Motion) -> tuple[Array, Array]:
        """Return the step to the end or the free one, and whether the end decides."""
        left = span.until - now.time
        free = jnp.minimum(now.step, span.longest)
        return jnp.where(left <= STRETCH * free, left, free), left <= STRETCH * free

    def unfinished(carry: tuple[Motion, Record]) -> Array:
        now, record = carry
        going = (now.time < span.until) & ~now.failed & ~(span.short & ends(now)[1])
        return going & (record.filled < rows)

    def advance(carry: tuple[Motion, Record]) -> tuple[Motion, Record]:
        now, record = carry
        step, last = ends(now)
        end = jnp.where(last, span.until, now.time + step)
        after, good, middle = _advanced(chemistry, problem, now, step, end, span.tolerance)
        return after, recorded(chemistry, record, _instant(after), middle, good)

    start = blank_record(chemistry, _instant(motion), rows)
    motion, record = lax.while_loop(unfinished, advance, (motion, start))
    return motion, record
