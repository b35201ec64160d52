"""Least cost of small plants of two circuits over stages and flows, and their fronts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from network_plants import CUTS, TWO_BANKS, bent
from priced_plants import figure, made_up_prices
from raffinate.errors import SpecificationError
from raffinate.plant.network_optimise import network_task, optimise_network, optimised_network
from raffinate.plant.network_solve import solve_network
from raffinate.plant.network_stages import (
    at_stages,
    optimise_network_stages,
    restaged_network,
    section_names,
    stages_of,
    usual_ranges,
)
from raffinate.plant.pareto import network_front

RATIOS = {"first.organic_per_feed": (1.6, 2.6), "second.organic_per_feed": (3.2, 5.0)}


def prices():
    found = made_up_prices(ammonium_bicarbonate_per_kg=0.2)
    return replace(found, oxides={**found.oxides, "La": figure("La", 1.0)})


@pytest.fixture(scope="module")
def task():
    return network_task(bent(CUTS), prices())


@pytest.fixture(scope="module")
def best(task):
    return optimised_network(task, task.begin)


def test_slopes_by_the_impurities_of_the_cuts_are_those_of_whole_solves(task):
    point = task.begin
    rows = point.rows(["cost", "reo_held", "log_impurity.ce"])
    assert point.coordinates.cuts == ("ce_nd", "la_ce")
    for place in range(len(point.at)):
        step = np.zeros(len(point.at))
        step[place] = 1e-3
        above, below = point.moved(point.at + step), point.moved(point.at - step)
        np.testing.assert_allclose(above.at - below.at, 2.0 * step, atol=3e-9)
        for row, name in zip(rows, ("cost", "reo_held", "log_impurity.ce"), strict=True):
            found = (above.value(name) - below.value(name)) / 2e-3
            assert row[place] == pytest.approx(found, rel=1e-3, abs=1e-6 * abs(point.value(name)))


def test_what_is_held_is_what_the_account_holds(task, best):
    assert best.account.held.oxide_mass == pytest.approx(best.point.value("reo_held"), rel=1e-9)
    assert best.value < best.before
    assert best.state.balance_error < 1e-9
    for name, product in best.network.products.items():
        assert best.state.products[name].purity >= product.purity_limit - 1e-7


def test_other_stages_keep_the_impurities_of_every_cut(best):
    names = section_names(best.network)
    stages = dict(zip(names, stages_of(best.network), strict=True))
    stages["la_ce.extraction"] -= 2
    moved = at_stages(best.point, tuple(stages.values()))
    assert dict(zip(names, stages_of(moved.network), strict=True)) == stages
    np.testing.assert_allclose(moved.at[[0, 2, 3, 5]], best.point.at[[0, 2, 3, 5]], atol=1e-7)
    organic = "la_ce.organic_flow"
    place = best.point.coordinates.flows.index(organic)
    assert moved.logs[place] > best.point.logs[place]
    # What the circuit before it does is hardly touched: this is why circuits are turned in turn.
    assert moved.logs[0] == pytest.approx(best.point.logs[0], abs=1e-7)


@pytest.mark.slow
def test_no_neighbour_of_the_best_stages_is_cheaper(task):
    """Each neighbour is searched on its own, from the flows of the theory and not from the best."""
    ranges = {"ce_nd.strip": (2, 4), "la_ce.strip": (2, 4)}
    told = []
    found = optimise_network_stages(task, ranges, told=told.append)
    assert found.settled
    assert len(told) == len(found.trials)
    values = [each.value for each in found.trials if each.value is not None]
    assert found.best.value == min(values) < found.trials[0].value
    assert found.begin == (14, 12, 6, 13, 13, 6)
    assert found.trials[0].stages == (14, 12, 4, 13, 13, 4)
    here, names = stages_of(found.best.network), section_names(found.best.network)
    asked = {each.name: (each.low, each.high) for each in found.best.settings}
    for place, name in enumerate(names):
        for change in (-1, 1):
            low, high = ranges.get(name, (here[place],) * 2)
            if not low <= here[place] + change <= high:
                continue
            stages = (*here[:place], here[place] + change, *here[place + 1 :])
            other = optimise_network(restaged_network(bent(CUTS), stages), prices(), free=asked)
            assert other.value > found.best.value * (1.0 - 1e-6), stages
    anew = solve_network(found.best.network)
    assert anew.balance_error < 1e-9
    for name, product in found.best.state.products.items():
        assert product.purity >= found.best.network.products[name].purity_limit - 1e-7
        assert anew.products[name].purity == pytest.approx(product.purity, abs=1e-9)


def test_stages_of_banks_at_stated_ratios_are_searched_through_the_recycle():
    task = network_task(bent(TWO_BANKS), prices(), purities={"nd": 0.9, "ce": 0.6}, free=RATIOS)
    ranges = {"first.strip": (2, 4), "second.strip": (2, 4)}
    found = optimise_network_stages(task, ranges)
    assert found.settled
    assert found.best.value <= found.trials[0].value
    assert found.best.state.products["nd"].purity >= 0.9 - 1e-6
    assert found.best.state.balance_error < 1e-9
    assert found.stages["first.extraction"] == 4
    assert set(found.at_end) <= set(ranges)
    told = found.to_dict()
    assert told["stages"]["first.strip"]["before"] == 4
    assert told["settled"] is True
    rows = found.to_dataframe()
    assert len(rows) == len(found.trials) == len(told["trials"])
    assert rows["cost"].min() == found.best.value


def test_a_search_that_is_cut_short_says_so():
    task = network_task(bent(TWO_BANKS), prices(), purities={"nd": 0.9, "ce": 0.6}, free=RATIOS)
    found = optimise_network_stages(task, {"first.strip": (2, 4)}, most_trials=1)
    assert not found.settled
    assert len(found.trials) == 1


def test_usual_ranges_are_half_to_twice(task):
    assert usual_ranges(task.begin.network)["la_ce.extraction"] == (6, 26)
    assert usual_ranges(restaged_network(bent(CUTS), (1,) * 6))["la_ce.strip"] == (1, 2)


@pytest.mark.parametrize(
    ("ranges", "match"),
    [({"la_ce.extract": (1, 2)}, "no section"), ({"la_ce.strip": (0, 2)}, "0 to 2")],
)
def test_ranges_of_stages_that_cannot_be_are_refused(task, ranges, match):
    with pytest.raises(SpecificationError, match=match):
        optimise_network_stages(task, ranges)


@pytest.mark.parametrize("against", ["purity", "inventory"])
def test_on_a_front_of_many_circuits_what_is_better_costs_more(against):
    front = network_front(bent(CUTS), prices(), against=against, points=3, decades=0.3)
    assert len(front.points) + len(front.left_out) >= 3
    assert len(front.points) >= 2
    costs = [point.cost for point in front.points]
    better = [point.other if against == "purity" else -point.other for point in front.points]
    assert costs == sorted(costs)
    assert better == sorted(better)
    for point in front.points:
        assert point.optimum.state.balance_error < 1e-9
        for name, product in point.optimum.state.products.items():
            assert (
                product.purity >= front.points[0].optimum.network.products[name].purity_limit - 1e-7
            )
    rows = front.to_dataframe()
    assert ("reo_held_kg" if against == "inventory" else "margin_decades") in rows


def test_no_such_front_of_many_circuits_is_refused():
    with pytest.raises(SpecificationError, match="not traded"):
        network_front(bent(TWO_BANKS), prices(), against="beauty")
