"""Alarms are raised once and cleared once."""

from __future__ import annotations

from raffinate.runtime.alarms import AlarmList


def test_an_alarm_is_noted_when_it_comes_and_when_it_goes():
    alarms = AlarmList()
    raised = alarms.update({"xrf.stage 5": ("Reading is bad", "medium")}, 600.0)
    again = alarms.update({"xrf.stage 5": ("Reading is bad", "medium")}, 1200.0)
    cleared = alarms.update({}, 1800.0)
    assert [note.text for note in raised] == ["Reading is bad"]
    assert again == ()
    assert [note.text for note in cleared] == ["Cleared: Reading is bad"]
    assert alarms.standing == ()
    assert alarms.count == 1


def test_a_standing_alarm_keeps_its_time_and_takes_new_words():
    alarms = AlarmList()
    alarms.update({"a": ("bad", "medium")}, 600.0)
    assert alarms.update({"a": ("stale", "high")}, 1200.0) == ()
    (alarm,) = alarms.standing
    assert (alarm.text, alarm.priority, alarm.since) == ("stale", "high", 600.0)


def test_an_alarm_that_returns_counts_again():
    alarms = AlarmList()
    for time, found in ((0.0, {"a": ("x", "low")}), (600.0, {}), (1200.0, {"a": ("x", "low")})):
        alarms.update(found, time)
    assert alarms.count == 2
    assert alarms.standing[0].since == 1200.0
