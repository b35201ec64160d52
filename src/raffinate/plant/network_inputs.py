"""A network with other numbers, by the names of its gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from raffinate.chemistry.system import ExtractionSystem
from raffinate.errors import SpecificationError
from raffinate.plant.gradients_inputs import CONSTANT, FEED
from raffinate.plant.network import CircuitUnit, Network, NetworkFeed
from raffinate.plant.network_gradients_layout import SETTINGS, circuit_layout
from raffinate.plant.network_levers import lever_values, with_levers


def input_names(network: Network) -> tuple[str, ...]:
    """Return the inputs of a network: its feeds, the settings of its circuits, constants.

    Constants belong to the extraction system and move in all circuits that use it.
    """
    names = [name for feed in network.feeds for name in feed_names(network.elements, feed)]
    for unit in network.circuits:
        settings = circuit_layout(network.axis, unit).settings
        names += [input_name(unit, setting) for setting in settings]
    return tuple(dict.fromkeys(names))


def feed_names(elements: tuple[str, ...], feed: NetworkFeed) -> list[str]:
    """Return the inputs of a feed: its flow, its metals, its free acid."""
    place = f"{FEED}{feed.name}."
    return [f"{place}flow", *(f"{place}{e}" for e in elements), f"{place}free_acid"]


def input_name(unit: CircuitUnit, setting: str) -> str:
    """Return the name of a circuit's setting among the inputs of the network."""
    if setting.startswith(CONSTANT):
        return f"{CONSTANT}{unit.system.name}.{setting.removeprefix(CONSTANT)}"
    return f"{unit.name}.{setting}"


def changeable_inputs(network: Network) -> tuple[str, ...]:
    """Return the inputs that `with_inputs` can change: all but constants of complexes."""
    constants = {name for unit in network.circuits for name in _constants(unit.system)}
    return tuple(
        name for name in input_names(network) if name in constants or not name.startswith(CONSTANT)
    )


def input_values(network: Network) -> dict[str, float]:
    """Return what the inputs of a network are, SI, by the names of `changeable_inputs`.

    Raises:
        SpecificationError: A cut without flows: they have to be solved for first.
    """
    found = lever_values(network)
    for feed in network.feeds:
        metals = [feed.concentration.get(symbol, 0.0) for symbol in network.elements]
        names = feed_names(network.elements, feed)
        found |= dict(zip(names, [feed.flow, *metals, feed.proton], strict=True))
    for unit in network.circuits:
        for name in SETTINGS:
            found[f"{unit.name}.{name}"] = getattr(unit.organic, name)
        for section in unit.sections:
            own = f"{unit.name}.{section.name}."
            found[f"{own}efficiency"] = section.efficiency
            if section.acid is not None:
                found[f"{own}acid_concentration"] = section.acid.proton
        found |= _constants(unit.system)
    return {name: found[name] for name in changeable_inputs(network)}


def _constants(system: ExtractionSystem) -> dict[str, float]:
    place = f"{CONSTANT}{system.name}."
    values = system.log10_extraction_constant.tolist()
    metals = {f"{place}{e}": value for e, value in zip(system.elements, values, strict=True)}
    return metals | {f"{place}{system.saponifying_cation}": system.log10_saponification_constant}


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
