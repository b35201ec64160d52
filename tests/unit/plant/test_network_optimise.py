"""Least cost and asked purities of a plant of two circuits and a recycle."""

from __future__ import annotations

import pytest

from network_plants import TWO_BANKS, bent
from priced_plants import made_up_prices, without_oxide
from raffinate.errors import SpecificationError
from raffinate.plant.network_asked import solve_network_for
from raffinate.plant.network_economics_lines import oxide_fed
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


def test_what_is_held_bears_interest_and_the_cost_is_shared_among_the_oxides(network, state):
    """By the rules of the account of one circuit, from its profiles and vessels."""
    prices = made_up_prices()
    account = account_of(network, state, prices)
    held = account.held
    circuits = [each.circuit for each in state.circuits.values()]
    settled = sum(c.organic_flow * 900.0 * (c.stages + 1) for c in circuits)
    mixed = sum(c.organic_flow * 240.0 * c.stages for c in circuits)
    assert held.volume("organic") == pytest.approx(settled + mixed, rel=1e-9)
    assert held.extractant == pytest.approx(1500.0 * held.volume("organic"))
    nd = next(v for v in held.vessels if (v.section, v.place) == ("first.strip", "settlers"))
    strip = state.circuits["first"]
    volume = strip.circuit.sections[1].settler_aqueous
    assert nd.moles == pytest.approx(volume * strip.aqueous[4:].sum(axis=0))
    money = sum(each.value for each in account.locked.holdings)
    (interest,) = [line for line in account.lines if line.title.startswith("Interest")]
    assert interest.cost == pytest.approx(0.08 * money / (8000.0 * 3600.0), rel=1e-9)
    assert sum(each.cost for each in account.oxides) == pytest.approx(account.cost, rel=1e-12)
    by_mass = account_of(network, state, prices, allocation="mass").oxides
    assert by_mass[0].cost_per_kg == pytest.approx(by_mass[1].cost_per_kg, rel=1e-12)


def test_nothing_of_the_interest_is_counted_while_an_oxide_has_no_price(network, state):
    account = account_of(network, state, without_oxide(made_up_prices(), "Ce"))
    (interest,) = [line for line in account.lines if line.title.startswith("Interest")]
    assert interest.cost is None
    assert interest.missing == ("oxides.Ce",)
    assert all(each.cost is None for each in account.oxides)
    assert any("Share by mass" in sentence for sentence in account.missing)


def test_a_feed_without_a_price_is_said_to_make_losses_free(network, state):
    account = account_of(network, state, made_up_prices(feed_per_kg_reo=None))
    said = account.missing[0]
    assert said.startswith("feed_per_kg_reo [USD/kg] is not given")
    assert "oxide that leaves with waste costs nothing" in said
    share = 100.0 * account.reo_flow / oxide_fed(network)
    assert f"{share:.5g} % of the oxide fed leaves in products" in said
    assert "feed_per_kg_reo" not in " ".join(account_of(network, state, made_up_prices()).missing)


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
