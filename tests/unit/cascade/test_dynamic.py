"""The implicit method: its coefficients, its accuracy in time, and what must scale exactly."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from plant_variants import SMALL, enlarged, restaged
from raffinate.cascade import dynamic
from raffinate.cascade.dynamic import Span, integrate
from raffinate.cascade.dynamic_method import (
    DIAGONAL,
    EMBEDDED,
    GUESSES,
    MATRIX,
    NODES,
    STAGES,
    WEIGHTS,
)
from raffinate.numerics.jax_setup import jax
from raffinate.plant.arrays import chemistry_of, problem_of
from raffinate.plant.events import Event
from raffinate.plant.motion import RECORDED, PlantMotion
from raffinate.plant.search import first_guess
from raffinate.plant.simulate import impurity_of, simulate
from raffinate.plant.steady import solve_steady

HOUR = 3600.0


def test_coefficients_satisfy_the_order_conditions():
    """All eight conditions of order four, the four of order three for the companion."""
    nodes, matrix = NODES, MATRIX
    np.testing.assert_allclose(matrix.sum(axis=1), nodes, atol=1e-14)
    np.testing.assert_allclose(matrix[1:, 1:].diagonal(), DIAGONAL)
    assert (np.triu(matrix, 1) == 0.0).all()
    np.testing.assert_allclose(matrix[2:] @ nodes, nodes[2:] ** 2 / 2.0, atol=1e-14)
    third = ((nodes**2, 1.0 / 3.0), (matrix @ nodes, 1.0 / 6.0))
    fourth = (
        (nodes**3, 1.0 / 4.0),
        (nodes * (matrix @ nodes), 1.0 / 8.0),
        (matrix @ nodes**2, 1.0 / 12.0),
        (matrix @ matrix @ nodes, 1.0 / 24.0),
    )
    for weights, conditions in ((WEIGHTS, third + fourth), (EMBEDDED, third)):
        assert weights.sum() == pytest.approx(1.0, abs=1e-12)
        assert weights @ nodes == pytest.approx(1.0 / 2.0, abs=1e-12)
        for vector, value in conditions:
            assert weights @ vector == pytest.approx(value, abs=1e-12)
    assert abs(EMBEDDED @ nodes**3 - 1.0 / 4.0) > 1e-3, "the companion is of lower order"


def test_fast_modes_die_in_one_step():
    """L-stable: the factor of y' = -z y falls to nothing, and never exceeds one."""
    ones = np.ones(STAGES)
    factors = [
        1.0 - z * WEIGHTS @ np.linalg.solve(np.eye(STAGES) + z * MATRIX, ones)
        for z in (0.1, 1.0, 10.0, 1e3, 1e6)
    ]
    assert (np.abs(factors) < 1.0).all()
    assert abs(factors[-1]) < 1e-5


def test_first_guesses_are_exact_for_a_parabola():
    curve = 1.0 - 2.0 * NODES + 3.0 * NODES**2
    np.testing.assert_allclose(GUESSES[3:] @ curve, curve[3:])
    line = 1.0 - 2.0 * NODES
    np.testing.assert_allclose(GUESSES[2:] @ line, line[2:])


@pytest.fixture(scope="module")
def small(default_plant):
    return restaged(default_plant, SMALL)


@pytest.fixture(scope="module")
def rest(small):
    return solve_steady(small)


def kinds(motion):
    """Return what JAX compiles a kernel for: shape, type and strength of type of every leaf."""
    return [(each.shape, each.dtype, each.weak_type) for each in jax.tree.leaves(motion)]


def test_a_motion_that_has_moved_needs_no_other_kernel_than_one_that_begins(small):
    """The largest kernel of a plant in time was once compiled twice, for a scalar's weak type."""
    chemistry, problem = chemistry_of(small.circuit.system), problem_of(small.circuit)
    unknowns = first_guess(chemistry, problem, small.circuit)
    begun = jax.eval_shape(partial(dynamic.begin, chemistry), problem, unknowns, np.float64(1.0))
    span = Span(np.float64(1.0), np.bool_(False), np.bool_(False), np.float64(1e-3), np.float64(1))
    go_on = partial(integrate, chemistry, rows=RECORDED)
    moved, _ = jax.eval_shape(lambda *given: go_on(*given), problem, begun, span)
    assert kinds(moved) == kinds(begun)


