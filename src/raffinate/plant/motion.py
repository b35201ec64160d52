"""A plant moving in time: the engine's integration with operations that change between calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Unknowns, no_specification
from raffinate.cascade.boundary import Boundary
from raffinate.cascade.dynamic import Motion, Span, begin, integrate
from raffinate.cascade.dynamic_cells import all_held, settled
from raffinate.cascade.dynamic_record import Between, Record, interpolated
from raffinate.cascade.equations import Problem
from raffinate.errors import ConvergenceError
from raffinate.numerics.jax_setup import given, jax
from raffinate.plant.arrays import chemistry_of, parameters_of, streams_of, vessels_of
from raffinate.plant.balance import TRAJECTORY_TOLERANCE, check_balance
from raffinate.plant.model import Operation, Plant
from raffinate.plant.motion_hydraulics import (
    Layers,
    cells_of,
    check_organic,
    layers_of,
    moving_vessels,
    watch,
)
from raffinate.plant.motion_limits import (
    Flags,
    LimitEvent,
    LimitWatch,
    Standing,
    continuous_at_rest,
    not_yet,
    standing_after,
    with_shares,
)
from raffinate.plant.motion_state import (
    Moment,
    MotionState,
    check_same_plant,
    fingerprint,
    same_arrays,
)
from raffinate.plant.search import first_guess
from raffinate.plant.steady import SteadyState

Array = NDArray[np.float64]

RECORDED = 32
"""Steps that one call of the integration records."""

LONGEST_STEP = 6.0 * 3600.0
"""Longest step of the integration, [s]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """A plant at one moment of its motion.

    Attributes:
        aqueous: Rare earths in the settled aqueous, (stage, element), [mol/m³].
        organic: Rare earths in the settled organic, (stage, element), [mol/m³].
        proton: Free acid of the mixers, (stage,), [mol/m³].
        free_extractant: Free dimer of the mixers, (stage,), [mol/m³].
        layers: Phase volumes, (stage,) each, [m³]; None where they stay.
    """

    aqueous: Array
    organic: Array
    proton: Array
    free_extractant: Array
    layers: Layers | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Passage:
    """What passed the boundary in one advance, rare earths, (element,), [mol].

    Attributes:
        fed: Fed.
        raffinate: Left at stage 1.
        drawn: Left with the draw.
        ammonia: Ammonia taken up by the organic, [mol].
        acid: Hydrogen chloride fed to the strip, [mol].
    """

    fed: Array
    raffinate: Array
    drawn: Array
    ammonia: float
    acid: float


