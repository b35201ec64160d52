"""Saturation indices: what they are at saturation, what is warned of, and what is missing."""

from __future__ import annotations

import math

import pytest

from raffinate.chemistry.saturation import (
    load_solids,
    missing_solids,
    rare_earth_sulfates,
    saturation_indices,
    saturation_warnings,
)
from raffinate.errors import SpecificationError

GYPSUM = ("Ca", "sulfate")


def gypsum(database="llnl"):
    solids = load_solids(GYPSUM, database=database)
    return next(solid for solid in solids if solid.name == "gypsum")


def test_the_index_is_zero_where_the_product_is_the_constant():
    solid = gypsum()
    half = 0.5 * (solid.log10_constant - 2.0 * -0.01)
    assert solid.saturation_index({"Ca": half, "sulfate": half}, -0.01) == pytest.approx(0.0)


def test_ten_times_the_activity_raises_the_index_by_the_moles():
    solid = next(s for s in load_solids(("sodium", "sulfate")) if s.name == "mirabilite")
    low = solid.saturation_index({"sodium": -1.0, "sulfate": -1.0}, 0.0)
    high = solid.saturation_index({"sodium": 0.0, "sulfate": -1.0}, 0.0)
    assert high - low == pytest.approx(2.0)


def test_a_hydroxide_rises_by_three_for_one_of_ph():
    solids = load_solids(("Nd", "proton"))
    low = saturation_indices(solids, {"Nd": -2.0, "proton": -6.0})
    high = saturation_indices(solids, {"Nd": -2.0, "proton": -7.0})
    assert high["Nd(OH)3(am)"] - low["Nd(OH)3(am)"] == pytest.approx(3.0)
    assert low["Nd(OH)3(c)"] > low["Nd(OH)3"] > low["Nd(OH)3(am)"]


def test_only_solids_whose_ions_are_there_get_an_index():
    solids = load_solids(("Ca", "sulfate", "Nd", "proton"))
    indices = saturation_indices(solids, {"Ca": -2.0, "sulfate": -2.0, "Nd": -math.inf})
    assert set(indices) == {"gypsum", "anhydrite", "bassanite"}


def test_the_chosen_database_goes_first_and_the_other_fills_up():
    assert gypsum("llnl").log10_constant == pytest.approx(-4.4823)
    assert gypsum("thermoddem").log10_constant == pytest.approx(-4.605)
    names = [solid.name for solid in load_solids(("Fe", "proton"))]
    assert "Fe(OH)3" in names
    assert "ferrihydrite" in names
    assert len(set(names)) == len(names)


def test_warnings_name_what_comes_down_worst_first_and_what_only_ages():
    solids = load_solids(("Ca", "sulfate", "Al", "proton"))
    indices = {"gypsum": 0.2, "gibbsite": 1.5, "anhydrite": -0.1}
    warnings = saturation_warnings(solids, indices)
    assert len(warnings) == 2
    assert "gibbsite, index +1.50: it forms slowly" in warnings[0]
    assert "gypsum, index +0.20: it can precipitate" in warnings[1]


def test_a_constant_that_is_not_sourced_says_so_in_its_warning():
    solids = load_solids(("Nd", "sodium", "sulfate"))
    (warning,) = saturation_warnings(solids, {"NaNd(SO4)2·H2O": 0.3})
    assert warning.endswith("Its constant is assumed.")


def test_solids_without_a_sourced_constant_are_reported():
    missing = missing_solids(("Y", "Nd", "proton", "sodium", "ammonium", "sulfate", "oxalate"))
    assert ("hydroxide", "Y") in missing
    assert ("hydroxide", "Nd") not in missing
    assert ("sulfate", "Y") in missing
    assert ("sodium double sulfate", "Y") in missing
    assert ("sodium double sulfate", "Nd") not in missing
    assert ("ammonium double sulfate", "Nd") in missing
    assert ("oxalate", "Nd") in missing
    assert missing_solids(("Nd", "chloride")) == ()


def test_every_sulfate_names_a_source_that_says_how_far_to_trust_it():
    for solid in rare_earth_sulfates():
        assert solid.source.evidence in ("computed", "assumed")
        assert solid.source.title


def test_an_unknown_database_is_refused():
    with pytest.raises(SpecificationError, match="thermoddem"):
        load_solids(GYPSUM, database="wateq")
