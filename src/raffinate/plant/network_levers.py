"""The flows of a network by name, as an optimiser or an operator turns them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from raffinate.errors import SpecificationError, nearest_name
from raffinate.plant.network import CircuitUnit, CutFlows, Network, NetworkSection
from raffinate.plant.network_state import NetworkState

ORGANIC_RATIO = "organic_per_feed"
ACID_RATIO = "acid_per_feed"
DRAW_RATIO = "draw_per_feed"


def at_state(network: Network, state: NetworkState) -> Network:
    """Return the network with the flows of a state written into its cuts."""
    return replace(
        network,
        units=tuple(
            replace(unit, flows=state.circuits[unit.name].flows)
            if isinstance(unit, CircuitUnit) and unit.cut is not None
            else unit
            for unit in network.units
        ),
    )


def lever_values(network: Network) -> dict[str, float]:
    """Return the flows of every circuit by name.

    A circuit with a cut has `organic_flow`, `acid_flow` and `draw_flow`, [m³/s]; one at stated
    ratios `organic_per_feed` and, by section, `acid_per_feed` and `draw_per_feed`, [-].

    Raises:
        SpecificationError: A cut without flows: they have to be solved for first.
    """
    found: dict[str, float] = {}
    for unit in network.circuits:
        found |= {f"{unit.name}.{name}": value for name, value in _own(unit).items()}
    return found


def free_levers(network: Network, free: tuple[str, ...] | None) -> dict[str, float]:
    """Return the flows that a search may turn.

    Args:
        network: The plant, flows written in its cuts.
        free: By the names of `lever_values`; None for all.

    Raises:
        SpecificationError: There is no such flow.
    """
    known = lever_values(network)
    for name in free or ():
        if name not in known:
            raise SpecificationError(
                f"{name!r} is no flow of {network.name}.",
                where="free flows",
                allowed=", ".join(known),
                mend=nearest_name(name, tuple(known)),
            )
    return known if free is None else {name: known[name] for name in free}


def _own(unit: CircuitUnit) -> dict[str, float]:
    if unit.cut is not None:
        if unit.flows is None:
            raise SpecificationError(
                "its flows are not known yet.",
                where=f"circuit {unit.name}",
                mend="Solve the network first, and take the flows of its state: `at_state`.",
            )
        flows = unit.flows
        return {
            "organic_flow": flows.organic,
            "acid_flow": flows.acid,
            "draw_flow": flows.draw,
        }
    found = {ORGANIC_RATIO: unit.organic_per_feed}
    for section in unit.sections:
        if section.acid is not None:
            found[f"{section.name}.{ACID_RATIO}"] = section.acid.per_feed
        if section.draw:
            found[f"{section.name}.{DRAW_RATIO}"] = section.draw_per_feed
    return found


def with_levers(network: Network, values: Mapping[str, float]) -> Network:
    """Return the network with some of its flows changed, by the names of `lever_values`.

    Raises:
        SpecificationError: There is no such flow, or one that cannot be.
    """
    known = lever_values(network)
    for name, value in values.items():
        if name not in known:
            raise SpecificationError(
                f"{name!r} is no flow of {network.name}.",
                where="levers",
                allowed=", ".join(known),
                mend=nearest_name(name, tuple(known)),
            )
        if not value > 0.0:
            raise SpecificationError(f"{name} is {value:g}.", where="levers", allowed="above 0")
    changed = known | dict(values)
    return replace(
        network,
        units=tuple(
            _turned(unit, changed) if isinstance(unit, CircuitUnit) else unit
            for unit in network.units
        ),
    )


def _turned(unit: CircuitUnit, values: Mapping[str, float]) -> CircuitUnit:
    if unit.cut is not None:
        organic, acid, draw = (values[f"{unit.name}.{name}"] for name in _own(unit))
        return replace(unit, flows=CutFlows(organic=organic, acid=acid, draw=draw))
    return replace(
        unit,
        organic_per_feed=values[f"{unit.name}.{ORGANIC_RATIO}"],
        sections=tuple(_section(unit, section, values) for section in unit.sections),
    )


def _section(
    unit: CircuitUnit, section: NetworkSection, values: Mapping[str, float]
) -> NetworkSection:
    place = f"{unit.name}.{section.name}"
    if section.acid is not None:
        acid = replace(section.acid, per_feed=values[f"{place}.{ACID_RATIO}"])
        section = replace(section, acid=acid)
    if section.draw:
        section = replace(section, draw_per_feed=values[f"{place}.{DRAW_RATIO}"])
    return section
