"""The cheapest plant keeps its purities, is as cheap as its account says, and cannot be beaten."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from gradient_plants import PURITY, short_plant
from priced_plants import AS_WRITTEN, made_up_prices
from raffinate.errors import SpecificationError
from raffinate.plant.optimise import Optimum, Task, optimise_plant, optimise_task, optimised
from raffinate.plant.optimise_levers import with_levers
from raffinate.plant.optimise_stages import at_stages, optimise_stages, stretched
from raffinate.plant.pareto import pareto_front

FREE = {"organic_to_acid_ratio": (6.0, 12.0), "saponification_degree": (0.30, 0.40)}


@lru_cache(maxsize=1)
def task() -> Task:
    return optimise_task(short_plant(), made_up_prices(), free=FREE)


@lru_cache(maxsize=1)
def best() -> Optimum:
    return optimised(task(), task().begin)


def test_the_optimum_is_cheaper_keeps_its_purities_and_is_what_the_account_says():
    found = best()
    assert found.cost < found.cost_before
    for name, purity in PURITY.items():
        assert found.state.products[name].purity >= purity - 1e-9
    assert found.account.cost is not None
    assert found.account.cost / found.account.reo_flow == pytest.approx(found.cost, rel=1e-9)
    assert found.state.balance_error < 1e-9


def test_no_plant_near_the_optimum_is_cheaper():
    """Each lever turned a little within its range, the purities met again by flows."""
    found = best()
    values = np.array([each.value for each in found.settings])
    levers = tuple(
        next(lever for lever in _levers() if lever.name == each.name) for each in found.settings
    )
    for place, lever in enumerate(levers):
        for sign in (-1.0, 1.0):
            turned = values.copy()
            turned[place] += sign * 0.02 * (lever.high - lever.low)
            if not lever.low <= turned[place] <= lever.high:
                continue
            inputs = with_levers(found.point.layout, found.point.inputs, levers, turned)
            other = found.point.moved(inputs).outcome("cost")
            assert other > found.cost * (1.0 - 1e-9), lever.name


def _levers():
    from raffinate.plant.optimise_levers import levers_of

    return levers_of(task().begin, task().purities, task().free)


def test_slopes_vanish_inside_ranges_and_push_outwards_at_their_ends():
    for each in best().settings:
        pushed = each.slope * (each.high - each.low) / best().cost
        if not each.at_end:
            assert abs(pushed) < 1e-3, each.name
        elif each.value > 0.5 * (each.low + each.high):
            assert pushed < 1e-6, each.name
        else:
            assert pushed > -1e-6, each.name


def test_a_limit_that_cannot_be_kept_is_refused_with_what_would_do():
    held = best().account.held.oxide_mass
    with pytest.raises(SpecificationError, match=r"reo_held.*cannot be kept") as raised:
        optimise_plant(
            short_plant(), made_up_prices(), free=FREE, limits={"reo_held": (0.0, 0.2 * held)}
        )
    assert "free another lever" in str(raised.value)
    assert "reo_held 0 to" in str(raised.value)


def test_purities_no_flows_give_are_refused():
    with pytest.raises(SpecificationError, match=r"no flows give|cannot be kept"):
        optimise_plant(short_plant(), made_up_prices(), purities=dict.fromkeys(PURITY, 0.999999))


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"free": {"scrub_colour": (1.0, 2.0)}}, "cannot be freed"),
        ({"free": {"organic_to_acid_ratio": (9.0, 8.0)}}, "range is 9 to 8"),
        ({"purities": {"nd": 1.2}}, r"purity is 1\.2"),
        ({"purities": {"ndd": 0.9}}, "no product"),
        ({"limits": {"reo_hold": (0.0, 1.0)}}, "no outcome"),
    ],
)
def test_what_cannot_be_asked_is_refused(asked, match):
    with pytest.raises(SpecificationError, match=match):
        optimise_plant(short_plant(), made_up_prices(), **asked)


def test_without_any_price_there_is_nothing_to_optimise():
    with pytest.raises(SpecificationError, match="no cost can be counted"):
        optimise_task(short_plant(), made_up_prices(**dict.fromkeys(AS_WRITTEN)))


def test_other_stages_start_from_a_stretched_profile_and_meet_the_same_purities():
    moved = at_stages(task(), task().begin, (5, 3, 2))
    for name, purity in PURITY.items():
        assert 10.0 ** moved.outcome(f"log_impurity.{name}") == pytest.approx(1.0 - purity)
    assert moved.plant.circuit.stages == 10


def test_a_stretched_profile_keeps_the_ends_of_every_section():
    rows = stretched(task().begin.unknowns, (4, 4, 2), (6, 3, 1))
    before = np.asarray(task().begin.unknowns.stage)
    after = np.asarray(rows.stage)
    np.testing.assert_array_equal(after[[0, 5, 6, 8]], before[[0, 3, 4, 7]])
    assert len(after) == 16


def test_the_best_stages_beat_their_neighbours_and_every_trial_is_told():
    told = []
    found = optimise_stages(
        replace(task(), free={}),
        {"extraction": (3, 5), "scrub": (3, 5)},
        most_trials=8,
        told=told.append,
    )
    assert len(told) == len(found.trials) <= 8
    values = [each.value for each in found.trials if each.value is not None]
    assert found.best.value == min(values)
    assert all(3 <= each.stages[0] <= 5 and each.stages[2] == 2 for each in found.trials)
    assert tuple(found.best.stages.values()) in [each.stages for each in found.trials]


@pytest.mark.parametrize(
    ("ranges", "match"), [({"extraktion": (1, 2)}, "no section"), ({"strip": (0, 2)}, "0 to 2")]
)
def test_ranges_of_stages_that_cannot_be_are_refused(ranges, match):
    with pytest.raises(SpecificationError, match=match):
        optimise_stages(task(), ranges)


@pytest.mark.parametrize("against", ["purity", "inventory"])
def test_on_a_front_what_is_better_costs_more(against):
    front = pareto_front(
        short_plant(), made_up_prices(), against=against, points=3, decades=0.1, free=FREE
    )
    assert len(front.points) + len(front.left_out) >= 2
    costs = [point.cost for point in front.points]
    better = [point.other if against == "purity" else -point.other for point in front.points]
    assert costs == sorted(costs)
    assert better == sorted(better)
    for point in front.points:
        assert point.optimum.state.balance_error < 1e-9
    assert len(front.to_dict()["points"]) == len(front.to_dataframe())


def test_no_such_front_is_refused():
    with pytest.raises(SpecificationError, match="not traded"):
        pareto_front(short_plant(), made_up_prices(), against="beauty")
