"""Real soil and sediment: what is there is found, and no rare earth is imagined."""

from __future__ import annotations

from pathlib import Path

import pytest

from raffinate.instruments.quantify import build_quantifier, quantify
from raffinate.instruments.quantify_sample import SOIL_DENSITY
from raffinate.instruments.spectrum_file import load_spectrum
from raffinate.instruments.xrf_atomic import atomic_mass
from raffinate.instruments.xrf_instrument_file import load_instrument

pytestmark = [pytest.mark.literature, pytest.mark.slow]

DATA = Path(__file__).parent / "data" / "xrf"
RARE = ("La", "Ce", "Pr", "Nd", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Y")
OTHERS = ("K", "Ca", "Ti", "V", "Cr", "Mn", "Fe", "Ni", "Cu", "Zn", "Ga", "As", "Br", "Rb", "Sr",
          "Zr", "Nb", "Ba", "Pb")  # fmt: skip
CERTIFIED = {"Fe": 28130.0, "Ti": 3920.0, "Cu": 160.0, "Zn": 335.8, "Sr": 126.0, "Pb": 3242.0}
"""NIST SRM 2587, [mg/kg]; the spectra are of aaroncelestian/XRFLab (MIT)."""


@pytest.fixture(scope="module")
def analyzer():
    return build_quantifier(
        load_instrument(DATA / "instrument_xgt7200.yaml"), (*OTHERS, *RARE), "soil"
    )


@pytest.fixture(scope="module", params=["NIST_2587_XGT7200.msa.txt", "PACS2_XGT7200.msa.txt"])
def result(request, analyzer):
    return quantify(load_spectrum(DATA / request.param), analyzer)


def test_rare_earths_at_tens_of_milligrams_are_below_their_limits(result):
    """Source: certificates of SRM 2587 and PACS-2: Ce 57 mg/kg and less."""
    assert result.trusted
    for place, symbol in enumerate(result.metals):
        if symbol in RARE:
            assert result.below_limit[place], symbol
    # A limit that everything is under would be no limit.
    cerium = result.metals.index("Ce")
    assert result.detection[cerium] * atomic_mass("Ce") / SOIL_DENSITY < 1e-3


def test_a_poor_fit_widens_by_more_than_the_root_of_chi2(result):
    assert result.misfit.poor
    assert result.widening == result.misfit.line_scatter > result.misfit.chi2_per_dof**0.5


def test_metals_of_the_soil_come_out_without_standards_within_a_quarter(analyzer):
    """Source: certificate of SRM 2587. The instrument's transmission was fitted to this soil."""
    found = quantify(load_spectrum(DATA / "NIST_2587_XGT7200.msa.txt"), analyzer)
    for symbol, milligrams in CERTIFIED.items():
        place = found.metals.index(symbol)
        share = 1e6 * found.concentration[place] * atomic_mass(symbol) / SOIL_DENSITY
        assert share == pytest.approx(milligrams, rel=0.25), symbol
        assert not found.below_limit[place]
