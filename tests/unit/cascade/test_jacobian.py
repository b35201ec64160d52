"""The blocks of the Newton matrix against two other ways to differentiate the residual."""

from __future__ import annotations

import numpy as np
import pytest

from plant_variants import SMALL, restaged
from raffinate.cascade.bank import Unknowns
from raffinate.cascade.equations import blank_inventory, inventory, residual
from raffinate.cascade.jacobian import newton_blocks
from raffinate.numerics.jax_setup import jax, jnp
from raffinate.plant.arrays import chemistry_of, problem_of, specification_of
from raffinate.plant.search import first_guess
from raffinate.plant.steady import solve_steady

RATES = [0.0, 1.0 / 300.0]

compiled_blocks = jax.jit(newton_blocks, static_argnums=0)


@pytest.fixture(scope="module", params=["full bucket", "padded"])
def case(request, default_plant):
    """A bank that solves for purities, at unknowns that are no solution."""
    plant = restaged(default_plant, SMALL if request.param == "full bucket" else (2, 2, 2))
    chemistry = chemistry_of(plant.circuit.system)
    asked = specification_of(plant, {"cepr": 0.9, "nd": 0.9})
    problem = problem_of(plant.circuit, asked)
    guess = first_guess(chemistry, problem, plant.circuit)
    random = np.random.default_rng(3)
    stage = np.asarray(guess.stage)
    stage = stage + 0.1 * random.normal(size=stage.shape) * np.minimum(np.abs(stage), 1.0)
    border = np.concatenate([np.full(3, 2e-4), [0.02, -0.01]])
    return chemistry, problem, Unknowns(jnp.asarray(stage), jnp.asarray(border))


def flat_residual(case, rate):
    chemistry, problem, at = case
    base = inventory(chemistry, problem, at, blank_inventory(chemistry, problem), jnp.array(0.0))
    shape = at.stage.shape

    def found(vector):
        unknowns = Unknowns(vector[: -len(at.border)].reshape(shape), vector[-len(at.border) :])
        left = residual(chemistry, problem, unknowns, base, jnp.array(rate))
        return jnp.concatenate([left.stage.ravel(), left.border])

    return found, jnp.concatenate([at.stage.ravel(), at.border]), base


def assembled(blocks, stages, size, border):
    count = stages * size
    matrix = np.zeros((count + border, count + border))
    for n in range(stages):
        here = slice(n * size, (n + 1) * size)
        matrix[here, here] = blocks.diagonal[n]
        if n > 0:
            matrix[here, (n - 1) * size : n * size] = blocks.lower[n]
        if n < stages - 1:
            matrix[here, (n + 1) * size : (n + 2) * size] = blocks.upper[n]
    matrix[:count, count:] = np.asarray(blocks.columns).reshape(count, border)
    for place, stage in enumerate(np.asarray(blocks.seen)):
        matrix[count:, stage * size : (stage + 1) * size] += np.asarray(blocks.rows)[:, place]
    matrix[count:, count:] = blocks.corner
    return matrix


@pytest.mark.parametrize("rate", RATES)
def test_blocks_are_the_derivative_of_the_whole_residual(case, rate):
    chemistry, problem, at = case
    found, vector, base = flat_residual(case, rate)
    stages, size = at.stage.shape
    blocks = compiled_blocks(chemistry, problem, at, base, jnp.array(rate))
    ours = assembled(blocks, stages, size, len(at.border))
    whole = np.array(jax.jit(jax.jacfwd(found))(vector))
    idle = np.repeat(~np.asarray(problem.vessels.active), size)
    whole[np.flatnonzero(idle), np.flatnonzero(idle)] = 1.0
    np.testing.assert_allclose(ours, whole, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("rate", RATES)
def test_blocks_agree_with_finite_differences_at_the_solution(default_plant, rate):
    """At the root only: elsewhere the scale of a residual, held fixed by the blocks, moves too."""
    plant = restaged(default_plant, SMALL)
    state = solve_steady(plant)
    chemistry = chemistry_of(plant.circuit.system)
    purities = {name: product.purity for name, product in state.products.items()}
    problem = problem_of(plant.circuit, specification_of(plant, purities))
    border = jnp.concatenate([state.unknowns.border, jnp.zeros(2)])
    case = chemistry, problem, Unknowns(state.unknowns.stage, border)
    found, vector, base = flat_residual(case, rate)
    found = jax.jit(found)
    assert float(jnp.abs(found(vector)).max()) < 1e-9
    stages, size = case[2].stage.shape
    ours = assembled(
        compiled_blocks(chemistry, problem, case[2], base, jnp.array(rate)), stages, size, 5
    )
    scale = np.ones_like(case[2].stage)
    # Organic is no logarithm: its steps are relative, or traces would leave the positive.
    scale[:, chemistry.unknown_count :] = case[2].stage[:, chemistry.unknown_count :]
    scale = np.concatenate([scale.ravel(), state.unknowns.border, np.ones(2)])
    for direction in scale * np.random.default_rng(4).normal(size=(5, len(vector))):
        step = 1e-6 * direction
        difference = np.asarray(found(vector + step) - found(vector - step)) / 2e-6
        np.testing.assert_allclose(ours @ direction, difference, rtol=1e-5, atol=1e-5)
