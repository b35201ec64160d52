"""A solved network in the plant's own words, its balances checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import (
    AMMONIA_MOLAR_MASS,
    HYDROGEN_CHLORIDE_MOLAR_MASS,
    molar_masses,
)
from raffinate.errors import BalanceError
from raffinate.plant.balance import STEADY_TOLERANCE, check_balance
from raffinate.plant.network import Network, NetworkProduct
from raffinate.plant.network_circuit import CircuitState
from raffinate.plant.network_doubt import assumed_constants, doubtful_constants
from raffinate.plant.network_stream import Stream, StreamAxis
from raffinate.plant.network_units import UnitOutcome
from raffinate.plant.outcome import BARREN_LIMIT, ProductState, is_below_limit, product_state
from raffinate.sources import Source

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

SULFURIC_ACID_EQUIVALENT = 98.079e-3 / 2.0
"""H₂SO₄ per mole of acid, [kg/mol]; IUPAC standard atomic weights 2021 (abridged)."""

OXALIC_ACID_MOLAR_MASS = 90.034e-3
"""H₂C₂O₄, [kg/mol]; IUPAC standard atomic weights 2021 (abridged)."""

AMMONIUM_BICARBONATE_MOLAR_MASS = 79.055e-3
"""NH₄HCO₃, [kg/mol]; IUPAC standard atomic weights 2021 (abridged)."""

WATER_DENSITY = 997.0
"""At 25 °C, [kg/m³]: IAPWS-95."""

ACIDS = {"chloride": "HCl", "sulfate": "H2SO4", "nitrate": "HNO3"}
"""Acid of a medium."""

NITRIC_ACID_MOLAR_MASS = 63.012e-3
"""HNO₃, [kg/mol]; IUPAC standard atomic weights 2021 (abridged)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkState:
    """A network at rest.

    Attributes:
        network: What was solved.
        streams: By name.
        circuits: By name.
        products: By name.
        metal_impurity: Metals that are no rare earths, per mass of REO, by product and symbol, [-].
        reagents: Bought, by name, [kg/s]; "water" less what evaporates.
        balance: Relative imbalance over the whole network, by component, [-].
        balance_error: The worst imbalance of network and banks, [-].
        residual: The largest residual of a bank, relative, [-].
        rounds: Rounds of the recycles.
        warnings: Sentences.
    """

    network: Network
    streams: Mapping[str, Stream]
    circuits: Mapping[str, CircuitState]
    products: Mapping[str, ProductState]
    metal_impurity: Mapping[str, Mapping[str, float]]
    reagents: Mapping[str, float]
    balance: Mapping[str, float]
    balance_error: float
    residual: float
    rounds: int
    warnings: tuple[str, ...]

    @property
    def sources(self) -> tuple[Source, ...]:
        """Who says so: of the plant, then of the constants of each chemistry, each once."""
        found = list(self.network.sources)
        for circuit in self.network.circuits:
            found += circuit.system.sources
        return tuple(dict.fromkeys(found))

    @property
    def reagents_per_reo(self) -> Mapping[str, float]:
        """Reagents per mass of REO in all products, [kg/kg]."""
        total = sum(product.reo_flow for product in self.products.values())
        return {name: value / total for name, value in self.reagents.items()}

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per stream: flow in m³/h, metals in mol/L, or mol/h of a solid."""
        import pandas as pd

        axis, rows = self.network.axis, []
        for name, stream in self.streams.items():
            hourly = 3600.0 if stream.solid else 1.0 / max(stream.flow, 1e-300) / 1e3
            unit = "mol_per_h" if stream.solid else "mol_per_L"
            row: dict[str, object] = {
                "stream": name,
                "flow_m3_per_h": stream.flow * 3600.0,
                "unit": unit,
            }
            for symbol, value in zip(axis.components, stream.amount.tolist(), strict=True):
                row[symbol] = value * hourly
            row["acid"] = 0.0 if stream.solid else axis.acid(stream.amount) * hourly
            rows.append(row)
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return what `raffinate solve --json` prints of a network."""
        axis = self.network.axis
        return {
            "plant": self.network.name,
            "stages": self.network.stages,
            "products": {
                name: {
                    "purity": product.purity,
                    "recovery": product.recovery,
                    "reo_kg_per_h": product.reo_flow * 3600.0,
                    "reo_fraction": dict(product.reo_fraction),
                    "metals_per_reo": dict(self.metal_impurity[name]),
                }
                for name, product in self.products.items()
            },
            "reagents_per_t_reo": dict(self.reagents_per_reo),
            "circuits": {name: _circuit_row(state) for name, state in self.circuits.items()},
            "streams": {
                name: {
                    "flow_m3_per_h": stream.flow * 3600.0,
                    "mol_per_h": dict(
                        zip(axis.components, (stream.amount * 3600.0).tolist(), strict=True)
                    ),
                }
                for name, stream in self.streams.items()
            },
            "balance": dict(self.balance),
            "balance_error": self.balance_error,
            "residual": self.residual,
            "rounds": self.rounds,
            "assumed_constants": assumed_constants(self.network),
            "warnings": list(self.warnings),
        }


