"""Flows of least cost of a plant of many circuits whose products keep their purities.

What is turned is how impure every cut leaves what it parts, and how much acid its organic gets (see
`network_optimise_point`). Every trial is the joined plant, recycles included, solved from the trial
before and balanced, with adjoint derivatives; the search is sequential quadratic programming. The
optimum is solved once more from nothing, at its flows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import BalanceError, SpecificationError
from raffinate.plant.economics_prices import Prices
from raffinate.plant.gradients_inputs import IMPURITY
from raffinate.plant.gradients_outcomes import COST, REO_HELD, outcome_unit
from raffinate.plant.network import Network
from raffinate.plant.network_economics import NetworkAccount, account_of
from raffinate.plant.network_levers import at_state
from raffinate.plant.network_optimise_point import NetworkPoint, coordinates_of, described
from raffinate.plant.network_optimise_search import Kept, Search, searched
from raffinate.plant.network_solve import solve_network
from raffinate.plant.network_state import NetworkState
from raffinate.plant.network_trials import asked_impurities
from raffinate.plant.optimise_setting import AT_END, Setting

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

WIDEST = 1.25
"""How far a flow may be turned either way where no range is given, as a factor; a choice."""

SAME = 1e-5
"""Decades by which an impurity may differ when the optimum is solved from nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkOptimum:
    """The cheapest plant of many circuits found.

    Attributes:
        network: The plant at its optimum, its flows written in it.
        state: Its steady state, balanced.
        account: Its account at the prices.
        point: The same with its derivatives.
        objective: Outcome that was made small.
        before, value: Objective at the start and at the optimum, SI.
        settings: The flows that were free.
        binding: Limits and flows at an end of their range.
        evaluations: Steady states solved.
    """

    network: Network
    state: NetworkState
    account: NetworkAccount
    point: NetworkPoint
    objective: str
    before: float
    value: float
    settings: tuple[Setting, ...]
    binding: tuple[str, ...]
    evaluations: int

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per flow, SI."""
        import pandas as pd

        return pd.DataFrame(self.to_dict()["levers"])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "plant": self.network.name,
            "currency": self.account.prices.currency,
            "objective": self.objective,
            "objective_unit": outcome_unit(self.objective),
            "objective_before": self.before,
            "objective_value": self.value,
            "purity": {name: each.purity for name, each in self.state.products.items()},
            "recovery": {name: each.recovery for name, each in self.state.products.items()},
            "reo_held_kg": self.account.held.oxide_mass,
            "levers": [each.to_dict() for each in self.settings],
            "binding": list(self.binding),
            "account": self.account.to_dict(),
            "balance_error": self.state.balance_error,
            "evaluations": self.evaluations,
            "warnings": list(self.state.warnings),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkTask:
    """What is asked of an optimiser of a plant of many circuits.

    Attributes:
        kept: What is kept.
        ends: Least and greatest ln of each free flow over where it begins, (flow, 2), [-].
        objective: Outcome to be made small.
        begin: The plant as it begins, its flows written in it.
    """

    kept: tuple[Kept, ...]
    ends: Array
    objective: str
    begin: NetworkPoint


def optimise_network(
    network: Network,
    prices: Prices,
    *,
    purities: Mapping[str, float] | None = None,
    free: Mapping[str, tuple[float, float]] | None = None,
    limits: Mapping[str, tuple[float, float]] | None = None,
    objective: str = COST,
    advance: Callable[[], None] = lambda: None,
) -> NetworkOptimum:
    """Return the flows of least cost per oxide at which every product keeps its purity.

    Args:
        network: The plant; stages stay as they are.
        prices: Of the account; what is missing in them counts nothing and is listed.
        purities: Least purity by product, [-]; those left out are the products' limits.
        free: Ranges of flows, SI, by the names of `lever_values`; left out, every flow within a
            factor of `WIDEST` of where it is.
        limits: Further ranges of outcomes, SI, by name.
        objective: Outcome to be made small in place of the cost.
        advance: Called at every steady state.

    Raises:
        SpecificationError: Nothing keeps all limits, or no cost can be counted.
        ConvergenceError: The search did not settle.
        BalanceError: The optimum, solved from nothing, is another plant.
    """
    task = network_task(
        network, prices, purities=purities, free=free, limits=limits, objective=objective
    )
    return checked(optimised_network(task, task.begin, advance))


def network_task(
    network: Network,
    prices: Prices,
    *,
    purities: Mapping[str, float] | None = None,
    free: Mapping[str, tuple[float, float]] | None = None,
    limits: Mapping[str, tuple[float, float]] | None = None,
    objective: str = COST,
) -> NetworkTask:
    """Return what is asked, with the plant solved where it begins; as `optimise_network`.

    Raises:
        SpecificationError: An argument cannot be, or no cost can be counted.
        ConvergenceError: The plant has no steady state.
    """
    wanted = {name: product.purity_limit for name, product in network.products.items()}
    asked = asked_impurities(network, wanted | dict(purities or {}))
    state = solve_network(network)
    written = at_state(network, state)
    coordinates = coordinates_of(written, None if free is None else tuple(free))
    point = described(written, state, coordinates, prices)
    kept = [Kept(name=name, low=-np.inf, high=high) for name, high in asked.items()]
    kept += [Kept(name=name, low=a, high=b) for name, (a, b) in (limits or {}).items()]
    for name in (objective, *(each.name for each in kept)):
        point.place(name)
    return NetworkTask(kept=tuple(kept), ends=_ends(point, free), objective=objective, begin=point)


def _ends(point: NetworkPoint, free: Mapping[str, tuple[float, float]] | None) -> Array:
    coordinates = point.coordinates
    if free is None:
        far = float(np.log(WIDEST))
        return np.tile([-far, far], (len(coordinates.flows), 1))
    found = []
    for name, begin in zip(coordinates.flows, coordinates.begin.tolist(), strict=True):
        low, high = free[name]
        if not 0.0 < low < high:
            raise SpecificationError(
                f"its range is {low:g} to {high:g}.", where=name, allowed="above 0, low to high"
            )
        found.append([float(np.log(low / begin)), float(np.log(high / begin))])
    return np.array(found)


def optimised_network(
    task: NetworkTask, begin: NetworkPoint, advance: Callable[[], None] = lambda: None
) -> NetworkOptimum:
    """Return the optimum found from a plant at rest, its stages kept.

    Args:
        task: What is asked.
        begin: Where to begin.
        advance: Called at every steady state.

    Raises:
        SpecificationError: Nothing keeps all limits.
        ConvergenceError: The search did not settle.
    """
    search = Search(
        point=begin, kept=task.kept, ends=task.ends, objective=task.objective, advance=advance
    )
    return _told(task, searched(search), search.count)


def _told(task: NetworkTask, found: NetworkPoint, evaluations: int) -> NetworkOptimum:
    coordinates = found.coordinates
    logs, begin = found.logs, coordinates.begin
    slopes = found.slopes[found.place(task.objective)] / (begin * np.exp(logs))
    settings = tuple(
        Setting(
            name=name,
            low=first * float(np.exp(low)),
            high=first * float(np.exp(high)),
            before=first,
            value=first * float(np.exp(turned)),
            slope=float(slope),
            at_end=min(turned - low, high - turned) < AT_END * (high - low),
        )
        for name, first, turned, slope, (low, high) in zip(
            coordinates.flows,
            begin.tolist(),
            logs.tolist(),
            slopes,
            task.ends.tolist(),
            strict=True,
        )
    )
    binding = [each.name for each in settings if each.at_end]
    binding += [each.name for each in task.kept if each.is_at_end(found.value(each.name))]
    return NetworkOptimum(
        network=found.network,
        state=found.state,
        account=account_of(found.network, found.state, found.prices),
        point=found,
        objective=task.objective,
        before=task.begin.value(task.objective),
        value=found.value(task.objective),
        settings=settings,
        binding=tuple(binding),
        evaluations=evaluations,
    )


def checked(found: NetworkOptimum) -> NetworkOptimum:
    """Return an optimum with its state solved from nothing, at its flows.

    Raises:
        BalanceError: It is another plant then, does not balance, or holds other than the account.
    """
    state = solve_network(found.network)
    for name, product in state.products.items():
        told = found.point.value(f"{IMPURITY}{name}")
        if not abs(float(np.log10(1.0 - product.purity)) - told) <= SAME:
            raise BalanceError(
                f"{name} is {product.purity:.7%} when its flows are solved from nothing, "
                f"{1.0 - 10.0**told:.7%} at the optimum.",
                where="optimise",
                allowed=f"{SAME:.0e} decades of impurity",
                mend="This is a defect of the optimiser; please report it.",
            )
    held, told = found.account.held.oxide_mass, found.point.value(REO_HELD)
    if not abs(held - told) <= SAME * held:
        raise BalanceError(
            f"{held:.8g} kg of oxide are held and {told:.8g} kg were differentiated.",
            where="optimise",
            mend="This is a defect of the optimiser; please report it.",
        )
    return replace(found, state=state)
