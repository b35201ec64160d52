"""The states of one alarm, step by step."""

from __future__ import annotations

from raffinate.runtime.alarm_definitions import AlarmDefinition
from raffinate.runtime.alarm_states import (
    Alarm,
    acknowledge,
    alarm_from_dict,
    alarm_to_dict,
    follow,
    rebased,
    settle,
)

PLAIN = AlarmDefinition(tag="a", priority="low")
LATCHING = AlarmDefinition(tag="a", priority="low", latching=True)
WRONG = ("it is wrong", "low")


def step(alarm: Alarm, definition: AlarmDefinition, wrong: bool, time: float) -> tuple[Alarm, str]:
    after, change = settle(
        alarm,
        follow(alarm, definition, WRONG if wrong else None, time),  # type: ignore[arg-type]
        definition,
        time,
    )
    return after, change or ""


def test_every_state_has_one_way_in_and_out() -> None:
    alarm = Alarm(tag="a")
    assert alarm.state == "normal"
    alarm, change = step(alarm, LATCHING, True, 0.0)
    assert (alarm.state, change) == ("unacknowledged", "raised")
    seen = acknowledge(alarm, 60.0, "anna")
    assert seen.state == "acknowledged"
    assert step(seen, LATCHING, False, 120.0)[0].state == "normal"
    alarm, change = step(alarm, LATCHING, False, 120.0)
    assert (alarm.state, change) == ("returned", "returned")
    back, change = step(alarm, LATCHING, True, 180.0)
    assert (back.state, change) == ("unacknowledged", "raised")
    assert acknowledge(alarm, 180.0, "anna").state == "normal"


def test_an_alarm_that_does_not_latch_goes_without_being_seen() -> None:
    alarm, _ = step(Alarm(tag="a"), PLAIN, True, 0.0)
    alarm, change = step(alarm, PLAIN, False, 60.0)
    assert (alarm.state, change) == ("normal", "cleared")


def test_of_several_ways_of_being_put_aside_the_strictest_counts() -> None:
    alarm = Alarm(tag="a", shelved_until=100.0)
    assert alarm.state == "shelved"
    alarm = Alarm(tag="a", shelved_until=100.0, suppressed=True)
    assert alarm.state == "suppressed"
    alarm = Alarm(tag="a", shelved_until=100.0, suppressed_while="b", out_of_service=True)
    assert alarm.state == "out_of_service"


def test_a_latched_alarm_that_is_put_aside_is_answered_by_that() -> None:
    alarm, _ = step(Alarm(tag="a"), LATCHING, True, 0.0)
    alarm, _ = step(alarm, LATCHING, False, 60.0)
    aside = Alarm(**{**alarm_to_dict(alarm), "suppressed": True})
    aside, change = settle(alarm, aside, LATCHING, 120.0)
    assert change == "hidden"
    back, change = settle(
        aside, Alarm(**{**alarm_to_dict(aside), "suppressed": False}), LATCHING, 180.0
    )
    assert (back.state, change) == ("normal", "unhidden")


def test_an_off_delay_that_was_lengthened_holds() -> None:
    alarm, _ = step(Alarm(tag="a", off_delay=300.0), PLAIN, True, 0.0)
    alarm, change = step(alarm, PLAIN, False, 60.0)
    assert (alarm.active, change) == (True, "")
    alarm, change = step(alarm, PLAIN, False, 359.0)
    assert alarm.active
    alarm, change = step(alarm, PLAIN, False, 360.0)
    assert (alarm.active, change) == (False, "cleared")


def test_a_clock_that_went_back_leaves_no_time_in_the_future() -> None:
    alarm = Alarm(
        tag="a", active=True, since=500.0, gone_since=900.0, off_delay=300.0, shelved_until=1600.0
    )
    back = rebased(alarm, 800.0, 200.0)
    assert (back.since, back.gone_since, back.shelved_until) == (200.0, 200.0, 800.0)


def test_an_alarm_is_written_down_and_read_again() -> None:
    alarm = Alarm(tag="a", active=True, comment="seen", shelved_until=1.5, first_out=True)
    assert alarm_from_dict(alarm_to_dict(alarm)) == alarm
