"""Least cost of a plant that keeps its purities: flows, reagents and strengths.

The two purities are met exactly at every trial, by solving for the organic and the draw; the
search is over how much purer than asked the products are and over what is freed beside. Costs and
limits come with adjoint gradients, and every trial starts where the last derivatives point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Unknowns
from raffinate.errors import BalanceError, ConvergenceError, SpecificationError, nearest_name
from raffinate.plant.economics import plant_economics
from raffinate.plant.economics_account import Economics
from raffinate.plant.economics_prices import Prices
from raffinate.plant.gradients_inputs import IMPURITY, RATIO, plant_at
from raffinate.plant.gradients_outcomes import COST, outcome_unit
from raffinate.plant.gradients_point import SolvedPoint, solved_point
from raffinate.plant.model import Operation, Plant
from raffinate.plant.optimise_levers import (
    Lever,
    Limit,
    lever_slopes,
    lever_value,
    levers_of,
    limits_of,
)
from raffinate.plant.optimise_search import Search, margins_of, searched
from raffinate.plant.optimise_setting import AT_END, Setting
from raffinate.plant.steady import SteadyState, solve_nominal, solve_steady

if TYPE_CHECKING:
    import pandas as pd

SAME = 1e-9
"""Relative difference up to which cost and account are one number, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Optimum:
    """The cheapest plant found.

    Attributes:
        plant: The plant at its optimum, as loaded but for flows, strengths and stages.
        state: Its steady state, solved and checked anew.
        account: Its account at the prices.
        point: The same as a point, purities met.
        objective: Outcome that was made small.
        before, value: Objective at the start and at the optimum, SI.
        cost_before, cost: What the account counts, [currency/kg of REO].
        settings: The levers.
        binding: Limits and levers that stand at an end of their range.
        evaluations: Steady states solved.
    """

    plant: Plant
    state: SteadyState
    account: Economics
    point: SolvedPoint
    objective: str
    before: float
    value: float
    cost_before: float
    cost: float
    settings: tuple[Setting, ...]
    binding: tuple[str, ...]
    evaluations: int

    @property
    def stages(self) -> dict[str, int]:
        """Stages by section."""
        return {section.name: section.stages for section in self.plant.circuit.sections}

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per lever, SI."""
        import pandas as pd

        return pd.DataFrame([each.to_dict() for each in self.settings])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, units in the names where they are not SI."""
        operation = self.state.operation
        assert operation is not None
        flows = ("feed_flow", "organic_flow", "scrub_flow", "acid_flow")
        return {
            "plant": self.plant.name,
            "prices": self.account.prices.name,
            "currency": self.account.prices.currency,
            "objective": self.objective,
            "objective_unit": outcome_unit(self.objective),
            "objective_before": self.before,
            "objective_value": self.value,
            "cost_before_per_kg_reo": self.cost_before,
            "cost_per_kg_reo": self.cost,
            "cost_complete": self.account.complete,
            "purity": {name: each.purity for name, each in self.state.products.items()},
            "recovery": {name: each.recovery for name, each in self.state.products.items()},
            "flows_m3_per_h": {name: getattr(operation, name) * 3600.0 for name in flows},
            "stages": self.stages,
            "levers": [each.to_dict() for each in self.settings],
            "binding": list(self.binding),
            "reo_held_kg": self.account.held.oxide_mass,
            "balance_error": self.state.balance_error,
            "evaluations": self.evaluations,
            "missing": list(self.account.missing),
            "warnings": list(self.state.warnings),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """What is asked of an optimiser.

    Attributes:
        plant: As loaded.
        prices: Of the account.
        purities: Least purity by product, [-].
        free: Ranges of levers, SI.
        limits: What is kept.
        objective: Outcome to be made small.
        begin: The plant at its nominal state, purities met.
    """

    plant: Plant
    prices: Prices
    purities: Mapping[str, float]
    free: Mapping[str, tuple[float, float]]
    limits: tuple[Limit, ...]
    objective: str
    begin: SolvedPoint


def optimise_plant(
    plant: Plant,
    prices: Prices,
    *,
    purities: Mapping[str, float] | None = None,
    free: Mapping[str, tuple[float, float]] | None = None,
    limits: Mapping[str, tuple[float, float]] | None = None,
    objective: str = COST,
) -> Optimum:
    """Return the plant with the least cost per kilogram of oxide that keeps its purities.

    Args:
        plant: The plant as loaded; its sections stay as they are.
        prices: Of the account; what is missing in them counts nothing and is listed.
        purities: Least purity by product, [-]; those left out are the nominal ones.
        free: Ranges of what may be turned beside the flows, SI, by the names of
            `optimise_levers.LEVERS`; left out, the ratio of organic to acid as far as the lever
            of the acid reaches.
        limits: Further ranges of outcomes, SI, by name.
        objective: Outcome to be made small in place of the cost.

    Raises:
        SpecificationError: Nothing keeps all limits, or no cost can be counted: says why.
        ConvergenceError: The search did not settle.
    """
    task = optimise_task(
        plant, prices, purities=purities, free=free, limits=limits, objective=objective
    )
    return optimised(task, task.begin)


def optimise_task(
    plant: Plant,
    prices: Prices,
    *,
    purities: Mapping[str, float] | None = None,
    free: Mapping[str, tuple[float, float]] | None = None,
    limits: Mapping[str, tuple[float, float]] | None = None,
    objective: str = COST,
) -> Task:
    """Return what is asked, with the plant at its nominal state; arguments of `optimise_plant`.

    Raises:
        SpecificationError: The nominal purities cannot be reached, or an argument cannot be.
    """
    wanted = {**plant.nominal_purity, **(purities or {})}
    for name, purity in wanted.items():
        plant.product(name)
        if not 0.0 < purity < 1.0:
            raise SpecificationError(
                f"purity is {purity:g}.",
                where=f"optimise: {name}",
                allowed="between 0 and 1, as a fraction",
                mend="Write 0.999 for 99.9 %.",
            )
    try:
        state = solve_nominal(plant)
    except ConvergenceError as error:
        raise SpecificationError(
            f"the nominal purities of {plant.name} are out of reach: {error.what}",
            where="optimise",
            mend="Give the plant more stages, or ask for less purity.",
        ) from error
    point = solved_point(plant, state, meet=tuple(plant.nominal_purity), prices=prices)
    assert state.operation is not None
    known = point.names
    for name in (objective, *(limits or {})):
        if name not in known:
            raise SpecificationError(
                f"{name!r} is no outcome.",
                where="optimise",
                allowed=", ".join(known),
                mend=nearest_name(name, known),
            )
    further = (
        Limit(name=name, low=low, high=high, why="asked for")
        for name, (low, high) in (limits or {}).items()
    )
    return Task(
        plant=plant,
        prices=prices,
        purities=wanted,
        free=_default_free(plant, state.operation) if free is None else dict(free),
        limits=(*limits_of(plant, state.operation), *further),
        objective=objective,
        begin=point,
    )


def _default_free(plant: Plant, nominal: Operation) -> dict[str, tuple[float, float]]:
    lever = plant.levers.get("acid_flow")
    if lever is None:
        return {}
    ratio = nominal.organic_flow / nominal.acid_flow
    return {RATIO: (ratio / lever.high, ratio / lever.low)}


def optimised(task: Task, begin: SolvedPoint) -> Optimum:
    """Return the optimum found from a point whose purities are met.

    Args:
        task: What is asked.
        begin: Where to begin; its stages are kept.

    Raises:
        SpecificationError: Nothing keeps all limits, or the purities are out of reach.
        ConvergenceError: The search did not settle.
    """
    levers = levers_of(begin, task.purities, task.free)
    wanted = {
        f"{IMPURITY}{name}": min(
            float(np.log10(1.0 - purity)), float(begin.inputs[begin.layout.place(IMPURITY + name)])
        )
        for name, purity in task.purities.items()
    }
    try:
        point = begin.moved(begin.with_inputs(wanted))
    except ConvergenceError as error:
        asked = ", ".join(f"{name} {purity:.5%}" for name, purity in task.purities.items())
        raise SpecificationError(
            f"no flows give {asked}: {error.what}",
            where="optimise",
            mend="Ask for less purity, or give the plant more stages.",
        ) from error
    search = Search(point=point, levers=levers, limits=task.limits, objective=task.objective)
    found = searched(search)
    return _told(task, begin, found, levers, search.evaluations)


def _told(
    task: Task,
    begin: SolvedPoint,
    found: SolvedPoint,
    levers: tuple[Lever, ...],
    evaluations: int,
) -> Optimum:
    plant = plant_at(begin.plant, found.layout, found.inputs, found.flows())
    state = _solved_anew(plant, found)
    _check_purities(task, state)
    account = plant_economics(plant, state, task.prices)
    values, slopes = found.jacobian()
    cost = float(values[found.names.index(COST)])
    _check_cost(account, cost)
    row = lever_slopes(found.layout, found.inputs, levers, slopes)[
        found.names.index(task.objective)
    ]
    settings = tuple(
        _setting(lever, begin, found, float(slope))
        for lever, slope in zip(levers, row, strict=True)
    )
    return Optimum(
        plant=plant,
        state=state,
        account=account,
        point=found,
        objective=task.objective,
        before=begin.outcome(task.objective),
        value=float(values[found.names.index(task.objective)]),
        cost_before=begin.outcome(COST),
        cost=cost,
        settings=settings,
        binding=(
            *(each.name for each in settings if each.at_end),
            *_limits_at_end(task.limits, found, values),
        ),
        evaluations=evaluations,
    )


def _setting(lever: Lever, begin: SolvedPoint, found: SolvedPoint, slope: float) -> Setting:
    value = lever_value(found.layout, found.inputs, lever.name)
    near = min(value - lever.low, lever.high - value) < AT_END * (lever.high - lever.low)
    return Setting(
        name=lever.name,
        low=lever.low,
        high=lever.high,
        before=lever_value(begin.layout, begin.inputs, lever.name),
        value=value,
        slope=slope,
        at_end=near,
    )


def _limits_at_end(
    limits: tuple[Limit, ...], found: SolvedPoint, values: NDArray[np.float64]
) -> list[str]:
    near = np.abs(margins_of(found.names, values, limits)) < AT_END
    return [limit.name for k, limit in enumerate(limits) if near[k] or near[k + len(limits)]]


def _solved_anew(plant: Plant, found: SolvedPoint) -> SteadyState:
    """Return the steady state of the optimum, solved and balanced by the engine itself."""
    border = found.unknowns.border[: found.chemistry.element_count]
    unknowns = Unknowns(found.unknowns.stage, border)
    return solve_steady(plant, start=replace(found.state, unknowns=unknowns))


def _check_purities(task: Task, state: SteadyState) -> None:
    for name, purity in task.purities.items():
        reached = state.products[name].purity
        if not 1.0 - reached <= (1.0 - purity) * (1.0 + 1e-6):
            raise BalanceError(
                f"{name} is {reached:.7%} when its flows are solved anew.",
                where="optimise",
                allowed=f"at least {purity:.7%}",
                mend="This is a defect of the optimiser; please report it.",
            )


def _check_cost(account: Economics, cost: float) -> None:
    """Raise unless the optimiser and the account count the same."""
    counted = (account.cost or 0.0) / account.reo_flow
    if not abs(counted - cost) <= SAME * abs(counted):
        raise BalanceError(
            f"the account counts {counted:.12g} per kg of REO, the optimiser {cost:.12g}.",
            where="optimise",
            allowed=f"a relative difference up to {SAME:.0e}",
            mend="This is a defect of the cost of the optimiser; please report it.",
        )
