"""What enters a circuit as its equilibrium meets it, and its outlets as streams of the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.exchange import FLOOR
from raffinate.errors import BalanceError
from raffinate.plant.network import CircuitUnit
from raffinate.plant.network_loop import LoopState
from raffinate.plant.network_stream import AMMONIUM, ANION, CARBON, OXALATE, Stream, StreamAxis

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CircuitEntry:
    """What enters a circuit.

    Attributes:
        name: Of the circuit.
        whole: All of it.
        liquors: By section, what of it meets the equilibrium.
        loop: What stuck metals do in the organic.
    """

    name: str
    whole: Stream
    liquors: Mapping[str, Stream]
    loop: LoopState


def circuit_entry(
    axis: StreamAxis,
    unit: CircuitUnit,
    whole: Stream,
    liquors: Mapping[str, Stream],
    loop: LoopState,
) -> CircuitEntry:
    """Return liquors as the equilibrium meets them."""
    seen = {name: met_by_equilibrium(axis, unit, stream) for name, stream in liquors.items()}
    return CircuitEntry(name=unit.name, whole=whole, liquors=seen, loop=loop)


def met_by_equilibrium(axis: StreamAxis, unit: CircuitUnit, stream: Stream) -> Stream:
    """Return a liquor without what takes no part in the equilibrium of a circuit.

    Stuck metals on their way to the organic have left their acid behind; those that are not
    extracted pass with their own anion, like oxalate and carbon.
    """
    amount = stream.amount.copy()
    for metal in unit.organic.stuck:
        place = axis.elements.index(metal.symbol)
        passes = (1.0 - metal.extracted) * amount[place]
        amount[axis.place(ANION)] -= passes * axis.charge[place] / axis.anion_charge
        amount[place] = 0.0
    amount[[axis.place(OXALATE), axis.place(CARBON)]] = 0.0
    return Stream(flow=stream.flow, amount=amount)


def outlet_stream(
    axis: StreamAxis, elements: tuple[str, ...], flow: float, soluble: Array
) -> Stream:
    """Return an outlet of a bank on the axis of the network.

    Args:
        axis: Components of the streams.
        elements: Metals of the bank.
        flow: [m³/s].
        soluble: What leaves, along the components of the bank, (component,), [mol/s].
    """
    amount = np.zeros(axis.size)
    count = len(elements)
    chosen = [axis.elements.index(symbol) for symbol in elements]
    amount[chosen] = soluble[:count]
    amount[axis.place(AMMONIUM)] = soluble[count]
    amount[axis.place(ANION)] = soluble[count + 1]
    return Stream(flow=flow, amount=amount)


def pass_beside(
    axis: StreamAxis, unit: CircuitUnit, entry: CircuitEntry, made: Mapping[str, Stream]
) -> None:
    """Add to the outlets what took no part in the equilibrium."""
    raffinate, strip = made[unit.outlets[0]], made[unit.outlets[-1]]
    for place in (axis.place(OXALATE), axis.place(CARBON)):
        raffinate.amount[place] += entry.whole.amount[place]
    for metal, stripped in zip(unit.organic.stuck, entry.loop.stripped.tolist(), strict=True):
        place = axis.elements.index(metal.symbol)
        passes = (1.0 - metal.extracted) * float(entry.whole.amount[place])
        raffinate.amount[place] += passes
        raffinate.amount[axis.place(ANION)] += passes * axis.charge[place] / axis.anion_charge
        strip.amount[place] += stripped


def brought(
    axis: StreamAxis, entry: CircuitEntry, fed: Stream, flow: float, *, rounding: float = 1e-12
) -> Array:
    """Return what the feeds of a bank bring beyond the streams of the network, (component,).

    That is acid, and the least concentration the engine gives every component.

    Args:
        axis: Components of the streams.
        entry: What the network sends to the bank.
        fed: What the bank says it was fed.
        flow: Of all its feeds, [m³/s].
        rounding: How exactly the bank counts what it is fed, [-].

    Raises:
        BalanceError: A metal is more than that: the bank was not fed with these streams.
    """
    more: Array = fed.amount - np.sum([each.amount for each in entry.liquors.values()], axis=0)
    count = len(axis.elements)
    most = 2.0 * FLOOR * flow + rounding * float(fed.amount.sum())
    if not float(np.abs(more[: count + 1]).max()) <= most:
        worst = int(np.abs(more[: count + 1]).argmax())
        raise BalanceError(
            f"{axis.components[worst]}: the bank is fed {more[worst]:.3g} mol/s that no stream "
            "brings.",
            where=entry.name,
            allowed=f"at most {most:.1e} mol/s",
            mend="This is a defect of the plant's arrays; please report it.",
        )
    return more
