"""Balances of a bank as residuals: the same equations steady, pseudo-transient and implicit.

An implicit step holds, for every linear state Y, (Y - base)·rate = F(Y) with rate = 1/(γ Δt); at
rate = 0 the same lines are the steady state. Settlers are linear in what the mixers send them and
are eliminated exactly, so that the unknowns are those of the mixers alone.
"""

from __future__ import annotations

from typing import NamedTuple

from raffinate.cascade.bank import (
    AqueousFlows,
    Inventory,
    Specification,
    Streams,
    Unknowns,
    Vessels,
    adjusted,
    aqueous_flows,
)
from raffinate.chemistry.exchange import ExchangeParameters, StageChemistry
from raffinate.numerics.block_tridiagonal import BorderedFactors, factorise, factorise_bordered
from raffinate.numerics.jax_setup import Array, jax, jnp, lax

NEGLIGIBLE = 1e-12
"""Rare earth in barren organic, as a fraction of the extractant, below which none is counted."""


class Problem(NamedTuple):
    """All numbers of one bank.

    Attributes:
        vessels: Holdups.
        streams: Feeds, draws, flows.
        specification: Purities wanted and flows freed.
        parameters: Numbers of the chemistry.
    """

    vessels: Vessels
    streams: Streams
    specification: Specification
    parameters: ExchangeParameters


class Stage(NamedTuple):
    """One row of `Problem`, seen by one stage; scalars but for the vectors."""

    mixer_aqueous: Array
    mixer_organic: Array
    settler_aqueous: Array
    settler_organic: Array
    efficiency: Array
    active: Array
    recycle: Array


class Outflow(NamedTuple):
    """What a stage sends on.

    Attributes:
        aqueous: Mixer aqueous, (component,), [mol/m³].
        organic: Mixer organic as it leaves, (carried,), [mol/m³].
        equilibrium: Organic in equilibrium with the aqueous, (carried,), [mol/m³].
        settled_aqueous: Settled aqueous, (component,), [mol/m³].
        settled_organic: Settled organic, (carried,), [mol/m³].
    """

    aqueous: Array
    organic: Array
    equilibrium: Array
    settled_aqueous: Array
    settled_organic: Array


def stage_rows(vessels: Vessels, streams: Streams) -> Stage:
    """Return per-stage data with the stage on the first axis."""
    return Stage(
        vessels.mixer_aqueous,
        vessels.mixer_organic,
        vessels.settler_aqueous,
        vessels.settler_organic,
        vessels.efficiency,
        vessels.active,
        streams.recycle,
    )


def outflow(
    chemistry: StageChemistry,
    unknowns: Array,
    stage: Stage,
    aqueous_flow: Array,
    organic_flow: Array,
    base: Inventory,
    rate: Array,
    extractant: Array,
    parameters: ExchangeParameters,
) -> Outflow:
    """Return what one stage sends on, its settlers eliminated."""
    carried = jnp.array(chemistry.organic_components)
    count = chemistry.unknown_count
    aqueous, organic_all = chemistry.phases(unknowns[:count], parameters)
    organic = unknowns[count:] * extractant
    through_aqueous = aqueous_flow + stage.recycle
    held_aqueous = rate * stage.settler_aqueous
    held_organic = rate * stage.settler_organic
    tiny = 1e-300
    settled_aqueous = (held_aqueous * base.settler_aqueous + (through_aqueous + tiny) * aqueous) / (
        held_aqueous + through_aqueous + tiny
    )
    settled_organic = (held_organic * base.settler_organic + (organic_flow + tiny) * organic) / (
        held_organic + organic_flow + tiny
    )
    return Outflow(aqueous, organic, organic_all[carried], settled_aqueous, settled_organic)


def imbalance(
    here: Outflow,
    aqueous_in: Array,
    organic_in: Array,
    stage: Stage,
    aqueous_flow: Array,
    organic_flow: Array,
    carried: tuple[int, ...],
) -> Array:
    """Return what enters a mixer less what leaves it, (component,), [mol/s].

    Args:
        here: What the stage sends on.
        aqueous_in: Components entering with aqueous streams, (component,), [mol/s].
        organic_in: Organic from the stage before, (carried,), [mol/m³].
        stage: The stage.
        aqueous_flow: Aqueous leaving the settler, [m³/s].
        organic_flow: Organic through the stage, [m³/s].
        carried: Indices of the components the organic carries.
    """
    aqueous = aqueous_in + stage.recycle * here.settled_aqueous
    aqueous = aqueous - (aqueous_flow + stage.recycle) * here.aqueous
    return aqueous.at[jnp.array(carried)].add(organic_flow * (organic_in - here.organic))


