"""The rota of the analyzer."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raffinate.errors import SpecificationError
from raffinate.instruments.schedule import SampleSchedule

STAGES = ("stage_6", "stage_14", "stage_22", "stage_32", "stage_44", "stage_56")
PRODUCTS = ("cepr", "nd")
PLAIN = SampleSchedule(streams=STAGES + PRODUCTS)
EAGER = SampleSchedule(streams=STAGES, priority=PRODUCTS, every=3)


def test_streams_come_in_turn():
    assert tuple(PLAIN.slot(k).stream for k in range(10)) == (*STAGES, *PRODUCTS, *STAGES[:2])


def test_a_slot_is_a_purge_and_a_count():
    slot = PLAIN.slot(3)
    assert (slot.purge_time, slot.sample_time, slot.result_time) == (540.0, 620.0, 720.0)
    assert PLAIN.slot_time == 180.0
    assert PLAIN.longest_interval("nd") == 8 * 180.0


def test_products_come_every_third_time_and_stages_keep_their_turn():
    seen = [EAGER.slot(k).stream for k in range(36)]
    assert seen[2::3] == ["cepr", "nd"] * 6
    assert [stream for stream in seen if stream in STAGES] == list(STAGES) * 4
    assert EAGER.longest_interval("cepr") == 6 * 180.0
    assert EAGER.longest_interval("stage_6") == 9 * 180.0


@given(
    st.integers(1, 6),
    st.integers(0, 3),
    st.integers(2, 5),
    st.floats(0, 300),
    st.floats(10, 300),
    st.floats(-1e4, 1e4),
)
def test_every_stream_is_visited_within_its_longest_interval(
    ordinary, favoured, every, purge, count, start
):
    rota = SampleSchedule(
        streams=tuple(f"s{k}" for k in range(ordinary)),
        priority=tuple(f"p{k}" for k in range(favoured)),
        every=every,
        purge_time=purge,
        count_time=count,
        start=start,
    )
    for stream in (*rota.streams, *rota.priority):
        visits = [k for k in range(200) if rota.slot(k).stream == stream]
        gaps = [b - a for a, b in pairwise(visits)]
        assert max(gaps) * rota.slot_time == pytest.approx(rota.longest_interval(stream))


@pytest.mark.parametrize("scan", [60.0, 90.0, 180.0, 1000.0])
@pytest.mark.parametrize("which", ["sampled", "completed"])
def test_no_scan_length_loses_or_repeats_a_measurement(which, scan):
    found = []
    ends = [scan * k for k in range(int(36000 / scan) + 1)]
    for end in ends:
        slots = getattr(PLAIN, which)(end - scan, end)
        found += [slot.index for slot in slots]
        times = [slot.sample_time if which == "sampled" else slot.result_time for slot in slots]
        assert all(end - scan < time <= end for time in times)
    assert found == list(range(len(found)))
    assert len(found) >= 200


def test_the_slot_under_way_is_a_function_of_time():
    assert PLAIN.slot_at(-0.1) is None
    assert PLAIN.slot_at(0.0) == PLAIN.slot(0)
    assert PLAIN.slot_at(179.9) == PLAIN.slot(0)
    assert PLAIN.slot_at(180.0) == PLAIN.slot(1)


@pytest.mark.parametrize(
    "changes",
    [
        {"streams": ()},
        {"streams": ("a", "a")},
        {"priority": ("a",)},
        {"priority": ("c",), "every": 1},
        {"count_time": 0.0},
        {"purge_time": -1.0},
        {"start": math.nan},
    ],
)
def test_rotas_that_cannot_be_are_refused(changes):
    with pytest.raises(SpecificationError, match="sample schedule"):
        SampleSchedule(**({"streams": ("a", "b")} | changes))


def test_unknown_streams_and_slots_are_refused():
    with pytest.raises(SpecificationError, match="Did you mean 'cepr'"):
        PLAIN.longest_interval("cpr")
    with pytest.raises(SpecificationError, match="slot -1"):
        PLAIN.slot(-1)
