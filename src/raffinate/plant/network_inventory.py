"""What the circuits of a plant hold at rest, by the rules of the account of one circuit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import oxide_molar_masses
from raffinate.errors import BalanceError
from raffinate.plant.economics_inventory import Inventory, Vessel, circuit_vessels
from raffinate.plant.economics_prices import Prices
from raffinate.plant.network import Network
from raffinate.plant.network_circuit import CircuitState
from raffinate.plant.network_state import NetworkState

Array = NDArray[np.float64]

SAME = 1e-6
"""Relative difference up to which what is differentiated is what is held, [-]."""


def network_inventory(network: Network, state: NetworkState, fed: float) -> Inventory:
    """Return what mixers, settlers and organic tanks of all circuits hold.

    Tanks between circuits have no volume in a plant file and hold nothing here.

    Args:
        network: The plant.
        state: Its steady state.
        fed: Oxide that enters the plant, [kg/s].
    """
    rare = network.rare_earths
    oxide = np.array(oxide_molar_masses(rare))
    vessels = tuple(
        vessel for circuit in state.circuits.values() for vessel in _vessels(rare, circuit)
    )
    masses = np.sum([each.moles for each in vessels], axis=0) * oxide
    extractant = sum(
        network.circuit(circuit.name).organic.extractant_concentration
        * sum(v.volume for v in _vessels(rare, circuit) if v.phase == "organic")
        for circuit in state.circuits.values()
    )
    return Inventory(
        elements=rare,
        vessels=vessels,
        oxide_masses=masses,
        extractant=extractant,
        feed_time=float(masses.sum()) / fed if fed > 0.0 else np.inf,
    )


def _vessels(rare: tuple[str, ...], state: CircuitState) -> list[Vessel]:
    """Return the vessels of a circuit, its rare earths on the axis of the plant."""
    places = [(k, rare.index(e)) for k, e in enumerate(state.elements) if e in rare]
    found = []
    for vessel in circuit_vessels(state.circuit, state):
        moles = np.zeros(len(rare))
        for own, place in places:
            moles[place] = vessel.moles[own]
        found.append(replace(vessel, section=f"{state.name}.{vessel.section}", moles=moles))
    return found


def metal_values(network: Network, prices: Prices) -> Array:
    """Return what a mole of each metal held is worth, (metal,), [currency/mol]; 0 unpriced."""
    found = np.zeros(len(network.elements))
    rare = network.rare_earths
    for symbol, mass in zip(rare, oxide_molar_masses(rare), strict=True):
        if (price := prices.oxides.get(symbol)) is not None:
            found[network.elements.index(symbol)] = mass * price.value
    return found


def check_held(network: Network, held: Inventory, prices: Prices, value: float) -> None:
    """Refuse an inventory whose value is not what the derivatives were taken of.

    Args:
        network: The plant.
        held: What it holds.
        prices: Of the account.
        value: Of the rare earths as they were differentiated, [currency].

    Raises:
        BalanceError: The two differ.
    """
    worth = {
        symbol: prices.oxides[symbol].value if symbol in prices.oxides else 0.0
        for symbol in held.elements
    }
    each = np.array([worth[symbol] for symbol in held.elements])
    told = float(held.oxide_masses @ each)
    if not abs(told - value) <= SAME * max(abs(told), abs(value)):
        raise BalanceError(
            f"rare earths worth {told:.8g} are held and {value:.8g} were differentiated.",
            where=f"inventory of {network.name}",
            allowed=f"a relative difference of {SAME:.0e}",
            mend="This is a defect of the account; please report it.",
        )
