"""A network with other numbers, by the names of its gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from raffinate.chemistry.system import ExtractionSystem
from raffinate.errors import SpecificationError
from raffinate.plant.gradients_inputs import CONSTANT, FEED
from raffinate.plant.network import CircuitUnit, Network, NetworkFeed
from raffinate.plant.network_levers import lever_values, with_levers


def with_inputs(network: Network, values: Mapping[str, float]) -> Network:
    """Return the network with some inputs of its gradients changed.

    Args:
        network: The plant, flows written in its cuts if any of them is changed.
        values: By the names of `network_outcomes.network_gradients`, SI.

    Raises:
        SpecificationError: There is no such input, or one that cannot be.
    """
    left = dict(values)
    changed = replace(
        network,
        feeds=tuple(_feed(feed, left) for feed in network.feeds),
        units=tuple(
            _circuit(unit, values, left) if isinstance(unit, CircuitUnit) else unit
            for unit in network.units
        ),
    )
    if not left:
        return changed
    levers = lever_values(changed)
    unknown = [name for name in left if name not in levers]
    if unknown:
        raise SpecificationError(
            f"{unknown[0]!r} is no input of {network.name}.",
            where="inputs",
            mend="`raffinate sensitivity --json` lists them.",
        )
    return with_levers(changed, left)


def _feed(feed: NetworkFeed, left: dict[str, float]) -> NetworkFeed:
    place = f"{FEED}{feed.name}."
    flow = left.pop(f"{place}flow", feed.flow)
    proton = left.pop(f"{place}free_acid", feed.proton)
    metals = dict(feed.concentration)
    for name in [name for name in left if name.startswith(place)]:
        metals[name.removeprefix(place)] = left.pop(name)
    return replace(feed, flow=flow, proton=proton, concentration=metals)


def _circuit(unit: CircuitUnit, values: Mapping[str, float], left: dict[str, float]) -> CircuitUnit:
    """Return a circuit changed; constants are read by every circuit of their system."""
    organic, place = unit.organic, f"{unit.name}."
    organic = replace(
        organic,
        extractant_concentration=left.pop(
            f"{place}extractant_concentration", organic.extractant_concentration
        ),
        saponification_degree=left.pop(
            f"{place}saponification_degree", organic.saponification_degree
        ),
    )
    sections = []
    for section in unit.sections:
        own = f"{place}{section.name}."
        efficiency = left.pop(f"{own}efficiency", section.efficiency)
        acid = section.acid
        if acid is not None:
            acid = replace(acid, proton=left.pop(f"{own}acid_concentration", acid.proton))
        sections.append(replace(section, efficiency=efficiency, acid=acid))
    prefix = f"{CONSTANT}{unit.system.name}."
    constants = {n.removeprefix(prefix): v for n, v in values.items() if n.startswith(prefix)}
    for name in constants:
        left.pop(f"{prefix}{name}", None)
    system = with_constants(unit.system, constants) if constants else unit.system
    return replace(unit, organic=organic, sections=tuple(sections), system=system)


def with_constants(system: ExtractionSystem, values: Mapping[str, float]) -> ExtractionSystem:
    """Return a system with other log₁₀ of constants of its metals or its saponifying cation.

    Raises:
        SpecificationError: A constant of something else.
    """
    constants = np.array(system.log10_extraction_constant)
    cation = system.log10_saponification_constant
    for name, value in values.items():
        if name in system.elements:
            constants[system.index(name)] = value
        elif name == system.saponifying_cation:
            cation = value
        else:
            raise SpecificationError(
                f"the constant of {name} cannot be changed here.",
                where=f"system {system.name}",
                allowed=", ".join((*system.elements, system.saponifying_cation)),
            )
    return replace(
        system, log10_extraction_constant=constants, log10_saponification_constant=cation
    )
