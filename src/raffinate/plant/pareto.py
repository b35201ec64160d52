"""What more purity, or less metal in the plant, costs: fronts of plants none of which is beaten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from raffinate.errors import ConvergenceError, SpecificationError, nearest_name
from raffinate.plant.economics_prices import Prices
from raffinate.plant.gradients_outcomes import REO_HELD
from raffinate.plant.model import Plant
from raffinate.plant.network import Network
from raffinate.plant.network_levers import lever_values
from raffinate.plant.network_optimise import (
    NetworkOptimum,
    NetworkTask,
    checked,
    network_task,
    optimised_network,
)
from raffinate.plant.network_optimise_search import Kept
from raffinate.plant.optimise import Optimum, Task, optimise_task, optimised
from raffinate.plant.optimise_levers import Limit
from raffinate.units import HOUR

if TYPE_CHECKING:
    import pandas as pd

Against = Literal["purity", "inventory"]
"""purity: decades by which both impurities are below what is asked; inventory: oxide held."""

AGAINST: dict[str, Against] = {name: name for name in get_args(Against)}
"""The axes by name, for doors that read them as text."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ParetoPoint:
    """One plant of a front.

    Attributes:
        other: What is traded for cost: decades of margin, [-], or oxide held, [kg].
        cost: [currency/kg of REO].
        optimum: The plant, of one circuit or of many.
    """

    other: float
    cost: float
    optimum: Optimum | NetworkOptimum

    @property
    def flows(self) -> dict[str, float]:
        """Flows by name, [m³/s]; those of circuits at stated ratios per feed, [-]."""
        if isinstance(self.optimum, NetworkOptimum):
            return lever_values(self.optimum.network)
        operation = self.optimum.state.operation
        assert operation is not None
        return {name: getattr(operation, name) for name in FLOWS}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ParetoFront:
    """Plants none of which is both cheaper and better than another.

    Attributes:
        plant_name: Which plant.
        against: What is traded for cost.
        currency: Of the cost.
        points: From the cheapest on.
        left_out: Sentences on what could not be reached.
    """

    plant_name: str
    against: Against
    currency: str
    points: tuple[ParetoPoint, ...]
    left_out: tuple[str, ...]

    @property
    def axis(self) -> str:
        """What is traded for cost, with its unit."""
        return AXES[self.against]

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per plant, units in the names."""
        import pandas as pd

        return pd.DataFrame([_row(self, point) for point in self.points])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, units in the names."""
        return {
            "plant": self.plant_name,
            "against": self.against,
            "axis": self.axis,
            "currency": self.currency,
            "points": [_row(self, point) for point in self.points],
            "left_out": list(self.left_out),
        }


FLOWS = ("organic_flow", "scrub_flow", "acid_flow")
"""Flows of a plant of one circuit."""

AXES: Mapping[str, str] = {
    "purity": "margin of purity, decades",
    "inventory": "oxide in the plant, kg",
}
"""Titles of the axes."""


def _row(front: ParetoFront, point: ParetoPoint) -> dict[str, Any]:
    found = point.optimum
    return {
        "margin_decades" if front.against == "purity" else "reo_held_kg": point.other,
        "cost_per_kg_reo": point.cost,
        **{f"{name}_purity": each.purity for name, each in found.state.products.items()},
        **{
            name if name.endswith("_per_feed") else f"{name}_m3_per_h": value
            if name.endswith("_per_feed")
            else value * HOUR
            for name, value in point.flows.items()
        },
        **{e.name: e.value for e in found.settings if e.name not in point.flows},
        "balance_error": found.state.balance_error,
    }


def pareto_front(
    plant: Plant,
    prices: Prices,
    *,
    against: str = "purity",
    points: int = 6,
    decades: float = 1.0,
    purities: Mapping[str, float] | None = None,
    free: Mapping[str, tuple[float, float]] | None = None,
    told: Callable[[], None] | None = None,
) -> ParetoFront:
    """Return the least cost at each of several purities, or of several inventories.

    Args:
        plant: The plant as loaded.
        prices: Of the account.
        against: "purity" or "inventory".
        points: How many plants.
        decades: Of purity: how far both impurities go below what is asked, [-].
        purities: Least purity by product, [-]; those left out are the nominal ones.
        free: Ranges of levers, as of `optimise_plant`.
        told: Called as each plant is found.

    Raises:
        SpecificationError: No such axis, fewer than two points, or nothing keeps the limits.
    """
    _check(against, points, decades)
    task = optimise_task(plant, prices, purities=purities, free=free)
    if against == "purity":
        tasks = _purer(task, np.linspace(0.0, decades, points))
    else:
        tasks = _leaner(task, points)
    found, left_out, begin = [], [], task.begin
    for value, each in tasks:
        try:
            optimum = optimised(each, begin)
        except (SpecificationError, ConvergenceError) as error:
            left_out.append(f"{AXES[against]} {value:.4g}: {error.what}")
            continue
        begin = optimum.point
        other = value if against == "purity" else optimum.account.held.oxide_mass
        found.append(ParetoPoint(other=other, cost=optimum.cost, optimum=optimum))
        if told:
            told()
    if not found:
        raise SpecificationError(left_out[0], where="pareto front")
    return ParetoFront(
        plant_name=plant.name,
        against=AGAINST[against],
        currency=prices.currency,
        points=_unbeaten(found, better=1.0 if against == "purity" else -1.0),
        left_out=tuple(left_out),
    )


