"""Alarms that stand: each is raised once, keeps its time, and is cleared once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from raffinate.runtime.messages import Note

AlarmPriority = Literal["low", "medium", "high"]

Finding = tuple[str, AlarmPriority]
"""What is wrong now, in words, and how urgent it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm that stands.

    Attributes:
        tag: What it is about.
        text: In words.
        priority: How urgent it is.
        since: Plant time at which it came, [s].
    """

    tag: str
    text: str
    priority: AlarmPriority
    since: float


class AlarmList:
    """The alarms of one plant."""

    def __init__(self) -> None:
        self._standing: dict[str, Alarm] = {}
        self.count = 0

    @property
    def standing(self) -> tuple[Alarm, ...]:
        """Alarms that stand, the oldest first."""
        return tuple(self._standing.values())

    def update(self, found: Mapping[str, Finding], time: float) -> tuple[Note, ...]:
        """Raise what is new, clear what is gone, and return a note of each.

        Args:
            found: Everything that is wrong now, by tag.
            time: Plant time, [s].
        """
        notes = []
        for tag, (text, priority) in found.items():
            if tag in self._standing:
                # The words may change, as from bad to stale; that is no new alarm.
                self._standing[tag] = replace(self._standing[tag], text=text, priority=priority)
                continue
            self._standing[tag] = Alarm(tag=tag, text=text, priority=priority, since=time)
            self.count += 1
            notes.append(Note(time=time, kind="alarm", text=text, priority=priority))
        for tag in [tag for tag in self._standing if tag not in found]:
            gone = self._standing.pop(tag)
            notes.append(Note(time=time, kind="alarm", text=f"Cleared: {gone.text}"))
        return tuple(notes)
