"""Water in a cubic metre of liquor."""

from __future__ import annotations

import math

import numpy as np
import pytest

from raffinate.chemistry.liquor_density import WATER_DENSITY, liquor_volumes, water_content
from raffinate.chemistry.species import Species, free_species
from raffinate.sources import Source

LALIBERTE = {
    "sodium": (0.0584428, -0.00324112223655149, 0.0636354335906616, 1.01371399467365,
               0.0145951015210159, 3317.34854426537),
    "proton": (0.036461, 0.000283872260482906, 0.00394946957169882, 2.85020047681807,
               -0.0157747012568046, -3766.20868665006),
    "ammonium": (0.0534915, 16.8882196383907, 318.560293047784, 5.08655606958672,
                 -0.0150616503055142, -1769.12237165588),
}  # fmt: skip
"""Molar mass [kg/mol] and c0 to c4; M. Laliberté, J. Chem. Eng. Data 54 (2009) 1725."""


def content(names, concentration):
    species = [free_species(name) for name in names]
    volumes = liquor_volumes(species)
    charges = tuple(one.charge for one in species)
    return float(water_content(np.asarray(concentration, float), volumes.volumes, charges))


def laliberte(molalities):
    """Return mol/m³ of each salt and kg of water per m³, mixing by mass fraction at 25 °C."""
    solids = {name: m * LALIBERTE[name][0] for name, m in molalities.items()}
    mass = 1.0 + sum(solids.values())
    share = 1.0 - 1.0 / mass
    volume = 1.0 / WATER_DENSITY
    for name, solid in solids.items():
        _, c0, c1, c2, c3, c4 = LALIBERTE[name]
        specific = (share + c2 + c3 * 25.0) / (
            (c0 * share + c1) * math.exp(1e-6 * (25.0 + c4) ** 2)
        )
        volume += solid * specific
    return {name: m / volume for name, m in molalities.items()}, 1.0 / volume


@pytest.mark.parametrize(
    "molalities",
    [
        {"proton": 6.0},
        {"ammonium": 5.0},
        {"sodium": 6.0},
        {"proton": 2.0, "sodium": 1.0, "ammonium": 1.5},
    ],
)
def test_water_content_follows_laliberte(molalities):
    salts, water = laliberte(molalities)
    names = (*salts, "chloride")
    found = content(names, [*salts.values(), sum(salts.values())])
    assert found == pytest.approx(water, rel=2e-3)


def test_pure_water_is_water():
    assert content(("Nd", "chloride"), [0.0, 0.0]) == pytest.approx(WATER_DENSITY, rel=1e-9)


@pytest.mark.parametrize(
    ("metal", "apparent_volume"), [("La", 27.78), ("Nd", 22.95), ("Gd", 25.25), ("Y", 25.33)]
)
def test_rare_earth_chlorides_keep_their_volume(metal, apparent_volume):
    """Apparent molar volumes [cm³/mol] at 1 mol/kg by the equation of Krumgalz et al. (1996)."""
    litres = 1.0 / 0.997047 + apparent_volume * 1e-3
    found = content((metal, "chloride"), [1000.0 / litres, 3000.0 / litres])
    assert found == pytest.approx(1000.0 / litres, rel=5e-4)


def test_interpolated_and_unknown_volumes_are_named():
    warnings = liquor_volumes([free_species("Ce"), free_species("Th"), free_species("La")]).warnings
    assert any("Ce+3" in each and "interpolated" in each for each in warnings)
    assert any("Th+4" in each and "taken as zero" in each for each in warnings)
    assert not any("La+3" in each for each in warnings)


def test_a_complex_takes_the_room_of_its_ions():
    bound = Species(
        name="NdCl+2",
        phase="aqueous",
        charge=2,
        composition=(("Nd", 1.0), ("chloride", 1.0)),
        log10_constant=0.3,
        source=Source(title="made up for a test", evidence="assumed"),
    )
    volumes = liquor_volumes([free_species("Nd"), free_species("chloride"), bound]).volumes
    np.testing.assert_allclose(volumes[:, 2], volumes[:, 0] + volumes[:, 1], rtol=1e-12)


def test_wild_concentrations_leave_some_water():
    assert content(("proton", "chloride"), [1e6, 1e6]) > 0.0
