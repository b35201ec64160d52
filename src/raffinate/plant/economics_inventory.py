"""What a bank holds: rare earths in every vessel, solvent, extractant, and the days they last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import oxide_molar_masses
from raffinate.plant.arrays import mixer_ratios
from raffinate.plant.economics_organic import organic_account
from raffinate.plant.model import Circuit, Plant
from raffinate.plant.steady import SteadyState

Array = NDArray[np.float64]

DAY = 86400.0
"""Seconds in a day."""

TANK = "organic tank"
"""Name of the tank among the vessels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vessel:
    """One phase in the equal vessels of a section.

    Attributes:
        section: Name of the section; `TANK` for the tank of the organic loop.
        place: "mixers", "settlers" or "tank".
        phase: "aqueous" or "organic".
        volume: Of all of them, [m³].
        moles: Rare earths held, (element,), [mol].
    """

    section: str
    place: str
    phase: str
    volume: float
    moles: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inventory:
    """What a plant holds at rest.

    Attributes:
        elements: Symbols on the element axis.
        vessels: By section, place and phase.
        oxide_masses: Of the oxides held, (element,), [kg].
        extractant: Total HA in the organic, free and bound, [mol].
        feed_time: How long the feed takes to bring the oxide held, [s].
    """

    elements: tuple[str, ...]
    vessels: tuple[Vessel, ...]
    oxide_masses: Array
    extractant: float
    feed_time: float

    @property
    def oxide_mass(self) -> float:
        """Oxide held, [kg]."""
        return float(self.oxide_masses.sum())

    def volume(self, phase: str) -> float:
        """Return the volume of a phase held, [m³]."""
        return sum(each.volume for each in self.vessels if each.phase == phase)

    def oxide_in(self, phase: str) -> Array:
        """Return the oxides held in a phase, (element,), [kg]."""
        moles = sum(
            (each.moles for each in self.vessels if each.phase == phase),
            np.zeros(len(self.elements)),
        )
        return np.asarray(moles * np.array(oxide_molar_masses(self.elements)))


def inventory(plant: Plant, state: SteadyState) -> Inventory:
    """Return what mixers, settlers and the tank hold of rare earths and solvent.

    The phases share a mixer as the flows that meet there, internal recycle included; what is in
    a mixer or settler is what leaves it.
    """
    operation = state.operation
    assert operation is not None
    circuit = plant.operated(operation).circuit
    vessels = circuit_vessels(circuit, state)
    oxide = np.array(oxide_molar_masses(state.elements))
    moles = np.sum([each.moles for each in vessels], axis=0)
    held = float(moles @ oxide)
    fed = operation.feed_reo * operation.feed_flow + organic_account(circuit, state).fed_oxide
    solvent = sum(each.volume for each in vessels if each.phase == "organic")
    return Inventory(
        elements=state.elements,
        vessels=vessels,
        oxide_masses=moles * oxide,
        extractant=solvent * circuit.extractant_concentration,
        feed_time=held / fed,
    )


class Profiles(Protocol):
    """What is known of every stage of a circuit at rest."""

    @property
    def aqueous(self) -> Array:
        """Metals, (stage, element), [mol/m³]."""

    @property
    def organic(self) -> Array:
        """Metals, (stage, element), [mol/m³]."""


def circuit_vessels(circuit: Circuit, state: Profiles) -> tuple[Vessel, ...]:
    """Return what mixers, settlers and the organic tank of a circuit hold.

    Args:
        circuit: At its flows, vessels stated.
        state: Its profiles.
    """
    return (*_stages_of(circuit, state), _tank(circuit, state))


def _stages_of(circuit: Circuit, state: Profiles) -> list[Vessel]:
    ratios = mixer_ratios(circuit)
    found = []
    start = 0
    for section in circuit.sections:
        part = slice(start, start + section.stages)
        start += section.stages
        organic = section.mixer * ratios[part] / (1.0 + ratios[part])
        each = np.ones(section.stages)
        for place, phase, volumes in (
            ("mixers", "aqueous", section.mixer - organic),
            ("mixers", "organic", organic),
            ("settlers", "aqueous", section.settler_aqueous * each),
            ("settlers", "organic", section.settler_organic * each),
        ):
            held = state.aqueous if phase == "aqueous" else state.organic
            found.append(
                Vessel(
                    section=section.name,
                    place=place,
                    phase=phase,
                    volume=float(volumes.sum()),
                    moles=volumes @ held[part],
                )
            )
    return found


def _tank(circuit: Circuit, state: Profiles) -> Vessel:
    return Vessel(
        section=TANK,
        place="tank",
        phase="organic",
        volume=circuit.organic_tank,
        moles=circuit.organic_tank * state.organic[-1],
    )
