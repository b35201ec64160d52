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
from raffinate.cascade.boundary import Boundary, boundary_rates, no_crossing
from raffinate.cascade.equations import (
    Problem,
    blank_inventory,
    evaluate,
    inventory,
    residual,
)
from raffinate.cascade.jacobian import factorise_newton
from raffinate.cascade.steady import largest
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.numerics.block_tridiagonal import BorderedFactors, solve_bordered
from raffinate.numerics.jax_setup import Array, jax, jnp, lax

GAMMA = 2.0 - math.sqrt(2.0)
"""Where in a step the trapezoidal stage ends, [-]; this one makes both stages share a matrix."""

DIAGONAL = 0.5 * GAMMA
"""γ of the implicit stages: each solves (Y - base)/(γ Δt) = F(Y)."""

OUTER = math.sqrt(2.0) / 4.0
"""Weight of the first two rates in the step."""

WEIGHTS = (OUTER, OUTER, DIAGONAL)
"""Weights of the three rates in the step."""

EMBEDDED = ((1.0 - OUTER) / 3.0, (3.0 * OUTER + 1.0) / 3.0, DIAGONAL / 3.0)
"""Weights of a third-order companion, for the error estimate."""

NEWTON_TOLERANCE = 1e-10
"""Largest relative residual of an implicit stage, [-]; bounds the balance error of a trajectory."""

MAX_CHORD = 12
"""Iterations with one Jacobian before a step is given up."""

LONGEST_WANTED = 30.0 * 86400.0
"""Longest step that is remembered as worth trying, [s]."""

SHORTEST_STEP = 1e-4
"""Step below which an integration is given up, [s]."""

AS_HELD = 1e30
"""A rate at which settled streams are what the settlers hold, [1/s]."""


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


def time_derivative(
    chemistry: StageChemistry, problem: Problem, held: Inventory, unknowns: Unknowns
) -> tuple[Inventory, Boundary]:
    """Return d(held)/dt and the boundary rates at a consistent state."""
    vessels = problem.vessels
    state = evaluate(chemistry, problem, unknowns, held, jnp.array(AS_HELD))
    flow, out = state.streams.organic_flow, state.out
    through = (state.flows.leaving + state.streams.recycle)[:, None]
    efficiency = vessels.efficiency[:, None]
    speed = efficiency / jnp.maximum(1.0 - efficiency, 1e-9)
    gained = state.entering.organic - out.organic + speed * (out.equilibrium - out.organic)
    barren = out.settled_organic[vessels.last, : chemistry.element_count]
    active = vessels.active[:, None]
    aqueous = through * (out.aqueous - held.settler_aqueous)
    organic = flow * (out.organic - held.settler_organic)
    rates = Inventory(
        mixer=jnp.where(active, state.net, 0.0),
        mixer_organic=jnp.where(active & (efficiency < 1.0), flow * gained, 0.0),
        settler_aqueous=aqueous / vessels.settler_aqueous[:, None],
        settler_organic=organic / vessels.settler_organic[:, None],
        tank=flow * (barren - held.tank) / vessels.tank,
    )
    return rates, boundary_rates(problem, state)


def _combine(start: Inventory, *terms: tuple[Array | float, Inventory]) -> Inventory:
    total = start
    for weight, change in terms:
        total = jax.tree.map(lambda a, b, w=weight: a + w * b, total, change)
    return total


def _kept_positive(base: Inventory, start: Inventory) -> Inventory:
    kept: Inventory = jax.tree.map(lambda b, y: jnp.maximum(b, 1e-6 * y), base, start)
    return kept


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
    """Where a step leads, its error over what is tolerated, and its Newton iterations."""

    held: Inventory
    unknowns: Unknowns
    crossed: Boundary
    error: Array
    iterations: Array


class _ImplicitStage(NamedTuple):
    """One implicit stage of a step.

    Attributes:
        held: Inventory at its end.
        unknowns: Unknowns that belong to it.
        rates: d(held)/dt there.
        crossing: Boundary rates there.
        solved: Whether its Newton iteration converged.
        iterations: How many it took.
    """

    held: Inventory
    unknowns: Unknowns
    rates: Inventory
    crossing: Boundary
    solved: Array
    iterations: Array