def _circuit_row(state: CircuitState) -> dict[str, Any]:
    circuit = state.circuit
    flows = state.flows
    hour = 3600.0
    return {
        "stages": circuit.stages,
        "extraction_amount": state.extraction_amount,
        "organic_m3_per_h": circuit.organic_flow * hour,
        "acid_m3_per_h": flows.acid * hour if flows else None,
        "draw_m3_per_h": flows.draw * hour if flows else None,
        "iterations": state.iterations,
        "residual": state.residual,
        "balance_error": state.balance_error,
    }


def network_state(
    network: Network,
    streams: Mapping[str, Stream],
    circuits: Mapping[str, CircuitState],
    outcomes: Mapping[str, UnitOutcome],
    rounds: int,
) -> NetworkState:
    """Return the state of a network once every component is found to balance.

    Raises:
        BalanceError: What enters is not what leaves, or a stream holds less than nothing.
    """
    axis = network.axis
    check_not_negative(axis, streams)
    balance = check_network_balance(network, streams, outcomes)
    fed = np.sum([streams[feed.name].metals(axis) for feed in network.feeds], axis=0)
    for organic in network.organic_feeds:
        fed += organic.flow * np.array([organic.concentration.get(e, 0.0) for e in axis.elements])
    products = {
        name: _product(network, streams[product.stream], fed, product)
        for name, product in network.products.items()
    }
    order = [unit.name for unit in network.units]
    named = [feed.name for feed in network.feeds]
    named += [outlet for unit in network.units for outlet in unit.outlets]
    worst = max([*balance.values(), *(state.balance_error for state in circuits.values())])
    return NetworkState(
        network=network,
        streams={name: streams[name] for name in named},
        circuits={name: circuits[name] for name in order if name in circuits},
        products=products,
        metal_impurity={
            name: _metals(network, streams[product.stream], products[name].reo_flow)
            for name, product in network.products.items()
        },
        reagents=_reagents(network, outcomes),
        balance=balance,
        balance_error=worst,
        residual=max((state.residual for state in circuits.values()), default=0.0),
        rounds=rounds,
        warnings=_warnings(network, circuits, products),
    )


def check_not_negative(axis: StreamAxis, streams: Mapping[str, Stream]) -> None:
    """Refuse streams that hold less than nothing of a component, of acid or of liquor.

    Raises:
        BalanceError: Names stream and component.
    """
    for name, stream in streams.items():
        size = float(np.abs(stream.amount).max(initial=0.0))
        named = dict(zip(axis.components, stream.amount.tolist(), strict=True))
        if not stream.solid:
            named["acid"] = axis.acid(stream.amount)
        for component, value in named.items():
            if not value >= -1e-9 * size:
                raise BalanceError(
                    f"{component} is {value:.3g} mol/s.",
                    where=f"stream {name}",
                    allowed="0 or more",
                    mend="Where organic is entrained, it takes up more acid than the liquor holds: "
                    "entrain less. Otherwise this is a defect of the solver; please report it.",
                )


