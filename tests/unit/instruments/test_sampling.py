"""The round of one analyzer over many streams."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raffinate.errors import SpecificationError
from raffinate.instruments.sampling import Line, Request, SamplingPlan

STREAMS = tuple(
    Line(name=f"s{k}", count_time=100.0, purge_time=80.0, longest_interval=7200.0) for k in range(5)
)
PLAN = SamplingPlan(lines=STREAMS)


def visits(plan, count, requests=()):
    state, found = plan.start(0.0), []
    for _ in range(count):
        state, slot = plan.next_stream(state, requests)
        found.append(slot)
    return found


def test_without_requests_equal_streams_come_in_turn():
    assert [slot.stream for slot in visits(PLAN, 11)] == [f"s{k % 5}" for k in range(11)]


def test_a_slot_purges_before_it_counts_and_slots_follow_without_a_gap():
    slots = visits(PLAN, 3)
    assert (slots[0].purge_time, slots[0].sample_time, slots[0].result_time) == (0.0, 80.0, 180.0)
    assert slots[1].purge_time == slots[0].result_time
    assert [slot.index for slot in slots] == [0, 1, 2]


def test_a_stream_with_a_shorter_interval_comes_more_often():
    eager = Line(name="nd", count_time=100.0, purge_time=80.0, longest_interval=900.0)
    seen = [slot.stream for slot in visits(SamplingPlan(lines=(*STREAMS, eager)), 60)]
    assert seen.count("nd") > 2 * seen.count("s0")


def test_each_stream_counts_for_its_own_time():
    slow = Line(name="slow", count_time=300.0, purge_time=80.0, longest_interval=7200.0)
    slots = visits(SamplingPlan(lines=(STREAMS[0], slow)), 2)
    assert slots[1].result_time - slots[1].sample_time == 300.0


def test_the_request_of_greatest_worth_is_measured_next():
    asked = (Request(stream="s1", worth=1.0), Request(stream="s3", worth=2.0))
    state = PLAN.start(0.0)
    for _ in range(5):
        state, _ = PLAN.next_stream(state)
    assert PLAN.next_stream(state, asked)[1].stream == "s3"
    assert PLAN.next_stream(state, asked[:1])[1].stream == "s1"


def test_a_request_without_worth_leaves_the_round_as_it_is():
    asked = (Request(stream="s3", worth=0.0),)
    assert [x.stream for x in visits(PLAN, 7, asked)] == [x.stream for x in visits(PLAN, 7)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([line.name for line in STREAMS]), min_size=120, max_size=120))
def test_no_request_makes_a_stream_wait_much_beyond_its_interval(wanted):
    state, last, gaps = PLAN.start(0.0), {}, []
    for stream in wanted:
        state, slot = PLAN.next_stream(state, (Request(stream=stream, worth=1.0),))
        gaps.append(slot.sample_time - last.get(slot.stream, slot.sample_time))
        last[slot.stream] = slot.sample_time
    assert max(gaps) <= 7200.0 + len(STREAMS) * 180.0


def test_the_same_state_and_requests_give_the_same_measurement():
    asked = (Request(stream="s2", worth=1.0),)
    state, _ = PLAN.next_stream(PLAN.start(0.0))
    first, second = (PLAN.next_stream(state, asked) for _ in range(2))
    assert first == second


def test_blanks_and_standards_come_when_they_are_due_whatever_is_asked_for():
    blank = Line(
        name="blank", count_time=100.0, purge_time=80.0, longest_interval=3600.0, kind="blank"
    )
    plan = SamplingPlan(lines=(*STREAMS, blank))
    slots = visits(plan, 200, (Request(stream="s0", worth=9.0),))
    times = [slot.sample_time for slot in slots if slot.stream == "blank"]
    assert times[0] == 80.0
    assert all(3600.0 <= b - a <= 3600.0 + 180.0 for a, b in itertools.pairwise(times))


def test_a_check_cannot_be_asked_for_as_a_stream():
    blank = Line(name="b", count_time=100.0, purge_time=0.0, longest_interval=1e4, kind="blank")
    plan = SamplingPlan(lines=(STREAMS[0], blank))
    state, _ = plan.next_stream(plan.start(0.0))
    with pytest.raises(SpecificationError, match="b is asked for"):
        plan.next_stream(state, (Request(stream="b", worth=1.0),))
    with pytest.raises(SpecificationError, match="not led to"):
        plan.next_stream(state, (Request(stream="s9", worth=1.0),))
    with pytest.raises(SpecificationError, match="worth nan"):
        plan.next_stream(state, (Request(stream="s0", worth=math.nan),))


def test_more_than_the_analyzer_can_do_is_refused():
    busy = Line(name="busy", count_time=100.0, purge_time=80.0, longest_interval=200.0)
    with pytest.raises(SpecificationError, match="in every second"):
        SamplingPlan(lines=(*STREAMS, busy))


@pytest.mark.parametrize(
    "change", [{"count_time": 0.0}, {"purge_time": -1.0}, {"longest_interval": math.inf}]
)
def test_impossible_times_are_refused(change):
    times = {"count_time": 100.0, "purge_time": 80.0, "longest_interval": 7200.0} | change
    with pytest.raises(SpecificationError, match="line a"):
        Line(name="a", **times)
