"""The flow meter."""

from __future__ import annotations

import math

import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.instruments.flow_meter import FlowMeter


def test_bias_stays_and_noise_averages_out():
    meter = FlowMeter(bias=0.01, relative_sd=0.003)
    readings = meter.measure(np.full(20000, 2e-3), np.random.default_rng(50))
    assert readings.mean() / 2e-3 == pytest.approx(1.01, abs=1e-4)
    assert readings.std() / 2e-3 == pytest.approx(0.003, rel=0.03)


def test_a_stopped_pump_reads_nothing():
    assert FlowMeter(bias=0.01).measure(0.0, np.random.default_rng(0)) == 0.0


def test_the_true_flow_is_the_one_that_reads_so_on_average():
    meter = FlowMeter(bias=-0.02, relative_sd=0.0)
    true = meter.true_flow(np.array([1e-3, 4e-3]))
    assert meter.measure(true, np.random.default_rng(0)) == pytest.approx(np.array([1e-3, 4e-3]))
    assert true[0] > 1e-3


@pytest.mark.parametrize("flow", [-1.0, math.nan, math.inf, [1.0, math.nan]])
def test_flows_that_cannot_be_are_refused(flow):
    with pytest.raises(SpecificationError, match="flow meter organic"):
        FlowMeter(name="organic").measure(flow, np.random.default_rng(0))


@pytest.mark.parametrize(
    "changes",
    [{"bias": -1.0}, {"bias": math.nan}, {"relative_sd": -0.1}, {"relative_sd": math.inf}],
)
def test_meters_that_cannot_be_are_refused(changes):
    with pytest.raises(SpecificationError, match="flow meter"):
        FlowMeter(**changes)
