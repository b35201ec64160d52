"""The alarm list of one plant: what is wrong, what people have done about it, and how often."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, get_args

from raffinate.errors import SpecificationError, nearest_name
from raffinate.runtime.alarm_actions import (
    ROLE_OF_ACTION,
    Action,
    check_state,
    done,
    may,
    note_of_action,
)
from raffinate.runtime.alarm_definitions import (
    PRIORITIES,
    AlarmDefinition,
    AlarmDefinitions,
    AlarmPriority,
)
from raffinate.runtime.alarm_figures import CHATTER_WINDOW, AlarmBook, figures_of
from raffinate.runtime.alarm_states import (
    CALLS,
    Alarm,
    Change,
    Finding,
    acknowledge,
    alarm_from_dict,
    alarm_to_dict,
    follow,
    rebased,
    settle,
)
from raffinate.runtime.messages import Note
from raffinate.units import HOUR

__all__ = ["ROLE_OF_ACTION", "Action", "Alarm", "AlarmList", "AlarmPriority", "Finding", "may"]

_WORDS: dict[Change, str] = {
    "raised": "{text}",
    "shown_again": "Shown again: {text}",
    "realarmed": "Still not mended: {text}",
    "cleared": "Cleared: {text}",
    "returned": "Gone, but not acknowledged: {text}",
    "unhidden": "No longer put aside: {tag}",
}


class AlarmList:
    """The alarms of one plant.

    Args:
        definitions: The rationalised list. Without one every alarm has the priority it is found
            with, no delay and no group, and clears by itself.
        tags: Tags that may be acted on although they were never raised, beside those that the list
            defines exactly.
    """

    def __init__(
        self, definitions: AlarmDefinitions | None = None, tags: Iterable[str] = ()
    ) -> None:
        self.definitions = definitions
        self._tags = frozenset(tags)
        self._alarms: dict[str, Alarm] = {}
        self._book = AlarmBook()
        self._time: float | None = None
        self._known: dict[str, AlarmDefinition] = {}

    @property
    def count(self) -> int:
        """How often the operator was called since the start."""
        return self._book.count

    @property
    def standing(self) -> tuple[Alarm, ...]:
        """Alarms on the operator's list, the oldest first; not what is put aside."""
        shown = [alarm for alarm in tuple(self._alarms.values()) if alarm.shown]
        return tuple(sorted(shown, key=lambda alarm: alarm.since))

    def definition(self, tag: str) -> AlarmDefinition:
        """Return the definition of a tag."""
        if tag not in self._known:
            if self.definitions is None:
                self._known[tag] = AlarmDefinition(tag=tag, priority="medium")
            else:
                self._known[tag] = self.definitions.of(tag)
        return self._known[tag]

    def beyond(self, tag: str, value: float, limit: float) -> bool:
        """Return whether a value is above its limit, both in the same unit and not negative.

        While the alarm stands, the value counts as beyond until it is below the limit by the
        deadband of its definition.
        """
        alarm = self._alarms.get(tag)
        if alarm is not None and (alarm.active or alarm.found_since is not None):
            limit *= 1.0 - self.definition(tag).deadband
        return value > limit

    def update(self, found: Mapping[str, Finding], time: float) -> tuple[Note, ...]:
        """Follow the plant, and return a note of every change.

        Args:
            found: Everything that is wrong now, by tag.
            time: Plant time, [s].
        """
        self._keep_time(time)
        before = {tag: self._alarms.get(tag) or self._new(tag) for tag in (*found, *self._alarms)}
        after = {
            tag: follow(alarm, self.definition(tag), self._finding(tag, found.get(tag)), time)
            for tag, alarm in before.items()
        }
        for tag, alarm in after.items():
            suppressor = self._suppressor(tag, after)
            if suppressor != alarm.suppressed_while:
                after[tag] = replace(alarm, suppressed_while=suppressor)
        changes = self._settle(before, after, time)
        self._mark_first_out(changes)
        notes = [self._note(tag, change, time) for tag, change in changes.items()]
        if self._book.look(time):
            notes.append(_flood_note(self._book.flood, time))
        return (*notes, *self._stretch(time))

    def _keep_time(self, time: float) -> None:
        if self._time is not None and time < self._time:
            shift = self._time - time
            self._alarms = {tag: rebased(a, shift, time) for tag, a in self._alarms.items()}
            self._book.go_back(time)
        self._time = time

    def _new(self, tag: str) -> Alarm:
        definition = self.definition(tag)
        return Alarm(tag=tag, priority=definition.priority, off_delay=definition.off_delay)

    def _finding(self, tag: str, finding: Finding | None) -> Finding | None:
        if finding is None or self.definitions is None:
            return finding
        return finding[0], self.definition(tag).priority

    def _suppressor(self, tag: str, alarms: Mapping[str, Alarm]) -> str:
        """Return the first alarm whose cause suppresses `tag` now; empty if none does.

        An alarm that an engineer has put aside suppresses nothing: both would be lost.
        """
        for other in self.definition(tag).suppressed_by:
            alarm = alarms.get(other)
            if alarm and alarm.active and not (alarm.out_of_service or alarm.suppressed):
                return other
        return ""

    def _settle(
        self, before: Mapping[str, Alarm], after: Mapping[str, Alarm], time: float
    ) -> dict[str, Change]:
        changes: dict[str, Change] = {}
        for tag, alarm in after.items():
            settled, change = settle(before[tag], alarm, self.definition(tag), time)
            by_design = alarm.suppressed_while or before[tag].suppressed_while
            # Nobody needs to hear that an alarm that is not there is suppressed or no longer.
            if change is not None and (alarm.active or change == "cleared" or not by_design):
                changes[tag] = change
            if change in CALLS:
                self._book.call(tag, settled.priority, time, raised=change == "raised")
            if change in ("cleared", "returned") and not alarm.hidden:
                self._book.cleared(alarm, time)
            self._alarms[tag] = settled
        return changes

    def _mark_first_out(self, changes: Mapping[str, Change]) -> None:
        """Mark, in each group that was quiet, the first of the alarms that have come."""
        raised = [tag for tag, change in changes.items() if change in ("raised", "shown_again")]
        for group in {self.definition(tag).group for tag in raised} - {""}:
            own = [a for a in self._alarms.values() if self.definition(a.tag).group == group]
            if any(alarm.shown and alarm.tag not in raised for alarm in own):
                continue
            coming = [tag for tag in raised if self.definition(tag).group == group]
            first = min(coming, key=self._place)
            self._alarms[first] = replace(self._alarms[first], first_out=True)

    def _place(self, tag: str) -> int:
        return 0 if self.definitions is None else self.definitions.place(tag)

    def _stretch(self, time: float) -> list[Note]:
        """Lengthen the off-delay of what chatters, where allowed; shorten it when that is over."""
        notes = []
        for tag, alarm in self._alarms.items():
            definition = self.definition(tag)
            longer = max(definition.off_delay, CHATTER_WINDOW)
            if not definition.auto_delay:
                continue
            if self._book.chatters(tag) and alarm.off_delay < longer:
                self._alarms[tag] = replace(alarm, off_delay=longer)
                text = f"{tag} chatters: it clears only after {longer / 60.0:.0f} min without it"
            elif alarm.off_delay > definition.off_delay and not (
                alarm.active or self._book.chatters(tag)
            ):
                self._alarms[tag] = replace(alarm, off_delay=definition.off_delay)
                text = f"{tag} no longer chatters: its own off-delay applies again"
            else:
                continue
            notes.append(Note(time=time, kind="alarm", text=text))
        return notes

    def _note(self, tag: str, change: Change, time: float) -> Note:
        alarm = self._alarms[tag]
        if change in ("raised_hidden", "hidden"):
            how = {
                "shelved": "shelved",
                "out_of_service": "out of service",
            }.get(alarm.state, "suppressed")
            if alarm.suppressed_while and how == "suppressed":
                how = f"suppressed while {alarm.suppressed_while} stands"
            text = f"Not shown, {how}: {alarm.text or tag}"
        else:
            text = _WORDS[change].format(text=alarm.text, tag=tag)
        priority = alarm.priority if change in CALLS else "info"
        return Note(time=time, kind="alarm", text=text, priority=priority)

    def act(
        self,
        action: Action,
        tag: str,
        time: float,
        who: str,
        hours: float | None = None,
        comment: str = "",
    ) -> Note:
        """Do what a person asks, and return a note that says who did it.

        Whether the person may is judged before, with `may`.

        Args:
            action: What to do.
            tag: With which alarm; not read by acknowledge_all.
            time: Plant time, [s].
            who: Name of the person.
            hours: How long to shelve, [h]. Without it an alarm is shelved until it has cleared,
                at most as long as its definition allows.
            comment: A remark or reason.

        Raises:
            SpecificationError: The action or the tag is unknown, or the alarm's state or
                definition does not allow it.
        """
        if action not in get_args(Action):
            raise SpecificationError(
                f"{action!r} is nothing that can be done.",
                where="alarms",
                mend=nearest_name(action, get_args(Action)),
            )
        if action == "acknowledge_all":
            return self._acknowledge_all(time, who, comment)
        alarm = self._acted_on(tag)
        check_state(action, alarm)
        longest = self.definition(tag).longest_shelving
        changed = done(action, alarm, longest, time, who, hours, comment)
        if action not in ("comment", "acknowledge"):
            changed, change = settle(alarm, changed, self.definition(tag), time)
            if change in CALLS:
                self._book.call(tag, changed.priority, time, raised=False)
        self._alarms[tag] = changed
        return note_of_action(action, changed, time, who, comment)

    def _acted_on(self, tag: str) -> Alarm:
        if tag in self._alarms:
            return self._alarms[tag]
        exact = () if self.definitions is None else self.definitions.definitions
        known = {*self._tags, *self._alarms, *(each.tag for each in exact if each.exact)}
        if tag not in known:
            raise SpecificationError(
                f"{tag!r} is no alarm.",
                where="alarms",
                mend=nearest_name(tag, tuple(sorted(known))) if known else "None has come yet.",
            )
        return self._new(tag)

    def _acknowledge_all(self, time: float, who: str, comment: str) -> Note:
        waiting = [a for a in self._alarms.values() if a.state in ("unacknowledged", "returned")]
        for alarm in waiting:
            self._alarms[alarm.tag] = acknowledge(alarm, time, who, comment)
        tags = ", ".join(alarm.tag for alarm in waiting) or "none waited"
        return Note(time=time, kind="alarm", text=f"All acknowledged by {who}: {tags}")

    def snapshot(self, time: float) -> list[dict[str, Any]]:
        """Return the alarms as the page and the OPC UA server show them, most urgent first.

        What is put aside comes last. During a flood the alarms of a group stand together behind
        the first out, and those of low priority are marked to be collapsed; none is left out.

        Args:
            time: Plant time, [s].
        """
        listed = [a for a in tuple(self._alarms.values()) if a.shown or _listed_aside(a)]
        return [self._row(alarm) for alarm in sorted(listed, key=self._order(listed))]

    def _order(self, listed: list[Alarm]) -> Any:
        def own(alarm: Alarm) -> tuple[Any, ...]:
            urgency = PRIORITIES.index(alarm.priority)
            return (alarm.hidden, urgency, alarm.acknowledged, -alarm.since, alarm.tag)

        if not self._book.flood:
            return own
        best: dict[str, tuple[Any, ...]] = {}
        for alarm in listed:
            group = self.definition(alarm.tag).group or alarm.tag
            best[group] = min(best.get(group, own(alarm)), own(alarm))

        def grouped(alarm: Alarm) -> tuple[Any, ...]:
            group = self.definition(alarm.tag).group or alarm.tag
            return (alarm.hidden, best[group], group, not alarm.first_out, alarm.since, alarm.tag)

        return grouped

    def _row(self, alarm: Alarm) -> dict[str, Any]:
        definition = self.definition(alarm.tag)
        until = alarm.shelved_until
        low = alarm.priority == "low" and not alarm.first_out
        return {
            "tag": alarm.tag,
            "text": alarm.text,
            "priority": alarm.priority,
            "since_h": alarm.since / HOUR,
            "state": alarm.state,
            "active": alarm.active,
            "acknowledged": alarm.acknowledged,
            "first_out": alarm.first_out,
            "cause": definition.cause,
            "consequence": definition.consequence,
            "action": definition.action,
            "shelved_until_h": None if until is None else until / HOUR,
            "one_shot": alarm.one_shot,
            "chattering": self._book.chatters(alarm.tag),
            "group": definition.group,
            "collapsed": self._book.flood and low and not alarm.hidden,
            "respond_within_min": definition.respond_within / 60.0,
            "longest_shelving_h": definition.longest_shelving / HOUR,
            "suppressed_while": alarm.suppressed_while,
            "acknowledged_by": alarm.acknowledged_by,
            "put_aside_by": alarm.put_aside_by,
            "comment": alarm.comment,
            "rationalised": definition.rationalised,
        }

    def figures(self, time: float) -> dict[str, Any]:
        """Return the figures of the alarm system at plant time `time`, [s]."""
        missing = [tag for tag in tuple(self._alarms) if not self.definition(tag).rationalised]
        collapsed = sum(row["collapsed"] for row in self.snapshot(time))
        found = figures_of(self._book, tuple(self._alarms.values()), time, missing)
        return {**found, "collapsed": collapsed}

    def state(self) -> dict[str, Any]:
        """Return everything remembered, as values that JSON carries."""
        return {
            "time": self._time,
            "alarms": [alarm_to_dict(alarm) for alarm in self._alarms.values()],
            "book": self._book.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned: a killed process forgets no acknowledgment."""
        self._time = state["time"]
        self._alarms = {}
        for alarm in map(alarm_from_dict, state["alarms"]):
            definition = self.definition(alarm.tag)
            # Only a lengthened off-delay is remembered; else the list may have been rewritten.
            delay = alarm.off_delay if definition.auto_delay else definition.off_delay
            self._alarms[alarm.tag] = replace(alarm, off_delay=delay)
        self._book = AlarmBook()
        self._book.restore(state["book"])


def _listed_aside(alarm: Alarm) -> bool:
    """Return whether an alarm is put aside by people, or by design while it is wrong."""
    by_people = alarm.suppressed or alarm.out_of_service or alarm.shelved_until is not None
    return alarm.hidden and (by_people or alarm.active)


def _flood_note(flood: bool, time: float) -> Note:
    text = "Alarm flood: look at the first of each group" if flood else "The alarm flood is over"
    return Note(time=time, kind="alarm", text=text)
