"""Samples pass once each, in order, and none from the future."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raffinate.instruments.reading import Reading
from raffinate.runtime.sample_gate import SampleGate


def sample(time: float, place: str = "stage 12") -> Reading:
    return Reading(
        place=place,
        sample_time=time,
        result_time=time + 150.0,
        elements=("Nd",),
        values=np.array([100.0]),
        covariance=np.array([[1.0]]),
        detection_limit=np.array([0.1]),
        quality="good",
        instrument="xrf",
    )


def test_a_duplicate_and_a_late_sample_are_refused_with_a_reason():
    gate, used, remarks = SampleGate().passed([sample(100.0), sample(400.0)], 600.0)
    assert [each.sample_time for each in used] == [100.0, 400.0]
    assert remarks == ()
    gate, used, remarks = gate.passed([sample(400.0), sample(250.0)], 1200.0)
    assert used == ()
    assert "150 s before" in remarks[0]
    assert "again" in remarks[1]
    assert gate.refused == 2


def test_streams_do_not_disturb_each_other():
    gate, _, _ = SampleGate().passed([sample(400.0)], 600.0)
    _, used, remarks = gate.passed([sample(100.0, "cepr")], 600.0)
    assert len(used) == 1
    assert remarks == ()


def test_a_sample_from_the_future_is_refused():
    gate, used, remarks = SampleGate().passed([sample(5000.0)], 600.0)
    assert used == ()
    assert "in the future" in remarks[0]
    _, used, _ = gate.passed([sample(500.0)], 600.0)
    assert len(used) == 1


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.randoms())
def test_shuffled_and_repeated_samples_give_each_at_most_once_and_in_order(times, randomly):
    parts = [float(time) for time in times]
    randomly.shuffle(parts)
    gate, taken = SampleGate(), []
    for start in range(0, len(parts), 7):
        gate, used, _ = gate.passed([sample(time) for time in parts[start : start + 7]], 100.0)
        taken += [each.sample_time for each in used]
    assert taken == sorted(set(taken))
    assert gate.refused == len(parts) - len(taken)
    assert max(taken) == max(parts)
