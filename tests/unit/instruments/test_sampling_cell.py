"""Washout of the flow cell, and readings freed of what was in it before."""

from __future__ import annotations

import math

import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.instruments.reading import Reading
from raffinate.instruments.sampling_cell import FlowCell, freed_of_carry_over

CELL = FlowCell()


def reading(values, sigma=0.0):
    values = np.asarray(values, dtype=float)
    return Reading(
        place="stage 5",
        sample_time=80.0,
        result_time=180.0,
        elements=("Ce", "Nd"),
        values=values,
        covariance=sigma**2 * np.eye(2),
        detection_limit=np.full(2, 0.5),
        quality="good",
        instrument="xrf",
    )


def test_nothing_arrives_before_the_line_is_pushed_out():
    assert CELL.share_left(0.5 * CELL.dead_time) == 1.0
    assert CELL.share_left(CELL.dead_time + CELL.time_constant) == pytest.approx(math.exp(-1.0))


def test_the_stirred_cell_follows_its_balance():
    """dV/dt of what it held: V dc/dt = Q (c_in - c), integrated by small steps."""
    held, step = 1.0, 1e-3
    for _ in range(round(30.0 / step)):
        held -= step * held / CELL.time_constant
    assert CELL.share_left(CELL.dead_time + 30.0) == pytest.approx(held, rel=1e-3)


def test_the_purge_for_a_share_leaves_that_share():
    assert CELL.share_left(CELL.purge_for(1e-4)) == pytest.approx(1e-4)
    with pytest.raises(SpecificationError, match="share of 0"):
        CELL.purge_for(0.0)


def test_the_stated_doubt_is_the_spread_of_drawn_time_constants():
    generator = np.random.default_rng(1)
    drawn = [
        FlowCell(cell_volume=CELL.cell_volume * (1.0 + 0.01 * z)).share_left(80.0)
        for z in generator.standard_normal(4000)
    ]
    stated = FlowCell(relative_sd=0.01).share_sd(80.0)
    assert np.std(drawn) == pytest.approx(stated, rel=0.05)


def test_a_reading_of_the_mixture_becomes_one_of_the_stream():
    stream, before = np.array([1.0, 300.0]), np.array([900.0, 2.0])
    mixed = CELL.filled(before, stream, 40.0)
    assert mixed[0] > 50.0
    freed = freed_of_carry_over(reading(mixed), reading(before), CELL, 40.0)
    np.testing.assert_allclose(freed.values, stream, rtol=1e-12)
    doubtful = freed_of_carry_over(reading(mixed, 0.1), reading(before, 0.1), CELL, 40.0)
    assert "carry_over" in doubtful.flags
    long = freed_of_carry_over(reading(stream, 0.1), reading(before, 0.1), CELL, 300.0)
    assert long.flags == ()


def test_the_covariance_covers_the_spread_of_corrected_readings():
    stream, before = np.array([1.0, 300.0]), np.array([900.0, 2.0])
    known, generator, misses = FlowCell(relative_sd=0.02), np.random.default_rng(2), []
    for _ in range(1500):
        factor = 1.0 + known.relative_sd * generator.standard_normal()
        true = FlowCell(cell_volume=known.cell_volume * factor)
        mixed = true.filled(before, stream, 60.0) + generator.standard_normal(2)
        held = before + generator.standard_normal(2)
        freed = freed_of_carry_over(reading(mixed, 1.0), reading(held, 1.0), known, 60.0)
        misses.append((freed.values - stream) / freed.sigma)
    np.testing.assert_allclose(np.std(misses, axis=0), 1.0, atol=0.08)


def test_a_limit_grows_with_what_may_have_been_carried_over():
    before = reading([900.0, 2.0], 0.1)
    freed = freed_of_carry_over(reading([2.0, 300.0], 0.1), before, CELL, 80.0)
    assert freed.detection_limit[0] > 1.0
    assert freed_of_carry_over(before, None, CELL, 80.0) is before


def test_a_purge_that_does_not_reach_the_cell_is_refused():
    with pytest.raises(SpecificationError, match="does not reach"):
        freed_of_carry_over(reading([1.0, 1.0]), reading([2.0, 2.0]), CELL, 10.0)
    with pytest.raises(SpecificationError, match="flow cell"):
        FlowCell(flow=0.0)
