"""All units of a network moved over one common time: what each makes of it, and how well."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from raffinate.plant.network import (
    CircuitUnit,
    Conditioner,
    Network,
    Precipitation,
    Redissolution,
    Splitter,
    Tank,
    Unit,
)
from raffinate.plant.network_motion_circuit import CircuitMoment, CircuitMotion
from raffinate.plant.network_order import UnitGroup
from raffinate.plant.network_path import (
    TRACE,
    StreamPath,
    constant_path,
    curvature,
    joined,
)
from raffinate.plant.network_solve import feed_streams
from raffinate.plant.network_stream import Stream, StreamAxis
from raffinate.plant.network_tank import TankMoment, overflow, tank_after
from raffinate.plant.network_units import (
    UnitOutcome,
    mixed,
    run_conditioner,
    run_precipitation,
    run_redissolution,
    run_splitter,
)

Array = NDArray[np.float64]

LINK_SHARE = 2.0
"""Tolerated curvature of a path over the tolerance of the integration, [-]."""

SWEEPS = 6
"""Most often that units which feed back are moved over the same time."""

FORESEEN = 1e-10
"""Miss of what a tank holds below which a recycle is as it was last, [-]; anything larger could
grow where a time is longer than the tank's own."""

AGREED = 1e-3
"""Miss after a second look that is let be, over what is tolerated, [-]."""

_Through: TypeAlias = Splitter | Conditioner | Precipitation | Redissolution


class NetworkMoment(NamedTuple):
    """A network at one moment: all that fixes how it goes on, apart from how it is run.

    Attributes:
        time: Since the beginning, [s].
        step: Time to try next, [s].
        circuits: By name.
        tanks: By name.
        torn: Recycled streams as they were last: amounts, then the flow, (component + 1,).
        entered: What entered the plant since the beginning, volume last, (component + 1,), [mol].
        left: What left it, likewise.
        reagents: Bought since, by name, [mol]; water in [m³].
        steps: Steps of all integrations.
        times: Times over which units were moved.
        rejected: Those given up.
    """

    time: Array
    step: Array
    circuits: dict[str, CircuitMoment]
    tanks: dict[str, TankMoment]
    torn: dict[str, Array]
    entered: Array
    left: Array
    reagents: dict[str, Array]
    steps: Array
    times: Array
    rejected: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkParts:
    """What of a network stays as it is, however it is run.

    Attributes:
        axis: Components of the streams.
        groups: Units in order of calculation.
        circuits: By name.
        tolerance: Relative error per step; also absolute in mol/m³.
    """

    axis: StreamAxis
    groups: tuple[UnitGroup, ...]
    circuits: Mapping[str, CircuitMotion]
    tolerance: float

    @property
    def torn(self) -> tuple[str, ...]:
        """Streams that are foreseen because they return."""
        return tuple(name for group in self.groups for name in group.tears)


@dataclass(frozen=True, slots=True, eq=False)
class _Done:
    """What a unit made of a time: on the mean, in how many steps, and how far off."""

    outcome: UnitOutcome
    steps: int = 0
    error: float = 0.0


