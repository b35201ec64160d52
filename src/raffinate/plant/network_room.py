"""How far the flows of a network may be turned before a bank cannot run, known without solving it.

Four things end a turn: more is drawn than arrives, the acids bring fewer protons than strip the
organic, and a mixer holds too much or too little organic. Each is told as the logarithm of what may
be over what is, so that 0 is the end and a small change of a flow takes away as much as it changes.
What enters a circuit is taken from the last steady state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from raffinate.plant.arrays import MIXER_RATIO, aqueous_leaving, mixer_ratios
from raffinate.plant.model import Circuit, Section
from raffinate.plant.network import CircuitUnit, Network
from raffinate.plant.network_circuit import CircuitState
from raffinate.plant.network_levers import lever_values, with_levers
from raffinate.plant.network_state import NetworkState
from raffinate.plant.strip_acid import acid_need

Array = NDArray[np.float64]

SPARE = 2e-3
"""Logarithm that a search leaves of each, [-]; where less is left to begin with, that."""

NUDGE = 1e-6
"""Change of the logarithm of a flow by which slopes are measured, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Room:
    """What is left before banks cannot run.

    Attributes:
        ends: In words, what would end a turn.
        left: Logarithm of what may be over what is, (end,), [-].
        slopes: By the logarithms of the flows, (end, flow), [-].
    """

    ends: tuple[str, ...]
    left: Array
    slopes: Array


def room_of(network: Network, state: NetworkState, names: tuple[str, ...]) -> Room:
    """Return what is left at the flows of a network, and how it depends on some of them.

    Args:
        network: With its flows written in it.
        state: Its steady state, or one of other flows of the same network.
        names: Of flows, as in `lever_values`.
    """
    found, values = _left(network, state), lever_values(network)
    left = np.array(list(found.values()))
    columns = [
        np.array(
            list(_left(with_levers(network, {name: values[name] * np.exp(NUDGE)}), state).values())
        )
        for name in names
    ]
    slopes = (np.array(columns).T - left[:, None]) / NUDGE
    return Room(ends=tuple(found), left=left, slopes=slopes)


def _left(network: Network, state: NetworkState) -> dict[str, float]:
    """Return the logarithms of what may be over what is, by what would end a turn."""
    found: dict[str, float] = {}
    for unit in network.circuits:
        circuit = _turned(unit, state.circuits[unit.name])
        leaving, ratios = aqueous_leaving(circuit), mixer_ratios(circuit)
        begin = 0
        for section in circuit.sections:
            where = f"{unit.name}, section {section.name}"
            part = slice(begin, begin + section.stages)
            if section.draw:
                arrives = float(leaving[begin])
                found[f"all the liquor that arrives at {where} is drawn"] = _over(
                    arrives, section.draw_flow
                )
            low, high = MIXER_RATIO
            most, least = float(ratios[part].max()), float(ratios[part].min())
            found[f"O/A in the mixer of {where} is at its most, {high:.3g}"] = _over(high, most)
            found[f"O/A in the mixer of {where} is at its least, {low:.3g}"] = _over(least, low)
            begin += section.stages
        need = acid_need(circuit)
        if need is not None:
            found[f"the acids of {unit.name} bring no more protons than strip its organic"] = _over(
                need.brought + need.others, need.needed
            )
    return found


def _over(most: float, value: float) -> float:
    return float(np.log(max(most, 1e-300) / max(value, 1e-300)))


def _turned(unit: CircuitUnit, solved: CircuitState) -> Circuit:
    """Return a circuit as it was solved, at the flows that its unit states now."""
    liquors = {section.name for section in unit.sections if section.liquor}
    fed = sum(
        section.aqueous.flow
        for section in solved.circuit.sections
        if section.aqueous is not None and section.name in liquors
    )
    flows = unit.flows
    organic = unit.organic_per_feed * fed if flows is None else flows.organic
    sections = []
    for section, stated in zip(solved.circuit.sections, unit.sections, strict=True):
        aqueous, drawn = section.aqueous, section.draw_flow
        if aqueous is not None and stated.acid is not None:
            acid = stated.acid.per_feed * fed if flows is None else flows.acid
            aqueous = replace(aqueous, flow=acid)
        if stated.draw:
            drawn = stated.draw_per_feed * fed if flows is None else flows.draw
        sections.append(replace(section, aqueous=aqueous, draw_flow=drawn))
    circuit = replace(solved.circuit, organic_flow=organic, sections=tuple(sections))
    return replace(circuit, sections=_recycled(unit, circuit))


def _recycled(unit: CircuitUnit, circuit: Circuit) -> tuple[Section, ...]:
    """Return sections whose recycle follows the flows where the plant states none."""
    leaving, begin, made = aqueous_leaving(circuit), 0, []
    for section, stated in zip(circuit.sections, unit.sections, strict=True):
        recycle = stated.recycle
        if recycle is None:
            wanted = circuit.organic_flow / unit.vessels.mixer_ratio
            recycle = max(0.0, wanted - float(leaving[begin]))
        made.append(replace(section, recycle=recycle))
        begin += section.stages
    return tuple(made)
