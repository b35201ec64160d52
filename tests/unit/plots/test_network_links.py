"""Flows of a plant of many circuits as links, and the picture of them."""

from __future__ import annotations

import pytest
from tests.network_plants import TWO_BANKS, bent

from raffinate.errors import SpecificationError
from raffinate.plant.network_solve import solve_network
from raffinate.plant.network_state import NetworkState
from raffinate.plots.network_links import network_links, save_network_sankey


@pytest.fixture(scope="module")
def two_banks() -> NetworkState:
    return solve_network(bent(TWO_BANKS))


def test_units_between_circuits_are_drawn_as_part_of_them(two_banks):
    ways = {(link.source, link.target) for link in network_links(two_banks)}
    assert ways == {
        ("chloride", "first"),
        ("second", "first"),
        ("first", "Ce liquor"),
        ("first", "waste"),
        ("first", "second"),
        ("second", "Nd liquor"),
    }


def test_links_carry_the_amounts_of_the_streams(two_banks):
    axis = two_banks.network.axis
    place = two_banks.network.elements.index("Nd")
    (fed,) = [link.flow for link in network_links(two_banks, ("Nd",)) if link.source == "chloride"]
    assert fed == pytest.approx(two_banks.streams["chloride"].metals(axis)[place])
    (back,) = [
        link.flow
        for link in network_links(two_banks, ("Nd",))
        if (link.source, link.target) == ("second", "first")
    ]
    assert back == pytest.approx(two_banks.streams["second.raffinate"].metals(axis)[place])


def test_an_element_that_is_not_there_is_refused(two_banks):
    with pytest.raises(SpecificationError, match="no metal of two_banks"):
        network_links(two_banks, ("Lu",))


def test_the_picture_is_written(two_banks, tmp_path):
    save_network_sankey(two_banks, tmp_path / "flows.png", elements=("Ce", "Nd"))
    assert (tmp_path / "flows.png").stat().st_size > 10_000
