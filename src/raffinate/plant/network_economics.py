"""What a plant of many circuits costs to run, line by line, from what its units use.

Every line is linear in `USES`, so that the account and its derivatives are the same numbers. Not in
it: money held in the plant, steam for liquors that are evaporated, and calcination. What is not
given is reported missing, never taken as zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import AMMONIA_MOLAR_MASS, oxide_molar_masses
from raffinate.errors import SpecificationError
from raffinate.plant.economics_account import counted_cost
from raffinate.plant.economics_ions import ACIDS, BASES
from raffinate.plant.economics_lines import CostLine, Group, priced_line
from raffinate.plant.economics_prices import CURRENCY, Prices
from raffinate.plant.economics_sizing import CAPITAL_KEYS, GRAVITY
from raffinate.plant.network import Network
from raffinate.plant.network_gradients import network_derivative
from raffinate.plant.network_gradients_layout import USES
from raffinate.plant.network_state import (
    AMMONIUM_BICARBONATE_MOLAR_MASS,
    OXALIC_ACID_MOLAR_MASS,
    NetworkState,
)
from raffinate.units import HOUR

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

NOT_COUNTED = (
    "Interest on what the plant holds: not counted for a plant of many circuits.",
    "Evaporation of liquors that are made stronger: not counted.",
)
"""What no line of this account covers."""


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkAccount:
    """What a plant of many circuits costs.

    Attributes:
        plant_name: Which plant.
        prices: What it is made with.
        reo_flow: Of all products, [kg/s].
        lines: Costs.
        missing: Sentences: what is not counted.
    """

    plant_name: str
    prices: Prices
    reo_flow: float
    lines: tuple[CostLine, ...]
    missing: tuple[str, ...]

    @property
    def cost(self) -> float | None:
        """All that is counted, [currency/s]; None if nothing is."""
        return counted_cost(self.lines)

    @property
    def cost_per_reo(self) -> float | None:
        """The same per oxide produced, [currency/kg]; None if nothing is counted."""
        return None if self.cost is None else self.cost / self.reo_flow

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per cost, money per hour and per kilogram of REO."""
        import pandas as pd

        return pd.DataFrame(self.to_dict()["costs"])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, units in the names."""
        return {
            "plant": self.plant_name,
            "prices": self.prices.name,
            "currency": self.prices.currency,
            "reo_kg_per_h": self.reo_flow * HOUR,
            "cost_per_kg_reo": self.cost_per_reo,
            "costs": [
                {
                    "cost": line.title,
                    "group": line.group,
                    "cost_per_h": None if line.cost is None else line.cost * HOUR,
                    "cost_per_kg_reo": None if line.cost is None else line.cost / self.reo_flow,
                    "evidence": line.evidence,
                    "missing": ", ".join(line.missing),
                }
                for line in self.lines
            ],
            "missing": list(self.missing),
        }


def network_account(
    network: Network, uses: Array, reo_flow: float, prices: Prices
) -> NetworkAccount:
    """Return the account of a plant of many circuits.

    Args:
        network: The plant.
        uses: What its units use together, (use,), in the order of `USES`, SI.
        reo_flow: Of all products, [kg/s].
        prices: Prices and coefficients, each with its source.

    Raises:
        SpecificationError: No cost can be counted.
    """
    lines = tuple(
        priced_line(
            prices,
            part.title,
            part.group,
            part.unit,
            part.rate(uses),
            part.price_key,
            keys=part.keys,
        )
        for part in cost_parts(network, prices)
    )
    # A reagent nobody uses needs no price.
    lines = tuple(line for line in lines if line.rate != 0.0 or not line.missing)
    if counted_cost(lines) is None:
        raise SpecificationError(
            f"no cost can be counted with the prices {prices.name}.",
            where="cost",
            mend="Give prices of reagents at least.",
        )
    lacking = [lack for line in lines if (lack := line.lack(prices, reo_flow))]
    return NetworkAccount(
        plant_name=network.name,
        prices=prices,
        reo_flow=reo_flow,
        lines=lines,
        missing=(*lacking, *NOT_COUNTED),
    )


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


def account_of(network: Network, state: NetworkState, prices: Prices) -> NetworkAccount:
    """Return the account of a network at rest.

    Raises:
        SpecificationError: No cost can be counted.
        BalanceError: Its circuits do not make the streams of the state.
    """
    derivative = network_derivative(network, state, equipment=equipment_numbers(prices))
    made = sum(product.reo_flow for product in state.products.values())
    return network_account(network, derivative.uses, made, prices)


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
    key = "extractant_molar_mass_g_per_mol"
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
    given = prices.values(key)
    mass = masses.pop() if masses else given[0] if given else None
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
