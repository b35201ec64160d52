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
from raffinate.cascade.entrainment import after, along, before, going_down, returned_organic
from raffinate.chemistry.stage_chemistry import Parameters, StageChemistry
from raffinate.numerics.jax_setup import Array, jax, jnp

NEGLIGIBLE = 1e-12
"""Rare earth in barren organic, as a fraction of the extractant, below which none is counted."""

TINY = 1e-30
"""Flow that keeps a stage without any aqueous flow from dividing by zero, [m³/s].

Its square, which derivatives divide by, must not underflow either."""


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
    parameters: Parameters


class Stage(NamedTuple):
    """One stage as its own equations see it; for a whole bank, the stage is the first axis.

    Attributes:
        mixer_aqueous, mixer_organic: Phase volumes in the mixer, [m³].
        settler_aqueous, settler_organic: Phase volumes in the settler, [m³].
        efficiency: Organic-phase Murphree efficiency, [-].
        recycle: Settled aqueous returned to the mixer, [m³/s].
        leaving: Aqueous leaving the settler, [m³/s].
        organic: Organic leaving the settler, [m³/s].
        base_mixer: Content of the mixer at the start of the step, (component,), [mol].
        base_mixer_organic: Of its organic phase, (carried,), [mol].
        base_settler_aqueous: Settled aqueous at the start, (component,), [mol/m³].
        base_settler_organic: Settled organic at the start, (carried,), [mol/m³].
    """

    mixer_aqueous: Array
    mixer_organic: Array
    settler_aqueous: Array
    settler_organic: Array
    efficiency: Array
    recycle: Array
    leaving: Array
    organic: Array
    base_mixer: Array
    base_mixer_organic: Array
    base_settler_aqueous: Array
    base_settler_organic: Array


class Shared(NamedTuple):
    """What every stage shares in one implicit step.

    Attributes:
        extractant: Total dimer in the organic, [mol/m³]: the scale of the organic unknowns.
        rate: 1/(γ Δt), [1/s]; 0 for the steady state.
        parameters: Numbers of the chemistry.
    """

    extractant: Array
    rate: Array
    parameters: Parameters


class Entering(NamedTuple):
    """What other stages and feeds send into a mixer.

    Attributes:
        aqueous: Components with aqueous streams, (component,), [mol/s].
        organic: Organic that arrives, (carried,), [mol/m³].
    """

    aqueous: Array
    organic: Array


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


class Evaluation(NamedTuple):
    """A bank at given unknowns.

    Attributes:
        out: Outflow of every stage, stage first.
        net: Imbalance of every mixer, (stage, component), [mol/s].
        streams: Streams with the free variables applied.
        flows: Aqueous flows.
        inlet: Organic entering stage 0, (carried,), [mol/m³].
        stages: The stages, stage first.
        shared: What they share.
        entering: What enters their mixers, stage first.
        liquor: What goes down from each settler per volume of aqueous, entrained organic
            included, (stage, component), [mol/m³].
    """

    out: Outflow
    net: Array
    streams: Streams
    flows: AqueousFlows
    inlet: Array
    stages: Stage
    shared: Shared
    entering: Entering
    liquor: Array


def stage_rows(vessels: Vessels, streams: Streams, flows: AqueousFlows, base: Inventory) -> Stage:
    """Return the stages of a bank, stage first."""
    return Stage(
        mixer_aqueous=vessels.mixer_aqueous,
        mixer_organic=vessels.mixer_organic,
        settler_aqueous=vessels.settler_aqueous,
        settler_organic=vessels.settler_organic,
        efficiency=vessels.efficiency,
        recycle=streams.recycle,
        leaving=flows.leaving,
        organic=flows.organic,
        base_mixer=base.mixer,
        base_mixer_organic=base.mixer_organic,
        base_settler_aqueous=base.settler_aqueous,
        base_settler_organic=base.settler_organic,
    )


def outflow(chemistry: StageChemistry, unknowns: Array, stage: Stage, shared: Shared) -> Outflow:
    """Return what one stage sends on, its settlers eliminated.

    Args:
        chemistry: Equations of one contact.
        unknowns: Of the stage, (unknown + carried,).
        stage: The stage.
        shared: What all stages share.
    """
    carried = jnp.array(chemistry.organic_components)
    count = chemistry.unknown_count
    aqueous, equilibrium = chemistry.phases(unknowns[:count], shared.parameters)
    organic = unknowns[count:] * shared.extractant
    through_aqueous = stage.leaving + stage.recycle + TINY
    through_organic = stage.organic + TINY
    held_aqueous = shared.rate * stage.settler_aqueous
    held_organic = shared.rate * stage.settler_organic
    settled_aqueous = held_aqueous * stage.base_settler_aqueous + through_aqueous * aqueous
    settled_organic = held_organic * stage.base_settler_organic + through_organic * organic
    return Outflow(
        aqueous=aqueous,
        organic=organic,
        equilibrium=equilibrium[carried],
        settled_aqueous=settled_aqueous / (held_aqueous + through_aqueous),
        settled_organic=settled_organic / (held_organic + through_organic),
    )


