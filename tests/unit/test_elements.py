"""Molar masses and oxides."""

from __future__ import annotations

import pytest

from raffinate.chemistry.elements import (
    RARE_EARTHS,
    molar_masses,
    oxide_molar_masses,
    rare_earth,
)
from raffinate.errors import SpecificationError


@pytest.mark.literature
@pytest.mark.parametrize(
    ("symbol", "oxide", "grams_per_mole_of_oxide", "metals_in_oxide"),
    [
        ("La", "La2O3", 325.81, 2),
        ("Ce", "CeO2", 172.115, 1),
        ("Pr", "Pr6O11", 1021.44, 6),
        ("Nd", "Nd2O3", 336.48, 2),
        ("Tb", "Tb4O7", 747.70, 4),
        ("Dy", "Dy2O3", 373.00, 2),
        ("Y", "Y2O3", 225.81, 2),
    ],
)
def test_oxides_weigh_what_handbooks_say(symbol, oxide, grams_per_mole_of_oxide, metals_in_oxide):
    """Source: CRC Handbook of Chemistry and Physics, physical constants of inorganic compounds."""
    element = rare_earth(symbol)
    assert element.oxide == oxide
    per_metal = grams_per_mole_of_oxide * 1e-3 / metals_in_oxide
    assert element.oxide_molar_mass == pytest.approx(per_metal, rel=1e-4)


def test_atomic_numbers_and_masses_rise_together():
    elements = list(RARE_EARTHS.values())
    numbers = [element.atomic_number for element in elements]
    masses = [element.molar_mass for element in elements]
    assert numbers == [21, 39, *range(57, 61), *range(62, 72)]
    assert masses == sorted(masses)
    assert all(symbol == element.symbol for symbol, element in RARE_EARTHS.items())


@pytest.mark.parametrize("element", RARE_EARTHS.values(), ids=list(RARE_EARTHS))
def test_the_oxygen_ratio_is_the_one_in_the_formula(element):
    metals, oxygens = element.oxide.removeprefix(element.symbol).split("O")
    assert element.oxygen_ratio == pytest.approx(int(oxygens or 1) / int(metals or 1))


def test_masses_come_in_the_order_asked_for():
    assert molar_masses(("Nd", "Ce")) == (144.24e-3, 140.12e-3)
    nd, ce = oxide_molar_masses(("Nd", "Ce"))
    assert nd == pytest.approx(168.2385e-3)
    assert ce == pytest.approx(172.118e-3)


def test_an_unknown_symbol_is_refused_with_a_hint():
    with pytest.raises(SpecificationError, match="Did you mean 'Nd'"):
        rare_earth("Ndd")
