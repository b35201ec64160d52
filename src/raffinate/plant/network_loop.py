"""The organic loop of a circuit: metals that the strip leaves on it, bleed, loss and make-up.

A stuck metal enters with a = extracted · (what enters the circuit). Of what the loaded organic
carries, N = organic flow · concentration, the strip takes the share s and of the rest the bleed
takes the share b to regeneration, so that at rest

    N = a + (1 - b)(1 - s) N,    strip liquor s N,    regeneration b (1 - s) N

Without strip and bleed there is no rest: the metal must accumulate. The smallest bleed that keeps
N below the limit L · organic flow is b = 1 - (1 - a/(L · organic flow))/(1 - s).

Extractant that leaves with the aqueous, dissolved and entrained, is made up with fresh extractant;
regenerated organic comes back with the rare earths it carries.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import SpecificationError
from raffinate.plant.network import CircuitUnit, StuckMetal
from raffinate.plant.network_stream import Stream, StreamAxis

Array = NDArray[np.float64]


def _none() -> Array:
    return np.zeros(0)


SPARE = 1.25
"""Bleed over the least at first flows that is told where the flows are yet to be found, [-]; a
choice: the search took 8 % less organic where it was tried."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoopState:
    """What stuck metals do in the loop of a circuit.

    Attributes:
        extractant_concentration: HA that they leave free for others, [mol/m³].
        symbols: The stuck metals.
        concentration: In the loaded organic, (stuck,), [mol/m³].
        extracted: Taken from the aqueous, (stuck,), [mol/s].
        stripped: Given to the strip liquor, (stuck,), [mol/s].
        regenerated: Removed from bled organic, (stuck,), [mol/s].
        bleed_flow: Organic to regeneration and back, [m³/s].
    """

    extractant_concentration: float
    symbols: tuple[str, ...] = ()
    concentration: Array = field(default_factory=_none)
    extracted: Array = field(default_factory=_none)
    stripped: Array = field(default_factory=_none)
    regenerated: Array = field(default_factory=_none)
    bleed_flow: float = 0.0


def settle_loop(
    axis: StreamAxis, unit: CircuitUnit, entering: Stream, organic_flow: float
) -> LoopState:
    """Return the loop at rest.

    Args:
        axis: Components of the streams.
        unit: The circuit.
        entering: All that enters it.
        organic_flow: [m³/s].

    Raises:
        SpecificationError: A metal that must accumulate, with the smallest bleed that works.
    """
    organic = unit.organic
    rows = [_settled(axis, unit, metal, entering, organic_flow) for metal in organic.stuck]
    taken = np.array(rows).reshape(len(rows), 4)
    numbers = np.array([metal.extractant_number for metal in organic.stuck])
    return LoopState(
        extractant_concentration=organic.extractant_concentration - float(numbers @ taken[:, 0]),
        symbols=tuple(metal.symbol for metal in organic.stuck),
        concentration=taken[:, 0],
        extracted=taken[:, 1],
        stripped=taken[:, 2],
        regenerated=taken[:, 3],
        bleed_flow=organic.bleed * organic_flow,
    )


def _settled(
    axis: StreamAxis,
    unit: CircuitUnit,
    metal: StuckMetal,
    entering: Stream,
    organic_flow: float,
) -> tuple[float, float, float, float]:
    bleed, kept = unit.organic.bleed, 1.0 - metal.stripped
    amount = metal.extracted * float(entering.metals(axis)[axis.elements.index(metal.symbol)])
    if amount == 0.0:
        return 0.0, 0.0, 0.0, 0.0
    leaves = 1.0 - (1.0 - bleed) * kept
    carried = amount / leaves if leaves > 0.0 else np.inf
    if not carried <= metal.limit * organic_flow:
        raise _accumulates(unit, metal, amount, carried, organic_flow)
    return (
        carried / organic_flow,
        amount,
        metal.stripped * carried,
        bleed * kept * carried,
    )


def _accumulates(
    unit: CircuitUnit, metal: StuckMetal, amount: float, carried: float, organic_flow: float
) -> SpecificationError:
    share = amount / (metal.limit * organic_flow)
    least = 1.0 - (1.0 - share) / (1.0 - metal.stripped)
    found = (
        f"would reach {carried / organic_flow:.3g} mol/m³ in the loaded organic"
        if np.isfinite(carried)
        else "loads, is not stripped and has no way out of the loop: it must accumulate"
    )
    mend = (
        f"Take {metal.symbol} out before the circuit: not even a bleed of all the organic is "
        "enough."
    )
    if least <= 1.0:
        # Three figures must do, and where flows are searched for, less organic than at first.
        free = unit.cut is not None and unit.flows is None
        told = min(1.0, least * (SPARE if free else 1.0 + 1e-3))
        mend = (
            f"Bleed at least {told:.4g} of the organic ({told * organic_flow * 3600.0:.3g} m³/h) "
            f"to regeneration; the bleed is {unit.organic.bleed:.3g}."
        )
        if free:
            mend += f" {least:.4g} would do at the first flows; the search may take less organic."
    return SpecificationError(
        f"{metal.symbol} {found}.",
        where=f"organic of {unit.name}",
        allowed=f"at most {metal.limit:.3g} mol/m³",
        mend=mend,
    )