def stage_residual(
    chemistry: StageChemistry,
    unknowns: Array,
    here: Outflow,
    net: Array,
    organic_in: Array,
    stage: Stage,
    aqueous_flow: Array,
    organic_flow: Array,
    base: Inventory,
    rate: Array,
    parameters: ExchangeParameters,
) -> Array:
    """Return relative residuals of one stage, (unknown + carried,).

    Mixer balances and electroneutrality come from the chemistry, given totals that are what an
    equilibrium mixture holds plus the imbalance; then organic-phase Murphree, in a form that holds
    for efficiencies up to and including one and, in time, is first-order mass transfer.
    """
    carried = jnp.array(chemistry.organic_components)
    count = chemistry.unknown_count
    held = stage.mixer_aqueous * here.aqueous
    held = held.at[carried].add(stage.mixer_organic * here.organic)
    net = net - rate * (held - base.mixer)
    through = aqueous_flow + stage.recycle + organic_flow
    fraction = organic_flow / through
    # Short steps balance what is stored, long ones what flows; residuals are relative to both.
    turnover = through + rate * (stage.mixer_aqueous + stage.mixer_organic)
    equilibrium = (1.0 - fraction) * here.aqueous
    equilibrium = equilibrium.at[carried].add(fraction * here.equilibrium)
    balances = chemistry.residual(
        unknowns[:count], equilibrium + net / turnover, fraction, parameters
    )
    gathered = rate * (stage.mixer_organic * here.organic - base.mixer_organic) / organic_flow
    lag = gathered + here.organic - organic_in
    transfer = here.equilibrium - here.organic
    scale = (here.equilibrium + organic_in) * (1.0 + rate * stage.mixer_organic / organic_flow)
    murphree = ((1.0 - stage.efficiency) * lag - stage.efficiency * transfer) / scale
    return jnp.concatenate([balances, murphree])


def extractant_of(streams: Streams) -> Array:
    """Return total dimer in the organic, [mol/m³]: the scale of the organic unknowns."""
    return jnp.asarray(streams.organic_inlet)[-1]


def organic_inlet(
    chemistry: StageChemistry, streams: Streams, border: Array, elements: int
) -> Array:
    """Return the organic entering stage 0, (carried,), [mol/m³]."""
    carried = jnp.array(chemistry.organic_components)
    returned = border[:elements] * extractant_of(streams)
    return jnp.asarray(streams.organic_inlet)[carried].at[:elements].set(returned)


def element_count(chemistry: StageChemistry) -> int:
    """Return the number of rare earths: all components but cation, anion and extractant."""
    return len(chemistry.components) - 3


class Evaluation(NamedTuple):
    """A bank at given unknowns.

    Attributes:
        out: Outflow of every stage, stage first.
        net: Imbalance of every mixer, (stage, component), [mol/s].
        streams: Streams with the free variables applied.
        flows: Aqueous flows.
        inlet: Organic entering stage 0, (carried,), [mol/m³].
    """

    out: Outflow
    net: Array
    streams: Streams
    flows: AqueousFlows
    inlet: Array


def evaluate(
    chemistry: StageChemistry,
    problem: Problem,
    unknowns: Unknowns,
    base: Inventory,
    rate: Array,
) -> Evaluation:
    """Return every stream of the bank at `unknowns`."""
    vessels, parameters = problem.vessels, problem.parameters
    elements = element_count(chemistry)
    streams = adjusted(problem.streams, problem.specification, unknowns.border[elements:])
    flows = aqueous_flows(streams, unknowns.stage.shape[0])
    extractant = extractant_of(streams)
    stages = stage_rows(vessels, streams)

    def send(u: Array, stage: Stage, leaving: Array, held: Inventory) -> Outflow:
        return outflow(
            chemistry, u, stage, leaving, streams.organic_flow, held, rate, extractant, parameters
        )

    axes = Inventory(0, 0, 0, 0, None)
    out = jax.vmap(send, in_axes=(0, 0, 0, axes))(unknowns.stage, stages, flows.leaving, base)
    inlet = organic_inlet(chemistry, streams, unknowns.border, elements)
    organic_in = jnp.concatenate([inlet[None], out.settled_organic[:-1]])
    from_above = flows.passed[1:, None] * out.settled_aqueous[1:]
    aqueous_in = flows.fed.at[:-1].add(from_above)

    def net_of(here: Outflow, a_in: Array, o_in: Array, stage: Stage, leaving: Array) -> Array:
        return imbalance(
            here, a_in, o_in, stage, leaving, streams.organic_flow, chemistry.organic_components
        )

    net = jax.vmap(net_of)(out, aqueous_in, organic_in, stages, flows.leaving)
    return Evaluation(out, net, streams, flows, inlet)


