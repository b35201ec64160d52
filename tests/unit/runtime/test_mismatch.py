"""A virtual plant differs from its model, repeatably and within bounds."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.runtime.mismatch import (
    EFFICIENCY_SD,
    LEVEL_SD,
    METER_SD,
    SELECTIVITY_SD,
    draw_mismatch,
)
from running_plants import nominal


def draw(seed: int):
    return draw_mismatch(nominal()[0], np.random.default_rng(seed))


def test_the_same_seed_draws_the_same_plant():
    one, two = draw(3), draw(3)
    assert one.meter_bias == two.meter_bias
    np.testing.assert_array_equal(
        one.plant.circuit.system.log10_extraction_constant,
        two.plant.circuit.system.log10_extraction_constant,
    )
    assert draw(4).level != one.level


def test_constants_are_the_model_moved_by_level_and_selectivity():
    found = draw(5)
    before = np.array(nominal()[0].circuit.system.log10_extraction_constant)
    after = np.array(found.plant.circuit.system.log10_extraction_constant)
    middle = len(before) // 2
    assert after[middle] - before[middle] == pytest.approx(found.level)
    ratio = (10.0 ** np.diff(after) - 1.0) / (10.0 ** np.diff(before) - 1.0)
    np.testing.assert_allclose(ratio, found.selectivity, rtol=1e-9)


def test_every_draw_stays_within_two_sd():
    draws = [draw(seed) for seed in range(200)]
    level = np.array([each.level for each in draws])
    assert np.abs(level).max() <= 2.0 * LEVEL_SD + 1e-12
    assert level.std() == pytest.approx(LEVEL_SD, rel=0.25)
    factors = np.array([each.selectivity for each in draws])
    assert np.abs(factors - 1.0).max() <= 2.0 * SELECTIVITY_SD + 1e-12
    biases = np.array([list(each.meter_bias.values()) for each in draws])
    assert np.abs(biases).max() <= 2.0 * METER_SD + 1e-12
    assert np.ptp(biases, axis=1).min() > 0.0
    for each in draws:
        assert abs(each.efficiency) <= 2.0 * EFFICIENCY_SD
        for section in each.plant.circuit.sections:
            assert 0.0 < section.efficiency <= 1.0
