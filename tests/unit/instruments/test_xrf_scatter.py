import math

import numpy as np
import pytest

from raffinate.instruments.xrf_scatter import (
    compton_energy,
    compton_shape,
    compton_spread,
    electron_momentum,
)


def test_compton_energy_follows_the_formula():
    assert compton_energy(20216.0, math.pi / 2) == pytest.approx(
        20216.0 / (1 + 20216.0 / 510998.95)
    )
    assert compton_energy(20216.0, 0.0) == pytest.approx(20216.0)


def test_an_electron_at_rest_scatters_to_the_compton_energy():
    centre = compton_energy(20216.0, 2.0)
    assert electron_momentum(20216.0, centre, 2.0) == pytest.approx(0.0, abs=1e-9)
    assert electron_momentum(20216.0, centre - 100.0, 2.0) < 0.0


def test_compton_peak_is_centred_and_widens_with_bound_electrons():
    grid = np.arange(16e3, 20e3, 4.0)
    shapes = {symbol: compton_shape(symbol, 20216.0, 2.3, grid) for symbol in ("H", "O", "Fe")}
    centre = float(compton_energy(20216.0, 2.3))
    heights = []
    for shape in shapes.values():
        assert np.sum(shape) == pytest.approx(1.0)
        assert grid[np.argmax(shape)] == pytest.approx(centre, abs=40.0)
        heights.append(np.max(shape))
    assert heights[0] > heights[1] > heights[2]


def test_no_photon_gains_energy():
    grid = np.arange(2500.0, 2900.0, 4.0)
    shape = compton_shape("O", 2700.0, 1.5, grid)
    assert np.all(shape[grid >= 2700.0] == 0.0)


def test_spread_grows_with_energy():
    spread = compton_spread("O", np.array([5e3, 20e3, 40e3]), 1.6)
    assert np.all(np.diff(spread) > 0.0)
    assert 100.0 < spread[1] < 400.0
