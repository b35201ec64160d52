"""One implicit stage of an integration: rates of change as flows, and the chord iteration.

What a vessel gains is written as what flows in less what flows out, at whatever unknowns the
iteration ended; the linear states advance by these flows. Metal in therefore equals metal out plus
what the vessels gained to rounding, and the tolerance of the iteration bounds accuracy alone.
"""

from __future__ import annotations

from typing import NamedTuple

from raffinate.cascade.bank import Inventory, Unknowns, Vessels
from raffinate.cascade.boundary import Boundary, boundary_rates
from raffinate.cascade.dynamic_cells import Layer, Seen, passed_on, seen
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
    chemistry: StageChemistry, view: Seen, vessels: Vessels, state: Evaluation, rate: Array
) -> Inventory:
    """Return d(held)/dt as flows, but for the tank's, whose content is not part of a stage."""
    out = state.out
    flow = state.stages.organic[:, None]
    through = (state.flows.leaving + state.streams.recycle)[:, None]
    efficiency = vessels.efficiency[:, None]
    speed = efficiency / jnp.maximum(1.0 - efficiency, 1e-9)
    gained = state.entering.organic - out.organic + speed * (out.equilibrium - out.organic)
    active = vessels.active[:, None]
    into = Inventory(
        mixer=jnp.where(active, state.net, 0.0),
        mixer_organic=jnp.where(active & (efficiency < 1.0), flow * gained, 0.0),
        settler_aqueous=through * (out.aqueous - out.settled_aqueous),
        settler_organic=flow * (out.organic - out.settled_organic),
        tank=jnp.zeros(chemistry.element_count),
    )
    if view.layers is not None:
        into = _through_cells(chemistry, view, state, into, rate)
    if view.passing is not None:
        return into
    into = into._replace(
        settler_aqueous=into.settler_aqueous / vessels.settler_aqueous[:, None],
        settler_organic=into.settler_organic / vessels.settler_organic[:, None],
    )
    if into.cells_aqueous is None or into.cells_organic is None:
        return into
    assert vessels.cells_aqueous is not None
    assert vessels.cells_organic is not None
    return into._replace(
        cells_aqueous=_per_volume(into.cells_aqueous, vessels.cells_aqueous),
        cells_organic=_per_volume(into.cells_organic, vessels.cells_organic),
    )


def _per_volume(amount: Array, volume: Array) -> Array:
    exists = volume[:, :, None] > 0.0
    return jnp.where(exists, amount / jnp.where(exists, volume[:, :, None], 1.0), 0.0)


def _through_cells(
    chemistry: StageChemistry, view: Seen, state: Evaluation, into: Inventory, rate: Array
) -> Inventory:
    """Return what flows into every cell less what leaves it, and what moving mixers gain."""
    assert view.layers is not None
    out, found = state.out, view.passing
    aqueous_layer, organic_layer = view.layers
    over = (aqueous_layer.flow[:, -1], organic_layer.flow[:, -1])
    if found is not None:
        over = (found.over_aqueous, found.over_organic)
        carried = jnp.array(chemistry.organic_components)
        moved = found.rates.mixer_aqueous[:, None]
        # What entered a mixer is written above; here, that more or less of a phase left it.
        mixer = into.mixer + moved * out.aqueous
        into = into._replace(
            mixer=mixer.at[:, carried].add(-moved * out.organic),
            mixer_organic=jnp.where(
                state.stages.efficiency[:, None] < 1.0,
                into.mixer_organic - moved * out.organic,
                0.0,
            ),
            volumes=found.rates,
        )
    aqueous = _cell_gains(aqueous_layer, out.aqueous, out.settled_aqueous, over[0], rate)
    organic = _cell_gains(organic_layer, out.organic, out.settled_organic, over[1], rate)
    if found is not None:
        exists = view.problem.vessels.active[:, None, None]
        aqueous, organic = jnp.where(exists, aqueous, 0.0), jnp.where(exists, organic, 0.0)
    into = into._replace(settler_aqueous=aqueous[:, -1], settler_organic=organic[:, -1])
    if aqueous.shape[1] == 1:
        return into
    return into._replace(cells_aqueous=aqueous[:, :-1], cells_organic=organic[:, :-1])


