"""Shapes of membership."""

from __future__ import annotations

import math

import numpy as np
import pytest

from raffinate.control.fuzzy_terms import (
    Gaussian,
    Trapezoid,
    Variable,
    falling_shoulder,
    rising_shoulder,
    triangle,
)
from raffinate.errors import SpecificationError


def variable(**terms) -> Variable:
    return Variable(name="level", low=-10.0, high=10.0, terms=terms)


@pytest.mark.parametrize(
    ("shape", "points", "degrees"),
    [
        (triangle(0, 1, 3), [-1, 0, 0.5, 1, 2, 3, 4], [0, 0, 0.5, 1, 0.5, 0, 0]),
        (Trapezoid(0, 1, 2, 4), [0, 0.25, 1, 1.5, 2, 3, 4], [0, 0.25, 1, 1, 1, 0.5, 0]),
        (falling_shoulder(0, 2), [-9, 0, 1, 2, 9], [1, 1, 0.5, 0, 0]),
        (rising_shoulder(0, 2), [-9, 0, 1, 2, 9], [0, 0, 0.5, 1, 1]),
        (Trapezoid(1, 1, 2, 2), [0.999, 1, 1.5, 2, 2.001], [0, 1, 1, 1, 0]),
        (Trapezoid(0, 0, 2, 2), [-0.001, 0, 2, 2.001], [0, 1, 1, 0]),
        (Gaussian(1, 2), [1, 3, -1], [1, math.exp(-0.5), math.exp(-0.5)]),
    ],
)
def test_membership_follows_the_corners(shape, points, degrees):
    found = variable(it=shape).membership(points)["it"]
    assert found == pytest.approx(np.array(degrees, dtype=float), abs=1e-12)


def test_values_outside_the_universe_count_as_its_ends():
    found = variable(it=triangle(5, 10, 15)).membership([10.0, 1e9])["it"]
    assert found.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "corners",
    [
        (1, 0, 2, 3),
        (0, 1, 3, 2),
        (-math.inf, 0, 1, 2),
        (0, 1, 2, math.inf),
        (math.nan, 0, 1, 2),
        (math.inf, math.inf, math.inf, math.inf),
    ],
)
def test_corners_that_do_not_rise_are_refused(corners):
    with pytest.raises(SpecificationError, match="corners"):
        Trapezoid(*corners)


@pytest.mark.parametrize("width", [0.0, -1.0, math.nan, math.inf])
def test_a_gaussian_needs_a_width(width):
    with pytest.raises(SpecificationError, match="width"):
        Gaussian(0.0, width)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "two words"},
        {"name": "then"},
        {"low": 1.0, "high": 1.0},
        {"high": math.inf},
        {"terms": {}},
        {"terms": {"is": triangle(0, 1, 2)}},
        {"rest": 11.0},
        {"rest": math.nan},
    ],
)
def test_a_variable_that_cannot_work_is_refused(changes):
    sound = {"name": "level", "low": 0.0, "high": 10.0, "terms": {"it": triangle(0, 1, 2)}}
    Variable(**sound)
    with pytest.raises(SpecificationError):
        Variable(**(sound | changes))
