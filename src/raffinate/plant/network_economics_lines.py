"""Lines of the account of a plant of many circuits, each linear in `USES`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import AMMONIA_MOLAR_MASS, oxide_molar_masses
from raffinate.errors import SpecificationError
from raffinate.plant.economics_ions import ACIDS, BASES
from raffinate.plant.economics_lines import Group
from raffinate.plant.economics_prices import CURRENCY, Prices
from raffinate.plant.economics_sizing import CAPITAL_KEYS, GRAVITY
from raffinate.plant.network import Network
from raffinate.plant.network_gradients_layout import USES
from raffinate.plant.network_state import (
    AMMONIUM_BICARBONATE_MOLAR_MASS,
    OXALIC_ACID_MOLAR_MASS,
)

Array = NDArray[np.float64]

INTEREST = "Interest on what the plant holds"
"""Title of that line."""

EXTRACTANT_MASS = "extractant_molar_mass_g_per_mol"
"""Coefficient that a loop may state itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One line of the account as a linear function of `USES`.

    Attributes:
        title: In words.
        group: What kind of cost it is.
        unit: Of the amount as shown.
        share: Amount per use, by use; empty if a coefficient is missing.
        price_key: Its price; empty where the amount is money.
        keys: Coefficients it needs.
        fixed: Amount that depends on no use, SI.
    """

    title: str
    group: Group
    unit: str
    share: tuple[tuple[str, float], ...]
    price_key: str
    keys: tuple[str, ...] = ()
    fixed: float = 0.0

    def rate(self, uses: Array) -> float | None:
        """Return the amount per time, SI; None if a coefficient is missing."""
        if not self.share and not self.fixed:
            return None
        used = sum(factor * float(uses[USES.index(name)]) for name, factor in self.share)
        return self.fixed + used


def cost_weights(network: Network, prices: Prices) -> tuple[Array, float]:
    """Return what a unit of each use costs, (use,), and what is paid whatever is used.

    In [currency/s per use] and [currency/s]; a line that lacks a price or a coefficient is zero.
    """
    weights, fixed = np.zeros(len(USES)), 0.0
    for part in cost_parts(network, prices):
        price = prices.values(part.price_key) if part.price_key else (1.0,)
        if price is None:
            continue
        fixed += part.fixed * price[0]
        for name, factor in part.share:
            weights[USES.index(name)] += factor * price[0]
    return weights, fixed


def equipment_numbers(prices: Prices) -> tuple[float, float]:
    """Return reference volume, [m³], and exponent of cost, [-]; 1 and 0 where not given."""
    found = prices.values("reference_stage_volume_m3", "cost_exponent")
    return (found[0], found[1]) if found else (1.0, 0.0)


def cost_parts(network: Network, prices: Prices) -> tuple[Part, ...]:
    """Return the lines of the account as functions of `USES`."""
    acid = ACIDS[network.medium]
    return (
        Part(
            title="Rare-earth oxide fed",
            group="feed",
            unit="kg",
            share=(),
            price_key="feed_per_kg_reo",
            fixed=oxide_fed(network),
        ),
        _reagent(
            f"{acid.formula}, as 100 %", "acid", acid.molar_mass / acid.protons, "acid_per_kg"
        ),
        _reagent("NH3, as 100 %", "NH3", AMMONIA_MOLAR_MASS, "base_per_kg"),
        _reagent("Oxalic acid", "oxalic acid", OXALIC_ACID_MOLAR_MASS, "oxalic_acid_per_kg"),
        _reagent(
            "Ammonium bicarbonate",
            "NH4HCO3",
            AMMONIUM_BICARBONATE_MOLAR_MASS,
            "ammonium_bicarbonate_per_kg",
        ),
        Part(
            title="Water",
            group="reagents",
            unit="m³",
            share=(("water", 1.0),),
            price_key="water_per_m3",
        ),
        *_energy(prices),
        _extractant(network, prices),
        *_effluent(network),
        Part(
            title="Labour", group="labour", unit="h", share=(), price_key="labour_per_h", fixed=1.0
        ),
        *_capital(prices),
        _interest(network, prices),
    )


def oxide_fed(network: Network) -> float:
    """Return the oxide in feeds and in organic fed from outside, [kg/s]."""
    oxide = dict(zip(network.rare_earths, oxide_molar_masses(network.rare_earths), strict=True))
    entering = [(feed.flow, feed.concentration) for feed in network.feeds]
    entering += [(feed.flow, feed.concentration) for feed in network.organic_feeds]
    return sum(
        flow * amount * oxide.get(symbol, 0.0)
        for flow, metals in entering
        for symbol, amount in metals.items()
    )


def _reagent(title: str, use: str, molar_mass: float, price_key: str) -> Part:
    return Part(
        title=title,
        group="reagents",
        unit="kg",
        share=((use, molar_mass),),
        price_key=price_key,
    )


def _energy(prices: Prices) -> tuple[Part, Part]:
    power = prices.values("mixer_power_W_per_m3")
    pumping = ("pump_head_m", "pump_efficiency")
    densities = ("aqueous_density_kg_per_m3", "organic_density_kg_per_m3")
    lifted: tuple[tuple[str, float], ...] = ()
    if found := prices.values(*pumping, *densities):
        head, efficiency, aqueous, organic = found
        lift = GRAVITY * head / efficiency
        lifted = (("pumped_aqueous", lift * aqueous), ("pumped_organic", lift * organic))
    return (
        Part(
            title="Mixers",
            group="energy",
            unit="kWh",
            share=(("mixed", power[0]),) if power else (),
            price_key="electricity_per_kWh",
            keys=("mixer_power_W_per_m3",),
        ),
        Part(
            title="Pumps of liquors, acids and organic",
            group="energy",
            unit="kWh",
            share=lifted,
            price_key="electricity_per_kWh",
            keys=(*pumping, *densities),
        ),
    )


def _extractant(network: Network, prices: Prices) -> Part:
    """Return the line of lost extractant.

    Its molar mass is that of the loops, or else the coefficient of the prices.
    """
    key = EXTRACTANT_MASS
    own, given = own_molar_mass(network), prices.values(key)
    mass = own if own is not None else given[0] if given else None
    return Part(
        title="Extractant lost",
        group="solvent",
        unit="kg",
        share=() if mass is None else (("extractant", mass),),
        price_key="extractant_per_kg",
        keys=(key,) if mass is None else (),
    )


def _effluent(network: Network) -> tuple[Part, Part]:
    acid, base = ACIDS[network.medium], BASES["NH4"]
    salt = base.molar_mass - base.water + acid.molar_mass / acid.protons

    def part(title: str, mass: float, price_key: str) -> Part:
        return Part(
            title=title,
            group="effluent",
            unit="kg",
            share=(("NH3", mass), ("NH4HCO3", mass)),
            price_key=price_key,
        )

    return (
        part("Ammonium salt treated", salt, "salt_disposal_per_kg"),
        part("Ammonia nitrogen treated, as N", base.nitrogen, "ammonia_nitrogen_per_kg"),
    )


def _capital(prices: Prices) -> tuple[Part, ...]:
    made = []
    for title, key in (
        ("Capital charge", "capital_charge_per_year"),
        ("Maintenance", "maintenance_per_year"),
    ):
        keys = (*CAPITAL_KEYS, key, "operating_hours_per_year")
        share: tuple[tuple[str, float], ...] = ()
        if found := prices.values(*keys):
            cost, _, _, factor, yearly, hours = found
            share = (("equipment", cost * factor * yearly / hours),)
        made.append(
            Part(title=title, group="capital", unit=CURRENCY, share=share, price_key="", keys=keys)
        )
    return tuple(made)


def own_molar_mass(network: Network) -> float | None:
    """Return the molar mass of HA that the loops state, [kg/mol]; None if none does.

    Raises:
        SpecificationError: They state several.
    """
    masses = {
        unit.organic.extractant_molar_mass
        for unit in network.circuits
        if unit.organic.extractant_molar_mass > 0.0
    }
    if len(masses) > 1:
        raise SpecificationError(
            f"its loops hold extractants of {', '.join(f'{1e3 * m:g}' for m in masses)} g/mol.",
            where=f"cost of {network.name}",
            allowed="one extractant, for it has one price",
        )
    return masses.pop() if masses else None


def _interest(network: Network, prices: Prices) -> Part:
    """Return the line of interest: nothing of it is counted unless all that is held is priced."""
    keys = ("interest_per_year", "operating_hours_per_year")
    solvent = ("extractant_per_kg", "diluent_per_m3", "extractant_density_kg_per_m3")
    own, given = own_molar_mass(network), prices.values(EXTRACTANT_MASS)
    mass = own if own is not None else given[0] if given else None
    priced = all(symbol in prices.oxides for symbol in network.rare_earths)
    share: tuple[tuple[str, float], ...] = ()
    if priced and mass is not None and (found := prices.values(*keys, *solvent)):
        yearly, hours, extractant, diluent, density = found
        rate = yearly / hours
        share = (
            ("held_value", rate),
            ("held_extractant", rate * mass * (extractant - diluent / density)),
            ("held_organic", rate * diluent),
        )
    return Part(
        title=INTEREST, group="capital", unit=CURRENCY, share=share, price_key="", keys=keys
    )
