"""Costs line by line: an amount, its price, and what is missing to count it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from raffinate.chemistry.liquor_density import WATER_DENSITY
from raffinate.errors import SpecificationError
from raffinate.plant.economics_ions import IonBalance, water_of_acid
from raffinate.plant.economics_money import Locked
from raffinate.plant.economics_prices import CURRENCY, Prices, weakest, weakest_class
from raffinate.plant.economics_sizing import CAPITAL_KEYS, capital, mixed_volume, pump_power
from raffinate.plant.economics_sizing import SectionSize as Size
from raffinate.plant.model import Circuit, Operation
from raffinate.sources import Evidence

Group = Literal["feed", "reagents", "energy", "solvent", "effluent", "labour", "capital"]
"""What kind of cost a line is."""

UNITS = {"kg": 1.0, "m³": 1.0, "kWh": 3.6e6, "h": 3600.0, CURRENCY: 1.0}
"""SI amount in one unit of a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLine:
    """One cost.

    Attributes:
        title: In words.
        group: What kind of cost it is.
        unit: Of the amount as shown; a key of `UNITS`.
        rate: Amount per time, in SI: [kg/s], [m³/s], [W], [s/s] or [currency/s]; None if a
            coefficient is missing.
        price_key: Its price; empty where the amount is money.
        cost: [currency/s]; None if anything is missing.
        missing: Keys of `PRICES` and `COEFFICIENTS` that are not given.
        basis: What the plant itself says of it.
        evidence: Weakest class among the price and coefficients used; None if none is given.
    """

    title: str
    group: Group
    unit: str
    rate: float | None
    price_key: str
    cost: float | None
    missing: tuple[str, ...]
    basis: str
    evidence: Evidence | None

    def lack(self, prices: Prices, reo_flow: float) -> str:
        """Return a sentence on what is missing and what it would add; empty if nothing is.

        Args:
            prices: Of the account.
            reo_flow: Of all products, [kg/s].
        """
        if not self.missing:
            return ""
        named = ", ".join(f"{key} [{prices.unit(key)}]" for key in self.missing)
        if self.rate is None:
            return f"{self.title}: not counted. Needs {named}. {self.basis}"
        each = self.rate / UNITS[self.unit] / reo_flow
        return (
            f"{self.title}: not counted. Needs {named}; each {prices.currency} 1 per {self.unit} "
            f"adds {each:.4g} {prices.currency} per kg REO."
        )


def cost_lines(
    circuit: Circuit,
    operation: Operation,
    ions: IonBalance,
    sizes: tuple[Size, ...],
    locked: Locked,
    prices: Prices,
) -> tuple[CostLine, ...]:
    """Return the costs of a plant at one operation.

    Args:
        circuit: At the flows of the operation.
        operation: How the plant is run.
        ions: Its ion balance.
        sizes: Of its sections.
        locked: What it holds, in money.
        prices: Of the account.
    """
    return (
        *_materials(operation, ions, prices),
        *_energy(circuit, operation, prices),
        *_solvent(circuit, ions, prices),
        *_effluent(ions, prices),
        priced_line(prices, "Labour", "labour", "h", 1.0, "labour_per_h"),
        *_capital(sizes, locked, prices),
    )


def priced_line(
    prices: Prices,
    title: str,
    group: Group,
    unit: str,
    rate: float | None,
    price_key: str,
    *,
    keys: tuple[str, ...] = (),
    basis: str = "",
) -> CostLine:
    """Return one cost at its price, or what is missing to count it.

    Args:
        prices: Of the account.
        title: In words.
        group: What kind of cost it is.
        unit: Of the amount as shown; a key of `UNITS`.
        rate: Amount per time, SI; None if a coefficient is missing.
        price_key: Its price; empty where the amount is money.
        keys: Coefficients the rate needs.
        basis: What the plant itself says of it.
    """
    used = (*keys, price_key) if price_key else keys
    figure = prices.find(price_key)
    price = 1.0 if not price_key else figure.value if figure else None
    return CostLine(
        title=title,
        group=group,
        unit=unit,
        rate=rate,
        price_key=price_key,
        cost=None if rate is None or price is None else rate * price,
        missing=prices.lacking(*used),
        basis=basis,
        evidence=weakest(prices.sources(*used)),
    )


def _materials(operation: Operation, ions: IonBalance, prices: Prices) -> tuple[CostLine, ...]:
    fed = operation.feed_reo * operation.feed_flow + ions.oxide_in_organic
    return (
        priced_line(prices, "Rare-earth oxide fed", "feed", "kg", fed, "feed_per_kg_reo"),
        priced_line(
            prices,
            f"{ions.acid_kind.formula}, as 100 %",
            "reagents",
            "kg",
            ions.acid_mass,
            "acid_per_kg",
        ),
        priced_line(
            prices,
            f"{ions.base_kind.formula}, as 100 %",
            "reagents",
            "kg",
            ions.base_mass,
            "base_per_kg",
        ),
        _water(operation, ions, prices),
    )


def _water(operation: Operation, ions: IonBalance, prices: Prices) -> CostLine:
    total = water_of_acid(ions, operation.acid_flow)
    found = prices.values("acid_strength")
    rate = None
    if found:
        added = total - ions.acid_mass * (1.0 - found[0]) / found[0]
        if added < 0.0:
            raise SpecificationError(
                f"acid_strength is {found[0]:g} kg/kg, weaker than the strip acid.",
                where="economics",
                allowed=f"at least {ions.acid_mass / (ions.acid_mass + total):.3g}",
                mend="Give the strength of the acid as bought.",
            )
        rate = added / WATER_DENSITY
    return priced_line(
        prices,
        "Water added to the strip acid",
        "reagents",
        "m³",
        rate,
        "water_per_m3",
        keys=("acid_strength",),
        basis=f"The strip acid holds {total / ions.acid_mass:.3g} kg of water per kg of acid.",
    )


