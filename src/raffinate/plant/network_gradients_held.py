"""What a circuit holds, traceable: value of its rare earths, organic, extractant.

The same volumes as in the account of one circuit: both phases of every mixer and settler, and the
organic tank; the phases share a mixer as the flows that meet there, internal recycle included.
"""

from __future__ import annotations

from raffinate.cascade.bank import aqueous_flows
from raffinate.cascade.equations import Problem
from raffinate.numerics.jax_setup import Array as Traced
from raffinate.numerics.jax_setup import jnp


def held_in(
    problem: Problem,
    *,
    recycle: Traced,
    settling: Traced,
    residences: Traced,
    aqueous: Traced,
    organic: Traced,
    metal_value: Traced,
) -> tuple[Traced, Traced]:
    """Return the value of the rare earths a circuit holds, [currency], and its organic, [m³].

    Args:
        problem: The bank.
        recycle: Settled aqueous returned to its own mixer, (stage,), [m³/s].
        settling: Aqueous through the settlers, recycle included, as they are sized, (stage,),
            [m³/s].
        residences: Of mixers and settlers, (2,), [s].
        aqueous: Metals, (stage, element), [mol/m³].
        organic: Metals, (stage, element), [mol/m³].
        metal_value: (element,), [currency/mol].
    """
    streams, active = problem.streams, problem.vessels.active
    flows = aqueous_flows(streams, active.shape[0])
    fed = streams.organic_flow
    mixer = (fed + settling) * residences[0]
    through = flows.leaving + recycle
    share = flows.organic / jnp.where(active, flows.organic + through, 1.0)
    in_organic = jnp.where(active, mixer * share + fed * residences[1], 0.0)
    in_aqueous = jnp.where(active, mixer * (1.0 - share) + settling * residences[1], 0.0)
    tank = fed * residences[1]
    moles = in_organic @ organic + in_aqueous @ aqueous + tank * organic[problem.vessels.last]
    return moles @ metal_value, jnp.sum(in_organic) + tank
