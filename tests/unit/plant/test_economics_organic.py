"""Solvent that liquors entrain, and organic fed on the way, in the account and its gradients."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plant_variants import SMALL, restaged
from priced_plants import AS_WRITTEN, made_up_prices
from raffinate.plant.economics import plant_economics
from raffinate.plant.economics_inventory import inventory
from raffinate.plant.economics_ions import ion_balance
from raffinate.plant.gradients_point import solved_point
from raffinate.plant.model import OrganicFeed, Plant
from raffinate.plant.steady import solve_steady
from solved_plants import shipped_plant

SHARE = 2e-3
"""Of the settled organic that goes down with the aqueous, and of the aqueous that goes up."""


def entraining(share: float = SHARE) -> Plant:
    plant = restaged(shipped_plant(), SMALL)
    sections = tuple(
        replace(section, entrained_organic=share, entrained_aqueous=share)
        for section in plant.circuit.sections
    )
    return replace(plant, circuit=replace(plant.circuit, sections=sections))


def fed_organic() -> Plant:
    plant = entraining()
    feed = OrganicFeed(
        name="loaded",
        flow=0.1 * plant.circuit.organic_flow,
        concentration={"Nd": 50.0},
        cation=20.0,
    )
    first, second, third = plant.circuit.sections
    sections = (first, replace(second, organic=feed), third)
    return replace(plant, circuit=replace(plant.circuit, sections=sections))


@pytest.fixture(scope="module", params=[entraining, fed_organic], ids=["entrains", "fed organic"])
def solved(request):
    plant = request.param()
    return plant, solve_steady(plant)


def lines(account):
    return {line.title: line for line in account.lines}


def test_ions_close_with_what_the_organic_carries(solved):
    plant, state = solved
    found = ion_balance(plant, state)
    assert found.error < 1e-8
    assert found.organic_lost == pytest.approx(sum(state.organic_lost.values()), rel=1e-12)
    carried = sum(each.organic_cation for each in found.outflows)
    assert carried > 0.0
    entered = found.base_used + found.cation_fed
    assert entered == pytest.approx(found.cation_out + found.cation_in_surplus, rel=1e-8)


def test_lost_solvent_is_what_the_plant_entrains_and_what_dissolves(solved):
    plant, state = solved
    account = plant_economics(plant, state, made_up_prices())
    lost = sum(state.organic_lost.values())
    leaving = sum(each.flow for each in account.ions.outflows)
    held = plant.circuit.extractant_concentration * 306.4e-3
    extractant = lost * held + leaving * 10.0e-3
    assert lines(account)["Extractant lost"].rate == pytest.approx(extractant, rel=1e-12)
    assert lines(account)["Diluent lost"].rate == pytest.approx(lost * (1.0 - held / 950.0))
    # The coefficient of plants that do not say what they entrain is neither read nor missed.
    without = plant_economics(plant, state, made_up_prices(entrainment_ppm=None))
    assert without.cost == account.cost
    assert without.complete


def test_more_entrainment_costs_more_solvent():
    rates = []
    for share in (SHARE, 2.0 * SHARE):
        plant = entraining(share)
        account = plant_economics(plant, solve_steady(plant), made_up_prices())
        rates.append(lines(account)["Extractant lost"].cost)
    assert rates[1] > 1.8 * rates[0] > 0.0


def test_oxide_fed_with_the_organic_is_bought_and_counts_as_feed():
    plant = fed_organic()
    state = solve_steady(plant)
    operation = plant.operation()
    oxide = 0.1 * plant.circuit.organic_flow * 50.0 * (144.242e-3 + 1.5 * 15.999e-3)
    fed = operation.feed_reo * operation.feed_flow + oxide
    account = plant_economics(plant, state, made_up_prices())
    assert lines(account)["Rare-earth oxide fed"].rate == pytest.approx(fed, rel=1e-6)
    held = inventory(plant, state)
    assert held.oxide_mass / held.feed_time == pytest.approx(fed, rel=1e-6)


def test_a_plant_without_entrainment_still_takes_the_coefficient():
    plant = restaged(shipped_plant(), SMALL)
    state = solve_steady(plant)
    account = plant_economics(plant, state, made_up_prices())
    assert not account.ions.entrains
    leaving = sum(each.flow for each in account.ions.outflows)
    held = plant.circuit.extractant_concentration * 306.4e-3
    ppm = AS_WRITTEN["entrainment_ppm"] * 1e-6
    expected = leaving * (ppm * held + 10.0e-3)
    assert lines(account)["Extractant lost"].rate == pytest.approx(expected, rel=1e-12)
    missing = plant_economics(plant, state, made_up_prices(entrainment_ppm=None))
    assert not missing.complete


@pytest.mark.slow
def test_the_differentiable_cost_is_that_of_the_account_and_so_are_its_slopes(solved):
    plant, state = solved
    prices = made_up_prices()
    account = plant_economics(plant, state, prices)
    point = solved_point(plant, state, prices=prices)
    assert point.outcome("cost") == pytest.approx(account.cost / account.reo_flow, rel=1e-9)
    _, slopes = point.jacobian()
    row = slopes[point.names.index("cost")]
    for name in ("organic_flow", "extractant_concentration", "feed.Nd"):
        place, costs = point.layout.place(name), []
        step = 1e-4 * point.inputs[place]
        for sign in (1.0, -1.0):
            there = point.moved(point.with_inputs({name: point.inputs[place] + sign * step}))
            costs.append(there.outcome("cost"))
        assert row[place] == pytest.approx((costs[0] - costs[1]) / (2.0 * step), rel=1e-4)
