"""The money a plant holds in rare earths, extractant and diluent, at the prices of the account."""

from __future__ import annotations

from dataclasses import dataclass

from raffinate.chemistry.elements import rare_earth
from raffinate.plant.economics_inventory import Inventory
from raffinate.plant.economics_prices import Prices, weakest, weakest_class
from raffinate.sources import Evidence

EXTRACTANT_KEYS = ("extractant_molar_mass_g_per_mol",)
DILUENT_KEYS = ("extractant_molar_mass_g_per_mol", "extractant_density_kg_per_m3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One thing a plant holds.

    Attributes:
        title: Such as "Nd2O3" or "Extractant".
        unit: "kg" or "m³".
        amount: In that unit; None if a coefficient is missing.
        value: [currency]; None if anything is missing.
        missing: Names of prices and coefficients that are not given.
        evidence: Weakest class among those used; None if none is given.
    """

    title: str
    unit: str
    amount: float | None
    value: float | None
    missing: tuple[str, ...]
    evidence: Evidence | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """Everything a plant holds, in money.

    Attributes:
        holdings: One by one.
    """

    holdings: tuple[Holding, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of prices and coefficients that are not given."""
        return tuple(dict.fromkeys(key for each in self.holdings for key in each.missing))

    @property
    def evidence(self) -> Evidence | None:
        """Weakest class among prices and coefficients used; None if none is given."""
        return weakest_class([each.evidence for each in self.holdings if each.evidence])

    @property
    def counted(self) -> float:
        """Value of what can be priced, [currency]."""
        return sum(each.value for each in self.holdings if each.value is not None)

    @property
    def value(self) -> float | None:
        """Value of everything, [currency]; None if some of it cannot be priced."""
        complete = all(each.value is not None for each in self.holdings)
        return self.counted if complete else None


def money_locked(held: Inventory, prices: Prices, molar_mass: float | None = None) -> Locked:
    """Return what a plant holds, priced.

    Args:
        held: What it holds.
        prices: Of the account.
        molar_mass: Of HA as the plant states it, [kg/mol]; None takes that of the prices.
    """
    (key,), (_, density_key) = EXTRACTANT_KEYS, DILUENT_KEYS
    own = () if molar_mass is not None else (key,)
    given = prices.values(key)
    each = molar_mass if molar_mass is not None else given[0] if given else None
    mass = held.extractant * each if each is not None else None
    volume = None
    if mass is not None and (density := prices.values(density_key)):
        volume = held.volume("organic") - mass / density[0]
    return Locked(
        holdings=(
            *_oxides(held, prices),
            _solvent(prices, "Extractant", "kg", mass, "extractant_per_kg", own),
            _solvent(prices, "Diluent", "m³", volume, "diluent_per_m3", (*own, density_key)),
        ),
    )


def _oxides(held: Inventory, prices: Prices) -> list[Holding]:
    found = []
    for symbol, mass in zip(held.elements, held.oxide_masses.tolist(), strict=True):
        price = prices.oxides.get(symbol)
        found.append(
            Holding(
                title=rare_earth(symbol).oxide,
                unit="kg",
                amount=mass,
                value=mass * price.value if price else None,
                missing=() if price else (f"oxides.{symbol}",),
                evidence=price.source.evidence if price else None,
            )
        )
    return found


def _solvent(
    prices: Prices,
    title: str,
    unit: str,
    amount: float | None,
    price_key: str,
    keys: tuple[str, ...],
) -> Holding:
    price = prices.values(price_key)
    return Holding(
        title=title,
        unit=unit,
        amount=amount,
        value=amount * price[0] if amount is not None and price else None,
        missing=prices.lacking(*keys, price_key),
        evidence=weakest(prices.sources(*keys, price_key)),
    )