def imbalance(here: Outflow, entering: Entering, stage: Stage, carried: tuple[int, ...]) -> Array:
    """Return what enters a mixer less what leaves it, (component,), [mol/s].

    Args:
        here: What the stage sends on.
        entering: What enters its mixer from elsewhere.
        stage: The stage.
        carried: Indices of the components the organic carries.
    """
    aqueous = entering.aqueous + stage.recycle * here.settled_aqueous
    aqueous = aqueous - (stage.leaving + stage.recycle) * here.aqueous
    organic = stage.organic * (entering.organic - here.organic)
    return aqueous.at[jnp.array(carried)].add(organic)


def stage_residual(
    chemistry: StageChemistry,
    unknowns: Array,
    here: Outflow,
    net: Array,
    organic_in: Array,
    stage: Stage,
    shared: Shared,
) -> Array:
    """Return relative residuals of one stage, (unknown + carried,).

    Mixer balances and electroneutrality come from the chemistry, given totals that are what an
    equilibrium mixture holds plus the imbalance; then organic-phase Murphree, in a form that holds
    for efficiencies up to and including one and, in time, is first-order mass transfer.

    Args:
        chemistry: Equations of one contact.
        unknowns: Of the stage, (unknown + carried,).
        here: What it sends on.
        net: Imbalance of its mixer, (component,), [mol/s].
        organic_in: Organic that arrives, (carried,), [mol/m³].
        stage: The stage.
        shared: What all stages share.
    """
    carried = jnp.array(chemistry.organic_components)
    flow, rate = stage.organic, shared.rate
    held = stage.mixer_aqueous * here.aqueous
    held = held.at[carried].add(stage.mixer_organic * here.organic)
    net = net - rate * (held - stage.base_mixer)
    through = stage.leaving + stage.recycle + flow
    fraction = flow / through
    # Short steps balance what is stored, long ones what flows; residuals are relative to both.
    turnover = through + rate * (stage.mixer_aqueous + stage.mixer_organic)
    equilibrium = (1.0 - fraction) * here.aqueous
    equilibrium = equilibrium.at[carried].add(fraction * here.equilibrium)
    balances = chemistry.residual(
        unknowns[: chemistry.unknown_count],
        equilibrium + net / turnover,
        fraction,
        shared.parameters,
    )
    gathered = rate * (stage.mixer_organic * here.organic - stage.base_mixer_organic) / flow
    lag = gathered + here.organic - organic_in
    transfer = here.equilibrium - here.organic
    scale = (here.equilibrium + organic_in) * (1.0 + rate * stage.mixer_organic / flow)
    murphree = ((1.0 - stage.efficiency) * lag - stage.efficiency * transfer) / scale
    return jnp.concatenate([balances, murphree])


def extractant_of(streams: Streams) -> Array:
    """Return total dimer in the organic, [mol/m³]: the scale of the organic unknowns."""
    return jnp.asarray(streams.organic_inlet)[-1]


def organic_inlet(chemistry: StageChemistry, streams: Streams, border: Array) -> Array:
    """Return the organic entering stage 0, (carried,), [mol/m³]."""
    carried, elements = jnp.array(chemistry.organic_components), chemistry.element_count
    returned = border[:elements] * extractant_of(streams)
    return jnp.asarray(streams.organic_inlet)[carried].at[:elements].set(returned)


def evaluate(
    chemistry: StageChemistry,
    problem: Problem,
    unknowns: Unknowns,
    base: Inventory,
    rate: Array,
) -> Evaluation:
    """Return every stream of the bank at `unknowns`.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the bank.
        unknowns: Where to evaluate.
        base: Start of the implicit step.
        rate: 1/(γ Δt), [1/s]; 0 for the steady state.
    """
    free = unknowns.border[chemistry.element_count :]
    streams = adjusted(problem.streams, problem.specification, free)
    flows = aqueous_flows(streams, unknowns.stage.shape[0])
    stages = stage_rows(problem.vessels, streams, flows, base)
    shared = Shared(extractant_of(streams), rate, problem.parameters)

    def send(u: Array, stage: Stage) -> Outflow:
        return outflow(chemistry, u, stage, shared)

    def net_of(here: Outflow, entering: Entering, stage: Stage) -> Array:
        return imbalance(here, entering, stage, chemistry.organic_components)

    out = jax.vmap(send)(unknowns.stage, stages)
    inlet = organic_inlet(chemistry, streams, unknowns.border)
    entering = entering_of(flows, out, inlet)
    net = jax.vmap(net_of)(out, entering, stages)
    liquor = going_down(
        flows.entrained, out.settled_aqueous, out.settled_organic, chemistry.organic_components
    )
    return Evaluation(out, net, streams, flows, inlet, stages, shared, entering, liquor)


