"""Positive by construction: transport of every component at frozen distribution ratios.

At given D the balances of a component are linear with an M-matrix, so their solution is positive
whatever D is. A Newton step is therefore taken only in D; what it would carry through the bank is
solved for, and each contact is brought back to exact equilibrium. The limit of the iteration is
Newton's, and no iterate is ever negative, overloaded or charged.
"""

from __future__ import annotations

from raffinate.cascade.bank import Inventory, Unknowns, adjusted, aqueous_flows
from raffinate.cascade.equations import (
    Problem,
    element_count,
    extractant_of,
    organic_inlet,
)
from raffinate.chemistry.exchange import StageChemistry
from raffinate.numerics.block_tridiagonal import factorise, solve
from raffinate.numerics.jax_setup import Array, jax, jnp

SMALLEST_BARREN = 1e-60
"""Least rare earth in the returning organic, as a fraction of the extractant, [-]."""


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
    count, elements = chemistry.unknown_count, element_count(chemistry)
    vessels, parameters = problem.vessels, problem.parameters
    barren = unknowns.border[:elements] + step.border[:elements]
    barren = jnp.maximum(barren, SMALLEST_BARREN)
    free = unknowns.border[elements:] + jnp.clip(step.border[elements:], -0.1, 0.1)
    border = jnp.concatenate([barren, free])
    trial = chemistry.moved(unknowns.stage[:, :count], step.stage[:, :count], bound)
    streams = adjusted(problem.streams, problem.specification, free)
    flows = aqueous_flows(streams, trial.shape[0])
    ratio = jax.vmap(lambda u: chemistry.distribution(u, parameters))(trial)
    inlet = organic_inlet(chemistry, streams, border, elements)
    aqueous, organic, lag = _transport(chemistry, problem, streams, flows, ratio, inlet, base, rate)

    through = flows.leaving + streams.recycle
    fraction = streams.organic_flow / (streams.organic_flow + through)
    carried = jnp.array(chemistry.organic_components)
    efficiency = vessels.efficiency[:, None]
    equilibrium = organic + (1.0 - efficiency) / efficiency * lag
    totals = (1.0 - fraction)[:, None] * aqueous
    totals = totals.at[:, carried].add(fraction[:, None] * equilibrium)

    def flash(total: Array, phi: Array, fallback: Array) -> Array:
        found = chemistry.contact(total, phi, parameters)
        return jnp.where(jnp.all(jnp.isfinite(found)), found, fallback)

    stage = jax.vmap(flash)(totals, fraction, trial)
    stage = jnp.concatenate([stage, organic / extractant_of(streams)], axis=1)
    return Unknowns(jnp.where(vessels.active[:, None], stage, unknowns.stage), border)


def _transport(
    chemistry: StageChemistry,
    problem: Problem,
    streams,
    flows,
    ratio: Array,
    inlet: Array,
    base: Inventory,
    rate: Array,
) -> tuple[Array, Array, Array]:
    """Return aqueous (stage, component), organic (stage, carried) and the Murphree lag."""
    vessels = problem.vessels
    carried = jnp.array(chemistry.organic_components)
    organic_flow = streams.organic_flow
    out_aqueous = flows.leaving + streams.recycle + 1e-300
    keep_aqueous = out_aqueous / (rate * vessels.settler_aqueous + out_aqueous)
    keep_organic = organic_flow / (rate * vessels.settler_organic + organic_flow)
    shifted = jnp.concatenate([jnp.ones(1), keep_organic[:-1]])
    held_organic = jnp.concatenate(
        [inlet[None], ((1.0 - keep_organic)[:, None] * base.settler_organic)[:-1]]
    )
    above = jnp.concatenate([flows.passed[1:], jnp.zeros(1)])
    keep_above = jnp.concatenate([keep_aqueous[1:], jnp.zeros(1)])
    held_aqueous = (1.0 - keep_aqueous)[:, None] * base.settler_aqueous
    held_above = jnp.concatenate([held_aqueous[1:], jnp.zeros((1, held_aqueous.shape[1]))])
    source = (
        rate * base.mixer
        + flows.fed
        + streams.recycle[:, None] * held_aqueous
        + above[:, None] * held_above
    )
    source = source.at[:, carried].add(organic_flow * held_organic)
    efficiency = vessels.efficiency
    gather = rate * vessels.mixer_organic / organic_flow
    lag_source = rate / organic_flow * base.mixer_organic + held_organic
    active = vessels.active

    def one(distribution: Array, soluble: Array, supply: Array, lagged: Array) -> Array:
        """Solve one component: a and o of every stage, (stage, 2)."""
        zero = jnp.zeros_like(gather)
        own_a = rate * vessels.mixer_aqueous + out_aqueous - streams.recycle * keep_aqueous
        own_o = rate * vessels.mixer_organic + organic_flow
        slip = (1.0 - efficiency) * (gather + 1.0) + efficiency
        meet_a = jnp.where(soluble, -efficiency * distribution, 1.0)
        meet_o = jnp.where(soluble, slip, 0.0)
        diagonal = _blocks(own_a, own_o, meet_a, meet_o)
        back = jnp.where(soluble, -(1.0 - efficiency) * shifted, 0.0)
        lower = _blocks(zero, -organic_flow * shifted, zero, back).at[0].set(0.0)
        upper = _blocks(-above * keep_above, zero, zero, zero)
        right = jnp.stack([supply, jnp.where(soluble, (1.0 - efficiency) * lagged, 0.0)], axis=1)
        mask = active[:, None, None]
        factors = factorise(
            jnp.where(mask, lower, 0.0),
            jnp.where(mask, diagonal, jnp.eye(2)),
            jnp.where(mask, upper, 0.0),
        )
        return solve(factors, jnp.where(active[:, None], right, 1.0)[..., None])[..., 0]

    components = len(chemistry.components)
    lagged = jnp.zeros((ratio.shape[0], components)).at[:, carried].set(lag_source)
    soluble = jnp.arange(components) < components - 1
    both = jax.vmap(one, in_axes=(1, 0, 1, 1), out_axes=1)(ratio, soluble, source, lagged)
    aqueous, organic = both[..., 0], both[:, carried, 1]
    before = jnp.concatenate([jnp.zeros((1, organic.shape[1])), organic[:-1]])
    arriving = shifted[:, None] * before + held_organic
    lag = gather[:, None] * organic - rate / organic_flow * base.mixer_organic + organic - arriving
    return aqueous, organic, lag


def _blocks(a: Array, b: Array, c: Array, d: Array) -> Array:
    return jnp.stack([jnp.stack([a, b], axis=-1), jnp.stack([c, d], axis=-1)], axis=-2)
