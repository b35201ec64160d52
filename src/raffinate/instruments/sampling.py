"""What one analyzer measures next: checks when they are due, no stream forgotten, then requests.

`next_stream` is a pure step: the same state and the same requests give the same measurement. A
fixed rota without requests is `schedule.SampleSchedule`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from raffinate.errors import SpecificationError, nearest_name
from raffinate.instruments.schedule import Slot, Why

Kind = Literal["stream", "blank", "standard"]
"""What is in the cell: a stream of the plant, a liquor without metals, or one of known content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that can be led into the cell.

    Attributes:
        name: Of the stream, the blank or the standard.
        count_time: [s].
        purge_time: Flushing before each count, [s].
        longest_interval: From sample to sample, [s]; a short one is a high priority. For a blank
            or a standard it is the period of the check.
        kind: What it is.
        shortest_interval: From sample to sample where a request asks for it, [s]; the round
            itself and lateness pay no heed to it.
    """

    name: str
    count_time: float
    purge_time: float
    longest_interval: float
    kind: Kind = "stream"
    shortest_interval: float = 0.0

    def __post_init__(self) -> None:
        times = (self.count_time, self.purge_time, self.longest_interval, self.shortest_interval)
        if not all(math.isfinite(time) for time in times) or not (
            self.count_time > 0.0
            and self.purge_time >= 0.0
            and self.longest_interval > self.shortest_interval >= 0.0
        ):
            raise SpecificationError(
                f"count_time, purge_time, longest_interval, shortest_interval are {times} s.",
                where=f"line {self.name}",
                allowed=(
                    "finite, count_time above 0 s, purge_time and shortest_interval 0 s or more, "
                    "longest_interval above shortest_interval"
                ),
            )

    @property
    def slot_time(self) -> float:
        """Purge and count together, [s]."""
        return self.purge_time + self.count_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A wish of whoever estimates: a reading of this stream is worth that much.

    Attributes:
        stream: Name of a line of kind "stream".
        worth: What it is expected to bring, such as the fall of an estimate's variance, any unit
            that all requests share; a request of 0 or less is none.
    """

    stream: str
    worth: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingState:
    """What the analyzer remembers of its round.

    Attributes:
        time: When the cell is free, [s].
        count: Measurements begun so far.
        sampled: Sample time of the last measurement of each line, [s].
    """

    time: float
    count: int = 0
    sampled: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingPlan:
    """All lines of one analyzer, in the order in which they are visited when nothing else says so.

    Attributes:
        lines: Streams and checks, each name once.
    """

    lines: tuple[Line, ...]

    def __post_init__(self) -> None:
        names = [line.name for line in self.lines]
        if len(set(names)) < len(names) or not any(x.kind == "stream" for x in self.lines):
            raise SpecificationError(
                f"the lines are {', '.join(names) or 'none'}.",
                where="sampling plan",
                allowed="each once, one stream at least",
            )
        load = sum(line.slot_time / line.longest_interval for line in self.lines)
        if load > 1.0:
            raise SpecificationError(
                f"the analyzer would have to measure for {load:.3g} s in every second.",
                where="sampling plan",
                allowed="1 at most",
                mend="Lengthen longest_interval, or shorten count_time or purge_time.",
            )

    @property
    def longest_slot(self) -> float:
        """Purge and count of the slowest line, [s]."""
        return max(line.slot_time for line in self.lines)

    def line(self, name: str) -> Line:
        """Return a line by name.

        Raises:
            SpecificationError: There is none of this name.
        """
        for line in self.lines:
            if line.name == name:
                return line
        raise SpecificationError(
            f"{name!r} is not led to the analyzer.",
            where="sampling plan",
            mend=nearest_name(name, tuple(line.name for line in self.lines)),
        )

    def start(self, time: float) -> SamplingState:
        """Return the state at plant time `time`, [s], before the first measurement."""
        return SamplingState(time=time)

    def next_stream(
        self, state: SamplingState, requests: Sequence[Request] = ()
    ) -> tuple[SamplingState, Slot]:
        """Return the measurement that begins now, and the state after it.

        First a check that is due; then a stream that would be late if it waited for one more
        measurement, the latest first; then a stream that was never measured, of which no estimate
        knows what it is worth; then the request of greatest worth among the streams whose shortest
        interval has passed; then the stream whose last sample is oldest for its interval. The
        order of `lines` decides between equals.

        Args:
            state: Where the round stands.
            requests: What the estimation asks for; none leaves the round as it is.

        Raises:
            SpecificationError: A request names no stream, or its worth is not finite.
        """
        line, why = self._chosen(state, requests)
        begins = state.time
        slot = Slot(
            index=state.count,
            stream=line.name,
            purge_time=begins,
            sample_time=begins + line.purge_time,
            result_time=begins + line.slot_time,
            why=why,
        )
        after = replace(
            state,
            time=slot.result_time,
            count=state.count + 1,
            sampled={**state.sampled, line.name: slot.sample_time},
        )
        return after, slot

    def due_again(self, state: SamplingState, name: str) -> SamplingState:
        """Return the state in which a check is due at once, as if it had never been made.

        Raises:
            SpecificationError: There is no check of this name.
        """
        line = self.line(name)
        if line.kind == "stream":
            raise SpecificationError(
                f"{name} is a stream.", where="sampling plan", allowed="a blank or a standard"
            )
        left = {each: time for each, time in state.sampled.items() if each != name}
        return replace(state, sampled=left)

    def _chosen(self, state: SamplingState, requests: Sequence[Request]) -> tuple[Line, Why]:
        asked = self._asked_for(state, requests)
        if (check := self._check_due(state)) is not None:
            return check, "check"
        if (late := self._late(state)) is not None:
            return late, "late"
        unseen = any(line.name not in state.sampled for line in self._of_kind("stream"))
        if asked is not None and not unseen:
            return asked, "asked"
        return max(self._of_kind("stream"), key=lambda one: _lateness(one, state)), "rota"

    def _of_kind(self, *kinds: Kind) -> list[Line]:
        return [line for line in self.lines if line.kind in kinds]

    def _check_due(self, state: SamplingState) -> Line | None:
        """Return the check that is due longest; one never made is due from the start."""
        due = [
            line
            for line in self._of_kind("blank", "standard")
            if state.time + line.purge_time
            >= state.sampled.get(line.name, -math.inf) + line.longest_interval
        ]
        return max(due, key=lambda line: _lateness(line, state), default=None)

    def _late(self, state: SamplingState) -> Line | None:
        """Return the stream that cannot wait for another measurement."""
        late = [
            line
            for line in self._of_kind("stream")
            if line.name in state.sampled
            and state.time + self.longest_slot + line.purge_time
            > state.sampled[line.name] + line.longest_interval
        ]
        return max(late, key=lambda line: _lateness(line, state), default=None)

    def _asked_for(self, state: SamplingState, requests: Sequence[Request]) -> Line | None:
        worth: dict[str, float] = {}
        for request in requests:
            line = self.line(request.stream)
            if line.kind != "stream" or not math.isfinite(request.worth):
                raise SpecificationError(
                    f"a reading of {request.stream} is asked for, worth {request.worth:g}.",
                    where="sampling request",
                    allowed="a stream, with a finite worth",
                )
            worth[line.name] = max(worth.get(line.name, 0.0), request.worth)
        wanted = [
            line
            for line in self.lines
            if worth.get(line.name, 0.0) > 0.0
            and state.time + line.purge_time
            >= state.sampled.get(line.name, -math.inf) + line.shortest_interval
        ]
        return max(wanted, key=lambda line: worth[line.name], default=None)


def _lateness(line: Line, state: SamplingState) -> float:
    """Age of the last sample over the longest allowed, [-]; infinite before the first."""
    if line.name not in state.sampled:
        return math.inf
    return (state.time + line.purge_time - state.sampled[line.name]) / line.longest_interval