class PlantMotion:
    """Integrates one plant; every advance holds one operation.

    Args:
        plant: At its design flows, which fix how the phases share the mixers.
        start: Steady state to begin from; None begins with vessels filled with feed, fresh
            organic and acid that have met once; a state once written goes on from there.
        tolerance: Relative error per step; also absolute in mol/m³. Of a state once written, its
            own.

    Attributes:
        plant: As given.
        chemistry: Equations of one contact.
        tolerance: Relative error per step.
    """

    def __init__(
        self, plant: Plant, start: SteadyState | MotionState | None, *, tolerance: float = 1e-3
    ) -> None:
        self.plant = plant
        self.chemistry = chemistry_of(plant.circuit.system)
        self.tolerance = tolerance
        self._vessels = vessels_of(plant.circuit)
        self._parameters = parameters_of(plant.circuit.system)
        self._limits: list[LimitEvent] = []
        self._standing: Standing | None = None
        self._limit_watch: LimitWatch | None = None
        self._inverted_now = False
        self._vessels = moving_vessels(plant.circuit, self._problem(plant.operation()))
        self._follow_limits()
        problem = self._problem(plant.operation())
        self._streams = problem.streams
        components = len(self.chemistry.components)
        self._free: Moment | None = None
        self._onward: Moment | None = None
        if isinstance(start, MotionState):
            check_same_plant(start, self._identity(), self.plant)
            self._now, self._onward, self._streams = start.end, start.free, start.streams
            self._held_at_start, self.tolerance = start.held_at_start, start.tolerance
            self._limits, self._standing = list(start.limits), None
            return
        if start is None:
            unknowns = first_guess(self.chemistry, problem, plant.circuit)
        else:
            unknowns = start.unknowns
        motion: Motion = begin(self.chemistry, problem, unknowns, np.float64(1.0))
        if self._limit_watch is not None:
            motion = motion._replace(organic_continuous=given(self._continuous_at_rest))
        nothing = np.zeros(components)
        self._now = Moment(motion=motion, entered=nothing, left=nothing, steps=0, rejected=0)
        self._held_at_start = self._held()

    def _follow_limits(self) -> None:
        """Prepare what follows inversion and flooding, where the plant goes on through them."""
        circuit = self.plant.circuit
        self._standing = not_yet(len(self._vessels.active))
        self._continuous_at_rest: Flags = continuous_at_rest(circuit, self._vessels)
        if circuit.hydraulics is not None and circuit.hydraulics.at_limits == "go_on":
            self._limit_watch = LimitWatch(circuit, self._vessels)

    @property
    def limits(self) -> tuple[LimitEvent, ...]:
        """Limits that stages crossed since the beginning; none where that is refused."""
        return tuple(self._limits)

    def _identity(self) -> str:
        return fingerprint(self._vessels, self._parameters)

    @property
    def time(self) -> float:
        """Time since the beginning, [s]."""
        return float(self._now.motion.time)

    @property
    def steps(self) -> int:
        """Steps taken since the beginning."""
        return self._now.steps

    @property
    def rejected(self) -> int:
        """Steps given up since the beginning."""
        return self._now.rejected

    def state(self) -> MotionState:
        """Return all that fixes how the plant goes on, bit for bit."""
        return MotionState(
            plant_name=self.plant.name,
            elements=self.plant.circuit.elements,
            stages=self.plant.circuit.stages,
            fingerprint=self._identity(),
            tolerance=self.tolerance,
            end=self._now,
            free=self._free or self._now,
            streams=self._streams,
            held_at_start=self._held_at_start,
            limits=self.limits,
        )

    def _problem(self, operation: Operation, motion: Motion | None = None) -> Problem:
        """Return the numbers of the bank, with what stages entrain as `motion` stands."""
        circuit = self.plant.operated(operation).circuit
        streams = streams_of(circuit)
        if self._limit_watch is not None:
            now = self._continuous_at_rest if motion is None else motion.organic_continuous
            streams = with_shares(streams, circuit, np.asarray(now) != self._continuous_at_rest)
        flows = 1 + len(streams.feed_flow) + len(streams.draw_flow)
        nothing = no_specification(len(self.chemistry.components), flows)
        return Problem(self._vessels, streams, nothing, self._parameters)

    def _held(self) -> Array:
        problem = self._problem(self.plant.operation())
        return np.asarray(all_held(self.chemistry, problem, self._now.motion.held))

    def held_rare_earths(self) -> Array:
        """Return what mixers, settlers and the organic tank hold, (element,), [mol]."""
        return self._held()[: len(self.plant.circuit.elements)]

    def advance(self, operation: Operation, duration: float) -> Passage:
        """Hold `operation` for `duration` seconds.

        Raises:
            ConvergenceError: The step size fell below any use.
        """
        self._free = self._onward = None
        until = self.time + duration
        crossed, _ = self._move(operation, until)
        while self.time < until:
            more, _ = self._move(operation, until)
            crossed = jax.tree.map(np.add, crossed, more)
        elements = len(self.plant.circuit.elements)
        return Passage(
            fed=np.asarray(crossed.fed)[:elements],
            raffinate=np.asarray(crossed.raffinate)[:elements],
            drawn=np.asarray(crossed.drawn).sum(axis=0)[:elements],
            ammonia=self._ammonia(crossed, duration),
            acid=operation.acid_concentration * operation.acid_flow * duration,
        )

    def _ammonia(self, crossed: Boundary, duration: float) -> float:
        """Return the ammonia taken up in `duration`, [mol]."""
        cation, feeds = len(self.plant.circuit.elements), self._streams.organic_feeds
        if feeds is None:
            return float(crossed.organic_in[cation] - crossed.organic_out[cation])
        # What the loop keeps is left out on both sides, what feeds bring is not.
        brought = float(np.asarray(feeds.flow) @ np.asarray(feeds.concentration)[:, cation])
        return float(crossed.organic_in[cation]) - brought * duration

    def advance_with_record(
        self, operation: Operation, duration: float, *, last: bool = False
    ) -> list[Record]:
        """Hold `operation` for `duration` seconds and return the steps, for times between.

        Args:
            operation: What flows.
            duration: [s].
            last: Remember where the steps stood before the end of this one cut them, so that
                `state` can go on as if it had not ended here.

        Raises:
            ConvergenceError: The step size fell below any use.
        """
        until, records = self.time + duration, []
        self._free = None
        while last and self._free is None:
            _, record = self._move(operation, until, short=True)
            records.append(record)
            if record.filled < RECORDED and not self._inverted_now:
                self._free = self._now
        while self.time < until:
            records.append(self._move(operation, until)[1])
            if self._inverted_now:
                # Streams have changed since: from there it would not go on as it did.
                self._free = None
        return [jax.device_get(record) for record in records]

    def _move(
        self, operation: Operation, until: float, *, short: bool = False
    ) -> tuple[Boundary, Record]:
        problem = self._problem(operation, self._now.motion)
        changed = not same_arrays(problem.streams, self._streams)
        begun = self._now if changed or self._onward is None else self._onward
        span = Span(
            until=given(np.float64(until)),
            changed=given(np.bool_(changed)),
            short=given(np.bool_(short)),
            tolerance=given(np.float64(self.tolerance)),
            longest=given(np.float64(LONGEST_STEP)),
        )
        motion, record = integrate(self.chemistry, problem, begun.motion, span, RECORDED)
        if self._limit_watch is not None:
            motion, record = self._through_limits(problem, begun.motion, span, (motion, record))
        failed, steps, rejected, crossed = jax.device_get(
            (motion.failed, motion.steps, motion.rejected, motion.crossed)
        )
        if failed:
            raise ConvergenceError(
                f"no step of at least 0.1 ms could be taken at {float(motion.time):g} s.",
                where="simulation",
                mend="Check the flows of this interval; a phase may have been cut off for long.",
            )
        entered, left = self._crossed(crossed)
        self._now = Moment(
            motion=motion,
            entered=begun.entered + entered,
            left=begun.left + left,
            steps=begun.steps + int(steps),
            rejected=begun.rejected + int(rejected),
        )
        self._streams, self._onward = problem.streams, None
        if self._vessels.hydraulics is not None:
            circuit = self.plant.operated(operation).circuit
            if self._limit_watch is None:
                record = jax.device_get(record)
                watch(circuit, self._vessels, record)
            # What led there is said first: a tank runs dry long after a mixer inverts.
            check_organic(circuit, self._vessels, begun.motion, motion)
        return crossed, record

    def _through_limits(
        self, problem: Problem, begun: Motion, span: Span, moved: tuple[Motion, Record]
    ) -> tuple[Motion, Record]:
        """Note the limits crossed, and end the call where a mixer inverts, its phases changed."""
        watch_limits, (motion, record) = self._limit_watch, moved
        assert watch_limits is not None
        if self._standing is None:
            self._limits = [event for event in self._limits if event.time <= float(begun.time)]
            self._standing = watch_limits.standing_of(begun.held)
        continuous = np.asarray(begun.organic_continuous)
        events = watch_limits.events(
            jax.device_get(record), continuous, self._standing, begins=self.steps == 0
        )
        self._inverted_now = bool(events) and events[-1].what == "inversion"
        if self._inverted_now:
            last = events[-1]
            until = given(np.float64(max(last.time, float(begun.time))))
            span = span._replace(until=until, short=given(np.bool_(False)))
            motion, record = integrate(self.chemistry, problem, begun, span, RECORDED)
            turned = continuous.copy()
            turned[last.stage - 1] = not turned[last.stage - 1]
            motion = motion._replace(organic_continuous=given(turned))
        self._limits += events
        self._standing = standing_after(self._standing, events)
        return motion, jax.device_get(record)

    def snapshots(self, records: Sequence[Record], times: Array) -> list[Snapshot]:
        """Return the plant at `times`, (time,), [s], that lie within `records`."""
        count = self.plant.circuit.stages
        found = []
        for record in records:
            inside = (times > record.time[0]) & (times <= record.time[int(record.filled)])
            rows: Between = interpolated(record, times[inside])
            found += [
                Snapshot(
                    aqueous=rows.aqueous[n, :count],
                    organic=rows.organic[n, :count],
                    proton=rows.acidity[n, :count, 0],
                    free_extractant=rows.acidity[n, :count, 1],
                    layers=None if rows.volumes is None else self._layers(rows.volumes[n, :count]),
                )
                for n in range(int(inside.sum()))
            ]
        return found

    def _crossed(self, crossed: Boundary) -> tuple[Array, Array]:
        """Return what entered and what left, (component,), [mol]."""
        elements = len(self.plant.circuit.elements)
        carried = list(self.chemistry.organic_components)
        entered = np.array(crossed.fed)
        left = np.asarray(crossed.raffinate) + np.asarray(crossed.drawn).sum(axis=0)
        organic_in, organic_out = np.array(crossed.organic_in), np.array(crossed.organic_out)
        if self._streams.organic_feeds is None:
            # Rare earths in the organic stay in the loop, whose tank is counted as held.
            organic_in[:elements] = organic_out[:elements] = 0.0
        entered[carried] += organic_in
        left[carried] += organic_out
        return entered, left

    def check(self) -> float:
        """Return the worst relative imbalance since the start.

        Raises:
            BalanceError: It is above what a trajectory may have.
        """
        held = self._held()
        return check_balance(
            self._now.entered,
            self._now.left,
            held - self._held_at_start,
            self.chemistry.components,
            tolerance=TRAJECTORY_TOLERANCE,
            where="trajectory",
            held=self._held_at_start,
        )

    def snapshot(self) -> Snapshot:
        """Return the plant as it is now."""
        count, elements = self.plant.circuit.stages, len(self.plant.circuit.elements)
        held = self._now.motion.held
        aqueous, organic, stage, volumes = jax.device_get(
            (*settled(held), self._now.motion.unknowns.stage, held.volumes)
        )
        proton, free = np.exp(stage[:count, self.chemistry.acidity].T)
        return Snapshot(
            aqueous=aqueous[:count, :elements],
            organic=organic[:count, :elements],
            proton=proton,
            free_extractant=free,
            layers=None
            if volumes is None
            else self._layers(np.stack(volumes[:3], axis=-1)[:count]),
        )

    def _layers(self, rows: Array) -> Layers:
        count = self.plant.circuit.stages
        return layers_of(rows, cells_of(self.plant.circuit, count))

    @property
    def unknowns(self) -> Unknowns:
        """Algebraic unknowns of the present state."""
        return self._now.motion.unknowns
