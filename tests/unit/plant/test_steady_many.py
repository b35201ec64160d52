"""Many plants of one layout at once: each as if it were alone, failures told by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant_variants import SMALL, restaged
from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.plant import steady_many
from raffinate.plant.steady import solve_steady
from raffinate.plant.steady_many import solve_steady_many


@pytest.fixture
def small(default_plant):
    return restaged(default_plant, SMALL)


def with_organic(plant, factor):
    operation = plant.operation()
    return plant.operated(replace(operation, organic_flow=factor * operation.organic_flow))


def test_every_plant_is_as_if_it_were_alone(small):
    plants = [with_organic(small, factor) for factor in (0.95, 1.0, 1.08)]
    many = solve_steady_many(plants)
    assert many.converged.all()
    assert not many.complaints()
    for index, plant in enumerate(plants):
        alone = solve_steady(plant)
        np.testing.assert_allclose(many.aqueous[index], alone.aqueous, rtol=1e-8)
        np.testing.assert_allclose(many.organic[index], alone.organic, rtol=1e-8)
        np.testing.assert_allclose(many.raffinate[index], alone.raffinate, rtol=1e-8)
        np.testing.assert_allclose(many.drawn[index], alone.drawn, rtol=1e-8)
    fed = small.operation().feed_flow * small.operation().feed_concentration(many.elements)
    np.testing.assert_allclose(many.raffinate + many.drawn, np.tile(fed, (3, 1)), rtol=1e-9)


@pytest.fixture
def flooded(small):
    """One whose organic brings far more ammonium than its liquor takes up."""
    return small.operated(
        replace(small.operation(), feed_flow=1e-3 * small.operation().feed_flow, scrub_flow=0.0)
    )


def test_a_plant_that_is_not_solved_is_named_and_harms_no_other(small, flooded, monkeypatch):
    def refused(*_):
        raise ConvergenceError("no steady state.", where="test")

    monkeypatch.setattr(steady_many, "solve_fixed", refused)
    many = solve_steady_many([small, flooded], check_mixers=False)
    np.testing.assert_array_equal(many.converged, [True, False])
    assert many.alone[1]
    assert many.complaints()[0].startswith("Plant 1: residual")


@pytest.mark.slow
def test_what_the_batch_leaves_is_solved_by_the_march_of_the_full_equations(small, flooded):
    many = solve_steady_many([small, flooded], check_mixers=False)
    assert many.converged.all()
    alone = solve_steady(flooded, check_mixers=False)
    np.testing.assert_allclose(many.aqueous[1], alone.aqueous, rtol=1e-7)


def test_other_layouts_are_refused(small, default_plant):
    with pytest.raises(SpecificationError, match="plant 1 has other elements, stages"):
        solve_steady_many([small, default_plant])


def test_no_plants_are_refused():
    with pytest.raises(SpecificationError, match="no plants"):
        solve_steady_many([])


def test_one_bank_is_solved_alone_and_its_neighbours_begin_from_it(small):
    plants = [with_organic(small, factor) for factor in (0.98, 1.0, 1.01, 1.03)]
    many = solve_steady_many(plants)
    assert many.converged.all()
    np.testing.assert_array_equal(many.alone, [False, True, False, False])
    assert (many.iterations[~many.alone] < many.iterations[1]).all()


def test_two_groups_far_apart_are_both_solved(small):
    """No way leads by Newton alone from one to the other: each has a plant solved from nothing."""
    plants = [with_organic(small, factor) for factor in (0.6, 0.605, 1.0, 1.005)]
    many = solve_steady_many(plants, check_mixers=False)
    assert many.converged.all()
    assert many.alone.sum() == 2
    for plant, found in zip(plants, many.aqueous, strict=True):
        alone = solve_steady(plant, check_mixers=False)
        np.testing.assert_allclose(found, alone.aqueous, rtol=1e-7)
