"""Elements that nobody asked for are fitted and named, or nothing is claimed."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.errors import ConvergenceError
from raffinate.instruments.quantify import build_quantifier, quantify
from raffinate.instruments.quantify_simulate import simulate_spectrum
from raffinate.instruments.quantify_unasked import quantify_with_unasked
from raffinate.instruments.xrf_drift import NO_DRIFT
from raffinate.instruments.xrf_instrument_file import load_instrument

ASKED = ("Ce", "Nd")
HELD = ("Ce", "Nd", "Sm", "Fe", "Ca")
INSTRUMENT = load_instrument("online_rh_40kv")


@pytest.fixture(scope="module")
def counted():
    """Make a spectrum of a liquor with these amounts, [mol/m³]."""
    whole = build_quantifier(INSTRUMENT, HELD)

    def made(*amounts: float):
        return simulate_spectrum(
            whole.model,
            np.array(amounts),
            500.0,
            real_time=100.0,
            generator=np.random.default_rng(5),
            drift=NO_DRIFT,
        )

    return made


def flags(result, name):
    return [flag.text for flag in result.flags if flag.name == name]


def test_what_is_all_asked_for_is_left_as_it_is(counted):
    spectrum = counted(400.0, 200.0, 0.0, 0.0, 0.0)
    found = quantify_with_unasked(spectrum, INSTRUMENT, ASKED)
    plain = quantify(spectrum, build_quantifier(INSTRUMENT, ASKED))
    assert found.metals == ASKED
    assert found.flags == plain.flags
    np.testing.assert_array_equal(found.concentration, plain.concentration)


def test_an_unnamed_rare_earth_and_iron_are_found_and_the_others_come_right(counted):
    truth = np.array([400.0, 200.0, 8.0, 10.0, 0.0])
    spectrum = counted(*truth)
    plain = quantify(spectrum, build_quantifier(INSTRUMENT, ASKED))
    assert np.any(np.abs(plain.concentration - truth[:2]) > 3.0 * plain.sigma)
    found = quantify_with_unasked(spectrum, INSTRUMENT, ASKED)
    assert set(found.metals) == {"Ce", "Nd", "Sm", "Fe"}
    wanted = [truth[HELD.index(symbol)] for symbol in found.metals]
    assert np.all(np.abs(found.concentration - wanted) < 4.0 * found.sigma)
    assert {text.split()[0] for text in flags(found, "element_added")} == {"Sm", "Fe"}
    assert found.trusted


def test_a_spectrum_that_stays_unexplained_gives_no_concentration(counted):
    found = quantify(counted(400.0, 200.0, 0.0, 40.0, 75.0), build_quantifier(INSTRUMENT, ASKED))
    assert found.misfit.chi2_per_dof > 100.0
    assert flags(found, "unexplained")
    assert not found.trusted
    assert all(row["g_per_L"] is None for row in found.to_dict()["elements"].values())


def test_a_fit_that_does_not_end_says_which_lines_stand_out(counted):
    spectrum = counted(400.0, 200.0, 0.0, 0.0, 0.0)
    with pytest.raises(ConvergenceError, match=r"keV, \d+ sigma, perhaps"):
        quantify_with_unasked(spectrum, INSTRUMENT, ("Fe",), matrix="soil")
