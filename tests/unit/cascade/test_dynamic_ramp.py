"""A bank whose feed moves evenly in time."""

from __future__ import annotations

import numpy as np
import pytest

from plant_variants import SMALL, restaged
from raffinate.cascade.bank import FeedRamp, streams_at
from raffinate.cascade.dynamic import Span, begin, integrate
from raffinate.numerics.jax_setup import given
from raffinate.plant.arrays import chemistry_of, problem_of
from raffinate.plant.steady import solve_steady

HOUR = 3600.0
DURATION = 8.0 * HOUR
GROWTH = 0.6


@pytest.fixture(scope="module")
def bank(default_plant):
    plant = restaged(default_plant, SMALL)
    state = solve_steady(plant)
    circuit = plant.operated(plant.operation()).circuit
    chemistry, problem = chemistry_of(circuit.system), problem_of(circuit)
    return chemistry, problem, begin(chemistry, problem, state.unknowns, np.float64(1.0))


def moved(chemistry, problem, motion, until, tolerance=1e-8):
    span = Span(
        until=given(np.float64(until)),
        changed=given(np.bool_(True)),
        short=given(np.bool_(False)),
        tolerance=given(np.float64(tolerance)),
        longest=given(np.float64(HOUR)),
    )
    crossed = 0.0
    while float(motion.time) < until:
        motion, _ = integrate(chemistry, problem, motion, span, 32)
        crossed = crossed + np.asarray(motion.crossed.fed)
    return motion, crossed


def ramped(problem, growth, time):
    """The first feed gains `growth` of itself in the whole time."""
    rows = np.asarray(problem.streams.feed_concentration)
    slope = np.zeros_like(rows)
    slope[0] = growth * rows[0] / DURATION
    ramp = FeedRamp(given(slope), given(np.float64(time)))
    return problem._replace(streams=problem.streams._replace(ramp=ramp))


def test_a_ramp_is_the_limit_of_ever_shorter_stairs(bank):
    """Stairs at the mean of their time err by the square of their length: half, and a quarter."""
    chemistry, problem, start = bank
    smooth, fed = moved(chemistry, ramped(problem, GROWTH, 0.0), start, DURATION)
    found = np.asarray(smooth.held.settler_aqueous)[:8, :3]
    errors = []
    for count in (96, 192):
        motion = start
        for index in range(count):
            middle = (index + 0.5) * DURATION / count
            streams = streams_at(ramped(problem, GROWTH, 0.0).streams, middle)
            step = ramped(problem._replace(streams=streams), 0.0, 0.0)
            motion, _ = moved(chemistry, step, motion, (index + 1) * DURATION / count)
        stairs = np.asarray(motion.held.settler_aqueous)[:8, :3]
        errors.append(np.abs(stairs / found - 1.0).max())
    assert 1e-7 < errors[1] < 1e-6
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.1)
    rows, flows = np.array(problem.streams.feed_concentration), problem.streams.feed_flow
    rows[0] *= 1.0 + 0.5 * GROWTH
    np.testing.assert_allclose(fed, np.asarray(flows) @ rows * DURATION, rtol=1e-10)


def test_a_ramp_that_does_not_rise_is_no_ramp(bank):
    chemistry, problem, start = bank
    plain, _ = moved(chemistry, problem, start, HOUR, 1e-3)
    flat, _ = moved(chemistry, ramped(problem, 0.0, 5.0 * HOUR), start, HOUR, 1e-3)
    np.testing.assert_allclose(
        np.asarray(flat.held.mixer), np.asarray(plain.held.mixer), rtol=1e-12
    )
