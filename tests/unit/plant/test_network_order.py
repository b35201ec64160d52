"""Units in the order of calculation, and streams that do not join."""

from __future__ import annotations

import pytest
from tests.network_plants import CUTS, TWO_BANKS, bent

from raffinate.errors import DataError, SpecificationError
from raffinate.plant.network_order import calculation_order


def test_units_follow_what_they_need_and_recycles_are_torn_at_the_tank():
    first, *rest = calculation_order(bent(TWO_BANKS))
    assert first.tears == ("second.raffinate",)
    assert [unit.name for unit in first.units] == [
        "tank",
        "first",
        "carbonate",
        "liquor",
        "second",
    ]
    assert not rest


def test_a_tree_has_no_recycle():
    groups = calculation_order(bent(CUTS))
    assert [unit.name for group in groups for unit in group.units] == ["ce_nd", "la_ce"]
    assert not any(group.tears for group in groups)


def test_a_product_nobody_draws_is_refused():
    with pytest.raises(SpecificationError, match=r"'first\.nx' is made by nothing") as caught:
        bent(TWO_BANKS, ("stream: first.raffinate", "stream: first.nx"))
    assert "first.raffinate" in caught.value.allowed
    with pytest.raises(SpecificationError, match=r"nobody draws 'carbonate\.mother_liquor'"):
        bent(TWO_BANKS, ("waste: [carbonate.mother_liquor]", "waste: []"))


def test_a_stream_that_two_take_is_refused():
    with pytest.raises(SpecificationError, match="taken by tank and by waste"):
        bent(TWO_BANKS, ("waste: [", "waste: [second.raffinate, "))


def test_a_recycle_that_enters_no_tank_is_refused():
    with pytest.raises(SpecificationError, match="enters no tank"):
        bent(
            TWO_BANKS,
            ("liquor: tank}", "liquor: second.raffinate}"),
            ("tank: {kind: tank, takes: [chloride, second.raffinate]}", ""),
            ("waste: [", "waste: [chloride, "),
        )


def test_units_that_feed_only_one_another_must_accumulate():
    with pytest.raises(SpecificationError, match="must accumulate") as caught:
        bent(
            TWO_BANKS,
            ("waste: [", "waste: [chloride, "),
            ("takes: [chloride, second.raffinate]}", "takes: [second.raffinate]}"),
            (
                "units:\n",
                "units:\n  ring: {kind: tank, takes: [back]}\n"
                "  back: {kind: conditioner, takes: ring, total_mol_per_L: 1.0,"
                " free_acid_mol_per_L: 0.1}\n",
            ),
        )
    assert "splitter" in caught.value.mend


def test_a_name_with_a_dot_is_refused():
    with pytest.raises(DataError, match="holds a dot"):
        bent(TWO_BANKS, ("  chloride:\n", "  chlo.ride:\n"))
