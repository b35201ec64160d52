"""Steps through the bank stay positive, however wild the Newton step is."""

from __future__ import annotations

import numpy as np
import pytest

from plant_variants import SMALL, restaged
from raffinate.cascade.bank import Unknowns
from raffinate.cascade.equations import blank_inventory
from raffinate.cascade.transport import advanced
from raffinate.numerics.jax_setup import jax, jnp
from raffinate.plant.arrays import chemistry_of, problem_of
from raffinate.plant.search import first_guess
from raffinate.plant.steady import solve_steady


@pytest.fixture(scope="module")
def bank(default_plant):
    plant = restaged(default_plant, SMALL)
    chemistry = chemistry_of(plant.circuit.system)
    problem = problem_of(plant.circuit)
    blank = blank_inventory(chemistry, problem)

    @jax.jit
    def move(unknowns, step):
        return advanced(chemistry, problem, unknowns, step, blank, jnp.array(0.0))

    return plant, chemistry, problem, move


@pytest.mark.parametrize("size", [1.0, 1e3, 1e8])
def test_any_newton_step_leaves_a_bank_that_is_positive(bank, size):
    plant, chemistry, problem, move = bank
    unknowns = first_guess(chemistry, problem, plant.circuit)
    random = np.random.default_rng(5)
    for _ in range(5):
        step = Unknowns(
            jnp.asarray(size * random.normal(size=unknowns.stage.shape)),
            jnp.asarray(size * random.normal(size=unknowns.border.shape)),
        )
        unknowns = move(unknowns, step)
        stage = np.asarray(unknowns.stage)
        assert np.isfinite(stage).all()
        assert (stage[:, chemistry.unknown_count :] >= 0.0).all()
        assert (np.asarray(unknowns.border) > 0.0).all()


def test_the_solution_is_where_a_vanishing_step_ends(bank):
    plant, _, _, move = bank
    unknowns = solve_steady(plant).unknowns
    after = move(unknowns, Unknowns(jnp.zeros_like(unknowns.stage), jnp.zeros(3)))
    np.testing.assert_allclose(after.stage, unknowns.stage, atol=1e-7)
