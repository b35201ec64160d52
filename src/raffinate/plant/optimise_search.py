"""The search over continuous levers: SLSQP with adjoint gradients, following the steady state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.plant.gradients_point import SolvedPoint
from raffinate.plant.optimise_levers import Lever, Limit, lever_slopes, lever_value, with_levers

Array = NDArray[np.float64]

ACCURACY = 1e-9
"""Change of the scaled objective at which the search ends, [-]."""

MOST_ITERATIONS = 60
"""Iterations of SLSQP after which the search is given up."""

FEASIBLE = 1e-6
"""Part of its range by which a limit may be missed, [-]."""

REFUSED = 10.0
"""Added to the scaled objective where no steady state was reached, so that a stride is cut."""


@dataclass(slots=True, kw_only=True, eq=False)
class Search:
    """One search: the plant as a function of levers scaled to 0 to 1.

    Attributes:
        point: Where the plant was solved last.
        levers: What is turned.
        limits: What is kept.
        objective: Outcome to be made small.
        scale: Its size, by which it is divided.
        evaluations: Steady states solved.
    """

    point: SolvedPoint
    levers: tuple[Lever, ...]
    limits: tuple[Limit, ...]
    objective: str
    scale: float = 1.0
    evaluations: int = 0
    _at: Array | None = None
    _values: Array = field(default_factory=lambda: np.zeros(0))
    _slopes: Array = field(default_factory=lambda: np.zeros((0, 0)))
    _failed: bool = False

    def __post_init__(self) -> None:
        """Scale the objective by where the search begins."""
        self.scale = max(abs(self.point.outcome(self.objective)), 1e-300)

    @property
    def begin(self) -> Array:
        """Return where the point stands, clipped into the ranges, (lever,), [-]."""
        layout, inputs = self.point.layout, self.point.inputs
        values = [lever_value(layout, inputs, lever.name) for lever in self.levers]
        return np.clip((np.array(values) - self._low) / self._width, 0.0, 1.0)

    @property
    def _low(self) -> Array:
        return np.array([lever.low for lever in self.levers])

    @property
    def _width(self) -> Array:
        return np.array([lever.high - lever.low for lever in self.levers])

    def values(self, scaled: Array) -> Array:
        """Return the levers themselves, (lever,), SI."""
        return self._low + np.clip(scaled, 0.0, 1.0) * self._width

    def look(self, scaled: Array) -> None:
        """Solve the plant and its derivatives at scaled levers, once for each place."""
        if self._at is not None and np.array_equal(scaled, self._at):
            return
        layout = self.point.layout
        inputs = with_levers(layout, self.point.inputs, self.levers, self.values(scaled))
        self._at = scaled.copy()
        self.evaluations += 1
        try:
            self.point = self.point.moved(inputs)
        except ConvergenceError:
            if not len(self._values):
                raise
            self._failed = True
            return
        self._failed = False
        self._values, slopes = self.point.jacobian()
        self._slopes = lever_slopes(layout, self.point.inputs, self.levers, slopes) * self._width

    def cost(self, scaled: Array) -> float:
        """Return the scaled objective."""
        self.look(scaled)
        value = float(self._values[self.point.names.index(self.objective)]) / self.scale
        return value + REFUSED if self._failed else value

    def cost_slope(self, scaled: Array) -> Array:
        """Return its derivatives, (lever,)."""
        self.look(scaled)
        row: Array = self._slopes[self.point.names.index(self.objective)] / self.scale
        return row

    def margins(self, scaled: Array) -> Array:
        """Return how far each limit is kept, (2 limit,), in parts of its range."""
        self.look(scaled)
        return margins_of(self.point.names, self._values, self.limits)

    def margin_slopes(self, scaled: Array) -> Array:
        """Return its derivatives, (2 limit, lever)."""
        self.look(scaled)
        rows = self._slopes[[self.point.names.index(limit.name) for limit in self.limits]]
        rows = rows / np.array([limit.high - limit.low for limit in self.limits])[:, None]
        return np.concatenate([rows, -rows])


def margins_of(names: tuple[str, ...], values: Array, limits: tuple[Limit, ...]) -> Array:
    """Return how far limits are kept: above their low, then below their high ends, [-]."""
    found = np.array([values[names.index(limit.name)] for limit in limits])
    low = np.array([limit.low for limit in limits])
    high = np.array([limit.high for limit in limits])
    return np.concatenate([(found - low) / (high - low), (high - found) / (high - low)])


def searched(search: Search) -> SolvedPoint:
    """Return the best point within all limits.

    Raises:
        SpecificationError: No levers keep all limits; names those missed where the largest miss is
            smallest.
        ConvergenceError: The search did not settle.
    """
    begin = search.begin
    search.look(begin)
    if float(search.margins(begin).min()) < -FEASIBLE:
        begin = _feasible(search, begin)
    result = _slsqp(search, search.cost, search.cost_slope, begin, search.margins)
    search.look(result.x)
    worst = float(search.margins(result.x).min())
    if not result.success or worst < -FEASIBLE:
        raise ConvergenceError(
            f"the search stopped after {result.nit} iterations: {result.message}.",
            where="optimise",
            mend="Free fewer levers, or give narrower ranges.",
        )
    return search.point


def _feasible(search: Search, begin: Array) -> Array:
    """Return levers that keep all limits, by making the largest miss small."""

    def miss(both: Array) -> float:
        return float(both[-1])

    def slope(both: Array) -> Array:
        return np.append(np.zeros(len(both) - 1), 1.0)

    def margins(both: Array) -> Array:
        kept: Array = search.margins(both[:-1]) + both[-1]
        return kept

    def slopes(both: Array) -> Array:
        rows: Array = search.margin_slopes(both[:-1])
        joined: Array = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
        return joined

    start = np.append(begin, max(0.0, -float(search.margins(begin).min())))
    result = _slsqp(search, miss, slope, start, margins, slopes)
    search.look(result.x[:-1])
    found = search.margins(result.x[:-1])
    if float(found.min()) < -FEASIBLE:
        raise _infeasible(search, found)
    return np.array(result.x[:-1])


def _infeasible(search: Search, margins: Array) -> SpecificationError:
    both = margins.reshape(2, -1).min(axis=0)
    missed = [limit for limit, each in zip(search.limits, both, strict=True) if each < -FEASIBLE]
    names = " and ".join(limit.name for limit in missed)
    found = {limit.name: search.point.outcome(limit.name) for limit in missed}
    return SpecificationError(
        f"{names} cannot be kept; the nearest that meets the purities is "
        f"{', '.join(f'{name} {value:.5g}' for name, value in found.items())}.",
        where="optimise",
        allowed="; ".join(
            f"{limit.name} {limit.low:.5g} to {limit.high:.5g} ({limit.why})" for limit in missed
        ),
        mend="Widen it that far, free another lever, add stages, or ask for less purity.",
    )


def _slsqp(
    search: Search,
    cost: Callable[[Array], float],
    slope: Callable[[Array], Array],
    begin: Array,
    margins: Callable[[Array], Array],
    margin_slopes: Callable[[Array], Array] | None = None,
) -> Any:
    from scipy.optimize import minimize

    further = len(begin) - len(search.levers)
    constraint = {"type": "ineq", "fun": margins, "jac": margin_slopes or search.margin_slopes}
    return minimize(
        cost,
        begin,
        jac=slope,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * len(search.levers) + [(0.0, None)] * further,
        constraints=[constraint] if search.limits else [],
        options={"ftol": ACCURACY, "maxiter": MOST_ITERATIONS},
    )
