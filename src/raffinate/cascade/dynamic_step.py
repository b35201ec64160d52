"""One step of an integration: its implicit stages, where they lead, and how far that is off."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from raffinate.cascade.bank import Inventory, Unknowns, streams_at
from raffinate.cascade.boundary import Boundary
from raffinate.cascade.dynamic_cells import seen
from raffinate.cascade.dynamic_method import (
    DIAGONAL,
    EMBEDDED,
    GUESSES,
    MATRIX,
    MIDDLE,
    NODES,
    STAGES,
    WEIGHTS,
)
from raffinate.cascade.dynamic_stage import Matrix, chord, stage_rates
from raffinate.cascade.equations import Problem
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.numerics.jax_setup import Array, jax, jnp, lax

NEWTON_SHARE = 1e-6
"""Largest relative residual of an implicit stage, as a share of the error tolerance, [-].

Free acid is the small difference of large charges: contents off by more than its share of them
would belong to no equilibrium, and the next step could not begin."""

NEWTON_TOLERANCE = 1e-9
"""That residual at the default tolerance of 10⁻³, [-]; balances do not depend on it."""

NEWTON_FLOOR = 1e-11
"""Residual below which rounding decides, [-]."""

FAR = 1.5
"""Lengths of the step before, beyond which it foretells no first guess, [-]."""


class Start(NamedTuple):
    """Where a step begins.

    Attributes:
        time: [s].
        held: Inventory.
        unknowns: Algebraic unknowns that belong to it.
        rates: d(held)/dt.
        crossing: Boundary rates.
        before: Unknowns at the beginning of the step before.
        before_step: Length of that step, [s]; 0 where nothing can be learnt from it.
    """

    time: Array
    held: Inventory
    unknowns: Unknowns
    rates: Inventory
    crossing: Boundary
    before: Unknowns
    before_step: Array


class _Rows(NamedTuple):
    """What the method stages found, each leaf with a method-stage axis in front."""

    rates: Inventory
    crossing: Boundary
    unknowns: Unknowns


class _Stages(NamedTuple):
    """Method stages solved so far, whether all were, and the iterations they took."""

    rows: _Rows
    solved: Array
    iterations: Array


class Step(NamedTuple):
    """Where a step leads.

    Attributes:
        held: Inventory at its end.
        unknowns: Unknowns that belong to it.
        rates: d(held)/dt there.
        crossing: Boundary rates there.
        crossed: What crossed the boundary in the step.
        middle: Unknowns in the middle of it.
        error: Error over what is tolerated, [-]; infinite if a stage was not solved.
        iterations: Chord iterations it took.
    """

    held: Inventory
    unknowns: Unknowns
    rates: Inventory
    crossing: Boundary
    crossed: Boundary
    middle: Unknowns
    error: Array
    iterations: Array


def _weighted(start: Inventory, step: Array, weights: Array, rates: Inventory) -> Inventory:
    """Return start + Δt Σ wᵢ Fᵢ, over the leading axis of `rates`."""
    total: Inventory = jax.tree.map(
        lambda y, f: y + step * jnp.tensordot(weights, f, 1), start, rates
    )
    return total


def _kept_positive(base: Inventory, start: Inventory) -> Inventory:
    kept: Inventory = jax.tree.map(lambda b, y: jnp.maximum(b, 1e-6 * y), base, start)
    return kept


def _solved_stages(
    chemistry: StageChemistry,
    problem: Problem,
    start: Start,
    step: Array,
    matrix: Matrix,
    tolerance: Array,
) -> _Stages:
    rate = 1.0 / (DIAGONAL * step)
    coefficients, guesses, nodes = jnp.array(MATRIX), jnp.array(GUESSES), jnp.array(NODES)
    ahead = NODES[1] * step / jnp.where(start.before_step > 0.0, start.before_step, jnp.inf)
    ahead = jnp.minimum(ahead, FAR)
    onward = jax.tree.map(lambda u, b: u + ahead * (u - b), start.unknowns, start.before)

    def solve(index: Array, done: _Stages) -> _Stages:
        base = _weighted(start.held, step, coefficients[index], done.rows.rates)
        base = _kept_positive(base, start.held)
        streams = streams_at(problem.streams, start.time + nodes[index] * step)
        view = seen(problem._replace(streams=streams), base, rate)
        between = jax.tree.map(lambda u: jnp.tensordot(guesses[index], u, 1), done.rows.unknowns)
        guess = jax.tree.map(partial(jnp.where, index == 1), onward, between)
        unknowns, solved, iterations = chord(
            chemistry,
            view,
            guess,
            rate,
            matrix,
            jnp.maximum(NEWTON_SHARE * tolerance, NEWTON_FLOOR),
        )
        rates, crossing = stage_rates(chemistry, problem, view, unknowns, rate)
        rows = jax.tree.map(
            lambda table, row: table.at[index].set(row),
            done.rows,
            _Rows(rates, crossing, unknowns),
        )
        return _Stages(rows, done.solved & solved, done.iterations + iterations)

    first: _Rows = jax.tree.map(
        lambda row: jnp.zeros((STAGES, *row.shape)).at[0].set(row),
        _Rows(start.rates, start.crossing, start.unknowns),
    )
    begun = _Stages(first, jnp.array(True), jnp.array(0))
    done: _Stages = lax.fori_loop(1, STAGES, solve, begun)
    return done


def take_step(
    chemistry: StageChemistry,
    problem: Problem,
    start: Start,
    step: Array,
    matrix: Matrix,
    tolerance: Array,
) -> Step:
    """Return where a step of `step` seconds leads.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the bank.
        start: Where it begins.
        step: [s].
        matrix: Eliminated Jacobian, made for about this step.
        tolerance: Relative error; also absolute in mol/m³.
    """
    done = _solved_stages(chemistry, problem, start, step, matrix, tolerance)
    weights = jnp.array(WEIGHTS)
    end = _kept_positive(_weighted(start.held, step, weights, done.rows.rates), start.held)
    crossed = jax.tree.map(
        lambda rates: step * jnp.tensordot(weights, rates, 1), done.rows.crossing
    )
    difference = jnp.array(WEIGHTS - EMBEDDED)
    error = jax.tree.map(lambda f: step * jnp.tensordot(difference, f, 1), done.rows.rates)
    norm = error_norm(problem, error, end, tolerance)
    last = partial(jax.tree.map, lambda rows: rows[-1])
    return Step(
        held=end,
        unknowns=last(done.rows.unknowns),
        rates=last(done.rows.rates),
        crossing=last(done.rows.crossing),
        crossed=crossed,
        middle=jax.tree.map(lambda rows: rows[MIDDLE], done.rows.unknowns),
        error=jnp.where(done.solved, norm, jnp.inf),
        iterations=done.iterations,
    )


def error_norm(problem: Problem, error: Inventory, held: Inventory, tolerance: Array) -> Array:
    """Return the largest error of a stored amount over what is tolerated, [-].

    In every vessel of every stage, the root of the mean square over the components.

    Args:
        problem: Numbers of the bank.
        error: What each state is off by.
        held: The states.
        tolerance: Relative; also absolute in mol/m³.
    """
    vessels = problem.vessels

    def measured(amount_error: Array, amount: Array, volume: Array | float) -> Array:
        relative = amount_error / (tolerance * (jnp.abs(amount) + volume))
        return jnp.sqrt(jnp.mean(relative**2, axis=-1))

    volume = (vessels.mixer_aqueous + vessels.mixer_organic)[:, None]
    mixer = measured(error.mixer, held.mixer, volume)
    # Where volumes move the settlers' states are amounts.
    aqueous_volume: Array | float = 1.0
    organic_volume: Array | float = 1.0
    if held.volumes is not None:
        aqueous_volume = held.volumes.settler_aqueous[:, None]
        organic_volume = held.volumes.settler_organic[:, None]
    aqueous = measured(error.settler_aqueous, held.settler_aqueous, aqueous_volume)
    organic = measured(error.settler_organic, held.settler_organic, organic_volume)
    worst = jnp.maximum(jnp.maximum(mixer, aqueous), organic)
    if error.cells_aqueous is not None and error.cells_organic is not None:
        assert held.cells_aqueous is not None
        assert held.cells_organic is not None
        if held.volumes is not None:
            aqueous_volume = held.volumes.settler_aqueous[:, None, None]
            organic_volume = held.volumes.settler_organic[:, None, None]
        before = measured(error.cells_aqueous, held.cells_aqueous, aqueous_volume).max(axis=1)
        worst = jnp.maximum(worst, before)
        before = measured(error.cells_organic, held.cells_organic, organic_volume).max(axis=1)
        worst = jnp.maximum(worst, before)
    if error.volumes is not None and held.volumes is not None:
        for off, held_volume in zip(error.volumes[:3], held.volumes[:3], strict=True):
            worst = jnp.maximum(worst, jnp.abs(off) / (tolerance * held_volume))
    return jnp.max(jnp.where(vessels.active, worst, 0.0))
