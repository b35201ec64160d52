"""What the products bring and cost: revenue, and the whole cost shared among the oxides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

from raffinate.chemistry.elements import rare_earth
from raffinate.errors import SpecificationError, nearest_name
from raffinate.plant.economics_prices import Figure, Prices
from raffinate.plant.outcome import ProductState
from raffinate.sources import Evidence

Allocation = Literal["revenue", "mass"]
"""revenue: oxides share the cost as the money they bring; mass: as their kilograms."""

ALLOCATIONS: dict[str, Allocation] = {name: name for name in get_args(Allocation)}
"""The rules by their names, for doors that read them as text."""


class Sold(Protocol):
    """A product, of a plant of one circuit or of many."""

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols whose oxides count as product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OxideAccount:
    """One oxide of one product.

    Attributes:
        product: Name of the product.
        symbol: Of the metal.
        oxide: Formula.
        flow: [kg/s].
        price: [currency/kg]; None where neither the oxide nor its product has one.
        evidence: Of the price.
        date: Of the price.
        cost: Its share of the cost, [currency/s]; None where it cannot be shared.
    """

    product: str
    symbol: str
    oxide: str
    flow: float
    price: float | None
    evidence: Evidence | None
    date: str
    cost: float | None = None

    @property
    def revenue(self) -> float | None:
        """[currency/s]; None without a price."""
        return None if self.price is None else self.flow * self.price

    @property
    def cost_per_kg(self) -> float | None:
        """[currency/kg]; None where the cost cannot be shared."""
        return self.cost / self.flow if self.cost is not None and self.flow > 0.0 else None


def check_allocation(rule: str) -> Allocation:
    """Return a rule by its name.

    Raises:
        SpecificationError: There is no such rule.
    """
    if rule not in ALLOCATIONS:
        raise SpecificationError(
            f"{rule!r} is no rule of sharing costs.",
            where="allocation",
            allowed=", ".join(ALLOCATIONS),
            mend=nearest_name(rule, tuple(ALLOCATIONS)),
        )
    return ALLOCATIONS[rule]


def oxide_accounts(
    products: Mapping[str, Sold], states: Mapping[str, ProductState], prices: Prices
) -> tuple[OxideAccount, ...]:
    """Return the oxides each product is sold for; its impurities are sold as nothing.

    Raises:
        SpecificationError: A price of a product that the plant does not make.
    """
    for name in prices.products:
        if name not in products:
            raise SpecificationError(
                f"a price is given for {name!r}, which is no product of the plant.",
                where=f"prices {prices.name}: products",
                mend=nearest_name(name, tuple(products)),
            )
    found = []
    for name, state in states.items():
        wanted = products[name].elements
        share = sum(state.reo_fraction.get(symbol, 0.0) for symbol in wanted)
        for symbol in wanted:
            figure, scale = _priced(name, symbol, prices, share)
            found.append(
                OxideAccount(
                    product=name,
                    symbol=symbol,
                    oxide=rare_earth(symbol).oxide,
                    flow=state.reo_flow * state.reo_fraction.get(symbol, 0.0),
                    price=figure.value * scale if figure else None,
                    evidence=figure.source.evidence if figure else None,
                    date=figure.date if figure else "",
                )
            )
    return tuple(found)


def _priced(product: str, symbol: str, prices: Prices, share: float) -> tuple[Figure | None, float]:
    """Return the price of an oxide and what to multiply it with, [-]."""
    if product in prices.products:
        # A product's price pays for its whole oxide, of which the wanted ones are a share.
        return prices.products[product], 1.0 / share if share > 0.0 else 1.0
    return prices.oxides.get(symbol), 1.0


def shared(
    oxides: Sequence[OxideAccount], cost: float, rule: Allocation
) -> tuple[OxideAccount, ...]:
    """Return the oxides with their shares of the cost, [currency/s].

    By revenue every oxide needs a price, and together they must bring something.
    """
    weights = [each.flow if rule == "mass" else each.revenue for each in oxides]
    known = [weight for weight in weights if weight is not None]
    total = sum(known)
    if len(known) < len(weights) or not total > 0.0:
        return tuple(oxides)
    pairs = zip(oxides, known, strict=True)
    return tuple(replace(each, cost=cost * weight / total) for each, weight in pairs)
