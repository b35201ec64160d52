"""Flows of least cost of a plant of many circuits whose products keep their purities.

Flows are turned as logarithms of their ratio to where they begin. Every trial is the joined plant,
recycles included, solved from the trial before and balanced; its derivatives are those of
`network_outcomes`; the search is sequential quadratic programming.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.plant.economics_prices import Prices
from raffinate.plant.gradients_outcomes import COST, outcome_unit
from raffinate.plant.network import Network
from raffinate.plant.network_economics import NetworkAccount, account_of
from raffinate.plant.network_state import NetworkState
from raffinate.plant.network_trials import Trials, asked_impurities, begun
from raffinate.plant.optimise_setting import AT_END, Setting

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

WIDEST = 1.25
"""How far a flow may be turned either way where no range is given, as a factor; a choice."""

ACCURACY = 1e-8
"""Change of the relative cost at which the search ends, [-]."""

MOST_ITERATIONS = 60
"""Iterations after which a search is given up."""

KEPT = 1e-6
"""Decades, or shares, by which a limit may be missed."""

REFUSED = 10.0
"""Added to the relative cost where no plant is found, so that a stride is cut."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkOptimum:
    """The cheapest plant of many circuits found.

    Attributes:
        network: The plant at its optimum, its flows written in it.
        state: Its steady state, balanced.
        account: Its account at the prices.
        objective: Outcome that was made small.
        before, value: Objective at the start and at the optimum, SI.
        settings: The flows that were free.
        binding: Limits and flows at an end of their range.
        evaluations: Steady states solved.
    """

    network: Network
    state: NetworkState
    account: NetworkAccount
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
            "levers": [each.to_dict() for each in self.settings],
            "binding": list(self.binding),
            "account": self.account.to_dict(),
            "balance_error": self.state.balance_error,
            "evaluations": self.evaluations,
            "warnings": list(self.state.warnings),
        }


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
    """
    wanted = {name: product.purity_limit for name, product in network.products.items()}
    asked = asked_impurities(network, wanted | dict(purities or {}))
    trials = begun(network, None if free is None else tuple(free), prices)
    first = trials.look(np.zeros(len(trials.names)))
    first.value(objective)
    kept = [(name, -np.inf, high) for name, high in asked.items()]
    kept += [(name, low, high) for name, (low, high) in (limits or {}).items()]
    for name, _, _ in kept:
        first.value(name)
    ends = _ends(trials, free)
    before = first.value(objective)
    solution = _searched(trials, kept, ends, objective, before, advance)
    return _told(trials, solution, kept, ends, objective, before, prices)


def _ends(trials: Trials, free: Mapping[str, tuple[float, float]] | None) -> list[Any]:
    if free is None:
        far = float(np.log(WIDEST))
        return [(-far, far)] * len(trials.names)
    found = []
    for name, begin in zip(trials.names, trials.begin.tolist(), strict=True):
        low, high = free[name]
        if not 0.0 < low < high:
            raise SpecificationError(
                f"its range is {low:g} to {high:g}.", where=name, allowed="above 0, low to high"
            )
        found.append((float(np.log(low / begin)), float(np.log(high / begin))))
    return found


def _searched(
    trials: Trials,
    kept: list[tuple[str, float, float]],
    ends: list[Any],
    objective: str,
    before: float,
    advance: Callable[[], None],
) -> Array:
    from scipy.optimize import minimize

    names, scale = [name for name, _, _ in kept], max(abs(before), 1e-300)
    low, high = (np.array([each[k] for each in kept]) for k in (1, 2))
    below, above = np.isfinite(low), np.isfinite(high)

    def cost(turned: Array) -> float:
        advance()
        found = trials.look(turned)
        return found.value(objective) / scale + (REFUSED if trials.failed else 0.0)

    def slope(turned: Array) -> Array:
        row: Array = trials.rows(trials.look(turned), [objective])[0] / scale
        return row

    def margins(turned: Array) -> Array:
        found = trials.look(turned)
        values = np.array([found.value(name) for name in names])
        return np.concatenate([(values - low)[below], (high - values)[above]])

    def margin_slopes(turned: Array) -> Array:
        rows = trials.rows(trials.look(turned), names)
        return np.concatenate([rows[below], -rows[above]])

    start = np.array([min(max(0.0, a), b) for a, b in ends])
    result = minimize(
        cost,
        start,
        jac=slope,
        method="SLSQP",
        bounds=ends,
        constraints=[{"type": "ineq", "fun": margins, "jac": margin_slopes}],
        options={"ftol": ACCURACY, "maxiter": MOST_ITERATIONS},
    )
    solution = np.asarray(result.x, dtype=np.float64)
    trials.look(solution)
    missed = margins(solution)
    if trials.failed or float(missed.min()) < -KEPT:
        raise _infeasible(trials, solution, kept)
    if not result.success:
        raise ConvergenceError(
            f"the search stopped after {result.nit} iterations: {result.message}.",
            where="optimise",
            mend="Free fewer flows, or give narrower ranges.",
        )
    return solution


def _infeasible(
    trials: Trials, nearest: Array, kept: list[tuple[str, float, float]]
) -> SpecificationError:
    found = trials.look(nearest)
    told = [f"{name} {found.value(name):.5g}" for name, _, _ in kept]
    return SpecificationError(
        f"no flows within their ranges keep all limits; the nearest has {', '.join(told)}. "
        f"{trials.refusal}".rstrip(),
        where="optimise",
        allowed="; ".join(f"{name} {a:.5g} to {b:.5g}" for name, a, b in kept),
        mend="Widen the ranges of the flows, ask for less purity, or add stages.",
    )


def _told(
    trials: Trials,
    solution: Array,
    kept: list[tuple[str, float, float]],
    ends: list[Any],
    objective: str,
    before: float,
    prices: Prices,
) -> NetworkOptimum:
    found = trials.look(solution)
    slopes = trials.rows(found, [objective])[0] / (trials.begin * np.exp(solution))
    settings = tuple(
        Setting(
            name=name,
            low=begin * float(np.exp(low)),
            high=begin * float(np.exp(high)),
            before=begin,
            value=begin * float(np.exp(turned)),
            slope=float(slope),
            at_end=min(turned - low, high - turned) < AT_END * (high - low),
        )
        for name, begin, turned, slope, (low, high) in zip(
            trials.names, trials.begin.tolist(), solution.tolist(), slopes, ends, strict=True
        )
    )
    binding = [each.name for each in settings if each.at_end]
    for name, low, high in kept:
        value = found.value(name)
        if min(abs(value - low), abs(high - value)) < AT_END:
            binding.append(name)
    account = account_of(trials.made, trials.state, prices)
    return NetworkOptimum(
        network=trials.made,
        state=trials.state,
        account=account,
        objective=objective,
        before=before,
        value=found.value(objective),
        settings=settings,
        binding=tuple(binding),
        evaluations=trials.count,
    )
