"""Files of plants of many circuits: what they say, and what is wrong with them."""

from __future__ import annotations

import pytest
from tests.network_plants import CUTS, TWO_BANKS, bent

from raffinate.errors import DataError, SpecificationError
from raffinate.plant.network import CircuitUnit, Precipitation, Tank
from raffinate.plant.network_file import is_network, load_network, shipped_networks
from raffinate.plant.plant_file import load_plant, shipped_plants


@pytest.mark.parametrize("name", shipped_networks())
def test_every_shipped_plant_is_read_as_a_network(name):
    network = load_network(name)
    assert network.circuits
    assert network.products
    assert all(source.title for source in network.sources)


def test_units_come_in_the_order_of_the_file():
    kinds = [type(unit) for unit in bent(TWO_BANKS).units]
    assert kinds[:4] == [CircuitUnit, CircuitUnit, Tank, Precipitation]


def test_only_files_with_circuits_are_networks():
    assert is_network("lree_baotou")
    assert not is_network("ceprnd_p507")


def test_the_door_for_one_circuit_points_to_the_one_for_many():
    assert "lree_baotou" not in shipped_plants()
    with pytest.raises(DataError, match="many circuits") as caught:
        load_plant("lree_baotou")
    assert "load_network" in caught.value.mend


def test_a_plant_of_one_circuit_is_a_network_of_one():
    network = load_network("ceprnd_p507")
    (circuit,) = network.circuits
    assert circuit.cut is not None
    assert circuit.cut.extracted == ("Nd",)
    assert circuit.cut.extract_purity == pytest.approx(0.9994)
    assert [section.recycle for section in circuit.sections] == pytest.approx(
        [flow / 3600.0 for flow in (5.6, 6.8, 6.4)]
    )
    assert {product.stream for product in network.products.values()} == set(circuit.outlets)


def test_fractions_of_oxide_and_of_metal_are_told_apart():
    masses = bent(TWO_BANKS).feeds[0].concentration
    oxides = bent(TWO_BANKS, ("mass_fraction", "oxide_fraction")).feeds[0].concentration
    assert sum(masses.values()) == pytest.approx(600.0)
    assert sum(oxides.values()) == pytest.approx(600.0)
    # CeO2 holds more oxygen a metal than Nd2O3.
    assert oxides["Ce"] < masses["Ce"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("stages: 4, liquor: tank", "stages: 0, liquor: tank"), "1 or more"),
        (("Ce: 0.6", "Ce: 0.7"), "fractions add up to 1.1"),
        (("draw_per_feed: 0.3", "draw_per_feed: 0.0"), "A product nobody draws"),
        (("acid_per_feed: 0.4", "acid_per_feed: 0"), "both an acid and its flow"),
        (("acid: strip, acid_per_feed: 0.4", "acid: stripp, acid_per_feed: 0.4"), "'strip'"),
        (("organic: p507", "organic: p508"), "'p507'"),
        (("elements: [Ce]", "elements: [Pr]"), "no rare earth of the feeds"),
        (("organic_per_feed: 2.0", "organic_per_fed: 2.0"), "'organic_per_feed'"),
        (("organic_per_feed: 2.0", "feed: tank"), "is missing"),
        (("precipitant: carbonate", "precipitant: carbonate, excess: 0.1"), "the excess is 0.1"),
        (("source: made_up}\n  liquor", "source: made}\n  liquor"), "not among the sources"),
        (("takes: [chloride, second.raffinate]", "takes: []"), "at least 1 item"),
        (("  tank: {kind", "  first: {kind"), "two things are named"),
    ],
)
def test_what_is_wrong_is_named_with_the_mend(change, message):
    with pytest.raises((DataError, SpecificationError)) as caught:
        bent(TWO_BANKS, change)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("scrub: 12", "scrub: 0"), "1 or more"),
        (("excess: 1.3", "excess: 0.9"), "more than 1"),
        (("extracted: [Nd]", "extracted: [La]"), "leave something behind"),
        (("extracted: [Nd]", "extracted: [Sm]"), "not in the plant"),
        (("    acid: strip\n", ""), "acid is missing"),
        (("Fe: 0.001", "Xx: 0.001"), "Xx"),
        (("    feed: chloride\n", "    feed: chloride\n    organic_per_feed: 2.0\n"), "no meaning"),
    ],
)
def test_what_is_wrong_with_a_cut_is_named(change, message):
    with pytest.raises((DataError, SpecificationError)) as caught:
        bent(CUTS, change)
    assert message in str(caught.value)
