"""Least cost of a plant of many circuits over whole numbers of stages and over flows.

A coordinate search, circuit by circuit: while the impurities that a circuit leaves are held, its
stages hardly change what the others get. A trial changes the stages of one section, or moves some
from one section to another of its circuit; it starts from the cheapest plant so far with that
circuit's profile stretched and every cut held to its impurities, and is a search over the flows of
all circuits. Strides are halved down to one stage. Where the search ends by itself the plant is no
dearer than any neighbour one stage, or one such move, away: a local minimum, no proof of a global
one, and stages of two circuits are never changed at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import ConvergenceError, SpecificationError, nearest_name
from raffinate.numerics.kernel_store import let_kernels_go
from raffinate.plant.network import CircuitUnit, Network
from raffinate.plant.network_optimise import (
    NetworkOptimum,
    NetworkTask,
    checked,
    optimised_network,
)
from raffinate.plant.network_optimise_point import NetworkPoint
from raffinate.plant.optimise_stages import FIRST_STRIDE, Stages, StageTrial, stretched

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

CHEAPER = 1e-7
"""Part by which a plant must be cheaper to be taken: ten times what a search over flows leaves."""

MOST_TRIALS = 300
"""Choices of stages after which a search ends, unless another number is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkStageSearch:
    """What a search over stages of many circuits found.

    Attributes:
        best: The cheapest plant, solved once more from nothing; its evaluations are of all trials
            that ended.
        sections: Names, circuit and section, in the order of the stages of a trial.
        begin: Stages of the plant where it began.
        ranges: Fewest and most stages of each section.
        trials: Every choice that was tried, in order.
        settled: Whether every neighbour of the best was tried; a search cut short has not.
    """

    best: NetworkOptimum
    sections: tuple[str, ...]
    begin: Stages
    ranges: tuple[tuple[int, int], ...]
    trials: tuple[StageTrial, ...]
    settled: bool

    @property
    def stages(self) -> dict[str, int]:
        """Stages of the best plant by section."""
        return dict(zip(self.sections, stages_of(self.best.network), strict=True))

    @property
    def at_end(self) -> tuple[str, ...]:
        """Sections whose stages stand at an end of a range that leaves a choice."""
        return tuple(
            name
            for (name, count), (low, high) in zip(self.stages.items(), self.ranges, strict=True)
            if low < high and count in (low, high)
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per trial: stages of every section, objective, why not."""
        import pandas as pd

        return pd.DataFrame(
            [
                dict(zip(self.sections, each.stages, strict=True))
                | {self.best.objective: each.value, "reason": each.reason}
                for each in self.trials
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: the best plant, and every trial."""
        named = zip(self.sections, self.begin, self.stages.values(), self.ranges, strict=True)
        return {
            **self.best.to_dict(),
            "stages": {
                name: {"before": before, "value": value, "low": low, "high": high}
                for name, before, value, (low, high) in named
            },
            "settled": self.settled,
            "stages_at_end": list(self.at_end),
            "trials": [
                {"stages": list(each.stages), "objective": each.value, "reason": each.reason}
                for each in self.trials
            ],
        }


def section_names(network: Network) -> tuple[str, ...]:
    """Return the sections of all circuits, as `circuit.section`."""
    return tuple(
        f"{unit.name}.{section.name}" for unit in network.circuits for section in unit.sections
    )


def stages_of(network: Network) -> Stages:
    """Return the stages of the sections of all circuits, in the order of `section_names`."""
    return tuple(section.stages for unit in network.circuits for section in unit.sections)


def usual_ranges(network: Network) -> dict[str, tuple[int, int]]:
    """Return half to twice the stages of every section, by `section_names`; a choice."""
    return {
        name: (max(1, count // 2), 2 * count)
        for name, count in zip(section_names(network), stages_of(network), strict=True)
    }


def restaged_network(network: Network, stages: Stages) -> Network:
    """Return the network with other stages of its sections."""
    left = iter(stages)
    return replace(
        network,
        units=tuple(
            replace(
                unit, sections=tuple(replace(each, stages=next(left)) for each in unit.sections)
            )
            if isinstance(unit, CircuitUnit)
            else unit
            for unit in network.units
        ),
    )


def optimise_network_stages(
    task: NetworkTask,
    ranges: Mapping[str, tuple[int, int]] | None = None,
    *,
    most_trials: int = MOST_TRIALS,
    told: Callable[[StageTrial], None] | None = None,
) -> NetworkStageSearch:
    """Return the cheapest plant over stages of its sections and over flows.

    Args:
        task: What is asked; its plant is where the search begins.
        ranges: Fewest and most stages by section, named `circuit.section`; sections left out keep
            theirs. None takes `usual_ranges` for all.
        most_trials: Choices of stages after which the search ends.
        told: Called with each trial as it ends.

    Raises:
        SpecificationError: No such section, no range, or no stages tried can be run.
        BalanceError: The best plant, solved from nothing, is another one.
    """
    network = task.begin.network
    bounds = _bounds(network, usual_ranges(network) if ranges is None else ranges)
    ends = np.array(bounds)
    begin = tuple(np.clip(stages_of(network), ends[:, 0], ends[:, 1]).tolist())
    search = _Search(task, bounds, most_trials, told)
    best, stride = search.tried(begin, task.begin), FIRST_STRIDE
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
            mend="Allow more stages, widen the ranges of flows, or ask for less purity.",
        )
    return NetworkStageSearch(
        best=replace(checked(best), evaluations=search.evaluations),
        sections=section_names(network),
        begin=stages_of(network),
        ranges=tuple(bounds),
        trials=tuple(search.trials.values()),
        settled=not search.cut_short,
    )


def _bounds(network: Network, ranges: Mapping[str, tuple[int, int]]) -> list[tuple[int, int]]:
    names = section_names(network)
    found = {name: (own, own) for name, own in zip(names, stages_of(network), strict=True)}
    for name, (low, high) in ranges.items():
        if name not in found:
            raise SpecificationError(
                f"{name!r} is no section of {network.name}.",
                where="optimise: stages",
                allowed=", ".join(names),
                mend=nearest_name(name, names),
            )
        if not 1 <= low <= high:
            raise SpecificationError(
                f"its range is {low} to {high} stages.",
                where=f"optimise: stages of {name}",
                allowed="1 or more, the lower one first",
            )
        found[name] = (low, high)
    return list(found.values())


class _Search:
    """Trials so far, and where the next ones are."""

    def __init__(
        self,
        task: NetworkTask,
        bounds: list[tuple[int, int]],
        most: int,
        told: Callable[[StageTrial], None] | None,
    ) -> None:
        self.task, self.bounds, self.most, self.told = task, bounds, most, told
        self.trials: dict[Stages, StageTrial] = {}
        self.cut_short, self.evaluations = False, 0
        self.circuits = _places(task.begin.network)
        self.last: dict[int, int] = {}

    def tried(self, stages: Stages, start: NetworkPoint) -> NetworkOptimum | None:
        """Return the optimum at these stages, None where there is none."""
        try:
            found = optimised_network(self.task, at_stages(start, stages))
            self.evaluations += found.evaluations
            trial = StageTrial(stages=stages, value=found.value)
        except (SpecificationError, ConvergenceError) as error:
            found, trial = None, StageTrial(stages=stages, value=None, reason=error.what)
        let_kernels_go()
        self.trials[stages] = trial
        if self.told:
            self.told(trial)
        return found

    def improved(self, best: NetworkOptimum, stride: int) -> NetworkOptimum | None:
        """Return the first neighbour that is cheaper, None if none is."""
        for found in self._optima(stages_of(best.network), best.point, stride):
            if found is not None and found.value < best.value - CHEAPER * abs(best.value):
                return found
        return None

    def first(self, begin: Stages, stride: int) -> NetworkOptimum | None:
        """Return the first choice around `begin` that can be run at all, None if none can."""
        for found in self._optima(begin, self.task.begin, stride):
            if found is not None:
                return found
        return None

    def _optima(
        self, here: Stages, start: NetworkPoint, stride: int
    ) -> Iterator[NetworkOptimum | None]:
        for move in self._moves(stride):
            stages = tuple(
                min(max(count + move.get(place, 0), self.bounds[place][0]), self.bounds[place][1])
                for place, count in enumerate(here)
            )
            if stages == here or stages in self.trials:
                continue
            if len(self.trials) >= self.most:
                self.cut_short = True
                return
            self.last = move
            yield self.tried(stages, start)

    def _moves(self, stride: int) -> Iterator[dict[int, int]]:
        """Yield moves: the last one again, those of its circuit, of the circuits after it.

        A place that cannot move offers none.
        """
        if self.last and max(map(abs, self.last.values())) == stride:
            yield self.last
        now = next((k for k, own in enumerate(self.circuits) if set(self.last) & set(own)), 0)
        for own in (*self.circuits[now:], *self.circuits[:now]):
            free = [place for place in own if self.bounds[place][0] < self.bounds[place][1]]
            for place in free:
                yield from ({place: -stride}, {place: stride})
            for a, b in permutations(free, 2):
                yield {a: -stride, b: stride}


def _places(network: Network) -> list[list[int]]:
    """Return the places of the sections of every circuit."""
    found, begin = [], 0
    for unit in network.circuits:
        found.append(list(range(begin, begin + len(unit.sections))))
        begin += len(unit.sections)
    return found


def at_stages(start: NetworkPoint, stages: Stages) -> NetworkPoint:
    """Return the plant of a point with other stages, at the same coordinates if any flows do that.

    Where none do, at the same flows: a search may find purities that these stages can keep.

    Args:
        start: The plant where it is.
        stages: Of every section, in the order of `section_names`.

    Raises:
        SpecificationError: It cannot be run with these stages.
        ConvergenceError: There is no steady state.
    """
    if stages == stages_of(start.network):
        return start
    network = restaged_network(start.network, stages)
    circuits = dict(start.state.circuits)
    for unit in start.network.circuits:
        before = tuple(section.stages for section in unit.sections)
        after = tuple(section.stages for section in network.circuit(unit.name).sections)
        if before != after:
            unknowns = stretched(circuits[unit.name].unknowns, before, after)
            circuits[unit.name] = replace(circuits[unit.name], unknowns=unknowns)
    state = replace(start.state, circuits=circuits)
    try:
        return start.solved(network, state, start.at)
    except (ConvergenceError, SpecificationError):
        return start.solved(network, state, None)
