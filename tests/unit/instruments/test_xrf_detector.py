import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.instruments.xrf_detector import Detector

EDGES = np.arange(0.0, 40000.0, 20.0) - 10.0
CENTRES = 0.5 * (EDGES[1:] + EDGES[:-1])


def silicon(**change):
    return Detector(**{"thickness": 0.45e-3, "resolution": 140.0, **change})


def test_width_at_manganese_is_the_stated_resolution():
    assert silicon().sigma(5895.0) * 2.35482 == pytest.approx(140.0, rel=1e-5)


def test_a_line_is_where_it_should_be_and_holds_its_counts():
    detector = silicon(escape=False)
    line = detector.response([6400.0], EDGES)[:, 0]
    assert np.sum(line) == pytest.approx(detector.efficiency([6400.0])[0], rel=1e-9)
    assert np.sum(line * CENTRES) / np.sum(line) == pytest.approx(6400.0, abs=0.1)


def test_escape_peak_of_silicon_lies_1740_below_and_counts_stay():
    with_escape = silicon().response([4000.0], EDGES)[:, 0]
    near = np.abs(CENTRES - 2260.0) < 200.0
    share = np.sum(with_escape[near]) / np.sum(with_escape)
    assert 0.005 < share < 0.02
    assert np.sum(with_escape) == pytest.approx(silicon().efficiency([4000.0])[0], rel=1e-9)
    assert not silicon().escapes([1700.0])


def test_cadmium_telluride_loses_its_own_k_lines():
    detector = Detector(crystal="CdTe", thickness=1e-3, resolution=250.0)
    lost = {round(energy, -2): float(np.max(share)) for energy, share in detector.escapes([60e3])}
    assert lost[23200.0] > 0.01
    assert lost[27500.0] > 0.01
    assert all(energy < 60e3 for energy in lost)


def test_tail_lies_below_the_line_and_keeps_the_counts():
    tailed = silicon(tail_layer=2e-7, tail_decay=200.0, escape=False)
    line = tailed.response([6400.0], EDGES)[:, 0]
    assert np.sum(line) == pytest.approx(tailed.efficiency([6400.0])[0], rel=1e-6)
    below = np.sum(line[(CENTRES > 5600.0) & (CENTRES < 6100.0)])
    above = np.sum(line[(CENTRES > 6700.0) & (CENTRES < 7200.0)])
    assert below > 100.0 * above


def test_shelf_is_flat_below_the_line_and_keeps_the_counts():
    detector = silicon(shelf=0.01, escape=False)
    plain = detector.response([6400.0], EDGES)[:, 0]
    shelved = detector.shelved(plain, EDGES)
    assert np.sum(shelved) == pytest.approx(np.sum(plain), rel=2e-3)
    assert shelved[100] == pytest.approx(shelved[200], rel=1e-6)
    assert shelved[200] == pytest.approx(0.01 * np.sum(plain) * 20.0 / 6400.0, rel=1e-3)
    assert shelved[400] < 1e-12
    both = detector.shelved(np.column_stack([plain, 2.0 * plain]), EDGES)
    assert both == pytest.approx(np.column_stack([shelved, 2.0 * shelved]))


def test_piled_up_pairs_lie_at_the_sum_and_take_two_counts():
    detector = silicon(pulse_pair_resolution=1e-7, escape=False)
    rate = 1e5 * detector.response([6400.0], EDGES)[:, 0]
    for zero in (0.0, -957.0, 333.0):
        seen = detector.piled_up(rate, EDGES + zero)
        sums = np.abs(CENTRES + zero - 2.0 * (6400.0 + zero)) < 500.0
        total = np.sum(rate)
        assert np.sum(seen[sums]) == pytest.approx(1e-7 * total**2, rel=0.03)
        assert np.sum(seen) == pytest.approx(total * (1.0 - 1e-7 * total), rel=1e-3)
        mean = np.sum((CENTRES + zero)[sums] * seen[sums]) / np.sum(seen[sums])
        assert mean == pytest.approx(2.0 * (6400.0 + zero), abs=1.0)
    assert silicon().piled_up(rate, EDGES) is rate


def test_dead_time_leaves_less_live_time():
    assert silicon(dead_time=1e-6).live_fraction(1e5) == pytest.approx(1.0 / 1.1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"resolution": 100.0}, "117"),
        ({"crystal": "Ge"}, "crystal"),
        ({"thickness": 0.0}, "thickness"),
    ],
)
def test_a_detector_that_cannot_be_is_refused(change, said):
    with pytest.raises(SpecificationError, match=said):
        silicon(**change)


def test_natural_width_adds_wings_and_takes_from_the_top():
    detector = silicon(escape=False)
    wings = detector.wings(np.array([5230.0]), np.array([4.5]), EDGES)[:, 0]
    line = detector.response([5230.0], EDGES)[:, 0]
    assert abs(np.sum(wings)) < 2e-3 * np.sum(line)
    assert wings[np.argmax(line)] < 0.0
    far = np.abs(CENTRES - 5630.0) < 15.0
    lorentz = 4.5 / (2.0 * np.pi * 400.0**2) * 20.0 * np.sum(line)
    assert np.mean(wings[far]) == pytest.approx(lorentz, rel=0.1)
    none = detector.wings(np.array([5230.0]), np.array([0.0]), EDGES)
    assert np.all(none == 0.0)
