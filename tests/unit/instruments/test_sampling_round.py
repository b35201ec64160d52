"""A sampling plan under way."""

from __future__ import annotations

import pytest

from raffinate.errors import SpecificationError
from raffinate.instruments.sampling import Line, Request, SamplingPlan
from raffinate.instruments.sampling_round import SamplingRound


def line(name, *, kind="stream", longest=3600.0, shortest=0.0):
    return Line(
        name=name,
        count_time=100.0,
        purge_time=80.0,
        longest_interval=longest,
        kind=kind,
        shortest_interval=shortest,
    )


def begun(*lines):
    plan = SamplingPlan(lines=lines)
    return SamplingRound(plan=plan, state=plan.start(0.0))


def samples(round_, until, requests=()):
    found = []
    while True:
        round_, slot = round_.next_sample(until, requests)
        if slot is None:
            return round_, found
        found.append(slot)


def test_every_measurement_comes_once_whatever_the_periods():
    whole, all_ = samples(begun(line("a"), line("b")), 3600.0)
    split, parts = begun(line("a"), line("b")), []
    for end in range(60, 3601, 60):
        split, found = samples(split, float(end))
        parts += found
    assert parts == all_
    assert split == whole
    assert [slot.index for slot in parts] == list(range(20))


def test_a_stream_is_chosen_when_the_cell_is_free_and_not_before():
    round_, first = samples(begun(line("a"), line("b")), 280.0)
    assert [slot.stream for slot in first] == ["a", "b"]
    assert round_.open is None
    _, found = samples(round_, 600.0, (Request(stream="b", worth=1.0),))
    assert (found[0].stream, found[0].why) == ("b", "asked")


def test_a_stream_never_seen_goes_before_every_request():
    _, found = samples(begun(line("a"), line("b")), 300.0, (Request(stream="a", worth=9.0),))
    assert [(slot.stream, slot.why) for slot in found] == [("a", "rota"), ("b", "rota")]


def test_a_request_waits_for_the_shortest_interval_of_its_stream():
    round_, _ = samples(begun(line("a", shortest=500.0), line("b")), 100.0)
    asked = (Request(stream="a", worth=9.0), Request(stream="b", worth=1.0))
    _, found = samples(round_, 1000.0, asked)
    assert [slot.stream for slot in found] == ["b", "b", "a", "b", "b"]


def test_a_check_follows_at_once_when_it_is_due_again():
    round_, found = samples(begun(line("a"), line("s", kind="standard", longest=28800.0)), 700.0)
    assert [slot.stream for slot in found] == ["s", "a", "a", "a"]
    _, again = samples(round_.due_again("s"), 1000.0)
    assert (again[0].stream, again[0].why) == ("s", "check")


def test_a_stream_is_no_check_that_could_be_due_again():
    with pytest.raises(SpecificationError, match="a is a stream"):
        begun(line("a")).due_again("a")


def test_a_shortest_interval_beyond_the_longest_is_refused():
    with pytest.raises(SpecificationError, match="line a"):
        line("a", longest=100.0, shortest=100.0)
