"""Networks at rest: recycles, balances, purities, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from tests.network_plants import CUTS, TWO_BANKS, bent

from raffinate.errors import BalanceError, SpecificationError
from raffinate.plant.network_design import solved_flows
from raffinate.plant.network_file import load_network
from raffinate.plant.network_solve import solve_network
from raffinate.plant.network_state import NetworkState, check_network_balance, network_state


@pytest.fixture(scope="module")
def two_banks() -> NetworkState:
    return solve_network(bent(TWO_BANKS))


def test_a_recycle_comes_to_rest_and_everything_balances(two_banks):
    assert 1 < two_banks.rounds < 40
    assert set(two_banks.balance) == {
        "Ce",
        "Nd",
        "ammonium",
        "chloride",
        "carbon",
        "volume",
    }
    assert max(two_banks.balance.values()) < 1e-10
    assert two_banks.balance_error < 1e-9


def test_the_recycle_is_what_the_tank_takes(two_banks):
    axis = two_banks.network.axis
    streams = two_banks.streams
    mixed = streams["chloride"].amount + streams["second.raffinate"].amount
    assert streams["tank"].amount == pytest.approx(mixed, rel=1e-9, abs=1e-12)
    assert streams["second.raffinate"].metals(axis).sum() > 0.0


def test_a_start_from_the_solution_is_at_once_there(two_banks):
    again = solve_network(two_banks.network, start=two_banks)
    assert again.rounds == 1
    for name, product in two_banks.products.items():
        assert again.products[name].purity == pytest.approx(product.purity, rel=1e-9)


def test_metal_leaves_only_by_products_and_waste(two_banks):
    network, axis = two_banks.network, two_banks.network.axis
    fed = two_banks.streams["chloride"].metals(axis)
    names = [product.stream for product in network.products.values()] + list(network.waste)
    left = np.sum([two_banks.streams[name].metals(axis) for name in names], axis=0)
    assert left == pytest.approx(fed, rel=1e-9)


def test_a_network_whose_streams_do_not_balance_is_refused(two_banks):
    streams = dict(two_banks.streams)
    wrong = streams["first.raffinate"]
    streams["first.raffinate"] = replace(wrong, amount=wrong.amount * 1.001)
    outcomes = {name: state.outcome for name, state in two_banks.circuits.items()}
    with pytest.raises(BalanceError):
        check_network_balance(two_banks.network, streams, outcomes)
    negative = wrong.amount.copy()
    negative[0] = -negative[0]
    streams["first.raffinate"] = replace(wrong, amount=negative)
    with pytest.raises(BalanceError, match=r"stream first\.raffinate"):
        network_state(two_banks.network, streams, two_banks.circuits, outcomes, 1)


def test_results_are_told_as_a_table_and_as_numbers(two_banks):
    table = two_banks.to_dataframe()
    assert list(table["stream"]) == list(two_banks.streams)
    told = two_banks.to_dict()
    assert told["stages"] == 16
    assert told["products"]["nd"]["reo_kg_per_h"] > 0.0
    assert told["reagents_per_t_reo"]["HCl"] > 0.0


def test_a_mixer_outside_its_phase_ratio_is_refused_with_the_organic_that_mends_it():
    with pytest.raises(SpecificationError, match="O/A in the mixer") as caught:
        solve_network(bent(TWO_BANKS, ("organic_per_feed: 2.0", "organic_per_feed: 0.3")))
    assert caught.value.where == "first, section extraction"
    told = re.search(r"at least ([\d.]+) m³/h of organic", caught.value.mend)
    assert told is not None
    # Feed 1.0 and 0.1 that the strip passes on: 1.1 volumes over 3 at 2 m³/h, and a trifle more.
    assert 1.1 / 3.0 * 2.0 < float(told[1]) < 1.1 / 3.0 * 2.0 * 1.001


def test_a_draw_of_more_than_arrives_is_refused():
    with pytest.raises(SpecificationError, match="draws 1 m³/h") as caught:
        solve_network(bent(TWO_BANKS, ("draw_per_feed: 0.3", "draw_per_feed: 0.5")))
    assert "to the 0.8 m³/h" in caught.value.allowed


@pytest.mark.slow
def test_cuts_are_solved_for_their_purities_and_flows_keep_them():
    network = bent(CUTS)
    state = solve_network(network)
    for name in ("la_ce", "ce_nd"):
        circuit = state.circuits[name]
        assert circuit.theory is not None
        assert circuit.extraction_amount == pytest.approx(circuit.theory.extraction_amount, rel=0.4)
    assert state.products["nd"].purity == pytest.approx(0.999, abs=1e-9)
    assert state.products["la"].purity > 0.99
    iron = network.elements.index("Fe")
    removed = sum(float(c.outcome.removed[iron]) for c in state.circuits.values())
    assert removed == pytest.approx(state.streams["chloride"].amount[iron], rel=1e-9)
    assert state.reagents["extractant"] > 0.0
    held = replace(
        network,
        units=tuple(
            replace(unit, flows=state.circuits[unit.name].flows) for unit in network.circuits
        ),
    )
    again = solve_network(held)
    assert again.products["nd"].purity == pytest.approx(0.999, abs=1e-6)


@pytest.mark.slow
def test_the_light_rare_earths_make_their_purities_at_flows_that_follow_from_them():
    network = load_network("lree_baotou")
    state = solve_network(network)
    for name, product in state.products.items():
        assert product.purity >= network.products[name].purity_limit
        assert product.recovery > 0.99
    assert not state.warnings
    found = solved_flows(solve_network(network, hold="purities"))
    shipped = solved_flows(state)
    for name, flows in found.items():
        assert flows == pytest.approx(shipped[name], rel=1e-5)


@pytest.mark.slow
def test_iron_that_is_not_stripped_is_bled_from_the_sulfate_circuit():
    state = solve_network(load_network("ree_d2ehpa_sulfate"))
    (circuit,) = state.circuits.values()
    assert circuit.loop.concentration[0] <= 45.0
    assert state.products["reo"].purity > 0.75
    assert state.products["reo"].recovery > 0.98
    assert state.balance_error < 1e-9
