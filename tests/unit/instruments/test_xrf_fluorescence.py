import math

import numpy as np
import pytest
from scipy.integrate import dblquad, quad
from scipy.special import exp1

from raffinate.instruments.xrf_atomic import atom
from raffinate.instruments.xrf_fluorescence import (
    Beam,
    Emission,
    Lines,
    all_lines,
    fluorescence,
    merge,
    prune,
)

NOBODY = np.zeros(0, dtype=np.int_)


def _one_line(component):
    return Lines(
        component=np.array([component]),
        row=np.array([component]),
        energy=np.array([5000.0 + 1000.0 * component]),
        share=np.array([1.0]),
        name=("line",),
    )


def _case(depth=math.inf, exciters=True):
    emission = Emission(
        lines=_one_line(0),
        exciters=_one_line(1) if exciters else _one_line(1).take(NOBODY),
        production=np.array([[0.7], [1.3]]),
        production_by=np.array([[2.1], [0.0]])[:, : 1 if exciters else 0],
    )
    beam = Beam(flux=np.array([3.0]), sine_in=0.8, sine_out=0.6, depth=depth)
    numbers = (np.array([40.0]), np.array([90.0]), np.array([70.0][: 1 if exciters else 0]))
    return emission, beam, numbers


@pytest.mark.parametrize("depth", [math.inf, 0.01])
def test_primary_is_the_integral_over_depth(depth):
    emission, beam, numbers = _case(depth, exciters=False)
    primary, secondary = fluorescence(emission, np.array([5.0, 2.0]), beam, numbers)
    expected, _ = quad(
        lambda z: 3.0 / 0.8 * math.exp(-z * (40.0 / 0.8 + 90.0 / 0.6)) * 5.0 * 0.7 / (4 * math.pi),
        0.0,
        min(depth, 1.0),
        points=[0.01, 0.05],
    )
    assert primary[0] == pytest.approx(expected, rel=1e-7)
    assert secondary[0] == 0.0


def test_secondary_is_the_integral_over_both_depths():
    """An isotropic layer at z irradiates z' as half the exponential integral of the path."""
    emission, beam, numbers = _case()
    _, secondary = fluorescence(emission, np.array([5.0, 2.0]), beam, numbers)

    def integrand(other, z):
        made = 3.0 / 0.8 * math.exp(-z * 40.0 / 0.8) * 2.0 * 1.3
        reached = 0.5 * exp1(70.0 * abs(z - other))
        return made * reached * 5.0 * 2.1 * math.exp(-other * 90.0 / 0.6) / (4.0 * math.pi)

    above, _ = dblquad(integrand, 0.0, 0.4, 0.0, lambda z: z, epsabs=1e-7, epsrel=1e-5)
    below, _ = dblquad(integrand, 0.0, 0.4, lambda z: z, 0.4, epsabs=1e-7, epsrel=1e-5)
    assert secondary[0] == pytest.approx(above + below, rel=1e-3)


def test_scattered_photons_excite_as_an_exciter_of_their_own_energy_would():
    emission, beam, (nodes, lines, _) = _case(exciters=False)
    scattered = np.array([6.0])
    _, by_scatter = fluorescence(
        emission, np.array([5.0, 2.0]), beam, (nodes, lines, np.zeros(0)), scattered
    )
    as_line = Emission(
        lines=emission.lines,
        exciters=_one_line(1),
        production=np.array([[0.7], [3.0]]),
        production_by=np.array([[0.7], [0.0]]),
    )
    _, by_line = fluorescence(as_line, np.array([5.0, 2.0]), beam, (nodes, lines, nodes))
    assert by_scatter == pytest.approx(by_line)


def test_pruning_loses_no_more_than_it_says_of_any_element():
    lines, _ = all_lines([atom("Nd"), atom("Fe")], 40e3)
    weight = lines.share.copy()
    kept = prune(lines, weight, 0.01)
    assert 0 < len(kept) < len(lines)
    for component in (0, 1):
        whole = np.sum(weight[lines.component == component])
        left = np.sum(weight[kept][lines.component[kept] == component])
        assert 0.99 * whole <= left <= whole
    assert len(prune(lines, np.zeros(len(lines)), 0.01)) == 0


def test_merged_lines_keep_shares_and_never_cross_an_edge():
    lines, _ = all_lines([atom("Nd")], 40e3)
    border = np.array([5225.0])
    joined, owner = merge(lines, lines.share, 60.0, border)
    assert len(joined) < len(lines)
    assert np.sum(joined.share) == pytest.approx(np.sum(lines.share))
    for place in range(len(joined)):
        own = owner == place
        assert np.ptp(lines.energy[own]) <= 60.0
        assert len(set((lines.energy[own] > 5225.0).tolist())) == 1
        assert len(set(lines.row[own].tolist())) == 1


def test_a_shell_above_the_highest_energy_gives_no_line():
    lines, rows = all_lines([atom("Nd")], 6.5e3)
    assert set(rows.shell.tolist()) == {3, 4, 5, 6, 7, 8}
    assert np.max(lines.energy) < 6.5e3
