"""Prices and coefficients of an economic account: every one an argument, none a default."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from raffinate.errors import SpecificationError, nearest_name
from raffinate.sources import EVIDENCE, Evidence, Source
from raffinate.units import HOUR

CURRENCY = "currency"
"""Stands in a unit for the currency of the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A price or coefficient with who says so.

    Attributes:
        value: In the SI unit of its `Quantity`.
        source: Who says so, and how far it can be trusted.
        date: Of a price, as its source states it.
    """

    value: float
    source: Source
    date: str = ""


@dataclass(frozen=True, slots=True)
class Quantity:
    """What a price or coefficient is.

    Attributes:
        key: Name with its unit, as files write it.
        title: In words.
        unit: Of the number in a file.
        si: Factor from that unit to SI.
        high: Largest value allowed, in the unit of a file.
        positive: Whether 0 is refused.
    """

    key: str
    title: str
    unit: str
    si: float = 1.0
    high: float = math.inf
    positive: bool = False


_KWH = 3.6e6
_PRICES = (
    Quantity("feed_per_kg_reo", "Rare-earth oxide in the feed", "currency/kg"),
    Quantity("acid_per_kg", "Strip acid, as 100 %", "currency/kg"),
    Quantity("base_per_kg", "Saponifier, NH3 or NaOH, as 100 %", "currency/kg"),
    Quantity("oxalic_acid_per_kg", "Oxalic acid, as 100 % H2C2O4", "currency/kg"),
    Quantity("ammonium_bicarbonate_per_kg", "Ammonium bicarbonate, 100 %", "currency/kg"),
    Quantity("water_per_m3", "Process water", "currency/m³"),
    Quantity("electricity_per_kWh", "Electricity", "currency/kWh", 1.0 / _KWH),
    Quantity("extractant_per_kg", "Extractant", "currency/kg"),
    Quantity("diluent_per_m3", "Diluent", "currency/m³"),
    Quantity("salt_disposal_per_kg", "Treating the salt of the effluent", "currency/kg"),
    Quantity("ammonia_nitrogen_per_kg", "Treating ammonia nitrogen, as N", "currency/kg"),
    Quantity("labour_per_h", "Labour", "currency/h", 1.0 / HOUR),
)
_COEFFICIENTS = (
    Quantity("acid_strength", "Acid in the acid as bought", "kg/kg", high=1.0, positive=True),
    Quantity("mixer_power_W_per_m3", "Power of a mixer per volume", "W/m³"),
    Quantity("pump_head_m", "Head of the pumps of feed, organic and acid", "m"),
    Quantity("pump_efficiency", "Efficiency of the pumps", "-", high=1.0, positive=True),
    Quantity("aqueous_density_kg_per_m3", "Density of feed and acid", "kg/m³", positive=True),
    Quantity("organic_density_kg_per_m3", "Density of the organic", "kg/m³", positive=True),
    Quantity("entrainment_ppm", "Organic carried away by liquor, by volume", "ppm", 1e-6, 1e6),
    Quantity("extractant_solubility_mg_per_L", "Extractant dissolved in liquor", "mg/L", 1e-3),
    Quantity("extractant_molar_mass_g_per_mol", "Molar mass of HA", "g/mol", 1e-3, positive=True),
    Quantity("extractant_density_kg_per_m3", "Density of the extractant", "kg/m³", positive=True),
    Quantity("settler_depth_m", "Depth of liquid in a settler", "m", positive=True),
    Quantity(
        "settler_flow_limit_m3_per_m2_h",
        "Most of both phases per settler area",
        "m³/(m² h)",
        1.0 / HOUR,
        positive=True,
    ),
    Quantity("mixer_residence_least_s", "Least residence in a mixer", "s"),
    Quantity("reference_stage_cost", "A mixer-settler of the reference volume", "currency"),
    Quantity("reference_stage_volume_m3", "Liquid in that mixer-settler", "m³", positive=True),
    Quantity("cost_exponent", "Exponent of cost in volume", "-", high=2.0),
    Quantity("installation_factor", "Installed over bought equipment", "-", positive=True),
    Quantity("operating_hours_per_year", "Operation", "h/year", HOUR, high=8784.0, positive=True),
    Quantity("capital_charge_per_year", "Yearly charge on capital", "1/year"),
    Quantity("maintenance_per_year", "Maintenance per capital", "1/year"),
    Quantity("interest_per_year", "Interest on what the plant holds", "1/year"),
)

PRICES: Mapping[str, Quantity] = {each.key: each for each in _PRICES}
"""Prices by the names of files, beside those of oxides and products."""

COEFFICIENTS: Mapping[str, Quantity] = {each.key: each for each in _COEFFICIENTS}
"""Coefficients by the names of files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What an account is made with. What is left out is reported missing, never taken as zero.

    Attributes:
        name: Which set.
        currency: Such as "USD".
        oxides: By symbol of the metal, [currency/kg] of oxide.
        products: By product, [currency/kg] of REO; takes the place of its oxides' prices.
        prices: By the keys of `PRICES`, in currency and SI.
        coefficients: By the keys of `COEFFICIENTS`, in SI.
    """

    name: str
    currency: str
    oxides: Mapping[str, Figure] = field(default_factory=dict)
    products: Mapping[str, Figure] = field(default_factory=dict)
    prices: Mapping[str, Figure] = field(default_factory=dict)
    coefficients: Mapping[str, Figure] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for given, known in ((self.prices, PRICES), (self.coefficients, COEFFICIENTS)):
            for key, figure in given.items():
                if key not in known:
                    raise SpecificationError(
                        f"{key!r} is no price or coefficient.",
                        where=f"prices {self.name}",
                        mend=nearest_name(key, tuple(known)),
                    )
                _check(figure, known[key], f"prices {self.name}: {key}")
        for kind, each in (("oxides", self.oxides), ("products", self.products)):
            for key, figure in each.items():
                quantity = Quantity(key, key, "currency/kg")
                _check(figure, quantity, f"prices {self.name}: {kind}.{key}")

    def find(self, key: str) -> Figure | None:
        """Return a price or coefficient, None where it is not given."""
        return self.prices.get(key) or self.coefficients.get(key)

    def lacking(self, *keys: str) -> tuple[str, ...]:
        """Return those of `keys` that are not given."""
        return tuple(key for key in keys if self.find(key) is None)

    def values(self, *keys: str) -> tuple[float, ...] | None:
        """Return prices and coefficients, SI, None if any of them is not given."""
        found = [self.find(key) for key in keys]
        return tuple(figure.value for figure in found if figure) if all(found) else None

    def sources(self, *keys: str) -> tuple[Source, ...]:
        """Return the sources of those of `keys` that are given."""
        return tuple(figure.source for key in keys if (figure := self.find(key)) is not None)

    def as_written(self, key: str) -> float:
        """Return a price or coefficient that is given, in the unit in which a file writes it."""
        quantity = {**PRICES, **COEFFICIENTS}[key]
        found = self.find(key)
        assert found is not None
        return found.value / quantity.si

    def unit(self, key: str) -> str:
        """Return the unit in which a file writes `key`, in the currency of the account."""
        if key not in PRICES and key not in COEFFICIENTS:
            return f"{self.currency}/kg"
        return {**PRICES, **COEFFICIENTS}[key].unit.replace(CURRENCY, self.currency)


def weakest(sources: Sequence[Source]) -> Evidence | None:
    """Return the least trustworthy class of evidence among sources, None without any."""
    return weakest_class([source.evidence for source in sources])


def weakest_class(classes: Sequence[Evidence]) -> Evidence | None:
    """Return the least trustworthy of classes of evidence, None without any."""
    found = [kind for kind in EVIDENCE.values() if kind in classes]
    return found[-1] if found else None


def _check(figure: Figure, quantity: Quantity, where: str) -> None:
    shown = figure.value / quantity.si
    enough = shown > 0.0 if quantity.positive else shown >= 0.0
    if not (math.isfinite(shown) and enough and shown <= quantity.high * (1.0 + 1e-12)):
        low = "above 0" if quantity.positive else "0"
        high = f" to {quantity.high:g}" if math.isfinite(quantity.high) else " or more"
        raise SpecificationError(
            f"it is {shown:g} {quantity.unit}.",
            where=where,
            allowed="above 0" if quantity.positive and high == " or more" else low + high,
        )
