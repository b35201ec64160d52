"""What crosses the boundary of a bank and what its vessels hold: both sides of every balance."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from raffinate.cascade.bank import Inventory
from raffinate.cascade.equations import Evaluation, Problem
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.numerics.jax_setup import Array, jax, jnp


class Boundary(NamedTuple):
    """Amounts that crossed the boundary of a bank, [mol], or their rates, [mol/s].

    Attributes:
        fed: Brought by aqueous feeds, (component,).
        raffinate: Left with the aqueous of stage 0 and the organic it entrains, (component,).
        drawn: Left with draws, likewise, (draw, component).
        organic_in: Entered with the saponified organic and organic fed on the way, (carried,).
        organic_out: Left with the barren organic of the last stage, (carried,).
    """

    fed: Array
    raffinate: Array
    drawn: Array
    organic_in: Array
    organic_out: Array


def boundary_rates(problem: Problem, state: Evaluation) -> Boundary:
    """Return what crosses the boundary per second."""
    streams, flows, out = state.streams, state.flows, state.out
    last = problem.vessels.last
    entrained = flows.entrained
    barren = streams.organic_flow if entrained is None else entrained.organic_passed[last]
    entering = streams.organic_flow * state.inlet
    if streams.organic_feeds is not None:
        entering = entering + streams.organic_feeds.flow @ streams.organic_feeds.concentration
    return Boundary(
        fed=flows.fed.sum(axis=0),
        raffinate=flows.passed[0] * state.liquor[0],
        drawn=streams.draw_flow[:, None] * state.liquor[streams.draw_stage],
        organic_in=entering,
        organic_out=barren * out.settled_organic[last],
    )


def no_crossing(chemistry: StageChemistry, draws: int) -> Boundary:
    """Return a boundary that nothing has crossed."""
    count, carried = len(chemistry.components), len(chemistry.organic_components)
    return Boundary(
        fed=jnp.zeros(count),
        raffinate=jnp.zeros(count),
        drawn=jnp.zeros((draws, count)),
        organic_in=jnp.zeros(carried),
        organic_out=jnp.zeros(carried),
    )


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
    return total.at[: chemistry.element_count].add(vessels.tank * held.tank)
