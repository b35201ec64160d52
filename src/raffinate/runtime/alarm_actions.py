"""What people do with alarms: who may, in which state it makes sense, and what it changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from raffinate.errors import SpecificationError
from raffinate.runtime.alarm_states import Alarm, acknowledge, without_shelving
from raffinate.runtime.messages import Note
from raffinate.runtime.tags import Role
from raffinate.units import HOUR

Action = Literal[
    "acknowledge",
    "acknowledge_all",
    "comment",
    "shelve",
    "unshelve",
    "suppress",
    "unsuppress",
    "out_of_service",
    "in_service",
]
"""What people do with alarms."""

ROLE_OF_ACTION: dict[Action, Role] = {
    "acknowledge": "operator",
    "acknowledge_all": "operator",
    "comment": "operator",
    "shelve": "operator",
    "unshelve": "operator",
    "suppress": "engineer",
    "unsuppress": "engineer",
    "out_of_service": "engineer",
    "in_service": "engineer",
}
"""Lowest role that may do it."""

_PEOPLE: tuple[Role, ...] = ("viewer", "operator", "engineer")


def may(role: Role, action: Action) -> bool:
    """Return whether people of this role may do this; programs may do none of it."""
    if role not in _PEOPLE:
        return False
    return _PEOPLE.index(role) >= _PEOPLE.index(ROLE_OF_ACTION[action])


def done(
    action: Action,
    alarm: Alarm,
    longest_shelving: float,
    time: float,
    who: str,
    hours: float | None,
    comment: str,
) -> Alarm:
    """Return the alarm after somebody's action, before its calls are settled.

    Args:
        action: Any but acknowledge_all.
        alarm: Before.
        longest_shelving: By its definition, [s].
        time: Plant time, [s].
        who: Name of the person.
        hours: How long to shelve, [h]; None for until it has cleared.
        comment: A remark or reason.

    Raises:
        SpecificationError: It may not be shelved, or not so long.
    """
    alarm = replace(alarm, comment=comment or alarm.comment)
    if action == "comment":
        return alarm
    if action == "acknowledge":
        return acknowledge(alarm, time, who, comment)
    if action == "unshelve":
        return replace(without_shelving(alarm), put_aside_by="")
    if action == "unsuppress":
        return replace(alarm, suppressed=False, put_aside_by="")
    if action == "in_service":
        return replace(alarm, out_of_service=False, put_aside_by="")
    alarm = replace(alarm, put_aside_by=who, first_out=False)
    if action == "shelve":
        span = _shelving(alarm.tag, longest_shelving, hours)
        return replace(alarm, shelved_until=time + span, one_shot=hours is None)
    if action == "suppress":
        return replace(alarm, suppressed=True)
    return replace(alarm, out_of_service=True)


def _shelving(tag: str, longest: float, hours: float | None) -> float:
    """Return how long to shelve, [s]."""
    if longest <= 0.0:
        raise SpecificationError(
            f"{tag} may not be shelved.",
            where="alarms",
            mend="Acknowledge it, and mend its cause.",
        )
    span = longest if hours is None else hours * HOUR
    if not 0.0 < span <= longest:
        raise SpecificationError(
            f"{tag} is to be shelved for {span / HOUR:g} h.",
            where="alarms",
            allowed=f"above 0 to {longest / HOUR:g} h",
        )
    return span


def check_state(action: Action, alarm: Alarm) -> None:
    """Refuse what makes no sense in the state the alarm is in.

    Raises:
        SpecificationError: Its state does not allow it.
    """
    waiting = alarm.state in ("unacknowledged", "returned")
    sensible = {
        "acknowledge": (waiting, "it waits for no acknowledgment"),
        "shelve": (alarm.state not in ("suppressed", "out_of_service"), "it is put aside already"),
        "unshelve": (alarm.shelved_until is not None, "it is not shelved"),
        "suppress": (not alarm.suppressed, "it is suppressed already"),
        "unsuppress": (alarm.suppressed, "no engineer has suppressed it"),
        "out_of_service": (not alarm.out_of_service, "it is out of service already"),
        "in_service": (alarm.out_of_service, "it is in service"),
    }
    allowed, why = sensible.get(action, (True, ""))
    if not allowed:
        raise SpecificationError(
            f"{action.replace('_', ' ')} of {alarm.tag}: {why}.",
            where="alarms",
            mend=f"Its state is {alarm.state.replace('_', ' ')}.",
        )


def note_of_action(action: Action, alarm: Alarm, time: float, who: str, comment: str) -> Note:
    """Return the line for the event log; an alarm that is shown again keeps its priority in it."""
    what = {
        "acknowledge": "Acknowledged",
        "comment": "Remark",
        "shelve": "Shelved until cleared",
        "unshelve": "Unshelved",
        "suppress": "Suppressed",
        "unsuppress": "No longer suppressed",
        "out_of_service": "Taken out of service",
        "in_service": "Put in service",
    }[action]
    if action == "shelve" and alarm.shelved_until is not None and not alarm.one_shot:
        what = f"Shelved for {(alarm.shelved_until - time) / HOUR:g} h"
    text = f"{what} by {who}: {alarm.text or alarm.tag}"
    if comment:
        text += f" ({comment})"
    returning = action in ("unshelve", "unsuppress", "in_service") and alarm.shown
    return Note(
        time=time, kind="alarm", text=text, priority=alarm.priority if returning else "info"
    )
