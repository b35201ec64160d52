"""The account of a plant: its values, and as rows per hour and per tonne of REO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raffinate.plant.economics_inventory import DAY, Inventory
from raffinate.plant.economics_ions import IonBalance
from raffinate.plant.economics_lines import UNITS, CostLine
from raffinate.plant.economics_money import Locked
from raffinate.plant.economics_prices import CURRENCY, Prices
from raffinate.plant.economics_products import Allocation, OxideAccount
from raffinate.plant.economics_sizing import SectionSize
from raffinate.sources import Source
from raffinate.units import HOUR

if TYPE_CHECKING:
    import pandas as pd

TONNE = 1000.0
"""[kg]"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Economics:
    """The account of a plant.

    Attributes:
        plant_name: Which plant.
        prices: What it is made with.
        allocation: How the oxides share the cost.
        reo_flow: Of all products, [kg/s].
        ions: Reagents and effluent.
        held: What the plant holds.
        locked: The same in money.
        sizes: Of the sections.
        invested: Installed mixer-settlers, [currency]; None if a coefficient is missing.
        lines: Costs.
        oxides: What they bring and cost.
        missing: Sentences: what is not counted, and what it would add.
        warnings: Sentences on vessels too small.
        sources: Who says so.
    """

    plant_name: str
    prices: Prices
    allocation: Allocation
    reo_flow: float
    ions: IonBalance
    held: Inventory
    locked: Locked
    sizes: tuple[SectionSize, ...]
    invested: float | None
    lines: tuple[CostLine, ...]
    oxides: tuple[OxideAccount, ...]
    missing: tuple[str, ...]
    warnings: tuple[str, ...]
    sources: tuple[Source, ...]

    @property
    def complete(self) -> bool:
        """Whether every cost is counted."""
        return all(line.cost is not None for line in self.lines)

    @property
    def cost(self) -> float | None:
        """All that is counted, [currency/s]: the whole only if `complete`, None if nothing is."""
        return counted_cost(self.lines)

    @property
    def revenue(self) -> float | None:
        """[currency/s]; None if an oxide has no price."""
        found = [each.revenue for each in self.oxides]
        known = [value for value in found if value is not None]
        return sum(known) if len(known) == len(found) else None

    @property
    def margin(self) -> float | None:
        """Revenue less cost, [currency/s]; None unless both are complete."""
        revenue, cost = self.revenue, self.cost
        if not self.complete or revenue is None or cost is None:
            return None
        return revenue - cost

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per cost, amounts and money per hour and per tonne of REO."""
        return line_table(self)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, units in the names."""
        return as_dict(self)


def counted_cost(lines: tuple[CostLine, ...]) -> float | None:
    """Return what is counted of some costs, [currency/s], None if nothing is."""
    known = [line.cost for line in lines if line.cost is not None]
    return sum(known) if known else None


def line_row(account: Economics, line: CostLine) -> dict[str, Any]:
    """Return one cost as plain values, units in the names."""
    per_tonne = TONNE / account.reo_flow
    rate = None if line.rate is None else line.rate / UNITS[line.unit]
    price = account.prices.find(line.price_key)
    return {
        "cost": line.title,
        "group": line.group,
        "unit": account.prices.currency if line.unit == CURRENCY else line.unit,
        "amount_per_h": _times(rate, HOUR),
        "amount_per_t_reo": _times(rate, per_tonne),
        "price": None if price is None else price.value * UNITS[line.unit],
        "price_date": "" if price is None else price.date,
        "cost_per_h": _times(line.cost, HOUR),
        "cost_per_t_reo": _times(line.cost, per_tonne),
        "evidence": line.evidence,
        "missing": list(line.missing),
    }


def line_table(account: Economics) -> pd.DataFrame:
    """Return one row per cost; what is missing stands in one cell."""
    import pandas as pd

    rows = [line_row(account, line) for line in account.lines]
    table = pd.DataFrame(rows)
    table["missing"] = [", ".join(row["missing"]) for row in rows]
    return table


