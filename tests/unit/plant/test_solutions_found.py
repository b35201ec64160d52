"""All steady states of a plant: searched from many sides, told apart, checked for stability."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant_variants import SMALL, restaged
from raffinate.errors import ConvergenceError
from raffinate.plant.solutions import find_solutions
from raffinate.plant.steady import solve_steady


@pytest.fixture(scope="module")
def small(default_plant):
    return restaged(default_plant, SMALL)


@pytest.mark.slow
def test_every_search_ends_in_the_one_state_and_it_lasts(small):
    (only,) = find_solutions(small)
    assert only.found_from[0] == "nothing"
    assert {name.split()[-1] for name in only.found_from[1:]} == {
        "organic",
        "acid",
        "saponification",
    }
    assert only.stable
    assert only.state.balance_error <= 1e-9
    np.testing.assert_allclose(only.state.organic, solve_steady(small).organic, rtol=1e-9)


@pytest.mark.slow
def test_a_strip_without_enough_acid_for_any_state_is_told_as_that(small):
    operation = replace(small.operation(), saponification_degree=0.49, acid_concentration=100.0)
    with pytest.raises(ConvergenceError, match="no search ended in a steady state") as caught:
        find_solutions(small.operated(operation))
    assert "Give the strip more acid" in str(caught.value)
