"""Figures of the alarm system after ISA-18.2-2016 and IEC 62682:2014, all in plant time.

A call is an annunciation: an alarm raised, shown again or raised anew for want of mending. What is
put aside calls nobody and is not counted. The book keeps counts, not calls, so that it does not
grow with the length of a run.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any

from raffinate.runtime.alarm_definitions import PRIORITIES, AlarmPriority
from raffinate.runtime.alarm_states import Alarm
from raffinate.runtime.messages import CONTROL_PERIOD
from raffinate.units import HOUR

DAY = 24.0 * HOUR

PERIOD = 600.0
"""Period in which calls are counted, [s]; the 10 min of the standards."""

FLOOD_BEGINS = 10
"""Calls in 10 min above which a flood begins (ISA-18.2-2016, IEC 62682)."""

FLOOD_ENDS = 5
"""Calls in 10 min below which a flood ends (ISA-18.2-2016, IEC 62682)."""

WINDOW = 30.0 * DAY
"""Time the figures look back, [s]; the standards ask for at least 30 days of data."""

CHATTER_COUNT = 3
"""Times an alarm is raised within `CHATTER_WINDOW` from which it chatters."""

CHATTER_WINDOW = HOUR
"""See `CHATTER_COUNT`, [s]. The usual first test is 3 in 1 min of a system that scans each second.
Here the plant is looked at once a scan, 60 s, and at high speed once a control period, 600 s, in
which an alarm cannot come more often than every 1,200 s: three then take 40 min."""

FLEETING = CONTROL_PERIOD
"""Longest life of a fleeting alarm, one gone before anybody could act, [s]."""

STALE = DAY
"""Time after which an alarm that still stands is stale, [s] (ISA-18.2-2016, IEC 62682)."""

TOP = 10
"""How many of the most frequent alarms are listed."""


class AlarmBook:
    """Counts of calls, by time, tag and priority.

    Attributes:
        began: Plant time of the first look at the plant, [s]; None before it.
        flood: Whether calls come faster than anybody can answer them.
        count: Calls since the start.
    """

    def __init__(self) -> None:
        self.began: float | None = None
        self.flood = False
        self.count = 0
        self._recent: deque[float] = deque()
        self._raised: dict[str, deque[float]] = {}
        self._periods: Counter[int] = Counter()
        self._by_tag: dict[int, Counter[str]] = {}
        self._by_priority: dict[int, Counter[str]] = {}
        self._fleeting: dict[int, Counter[str]] = {}

    def call(self, tag: str, priority: AlarmPriority, time: float, *, raised: bool) -> None:
        """Count one call at plant time `time`, [s]; `raised` if the alarm has come anew."""
        self.count += 1
        self._recent.append(time)
        if raised:
            self._raised.setdefault(tag, deque()).append(time)
        self._periods[_period(time)] += 1
        day = int(time // DAY)
        self._by_tag.setdefault(day, Counter())[tag] += 1
        self._by_priority.setdefault(day, Counter())[priority] += 1

    def cleared(self, alarm: Alarm, time: float) -> None:
        """Count an alarm that went by itself at plant time `time`, [s], if it was fleeting."""
        if not alarm.acknowledged and time - alarm.since <= FLEETING:
            self._fleeting.setdefault(int(time // DAY), Counter())[alarm.tag] += 1

    def look(self, time: float) -> bool:
        """Forget what is too old at plant time `time`, [s]; return whether the flood changed."""
        if self.began is None:
            self.began = time
        while self._recent and self._recent[0] <= time - PERIOD:
            self._recent.popleft()
        for tag, times in list(self._raised.items()):
            while times and times[0] <= time - CHATTER_WINDOW:
                times.popleft()
            if not times:
                del self._raised[tag]
        for period in [each for each in self._periods if each <= _period(time - WINDOW)]:
            del self._periods[period]
        for days in (self._by_tag, self._by_priority, self._fleeting):
            for day in [each for each in days if each < (time - WINDOW) // DAY]:
                del days[day]
        before = self.flood
        self.flood = len(self._recent) > (FLOOD_ENDS - 1 if self.flood else FLOOD_BEGINS)
        return self.flood != before

    def chatters(self, tag: str) -> bool:
        """Return whether an alarm has come so often of late that it says nothing any more."""
        return len(self._raised.get(tag, ())) >= CHATTER_COUNT

    def go_back(self, now: float) -> None:
        """Forget calls from after `now`, [s], to which plant time went back."""
        self._recent = deque(time for time in self._recent if time <= now)
        self._raised = {
            tag: deque(time for time in times if time <= now) for tag, times in self._raised.items()
        }
        if self.began is not None:
            self.began = min(self.began, now)

    def rates(self, time: float) -> dict[str, Any]:
        """Return how often people are called, at plant time `time`, [s].

        A mean is taken over at least one of its units, so that the first minutes of a run are not
        blown up to a day.
        """
        passed = 0.0 if self.began is None else min(time - self.began, WINDOW)
        last_day = range(_period(time - DAY) + 1, _period(time) + 1)
        day = sum(self._periods[period] for period in last_day)
        total = sum(self._periods.values())
        periods = max(passed / PERIOD, 1.0)
        floods = sum(count > FLOOD_BEGINS for count in self._periods.values())
        return {
            "per_10_min": day / max(min(passed, DAY) / PERIOD, 1.0),
            "per_hour": total / max(passed / HOUR, 1.0),
            "per_day": total / max(passed / DAY, 1.0),
            "peak_10_min": max(self._periods.values(), default=0),
            "flood": self.flood,
            "flood_percent": min(100.0 * floods / periods, 100.0),
        }

    def frequent(self) -> dict[str, Any]:
        """Return which alarms call most often, how urgent the calls are, and which are fleeting."""
        tags: Counter[str] = sum(self._by_tag.values(), Counter())
        priorities: Counter[str] = sum(self._by_priority.values(), Counter())
        total = max(tags.total(), 1)
        top = sorted(tags.items(), key=lambda each: (-each[1], each[0]))[:TOP]
        return {
            "top": [{"tag": tag, "count": count, "share": count / total} for tag, count in top],
            "top_10_percent": 100.0 * sum(count for _, count in top) / total,
            "by_priority": {name: priorities[name] for name in PRIORITIES},
            "fleeting": dict(sorted(sum(self._fleeting.values(), Counter[str]()).items())),
        }

    def state(self) -> dict[str, Any]:
        """Return the book as values that JSON carries."""
        return {
            "began": self.began,
            "flood": self.flood,
            "count": self.count,
            "recent": list(self._recent),
            "raised": {tag: list(times) for tag, times in self._raised.items()},
            "periods": sorted(self._periods.items()),
            "by_tag": _written(self._by_tag),
            "by_priority": _written(self._by_priority),
            "fleeting": _written(self._fleeting),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.began = state["began"]
        self.flood = state["flood"]
        self.count = state["count"]
        self._recent = deque(state["recent"])
        self._raised = {tag: deque(times) for tag, times in state["raised"].items()}
        self._periods = Counter(dict(state["periods"]))
        self._by_tag = _read(state["by_tag"])
        self._by_priority = _read(state["by_priority"])
        self._fleeting = _read(state["fleeting"])


def _period(time: float) -> int:
    """Return the number of the 10 min that end at or next after `time`, [s]."""
    return math.ceil(time / PERIOD)


def _written(days: Mapping[int, Counter[str]]) -> list[Any]:
    return [[day, dict(counts)] for day, counts in sorted(days.items())]


def _read(rows: Iterable[Any]) -> dict[int, Counter[str]]:
    return {day: Counter(counts) for day, counts in rows}


def figures_of(
    book: AlarmBook, alarms: Iterable[Alarm], time: float, not_rationalised: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the figures of the alarm system.

    Args:
        book: Counts of calls.
        alarms: Every alarm known.
        time: Plant time, [s].
        not_rationalised: Tags that were raised although no list defines them.
    """
    alarms = tuple(alarms)
    states = Counter(alarm.state for alarm in alarms)
    shown = [alarm for alarm in alarms if alarm.shown]
    return {
        "standing": sum(alarm.active for alarm in shown),
        "unacknowledged": states["unacknowledged"] + states["returned"],
        "shelved": states["shelved"],
        "suppressed": sum(
            alarm.state == "suppressed" and (alarm.active or alarm.suppressed) for alarm in alarms
        ),
        "out_of_service": states["out_of_service"],
        **book.rates(time),
        **book.frequent(),
        "chattering": sorted(alarm.tag for alarm in alarms if book.chatters(alarm.tag)),
        "stale": sorted(a.tag for a in shown if a.active and time - a.since > STALE),
        "not_rationalised": sorted(not_rationalised),
    }
