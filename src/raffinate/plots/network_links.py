"""Flows of elements through a plant of many circuits, as links that a Sankey picture draws.

Only circuits and the ends of the plant are shown. A splitter, conditioner, precipitation or
redissolution belongs to the circuit whose liquor it treats, a tank to the circuit that it feeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from raffinate.errors import SpecificationError, nearest_name
from raffinate.plant.network import CircuitUnit, Network, Tank
from raffinate.plant.network_state import NetworkState
from raffinate.plots.flow_links import FlowLink, check_links
from raffinate.plots.sankey import save_sankey

WASTE = "waste"
"""Where streams go that leave unsold."""

REGENERATION = "regeneration"
"""Where metals go that leave with bled organic."""


def network_links(state: NetworkState, elements: Sequence[str] = ()) -> list[FlowLink]:
    """Return the flows of elements between the circuits of a plant, its feeds and its products.

    Args:
        state: The plant at rest.
        elements: Symbols; empty for every metal of the plant.

    Raises:
        SpecificationError: An element that the plant does not hold.
        BalanceError: What enters a circuit is not what leaves it.
    """
    network = state.network
    for symbol in elements:
        if symbol not in network.elements:
            raise SpecificationError(
                f"{symbol!r} is no metal of {network.name}.",
                where="flows",
                allowed=", ".join(network.elements),
                mend=nearest_name(symbol, network.elements),
            )
    shown = tuple(elements) or network.elements
    makers, takers = _makers(network), _takers(network)
    flows: dict[tuple[str, str, str], float] = {}
    for name, stream in state.streams.items():
        source, target = _owner(name, makers, takers, network), _goal(name, makers, takers, network)
        if source == target:
            continue
        metals = dict(zip(network.elements, stream.metals(network.axis).tolist(), strict=True))
        for symbol in shown:
            way = (source, target, symbol)
            flows[way] = flows.get(way, 0.0) + max(metals[symbol], 0.0)
    for name, circuit in state.circuits.items():
        for place, symbol in enumerate(network.elements):
            removed = float(circuit.outcome.removed[place])
            if symbol in shown and removed > 0.0:
                flows[name, REGENERATION, symbol] = removed
    found = [
        FlowLink(source=source, target=target, element=symbol, flow=flow)
        for (source, target, symbol), flow in flows.items()
    ]
    check_links(found)
    return found


def save_network_sankey(state: NetworkState, path: Path, *, elements: Sequence[str] = ()) -> None:
    """Draw where the elements of a plant go and write the picture by the ending.

    Raises:
        SpecificationError: An element that the plant does not hold, or the file cannot be written.
        BalanceError: What enters a circuit is not what leaves it.
    """
    save_sankey(network_links(state, elements), path, title=state.network.title)


def _makers(network: Network) -> dict[str, str]:
    """Return the unit or feed that makes each stream."""
    made = {feed.name: feed.name for feed in network.feeds}
    return made | {outlet: unit.name for unit in network.units for outlet in unit.outlets}


def _takers(network: Network) -> dict[str, str]:
    """Return the unit, product or waste that takes each stream."""
    taken = {inlet: unit.name for unit in network.units for inlet in unit.inlets}
    taken |= {product.stream: product.title for product in network.products.values()}
    return taken | dict.fromkeys(network.waste, WASTE)


def _owner(stream: str, makers: dict[str, str], takers: dict[str, str], network: Network) -> str:
    """Return the circuit or feed that a stream comes from."""
    return _shown(makers[stream], makers, takers, network)


def _goal(stream: str, makers: dict[str, str], takers: dict[str, str], network: Network) -> str:
    """Return the circuit or end of the plant that a stream goes to."""
    return _shown(takers[stream], makers, takers, network)


def _shown(part: str, makers: dict[str, str], takers: dict[str, str], network: Network) -> str:
    """Return the circuit or end under whose name a unit is drawn."""
    units = {unit.name: unit for unit in network.units}
    passed: set[str] = set()
    while part in units and not isinstance(units[part], CircuitUnit) and part not in passed:
        passed.add(part)
        unit = units[part]
        part = takers[part] if isinstance(unit, Tank) else makers[unit.inlets[0]]
    return part
