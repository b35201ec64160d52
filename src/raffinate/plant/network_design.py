"""Stages of the circuits of a network, by countercurrent-extraction theory.

The circuits are walked in the order of calculation with the moles each cut sends either way;
recycles count as nothing. Ideal stages over the Murphree efficiency are the real ones, as in
`plant.design`; rows of equal length are filled up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from raffinate.cascade.theory_design import BankDesign, design_bank
from raffinate.plant.network import (
    CircuitUnit,
    Network,
    Splitter,
)
from raffinate.plant.network_circuit import CircuitState
from raffinate.plant.network_order import calculation_order
from raffinate.plant.network_state import NetworkState
from raffinate.plant.network_theory import cut_fractions, cut_purities
from raffinate.units import HOUR


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CircuitDesign:
    """Stages of one circuit.

    Attributes:
        bank: What the theory says.
        extraction: Real extraction stages.
        scrub: Real scrub stages.
    """

    bank: BankDesign
    extraction: int
    scrub: int


def design_network(
    network: Network, *, row: int = 1, advance: Callable[[str], None] = lambda circuit: None
) -> dict[str, CircuitDesign]:
    """Return the stages of every circuit that has a cut, by name.

    Args:
        network: Its cuts, purities and excesses are read; its stages and flows are not, but for
            those of the strip.
        row: Stages of a circuit, strip included, are filled up to a multiple of this.
        advance: Called with the name of each circuit before it is designed.

    Raises:
        SpecificationError: A cut or purities that no bank makes.
    """
    moles: dict[str, dict[str, float]] = {
        feed.name: {e: feed.flow * feed.concentration.get(e, 0.0) for e in network.elements}
        for feed in network.feeds
    }
    found: dict[str, CircuitDesign] = {}
    nothing = dict.fromkeys(network.elements, 0.0)
    for group in calculation_order(network):
        for unit in group.units:
            taken = [moles.get(name, nothing) for name in unit.inlets]
            whole = {e: sum(part[e] for part in taken) for e in network.elements}
            if isinstance(unit, CircuitUnit) and unit.cut is not None:
                advance(unit.name)
                found[unit.name], parted = _designed(unit, whole, row)
                moles.update(parted)
            elif isinstance(unit, Splitter):
                for name, share in unit.fractions.items():
                    moles[f"{unit.name}.{name}"] = {e: share * m for e, m in whole.items()}
            else:
                moles[unit.outlets[0]] = whole
    return found


def _designed(
    unit: CircuitUnit, whole: dict[str, float], row: int
) -> tuple[CircuitDesign, dict[str, dict[str, float]]]:
    """Return the design of one circuit, and the moles that leave it by stream."""
    assert unit.cut is not None
    total = sum(whole[symbol] for symbol in unit.system.elements)
    group, fraction, beta = cut_fractions(unit, whole)
    up, down = cut_purities(unit.cut, group, fraction)
    bank = design_bank(
        fraction,
        beta,
        extracted=group,
        purity_extracted=up,
        purity_raffinate=down,
        excess=unit.cut.excess,
    )
    efficiency = unit.sections[0].efficiency
    n, m = (max(1, math.ceil(count / efficiency)) for count in bank.stages)
    spare = -(n + m + unit.sections[-1].stages) % row
    more = round(spare * n / (n + m))
    design = CircuitDesign(bank=bank, extraction=n + more, scrub=m + spare - more)
    parted = {
        unit.outlets[0]: {**whole, **_scaled(bank.cascade.raffinate, total)},
        unit.outlets[1]: {
            **dict.fromkeys(whole, 0.0),
            **_scaled(bank.cascade.loaded_organic, total),
        },
    }
    return design, parted


def _scaled(moles: dict[str, float], total: float) -> dict[str, float]:
    return {symbol: float(amount) * total for symbol, amount in moles.items()}


def solved_flows(state: NetworkState) -> dict[str, dict[str, float]]:
    """Return the flows of every circuit with a cut, as a plant file states them, [m³/h].

    Digits are those that a purity of six nines needs.
    """
    return {
        name: _flow_entry(circuit)
        for name, circuit in state.circuits.items()
        if circuit.flows is not None
    }


def _flow_entry(state: CircuitState) -> dict[str, float]:
    flows = state.flows
    assert flows is not None
    return {
        "organic_m3_per_h": _rounded(flows.organic),
        "acid_m3_per_h": _rounded(flows.acid),
        "draw_m3_per_h": _rounded(flows.draw),
    }


def _rounded(flow: float) -> float:
    return float(np.format_float_positional(flow * HOUR, precision=9, fractional=False))