def _energy(circuit: Circuit, operation: Operation, prices: Prices) -> tuple[CostLine, ...]:
    volume = mixed_volume(circuit)
    power = prices.values("mixer_power_W_per_m3")
    moved = operation.feed_flow + operation.acid_flow + operation.organic_flow
    return (
        priced_line(
            prices,
            "Mixers",
            "energy",
            "kWh",
            volume * power[0] if power else None,
            "electricity_per_kWh",
            keys=("mixer_power_W_per_m3",),
            basis=f"The mixers hold {volume:.4g} m³.",
        ),
        priced_line(
            prices,
            "Pumps of feed, organic and acid",
            "energy",
            "kWh",
            pump_power(operation, prices),
            "electricity_per_kWh",
            keys=(
                "pump_head_m",
                "pump_efficiency",
                "aqueous_density_kg_per_m3",
                "organic_density_kg_per_m3",
            ),
            basis=f"They move {moved * 3600:.4g} m³/h.",
        ),
    )


def _solvent(circuit: Circuit, ions: IonBalance, prices: Prices) -> tuple[CostLine, ...]:
    leaving = sum(each.flow for each in ions.outflows)
    basis = f"{leaving * 3600:.4g} m³/h of liquor leave the bank."
    mass, entrained = "extractant_molar_mass_g_per_mol", "entrainment_ppm"
    # A plant that states its entrainment knows better than a coefficient for all plants.
    needed = () if ions.entrains else (entrained,)
    if ions.entrains:
        basis = f"{basis[:-1]} with {ions.organic_lost * 3.6e6:.4g} L/h of organic in it."
    lost = (*needed, mass, "extractant_solubility_mg_per_L")
    thinned = (*needed, mass, "extractant_density_kg_per_m3")
    share = prices.values(*needed)
    carried = ions.organic_lost if ions.entrains else leaving * share[0] if share else 0.0
    extractant = diluent = None
    if prices.values(*lost) and (found := prices.values(*lost[-2:])):
        molar_mass, dissolved = found
        held = circuit.extractant_concentration * molar_mass
        extractant = carried * held + leaving * dissolved
    if prices.values(*thinned) and (found := prices.values(*thinned[-2:])):
        molar_mass, density = found
        diluent = carried * diluent_share(circuit.extractant_concentration, molar_mass, density)
    return (
        priced_line(
            prices,
            "Extractant lost",
            "solvent",
            "kg",
            extractant,
            "extractant_per_kg",
            keys=lost,
            basis=basis,
        ),
        priced_line(
            prices,
            "Diluent lost",
            "solvent",
            "m³",
            diluent,
            "diluent_per_m3",
            keys=thinned,
            basis=basis,
        ),
    )


def diluent_share(concentration: float, molar_mass: float, density: float) -> float:
    """Return the diluent in the organic by volume, [-], if volumes add.

    Args:
        concentration: Of HA, [mol/m³].
        molar_mass: Of HA, [kg/mol].
        density: Of the extractant, [kg/m³].

    Raises:
        SpecificationError: The extractant alone would take more than the volume there is.
    """
    share = 1.0 - concentration * molar_mass / density
    if share < 0.0:
        raise SpecificationError(
            f"{concentration:g} mol/m³ of extractant take {1.0 - share:.3g} of the organic.",
            where="economics",
            allowed="at most 1",
            mend="Correct extractant_molar_mass_g_per_mol or extractant_density_kg_per_m3.",
        )
    return share


def _effluent(ions: IonBalance, prices: Prices) -> tuple[CostLine, ...]:
    salt = priced_line(
        prices,
        f"{ions.salt} treated",
        "effluent",
        "kg",
        ions.salt_mass,
        "salt_disposal_per_kg",
    )
    if ions.base_kind.nitrogen == 0.0:
        return (salt,)
    nitrogen = priced_line(
        prices,
        "Ammonia nitrogen treated, as N",
        "effluent",
        "kg",
        ions.nitrogen_mass,
        "ammonia_nitrogen_per_kg",
    )
    return (salt, nitrogen)


def _capital(sizes: tuple[Size, ...], locked: Locked, prices: Prices) -> tuple[CostLine, ...]:
    invested = capital(sizes, prices)
    stages = sum(size.stages for size in sizes)
    volume = sum(size.stages * size.volume for size in sizes)
    basis = f"{stages} mixer-settlers hold {volume:.4g} m³."
    interest = _yearly(
        prices,
        "Interest on what the plant holds",
        "interest_per_year",
        locked.value,
        (),
        f"{locked.counted:.4g} {prices.currency} of it counted.",
    )
    classes = [each for each in (interest.evidence, locked.evidence) if each]
    return (
        *(
            _yearly(prices, title, key, invested, CAPITAL_KEYS, basis)
            for title, key in (
                ("Capital charge", "capital_charge_per_year"),
                ("Maintenance", "maintenance_per_year"),
            )
        ),
        replace(
            interest,
            missing=(*locked.missing, *interest.missing),
            evidence=weakest_class(classes),
        ),
    )


def _yearly(
    prices: Prices, title: str, key: str, amount: float | None, needed: tuple[str, ...], basis: str
) -> CostLine:
    """Return a yearly share of an amount of money, spread over the hours of operation."""
    keys = (*needed, key, "operating_hours_per_year")
    found = prices.values(key, "operating_hours_per_year")
    rate = amount * found[0] / found[1] if found and amount is not None else None
    return priced_line(prices, title, "capital", CURRENCY, rate, "", keys=keys, basis=basis)
