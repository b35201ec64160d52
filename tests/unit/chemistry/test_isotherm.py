"""Isotherms: each point is a contact, what is sought is met, what cannot be is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from raffinate.chemistry.contact import equilibrate
from raffinate.chemistry.isotherm import TOTAL, VARIABLES, compute_isotherm, said_once
from raffinate.chemistry.isotherm_points import evenly_spaced
from raffinate.chemistry.loading import LoadingModel
from raffinate.chemistry.system_file import load_system
from raffinate.errors import SpecificationError
from raffinate.sources import Source

SYSTEM = load_system("p507_hcl")
FEED = {"Nd": 300.0, "Pr": 100.0, "proton": 10.0}
FRESH = {"extractant": 1500.0, "saponification_degree": 0.2}


@pytest.mark.parametrize("vary", VARIABLES)
def test_every_point_keeps_metal_and_rises_along_what_is_varied(vary):
    found = compute_isotherm(SYSTEM, FEED, FRESH, vary=vary, points=7)
    assert found.elements == ("Pr", "Nd")
    assert (np.diff(found.value) > 0.0).all()
    given = np.array([FEED["Pr"], FEED["Nd"]])
    if vary == "metal":
        given = given * found.value[:, None] / given.sum()
    held = found.aqueous + found.oa_ratio[:, None] * found.organic
    np.testing.assert_allclose(held, np.broadcast_to(given, held.shape), rtol=1e-9)
    np.testing.assert_allclose(
        found.distribution_ratio[:, 1] / found.distribution_ratio[:, 0],
        SYSTEM.separation_factor("Nd", "Pr"),
        rtol=1e-9,
    )


def test_a_point_is_the_contact_at_that_ratio():
    found = compute_isotherm(SYSTEM, FEED, FRESH, vary="oa", values=[2.0, 0.5])
    for place, ratio in enumerate((0.5, 2.0)):
        contact = equilibrate(SYSTEM, FEED, FRESH, oa_ratio=ratio)
        assert found.organic[place] == pytest.approx([contact.organic[e] for e in found.elements])
        assert found.pH[place] == pytest.approx(contact.pH)
        assert found.loading[place] == pytest.approx(contact.loading)


@pytest.mark.parametrize(("vary", "values"), [("pH", [0.5, 1.0, 1.5]), ("loading", [0.3, 0.6])])
def test_what_is_sought_is_met(vary, values):
    found = compute_isotherm(SYSTEM, FEED, FRESH, vary=vary, values=values)
    assert getattr(found, vary) == pytest.approx(values, abs=1e-7)
    assert found.value == pytest.approx(values)


def test_D_against_pH_rises_with_the_slope_of_the_reaction_where_little_is_loaded():
    traces = {"Nd": 0.01, "proton": 10.0}
    found = compute_isotherm(
        SYSTEM, traces, {"extractant": 1500.0}, vary="pH", values=[-0.2, 0.0, 0.2]
    )
    slope = np.diff(np.log10(found.distribution_ratio[:, 0])) / np.diff(found.pH)
    np.testing.assert_allclose(slope, 3.0, atol=1e-3)


def test_beta_falls_with_loading_where_the_organic_is_so_modelled():
    source = Source(title="made for this test", evidence="assumed")
    model = LoadingModel(level=0.0, spread=0.3, reference=-2.0, source=source)
    system = replace(SYSTEM, loading=model)
    found = compute_isotherm(system, FEED, FRESH, vary="loading", values=[0.2, 0.5, 0.8])
    beta = found.separation_factor("Nd", "Pr")
    assert (np.diff(beta) < 0.0).all()
    difference = SYSTEM.separation_factor("Nd", "Pr")
    expected = np.log10(difference) * (1.0 - 0.3 * found.loading)
    np.testing.assert_allclose(np.log10(beta), expected, rtol=1e-6)


def test_solvating_systems_vary_metal_and_acid_but_not_saponification():
    system = load_system("tbp_nitrate")
    feed, fresh = {"La": 200.0, "Nd": 200.0, "proton": 100.0}, {"extractant": 2000.0}
    for vary in ("oa", "metal", "acid"):
        found = compute_isotherm(system, feed, fresh, vary=vary, points=4)
        assert (found.separation_factor("Nd", "La") > 1.0).all()
    with pytest.raises(SpecificationError, match="no constant of a saponifying cation"):
        compute_isotherm(system, feed, fresh, vary="saponification")


def test_total_is_the_sum_and_one_element_can_stand_alone():
    found = compute_isotherm(SYSTEM, FEED, FRESH, vary="oa", points=5)
    x, _ = found.phases(TOTAL)
    np.testing.assert_allclose(x, found.phases("Nd")[0] + found.phases("Pr")[0])
    alone = found.only("Nd")
    assert alone.elements == ("Nd",)
    np.testing.assert_allclose(alone.phases(TOTAL)[1], found.phases("Nd")[1])
    assert found.neighbours() == (("Nd", "Pr"),)
    assert not alone.neighbours()
    with pytest.raises(SpecificationError, match="'Dy' is not in the liquor"):
        found.phases("Dy")


def test_the_table_names_units_and_the_dictionary_holds_it():
    found = compute_isotherm(SYSTEM, FEED, FRESH, vary="acid", points=3)
    table = found.to_dataframe()
    assert list(table.columns)[:4] == ["feed_acid_mol_per_m3", "oa_ratio", "pH", "loading"]
    assert {"aqueous_Nd_mol_per_m3", "organic_Pr_mol_per_m3", "D_Nd", "beta_Nd_Pr"} <= set(table)
    assert found.to_dict()["points"]["D_Nd"] == table["D_Nd"].tolist()


def test_points_without_equilibrium_are_left_out_and_said():
    # Above half of the acid groups there is nothing left to saponify.
    found = compute_isotherm(SYSTEM, FEED, FRESH, vary="saponification", values=[0.1, 0.4, 0.6])
    assert found.value == pytest.approx([0.1, 0.4])
    assert found.warnings[0].startswith("1 of 3 points have no equilibrium")
    with pytest.raises(SpecificationError, match=r"saponification_degree is 0\.6"):
        compute_isotherm(SYSTEM, FEED, FRESH, vary="saponification", values=[0.6, 0.7])


def test_a_pH_out_of_reach_is_refused_with_the_reach():
    with pytest.raises(SpecificationError, match="cannot be reached") as caught:
        compute_isotherm(SYSTEM, FEED, FRESH, vary="pH", values=[9.0, 10.0])
    assert " to " in caught.value.allowed
    found = compute_isotherm(SYSTEM, FEED, FRESH, vary="pH", values=[1.0, 9.0])
    assert found.warnings[0].startswith("1 of 2 values of pH are out of reach")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"vary": "colour"}, "cannot be varied"),
        ({"values": []}, "values of oa"),
        ({"values": [0.0, 1.0]}, "values of oa"),
        ({"values": [np.nan]}, "values of oa"),
        ({"points": 1}, "1 points"),
    ],
)
def test_what_cannot_be_varied_is_refused(change, complaint):
    with pytest.raises(SpecificationError, match=complaint):
        compute_isotherm(SYSTEM, FEED, FRESH, **{"vary": "oa", **change})


@pytest.mark.parametrize("vary", ["metal", "pH"])
def test_the_acid_must_be_known_where_the_anion_would_decide_it(vary):
    feed = {"Nd": 300.0, "chloride": 950.0}
    if vary == "metal":
        with pytest.raises(SpecificationError, match="has no proton"):
            compute_isotherm(SYSTEM, feed, FRESH, vary=vary)
    else:
        found = compute_isotherm(SYSTEM, feed, FRESH, vary=vary, values=[1.0])
        assert found.pH == pytest.approx([1.0])


def test_a_liquor_without_metal_has_no_isotherm():
    with pytest.raises(SpecificationError, match="no metal"):
        compute_isotherm(SYSTEM, {"proton": 10.0}, FRESH, vary="metal")


def test_progress_is_told_once_for_each_contact():
    calls = []
    compute_isotherm(SYSTEM, FEED, FRESH, points=5, advance=lambda: calls.append(1))
    assert len(calls) == 5


def test_warnings_that_differ_in_numbers_are_said_once():
    general = "Tb is interpolated."
    sentences, doubtful = said_once([["pH is 4.1.", general], [general]])
    assert sentences == ["At 1 of 2 points, the first being: pH is 4.1.", general]
    assert doubtful.tolist() == [True, False]


def test_even_values_are_round_and_within_the_range():
    found = evenly_spaced(-0.47, 2.83, 20)
    assert found[0] == pytest.approx(-0.4)
    assert found[-1] == pytest.approx(2.8)
    assert np.diff(found) == pytest.approx(0.2)
