"""The states of one alarm after ISA-18.2, as a pure function of what is found and what people do.

| state | found wrong | shown | waits for |
|---|---|---|---|
| normal | no | no | – |
| unacknowledged | yes | yes | an acknowledgment |
| acknowledged | yes | yes | its mending |
| returned | no | yes | an acknowledgment (latching alarms only) |
| shelved | either | aside | its expiry, or someone who unshelves it |
| suppressed | either | aside | the end of its condition, or an engineer |
| out_of_service | either | aside | an engineer |
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from raffinate.runtime.alarm_definitions import AlarmDefinition, AlarmPriority

AlarmState = Literal[
    "normal",
    "unacknowledged",
    "acknowledged",
    "returned",
    "shelved",
    "suppressed",
    "out_of_service",
]

HIDDEN: tuple[AlarmState, ...] = ("shelved", "suppressed", "out_of_service")
"""States in which an alarm is put aside: it is followed, but nobody is called."""

Change = Literal[
    "raised",
    "shown_again",
    "realarmed",
    "raised_hidden",
    "hidden",
    "cleared",
    "returned",
    "unhidden",
]
"""The first three call the operator; raised_hidden, hidden and unhidden do not."""

CALLS: tuple[Change, ...] = ("raised", "shown_again", "realarmed")
"""Changes that are annunciated: they call for the operator's attention."""

Finding = tuple[str, AlarmPriority]
"""What is wrong now, in words, and how urgent it is where no definition says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Everything remembered of one alarm.

    Attributes:
        tag: What it is about.
        text: In words.
        priority: How urgent it is.
        since: Plant time at which it was last raised, [s].
        active: Whether it is wrong, delays considered.
        acknowledged: Whether the last call has been answered.
        found_since: Plant time since which it is found without being raised yet, [s].
        gone_since: Plant time since which it is gone without being cleared yet, [s].
        off_delay: Off-delay in force, [s].
        acknowledged_at: Plant time of the last acknowledgment, [s].
        acknowledged_by: Who gave it.
        shelved_until: End of its shelving, plant time, [s].
        one_shot: Whether the shelving ends as soon as it is cleared.
        suppressed_while: Tag of the alarm by whose cause it is suppressed by design; or empty.
        suppressed: Whether an engineer has suppressed it.
        out_of_service: Whether an engineer has taken it out of service.
        put_aside_by: Who shelved or suppressed it or took it out of service.
        comment: The last remark.
        first_out: Whether it was the first of its group.
    """

    tag: str
    text: str = ""
    priority: AlarmPriority = "low"
    since: float = 0.0
    active: bool = False
    acknowledged: bool = True
    found_since: float | None = None
    gone_since: float | None = None
    off_delay: float = 0.0
    acknowledged_at: float = 0.0
    acknowledged_by: str = ""
    shelved_until: float | None = None
    one_shot: bool = False
    suppressed_while: str = ""
    suppressed: bool = False
    out_of_service: bool = False
    put_aside_by: str = ""
    comment: str = ""
    first_out: bool = False

    @property
    def state(self) -> AlarmState:
        """Its state; of several ways of being put aside the strictest counts."""
        if self.out_of_service:
            return "out_of_service"
        if self.suppressed or self.suppressed_while:
            return "suppressed"
        if self.shelved_until is not None:
            return "shelved"
        if self.active:
            return "acknowledged" if self.acknowledged else "unacknowledged"
        return "normal" if self.acknowledged else "returned"

    @property
    def hidden(self) -> bool:
        """Whether it is put aside."""
        return self.state in HIDDEN

    @property
    def shown(self) -> bool:
        """Whether it is on the operator's list."""
        return self.state in ("unacknowledged", "acknowledged", "returned")


