import math

import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.instruments.xrf_tube import ANODES, Layer, Tube, foil


@pytest.mark.parametrize("anode", ANODES)
def test_continuum_ends_at_the_voltage_and_lines_follow_their_edges(anode):
    tube = Tube(anode=anode, voltage=40e3, current=1e-3, layers=(foil("Be", 1.25e-4),))
    energies = np.linspace(1e3, 45e3, 500)
    continuum = tube.continuum(energies)
    assert np.all(continuum[energies < 39.9e3] > 0.0)
    assert np.all(continuum[energies >= 40e3] == 0.0)
    lines, strength = tube.lines()
    assert np.all(strength > 0.0)
    assert np.all(lines < 40e3)


def test_tungsten_has_no_k_lines_below_its_edge_and_rhodium_has():
    low = Tube(anode="Rh", voltage=20e3, current=1e-3).lines()[0]
    high = Tube(anode="Rh", voltage=40e3, current=1e-3).lines()[0]
    assert np.max(low) < 4e3
    assert np.any(np.abs(high - 20216.0) < 5.0)
    assert np.max(Tube(anode="W", voltage=50e3, current=1e-3).lines()[0]) < 13e3


def test_output_is_proportional_to_current_and_a_filter_removes_soft_photons():
    weak = Tube(anode="Rh", voltage=40e3, current=1e-4)
    strong = Tube(anode="Rh", voltage=40e3, current=2e-4)
    filtered = Tube(anode="Rh", voltage=40e3, current=1e-4, layers=(foil("Al", 2e-4),))
    energies = np.array([5e3, 30e3])
    assert strong.continuum(energies) == pytest.approx(2.0 * weak.continuum(energies))
    soft, hard = filtered.continuum(energies) / weak.continuum(energies)
    assert soft < 1e-4
    assert hard > 0.9
    brighter = Tube(anode="Rh", voltage=40e3, current=1e-4, line_factor=1.5)
    assert brighter.lines()[1] == pytest.approx(1.5 * weak.lines()[1])
    assert brighter.continuum(energies) == pytest.approx(weak.continuum(energies))


def test_a_grazing_take_off_absorbs_more_in_the_anode():
    steep = Tube(anode="Rh", voltage=50e3, current=1e-3, take_off=math.radians(40.0))
    grazing = Tube(anode="Rh", voltage=50e3, current=1e-3, take_off=math.radians(5.0))
    ratio = grazing.continuum([5e3, 40e3]) / steep.continuum([5e3, 40e3])
    assert ratio[0] < ratio[1] < 1.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"anode": "Xx"}, "anode"),
        ({"voltage": 4e3}, "voltage"),
        ({"voltage": 1e5}, "voltage"),
        ({"current": 0.0}, "current"),
        ({"take_off": 0.0}, "take-off"),
        ({"incidence": 2.0}, "incidence"),
    ],
)
def test_a_tube_that_cannot_be_is_refused(change, said):
    good = {"anode": "Rh", "voltage": 40e3, "current": 1e-3}
    with pytest.raises(SpecificationError, match=said):
        Tube(**{**good, **change})


def test_a_layer_of_two_halves_passes_what_the_whole_passes():
    half = Layer(composition=(("C", 1.0),), areal_density=0.05)
    whole = Layer(composition=(("C", 1.0),), areal_density=0.10)
    assert half.transmission([3e3]) ** 2 == pytest.approx(whole.transmission([3e3]))
