"""Organic that a bank is fed on the way, and organic that leaves it, with what it carries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import oxide_molar_masses
from raffinate.plant.arrays import (
    chemistry_of,
    entrainment_of,
    extractant_of,
    settled_flows,
    streams_of,
)
from raffinate.plant.model import Circuit
from raffinate.plant.steady import SteadyState

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OrganicAccount:
    """Organic across the boundary of a bank, but for the loop itself.

    Attributes:
        modelled: Whether the sections state what they entrain.
        carried: Organic in a volume of liquor that leaves each stage downward, (stage,), [-].
        cation: Of the saponifier in the organic of each stage, (stage,), [mol/m³].
        fed: Organic fed on the way, [m³/s].
        fed_cation: What it brings of the saponifier, [mol/s].
        fed_oxide: What it brings of oxides, [kg/s].
        surplus: Organic that leaves the loop behind the last stage, [m³/s].
    """

    modelled: bool
    carried: Array
    cation: Array
    fed: float
    fed_cation: float
    fed_oxide: float
    surplus: float

    @property
    def surplus_cation(self) -> float:
        """Cation of the saponifier that leaves with the surplus, [mol/s]."""
        return self.surplus * float(self.cation[-1])


def organic_account(circuit: Circuit, state: SteadyState) -> OrganicAccount:
    """Return what organic brings into a bank at rest and carries out of it.

    Args:
        circuit: The bank at the flows of the state.
        state: Its steady state.
    """
    count, elements = len(state.sections), len(state.elements)
    chemistry = chemistry_of(circuit.system)
    unknowns = np.asarray(state.unknowns.stage)[:count]
    cation = unknowns[:, chemistry.unknown_count + elements] * extractant_of(circuit)
    feeds = [section.organic for section in circuit.sections if section.organic is not None]
    carried, surplus = np.zeros(count), 0.0
    flows = settled_flows(streams_of(circuit))
    if flows.entrained is not None:
        carried = np.asarray(flows.entrained.organic_per_aqueous)[:count]
        passed = float(np.asarray(flows.entrained.organic_passed)[count - 1])
        surplus = max(0.0, passed - circuit.organic_flow)
    oxide = dict(zip(state.elements, oxide_molar_masses(state.elements), strict=True))
    return OrganicAccount(
        modelled=entrainment_of(circuit) is not None,
        carried=carried,
        cation=cation,
        fed=sum(feed.flow for feed in feeds),
        fed_cation=sum(feed.flow * feed.cation for feed in feeds),
        fed_oxide=sum(
            feed.flow * amount * oxide[symbol]
            for feed in feeds
            for symbol, amount in feed.concentration.items()
        ),
        surplus=surplus,
    )
