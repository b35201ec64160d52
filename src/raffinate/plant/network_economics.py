"""What a plant of many circuits costs to run, line by line, from what its units use.

Every line is linear in `USES`, so that the account and its derivatives are the same numbers. Held
rare earths, extractant and diluent, and the cost of each oxide, are those of the account of one
circuit. Not in it: steam for liquors that are evaporated, and calcination. What is not given is
reported missing, never taken as zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import SpecificationError
from raffinate.plant.economics_account import counted_cost, inventory_rows, oxide_rows
from raffinate.plant.economics_feed import unpriced_feed
from raffinate.plant.economics_inventory import Inventory
from raffinate.plant.economics_lines import CostLine, priced_line
from raffinate.plant.economics_money import Locked, money_locked
from raffinate.plant.economics_prices import Prices, weakest_class
from raffinate.plant.economics_products import (
    Allocation,
    OxideAccount,
    check_allocation,
    oxide_accounts,
    shared,
)
from raffinate.plant.network import Network
from raffinate.plant.network_economics_lines import (
    INTEREST,
    cost_parts,
    equipment_numbers,
    own_molar_mass,
    oxide_fed,
)
from raffinate.plant.network_gradients import network_derivative
from raffinate.plant.network_gradients_layout import USES
from raffinate.plant.network_inventory import check_held, metal_values, network_inventory
from raffinate.plant.network_state import (
    NetworkState,
)
from raffinate.units import HOUR

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

UNSHARED = (
    "Cost of each oxide: not shared, for an oxide without a price has no share of the revenue. "
    "Share by mass, or give its price."
)
"""Why oxides have no cost."""

NOT_COUNTED = (
    "Tanks between circuits: their volumes are not stated, so what they hold bears no interest.",
    "Diluent that leaves with the liquors: not counted.",
    "Evaporation of liquors that are made stronger: not counted.",
)
"""What no line of this account covers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkAccount:
    """What a plant of many circuits costs.

    Attributes:
        plant_name: Which plant.
        prices: What it is made with.
        reo_flow: Of all products, [kg/s].
        allocation: How the oxides share the cost.
        held: What its circuits hold.
        locked: The same in money.
        lines: Costs.
        oxides: What they bring and cost.
        missing: Sentences: what is not counted.
    """

    plant_name: str
    prices: Prices
    reo_flow: float
    allocation: Allocation
    held: Inventory
    locked: Locked
    lines: tuple[CostLine, ...]
    oxides: tuple[OxideAccount, ...]
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
            "allocation": self.allocation,
            "oxides": oxide_rows(self.oxides),
            "inventory": inventory_rows(self.held, self.locked),
            "missing": list(self.missing),
        }


def _lines(network: Network, uses: Array, prices: Prices, locked: Locked) -> tuple[CostLine, ...]:
    """Return the costs of a plant.

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
    lines = tuple(_held_line(line, locked) if line.title == INTEREST else line for line in lines)
    # A reagent nobody uses needs no price.
    lines = tuple(line for line in lines if line.rate != 0.0 or not line.missing)
    if counted_cost(lines) is None:
        raise SpecificationError(
            f"no cost can be counted with the prices {prices.name}.",
            where="cost",
            mend="Give prices of reagents at least.",
        )
    return lines


def _held_line(line: CostLine, locked: Locked) -> CostLine:
    """Return the interest with what the prices lack of what is held."""
    classes = [each for each in (line.evidence, locked.evidence) if each]
    missing = (*locked.missing, *line.missing)
    basis = f"{locked.counted:.4g} of it counted."
    return replace(line, missing=missing, evidence=weakest_class(classes), basis=basis)


def account_of(
    network: Network, state: NetworkState, prices: Prices, *, allocation: str = "revenue"
) -> NetworkAccount:
    """Return the account of a network at rest.

    Args:
        network: The plant.
        state: Its steady state.
        prices: Prices and coefficients, each with its source.
        allocation: How the oxides share the cost: "revenue" or "mass".

    Raises:
        SpecificationError: No cost can be counted, no such rule, or a price of no product.
        BalanceError: Its circuits do not make the streams of the state, or do not hold what was
            differentiated.
    """
    rule = check_allocation(allocation)
    derivative = network_derivative(
        network,
        state,
        equipment=equipment_numbers(prices),
        metal_value=metal_values(network, prices),
    )
    uses = derivative.uses
    held = network_inventory(network, state, oxide_fed(network))
    check_held(network, held, prices, float(uses[USES.index("held_value")]))
    locked = money_locked(held, prices, own_molar_mass(network))
    lines = _lines(network, uses, prices, locked)
    made = sum(product.reo_flow for product in state.products.values())
    counted = counted_cost(lines)
    assert counted is not None
    oxides = shared(oxide_accounts(network.products, state.products, prices), counted, rule)
    lacking = [lack for line in lines if (lack := line.lack(prices, made))]
    if any(each.cost is None for each in oxides):
        lacking.append(UNSHARED)
    return NetworkAccount(
        plant_name=network.name,
        prices=prices,
        reo_flow=made,
        allocation=rule,
        held=held,
        locked=locked,
        lines=lines,
        oxides=oxides,
        missing=(*unpriced_feed(lines, prices, made), *lacking, *NOT_COUNTED),
    )
