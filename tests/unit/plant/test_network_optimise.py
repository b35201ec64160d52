"""Least cost and asked purities of a plant of two circuits and a recycle."""

from __future__ import annotations

import pytest

from network_plants import TWO_BANKS, bent
from priced_plants import made_up_prices
from raffinate.errors import SpecificationError
from raffinate.plant.network_asked import solve_network_for
from raffinate.plant.network_economics import oxide_fed
from raffinate.plant.network_levers import lever_values
from raffinate.plant.network_optimise import account_of, optimise_network
from raffinate.plant.network_outcomes import network_gradients
from raffinate.plant.network_solve import solve_network

FREE = {"first.organic_per_feed": (1.6, 2.6), "second.organic_per_feed": (3.2, 5.0)}


@pytest.fixture(scope="module")
def network():
    return bent(TWO_BANKS)


@pytest.fixture(scope="module")
def state(network):
    return solve_network(network)


def test_the_account_closes_on_what_the_units_used(network, state):
    prices = made_up_prices()
    account = account_of(network, state, prices)
    made = {line.title: line for line in account.lines}
    assert made["HCl, as 100 %"].rate == pytest.approx(state.reagents["HCl"], rel=1e-9)
    assert made["NH3, as 100 %"].rate == pytest.approx(state.reagents["NH3"], rel=1e-9)
    bicarbonate = made["Ammonium bicarbonate"]
    assert bicarbonate.rate == pytest.approx(state.reagents["NH4HCO3"], rel=1e-9)
    # It has no price here, so it is told of and not counted; nobody uses oxalic acid.
    assert bicarbonate.cost is None
    assert any("ammonium_bicarbonate_per_kg" in each for each in account.missing)
    assert "Oxalic acid" not in made
    assert made["Rare-earth oxide fed"].rate == pytest.approx(oxide_fed(network))
    stages = 16.0 * 20000.0 * 3.0 * 0.15 / 8000.0 / 3600.0
    volumes = [s.mixer + s.settler_organic + s.settler_aqueous for c in state.circuits.values()
               for s in c.circuit.sections]  # fmt: skip
    assert min(volumes) < 10.0
    assert 0.0 < made["Capital charge"].cost < stages * (max(volumes) / 10.0) ** 0.6 * 1.001
    found = network_gradients(network, state, prices=prices)
    assert found.value("cost") == pytest.approx(account.cost_per_reo, rel=1e-12)


def test_asked_purities_are_met_through_the_recycle(network):
    changed, state = solve_network_for(network, {"ce": 0.72, "nd": 0.88})
    assert state.products["ce"].purity == pytest.approx(0.72, abs=1e-8)
    assert state.products["nd"].purity == pytest.approx(0.88, abs=1e-8)
    assert state.balance_error < 1e-9
    anew = solve_network(changed)
    assert anew.products["nd"].purity == pytest.approx(0.88, abs=1e-7)
    assert lever_values(changed) != lever_values(network)


@pytest.mark.parametrize(
    ("asked", "free", "words"),
    [
        ({"la": 0.9}, None, "no product"),
        ({"nd": 1.2}, None, "purity is 1.2"),
        ({"nd": 0.9}, ("first.organic",), "no flow"),
    ],
)
def test_what_cannot_be_asked_of_a_network_is_refused(network, asked, free, words):
    with pytest.raises(SpecificationError, match=words):
        solve_network_for(network, asked, free=free)


@pytest.mark.slow
def test_the_optimum_is_cheaper_keeps_its_limits_and_cannot_be_bettered(network):
    prices = made_up_prices()
    found = optimise_network(
        network,
        prices,
        purities={"nd": 0.9, "ce": 0.6},
        free=FREE,
        limits={"recovery.ce": (0.9, 1)},
    )
    assert found.value < found.before
    assert found.state.products["nd"].purity >= 0.9 - 1e-6
    assert found.state.products["ce"].purity >= 0.6 - 1e-6
    assert found.state.balance_error < 1e-9
    assert found.account.cost_per_reo == pytest.approx(found.value, rel=1e-9)
    for each in found.settings:
        assert each.low * (1 - 1e-9) <= each.value <= each.high * (1 + 1e-9)
        # A flow within its range has no slope left, unless a limit holds it.
        held = each.at_end or any(name not in FREE for name in found.binding)
        assert held or abs(each.slope * each.value) < 1e-3 * found.value
    assert found.binding
    told = found.to_dict()
    assert told["objective_value"] == found.value
    assert len(found.to_dataframe()) == 2


@pytest.mark.slow
def test_a_purity_out_of_reach_of_the_flows_is_refused_with_what_is_nearest(network):
    with pytest.raises(SpecificationError, match="keep all limits") as refused:
        optimise_network(network, made_up_prices(), purities={"nd": 0.999999}, free=FREE)
    assert "log_impurity.nd" in refused.value.allowed
