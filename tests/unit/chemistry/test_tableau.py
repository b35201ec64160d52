"""The mass-action tableau: built, ordered, partitioned and checked."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.chemistry.species import Phase, Species
from raffinate.chemistry.tableau import build_tableau
from raffinate.errors import DataError
from raffinate.sources import Source

ASSUMED = Source(title="Numbers of a test", evidence="assumed")


def species(name: str, phase: Phase, charge: int, log10: float, **made_of: float) -> Species:
    return Species(
        name=name,
        phase=phase,
        charge=charge,
        composition=tuple(made_of.items()),
        log10_constant=log10,
        source=ASSUMED,
    )


BOUND = species("Nd(HA2)3", "organic", 0, -1.0, Nd=1.0, extractant=3.0, proton=-3.0)
SOAP = species("NH4(HA2)", "organic", 0, -3.0, ammonium=1.0, extractant=1.0, proton=-1.0)
COMPLEX = species("NdCl+2", "aqueous", 2, 0.3, Nd=1.0, chloride=1.0)
COMPONENTS = ("Nd", "ammonium", "proton", "chloride", "extractant")


def test_free_species_are_added_and_the_aqueous_comes_first():
    tableau = build_tableau(COMPONENTS, [BOUND, SOAP, COMPLEX])
    assert tableau.names == (
        "Nd+3",
        "NH4+",
        "H+",
        "Cl-",
        "NdCl+2",
        "(HA)2",
        "Nd(HA2)3",
        "NH4(HA2)",
    )
    assert tableau.aqueous_count == 5
    assert [tableau.names[k] for k in tableau.free] == ["Nd+3", "NH4+", "H+", "Cl-", "(HA)2"]


def test_every_species_carries_the_charge_of_what_it_is_made_of():
    tableau = build_tableau(COMPONENTS, [BOUND, SOAP, COMPLEX])
    assert tableau.stoichiometry @ tableau.component_charge == pytest.approx(tableau.charge)


def test_an_anion_is_linear_until_a_metal_binds_it():
    alone = build_tableau(COMPONENTS, [BOUND, SOAP])
    bound = build_tableau(COMPONENTS, [BOUND, SOAP, COMPLEX])
    assert [alone.components[k] for k in alone.masters] == ["proton", "extractant"]
    assert [bound.components[k] for k in bound.masters] == ["proton", "chloride", "extractant"]


def test_no_species_holds_two_linear_components_nor_two_of_one():
    tableau = build_tableau(COMPONENTS, [BOUND, SOAP, COMPLEX])
    linear = tableau.stoichiometry[:, list(tableau.linear)]
    assert np.isin(linear, (0.0, 1.0)).all()
    assert linear.sum(axis=1).max() == 1.0


def test_given_free_species_replaces_the_known_one():
    monomer = species("HA", "organic", 0, 0.0, extractant=1.0)
    assert "HA" in build_tableau(COMPONENTS, [monomer, BOUND, SOAP]).names


def test_equal_tableaux_hash_alike():
    first, second = (build_tableau(COMPONENTS, [BOUND, SOAP]) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)


@pytest.mark.parametrize(
    ("components", "wrong", "message"),
    [
        (("Nd", "protn"), [], "no free species"),
        (("Nd", "Nd"), [], "2 times"),
        (("Nd", "proton"), [COMPLEX], "'chloride', which is not a component"),
        (COMPONENTS, [COMPLEX, COMPLEX], "2 times"),
        (
            COMPONENTS,
            [species("NdCl+", "aqueous", 1, 0.3, Nd=1.0, chloride=1.0)],
            "what it is made of carries",
        ),
        (
            COMPONENTS,
            [species("Nd(HA2)2+", "organic", 1, 0.3, Nd=1.0, extractant=2.0, proton=-2.0)],
            "0 in the organic",
        ),
    ],
)
def test_a_tableau_that_contradicts_itself_is_refused(components, wrong, message):
    with pytest.raises(DataError, match=message):
        build_tableau(components, wrong)


def test_an_unknown_species_is_answered_with_the_nearest():
    with pytest.raises(DataError, match=r"NdCl\+2"):
        build_tableau(COMPONENTS, [BOUND, COMPLEX]).index("NdCl2")
