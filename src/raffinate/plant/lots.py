"""What leaves the plant as product: off-spec counted at the outlet and per lot."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import oxide_molar_masses
from raffinate.plant.model import Product

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProductAccount:
    """The books of one product.

    Attributes:
        made: Oxides that left, (element,), [kg].
        in_tank: Oxides in the lot being filled, (element,), [kg].
        off_spec: REO that left the outlet below its purity limit, [kg].
        off_spec_time: Time during which it did, [s].
        first_off_spec: Plant time at which it first did, [s]; infinite if never.
        last_off_spec: Plant time at which it last did, [s]; minus infinite if never.
        lots: Lots closed.
        lots_off_spec: Of them, below the purity limit as a whole.
        purity: At the outlet, over the last interval, [-].
    """

    made: Array
    in_tank: Array
    off_spec: float = 0.0
    off_spec_time: float = 0.0
    first_off_spec: float = float("inf")
    last_off_spec: float = float("-inf")
    lots: int = 0
    lots_off_spec: int = 0
    purity: float = float("nan")

    def mean_purity(self, product: Product, elements: tuple[str, ...]) -> float:
        """Return the mass fraction of product in all that left, [-]."""
        return _purity(self.made, product, elements)


def open_account(elements: tuple[str, ...]) -> ProductAccount:
    """Return books in which nothing stands."""
    return ProductAccount(made=np.zeros(len(elements)), in_tank=np.zeros(len(elements)))


def booked(
    account: ProductAccount,
    product: Product,
    elements: tuple[str, ...],
    left: Array,
    begin: float,
    duration: float,
) -> tuple[ProductAccount, tuple[float, ...]]:
    """Book what left in an interval.

    Args:
        account: The books so far.
        product: Whose books.
        elements: Symbols on the element axis.
        left: Rare earths that left, (element,), [mol].
        begin: Plant time at the start of the interval, [s].
        duration: [s].

    Returns:
        The books, and the purities of the lots closed in the interval.
    """
    oxides = left * np.array(oxide_molar_masses(elements))
    purity = _purity(oxides, product, elements)
    tank = account.in_tank + oxides
    account = replace(account, made=account.made + oxides, purity=purity)
    if purity < product.purity_limit:
        account = replace(
            account,
            off_spec=account.off_spec + float(oxides.sum()),
            off_spec_time=account.off_spec_time + duration,
            first_off_spec=min(account.first_off_spec, begin),
            last_off_spec=begin + duration,
        )
    closed: list[float] = []
    while tank.sum() >= product.lot_mass:
        share = product.lot_mass / tank.sum()
        lot = _purity(tank, product, elements)
        tank = tank * (1.0 - share)
        closed.append(lot)
    bad = sum(lot < product.purity_limit for lot in closed)
    account = replace(
        account,
        in_tank=tank,
        lots=account.lots + len(closed),
        lots_off_spec=account.lots_off_spec + bad,
    )
    return account, tuple(closed)


def _purity(oxides: Array, product: Product, elements: tuple[str, ...]) -> float:
    chosen = np.array([symbol in product.elements for symbol in elements])
    total = float(oxides.sum())
    return 1.0 - float(oxides[~chosen].sum()) / total if total > 0.0 else float("nan")
