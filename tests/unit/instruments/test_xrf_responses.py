from dataclasses import replace

import numpy as np
import pytest

from raffinate.instruments.xrf_atomic import atom
from raffinate.instruments.xrf_fluorescence import all_lines
from raffinate.instruments.xrf_instrument_file import load_instrument
from raffinate.instruments.xrf_nodes import excitation_nodes
from raffinate.instruments.xrf_responses import leaving, line_response, scatter_responses
from raffinate.instruments.xrf_scatter import compton_energy

INSTRUMENT = replace(load_instrument("online_rh_40kv"), gain=40.0, channels=1000)


@pytest.fixture(scope="module")
def nodes():
    return excitation_nodes(INSTRUMENT.tube, np.array([6208.0]), 1e3)


@pytest.fixture(scope="module")
def responses(nodes):
    return scatter_responses(INSTRUMENT, ("H", "O"), nodes)


def test_joined_lines_share_a_column_by_their_strength():
    atoms = [atom("Fe")]
    lines, _ = all_lines(atoms, 40e3)
    alpha = np.array([lines.name.index("KL3"), lines.name.index("KL2")])
    two = lines.take(alpha)
    apart = line_response(INSTRUMENT, atoms, two, np.array([0, 1]), 2).toarray()
    joined = line_response(INSTRUMENT, atoms, two, np.array([0, 0]), 1).toarray()[:, 0]
    weighted = apart @ (two.share / np.sum(two.share))
    assert joined == pytest.approx(weighted, rel=1e-6, abs=1e-8 * np.max(joined))


def test_coherent_photons_are_seen_where_they_were(nodes, responses):
    place = nodes.continuum + int(np.argmin(np.abs(nodes.energy[nodes.continuum :] - 20216.0)))
    column = responses.coherent.toarray()[:, place]
    energies = INSTRUMENT.energies
    assert energies[np.argmax(column)] == pytest.approx(20216.0, abs=40.0)
    seen = INSTRUMENT.detector.efficiency([20216.0]) * leaving(
        INSTRUMENT.geometry, np.array([20216.0])
    )
    assert np.sum(column) == pytest.approx(seen[0], rel=1e-3)


def test_compton_photons_are_seen_below_and_twice_scattered_ones_further_below(nodes, responses):
    hard = nodes.energy[responses.smooth :]
    place = int(np.argmin(np.abs(hard - 20216.0)))
    energies = INSTRUMENT.energies
    oxygen = responses.compton_lines.toarray()[:, len(hard) + place]
    once = float(compton_energy(20216.0, INSTRUMENT.geometry.scattering_angle))
    assert energies[np.argmax(oxygen)] == pytest.approx(once, abs=60.0)
    twice = responses.double_lines.toarray()[:, place]
    assert energies[np.argmax(twice)] < once


def test_soft_lines_and_continuum_have_a_smooth_response(nodes, responses):
    assert nodes.continuum < responses.smooth < len(nodes.energy)
    assert responses.compton.shape == (1000, responses.smooth)
    assert np.all(nodes.energy[nodes.continuum : responses.smooth] < 6e3)
