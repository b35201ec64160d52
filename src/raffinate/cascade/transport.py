"""Positive by construction: transport of every component at frozen distribution ratios.

At given D the balances of a component are linear with an M-matrix, so their solution is positive
whatever D is. A Newton step is therefore taken only in D; what it would carry through the bank is
solved for, and each contact that has an equilibrium is brought to it. The limit of the iteration
is Newton's, and no iterate is ever negative.
"""

from __future__ import annotations

from typing import NamedTuple

from raffinate.cascade.bank import AqueousFlows, Inventory, Unknowns, adjusted, aqueous_flows
from raffinate.cascade.entrainment import after, along, before
from raffinate.cascade.equations import (
    TINY,
    Problem,
    Shared,
    Stage,
    extractant_of,
    organic_inlet,
    stage_rows,
)
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.numerics.block_tridiagonal import factorise, solve
from raffinate.numerics.jax_setup import Array, jax, jnp

SMALLEST_BARREN = 1e-60
"""Least rare earth in the returning organic, as a fraction of the extractant, [-]."""

LARGEST_FREE_STEP = 0.1
"""Largest change of a free variable in one step: of the logarithm of a flow, [-]."""


class _Entrained(NamedTuple):
    """What reaches the mixers the wrong way, linear in what the mixers hold.

    Attributes:
        fresh_above: Share of the organic arriving that left the mixer above in this step,
            (stage,), [-].
        fresh_before: Aqueous arriving that left the mixer before in this step, (stage,), [m³/s].
    """

    fresh_above: Array
    fresh_before: Array


class _Arrivals(NamedTuple):
    """What reaches the mixers of a bank, linear in what the mixers hold.

    Attributes:
        fresh_before: Share of the organic arriving that left the mixer before in this step,
            (stage,), [-].
        held_before: What was in settlers or is fed, (stage, carried), [mol/m³].
        fresh_above: Aqueous arriving that left the next mixer in this step, (stage,), [m³/s].
        entrained: The same of what goes the wrong way; None if nothing does.
        lost: Aqueous a mixer loses for good, (stage,), [m³/s].
        supply: What arrives whatever the mixers hold, (stage, component), [mol/s].
    """

    fresh_before: Array
    held_before: Array
    fresh_above: Array
    lost: Array
    supply: Array
    entrained: _Entrained | None = None


def advanced(
    chemistry: StageChemistry,
    problem: Problem,
    unknowns: Unknowns,
    step: Unknowns,
    base: Inventory,
    rate: Array,
    bound: float = 1.0,
) -> Unknowns:
    """Return the unknowns after a Newton step, carried through the bank and re-equilibrated.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the bank.
        unknowns: Where the step starts.
        step: The Newton step.
        base: Start of the implicit step.
        rate: 1/(γ Δt), [1/s]; 0 for the steady state.
        bound: Largest change of the logarithm of a nonlinear unknown.
    """
    count, elements = chemistry.unknown_count, chemistry.element_count
    barren = unknowns.border[:elements] + step.border[:elements]
    limited = jnp.clip(step.border[elements:], -LARGEST_FREE_STEP, LARGEST_FREE_STEP)
    free = unknowns.border[elements:] + limited
    border = jnp.concatenate([jnp.maximum(barren, SMALLEST_BARREN), free])
    trial = chemistry.moved(unknowns.stage[:, :count], step.stage[:, :count], bound)

    streams = adjusted(problem.streams, problem.specification, free)
    flows = aqueous_flows(streams, trial.shape[0])
    stages = stage_rows(problem.vessels, streams, flows, base)
    shared = Shared(extractant_of(streams), rate, problem.parameters)
    inlet = organic_inlet(chemistry, streams, border)
    ratio = jax.vmap(lambda u: chemistry.distribution(u, problem.parameters))(trial)
    active = problem.vessels.active
    aqueous, organic, equilibrium = _transport(
        chemistry, stages, shared, flows, inlet, ratio, active
    )
    contacts = _equilibrated(chemistry, stages, shared, aqueous, equilibrium, trial)
    stage = jnp.concatenate([contacts, organic / shared.extractant], axis=1)
    return Unknowns(jnp.where(active[:, None], stage, unknowns.stage), border)


def _equilibrated(
    chemistry: StageChemistry,
    stages: Stage,
    shared: Shared,
    aqueous: Array,
    equilibrium: Array,
    fallback: Array,
) -> Array:
    """Return the contacts of every stage at equilibrium; `fallback` where there is none."""
    through = stages.leaving + stages.recycle
    fraction = stages.organic / (stages.organic + through)
    carried = jnp.array(chemistry.organic_components)
    totals = (1.0 - fraction)[:, None] * aqueous
    totals = totals.at[:, carried].add(fraction[:, None] * equilibrium)

    def flash(total: Array, phi: Array, otherwise: Array) -> Array:
        found = chemistry.contact(total, phi, shared.parameters)
        return jnp.where(jnp.all(jnp.isfinite(found)), found, otherwise)

    contacts: Array = jax.vmap(flash)(totals, fraction, fallback)
    return contacts


