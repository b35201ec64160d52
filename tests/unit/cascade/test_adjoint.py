"""Gradients by every number of a bank, against solves at changed numbers."""

from __future__ import annotations

import numpy as np
import pytest

from gradient_plants import short_point
from raffinate.cascade.adjoint import (
    numbers_of,
    outcome_jacobian,
    problem_gradient,
    with_numbers,
)
from raffinate.cascade.bank import Unknowns
from raffinate.cascade.steady import LONGEST_STEP, solve_pseudo_transient
from raffinate.numerics.jax_setup import jax, jnp

STEP = 1e-5
"""Relative step of the central differences; their error falls with its square."""


def last_impurity(problem, unknowns):
    """log₁₀ of the last element's share in the raffinate: what a purity is made of."""
    aqueous = jnp.exp(unknowns.stage[0, :3])
    return jnp.log10(aqueous[2] / aqueous.sum())


def solved(chemistry, problem, start):
    return solve_pseudo_transient(chemistry, problem, start, LONGEST_STEP, 1e-13, 6).unknowns


@pytest.fixture(scope="module")
def bank():
    point = short_point(met=False)
    problem = point.problem()
    return point.chemistry, problem, point.unknowns


@pytest.fixture(scope="module")
def gradient(bank):
    chemistry, problem, unknowns = bank
    compiled = jax.jit(problem_gradient, static_argnums=(0, 3))
    return compiled(chemistry, problem, unknowns, last_impurity)


def difference(bank, change):
    """Return the central difference along `change`, in the shape of the numbers."""
    chemistry, problem, unknowns = bank
    numbers = numbers_of(problem)
    found = []
    for sign in (1.0, -1.0):
        moved = tuple(
            jnp.asarray(each) + sign * STEP * way for each, way in zip(numbers, change, strict=True)
        )
        other = with_numbers(problem, moved)
        found.append(float(last_impurity(other, solved(chemistry, other, unknowns))))
    return (found[0] - found[1]) / (2.0 * STEP)


def test_gradient_by_every_number_is_that_of_solves_at_changed_numbers(bank, gradient):
    """A random direction moves every number at once: efficiencies of all stages, flows, feeds,
    constants; each gives its part of one difference."""
    _, problem, _ = bank
    random = np.random.default_rng(8)
    change = [random.normal(size=np.shape(each)) * np.asarray(each) for each in numbers_of(problem)]
    slopes = numbers_of(gradient)
    for k, way in enumerate(change):
        if np.shape(way) == np.shape(problem.streams.feed_concentration):
            # An anion that does not balance its cations is no liquor: feeds move as wholes.
            rows = random.normal(size=(way.shape[0], 1))
            change[k] = np.asarray(numbers_of(problem)[k]) * rows
    along = sum(float(np.sum(np.asarray(s) * w)) for s, w in zip(slopes, change, strict=True))
    assert abs(along) > 1e-3
    assert along == pytest.approx(difference(bank, change), rel=1e-6)


def test_holdups_do_not_change_a_steady_state_and_padding_changes_nothing(bank, gradient):
    _, problem, _ = bank
    vessels = gradient.vessels
    for name in ("mixer_aqueous", "mixer_organic", "settler_aqueous", "settler_organic", "tank"):
        assert float(np.max(np.abs(getattr(vessels, name)))) < 1e-12
    idle = ~np.asarray(problem.vessels.active)
    assert idle.any()
    assert np.all(np.asarray(vessels.efficiency)[idle] == 0.0)
    assert np.all(np.isfinite(np.concatenate([np.ravel(each) for each in numbers_of(gradient)])))


def test_adjoints_and_sensitivities_give_the_same_derivatives(bank):
    chemistry, problem, unknowns = bank
    flows = jnp.asarray(problem.streams.feed_flow)

    def build(inputs):
        return problem._replace(streams=problem.streams._replace(feed_flow=inputs))

    def measure(inputs, found: Unknowns):
        aqueous = jnp.exp(found.stage[0, :4])
        return jnp.concatenate([jnp.log10(aqueous / aqueous.sum()), inputs * aqueous[0]])

    def both(inputs, found):
        return [
            outcome_jacobian(chemistry, build, measure, inputs, found, forward=way)[1]
            for way in (True, False)
        ]

    forward, reverse = jax.jit(both)(flows, unknowns)
    np.testing.assert_allclose(forward, reverse, rtol=1e-8, atol=1e-9 * np.abs(forward).max())
