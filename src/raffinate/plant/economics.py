"""Economics of a plant at rest: reagents, energy, solvent, inventory, capital, effluent, cost.

Everything is computed from a solved steady state and closes against it. Prices and coefficients
are arguments; what is not given is reported missing with what it would add, never taken as zero.
The account ends at the liquors that leave the bank: precipitation and calcination are not in it.
"""

from __future__ import annotations

from raffinate.errors import SpecificationError
from raffinate.plant.economics_account import Economics, counted_cost
from raffinate.plant.economics_feed import unpriced_feed
from raffinate.plant.economics_inventory import inventory
from raffinate.plant.economics_ions import ion_balance
from raffinate.plant.economics_lines import CostLine, cost_lines
from raffinate.plant.economics_money import Locked, money_locked
from raffinate.plant.economics_prices import Prices
from raffinate.plant.economics_products import (
    OxideAccount,
    check_allocation,
    oxide_accounts,
    shared,
)
from raffinate.plant.economics_sizing import capital, section_sizes, size_warnings
from raffinate.plant.model import Operation, Plant
from raffinate.plant.steady import SteadyState
from raffinate.sources import Source


def plant_economics(
    plant: Plant, state: SteadyState, prices: Prices, *, allocation: str = "revenue"
) -> Economics:
    """Return the account of a plant.

    Args:
        plant: The plant as loaded.
        state: Its steady state; its flows are taken, not those of `plant`.
        prices: Prices and coefficients, each with its source.
        allocation: How the oxides share the cost: "revenue" or "mass".

    Raises:
        SpecificationError: A circuit alone, another plant's state, a product without flow, or a
            value that cannot be.
        BalanceError: What enters as ions is not what leaves.
    """
    rule = check_allocation(allocation)
    operation = _checked(plant, state)
    ions = ion_balance(plant, state)
    circuit = plant.operated(operation).circuit
    held = inventory(plant, state)
    locked = money_locked(held, prices)
    sizes = section_sizes(circuit, prices)
    lines = cost_lines(circuit, operation, ions, sizes, locked, prices)
    oxides = oxide_accounts(plant.products, state.products, prices)
    counted = counted_cost(lines)
    if counted is not None:
        oxides = shared(oxides, counted, rule)
    reo_flow = sum(product.reo_flow for product in state.products.values())
    return Economics(
        plant_name=plant.name,
        prices=prices,
        allocation=rule,
        reo_flow=reo_flow,
        ions=ions,
        held=held,
        locked=locked,
        sizes=sizes,
        invested=capital(sizes, prices),
        lines=lines,
        oxides=oxides,
        missing=(
            *unpriced_feed(lines, prices, reo_flow),
            *_missing_costs(lines, oxides, prices, reo_flow),
            *_missing_checks(locked, prices),
        ),
        warnings=size_warnings(sizes, prices),
        sources=_sources(state, prices),
    )


def _checked(plant: Plant, state: SteadyState) -> Operation:
    if state.operation is None or state.plant_name != plant.name:
        raise SpecificationError(
            f"the state is of {state.plant_name}, the plant is {plant.name}.",
            where="economics",
            mend="Give the plant that was solved; a circuit alone has no products.",
        )
    for name, product in state.products.items():
        if not product.reo_flow > 0.0:
            raise SpecificationError(
                f"{product.reo_flow * 3600:.3g} kg/h of REO leave.",
                where=f"economics: product {name}",
                allowed="above 0",
                mend="Nothing per kilogram can be told of a product that is not made.",
            )
    return state.operation


def _missing_costs(
    lines: tuple[CostLine, ...], oxides: tuple[OxideAccount, ...], prices: Prices, reo_flow: float
) -> list[str]:
    found = [lack for line in lines if (lack := line.lack(prices, reo_flow))]
    money = prices.currency
    unpriced = [each for each in oxides if each.price is None]
    for each in unpriced:
        found.append(
            f"Revenue of {each.oxide} in {each.product}: not counted. Needs "
            f"oxides.{each.symbol} [{money}/kg]; each {money} 1 per kg brings "
            f"{each.flow * 3600:.4g} {money} per hour."
        )
    if unpriced and all(each.cost is None for each in oxides) and counted_cost(lines) is not None:
        found.append(
            "Cost of each oxide: not shared, for an oxide without a price has no share of the "
            "revenue. Share by mass, or give its price."
        )
    return found


def _missing_checks(locked: Locked, prices: Prices) -> list[str]:
    found = []
    for holding in locked.holdings:
        if holding.value is None:
            amount = f"{holding.amount:.4g} {holding.unit}" if holding.amount is not None else "it"
            found.append(
                f"Money in {holding.title}: not counted. Needs {', '.join(holding.missing)} for "
                f"{amount}."
            )
    for title, keys in (
        ("Settler areas", ("settler_depth_m", "settler_flow_limit_m3_per_m2_h")),
        ("Mixer residence", ("mixer_residence_least_s",)),
    ):
        if lacking := prices.lacking(*keys):
            found.append(f"{title}: not checked. Needs {', '.join(lacking)}.")
    return found


def _sources(state: SteadyState, prices: Prices) -> tuple[Source, ...]:
    groups = (prices.oxides, prices.products, prices.prices, prices.coefficients)
    figures = [figure.source for group in groups for figure in group.values()]
    return tuple(dict.fromkeys((*state.sources, *figures)))
