"""What a system becomes as a tableau."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from raffinate.chemistry.complexes import load_complexes
from raffinate.chemistry.contact import equilibrate
from raffinate.chemistry.system import ExchangeCation
from raffinate.chemistry.system_file import load_system, shipped_systems
from raffinate.chemistry.system_tableau import (
    exchange_constants,
    is_pitzer_pair,
    narrowed,
    system_tableau,
)
from raffinate.errors import SpecificationError
from raffinate.sources import Source

SYSTEM = load_system("p507_hcl").subset(("Ce", "Nd"))
MADE_UP = Source(title="made up for a test", evidence="assumed")


def test_components_are_the_elements_then_what_they_meet_and_the_extractant_last():
    stated = system_tableau(SYSTEM, further=("sulfate",))
    expected = ("Ce", "Nd", "proton", "ammonium", "chloride", "sulfate", "extractant")
    assert stated.tableau.components == expected
    assert stated.cations == ("ammonium",)


@pytest.mark.parametrize("name", shipped_systems())
def test_every_shipped_system_has_a_neutral_organic_and_its_own_constants(name):
    system = load_system(name)
    stated = system_tableau(system)
    tableau = stated.tableau
    organic = tableau.species[tableau.aqueous_count :]
    assert all(species.charge == 0 for species in organic)
    for place, symbol in enumerate(system.elements):
        extracted = next(s for s in organic if dict(s.composition).get(symbol, 0.0) == 1.0)
        assert extracted.log10_constant == system.log10_extraction_constant[place]
        bound = dict(extracted.composition)["extractant"]
        assert bound == system.extractant_number[place]
    assert len(stated.log10_constants) == len(tableau.species)


def test_the_species_are_named_as_written_in_the_trade():
    dimer = system_tableau(SYSTEM).tableau.names
    assert {"(HA)2", "Nd(HA2)3", "NH4(HA2)"} <= set(dimer)
    monomer = system_tableau(replace(SYSTEM, extractant_form="monomer")).tableau.names
    assert {"HA", "NdA3", "NH4A"} <= set(monomer)
    more = replace(SYSTEM, extractant_number=np.array([3.0, 4.0]))
    assert "Nd(HA2)3·+1(HA)2" in system_tableau(more).tableau.names
    tbp = system_tableau(load_system("tbp_nitrate").subset(("Nd",))).tableau.names
    assert {"TBP", "Nd(NO3)3(TBP)3"} <= set(tbp)


def test_an_anion_the_system_does_not_know_brings_its_complexes():
    plain = system_tableau(SYSTEM).tableau.names
    salted = system_tableau(SYSTEM, further=("sulfate",)).tableau.names
    assert "HSO4-" not in plain
    assert {"HSO4-", "NdSO4+", "CeSO4+"} <= set(salted)
    assert "NdCl+2" not in salted


def test_chloride_complexes_are_left_out_where_pitzer_holds_them_already():
    complexes = load_complexes(("Nd", "chloride", "sulfate", "proton"))
    chloro = {one.name for one in complexes if "chloride" in dict(one.composition)}
    metal_chloro = {name for name in chloro if name.startswith("Nd")}
    assert metal_chloro
    complexed = replace(SYSTEM.subset(("Nd",)), complexes=complexes)
    assert metal_chloro <= set(system_tableau(complexed, activity="bdot").tableau.names)
    under_pitzer = set(system_tableau(complexed, activity="pitzer").tableau.names)
    assert not metal_chloro & under_pitzer
    assert "NdOH+2" in under_pitzer
    assert not any(is_pitzer_pair(one) for one in complexes if "sulfate" in dict(one.composition))


def test_another_activity_model_than_that_of_the_constants_is_said():
    assert system_tableau(SYSTEM).warnings == ()
    said = system_tableau(SYSTEM, activity="davies").warnings
    assert any("scale of activity 'ideal', not of 'davies'" in sentence for sentence in said)


def test_an_impurity_that_is_an_element_keeps_its_extraction_constant():
    calcium = ExchangeCation(name="calcium", log10_constant=-9.0, source=MADE_UP)
    with_calcium = replace(SYSTEM, exchange_cations=(calcium,))
    assert list(exchange_constants(with_calcium)) == ["ammonium", "Ca"]
    assert exchange_constants(narrowed(with_calcium, ("Nd",), ("Ca",))) == {"Ca": (-9.0, MADE_UP)}
    assert narrowed(with_calcium, with_calcium.elements, ("Ca", "ammonium")) is with_calcium


@pytest.mark.parametrize(
    ("changed", "further", "complaint"),
    [
        ({"medium": "chlorid"}, (), "Did you mean 'chloride'"),
        ({}, ("extractant",), "'extractant' is no ion"),
        ({"charge": np.array([4.0, 3.0])}, (), "the charge of Ce is 4"),
    ],
)
def test_what_is_no_ion_or_has_another_charge_is_refused(changed, further, complaint):
    with pytest.raises(SpecificationError) as caught:
        system_tableau(replace(SYSTEM, **changed), further=further)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("name", ["cyanex272", "d2ehpa_chloride", "pc88a_nitrate"])
def test_a_contact_has_the_distribution_ratios_the_system_states(name):
    system = load_system(name).subset(("La", "Nd", "Dy"))
    liquor = {"La": 1e-6, "Nd": 1e-6, "Dy": 1e-6, "proton": 30.0}
    found = equilibrate(system, liquor, {"extractant": 1000.0})
    expected = system.distribution_ratio(found.free_proton, found.free_extractant)
    assert list(found.distribution_ratio.values()) == pytest.approx(expected.tolist(), rel=1e-5)