def as_dict(account: Economics) -> dict[str, Any]:
    """Return the whole account as plain values for JSON."""
    return {
        "plant": account.plant_name,
        "prices": account.prices.name,
        "currency": account.prices.currency,
        "allocation": account.allocation,
        "complete": account.complete,
        "reo_kg_per_h": account.reo_flow * HOUR,
        "cost_per_h": _times(account.cost, HOUR),
        "cost_per_kg_reo": _times(account.cost, 1.0 / account.reo_flow),
        "revenue_per_h": _times(account.revenue, HOUR),
        "margin_per_h": _times(account.margin, HOUR),
        "costs": [line_row(account, line) for line in account.lines],
        "oxides": oxide_rows(account.oxides),
        "inventory": inventory_rows(account.held, account.locked),
        "effluent": effluent(account),
        "sections": _sections(account),
        "capital": account.invested,
        "coefficients": coefficient_rows(account),
        "missing": list(account.missing),
        "warnings": list(account.warnings),
        "sources": [str(source) for source in account.sources],
    }


def oxide_rows(oxides: tuple[OxideAccount, ...]) -> list[dict[str, Any]]:
    """Return what each oxide brings and costs."""
    return [
        {
            "product": each.product,
            "oxide": each.oxide,
            "kg_per_h": each.flow * HOUR,
            "price_per_kg": each.price,
            "price_date": each.date,
            "evidence": each.evidence,
            "revenue_per_h": _times(each.revenue, HOUR),
            "cost_per_h": _times(each.cost, HOUR),
            "cost_per_kg": each.cost_per_kg,
        }
        for each in oxides
    ]


def effluent(account: Economics) -> dict[str, Any]:
    """Return what the liquors carry away, per tonne of REO, and how well the ions close."""
    ions = account.ions
    per_tonne = TONNE / account.reo_flow
    anion = {
        "fed": ions.anion_fed,
        "with_acid": ions.anion_in_acid,
        "out_with_metals": ions.metal_anion,
        "out_as_salt": ions.cation_out / ions.acid_kind.protons,
        "out_as_acid": ions.free_acid,
    }
    return {
        "salt": ions.salt,
        "salt_kg_per_t_reo": ions.salt_mass * per_tonne,
        "ammonia_nitrogen_kg_per_t_reo": ions.nitrogen_mass * per_tonne,
        "free_acid_kg_per_t_reo": ions.free_acid_mass * per_tonne,
        "liquor_m3_per_t_reo": sum(each.flow for each in ions.outflows) * per_tonne,
        "anion_kmol_per_t_reo": {key: value * per_tonne / 1e3 for key, value in anion.items()},
        "closure_error": ions.error,
    }


def coefficient_rows(account: Economics) -> list[dict[str, Any]]:
    """Return every price and coefficient given, as its file writes it, and who says so."""
    prices = account.prices
    rows = []
    for kind in ("oxides", "products"):
        for key, figure in getattr(prices, kind).items():
            rows.append((f"{kind}.{key}", figure.value, figure))
    for group in (prices.prices, prices.coefficients):
        for key, figure in group.items():
            rows.append((key, prices.as_written(key), figure))
    return [
        {
            "key": key,
            "value": value,
            "unit": prices.unit(key),
            "date": figure.date,
            "evidence": figure.source.evidence,
            "source": figure.source.title,
        }
        for key, value, figure in rows
    ]


def inventory_rows(held: Inventory, locked: Locked) -> dict[str, Any]:
    """Return what a plant holds, in amounts and in money."""
    names = held.elements
    return {
        "reo_kg": held.oxide_mass,
        "reo_kg_by_element": dict(zip(names, held.oxide_masses.tolist(), strict=True)),
        "reo_kg_aqueous": float(held.oxide_in("aqueous").sum()),
        "reo_kg_organic": float(held.oxide_in("organic").sum()),
        "aqueous_m3": held.volume("aqueous"),
        "solvent_m3": held.volume("organic"),
        "extractant_mol": held.extractant,
        "days_of_feed": held.feed_time / DAY,
        "money": locked.value,
        "money_counted": locked.counted,
        "holdings": [
            {
                "what": each.title,
                "unit": each.unit,
                "amount": each.amount,
                "value": each.value,
                "evidence": each.evidence,
                "missing": list(each.missing),
            }
            for each in locked.holdings
        ],
    }


def _sections(account: Economics) -> list[dict[str, Any]]:
    return [
        {
            "section": size.name,
            "stages": size.stages,
            "throughput_m3_per_h": size.throughput * HOUR,
            "mixer_residence_s": size.mixer_residence,
            "settler_residence_s": size.settler_residence,
            "settler_area_m2": size.settler_area,
            "settler_flow_m3_per_m2_h": _times(size.settler_flux, HOUR),
            "stage_volume_m3": size.volume,
        }
        for size in account.sizes
    ]


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
