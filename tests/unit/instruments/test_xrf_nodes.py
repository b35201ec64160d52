import numpy as np
import pytest

from raffinate.instruments.xrf_atomic import atom
from raffinate.instruments.xrf_nodes import excitation_nodes
from raffinate.instruments.xrf_tube import Tube, foil

TUBE = Tube(anode="Rh", voltage=40e3, current=1e-3, layers=(foil("Be", 1.25e-4),))


def test_nodes_integrate_a_jumping_absorber_as_a_fine_sum_does():
    edge = 7112.0
    nodes = excitation_nodes(TUBE, np.append(atom("Rh").edge[1:4], edge), 1e3)

    def weight(energy):
        return np.where(energy > edge, 1.0, 0.2) * (energy / 1e4) ** -3

    smooth = slice(0, nodes.continuum)
    ours = np.sum(nodes.emitted[smooth] * weight(nodes.energy[smooth]))
    fine = np.linspace(1e3, 40e3, 400_001)
    fine = 0.5 * (fine[1:] + fine[:-1])
    exact = np.sum(TUBE.continuum(fine) * weight(fine)) * (39e3 / 400_000)
    assert ours == pytest.approx(exact, rel=2e-3)
    assert not np.any(np.isclose(nodes.energy[smooth], edge, atol=0.1))


def test_anode_lines_follow_the_continuum_and_spreading_keeps_photons():
    nodes = excitation_nodes(TUBE, np.array([7112.0]), 1e3)
    assert np.any(np.abs(nodes.energy[nodes.continuum :] - 20216.0) < 5.0)
    assert np.sum(nodes.spreading, axis=0) == pytest.approx(1.0, abs=1e-6)
    assert nodes.spreading.shape == (len(nodes.fine), nodes.continuum)
