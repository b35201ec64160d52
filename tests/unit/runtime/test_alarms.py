"""The alarm list: what is raised, what people may do, what is put aside, and what is never lost."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from contextlib import suppress
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raffinate.errors import SpecificationError
from raffinate.plant.plant_file import load_plant
from raffinate.runtime.alarm_definitions import alarm_tags
from raffinate.runtime.alarm_list_file import load_alarm_list
from raffinate.runtime.alarms import AlarmList, Finding
from raffinate.runtime.messages import Note
from raffinate.units import HOUR

LOST = "plc.interlock.organic_lost"
DEVIATION = "organic_flow.deviation"


@cache
def tags() -> tuple[str, ...]:
    return alarm_tags(load_plant("ceprnd_p507"))


DEFINITIONS = load_alarm_list()


def shipped() -> AlarmList:
    return AlarmList(DEFINITIONS, tags=tags())


def found(*tags: str) -> dict[str, Finding]:
    return {tag: (f"{tag} is wrong", "low") for tag in tags}


def texts(notes: tuple[Note, ...]) -> list[str]:
    return [note.text for note in notes]


def states(alarms: AlarmList, time: float = 0.0) -> Mapping[str, str]:
    return {row["tag"]: row["state"] for row in alarms.snapshot(time)}


def test_an_alarm_is_noted_when_it_comes_and_when_it_goes() -> None:
    alarms = AlarmList()
    raised = alarms.update({"xrf.stage 5": ("Reading is bad", "medium")}, 600.0)
    again = alarms.update({"xrf.stage 5": ("Reading is bad", "medium")}, 1200.0)
    cleared = alarms.update({}, 1800.0)
    assert [(note.kind, note.text, note.priority) for note in raised] == [
        ("alarm", "Reading is bad", "medium")
    ]
    assert again == ()
    assert texts(cleared) == ["Cleared: Reading is bad"]
    assert alarms.standing == ()
    assert alarms.count == 1


def test_a_standing_alarm_keeps_its_time_and_takes_new_words() -> None:
    alarms = AlarmList()
    alarms.update({"a": ("bad", "medium")}, 600.0)
    assert alarms.update({"a": ("stale", "high")}, 1200.0) == ()
    (alarm,) = alarms.standing
    assert (alarm.text, alarm.priority, alarm.since) == ("stale", "high", 600.0)


def test_an_alarm_that_returns_counts_again() -> None:
    alarms = AlarmList()
    for time, now in ((0.0, {"a": ("x", "low")}), (600.0, {}), (1200.0, {"a": ("x", "low")})):
        alarms.update(now, time)  # type: ignore[arg-type]
    assert alarms.count == 2
    assert alarms.standing[0].since == 1200.0


def test_the_list_decides_the_priority_and_says_what_to_do() -> None:
    alarms = shipped()
    (note,) = alarms.update({LOST: ("Organic lost", "low")}, 60.0)
    (row,) = alarms.snapshot(60.0)
    assert (note.priority, row["priority"]) == ("high", "high")
    assert "spare organic pump" in row["action"]
    assert row["since_h"] == pytest.approx(60.0 / HOUR)
    assert (row["state"], row["active"], row["first_out"]) == ("unacknowledged", True, True)


def test_a_tag_that_nobody_has_rationalised_is_shown_and_flagged() -> None:
    alarms = shipped()
    (note,) = alarms.update({"pump.noise": ("Pump hums", "high")}, 60.0)
    (row,) = alarms.snapshot(60.0)
    assert note.priority == "medium"
    assert row["rationalised"] is False
    assert alarms.figures(60.0)["not_rationalised"] == ["pump.noise"]


def test_what_is_found_for_less_than_the_on_delay_calls_nobody() -> None:
    alarms = shipped()
    assert alarms.update(found(DEVIATION), 60.0) == ()
    assert alarms.update(found(DEVIATION), 120.0) == ()
    assert alarms.snapshot(120.0) == []
    alarms.update({}, 180.0)
    assert alarms.update(found(DEVIATION), 240.0) == ()
    assert len(alarms.update(found(DEVIATION), 360.0)) == 1
    assert alarms.standing[0].since == 360.0


def test_what_is_gone_for_less_than_the_off_delay_still_stands() -> None:
    alarms = shipped()
    for time in (60.0, 180.0):
        alarms.update(found(DEVIATION), time)
    assert alarms.update({}, 240.0) == ()
    assert alarms.update(found(DEVIATION), 300.0) == ()
    assert alarms.update({}, 360.0) == ()
    assert texts(alarms.update({}, 480.0)) == [f"Cleared: {DEVIATION} is wrong"]
    assert alarms.count == 1


def test_a_value_must_come_back_by_the_deadband_once_its_alarm_stands() -> None:
    alarms = shipped()
    assert not alarms.beyond(DEVIATION, 0.09, 0.10)
    assert alarms.beyond(DEVIATION, 0.11, 0.10)
    alarms.update(found(DEVIATION), 60.0)
    alarms.update(found(DEVIATION), 180.0)
    assert alarms.beyond(DEVIATION, 0.09, 0.10)
    assert not alarms.beyond(DEVIATION, 0.079, 0.10)


def test_a_latching_alarm_stays_until_somebody_has_seen_it() -> None:
    alarms = shipped()
    alarms.update(found(LOST), 60.0)
    (note,) = alarms.update({}, 120.0)
    assert note.text == f"Gone, but not acknowledged: {LOST} is wrong"
    assert states(alarms) == {LOST: "returned"}
    note = alarms.act("acknowledge", LOST, 180.0, "anna")
    assert note.text == f"Acknowledged by anna: {LOST} is wrong"
    assert alarms.snapshot(180.0) == []


def test_a_latching_alarm_that_was_seen_goes_by_itself() -> None:
    alarms = shipped()
    alarms.update(found(LOST), 60.0)
    alarms.act("acknowledge", LOST, 90.0, "anna", comment="on my way")
    (row,) = alarms.snapshot(90.0)
    assert (row["state"], row["acknowledged_by"], row["comment"]) == (
        "acknowledged", "anna", "on my way",
    )  # fmt: skip
    assert texts(alarms.update({}, 120.0)) == [f"Cleared: {LOST} is wrong"]
    assert alarms.standing == ()


def test_an_alarm_nobody_mends_calls_again() -> None:
    alarms = shipped()
    alarms.update(found(LOST), 0.0)
    alarms.act("acknowledge", LOST, 60.0, "anna")
    assert alarms.update(found(LOST), 3600.0) == ()
    (note,) = alarms.update(found(LOST), 3660.0)
    assert (note.text, note.priority) == (f"Still not mended: {LOST} is wrong", "high")
    assert states(alarms) == {LOST: "unacknowledged"}
    assert alarms.count == 2


def test_single_readings_stay_aside_while_the_whole_analyzer_is_lost() -> None:
    alarms = shipped()
    notes = alarms.update(found("xrf", "xrf.stage 5", "xrf.stage 10"), 600.0)
    assert texts(notes) == [
        "xrf is wrong",
        "Not shown, suppressed while xrf stands: xrf.stage 5 is wrong",
        "Not shown, suppressed while xrf stands: xrf.stage 10 is wrong",
    ]
    assert [note.priority for note in notes] == ["low", "info", "info"]
    assert states(alarms)["xrf.stage 5"] == "suppressed"
    assert [alarm.tag for alarm in alarms.standing] == ["xrf"]
    assert alarms.count == 1
    figures = alarms.figures(600.0)
    assert (figures["standing"], figures["suppressed"]) == (1, 2)


def test_a_latched_alarm_is_not_answered_by_a_suppression_by_design() -> None:
    alarms = shipped()
    alarms.update(found("nd.purity"), 0.0)
    alarms.update({}, 600.0)
    alarms.update({}, 1200.0)
    assert states(alarms) == {"nd.purity": "returned"}
    assert texts(alarms.update(found("link.plant"), 1800.0)) == ["link.plant is wrong"]
    assert states(alarms) == {"link.plant": "unacknowledged"}
    alarms.update({}, 2400.0)
    assert states(alarms)["nd.purity"] == "returned"


def test_a_reading_that_is_still_wrong_after_its_suppression_is_shown_again() -> None:
    alarms = shipped()
    alarms.update(found("xrf", "xrf.stage 5", "xrf.stage 10"), 600.0)
    # The analyzer is back; its off-delay gives the places one round to speak for themselves.
    assert alarms.update(found("xrf.stage 5", "xrf.stage 10"), 1200.0) == ()
    assert texts(alarms.update(found("xrf.stage 5"), 1800.0)) == ["Cleared: xrf.stage 10 is wrong"]
    notes = alarms.update(found("xrf.stage 5"), 3000.0)
    assert set(texts(notes)) == {"Cleared: xrf is wrong", "Shown again: xrf.stage 5 is wrong"}
    assert states(alarms) == {"xrf.stage 5": "unacknowledged"}


def test_an_alarm_that_an_engineer_put_aside_suppresses_nothing() -> None:
    alarms = shipped()
    alarms.update(found("xrf", "xrf.stage 5"), 600.0)
    alarms.act("out_of_service", "xrf", 660.0, "eva")
    notes = alarms.update(found("xrf", "xrf.stage 5"), 1200.0)
    assert texts(notes) == ["Shown again: xrf.stage 5 is wrong"]


def test_a_shelved_alarm_comes_back_when_its_time_is_over() -> None:
    alarms = shipped()
    for time in (0.0, 120.0):
        alarms.update(found(DEVIATION), time)
    note = alarms.act("shelve", DEVIATION, 180.0, "anna", hours=1.5, comment="meter in repair")
    assert note.text == f"Shelved for 1.5 h by anna: {DEVIATION} is wrong (meter in repair)"
    (row,) = alarms.snapshot(180.0)
    assert (row["state"], row["shelved_until_h"]) == ("shelved", pytest.approx(1.55))
    assert alarms.update(found(DEVIATION), 180.0 + 1.4 * HOUR) == ()
    (back,) = alarms.update(found(DEVIATION), 180.0 + 1.5 * HOUR)
    assert (back.text, back.priority) == (f"Shown again: {DEVIATION} is wrong", "medium")
    assert states(alarms) == {DEVIATION: "unacknowledged"}


def test_shelving_without_hours_ends_as_soon_as_the_alarm_has_cleared() -> None:
    alarms = shipped()
    alarms.update(found("lab.nd"), 0.0)
    alarms.act("shelve", "lab.nd", 60.0, "anna")
    alarms.update({}, 120.0)
    assert alarms.snapshot(120.0) == []
    assert texts(alarms.update(found("lab.nd"), 180.0)) == ["lab.nd is wrong"]


def test_an_alarm_raised_on_the_shelf_calls_nobody_until_it_is_taken_down() -> None:
    alarms = shipped()
    alarms.act("shelve", "lab.nd", 0.0, "anna", hours=2.0)
    (note,) = alarms.update(found("lab.nd"), 60.0)
    assert (note.text, note.priority) == ("Not shown, shelved: lab.nd is wrong", "info")
    assert alarms.count == 0
    note = alarms.act("unshelve", "lab.nd", 120.0, "bert")
    assert (note.text, note.priority) == ("Unshelved by bert: lab.nd is wrong", "low")
    assert alarms.count == 1
    assert states(alarms) == {"lab.nd": "unacknowledged"}


def test_what_an_engineer_puts_aside_stays_listed_until_an_engineer_takes_it_back() -> None:
    alarms = shipped()
    alarms.act("suppress", "lab.cepr", 0.0, "eva", comment="no lab on Sundays")
    alarms.act("out_of_service", "archive.failed", 0.0, "eva")
    alarms.update(found("lab.cepr", "archive.failed"), 3600.0)
    alarms.update({}, 30.0 * 24.0 * HOUR)
    assert states(alarms) == {"lab.cepr": "suppressed", "archive.failed": "out_of_service"}
    alarms.act("unsuppress", "lab.cepr", 30.0 * 24.0 * HOUR, "eva")
    alarms.act("in_service", "archive.failed", 30.0 * 24.0 * HOUR, "eva")
    assert states(alarms) == {}
    assert alarms.count == 0


def test_all_that_wait_are_acknowledged_at_once_and_named() -> None:
    alarms = shipped()
    alarms.update(found(LOST, "lab.nd", "xrf", "xrf.cepr"), 60.0)
    note = alarms.act("acknowledge_all", "", 120.0, "anna")
    assert note.text == f"All acknowledged by anna: {LOST}, lab.nd, xrf"
    assert alarms.figures(120.0)["unacknowledged"] == 0
    again = alarms.act("acknowledge_all", "", 180.0, "anna")
    assert again.text == "All acknowledged by anna: none waited"


def test_the_first_of_a_group_is_marked_and_a_cause_wins_within_one_scan() -> None:
    alarms = shipped()
    flow = "scrub_flow.deviation"
    alarms.update(found("nd.purity", LOST, flow), 0.0)
    alarms.update(found("nd.purity", LOST, flow), 120.0)
    marked = [row["tag"] for row in alarms.snapshot(120.0) if row["first_out"]]
    assert marked == [LOST]


def test_a_group_that_was_quiet_again_marks_a_new_first() -> None:
    alarms = shipped()
    alarms.update(found("cepr.purity"), 0.0)
    alarms.act("acknowledge", "cepr.purity", 60.0, "anna")
    alarms.update({}, 700.0)
    alarms.update({}, 1300.0)
    alarms.update(found("nd.purity"), 1900.0)
    assert [row["first_out"] for row in alarms.snapshot(1900.0)] == [True]
    alarms.update(found("nd.purity", "cepr.purity"), 2500.0)
    marked = {row["tag"]: row["first_out"] for row in alarms.snapshot(2500.0)}
    assert marked == {"nd.purity": True, "cepr.purity": False}


def test_in_a_flood_groups_stand_together_and_nothing_is_lost() -> None:
    alarms = shipped()
    many = [f"guard.kind {n}" for n in range(7)] + ["nd.purity", "plc.watchdog", "link.gap"]
    alarms.update(found(*many), 60.0)
    assert alarms.figures(60.0)["flood"] is False
    notes = alarms.update(found(*many, "lab.nd"), 120.0)
    assert texts(notes)[-1] == "Alarm flood: look at the first of each group"
    rows = alarms.snapshot(120.0)
    assert {row["tag"] for row in rows} == {*many, "lab.nd"}
    groups = [row["group"] for row in rows]
    assert groups == sorted(groups, key=groups.index)
    control = [row for row in rows if row["group"] == "control"]
    assert control[0]["tag"] == "plc.watchdog"
    assert control[0]["first_out"]
    collapsed = {row["tag"] for row in rows if row["collapsed"]}
    assert collapsed == {f"guard.kind {n}" for n in range(7)}
    assert alarms.figures(120.0)["collapsed"] == 7
    notes = alarms.update(found(*many, "lab.nd"), 800.0)
    assert texts(notes) == ["The alarm flood is over"]
    assert not any(row["collapsed"] for row in alarms.snapshot(800.0))


def test_without_a_flood_the_most_urgent_that_nobody_has_seen_stands_first() -> None:
    alarms = shipped()
    alarms.update(found("lab.nd", LOST, "nd.purity", "cepr.purity"), 60.0)
    alarms.act("acknowledge", "cepr.purity", 70.0, "anna")
    alarms.act("shelve", "lab.nd", 80.0, "anna", hours=1.0)
    order = [row["tag"] for row in alarms.snapshot(80.0)]
    assert order == [LOST, "nd.purity", "cepr.purity", "lab.nd"]


def flutter(alarms: AlarmList, tag: str, begin: float, times: int) -> float:
    time = begin
    for _ in range(times):
        alarms.update(found(tag), time)
        alarms.update({}, time + 600.0)
        time += 1200.0
    return time


def test_what_chatters_is_marked_and_waits_longer_before_it_clears() -> None:
    alarms = shipped()
    flutter(alarms, "xrf.nd", 0.0, 2)
    notes = alarms.update(found("xrf.nd"), 2400.0)
    assert "xrf.nd chatters: it clears only after 60 min without it" in texts(notes)
    assert alarms.figures(2400.0)["chattering"] == ["xrf.nd"]
    assert alarms.snapshot(2400.0)[0]["chattering"] is True
    count = alarms.count
    time = flutter(alarms, "xrf.nd", 3600.0, 5)
    assert alarms.count == count
    assert states(alarms) == {"xrf.nd": "unacknowledged"}
    notes = alarms.update({}, time + HOUR)
    assert texts(notes) == [
        "Cleared: xrf.nd is wrong",
        "xrf.nd no longer chatters: its own off-delay applies again",
    ]


def test_what_chatters_keeps_its_off_delay_where_the_list_does_not_allow_more() -> None:
    alarms = shipped()
    flutter(alarms, "lab.nd", 0.0, 2)
    notes = alarms.update(found("lab.nd"), 2400.0)
    assert texts(notes) == ["lab.nd is wrong"]
    assert alarms.figures(2400.0)["chattering"] == ["lab.nd"]
    assert texts(alarms.update({}, 3000.0)) == ["Cleared: lab.nd is wrong"]


def test_a_killed_process_forgets_no_acknowledgment_and_no_count() -> None:
    alarms = shipped()
    alarms.update(found(LOST, "lab.nd", "xrf.nd", "xrf", DEVIATION), 60.0)
    alarms.act("acknowledge", LOST, 120.0, "anna", comment="seen")
    alarms.act("shelve", "lab.nd", 120.0, "anna", hours=2.0)
    alarms.act("suppress", "archive.failed", 120.0, "eva")
    state = alarms.state()
    assert pickle.loads(pickle.dumps(state)) == state
    again = shipped()
    again.restore(json.loads(json.dumps(state)))
    assert again.snapshot(180.0) == alarms.snapshot(180.0)
    assert again.figures(180.0) == alarms.figures(180.0)
    # Delays go on where they were, and nothing that stood is raised a second time.
    later = found(LOST, "lab.nd", "xrf.nd", "xrf", DEVIATION)
    assert again.update(later, 240.0) == alarms.update(later, 240.0)
    assert again.count == alarms.count


def test_a_clock_that_goes_back_neither_raises_nor_loses_anything() -> None:
    alarms = shipped()
    alarms.update(found("lab.nd", "lab.cepr"), 40.0 * HOUR)
    alarms.act("shelve", "lab.nd", 40.0 * HOUR, "anna", hours=2.0)
    assert alarms.update(found("lab.nd", "lab.cepr"), HOUR) == ()
    rows = {row["tag"]: row for row in alarms.snapshot(HOUR)}
    assert rows["lab.nd"]["shelved_until_h"] == pytest.approx(3.0)
    assert rows["lab.cepr"]["since_h"] == pytest.approx(1.0)
    assert texts(alarms.update(found("lab.nd", "lab.cepr"), 3.0 * HOUR)) == [
        "Shown again: lab.nd is wrong"
    ]


@pytest.mark.parametrize(
    ("action", "tag", "hours", "words"),
    [
        ("acknowledge", "lab.neodym", None, "Did you mean 'lab.nd'"),
        ("acknowledge", "lab.nd", None, "waits for no acknowledgment"),
        ("shelve", "lab.nd", 25.0, "Allowed: above 0 to 24 h"),
        ("shelve", "lab.nd", 0.0, "shelved for 0 h"),
        ("shelve", "lab.nd", float("nan"), "shelved for nan h"),
        ("shelve", LOST, 1.0, "may not be shelved"),
        ("unshelve", "lab.nd", None, "it is not shelved"),
        ("unsuppress", "lab.nd", None, "no engineer has suppressed it"),
        ("in_service", "lab.nd", None, "it is in service"),
        ("forget", "lab.nd", None, "'forget' is nothing that can be done"),
    ],
)
def test_what_is_not_allowed_is_refused_with_its_reason(
    action: str, tag: str, hours: float | None, words: str
) -> None:
    alarms = shipped()
    with pytest.raises(SpecificationError, match=words):
        alarms.act(action, tag, 60.0, "anna", hours=hours)  # type: ignore[arg-type]
    assert alarms.snapshot(60.0) == []


@given(
    st.lists(
        st.tuples(
            st.sets(st.sampled_from(["xrf", "xrf.nd", "lab.nd", LOST, DEVIATION, "link.plant"])),
            st.sampled_from(["", "acknowledge", "shelve", "unshelve", "suppress", "unsuppress"]),
            st.sampled_from(["xrf", "xrf.nd", "lab.nd", LOST]),
            st.sampled_from([60.0, 600.0, 3600.0]),
        ),
        max_size=30,
    )
)
def test_whatever_happens_everything_wrong_is_listed_and_the_figures_add_up(
    steps: list[tuple[set[str], str, str, float]],
) -> None:
    alarms, time, called = shipped(), 0.0, 0
    for wrong, action, tag, pause in steps:
        time += pause
        notes = list(alarms.update(found(*wrong), time))
        if action:
            with suppress(SpecificationError):
                notes.append(alarms.act(action, tag, time, "anna"))  # type: ignore[arg-type]
        called += sum(note.priority != "info" for note in notes)
        rows = {row["tag"]: row for row in alarms.snapshot(time)}
        for each in wrong - {DEVIATION}:
            assert rows[each]["active"]
        figures = alarms.figures(time)
        waiting = [r for r in rows.values() if r["state"] in ("unacknowledged", "returned")]
        assert figures["unacknowledged"] == len(waiting)
        assert figures["shelved"] == sum(row["state"] == "shelved" for row in rows.values())
    assert alarms.count == called