def _cell_gains(layer: Layer, sent: Array, settled: Array, over: Array, rate: Array) -> Array:
    """Return what flows into the cells of a layer less what leaves, (stage, cell, component)."""
    ends = passed_on(layer, sent, rate).at[:, -1].set(settled)
    entering = jnp.concatenate([sent[:, None], ends[:, :-1]], axis=1)
    leaving = jnp.concatenate([layer.flow[:, 1:], over[:, None]], axis=1)
    return layer.flow[:, :, None] * entering - leaving[:, :, None] * ends


def _crossing(chemistry: StageChemistry, view: Seen, state: Evaluation) -> Boundary:
    crossing, found = boundary_rates(view.problem, state), view.passing
    if state.streams.organic_feeds is not None:
        return _crossing_of_loop(chemistry, view, state, crossing)
    if found is None:
        return crossing
    last = view.problem.vessels.last
    passed = found.over_organic[last] if found.loop is None else found.loop.passed
    return crossing._replace(organic_out=passed * state.out.settled_organic[last])


def _kept(view: Seen, state: Evaluation) -> tuple[Array, Array]:
    """Return organic of the last stage that stays in the loop, and what leaves it, [m³/s]."""
    if view.passing is not None and view.passing.loop is not None:
        return view.passing.loop.kept, view.passing.loop.bled
    assert state.flows.entrained is not None
    passed = state.flows.entrained.organic_passed[view.problem.vessels.last]
    kept = jnp.minimum(passed, state.streams.organic_flow)
    return kept, passed - kept


def _crossing_of_loop(
    chemistry: StageChemistry, view: Seen, state: Evaluation, crossing: Boundary
) -> Boundary:
    """Return what crosses where organic is fed on the way, with what the loop keeps left out.

    Of the organic then enter what is fed on the way and what saponification and make-up add to
    what the last stage sends back; what is bled behind it leaves. The rare earths of the loop come
    from the tank, which is counted as held.
    """
    feeds, elements = state.streams.organic_feeds, chemistry.element_count
    assert feeds is not None
    barren = state.out.settled_organic[view.problem.vessels.last]
    kept, bled = _kept(view, state)
    added = state.streams.organic_flow * state.inlet - kept * barren
    return crossing._replace(
        organic_in=feeds.flow @ feeds.concentration + added.at[:elements].set(0.0),
        organic_out=bled * barren,
    )


def _rates(
    chemistry: StageChemistry,
    problem: Problem,
    view: Seen,
    state: Evaluation,
    rate: Array,
    tank: Array,
) -> tuple[Inventory, Boundary]:
    """Return d(held)/dt and the boundary rates; `tank` is what the tank holds, [mol/m³]."""
    crossing = _crossing(chemistry, view, state)
    into = _flows_into(chemistry, view, problem.vessels, state, rate)
    elements, fed = chemistry.element_count, state.streams.organic_flow
    last = problem.vessels.last
    barren = state.out.settled_organic[last, :elements]
    if state.streams.organic_feeds is not None:
        gained = _kept(view, state)[0] * barren - fed * tank
        gained = gained if view.passing is not None else gained / problem.vessels.tank
    elif view.passing is not None:
        gained = crossing.organic_out[:elements] - fed * tank
    elif state.flows.entrained is not None:
        passed = state.flows.entrained.organic_passed[last]
        # What was entrained away is made up with organic that brings no rare earth.
        gained = (passed * barren - fed * tank) / problem.vessels.tank
    else:
        gained = fed * (barren - tank) / problem.vessels.tank
    return into._replace(tank=gained), crossing


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
    rate = jnp.array(AS_HELD)
    view = seen(problem, held, rate)
    state = evaluate(chemistry, view.problem, unknowns, view.base, rate)
    return _rates(chemistry, problem, view, state, rate, view.base.tank)


def stage_rates(
    chemistry: StageChemistry, problem: Problem, view: Seen, unknowns: Unknowns, rate: Array
) -> tuple[Inventory, Boundary]:
    """Return d(held)/dt and the boundary rates at the end of an implicit stage.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the bank.
        view: The stage as the equations see it.
        unknowns: Where the iteration ended.
        rate: 1/(γ Δt), [1/s].
    """
    state = evaluate(chemistry, view.problem, unknowns, view.base, rate)
    tank = unknowns.border[: chemistry.element_count] * state.shared.extractant
    return _rates(chemistry, problem, view, state, rate, tank)


def chord(
    chemistry: StageChemistry,
    view: Seen,
    guess: Unknowns,
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
    problem, base = view.problem, view.base
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
