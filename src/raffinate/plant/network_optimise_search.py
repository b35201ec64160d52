"""The search over coordinates of a plant of many circuits: SLSQP with adjoint derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.plant.gradients_inputs import IMPURITY
from raffinate.plant.network_optimise_point import NetworkPoint
from raffinate.plant.optimise_setting import AT_END

Array = NDArray[np.float64]

ACCURACY = 1e-8
"""Change of the relative objective at which the search ends, [-]."""

MOST_ITERATIONS = 60
"""Iterations after which a search is given up."""

MET = 1e-6
"""Decades, or parts of a limit, by which it may be missed."""

PERCENT = 100.0
"""The objective is searched in percent: a decade of impurity then curves it by about one."""

REFUSED = 1000.0
"""Percent added to the objective where no plant is found, so that a stride is cut."""

MOST_REFUSALS = 8
"""Plants not found after which a search is given up, if they are half of all it looked at."""

IMPUREST = -0.05
"""log₁₀ of the greatest impurity a cut is turned to: there is next to nothing of its own."""

DECADES = 3.0
"""Decades by which the impurities of a cut are turned at most, either way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One outcome a search keeps in a range.

    Attributes:
        name: An outcome.
        low, high: Range, SI; infinite where there is no end.
    """

    name: str
    low: float
    high: float

    @property
    def scale(self) -> float:
        """What a miss is measured in: a decade of impurity, or the limit itself."""
        ends = [abs(end) for end in (self.low, self.high) if np.isfinite(end) and end]
        return 1.0 if self.name.startswith(IMPURITY) or not ends else max(ends)

    def is_at_end(self, value: float) -> bool:
        """Return whether a value stands at an end of the range."""
        return min(abs(value - self.low), abs(self.high - value)) < AT_END * self.scale


@dataclass(slots=True, kw_only=True, eq=False)
class Search:
    """One search: where the plant stands, and what was not found.

    Attributes:
        point: Where the plant was solved last.
        kept: What is kept.
        ends: Least and greatest ln of each free flow over where it begins, (flow, 2), [-].
        objective: Outcome to be made small.
        advance: Called at every steady state.
        count: Steady states asked for.
        refused: Whether the last one was not found.
        refusals: How many were not.
        refusal: Why the last one that was not found was not.
        asked: Where that was, (flow,).
        seen: Plants found so far.
    """

    point: NetworkPoint
    kept: tuple[Kept, ...]
    ends: Array
    objective: str
    advance: Callable[[], None]
    count: int = 0
    refused: bool = False
    refusals: int = 0
    refusal: str = ""
    asked: Array | None = None
    seen: list[NetworkPoint] = field(default_factory=list)

    def look(self, at: Array) -> NetworkPoint:
        """Return the plant at coordinates, or the one before where none is found.

        Raises:
            SpecificationError: None was found too often.
        """
        if self.asked is not None and np.array_equal(at, self.asked):
            return self.point
        self.asked, self.count = at.copy(), self.count + 1
        self.advance()
        # A line search goes far out and comes back: it then starts from where it has been.
        self.seen = self.seen or [self.point]
        nearest = min(self.seen, key=lambda point: float(np.abs(point.at - at).max(initial=0.0)))
        try:
            self.point = nearest.moved(at)
            self.seen.append(self.point)
            self.refused = False
        except (ConvergenceError, SpecificationError) as error:
            self.refused, self.refusal = True, str(error)
            self.refusals += 1
            if self.refusals > max(MOST_REFUSALS, self.count // 2):
                raise infeasible(self) from error
        return self.point

    def margins(self, at: Array) -> Array:
        """Return how far outcomes and flows are within their ranges, (margin,), [-]."""
        point = self.look(at)
        value = np.array([point.value(each.name) / each.scale for each in self.kept])
        low, high = self._limits()
        below, above = np.isfinite(low), np.isfinite(high)
        turned = ~point.coordinates.plain
        flows = (point.logs[:, None] - self.ends)[turned]
        return np.concatenate(
            [(value - low)[below], (high - value)[above], flows[:, 0], -flows[:, 1]]
        )

    def margin_slopes(self, at: Array) -> Array:
        """Return derivatives of the margins by the coordinates, (margin, coordinate)."""
        point = self.look(at)
        scale = np.array([each.scale for each in self.kept])[:, None]
        rows = point.rows([each.name for each in self.kept]) / scale
        low, high = self._limits()
        flows = point.by_coordinates(np.eye(len(point.at))[~point.coordinates.plain])
        return np.concatenate([rows[np.isfinite(low)], -rows[np.isfinite(high)], flows, -flows])

    def _limits(self) -> tuple[Array, Array]:
        return (
            np.array([each.low / each.scale for each in self.kept]),
            np.array([each.high / each.scale for each in self.kept]),
        )

    def bounds(self) -> Array:
        """Return the range of every coordinate, (flow, 2)."""
        coordinates, found = self.point.coordinates, self.ends.copy()
        for cut in coordinates.cuts:
            organic, acid, draw = coordinates.places(cut)
            for place in (organic, draw):
                here = float(self.point.at[place])
                found[place] = here - DECADES, max(here, min(here + DECADES, IMPUREST))
            ratio = float(np.log(coordinates.begin[acid] / coordinates.begin[organic]))
            (least, most), (low, high) = self.ends[organic], self.ends[acid]
            found[acid] = ratio + low - most, ratio + high - least
        return found


def searched(search: Search) -> NetworkPoint:
    """Return the best plant within all limits.

    Raises:
        SpecificationError: None keeps them; says how near the search came.
        ConvergenceError: The search did not settle.
    """
    from scipy.optimize import minimize

    scale = max(abs(search.point.value(search.objective)), 1e-300) / PERCENT

    def cost(at: Array) -> float:
        value = search.look(at).value(search.objective) / scale
        return value + (REFUSED if search.refused else 0.0)

    def slope(at: Array) -> Array:
        row: Array = search.look(at).rows([search.objective])[0] / scale
        return row

    bounds = search.bounds()
    result: Any = minimize(
        cost,
        np.clip(search.point.at, bounds[:, 0], bounds[:, 1]),
        jac=slope,
        method="SLSQP",
        bounds=bounds.tolist(),
        constraints=[{"type": "ineq", "fun": search.margins, "jac": search.margin_slopes}],
        options={"ftol": PERCENT * ACCURACY, "maxiter": MOST_ITERATIONS},
    )
    solution = np.asarray(result.x, dtype=np.float64)
    search.look(solution)
    if search.refused or float(search.margins(solution).min()) < -MET:
        raise infeasible(search)
    if not result.success:
        raise ConvergenceError(
            f"the search stopped after {result.nit} iterations: {result.message}.",
            where="optimise",
            mend="Free fewer flows, or give narrower ranges.",
        )
    return search.point


def infeasible(search: Search) -> SpecificationError:
    """Return what a search says that found no plant within all limits."""
    told = [f"{each.name} {search.point.value(each.name):.5g}" for each in search.kept]
    return SpecificationError(
        f"no flows within their ranges keep all limits; the nearest has {', '.join(told)}. "
        f"{search.refusal}".rstrip(),
        where="optimise",
        allowed="; ".join(f"{e.name} {e.low:.5g} to {e.high:.5g}" for e in search.kept),
        mend="Widen the ranges of the flows, ask for less purity, or add stages.",
    )
