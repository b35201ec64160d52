"""Streams over a short time, and tanks that mix them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from raffinate.plant.network_path import StreamPath, amounts_at, constant_path, curvature
from raffinate.plant.network_stream import Stream, StreamAxis
from raffinate.plant.network_tank import TankMoment, filled_tank, overflow, tank_after

AXIS = StreamAxis(("La", "Ce"), "chloride")


def stream(la: float, ce: float, flow: float = 2.0e-4) -> Stream:
    return Stream(flow=flow, amount=np.array([la, ce, 0.0, 3.0 * (la + ce), 0.0, 0.0]))


def course(shares):
    """A parabola between two streams, with its mean by Simpson's rule, which is exact for it."""
    low, middle, high = stream(1.0, 2.0).amount, stream(1.5, 1.8).amount, stream(3.0, 1.0).amount
    mean = (low + 4.0 * middle + high) / 6.0
    path = StreamPath(
        begin=Stream(flow=2e-4, amount=low),
        mean=Stream(flow=2e-4, amount=mean),
        end=Stream(flow=2e-4, amount=high),
    )
    s = shares[:, None]
    exact = (
        low * (2.0 * s - 1.0) * (s - 1.0)
        + 4.0 * s * (1.0 - s) * middle
        + s * (2.0 * s - 1.0) * high
    )
    return path, exact


def test_a_parabola_is_met_everywhere():
    path, exact = course(np.linspace(0.0, 1.0, 7))
    np.testing.assert_allclose(amounts_at(path, np.linspace(0.0, 1.0, 7)), exact, rtol=1e-12)


def test_a_trace_that_falls_by_decades_is_not_swung_below_zero():
    ends = np.exp(np.linspace(0.0, -9.0, 2))
    mean = (ends[0] - ends[1]) / 9.0
    path = StreamPath(begin=stream(1.0, ends[0]), mean=stream(1.0, mean), end=stream(1.0, ends[1]))
    between = amounts_at(path, np.linspace(0.0, 1.0, 30))[:, 1]
    assert (between >= 0.5 * ends[1]).all()


def test_curvature_is_nothing_for_an_even_course_and_its_share_otherwise():
    even = StreamPath(begin=stream(1.0, 4.0), mean=stream(1.5, 3.0), end=stream(2.0, 2.0))
    assert curvature(AXIS, even) == pytest.approx(0.0, abs=1e-12)
    bowed = StreamPath(begin=stream(1.0, 4.0), mean=stream(1.5, 3.0), end=stream(2.3, 2.0))
    assert curvature(AXIS, bowed) == pytest.approx(0.15 / 1.5, rel=1e-5)
    trace = StreamPath(begin=stream(1.0, 0.0), mean=stream(1.0, 1e-12), end=stream(1.0, 0.0))
    assert curvature(AXIS, trace) < 1e-5, "nobody cares for a trace of a trace"


@pytest.mark.parametrize("duration", [1e-3, 60.0, 3600.0, 2.0e5])
def test_a_tank_follows_its_inflow_as_the_equation_says(duration):
    """From far below the residence time, where the formula is a series, to far above it."""
    tank = filled_tank(stream(0.2, 0.1), 5000.0)
    path = StreamPath(begin=stream(0.3, 0.2), mean=stream(0.5, 0.15), end=stream(0.7, 0.1))

    def rate(time, held):
        inflow = path.begin.amount + (path.end.amount - path.begin.amount) * time / duration
        return inflow - held * path.mean.flow / float(tank.volume)

    found = solve_ivp(rate, (0.0, duration), tank.amount, method="LSODA", rtol=1e-11, atol=1e-13).y[
        :, -1
    ]
    out = overflow(tank, path, duration)
    after = tank_after(tank, path.mean, out.mean, duration)
    np.testing.assert_allclose(after.amount[:4], found[:4], rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(
        out.end.amount[:4], found[:4] * path.mean.flow / float(tank.volume), rtol=1e-7, atol=1e-15
    )
    np.testing.assert_allclose(
        tank.amount + duration * (path.mean.amount - out.mean.amount), after.amount, rtol=1e-14
    )
    assert float(after.volume) == float(tank.volume)


def test_a_level_that_strayed_comes_back():
    tank = TankMoment(np.asarray(1.1), stream(0.2, 0.1).amount, np.asarray(1.0))
    for _ in range(400):
        inflow = constant_path(stream(0.2, 0.1))
        out = overflow(tank, inflow, 100.0)
        tank = tank_after(tank, inflow.mean, out.mean, 100.0)
    assert float(tank.volume) == pytest.approx(1.0, rel=1e-3)


def test_a_tank_never_gives_more_than_it_has():
    tank = TankMoment(np.asarray(1.0), stream(0.2, 0.1).amount, np.asarray(0.1))
    out = overflow(tank, constant_path(stream(0.2, 0.1)), 1.0e6)
    after = tank_after(tank, stream(0.2, 0.1), out.mean, 1.0e6)
    assert float(after.volume) > 0.0
    assert (after.amount >= 0.0).all()