def _stage_residuals(
    chemistry: StageChemistry,
    problem: Problem,
    unknowns: Unknowns,
    base: Inventory,
    rate: Array,
    state: Evaluation,
) -> Array:
    stages = stage_rows(problem.vessels, state.streams)
    organic_in = jnp.concatenate([state.inlet[None], state.out.settled_organic[:-1]])

    def one(u: Array, here: Outflow, net: Array, o_in: Array, stage: Stage, q: Array, held: Inventory) -> Array:
        return stage_residual(
            chemistry, u, here, net, o_in, stage, q, state.streams.organic_flow, held, rate,
            problem.parameters,
        )

    axes = Inventory(0, 0, 0, 0, None)
    rows = jax.vmap(one, in_axes=(0, 0, 0, 0, 0, 0, axes))(
        unknowns.stage, state.out, state.net, organic_in, stages, state.flows.leaving, base
    )
    return jnp.where(problem.vessels.active[:, None], rows, 0.0)


def border_residual(
    problem: Problem,
    border: Array,
    last_organic: Array,
    outlet_aqueous: Array,
    base: Inventory,
    rate: Array,
    elements: int,
) -> Array:
    """Return the loop and purity equations, (element + spec,), relative, [-].

    Args:
        problem: The bank.
        border: Barren rare earths and free variables.
        last_organic: Settled organic leaving the last stage, (carried,), [mol/m³].
        outlet_aqueous: Settled aqueous at the specified outlets, (spec, component), [mol/m³].
        base: Start of the implicit step.
        rate: 1/(γ Δt), [1/s].
        elements: Number of rare earths.
    """
    specification = problem.specification
    streams = adjusted(problem.streams, specification, border[elements:])
    returned = border[:elements] * extractant_of(streams)
    leaving = last_organic[:elements]
    turnover = rate * problem.vessels.tank / streams.organic_flow
    loop = leaving - returned - turnover * (returned - base.tank)
    mass = specification.weight * outlet_aqueous
    impurity = jnp.sum(mass * specification.impurity, axis=1) / jnp.sum(mass, axis=1)
    purity = jnp.log10(impurity) - specification.log_impurity
    scale = (leaving + returned + NEGLIGIBLE * extractant_of(streams)) * (1.0 + turnover)
    return jnp.concatenate([loop / scale, purity])


def residual(
    chemistry: StageChemistry, problem: Problem, unknowns: Unknowns, base: Inventory, rate: Array
) -> Unknowns:
    """Return all residuals, relative: per stage and border, in the shape of the unknowns."""
    state = evaluate(chemistry, problem, unknowns, base, rate)
    stage = _stage_residuals(chemistry, problem, unknowns, base, rate, state)
    border = border_residual(
        problem,
        unknowns.border,
        state.out.settled_organic[problem.vessels.last],
        state.out.settled_aqueous[problem.specification.outlet_stage],
        base,
        rate,
        element_count(chemistry),
    )
    return Unknowns(stage, border)


