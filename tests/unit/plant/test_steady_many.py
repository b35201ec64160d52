"""Many plants of one layout at once: each as if it were alone, failures told by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant_variants import SMALL, restaged
from raffinate.errors import SpecificationError
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


def test_a_plant_without_a_steady_state_is_named_and_harms_no_other(small):
    """One whose organic brings far more ammonium than its liquors have chloride for."""
    hopeless = small.operated(
        replace(small.operation(), feed_flow=1e-3 * small.operation().feed_flow, scrub_flow=0.0)
    )
    many = solve_steady_many([small, hopeless], check_mixers=False)
    np.testing.assert_array_equal(many.converged, [True, False])
    assert many.complaints()[0].startswith("Plant 1: residual")


def test_other_layouts_are_refused(small, default_plant):
    with pytest.raises(SpecificationError, match="plant 1 has other elements, stages"):
        solve_steady_many([small, default_plant])


def test_no_plants_are_refused():
    with pytest.raises(SpecificationError, match="no plants"):
        solve_steady_many([])
