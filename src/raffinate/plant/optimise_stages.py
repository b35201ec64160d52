"""Least cost over whole numbers of stages: a bounded pattern search around the search over flows.

Each trial changes the stages of one section, or moves some from one section to another, and starts
from the best plant so far with its profile stretched to the new stages. Strides are halved down to
one stage; the result is no worse than any neighbour one stage or one shift away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Unknowns, bucket_size
from raffinate.cascade.steady import LONGEST_STEP, solve_pseudo_transient
from raffinate.errors import ConvergenceError, SpecificationError, nearest_name
from raffinate.numerics.jax_setup import jnp
from raffinate.numerics.kernel_store import let_kernels_go
from raffinate.plant.arrays import specification_of
from raffinate.plant.gradients_inputs import frame_of
from raffinate.plant.gradients_point import SolvedPoint, solved_point
from raffinate.plant.model import Plant
from raffinate.plant.optimise import Optimum, Task, optimised
from raffinate.plant.search import FIRST_STEP, TOLERANCE
from raffinate.plant.steady import solve_steady

Array = NDArray[np.float64]
Stages = tuple[int, ...]

FIRST_STRIDE = 4
"""Stages by which the search begins to step."""

ATTEMPTS = ((LONGEST_STEP, 20), (FIRST_STEP, 200))
"""First pseudo-time step, [s], and most iterations of each attempt from a stretched profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTrial:
    """One choice of stages.

    Attributes:
        stages: Of each section.
        value: Objective there, SI; None where it cannot be done.
        reason: Why not; empty where it can.
    """

    stages: Stages
    value: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageSearch:
    """What a search over stages found.

    Attributes:
        best: The cheapest plant.
        trials: Every choice that was tried, in order.
    """

    best: Optimum
    trials: tuple[StageTrial, ...]

    @property
    def stages(self) -> dict[str, int]:
        """Stages of the best plant by section."""
        return self.best.stages

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: the best plant, and every trial."""
        return {
            **self.best.to_dict(),
            "trials": [
                {"stages": list(each.stages), "objective": each.value, "reason": each.reason}
                for each in self.trials
            ],
        }


def restaged(plant: Plant, stages: Stages) -> Plant:
    """Return the plant with other stages of its sections."""
    sections = tuple(
        replace(section, stages=count)
        for section, count in zip(plant.circuit.sections, stages, strict=True)
    )
    return replace(plant, circuit=replace(plant.circuit, sections=sections))


def optimise_stages(
    task: Task,
    ranges: Mapping[str, tuple[int, int]],
    *,
    most_trials: int = 60,
    told: Callable[[StageTrial], None] | None = None,
) -> StageSearch:
    """Return the cheapest plant over stages of its sections and over flows.

    Args:
        task: What is asked.
        ranges: Fewest and most stages by section; sections left out keep theirs.
        most_trials: Choices of stages after which the search ends.
        told: Called with each trial as it ends.

    Raises:
        SpecificationError: No such section, no range, or no stages tried can be run.
    """
    sections = [section.name for section in task.plant.circuit.sections]
    bounds = _bounds(task.plant, ranges)
    begin = tuple(
        int(np.clip(section.stages, *bounds[name]))
        for name, section in zip(sections, task.plant.circuit.sections, strict=True)
    )
    search = _Search(task, [bounds[name] for name in sections], most_trials, told)
    best = search.tried(begin, task.begin)
    stride = FIRST_STRIDE
    while stride >= 1:
        better = search.improved(best, stride) if best else search.first(begin, stride)
        if better is None:
            stride //= 2
        else:
            best = better
    if best is None:
        raise SpecificationError(
            f"none of {len(search.trials)} choices of stages can be run; the first says: "
            f"{next(iter(search.trials.values())).reason}",
            where="optimise: stages",
            mend="Allow more stages, or ask for less purity.",
        )
    return StageSearch(best=best, trials=tuple(search.trials.values()))


def _bounds(plant: Plant, ranges: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    found = {section.name: (section.stages, section.stages) for section in plant.circuit.sections}
    for name, (low, high) in ranges.items():
        if name not in found:
            raise SpecificationError(
                f"{name!r} is no section of {plant.name}.",
                where="optimise: stages",
                mend=nearest_name(name, tuple(found)),
            )
        if not 1 <= low <= high:
            raise SpecificationError(
                f"its range is {low} to {high} stages.",
                where=f"optimise: stages of {name}",
                allowed="1 or more, the lower one first",
            )
        found[name] = (low, high)
    return found


class _Search:
    """Trials so far, and where the next ones are."""

    def __init__(
        self,
        task: Task,
        bounds: list[tuple[int, int]],
        most: int,
        told: Callable[[StageTrial], None] | None,
    ) -> None:
        self.task, self.bounds, self.most, self.told = task, bounds, most, told
        self.trials: dict[Stages, StageTrial] = {}

    def tried(self, stages: Stages, start: SolvedPoint) -> Optimum | None:
        """Return the optimum at these stages, None where there is none."""
        try:
            found = optimised(self.task, at_stages(self.task, start, stages))
            trial = StageTrial(stages=stages, value=found.value)
        except (SpecificationError, ConvergenceError) as error:
            found, trial = None, StageTrial(stages=stages, value=None, reason=error.what)
        let_kernels_go()
        self.trials[stages] = trial
        if self.told:
            self.told(trial)
        return found

    def improved(self, best: Optimum, stride: int) -> Optimum | None:
        """Return the first neighbour that is cheaper, None if none is."""
        here = tuple(best.stages.values())
        for stages in self._neighbours(here, stride):
            if len(self.trials) >= self.most:
                return None
            found = self.tried(stages, best.point)
            if found is not None and found.value < best.value * (1.0 - 1e-9):
                return found
        return None

    def first(self, begin: Stages, stride: int) -> Optimum | None:
        """Return the first choice around `begin` that can be run at all, None if none can."""
        for stages in self._neighbours(begin, stride):
            if len(self.trials) >= self.most:
                return None
            found = self.tried(stages, self.task.begin)
            if found is not None:
                return found
        return None

    def _neighbours(self, here: Stages, stride: int) -> Iterator[Stages]:
        moves = []
        for place in range(len(here)):
            moves += [{place: -stride}, {place: stride}]
        moves += [{a: -stride, b: stride} for a, b in permutations(range(len(here)), 2)]
        for move in moves:
            stages = tuple(
                int(np.clip(count + move.get(place, 0), *self.bounds[place]))
                for place, count in enumerate(here)
            )
            if stages != here and stages not in self.trials:
                yield stages


def at_stages(task: Task, start: SolvedPoint, stages: Stages) -> SolvedPoint:
    """Return the plant of a point with other stages, solved for the same purities.

    Args:
        task: What is asked.
        start: A plant whose purities are met.
        stages: Of each section.

    Raises:
        ConvergenceError: No flows give these purities with these stages.
    """
    before = tuple(section.stages for section in start.plant.circuit.sections)
    if stages == before:
        return start
    plant = restaged(start.plant, stages)
    meet = start.layout.products
    frame = frame_of(plant, specification_of(plant, dict.fromkeys(meet, 0.5)))
    moved = replace(start, plant=plant, frame=frame)
    problem, unknowns = moved.problem(), stretched(start.unknowns, before, stages)
    for step, most in ATTEMPTS:
        found = solve_pseudo_transient(start.chemistry, problem, unknowns, step, TOLERANCE, most)
        if float(found.norm) <= TOLERANCE:
            passes = start.passes + int(found.iterations)
            return replace(moved, unknowns=found.unknowns, passes=passes)
    plant = restaged(task.plant, stages)
    state = solve_steady(plant, purities=task.plant.nominal_purity)
    return solved_point(plant, state, meet=meet, prices=task.prices)


def stretched(unknowns: Unknowns, before: Stages, after: Stages) -> Unknowns:
    """Return the unknowns of a bank with the profile of each section stretched to other stages."""
    rows = np.asarray(unknowns.stage)
    parts, begin = [], 0
    for old, new in zip(before, after, strict=True):
        own = rows[begin : begin + old]
        place = np.linspace(0.0, old - 1.0, new) if new > 1 else np.array([0.5 * (old - 1.0)])
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, old - 1)
        share = (place - low)[:, None]
        parts.append((1.0 - share) * own[low] + share * own[high])
        begin += old
    size = bucket_size(sum(after))
    padded = np.tile(rows[begin - 1], (size, 1))
    padded[: sum(after)] = np.concatenate(parts)
    return Unknowns(jnp.asarray(padded), unknowns.border)
