"""A bank in time: TR-BDF2, error-controlled, conservative to the accuracy of its Newton solves.

The linear states of `Inventory` are integrated; both implicit stages of a step share one
eliminated Jacobian, which is kept for later steps as long as it still contracts. What crosses the
boundary is integrated with the same weights as the states, so metal in equals metal out plus what
the vessels gained, whatever the step.

Source: R. E. Bank et al., IEEE Trans. Electron Devices 32 (1985) 1992; error estimate as in
M. E. Hosea, L. F. Shampine, Appl. Numer. Math. 20 (1996) 21.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

from raffinate.cascade.bank import Inventory, Unknowns
from raffinate.cascade.equations import (
    Evaluation,
    Problem,
    element_count,
    evaluate,
    factorise_newton,
    inventory,
    residual,
)
from raffinate.cascade.steady import blank_inventory, largest
from raffinate.chemistry.exchange import StageChemistry
from raffinate.numerics.block_tridiagonal import BorderedFactors, solve_bordered
from raffinate.numerics.jax_setup import Array, jax, jnp, lax

GAMMA = 2.0 - math.sqrt(2.0)
DIAGONAL = 0.5 * GAMMA
OUTER = math.sqrt(2.0) / 4.0
WEIGHTS = (OUTER, OUTER, DIAGONAL)
EMBEDDED = ((1.0 - OUTER) / 3.0, (3.0 * OUTER + 1.0) / 3.0, DIAGONAL / 3.0)

NEWTON_TOLERANCE = 1e-10
"""Largest relative residual of an implicit stage, [-]; bounds the balance error of a trajectory."""

MAX_CHORD = 12
"""Iterations with one Jacobian before a step is given up."""

AS_HELD = 1e30
"""A rate at which settled streams are what the settlers hold, [1/s]."""


class Boundary(NamedTuple):
    """Amounts that crossed the boundary of a bank, [mol], or their rates, [mol/s].

    Attributes:
        fed: Brought by aqueous feeds, (component,).
        raffinate: Left with the aqueous of stage 0, (component,).
        drawn: Left with draws, (draw, component).
        organic_in: Entered with the saponified organic, (carried,).
        organic_out: Left with the barren organic of the last stage, (carried,).
    """

    fed: Array
    raffinate: Array
    drawn: Array
    organic_in: Array
    organic_out: Array


class Motion(NamedTuple):
    """State of an integration.

    Attributes:
        held: Inventory.
        unknowns: Algebraic unknowns that belong to it.
        step: Step to try next, [s].
        crossed: Amounts that crossed the boundary since the start of the call.
        factors: Eliminated Jacobian, and the rate it was made for.
        factor_rate: Rate of `factors`, [1/s]; 0 when there are none.
        steps: Steps taken.
        rejected: Steps given up.
        factorisations: Jacobians made.
        failed: Whether the step size fell below its least.
    """

    held: Inventory
    unknowns: Unknowns
    step: Array
    crossed: Boundary
    factors: BorderedFactors
    factor_rate: Array
    steps: Array
    rejected: Array
    factorisations: Array
    failed: Array


def boundary_rates(chemistry: StageChemistry, problem: Problem, state: Evaluation) -> Boundary:
    """Return what crosses the boundary per second."""
    streams, flows, out = state.streams, state.flows, state.out
    last = problem.vessels.last
    return Boundary(
        fed=flows.fed.sum(axis=0),
        raffinate=flows.passed[0] * out.settled_aqueous[0],
        drawn=streams.draw_flow[:, None] * out.settled_aqueous[streams.draw_stage],
        organic_in=streams.organic_flow * state.inlet,
        organic_out=streams.organic_flow * out.settled_organic[last],
    )


def no_crossing(chemistry: StageChemistry, draws: int) -> Boundary:
    """Return a boundary that nothing has crossed."""
    count, carried = len(chemistry.components), len(chemistry.organic_components)
    return Boundary(
        jnp.zeros(count), jnp.zeros(count), jnp.zeros((draws, count)), jnp.zeros(carried),
        jnp.zeros(carried),
    )


def time_derivative(
    chemistry: StageChemistry, problem: Problem, held: Inventory, unknowns: Unknowns
) -> tuple[Inventory, Boundary]:
    """Return d(held)/dt and the boundary rates at a consistent state."""
    vessels = problem.vessels
    state = evaluate(chemistry, problem, unknowns, held, jnp.array(AS_HELD))
    flow = state.streams.organic_flow
    out = state.out
    through = (state.flows.leaving + state.streams.recycle)[:, None]
    arriving = jnp.concatenate([state.inlet[None], out.settled_organic[:-1]])
    efficiency = vessels.efficiency[:, None]
    speed = efficiency / jnp.maximum(1.0 - efficiency, 1e-9)
    transfer = flow * (arriving - out.organic + speed * (out.equilibrium - out.organic))
    elements = element_count(chemistry)
    barren = out.settled_organic[vessels.last, :elements]
    active = vessels.active[:, None]
    rates = Inventory(
        mixer=jnp.where(active, state.net, 0.0),
        mixer_organic=jnp.where(active & (efficiency < 1.0), transfer, 0.0),
        settler_aqueous=through * (out.aqueous - held.settler_aqueous) / vessels.settler_aqueous[:, None],
        settler_organic=flow * (out.organic - held.settler_organic) / vessels.settler_organic[:, None],
        tank=flow * (barren - held.tank) / vessels.tank,
    )
    return rates, boundary_rates(chemistry, problem, state)


def _combine(start: Inventory, *terms: tuple[Array | float, Inventory]) -> Inventory:
    total = start
    for weight, change in terms:
        total = jax.tree.map(lambda a, b, w=weight: a + w * b, total, change)
    return total


def _kept_positive(base: Inventory, start: Inventory) -> Inventory:
    return jax.tree.map(lambda b, y: jnp.maximum(b, 1e-6 * y), base, start)


def _chord(
    chemistry: StageChemistry,
    problem: Problem,
    guess: Unknowns,
    base: Inventory,
    rate: Array,
    factors: BorderedFactors,
) -> tuple[Unknowns, Array, Array]:
    """Return the solved unknowns, the residual left and the iterations it took."""
    count = chemistry.unknown_count

    def unfinished(carry: tuple[Unknowns, Unknowns, Array, Array, Array]) -> Array:
        _, _, left, before, iteration = carry
        return (left > NEWTON_TOLERANCE) & (iteration < MAX_CHORD) & (left < 2.0 * before)

    def improve(
        carry: tuple[Unknowns, Unknowns, Array, Array, Array],
    ) -> tuple[Unknowns, Unknowns, Array, Array, Array]:
        here, found, left, _, iteration = carry
        stage, border = solve_bordered(factors, -found.stage, -found.border)
        logs = chemistry.moved(here.stage[:, :count], stage[:, :count], 1.0)
        organic = here.stage[:, count:] + stage[:, count:]
        trial = Unknowns(jnp.concatenate([logs, organic], axis=1), here.border + border)
        found = residual(chemistry, problem, trial, base, rate)
        return trial, found, largest(found), left, iteration + 1

    found = residual(chemistry, problem, guess, base, rate)
    start = (guess, found, largest(found), jnp.array(jnp.inf), jnp.array(0))
    here, _, left, _, iterations = lax.while_loop(unfinished, improve, start)
    return here, left, iterations


class _Step(NamedTuple):
    held: Inventory
    unknowns: Unknowns
    crossed: Boundary
    error: Array
    iterations: Array


def _take_step(
    chemistry: StageChemistry,
    problem: Problem,
    motion: Motion,
    step: Array,
    factors: BorderedFactors,
    tolerance: Array,
) -> _Step:
    rate = 1.0 / (DIAGONAL * step)
    start = motion.held
    first, crossing_1 = time_derivative(chemistry, problem, start, motion.unknowns)
    base = _kept_positive(_combine(start, (DIAGONAL * step, first)), start)
    middle, left_2, count_2 = _chord(chemistry, problem, motion.unknowns, base, rate, factors)
    held = inventory(chemistry, problem, middle, base, rate)
    second = jax.tree.map(lambda a, b: rate * (a - b), held, base)
    crossing_2 = boundary_rates(
        chemistry, problem, evaluate(chemistry, problem, middle, base, rate)
    )
    base = _combine(start, (OUTER * step, first), (OUTER * step, second))
    base = _kept_positive(base, start)
    end, left_3, count_3 = _chord(chemistry, problem, middle, base, rate, factors)
    held = inventory(chemistry, problem, end, base, rate)
    third = jax.tree.map(lambda a, b: rate * (a - b), held, base)
    crossing_3 = boundary_rates(chemistry, problem, evaluate(chemistry, problem, end, base, rate))
    crossed = jax.tree.map(
        lambda total, a, b, c: total
        + step * (WEIGHTS[0] * a + WEIGHTS[1] * b + WEIGHTS[2] * c),
        motion.crossed, crossing_1, crossing_2, crossing_3,
    )
    difference = [w - e for w, e in zip(WEIGHTS, EMBEDDED, strict=True)]
    error = jax.tree.map(
        lambda a, b, c: step * (difference[0] * a + difference[1] * b + difference[2] * c),
        first, second, third,
    )
    norm = _error_norm(problem, error, held, tolerance)
    solved = (left_2 <= NEWTON_TOLERANCE) & (left_3 <= NEWTON_TOLERANCE)
    return _Step(
        held, end, crossed, jnp.where(solved, norm, jnp.inf), jnp.maximum(count_2, count_3)
    )


def _error_norm(problem: Problem, error: Inventory, held: Inventory, tolerance: Array) -> Array:
    """Return the largest error of a stored amount over what is tolerated, [-]."""
    vessels = problem.vessels
    absolute = tolerance
    volume = (vessels.mixer_aqueous + vessels.mixer_organic)[:, None]
    mixer = error.mixer / (tolerance * jnp.abs(held.mixer) + absolute * volume)
    settled = error.settler_aqueous / (tolerance * jnp.abs(held.settler_aqueous) + absolute)
    organic = error.settler_organic / (tolerance * jnp.abs(held.settler_organic) + absolute)
    parts = [jnp.sqrt(jnp.mean(p[:, :] ** 2, axis=1)) for p in (mixer, settled, organic)]
    return jnp.max(jnp.where(vessels.active, jnp.maximum(jnp.maximum(*parts[:2]), parts[2]), 0.0))


@partial(jax.jit, static_argnums=0)
def begin(
    chemistry: StageChemistry, problem: Problem, unknowns: Unknowns, first_step: Array
) -> Motion:
    """Return the state of an integration whose vessels hold what `unknowns` say, settled."""
    blank = blank_inventory(chemistry, problem)
    held = inventory(chemistry, problem, unknowns, blank, jnp.array(0.0))
    rate = jnp.array(1.0 / (DIAGONAL * 60.0))
    factors = factorise_newton(chemistry, problem, unknowns, held, rate)
    zero = jnp.array(0)
    return Motion(
        held=held,
        unknowns=unknowns,
        step=first_step,
        crossed=no_crossing(chemistry, problem.streams.draw_flow.shape[0]),
        factors=factors,
        factor_rate=rate,
        steps=zero,
        rejected=zero,
        factorisations=zero,
        failed=jnp.array(False),
    )


@partial(jax.jit, static_argnums=0)
def integrate(
    chemistry: StageChemistry,
    problem: Problem,
    motion: Motion,
    duration: Array,
    tolerance: Array,
    longest: Array,
) -> Motion:
    """Advance by `duration` with streams held constant.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the bank; its specification frees nothing.
        motion: Where to start; `crossed` and the counters start from zero.
        duration: [s].
        tolerance: Relative error per step; also the absolute one in mol/m³.
        longest: Longest step, [s].
    """
    zero = jnp.array(0)
    draws = problem.streams.draw_flow.shape[0]
    motion = motion._replace(
        crossed=no_crossing(chemistry, draws), steps=zero, rejected=zero, factorisations=zero
    )

    def unfinished(carry: tuple[Motion, Array]) -> Array:
        now, elapsed = carry
        return (elapsed < duration * (1.0 - 1e-12)) & ~now.failed

    def advance(carry: tuple[Motion, Array]) -> tuple[Motion, Array]:
        now, elapsed = carry
        left = duration - elapsed
        pieces = jnp.ceil(left / jnp.minimum(now.step, longest) - 1e-9)
        step = left / jnp.maximum(pieces, 1.0)
        rate = 1.0 / (DIAGONAL * step)
        stale = jnp.abs(now.factor_rate / rate - 1.0) > 0.02

        def renew() -> BorderedFactors:
            return factorise_newton(chemistry, problem, now.unknowns, now.held, rate)

        factors = lax.cond(stale, renew, lambda: now.factors)
        taken = _take_step(chemistry, problem, now, step, factors, tolerance)
        good = taken.error <= 1.0
        growth = jnp.clip(0.85 / jnp.cbrt(jnp.maximum(taken.error, 1e-6)), 0.2, 4.0)
        # A Jacobian that barely contracts at this length will not at a longer one.
        growth = jnp.where(taken.iterations >= MAX_CHORD - 4, jnp.minimum(growth, 1.0), growth)
        shrink = jnp.where(jnp.isfinite(taken.error), growth, jnp.where(stale, 0.25, 1.0))
        slow = (taken.iterations >= MAX_CHORD - 3) | ~good
        keep = partial(jnp.where, good)
        wanted = jnp.where(good, jnp.maximum(step * growth, now.step * (growth >= 1.0)), step * shrink)
        after = Motion(
            held=jax.tree.map(keep, taken.held, now.held),
            unknowns=jax.tree.map(keep, taken.unknowns, now.unknowns),
            step=jnp.minimum(wanted, 30.0 * 86400.0),
            crossed=jax.tree.map(keep, taken.crossed, now.crossed),
            factors=factors,
            factor_rate=jnp.where(slow, 0.0, jnp.where(stale, rate, now.factor_rate)),
            steps=now.steps + good,
            rejected=now.rejected + ~good,
            factorisations=now.factorisations + stale,
            failed=wanted < 1e-4,
        )
        return after, elapsed + jnp.where(good, step, 0.0)

    motion, _ = lax.while_loop(unfinished, advance, (motion, jnp.array(0.0)))
    return motion


@partial(jax.jit, static_argnums=0)
def total_held(chemistry: StageChemistry, problem: Problem, held: Inventory) -> Array:
    """Return what mixers, settlers and the organic tank hold, (component,), [mol]."""
    vessels = problem.vessels
    carried = jnp.array(chemistry.organic_components)
    active = vessels.active[:, None]
    total = jnp.sum(jnp.where(active, held.mixer, 0.0), axis=0)
    aqueous = vessels.settler_aqueous[:, None] * held.settler_aqueous
    total = total + jnp.sum(jnp.where(active, aqueous, 0.0), axis=0)
    organic = vessels.settler_organic[:, None] * held.settler_organic
    total = total.at[carried].add(jnp.sum(jnp.where(active, organic, 0.0), axis=0))
    elements = element_count(chemistry)
    return total.at[:elements].add(vessels.tank * held.tank)