def _implicit_stage(
    chemistry: StageChemistry,
    problem: Problem,
    guess: Unknowns,
    base: Inventory,
    rate: Array,
    factors: BorderedFactors,
) -> _ImplicitStage:
    unknowns, left, iterations = _chord(chemistry, problem, guess, base, rate, factors)
    held = inventory(chemistry, problem, unknowns, base, rate)
    return _ImplicitStage(
        held=held,
        unknowns=unknowns,
        rates=jax.tree.map(lambda a, b: rate * (a - b), held, base),
        crossing=boundary_rates(problem, evaluate(chemistry, problem, unknowns, base, rate)),
        solved=left <= NEWTON_TOLERANCE,
        iterations=iterations,
    )


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
    first, crossing = time_derivative(chemistry, problem, start, motion.unknowns)
    base = _kept_positive(_combine(start, (DIAGONAL * step, first)), start)
    middle = _implicit_stage(chemistry, problem, motion.unknowns, base, rate, factors)
    base = _combine(start, (OUTER * step, first), (OUTER * step, middle.rates))
    base = _kept_positive(base, start)
    end = _implicit_stage(chemistry, problem, middle.unknowns, base, rate, factors)

    def weighted(weights: tuple[float, float, float], a: Array, b: Array, c: Array) -> Array:
        return step * (weights[0] * a + weights[1] * b + weights[2] * c)

    passed = jax.tree.map(partial(weighted, WEIGHTS), crossing, middle.crossing, end.crossing)
    d1, d2, d3 = (w - e for w, e in zip(WEIGHTS, EMBEDDED, strict=True))
    error = jax.tree.map(partial(weighted, (d1, d2, d3)), first, middle.rates, end.rates)
    norm = _error_norm(problem, error, end.held, tolerance)
    return _Step(
        held=end.held,
        unknowns=end.unknowns,
        crossed=jax.tree.map(jnp.add, motion.crossed, passed),
        error=jnp.where(middle.solved & end.solved, norm, jnp.inf),
        iterations=jnp.maximum(middle.iterations, end.iterations),
    )


def _error_norm(problem: Problem, error: Inventory, held: Inventory, tolerance: Array) -> Array:
    """Return the largest error of a stored amount over what is tolerated, [-].

    In every vessel of every stage, the root of the mean square over the components.
    """
    vessels = problem.vessels

    def measured(amount_error: Array, amount: Array, volume: Array | float) -> Array:
        relative = amount_error / (tolerance * (jnp.abs(amount) + volume))
        return jnp.sqrt(jnp.mean(relative**2, axis=1))

    volume = (vessels.mixer_aqueous + vessels.mixer_organic)[:, None]
    mixer = measured(error.mixer, held.mixer, volume)
    aqueous = measured(error.settler_aqueous, held.settler_aqueous, 1.0)
    organic = measured(error.settler_organic, held.settler_organic, 1.0)
    worst = jnp.maximum(jnp.maximum(mixer, aqueous), organic)
    return jnp.max(jnp.where(vessels.active, worst, 0.0))


@partial(jax.jit, static_argnums=0)
def begin(
    chemistry: StageChemistry, problem: Problem, unknowns: Unknowns, first_step: Array
) -> Motion:
    """Return the state of an integration whose vessels hold what `unknowns` say, settled."""
    blank = blank_inventory(chemistry, problem)
    held = inventory(chemistry, problem, unknowns, blank, jnp.array(0.0))
    rate = jnp.array(1.0 / (DIAGONAL * 60.0), dtype=jnp.float64)
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


def _advanced(
    chemistry: StageChemistry,
    problem: Problem,
    now: Motion,
    step: Array,
    tolerance: Array,
) -> tuple[Motion, Array]:
    """Return the motion after one attempt of `step`, and the time it gained, [s]."""
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
    # Without convergence there is no error to go by: a fresh Jacobian first, then a shorter step.
    shrink = jnp.where(jnp.isfinite(taken.error), growth, jnp.where(stale, 0.25, 1.0))
    slow = (taken.iterations >= MAX_CHORD - 3) | ~good
    longer = jnp.maximum(step * growth, now.step * (growth >= 1.0))
    wanted = jnp.where(good, longer, step * shrink)
    keep = partial(jnp.where, good)
    after = Motion(
        held=jax.tree.map(keep, taken.held, now.held),
        unknowns=jax.tree.map(keep, taken.unknowns, now.unknowns),
        step=jnp.minimum(wanted, LONGEST_WANTED),
        crossed=jax.tree.map(keep, taken.crossed, now.crossed),
        factors=factors,
        factor_rate=jnp.where(slow, 0.0, jnp.where(stale, rate, now.factor_rate)),
        steps=now.steps + good,
        rejected=now.rejected + ~good,
        factorisations=now.factorisations + stale,
        failed=wanted < SHORTEST_STEP,
    )
    return after, jnp.where(good, step, 0.0)


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
    motion = motion._replace(
        crossed=no_crossing(chemistry, problem.streams.draw_flow.shape[0]),
        steps=zero,
        rejected=zero,
        factorisations=zero,
    )

    def unfinished(carry: tuple[Motion, Array]) -> Array:
        now, elapsed = carry
        return (elapsed < duration * (1.0 - 1e-12)) & ~now.failed

    def advance(carry: tuple[Motion, Array]) -> tuple[Motion, Array]:
        now, elapsed = carry
        left = duration - elapsed
        pieces = jnp.ceil(left / jnp.minimum(now.step, longest) - 1e-9)
        step = left / jnp.maximum(pieces, 1.0)
        after, gained = _advanced(chemistry, problem, now, step, tolerance)
        return after, elapsed + gained

    motion, _ = lax.while_loop(unfinished, advance, (motion, jnp.array(0.0)))
    return motion
