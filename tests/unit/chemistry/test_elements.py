from __future__ import annotations

import pytest

from raffinate.chemistry.elements import IMPURITIES, RARE_EARTHS, metal, molar_masses, rare_earth
from raffinate.chemistry.species import FREE_SPECIES
from raffinate.errors import SpecificationError


def test_every_metal_has_the_ion_of_the_tableau() -> None:
    for symbol, impurity in IMPURITIES.items():
        assert FREE_SPECIES[symbol].name == impurity.ion
        assert FREE_SPECIES[symbol].charge == impurity.charge
    for symbol, element in RARE_EARTHS.items():
        assert FREE_SPECIES[symbol].charge == element.charge == 3


def test_metal_knows_rare_earths_and_impurities_alike() -> None:
    assert metal("Nd") is rare_earth("Nd")
    assert metal("U").molar_mass == pytest.approx(0.23803)
    assert molar_masses(("Nd", "Fe")) == pytest.approx((0.14424, 0.055845))


def test_an_impurity_is_no_rare_earth() -> None:
    with pytest.raises(SpecificationError, match="not a rare earth"):
        rare_earth("Fe")
    with pytest.raises(SpecificationError, match="Did you mean"):
        metal("Ndy")