class Trial:
    """One time over which all units are moved, one after the other.

    Args:
        parts: What moves them.
        network: As it is run.
        moment: Where it begins.
        duration: [s].

    Attributes:
        paths: Streams by name.
        circuits: Circuits after it.
        tanks: Tanks after it.
        stuck: Metals that stick to the organic as it begins, on the mean and as it ends, by
            circuit, (3, stuck), [mol/m³].
        supplied: What reagents brought, (component,), [mol/s].
        removed: What left as gas or with bled organic, (component,), [mol/s].
        water: Volume that reagents brought, less what evaporated, [m³/s].
        reagents: By name, [mol/s]; water in [m³/s].
        steps: Steps of the integrations.
        error: Of the paths over what is tolerated, [-].

    Raises:
        SpecificationError: A unit that cannot run so.
        ConvergenceError: A bank that cannot be moved.
    """

    def __init__(
        self, parts: NetworkParts, network: Network, moment: NetworkMoment, duration: float
    ) -> None:
        self.network, self.moment, self.duration = network, moment, duration
        self._parts, self._axis = parts, parts.axis
        self.circuits: dict[str, CircuitMoment] = {}
        self.tanks: dict[str, TankMoment] = {}
        self.stuck: dict[str, Array] = {}
        self._done: dict[str, _Done] = {}
        self._allowed = LINK_SHARE * parts.tolerance
        self.paths = {name: constant_path(s) for name, s in feed_streams(network).items()}
        units = {unit.name: unit for unit in network.units}
        for group in parts.groups:
            self._move_group([units[unit.name] for unit in group.units], group.tears)
        made = [done.outcome for done in self._done.values()]
        self.supplied: Array = np.sum([each.supplied for each in made], axis=0)
        self.removed: Array = np.sum([each.removed for each in made], axis=0)
        self.water = sum(each.water for each in made)
        self.steps = sum(done.steps for done in self._done.values())
        self.error = max(done.error for done in self._done.values())
        self.reagents: dict[str, float] = {}
        for each in made:
            for name, rate in each.reagents.items():
                self.reagents[name] = self.reagents.get(name, 0.0) + rate

    def _move_group(self, units: Sequence[Unit], tears: tuple[str, ...]) -> None:
        """Move units that feed back until what returns is what they were moved with."""
        foreseen = {name: _as_last(self.moment.torn[name]) for name in tears}
        for sweep in range(SWEEPS):
            self.paths.update(foreseen)
            for unit in units:
                self._move(unit)
            missed = max((self._missed(unit, foreseen) for unit in units), default=0.0)
            if missed <= (FORESEEN if sweep == 0 else AGREED * self._allowed):
                break
            foreseen = {name: self.paths[name] for name in tears}
        for unit in units:
            if isinstance(unit, Tank):
                self._fill(unit, foreseen)

    def _move(self, unit: Unit) -> None:
        axis = self._axis
        match unit:
            case CircuitUnit():
                self._move_circuit(unit)
            case Tank():
                tank = self.moment.tanks[unit.name]
                self.paths[unit.name] = overflow(tank, self._into(unit), self.duration)
            case Splitter():
                self._run(unit, lambda stream: run_splitter(axis, unit, stream))
            case Conditioner():
                self._run(unit, lambda stream: run_conditioner(axis, unit, stream))
            case Precipitation():
                self._run(unit, lambda stream: run_precipitation(axis, unit, stream))
            case Redissolution():
                self._run(unit, lambda stream: run_redissolution(axis, unit, stream))

    def _into(self, unit: Tank, instead: Mapping[str, StreamPath] | None = None) -> StreamPath:
        paths = self.paths if instead is None else {**self.paths, **instead}
        return joined(
            [paths[name] for name in unit.inlets],
            lambda streams: mixed(self._axis, streams, unit.name),
        )

    def _run(self, of: _Through, unit: Callable[[Stream], UnitOutcome]) -> None:
        """Move a unit without contents."""
        path = self.paths[of.inlet]
        begin, mean, end = (unit(stream) for stream in (path.begin, path.mean, path.end))
        for name in mean.streams:
            self.paths[name] = StreamPath(
                mean=mean.streams[name], begin=begin.streams[name], end=end.streams[name]
            )
        self._done[of.name] = _Done(mean)

    def _move_circuit(self, unit: CircuitUnit) -> None:
        passage = self._parts.circuits[unit.name].advance(
            unit,
            self.moment.circuits[unit.name],
            self.paths,
            self.duration,
            self._parts.tolerance,
        )
        self.circuits[unit.name] = passage.moment
        self.stuck[unit.name] = passage.stuck
        self.paths.update(passage.outlets)
        worst = max(curvature(self._axis, path) for path in passage.outlets.values())
        self._done[unit.name] = _Done(passage.outcome, passage.steps, worst / self._allowed)

    def _missed(self, unit: Unit, foreseen: Mapping[str, StreamPath]) -> float:
        """Return by how much what a tank was thought to get misses what it got, [-].

        Of what it holds: on the mean of the time, half of it would have been in the tank.
        """
        if not isinstance(unit, Tank) or not foreseen:
            return 0.0
        count = len(self._axis.elements)
        came, thought = self._into(unit).mean, self._into(unit, foreseen).mean
        missed = np.abs(came.amount - thought.amount)[:count] * self.duration
        held = np.abs(self.moment.tanks[unit.name].amount[:count])
        scale = held + TRACE * float(held.sum()) + missed
        return 0.5 * float(np.max(missed / np.maximum(scale, 1e-300)))

    def _fill(self, unit: Tank, foreseen: Mapping[str, StreamPath]) -> None:
        """Let a tank take what truly came, and judge what was foreseen instead."""
        tank, came = self.moment.tanks[unit.name], self._into(unit).mean
        self.tanks[unit.name] = tank_after(tank, came, self.paths[unit.name].mean, self.duration)
        nothing = np.zeros(self._axis.size)
        outcome = UnitOutcome(streams={}, supplied=nothing, removed=nothing)
        missed = self._missed(unit, foreseen)
        self._done[unit.name] = _Done(outcome, error=missed / self._allowed)

    def after(self, step: float) -> NetworkMoment:
        """Return the moment after it, with the time to try next, [s]."""
        before, duration, network = self.moment, self.duration, self.network
        leaving = [*(p.stream for p in network.products.values()), *network.waste]
        feeds = [self.paths[feed.name].mean for feed in network.feeds]
        entered = np.sum([feed.amount for feed in feeds], axis=0) + self.supplied
        left = np.sum([self.paths[name].mean.amount for name in leaving], axis=0) + self.removed
        volume_in = sum(feed.flow for feed in feeds) + self.water
        volume_out = sum(self.paths[name].mean.flow for name in leaving)
        return NetworkMoment(
            time=np.asarray(float(before.time) + duration),
            step=np.asarray(step),
            circuits=self.circuits,
            tanks=self.tanks,
            torn={
                name: np.append(self.paths[name].end.amount, self.paths[name].end.flow)
                for name in self._parts.torn
            },
            entered=before.entered + duration * np.append(entered, volume_in),
            left=before.left + duration * np.append(left, volume_out),
            reagents={
                name: before.reagents.get(name, np.asarray(0.0)) + rate * duration
                for name, rate in self.reagents.items()
            },
            steps=before.steps + self.steps,
            times=before.times + 1,
            rejected=before.rejected,
        )


def _as_last(row: Array) -> StreamPath:
    return constant_path(Stream(flow=float(row[-1]), amount=row[:-1]))
