import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.instruments.xrf_atomic import atomic_mass
from raffinate.instruments.xrf_matrix import formula_masses, liquor, mass_fractions, organic, solid


def test_formula_is_weighed_by_its_elements():
    masses = formula_masses("C16H35O3P")
    assert sum(masses.values()) == pytest.approx(0.30642, rel=1e-3)
    assert sum(share for _, share in mass_fractions("SiO2")) == pytest.approx(1.0)
    assert formula_masses("CHCl3H")["H"] == pytest.approx(2.0 * atomic_mass("H"))
    for wrong in ("", "h2o", "Ca(OH)2", "H2O "):
        with pytest.raises(SpecificationError, match="no formula"):
            formula_masses(wrong)


def test_water_is_water():
    stream = liquor(("Nd",))
    masses = dict(zip(stream.components, stream.masses([0.0]), strict=True))
    assert sum(masses.values()) == pytest.approx(997.047)
    assert masses["Nd"] == 0.0
    assert masses["H"] / masses["O"] == pytest.approx(2 * 1.008 / 15.999, rel=3e-3)


def test_hydrochloric_acid_has_its_handbook_density():
    """Source: CRC Handbook of Chemistry and Physics: 6.02 mol/L HCl weighs 1.098 kg/L."""
    stream = liquor(("Nd",))
    assert np.sum(stream.masses([0.0], 6020.0)) == pytest.approx(1098.0, rel=0.01)


@pytest.mark.parametrize("anion", ["chloride", "nitrate", "sulfate"])
def test_charges_balance_whatever_the_anion(anion):
    stream = liquor(("Nd", "Ca"), anion)
    masses = dict(zip(stream.components, stream.masses([100.0, 50.0], 30.0), strict=True))
    charge = 3 * 100.0 + 2 * 50.0 + 30.0
    moles = {"chloride": ("Cl", 1), "nitrate": ("N", 1), "sulfate": ("S", 2)}[anion]
    assert masses[moles[0]] == pytest.approx(charge / moles[1] * atomic_mass(moles[0]))
    assert masses["Nd"] == pytest.approx(100.0 * atomic_mass("Nd"))


def test_interpolated_volumes_are_named():
    assert any("Ce" in warning for warning in liquor(("Ce",)).warnings)


def test_loaded_organic_holds_metal_phosphorus_and_solvent():
    masses = organic({"Nd": 100.0}, "P507", 0.5)
    assert masses["Nd"] == pytest.approx(14.4242, rel=1e-4)
    assert masses["P"] == pytest.approx(475.0 * dict(mass_fractions("C16H35O3P"))["P"])
    assert sum(masses.values()) == pytest.approx(475.0 + 390.0 + 14.4242, rel=1e-6)


def test_solids_add_up_to_their_density():
    masses = solid({"SiO2": 2.0, "Nd2O3": 1.0, "Fe": 1.0}, 3000.0)
    assert sum(masses.values()) == pytest.approx(3000.0)
    assert masses["Fe"] == pytest.approx(750.0)


def test_impossible_samples_are_refused():
    with pytest.raises(SpecificationError, match="leave"):
        liquor(("Nd",)).masses([30e3])
    with pytest.raises(SpecificationError, match="anion"):
        liquor(("Nd",), "bromide")
    with pytest.raises(SpecificationError, match="no ion"):
        liquor(("Xe",))
    with pytest.raises(SpecificationError, match="organic"):
        organic({}, "P508", 0.5)
    with pytest.raises(SpecificationError, match="shares"):
        solid({"Fe": -1.0, "Ni": 2.0}, 8000.0)