def entering_of(flows: AqueousFlows, out: Outflow, inlet: Array) -> Entering:
    """Return what enters every mixer, stage first.

    Args:
        flows: Of the bank.
        out: What every stage sends on.
        inlet: Organic fed to stage 0, (carried,), [mol/m³].
    """
    aqueous = flows.fed.at[:-1].add(flows.passed[1:, None] * out.settled_aqueous[1:])
    organic = jnp.concatenate([inlet[None], out.settled_organic[:-1]])
    if flows.entrained is not None:
        entrained = flows.entrained
        aqueous = aqueous + before(along(entrained.aqueous_up, out.settled_aqueous))
        above = along(entrained.from_above, after(out.settled_organic))
        organic = along(entrained.from_before, organic) + above
        organic = organic if entrained.fed is None else organic + entrained.fed
    return Entering(aqueous=aqueous, organic=organic)


def border_residual(
    problem: Problem,
    border: Array,
    last_organic: Array,
    outlet_liquor: Array,
    base_tank: Array,
    rate: Array,
) -> Array:
    """Return the loop and purity equations, (element + spec,), relative, [-].

    Args:
        problem: The bank.
        border: Barren rare earths and free variables, (element + spec,).
        last_organic: Organic that the last stage sends back, (carried,), [mol/m³].
        outlet_liquor: Liquor at the specified outlets, with the organic it entrains,
            (spec, component), [mol/m³].
        base_tank: Rare earths in the organic tank at the start of the step, (element,), [mol/m³].
        rate: 1/(γ Δt), [1/s].
    """
    specification = problem.specification
    elements = base_tank.shape[0]
    streams = adjusted(problem.streams, specification, border[elements:])
    returned = border[:elements] * extractant_of(streams)
    leaving = last_organic[:elements]
    turnover = rate * problem.vessels.tank / streams.organic_flow
    loop = leaving - returned - turnover * (returned - base_tank)
    mass = specification.weight * outlet_liquor
    impurity = jnp.sum(mass * specification.impurity, axis=1) / jnp.sum(mass, axis=1)
    purity = jnp.log10(impurity) - specification.log_impurity
    scale = (leaving + returned + NEGLIGIBLE * extractant_of(streams)) * (1.0 + turnover)
    return jnp.concatenate([loop / scale, purity])


def residual(
    chemistry: StageChemistry, problem: Problem, unknowns: Unknowns, base: Inventory, rate: Array
) -> Unknowns:
    """Return all residuals, relative: per stage and border, in the shape of the unknowns."""
    state = evaluate(chemistry, problem, unknowns, base, rate)

    def one(u: Array, here: Outflow, net: Array, organic_in: Array, stage: Stage) -> Array:
        return stage_residual(chemistry, u, here, net, organic_in, stage, state.shared)

    rows = jax.vmap(one)(unknowns.stage, state.out, state.net, state.entering.organic, state.stages)
    border = border_residual(
        problem,
        unknowns.border,
        returned_organic(
            state.flows.entrained,
            state.streams.organic_flow,
            state.out.settled_organic,
            problem.vessels.last,
        ),
        state.liquor[problem.specification.outlet_stage],
        base.tank,
        rate,
    )
    return Unknowns(jnp.where(problem.vessels.active[:, None], rows, 0.0), border)


def inventory(
    chemistry: StageChemistry, problem: Problem, unknowns: Unknowns, base: Inventory, rate: Array
) -> Inventory:
    """Return what the vessels hold at `unknowns`."""
    state = evaluate(chemistry, problem, unknowns, base, rate)
    vessels, out = problem.vessels, state.out
    carried = jnp.array(chemistry.organic_components)
    organic = vessels.mixer_organic[:, None] * out.organic
    mixer = vessels.mixer_aqueous[:, None] * out.aqueous
    return Inventory(
        mixer=mixer.at[:, carried].add(organic),
        mixer_organic=organic,
        settler_aqueous=out.settled_aqueous,
        settler_organic=out.settled_organic,
        tank=unknowns.border[: chemistry.element_count] * state.shared.extractant,
    )


def blank_inventory(chemistry: StageChemistry, problem: Problem) -> Inventory:
    """Return an inventory of zeros in the right shapes, for solves that do not read it."""
    stages = problem.vessels.active.shape[0]
    components, carried = len(chemistry.components), len(chemistry.organic_components)
    return Inventory(
        mixer=jnp.zeros((stages, components)),
        mixer_organic=jnp.zeros((stages, carried)),
        settler_aqueous=jnp.zeros((stages, components)),
        settler_organic=jnp.zeros((stages, carried)),
        tank=jnp.zeros((chemistry.element_count,)),
    )
