"""Shipped upsets are events that the plant understands."""

from __future__ import annotations

from itertools import pairwise

import pytest

from raffinate.plant.events import apply_events, event_names
from raffinate.runtime.upsets import DEFAULT_STORY, UPSETS
from raffinate.units import HOUR
from running_plants import nominal


@pytest.mark.parametrize("name", UPSETS)
def test_an_upset_changes_the_operation_only_while_it_lasts(name):
    plant, state = nominal()
    elements = plant.circuit.elements
    event = UPSETS[name].begun(10.0 * HOUR)
    assert event.name in event_names(elements)

    def operation(hour: float) -> str:
        return repr(apply_events(state.operation, [event], hour * HOUR, elements))

    assert operation(9.0) == operation(0.0)
    assert operation(10.5) != operation(0.0)
    if UPSETS[name].duration < float("inf"):
        assert operation(11.0 + UPSETS[name].duration / HOUR) == operation(0.0)


def test_the_story_is_the_three_upsets_in_order_with_days_between():
    times = [time / HOUR for time, _ in DEFAULT_STORY]
    assert times == sorted(times)
    assert min(b - a for a, b in pairwise(times)) > 72.0
    assert times[-1] < 30 * 24.0
    assert [name for _, name in DEFAULT_STORY] == [
        "saponification_low",
        "feed_nd_high",
        "scrub_pump_trip",
    ]