def _arrivals(
    chemistry: StageChemistry, stages: Stage, shared: Shared, flows: AqueousFlows, inlet: Array
) -> _Arrivals:
    carried = jnp.array(chemistry.organic_components)
    flow, rate = stages.organic, shared.rate
    out = stages.leaving + stages.recycle + TINY
    fresh_aqueous = out / (rate * stages.settler_aqueous + out)
    fresh_organic = flow / (rate * stages.settler_organic + flow)
    held_aqueous = (1.0 - fresh_aqueous)[:, None] * stages.base_settler_aqueous
    held_organic = (1.0 - fresh_organic)[:, None] * stages.base_settler_organic
    held_before = jnp.concatenate([inlet[None], held_organic[:-1]])
    above = jnp.append(flows.passed[1:], 0.0)
    held_above = jnp.zeros_like(held_aqueous).at[:-1].set(held_aqueous[1:])
    supply = (
        rate * stages.base_mixer
        + flows.fed
        + stages.recycle[:, None] * held_aqueous
        + above[:, None] * held_above
    )
    fresh_before = jnp.append(jnp.ones(1), fresh_organic[:-1])
    entrained = None
    if flows.entrained is not None:
        below, share = flows.entrained.from_before, flows.entrained.from_above
        up, fed = flows.entrained.aqueous_up, flows.entrained.fed
        held_before = along(below, held_before) + along(share, after(held_organic))
        held_before = held_before if fed is None else held_before + fed
        fresh_before = below * fresh_before
        supply = supply + before(along(up, held_aqueous))
        entrained = _Entrained(
            fresh_above=share * after(fresh_organic), fresh_before=before(up * fresh_aqueous)
        )
    return _Arrivals(
        fresh_before=fresh_before,
        held_before=held_before,
        fresh_above=above * jnp.append(fresh_aqueous[1:], 0.0),
        lost=out - stages.recycle * fresh_aqueous,
        supply=supply.at[:, carried].add(flow[:, None] * held_before),
        entrained=entrained,
    )


def _transport(
    chemistry: StageChemistry,
    stages: Stage,
    shared: Shared,
    flows: AqueousFlows,
    inlet: Array,
    ratio: Array,
    active: Array,
) -> tuple[Array, Array, Array]:
    """Return aqueous (stage, component), organic and its equilibrium (stage, carried)."""
    carried, components = jnp.array(chemistry.organic_components), len(chemistry.components)
    arrivals = _arrivals(chemistry, stages, shared, flows, inlet)
    base_organic = (shared.rate / stages.organic)[:, None] * stages.base_mixer_organic
    lagged = jnp.zeros((ratio.shape[0], components))
    lagged = lagged.at[:, carried].set(base_organic + arrivals.held_before)
    # The extractant, last, is in the organic alone: it has no distribution ratio.
    soluble = jnp.arange(components) < components - 1

    def one(distribution: Array, dissolves: Array, supply: Array, lag: Array) -> Array:
        return _one_component(
            stages, shared, arrivals, active, (distribution, dissolves, supply, lag)
        )

    both = jax.vmap(one, in_axes=(1, 0, 1, 1), out_axes=1)(ratio, soluble, arrivals.supply, lagged)
    aqueous, organic = both[..., 0], both[:, carried, 1]
    arriving = arrivals.fresh_before[:, None] * before(organic) + arrivals.held_before
    if arrivals.entrained is not None:
        arriving = arriving + along(arrivals.entrained.fresh_above, after(organic))
    gather = shared.rate * stages.mixer_organic / stages.organic
    lag = gather[:, None] * organic - base_organic + organic - arriving
    efficiency = stages.efficiency[:, None]
    return aqueous, organic, organic + (1.0 - efficiency) / efficiency * lag


def _one_component(
    stages: Stage,
    shared: Shared,
    arrivals: _Arrivals,
    active: Array,
    component: tuple[Array, Array, Array, Array],
) -> Array:
    """Return aqueous and organic of one component in every mixer, (stage, 2), [mol/m³].

    Args:
        stages: The stages.
        shared: What they share.
        arrivals: What reaches them.
        active: Whether each exists, (stage,).
        component: Its distribution ratio, (stage,); whether it dissolves in both phases; what
            arrives of it, (stage,), [mol/s]; and what its Murphree equation starts from,
            (stage,), [mol/m³].
    """
    distribution, dissolves, supply, lagged = component
    efficiency, flow, rate = stages.efficiency, stages.organic, shared.rate
    zero = jnp.zeros_like(distribution)
    lag = 1.0 - efficiency
    gather = rate * stages.mixer_organic / flow
    diagonal = _blocks(
        rate * stages.mixer_aqueous + arrivals.lost,
        rate * stages.mixer_organic + flow,
        jnp.where(dissolves, -efficiency * distribution, 1.0),
        jnp.where(dissolves, lag * (gather + 1.0) + efficiency, 0.0),
    )
    back = jnp.where(dissolves, -lag * arrivals.fresh_before, 0.0)
    lower = _blocks(zero, -flow * arrivals.fresh_before, zero, back).at[0].set(0.0)
    upper = _blocks(-arrivals.fresh_above, zero, zero, zero)
    if arrivals.entrained is not None:
        carried_up, share = arrivals.entrained.fresh_before, arrivals.entrained.fresh_above
        onward = jnp.where(dissolves, -lag * share, 0.0)
        lower = lower + _blocks(-carried_up, zero, zero, zero)
        upper = upper + _blocks(zero, -flow * share, zero, onward)
    right = jnp.stack([supply, jnp.where(dissolves, lag * lagged, 0.0)], axis=1)
    exists = active[:, None, None]
    factors = factorise(
        jnp.where(exists, lower, 0.0),
        jnp.where(exists, diagonal, jnp.eye(2)),
        jnp.where(exists, upper, 0.0),
    )
    return solve(factors, jnp.where(active[:, None], right, 1.0)[..., None])[..., 0]


def _blocks(a: Array, b: Array, c: Array, d: Array) -> Array:
    return jnp.stack([jnp.stack([a, b], axis=-1), jnp.stack([c, d], axis=-1)], axis=-2)
