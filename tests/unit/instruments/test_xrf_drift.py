from dataclasses import replace

import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.instruments.xrf_drift import Drift, drifted
from raffinate.instruments.xrf_instrument_file import load_instrument

INSTRUMENT = load_instrument("online_rh_40kv")


def _line(instrument, energy=6400.0):
    return instrument.detector.response([energy], instrument.edges)[:, 0]


def test_no_drift_changes_nothing():
    line = _line(INSTRUMENT)
    assert drifted(line, INSTRUMENT, Drift()) is line


@pytest.mark.parametrize(("zero", "gain"), [(10.0, 0.0), (0.0, 1e-3), (-7.0, -1e-3)])
def test_a_drifted_spectrum_is_that_of_an_instrument_so_calibrated(zero, gain):
    """Energies recorded too high by the drift are true ones on channels moved the other way."""
    true_edges = (INSTRUMENT.edges - zero) / (1.0 + gain)
    exact = INSTRUMENT.detector.response([6400.0], true_edges)[:, 0]
    moved = drifted(_line(INSTRUMENT), INSTRUMENT, Drift(zero=zero, gain=gain))
    assert moved == pytest.approx(exact, abs=1e-4 * np.max(exact))
    assert np.sum(moved) == pytest.approx(np.sum(exact), rel=1e-9)


@pytest.mark.parametrize("variance", [60.0, -60.0])
def test_added_variance_widens_as_a_worse_detector_would(variance):
    resolution = float(np.sqrt(145.0**2 + 2.3548200**2 * variance))
    other = replace(INSTRUMENT, detector=replace(INSTRUMENT.detector, resolution=resolution))
    widened = drifted(_line(INSTRUMENT), INSTRUMENT, Drift(variance=variance))
    assert widened == pytest.approx(_line(other), abs=2e-4 * np.max(widened))


def test_drift_beyond_reason_is_refused():
    for change in ({"gain": 0.2}, {"flux": 0.0}, {"fouling": -1.0}):
        with pytest.raises(SpecificationError, match="drift"):
            Drift(**change)
