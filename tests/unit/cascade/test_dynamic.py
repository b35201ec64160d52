"""TR-BDF2: its coefficients, its accuracy in time, and what must scale exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant_variants import SMALL, enlarged, restaged
from raffinate.cascade.dynamic import DIAGONAL, EMBEDDED, GAMMA, OUTER, WEIGHTS
from raffinate.plant.motion import PlantMotion
from raffinate.plant.simulate import impurity_of
from raffinate.plant.steady import solve_steady

HOUR = 3600.0


def test_coefficients_satisfy_the_order_conditions():
    nodes = np.array([0.0, GAMMA, 1.0])
    matrix = np.array([[0.0, 0.0, 0.0], [DIAGONAL, DIAGONAL, 0.0], [OUTER, OUTER, DIAGONAL]])
    np.testing.assert_allclose(matrix.sum(axis=1), nodes)
    np.testing.assert_allclose(matrix[-1], WEIGHTS)
    assert np.dot(WEIGHTS, nodes) == pytest.approx(1.0 / 2.0)
    assert np.sum(EMBEDDED) == pytest.approx(1.0)
    assert np.dot(EMBEDDED, nodes) == pytest.approx(1.0 / 2.0)
    assert np.dot(EMBEDDED, nodes**2) == pytest.approx(1.0 / 3.0)
    assert np.array(EMBEDDED) @ matrix @ nodes == pytest.approx(1.0 / 6.0)


@pytest.fixture(scope="module")
def small(default_plant):
    return restaged(default_plant, SMALL)


@pytest.fixture(scope="module")
def rest(small):
    return solve_steady(small)


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


@pytest.mark.slow
def test_tighter_tolerances_converge(small, rest):
    hours = [2.0, 6.0, 12.0, 24.0]
    best = impurities(small, rest, hours, tolerance=1e-5)
    errors = [
        float(np.abs(impurities(small, rest, hours, tolerance=each) - best).max())
        for each in (1e-2, 1e-3, 1e-4)
    ]
    assert errors[1] < 1e-3, "the tolerance of a simulation"
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < errors[0] / 4.0
    assert errors[2] < 1e-4


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
