"""Which stream the one analyzer looks at, and when: a pure function of plant time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from raffinate.errors import SpecificationError, nearest_name

Why = Literal["rota", "check", "late", "asked"]
"""rota: its turn has come; check: a blank or standard is due; late: it would be overdue otherwise;
asked: the estimation learns most from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One measurement of the rota.

    Attributes:
        index: Counted from 0.
        stream: What is measured.
        purge_time: Plant time at which the line begins to be flushed with the stream, [s].
        sample_time: Plant time at which the cell is closed and counting begins, [s].
        result_time: Plant time at which counting ends and the result is known, [s].
        why: Why it is this stream's turn.
    """

    index: int
    stream: str
    purge_time: float
    sample_time: float
    result_time: float
    why: Why = "rota"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSchedule:
    """Streams in turn, with some streams given every n-th slot.

    Attributes:
        streams: Visited one after another.
        priority: Streams that share every `every`-th slot in turn; they are visited there only.
        every: See `priority`; not read without it.
        count_time: [s].
        purge_time: Flushing of line and cell before each count, [s].
        start: Plant time of the first purge, [s].
    """

    streams: tuple[str, ...]
    priority: tuple[str, ...] = ()
    every: int = 3
    count_time: float = 100.0
    purge_time: float = 80.0
    start: float = 0.0

    def __post_init__(self) -> None:
        names = (*self.streams, *self.priority)
        if not self.streams or len(set(names)) < len(names):
            raise SpecificationError(
                f"streams are {self.streams}, priority {self.priority}.",
                where="sample schedule",
                allowed="at least one stream, each named once",
            )
        if self.priority and self.every < 2:
            raise SpecificationError(
                f"every is {self.every}.", where="sample schedule", allowed="2 or more"
            )
        times = (self.count_time, self.purge_time, self.start)
        if not all(math.isfinite(t) for t in times) or self.purge_time < 0 or self.count_time <= 0:
            raise SpecificationError(
                f"count_time, purge_time, start are {times} s.",
                where="sample schedule",
                allowed="finite, count_time above 0 s, purge_time 0 s or more",
            )

    @property
    def slot_time(self) -> float:
        """Purge and count together, [s]."""
        return self.purge_time + self.count_time

    def slot(self, index: int) -> Slot:
        """Return the measurement of this number, counted from 0."""
        if index < 0:
            raise SpecificationError(
                f"slot {index}.", where="sample schedule", allowed="0 or above"
            )
        begins = self.start + index * self.slot_time
        return Slot(
            index=index,
            stream=self._stream(index),
            purge_time=begins,
            sample_time=begins + self.purge_time,
            result_time=begins + self.slot_time,
        )

    def slot_at(self, time: float) -> Slot | None:
        """Return the measurement under way at plant time `time`, [s]; None before the start."""
        index = math.floor((time - self.start) / self.slot_time)
        return self.slot(index) if index >= 0 else None

    def sampled(self, after: float, until: float) -> tuple[Slot, ...]:
        """Return the measurements whose sample is taken in (after, until], [s]."""
        return self._between(after - self.purge_time, until - self.purge_time)

    def completed(self, after: float, until: float) -> tuple[Slot, ...]:
        """Return the measurements whose result becomes known in (after, until], [s]."""
        return self._between(after - self.slot_time, until - self.slot_time)

    def longest_interval(self, stream: str) -> float:
        """Return the longest time between two visits of a stream, [s].

        Raises:
            SpecificationError: The stream is not on the rota.
        """
        names = (*self.streams, *self.priority)
        if stream not in names:
            raise SpecificationError(
                f"{stream!r} is not measured.",
                where="sample schedule",
                mend=nearest_name(stream, names),
            )
        if not self.priority:
            return len(self.streams) * self.slot_time
        period = self.every * len(self.priority) * len(self.streams) * (self.every - 1)
        visits = [k for k in range(2 * period) if self._stream(k) == stream]
        gaps = (b - a for a, b in pairwise(visits))
        return max(gaps) * self.slot_time

    def _stream(self, index: int) -> str:
        if not self.priority:
            return self.streams[index % len(self.streams)]
        turn, position = divmod(index, self.every)
        if position == self.every - 1:
            return self.priority[turn % len(self.priority)]
        return self.streams[(turn * (self.every - 1) + position) % len(self.streams)]

    def _between(self, after: float, until: float) -> tuple[Slot, ...]:
        """Return the slots that begin in (after, until]."""
        first = max(math.floor((after - self.start) / self.slot_time) + 1, 0)
        last = math.floor((until - self.start) / self.slot_time)
        return tuple(self.slot(index) for index in range(first, last + 1))
