"""Metals that stick to the organic of a circuit, in time.

The organic of the loop is one mixed volume V for them: with a taken up from the aqueous, s and b
the shares that strip and bleed take and Q the flow of organic,

    V dc/dt = a - [1 - (1 - b)(1 - s)] Q c

which rests where `network_loop` says.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import SpecificationError
from raffinate.plant.network import CircuitUnit
from raffinate.plant.network_loop import LoopState
from raffinate.plant.network_stream import Stream, StreamAxis

Array = NDArray[np.float64]


def stuck_after(
    axis: StreamAxis,
    unit: CircuitUnit,
    volume: float,
    stuck: Array,
    whole: Stream,
    duration: float,
) -> tuple[LoopState, Array]:
    """Return what stuck metals do on the mean of a time, and what there is of them after.

    Args:
        axis: Components of the streams.
        unit: The circuit as it is run.
        volume: Organic of its loop, [m³].
        stuck: What there is of them, (stuck,), [mol].
        whole: All that enters the circuit.
        duration: [s].

    Raises:
        SpecificationError: One fills the organic.
    """
    organic, metals = unit.organic, unit.organic.stuck
    flow = unit.flows.organic if unit.flows else unit.organic_per_feed * whole.flow
    entering = whole.metals(axis)
    taken = np.array([m.extracted * entering[axis.elements.index(m.symbol)] for m in metals])
    stripped = np.array([metal.stripped for metal in metals])
    bled = organic.bleed * (1.0 - stripped)
    leaves = stripped + bled
    z = leaves * flow * duration / volume
    out = np.where(z > 0.0, leaves, 1.0)
    share = np.where(z > 0.0, -np.expm1(-z) / np.where(z > 0.0, z, 1.0), 1.0)
    after = stuck * np.exp(-z) + taken * duration * share
    # What left is what entered less what stays; from it follows how much there was on the mean.
    left = (taken - (after - stuck) / duration) / (out * flow)
    mean = np.where(z > 0.0, left, 0.5 * (stuck + after) / volume)
    for metal, amount in zip(metals, after.tolist(), strict=True):
        if amount > metal.limit * volume:
            raise SpecificationError(
                f"{metal.symbol} reaches {amount / volume:.3g} mol/m³.",
                where=f"organic of {unit.name}",
                allowed=f"at most {metal.limit:.3g} mol/m³",
                mend="Bleed more of the organic, or take it out before the circuit.",
            )
    numbers = np.array([metal.extractant_number for metal in metals])
    loop = LoopState(
        extractant_concentration=organic.extractant_concentration - float(numbers @ mean),
        symbols=tuple(metal.symbol for metal in metals),
        concentration=mean,
        extracted=taken,
        stripped=stripped * flow * mean,
        regenerated=bled * flow * mean,
        bleed_flow=organic.bleed * flow,
    )
    return loop, after
