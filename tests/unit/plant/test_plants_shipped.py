"""The larger plants that ship: what they hold, what they say of their constants, and their rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from raffinate.chemistry.elements import RARE_EARTHS
from raffinate.data_files import read_named
from raffinate.plant.network import NetworkProduct
from raffinate.plant.network_doubt import assumed_constants, doubtful_constants
from raffinate.plant.network_file import load_network, shipped_networks
from raffinate.plant.network_order import calculation_order
from raffinate.plant.network_solve import solve_network
from raffinate.sources import EVIDENCE


def test_every_rare_earth_of_full15_is_a_product_of_its_own():
    network = load_network("full15")
    assert set(network.elements) == set(RARE_EARTHS) - {"Sc"}
    sold = [product.elements for product in network.products.values()]
    assert sorted(sold) == sorted((symbol,) for symbol in network.elements)


def test_full15_has_about_a_thousand_stages_and_recycles_between_circuits():
    network = load_network("full15")
    assert 950 <= network.stages <= 1050
    loops = [group for group in calculation_order(network) if group.tears]
    circuits = {circuit.name for circuit in network.circuits}
    looped = [sorted(circuits & {unit.name for unit in group.units}) for group in loops]
    assert sorted(looped) == [["eu_gd", "sm_eu"], ["gd_tb", "tb_dy"]]


@pytest.mark.parametrize("name", shipped_networks())
def test_every_number_of_a_shipped_plant_names_a_source_with_its_evidence(name):
    document = yaml.safe_load(read_named(name, "plant", shipped_networks())[0])
    for source in document["sources"].values():
        assert source["evidence"] in EVIDENCE
        assert source.get("reference") or source.get("note")


def test_a_plant_says_which_circuits_rest_on_assumed_and_interpolated_constants():
    network = load_network("full15")
    assert assumed_constants(network) == {"p507_series": ["Er", "Tm", "Yb", "Lu"]}
    assumed, interpolated = doubtful_constants(network)
    assert "constants of Er, Tm, Yb, Lu are assumed" in assumed
    for circuit in ("er_tm", "y_er", "tm_yb", "yb_lu"):
        assert circuit in assumed
    for circuit in ("la_ce", "pr_nd", "tb_dy", "ho_y"):
        assert circuit not in assumed
    assert "constants of Eu, Gd are interpolated" in interpolated


@pytest.mark.parametrize("name", ["ceprnd_p507", "lree_baotou", "y_naphthenic"])
def test_other_plants_rest_on_no_assumed_constant(name):
    assert assumed_constants(load_network(name)) == {}
    assert not [each for each in doubtful_constants(load_network(name)) if "assumed" in each]


@pytest.mark.slow
def test_the_first_circuit_of_full15_parts_light_from_heavy_as_its_cut_asks():
    network = load_network("full15")
    sold = {
        name: NetworkProduct(
            name=name,
            title=name,
            stream=f"nd_sm.{outlet}",
            elements=elements,
            purity_limit=0.9999,
        )
        for name, outlet, elements in (
            ("light", "raffinate", network.elements[:4]),
            ("heavy", "strip_liquor", network.elements[4:]),
        )
    }
    alone = replace(network, units=(network.circuit("nd_sm"),), products=sold, waste=())
    state = solve_network(alone)
    assert state.balance_error < 1e-9
    for product in state.products.values():
        assert product.purity > 0.9999
        assert product.recovery > 0.9999


@pytest.mark.slow_benchmark
def test_full15_comes_to_rest_from_nothing_and_makes_every_product():
    state = solve_network(load_network("full15"))
    assert state.residual < 1e-10
    assert state.balance_error < 1e-9
    assert max(state.balance.values()) < 1e-9
    assert state.rounds > 2
    for name, product in state.products.items():
        assert product.purity >= state.network.products[name].purity_limit, name
        assert product.recovery > 0.98, name
    assert all("constants of" in warning for warning in state.warnings)
    assert state.to_dict()["assumed_constants"]["p507_series"] == ["Er", "Tm", "Yb", "Lu"]


@pytest.mark.slow
def test_yttrium_leaves_naphthenic_acid_pure_and_the_heavy_rare_earths_go_to_the_strip():
    state = solve_network(load_network("y_naphthenic"))
    assert state.balance_error < 1e-9
    assert state.products["y"].purity > 0.999
    assert state.products["y"].recovery > 0.99
    assert state.products["others"].purity > 0.99
    assert state.warnings == ()