def upset(operation):
    return replace(operation, saponification_degree=0.9 * operation.saponification_degree)


def impurities(plant, rest, hours, *, tolerance=1e-3):
    """Return log10 impurity of both products, (time, product), after the upset."""
    motion = PlantMotion(plant, rest, tolerance=tolerance)
    rows = []
    for begin, end in zip([0.0, *hours[:-1]], hours, strict=True):
        motion.advance(upset(plant.operation()), (end - begin) * HOUR)
        aqueous = motion.snapshot().aqueous
        rows.append(
            [
                np.log10(
                    impurity_of(
                        aqueous[plant.stage_index(product)],
                        plant.circuit.elements,
                        product.elements,
                    )
                )
                for product in plant.products.values()
            ]
        )
    motion.check()
    return np.array(rows)


def test_errors_stay_far_below_the_tolerance_and_fall_with_it(small, rest):
    """Steps that follow an upset are cut by what converges before they are cut by their error."""
    hours, tolerances = [2.0, 6.0, 12.0, 24.0], (1e-2, 1e-3, 1e-4)
    best = impurities(small, rest, hours, tolerance=1e-7)
    errors = [
        float(np.abs(impurities(small, rest, hours, tolerance=each) - best).max())
        for each in tolerances
    ]
    assert all(error < 0.1 * each for error, each in zip(errors, tolerances, strict=True))
    assert errors[2] == min(errors)


def test_between_the_ends_of_its_steps_a_trajectory_is_as_good(small, rest):
    """Rows of a coarse run against a fine one whose steps end at every row."""
    event = Event(name="organic.saponification_degree", how="*=", value=0.9, begin=0.0)
    path = simulate(small, 24.0 * HOUR, [event], nominal=rest, interval=1800.0)
    fine = PlantMotion(small, rest, tolerance=1e-6)
    operation = upset(small.operation())
    for row in range(1, len(path.time)):
        fine.advance(operation, 1800.0)
        now = fine.snapshot()
        np.testing.assert_allclose(path.aqueous[row], now.aqueous, rtol=3e-3, atol=3e-3)
        np.testing.assert_allclose(path.organic[row], now.organic, rtol=3e-3, atol=3e-3)
        np.testing.assert_allclose(path.proton[row], now.proton, rtol=3e-2)
    assert path.steps < 0.75 * (len(path.time) - 1), "rows do not cut steps"


def test_twice_the_holdup_takes_twice_as_long(small, rest):
    hours = np.array([3.0, 9.0, 20.0])
    plain = impurities(small, rest, list(hours), tolerance=1e-5)
    large = enlarged(small, mixers=2.0, settlers=2.0, tank=2.0)
    slow = impurities(large, rest, list(2.0 * hours), tolerance=1e-5)
    np.testing.assert_allclose(slow, plain, atol=5e-5)


@pytest.mark.parametrize("part", ["mixers", "settlers"])
def test_every_kind_of_vessel_slows_the_plant(small, rest, part):
    hours = [4.0]
    change = abs(impurities(small, rest, hours) - impurities(small, rest, [1e-3]))
    large = enlarged(small, **{part: 3.0})
    slowed = abs(impurities(large, rest, hours) - impurities(large, rest, [1e-3]))
    assert (slowed < 0.97 * change).any()


def test_a_long_time_after_an_upset_the_plant_is_at_its_new_steady_state(small, rest):
    motion = PlantMotion(small, rest)
    operation = upset(small.operation())
    motion.advance(operation, 5000.0 * HOUR)
    there = solve_steady(small.operated(operation))
    now = motion.snapshot()
    np.testing.assert_allclose(now.aqueous, there.aqueous, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(now.organic, there.organic, rtol=1e-6, atol=1e-9)
    assert motion.check() < 1e-6