def factorise_newton(
    chemistry: StageChemistry, problem: Problem, unknowns: Unknowns, base: Inventory, rate: Array
) -> BorderedFactors:
    """Return the eliminated Jacobian of `residual`: blocks by forward-mode differentiation."""
    vessels, parameters = problem.vessels, problem.parameters
    elements = element_count(chemistry)
    carried = chemistry.organic_components
    state = evaluate(chemistry, problem, unknowns, base, rate)
    stages = stage_rows(vessels, state.streams)
    organic_flow, extractant = state.streams.organic_flow, extractant_of(state.streams)
    axes = Inventory(0, 0, 0, 0, None)

    def send(u: Array, stage: Stage, q: Array, held: Inventory) -> Outflow:
        return outflow(chemistry, u, stage, q, organic_flow, held, rate, extractant, parameters)

    def local(
        u: Array, a_in: Array, o_in: Array, stage: Stage, q: Array, held: Inventory
    ) -> Array:
        here = send(u, stage, q, held)
        net = imbalance(here, a_in, o_in, stage, q, organic_flow, carried)
        return stage_residual(
            chemistry, u, here, net, o_in, stage, q, organic_flow, held, rate, parameters
        )

    organic_in = jnp.concatenate([state.inlet[None], state.out.settled_organic[:-1]])
    from_above = state.flows.passed[1:, None] * state.out.settled_aqueous[1:]
    aqueous_in = state.flows.fed.at[:-1].add(from_above)
    own, by_aqueous, by_organic = jax.vmap(
        jax.jacfwd(local, argnums=(0, 1, 2)), in_axes=(0, 0, 0, 0, 0, axes)
    )(unknowns.stage, aqueous_in, organic_in, stages, state.flows.leaving, base)
    sent = jax.vmap(jax.jacfwd(send), in_axes=(0, 0, 0, axes))(
        unknowns.stage, stages, state.flows.leaving, base
    )
    active = vessels.active[:, None, None]
    identity = jnp.eye(own.shape[-1])
    lower = jnp.zeros_like(own).at[1:].set(by_organic[1:] @ sent.settled_organic[:-1])
    onward = state.flows.passed[1:, None, None] * sent.settled_aqueous[1:]
    upper = jnp.zeros_like(own).at[:-1].set(by_aqueous[:-1] @ onward)
    bank = factorise(
        jnp.where(active, lower, 0.0),
        jnp.where(active, own, identity),
        jnp.where(active, upper, 0.0),
    )
    columns, corner, rows, seen = _border_blocks(chemistry, problem, unknowns, base, rate, sent)
    return factorise_bordered(bank, columns, rows, seen, corner)


def _border_blocks(
    chemistry: StageChemistry,
    problem: Problem,
    unknowns: Unknowns,
    base: Inventory,
    rate: Array,
    sent: Outflow,
) -> tuple[Array, Array, Array, Array]:
    """Return columns, corner, rows and the seen stages of the border."""
    elements = element_count(chemistry)
    last, outlets = problem.vessels.last, problem.specification.outlet_stage
    seen = jnp.concatenate([jnp.asarray(last)[None], jnp.asarray(outlets, dtype=jnp.int64)])

    def by_border(border: Array) -> tuple[Array, Array]:
        found = residual(chemistry, problem, Unknowns(unknowns.stage, border), base, rate)
        return found.stage, found.border

    columns, corner = jax.jacfwd(by_border)(unknowns.border)
    state = evaluate(chemistry, problem, unknowns, base, rate)

    def by_outlets(organic: Array, aqueous: Array) -> Array:
        return border_residual(problem, unknowns.border, organic, aqueous, base, rate, elements)

    by_organic, by_aqueous = jax.jacfwd(by_outlets, argnums=(0, 1))(
        state.out.settled_organic[last], state.out.settled_aqueous[outlets]
    )
    loop_rows = by_organic @ sent.settled_organic[last]
    purity_rows = jnp.einsum("bsc,scm->bsm", by_aqueous, sent.settled_aqueous[outlets])
    rows = jnp.concatenate([loop_rows[:, None, :], purity_rows], axis=1)
    return columns, corner, rows, seen


def inventory(
    chemistry: StageChemistry, problem: Problem, unknowns: Unknowns, base: Inventory, rate: Array
) -> Inventory:
    """Return what the vessels hold at `unknowns`."""
    state = evaluate(chemistry, problem, unknowns, base, rate)
    vessels, out = problem.vessels, state.out
    carried = jnp.array(chemistry.organic_components)
    organic = vessels.mixer_organic[:, None] * out.organic
    mixer = vessels.mixer_aqueous[:, None] * out.aqueous
    returned = unknowns.border[: element_count(chemistry)] * extractant_of(state.streams)
    return Inventory(
        mixer=mixer.at[:, carried].add(organic),
        mixer_organic=organic,
        settler_aqueous=out.settled_aqueous,
        settler_organic=out.settled_organic,
        tank=returned,
    )