def check_network_balance(
    network: Network, streams: Mapping[str, Stream], outcomes: Mapping[str, UnitOutcome]
) -> dict[str, float]:
    """Compare what enters the plant with what leaves it, every component and the volume.

    Returns:
        Relative imbalance by component, "volume" last, [-].

    Raises:
        BalanceError: One of them does not close.
    """
    axis = network.axis
    leaving = [product.stream for product in network.products.values()] + list(network.waste)
    entered = np.sum([streams[feed.name].amount for feed in network.feeds], axis=0)
    left = np.sum([streams[name].amount for name in leaving], axis=0)
    volume_in = sum(streams[feed.name].flow for feed in network.feeds)
    volume_out = sum(streams[name].flow for name in leaving)
    for outcome in outcomes.values():
        entered = entered + outcome.supplied
        left = left + outcome.removed
        volume_in += max(outcome.water, 0.0)
        volume_out += max(-outcome.water, 0.0)
    found: dict[str, float] = {}
    for place, name in enumerate(axis.components):
        if entered[place] == 0.0 and left[place] == 0.0:
            continue
        found[name] = check_balance(
            entered[[place]],
            left[[place]],
            np.zeros(1),
            (name,),
            tolerance=STEADY_TOLERANCE,
            where=network.name,
            held=np.array([1e-9 * float(entered.sum())]),
        )
    found["volume"] = check_balance(
        np.array([volume_in]),
        np.array([volume_out]),
        np.zeros(1),
        ("volume",),
        tolerance=STEADY_TOLERANCE,
        where=network.name,
    )
    return found


def _product(network: Network, stream: Stream, fed: Array, product: NetworkProduct) -> ProductState:
    rare = [network.elements.index(symbol) for symbol in network.rare_earths]
    metals = stream.metals(network.axis)
    return product_state(metals[rare], fed[rare], network.rare_earths, product.elements)


def _metals(network: Network, stream: Stream, reo_flow: float) -> dict[str, float]:
    """Return kg of each metal that is no rare earth per kg of REO."""
    metals = dict(zip(network.elements, stream.metals(network.axis).tolist(), strict=True))
    others = tuple(symbol for symbol in network.elements if symbol not in network.rare_earths)
    masses = dict(zip(others, molar_masses(others), strict=True))
    return {symbol: metals[symbol] * masses[symbol] / reo_flow for symbol in others}


def _reagents(network: Network, outcomes: Mapping[str, UnitOutcome]) -> dict[str, float]:
    """Return what is bought, [kg/s]."""
    acid = ACIDS[network.medium]
    masses = {
        "NH3": AMMONIA_MOLAR_MASS,
        "acid": {
            "HCl": HYDROGEN_CHLORIDE_MOLAR_MASS,
            "H2SO4": SULFURIC_ACID_EQUIVALENT,
            "HNO3": NITRIC_ACID_MOLAR_MASS,
        }[acid],
        "oxalic acid": OXALIC_ACID_MOLAR_MASS,
        "NH4HCO3": AMMONIUM_BICARBONATE_MOLAR_MASS,
        "water": WATER_DENSITY,
    }
    extractant = {unit.name: unit.organic.extractant_molar_mass for unit in network.circuits}
    total: dict[str, float] = {}
    for unit, outcome in outcomes.items():
        for name, moles in outcome.reagents.items():
            mass = extractant[unit] if name == "extractant" else masses[name]
            if moles and not mass:
                # Told as a warning: nobody said what a mole of this extractant weighs.
                continue
            shown = acid if name == "acid" else name
            total[shown] = total.get(shown, 0.0) + moles * mass
    return total


def _warnings(
    network: Network, circuits: Mapping[str, CircuitState], products: Mapping[str, ProductState]
) -> tuple[str, ...]:
    found = doubtful_constants(network)
    for name, state in circuits.items():
        metal = state.organic[-1] * np.array(molar_masses(state.elements))
        for symbol, value in zip(state.elements, metal.tolist(), strict=True):
            if value > BARREN_LIMIT:
                found.append(
                    f"{name}: barren organic carries {value * 1e3:.3g} mg/L {symbol}, above "
                    f"{BARREN_LIMIT * 1e3:g} mg/L: strip with more or stronger acid."
                )
        lost = state.outcome.reagents.get("extractant", 0.0)
        if lost > 0.0 and not network.circuit(name).organic.extractant_molar_mass:
            found.append(
                f"{name}: {lost * 3600.0:.3g} mol/h of extractant leave with the liquors; its "
                "molar mass is not given, so they are not among the reagents."
            )
    for name, product in products.items():
        limit = network.products[name].purity_limit
        if is_below_limit(product.purity, limit):
            hint = f"--spec {name}_purity={limit:g} looks for flows near these that give it."
            if product.purity < 0.5:
                most = max(product.reo_fraction, key=lambda each: product.reo_fraction[each])
                hint = f"{most} is most of it. Check its stream and its elements."
            found.append(
                f"{name} is {product.purity:.5%} of REO, below its limit {limit:.3%}: {hint}"
            )
    return tuple(found)