def follow(
    alarm: Alarm, definition: AlarmDefinition, finding: Finding | None, time: float
) -> Alarm:
    """Return the alarm after a look at the plant: delays run, shelving ends, it comes or goes.

    Args:
        alarm: Before.
        definition: Of its tag.
        finding: What is wrong; None if nothing is.
        time: Plant time, [s].
    """
    if alarm.shelved_until is not None and time >= alarm.shelved_until:
        alarm = without_shelving(alarm)
    if finding is None:
        return _gone(alarm, time)
    text, priority = finding
    if (alarm.text, alarm.priority, alarm.gone_since) != (text, priority, None):
        alarm = replace(alarm, text=text, priority=priority, gone_since=None)
    if alarm.active:
        return alarm
    since = time if alarm.found_since is None else alarm.found_since
    if time - since < definition.on_delay:
        return replace(alarm, found_since=since)
    return replace(alarm, active=True, since=time, found_since=None)


def _gone(alarm: Alarm, time: float) -> Alarm:
    if alarm.found_since is not None:
        alarm = replace(alarm, found_since=None)
    if not alarm.active:
        return alarm
    since = time if alarm.gone_since is None else alarm.gone_since
    if time - since < alarm.off_delay:
        return replace(alarm, gone_since=since)
    alarm = replace(alarm, active=False, gone_since=None)
    return without_shelving(alarm) if alarm.one_shot else alarm


def without_shelving(alarm: Alarm) -> Alarm:
    """Return the alarm off the shelf."""
    return replace(alarm, shelved_until=None, one_shot=False)


def settle(
    before: Alarm, after: Alarm, definition: AlarmDefinition, time: float
) -> tuple[Alarm, Change | None]:
    """Return the alarm with its call for attention set or withdrawn, and what has changed.

    Args:
        before: As it was.
        after: As the plant and people have made it since.
        definition: Of its tag.
        time: Plant time, [s].
    """
    if after.active and not before.active:
        after = replace(after, acknowledged=False)
        return after, "raised_hidden" if after.hidden else "raised"
    if before.hidden and before.active and not after.active:
        return replace(after, acknowledged=True, first_out=False), "cleared"
    if before.hidden and not after.hidden:
        change: Change = "shown_again" if after.active else "unhidden"
        return replace(after, acknowledged=after.acknowledged and not after.active), change
    if after.hidden and not before.hidden:
        # Whoever puts a latched alarm aside has seen it; a condition that does so has not.
        seen = after.acknowledged or not after.suppressed_while
        return replace(after, acknowledged=seen and not after.active), "hidden"
    if before.active and not after.active:
        if definition.latching and not after.acknowledged:
            return after, "returned"
        return replace(after, acknowledged=True, first_out=False), "cleared"
    if _due_again(after, definition, time):
        return replace(after, acknowledged=False), "realarmed"
    return after, None


def _due_again(alarm: Alarm, definition: AlarmDefinition, time: float) -> bool:
    if definition.realarm_after is None or alarm.state != "acknowledged":
        return False
    return time - alarm.acknowledged_at >= definition.realarm_after


def acknowledge(alarm: Alarm, time: float, who: str, comment: str = "") -> Alarm:
    """Return the alarm acknowledged; one that has returned becomes normal."""
    return replace(
        alarm,
        acknowledged=True,
        acknowledged_at=time,
        acknowledged_by=who,
        comment=comment or alarm.comment,
        first_out=alarm.first_out and alarm.active,
    )


def rebased(alarm: Alarm, shift: float, now: float) -> Alarm:
    """Return the alarm after plant time went back by `shift` to `now`, both [s].

    Times that have passed stay in the past, and a shelving lasts no longer than it was to last.
    """
    until = alarm.shelved_until
    return replace(
        alarm,
        since=min(alarm.since, now),
        found_since=None if alarm.found_since is None else min(alarm.found_since, now),
        gone_since=None if alarm.gone_since is None else min(alarm.gone_since, now),
        acknowledged_at=min(alarm.acknowledged_at, now),
        shelved_until=None if until is None else until - shift,
    )


def alarm_to_dict(alarm: Alarm) -> dict[str, Any]:
    """Return the alarm as plain values."""
    return asdict(alarm)


def alarm_from_dict(found: dict[str, Any]) -> Alarm:
    """Return the alarm that `alarm_to_dict` wrote down."""
    return Alarm(**found)
