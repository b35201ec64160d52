"""Constant-β banks with more than two outlets, and with entrainment, solved to the last digit.

The frame is that of `constant_beta`; where the phases go is that of `constant_beta_traffic`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from raffinate.cascade.constant_beta import BALANCE_TOLERANCE, SMALLEST_AMOUNT, read_feed
from raffinate.cascade.constant_beta_stages import Bank, Floats, settle_bank
from raffinate.cascade.constant_beta_traffic import BankPlan, draw_shares, lay_out_plan
from raffinate.errors import BalanceError, SpecificationError, nearest_name


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutletCascade:
    """A solved bank. All amounts in moles per mole of feed, [-].

    Attributes:
        elements: Symbols; they fix the last axis of every array.
        feed: Mole fractions of the feed, (element,), [-].
        separation_factor: β over a common reference, (element,), [-].
        plan: Stages, flows, draws and entrainment.
        aqueous: Amount in the settled aqueous of each stage, (stage, element).
        organic: Amount in the settled organic of each stage, (stage, element).
        products: What leaves, by element: "raffinate" from stage 1 with the organic it entrains,
            "loaded_organic" from the last with the aqueous it entrains, and each draw by name.
        residual: Largest relative error in the total flow of a stage, [-].
    """

    elements: tuple[str, ...]
    feed: Floats
    separation_factor: Floats
    plan: BankPlan
    aqueous: Floats
    organic: Floats
    products: Mapping[str, Floats]
    residual: float

    def purity(self, product: str, *elements: str) -> float:
        """Return the mole fraction of `elements` together in a product, [-].

        Raises:
            SpecificationError: No such product or element.
        """
        if product not in self.products:
            raise SpecificationError(
                f"{product!r} is no product.", mend=nearest_name(product, tuple(self.products))
            )
        for element in elements:
            if element not in self.elements:
                raise SpecificationError(
                    f"{element!r} is not in the feed.", mend=nearest_name(element, self.elements)
                )
        amounts = self.products[product]
        wanted = [amounts[self.elements.index(element)] for element in set(elements)]
        return float(sum(wanted) / amounts.sum())


def solve_outlets(
    feed: Mapping[str, float], separation_factor: Mapping[str, float], plan: BankPlan
) -> OutletCascade:
    """Solve every stage of a bank with side draws and entrainment.

    Args:
        feed: Mole fraction of each element; they sum to 1, [-].
        separation_factor: β of each element over one reference, [-].
        plan: Stages, flows, draws and entrainment.

    Raises:
        SpecificationError: Data that describe no cascade.
        ConvergenceError: The split does not come to rest.
        BalanceError: A solution whose balances do not close.
    """
    elements, fractions, beta = read_feed(feed, separation_factor)
    bank = lay_out_plan(fractions, beta, plan)
    aqueous, organic, residual = settle_bank(bank, elements)
    going = _outgoing(bank, aqueous, organic)
    products = {"raffinate": going[1][0], "loaded_organic": going[0][-1]}
    for draw in plan.draws:
        stage = draw.stage - 1
        shares = draw_shares(plan, bank.traffic, draw)
        products[draw.name] = shares[0] * aqueous[stage] + shares[1] * organic[stage]
    _check_balances(elements, bank, aqueous, organic, products)
    return OutletCascade(
        elements=elements,
        feed=fractions,
        separation_factor=beta,
        plan=plan,
        aqueous=aqueous,
        organic=organic,
        products=products,
        residual=residual,
    )


def _outgoing(bank: Bank, aqueous: Floats, organic: Floats) -> tuple[Floats, Floats]:
    """Return what each stage sends up and down, (stage, element)."""
    up, down = (
        shares[:, :1] * aqueous + shares[:, 1:] * organic
        for shares in (bank.traffic.up, bank.traffic.down)
    )
    return up, down


def _check_balances(
    elements: tuple[str, ...],
    bank: Bank,
    aqueous: Floats,
    organic: Floats,
    products: Mapping[str, Floats],
) -> None:
    amounts = np.concatenate([aqueous, organic])
    if not np.all(np.isfinite(amounts)) or float(amounts.min()) < 0.0:
        raise BalanceError("an amount is negative or not a number", where="constant-β bank")
    up, down = _outgoing(bank, aqueous, organic)
    barren = np.zeros((1, len(elements)))
    enters = bank.feed + np.vstack([barren, up[:-1]]) + np.vstack([down[1:], barren])
    leaves = aqueous + organic
    whole = bank.feed.sum(axis=0)[None, :], np.sum(list(products.values()), axis=0)[None, :]
    found = np.column_stack([aqueous.sum(axis=1), organic.sum(axis=1)])
    wanted = np.column_stack([bank.aqueous_total, bank.organic_total])
    for what, here, there in (
        ("what enters a stage is not what leaves it", enters, leaves),
        ("the feed is not what the products carry", *whole),
        ("a phase does not carry its total", wanted, found),
    ):
        size = np.maximum(np.maximum(np.abs(here), np.abs(there)), SMALLEST_AMOUNT)
        error = np.abs(here - there) / size
        if float(error.max()) > BALANCE_TOLERANCE:
            row, column = np.unravel_index(int(error.argmax()), error.shape)
            raise BalanceError(
                f"{what}: {here[row, column]:.9g} against {there[row, column]:.9g} mol per mol of "
                "feed",
                where=f"constant-β bank, stage {row + 1}" if len(error) > 1 else "constant-β bank",
                allowed=f"a relative difference of {BALANCE_TOLERANCE:g}",
            )