def network_front(
    network: Network,
    prices: Prices,
    *,
    against: str = "purity",
    points: int = 6,
    decades: float = 1.0,
    purities: Mapping[str, float] | None = None,
    free: Mapping[str, tuple[float, float]] | None = None,
    told: Callable[[], None] | None = None,
) -> ParetoFront:
    """Return the least cost of a plant of many circuits at each of several purities or inventories.

    Args:
        network: The plant.
        prices: Of the account.
        against: "purity", of all products together, or "inventory", in all circuits together.
        points: How many plants.
        decades: Of purity: how far the impurities of all products go below what is asked, [-].
        purities: Least purity by product, [-]; those left out are the limits of the products.
        free: Ranges of flows, as of `optimise_network`.
        told: Called as each plant is found.

    Raises:
        SpecificationError: No such axis, fewer than two points, or nothing keeps the limits.
    """
    _check(against, points, decades)
    task = network_task(network, prices, purities=purities, free=free)
    if against == "purity":
        tasks = _purer_networks(task, np.linspace(0.0, decades, points))
    else:
        tasks = _leaner_networks(task, points)
    found: list[ParetoPoint] = []
    left_out: list[str] = []
    begin = task.begin
    for value, each in tasks:
        try:
            optimum = checked(optimised_network(each, begin))
        except (SpecificationError, ConvergenceError) as error:
            left_out.append(f"{AXES[AGAINST[against]]} {value:.4g}: {error.what}")
            continue
        begin = optimum.point
        other = value if against == "purity" else optimum.account.held.oxide_mass
        found.append(ParetoPoint(other=other, cost=optimum.value, optimum=optimum))
        if told:
            told()
    if not found:
        raise SpecificationError(left_out[0], where="pareto front")
    return ParetoFront(
        plant_name=network.name,
        against=AGAINST[against],
        currency=prices.currency,
        points=_unbeaten(found, better=1.0 if against == "purity" else -1.0),
        left_out=tuple(left_out),
    )


def _check(against: str, points: int, decades: float) -> None:
    if against not in AGAINST:
        raise SpecificationError(
            f"{against!r} is not traded for cost.",
            where="pareto front",
            allowed=", ".join(AGAINST),
            mend=nearest_name(against, tuple(AGAINST)),
        )
    if points < 2 or not decades > 0.0:
        raise SpecificationError(
            f"{points} points over {decades:g} decades.",
            where="pareto front",
            allowed="2 points or more, over more than 0 decades",
        )


def _purified(purities: Mapping[str, float], margin: float) -> dict[str, float]:
    """Return purities with impurities so many decades lower."""
    return {name: 1.0 - (1.0 - purity) * 10.0**-margin for name, purity in purities.items()}


def _purer(task: Task, margins: np.ndarray) -> list[tuple[float, Task]]:
    return [
        (
            float(margin),
            replace(task, purities=_purified(task.purities, float(margin))),
        )
        for margin in margins
    ]


def _leaner(task: Task, points: int) -> list[tuple[float, Task]]:
    """Return tasks whose inventory is bound between that of the cheapest and the least there is."""
    most = optimised(task, task.begin)
    least = optimised(replace(task, objective=REO_HELD), most.point)
    bounds = np.linspace(most.point.outcome(REO_HELD), least.value, points)
    return [
        (
            float(bound),
            replace(
                task,
                limits=(
                    *task.limits,
                    Limit(name=REO_HELD, low=0.0, high=float(bound), why="the front"),
                ),
            ),
        )
        for bound in bounds
    ]


def _purer_networks(task: NetworkTask, margins: np.ndarray) -> list[tuple[float, NetworkTask]]:
    return [
        (
            margin,
            replace(task, kept=tuple(replace(each, high=each.high - margin) for each in task.kept)),
        )
        for margin in margins.tolist()
    ]


def _leaner_networks(task: NetworkTask, points: int) -> list[tuple[float, NetworkTask]]:
    """Return tasks bound between the oxide held by the cheapest plant and the least there is."""
    most = optimised_network(task, task.begin)
    least = optimised_network(replace(task, objective=REO_HELD), most.point)
    bounds = np.linspace(most.point.value(REO_HELD), least.value, points).tolist()
    return [
        (bound, replace(task, kept=(*task.kept, Kept(name=REO_HELD, low=-np.inf, high=bound))))
        for bound in bounds
    ]


def _unbeaten(points: list[ParetoPoint], better: float) -> tuple[ParetoPoint, ...]:
    """Return the points no other one beats in both; `better` 1 where more of `other` is good."""
    kept = [
        one
        for one in points
        if not any(
            each.cost <= one.cost
            and better * each.other >= better * one.other
            and (each.cost < one.cost or better * each.other > better * one.other)
            for each in points
        )
    ]
    return tuple(sorted(kept, key=lambda point: point.cost))
