"""The cases of a study: on a grid, in a list, or drawn."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from raffinate.studies.model import Case, Study

Array = NDArray[np.float64]

LEAST_PROBABILITY = 2.0**-54
"""Stands for a drawn 0, whose quantile may be infinite, [-]."""


def make_cases(study: Study) -> list[Case]:
    """Return every case of a study, the same ones each time.

    Each case has a seed of its own, spawned from that of the study by its number: neither the
    order in which cases are run nor who runs them changes anything.
    """
    if study.method == "grid":
        axes = [each.values for each in study.inputs]
        names = [each.name for each in study.inputs]
        rows = [dict(zip(names, point, strict=True)) for point in product(*axes)]
    elif study.method == "list":
        rows = [dict(each) for each in study.cases]
    else:
        rows = [_numbers(study, point) for point in _points(study)]
    return [
        Case(index=index, seed=_own_seed(study, index), numbers=row)
        for index, row in enumerate(rows)
    ]


def _sequence(study: Study, index: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(study.seed, spawn_key=(index,))


def _own_seed(study: Study, index: int) -> int:
    # One bit less than NumPy gives: Parquet readers without unsigned integers exist.
    return int(_sequence(study, index).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _points(study: Study) -> Array:
    """Return probabilities, (case, dimension), above 0 and below 1."""
    constants = len(study.constants.names) if study.constants is not None else 0
    dimensions = len(study.inputs) + constants
    if study.method == "latin_hypercube":
        points = latin_hypercube(study.count, dimensions, study.seed)
    else:
        points = np.array(
            [
                np.random.default_rng(_sequence(study, index)).random(dimensions)
                for index in range(study.count)
            ]
        ).reshape(study.count, dimensions)
    return np.clip(points, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)


def latin_hypercube(count: int, dimensions: int, seed: int) -> Array:
    """Return points of which each of `count` equal slices holds one in every dimension.

    Method: McKay, Beckman, Conover, Technometrics 21 (1979) 239: a random permutation of the
    slices per dimension, and a uniform draw inside each.

    Args:
        count: Points.
        dimensions: Of each.
        seed: Of permutations and draws.

    Returns:
        (count, dimension), 0 to 1.
    """
    generator = np.random.default_rng(np.random.SeedSequence(seed))
    slices = np.array([generator.permutation(count) for _ in range(dimensions)], dtype=np.float64)
    points: Array = slices.reshape(dimensions, count).T + generator.random((count, dimensions))
    return points / count


def _numbers(study: Study, point: Array) -> dict[str, float]:
    numbers = {}
    for each, probability in zip(study.inputs, point, strict=False):
        assert each.distribution is not None
        numbers[each.name] = each.distribution.quantile(float(probability))
    if study.constants is not None:
        drawn = study.constants
        values = drawn.nominal + drawn.root @ ndtri(point[len(study.inputs) :])
        numbers |= dict(zip(drawn.names, values.tolist(), strict=True))
    return numbers
