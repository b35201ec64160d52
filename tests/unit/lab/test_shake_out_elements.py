from __future__ import annotations

import pytest

from raffinate.chemistry.elements import RARE_EARTHS, metal
from raffinate.lab.shake_out_elements import ELEMENTS, OXIDES, SALTS


@pytest.mark.parametrize("symbol", ELEMENTS)
def test_masses_and_charges_are_those_of_the_chemistry(symbol: str) -> None:
    assert ELEMENTS[symbol].molar_mass == metal(symbol).molar_mass
    assert ELEMENTS[symbol].charge == metal(symbol).charge


@pytest.mark.parametrize("symbol", RARE_EARTHS)
def test_oxides_are_those_of_the_chemistry(symbol: str) -> None:
    assert ELEMENTS[symbol].oxide == RARE_EARTHS[symbol].oxide
    assert ELEMENTS[symbol].oxide_molar_mass == pytest.approx(
        RARE_EARTHS[symbol].oxide_molar_mass, rel=1e-12
    )


def test_an_oxide_that_is_not_the_reported_one_names_no_element() -> None:
    assert OXIDES["Ce2O3"] == ""
    assert OXIDES["CeO2"] == "Ce"


CHARGES = {"ammonium": 1, "sodium": 1, "Ca": 2, "Mg": 2}
ANIONS = {"chloride": -1, "nitrate": -1, "sulfate": -2, "acetate": -1}


@pytest.mark.parametrize("salt", SALTS)
def test_salts_are_neutral(salt: str) -> None:
    assert sum(moles * {**CHARGES, **ANIONS}[ion] for ion, moles in SALTS[salt].items()) == 0
