"""One implicit stage of an integration: rates of change as flows, and the chord iteration.

What a vessel gains is written as what flows in less what flows out, at whatever unknowns the
iteration ended; the linear states advance by these flows. Metal in therefore equals metal out plus
what the vessels gained to rounding, and the tolerance of the iteration bounds accuracy alone.
"""

from __future__ import annotations

from typing import NamedTuple

from raffinate.cascade.bank import Inventory, Unknowns
from raffinate.cascade.boundary import Boundary, boundary_rates
from raffinate.cascade.equations import Evaluation, Problem, evaluate, residual
from raffinate.cascade.steady import largest
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.numerics.block_tridiagonal import BorderedFactors, solve_bordered
from raffinate.numerics.jax_setup import Array, jnp, lax

AS_HELD = 1e30
"""A rate at which settled streams are what the settlers hold, [1/s]."""

MAX_CHORD = 12
"""Iterations with one Jacobian before a step is given up."""


class Matrix(NamedTuple):
    """An eliminated Jacobian and the rate it was made for.

    Attributes:
        factors: The eliminated Jacobian.
        rate: 1/(γ Δt) of it, [1/s]; next to nothing when it must not be used again.
    """

    factors: BorderedFactors
    rate: Array


def _flows_into(
    chemistry: StageChemistry, problem: Problem, state: Evaluation, tank: Array
) -> Inventory:
    """Return d(held)/dt as flows; `tank` is what the organic tank holds, [mol/m³]."""
    vessels, out = problem.vessels, state.out
    flow = state.streams.organic_flow
    through = (state.flows.leaving + state.streams.recycle)[:, None]
    efficiency = vessels.efficiency[:, None]
    speed = efficiency / jnp.maximum(1.0 - efficiency, 1e-9)
    gained = state.entering.organic - out.organic + speed * (out.equilibrium - out.organic)
    barren = out.settled_organic[vessels.last, : chemistry.element_count]
    active = vessels.active[:, None]
    aqueous = through * (out.aqueous - out.settled_aqueous)
    organic = flow * (out.organic - out.settled_organic)
    return Inventory(
        mixer=jnp.where(active, state.net, 0.0),
        mixer_organic=jnp.where(active & (efficiency < 1.0), flow * gained, 0.0),
        settler_aqueous=aqueous / vessels.settler_aqueous[:, None],
        settler_organic=organic / vessels.settler_organic[:, None],
        tank=flow * (barren - tank) / vessels.tank,
    )


def time_derivative(
    chemistry: StageChemistry, problem: Problem, held: Inventory, unknowns: Unknowns
) -> tuple[Inventory, Boundary]:
    """Return d(held)/dt and the boundary rates at a consistent state.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the bank.
        held: What the vessels hold.
        unknowns: Algebraic unknowns that belong to it.
    """
    state = evaluate(chemistry, problem, unknowns, held, jnp.array(AS_HELD))
    rates = _flows_into(chemistry, problem, state, held.tank)
    return rates, boundary_rates(problem, state)


def stage_rates(
    chemistry: StageChemistry, problem: Problem, unknowns: Unknowns, base: Inventory, rate: Array
) -> tuple[Inventory, Boundary]:
    """Return d(held)/dt and the boundary rates at the end of an implicit stage.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the bank.
        unknowns: Where the iteration ended.
        base: What the stage started from.
        rate: 1/(γ Δt), [1/s].
    """
    state = evaluate(chemistry, problem, unknowns, base, rate)
    tank = unknowns.border[: chemistry.element_count] * state.shared.extractant
    return _flows_into(chemistry, problem, state, tank), boundary_rates(problem, state)


def chord(
    chemistry: StageChemistry,
    problem: Problem,
    guess: Unknowns,
    base: Inventory,
    rate: Array,
    matrix: Matrix,
    tolerance: Array,
) -> tuple[Unknowns, Array, Array]:
    """Solve one implicit stage with a Jacobian made elsewhere, perhaps at another rate.

    Returns:
        The unknowns, whether the largest relative residual is within `tolerance`, and the
        iterations it took.
    """
    count = chemistry.unknown_count
    # Halves the distance that a matrix made for another rate leaves at each iteration.
    share = 2.0 / (1.0 + rate / matrix.rate)

    def unfinished(carry: tuple[Unknowns, Unknowns, Array, Array, Array]) -> Array:
        _, _, left, before, iteration = carry
        return (left > tolerance) & (iteration < MAX_CHORD) & (left < 2.0 * before)

    def improve(
        carry: tuple[Unknowns, Unknowns, Array, Array, Array],
    ) -> tuple[Unknowns, Unknowns, Array, Array, Array]:
        here, found, left, _, iteration = carry
        stage, border = solve_bordered(matrix.factors, -share * found.stage, -share * found.border)
        logs = chemistry.moved(here.stage[:, :count], stage[:, :count], 1.0)
        organic = here.stage[:, count:] + stage[:, count:]
        trial = Unknowns(jnp.concatenate([logs, organic], axis=1), here.border + border)
        found = residual(chemistry, problem, trial, base, rate)
        return trial, found, largest(found), left, iteration + 1

    found = residual(chemistry, problem, guess, base, rate)
    start = (guess, found, largest(found), jnp.array(jnp.inf), jnp.array(0))
    here, _, left, _, iterations = lax.while_loop(unfinished, improve, start)
    return here, left <= tolerance, iterations
