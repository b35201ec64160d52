"""Block elimination against dense solves by NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.numerics.block_tridiagonal import (
    factorise,
    factorise_bordered,
    solve,
    solve_bordered,
)


def random_blocks(stages, size, seed=0):
    random = np.random.default_rng(seed)
    lower, diagonal, upper = random.normal(size=(3, stages, size, size))
    return lower, diagonal + 4.0 * np.eye(size), upper


def dense(lower, diagonal, upper):
    stages, size, _ = diagonal.shape
    matrix = np.zeros((stages * size, stages * size))
    for n in range(stages):
        here = slice(n * size, (n + 1) * size)
        matrix[here, here] = diagonal[n]
        if n > 0:
            matrix[here, (n - 1) * size : n * size] = lower[n]
        if n < stages - 1:
            matrix[here, (n + 1) * size : (n + 2) * size] = upper[n]
    return matrix


@pytest.mark.parametrize(("stages", "size"), [(1, 1), (1, 4), (2, 3), (9, 2), (40, 5)])
def test_solution_is_that_of_the_dense_matrix(stages, size):
    blocks = random_blocks(stages, size)
    right = np.random.default_rng(1).normal(size=(stages, size, 3))
    found = solve(factorise(*blocks), right)
    expected = np.linalg.solve(dense(*blocks), right.reshape(stages * size, 3))
    np.testing.assert_allclose(np.asarray(found).reshape(-1, 3), expected, rtol=1e-9, atol=1e-12)


def test_a_block_that_needs_pivoting_is_solved():
    diagonal = np.tile(np.array([[0.0, 2.0], [3.0, 1.0]]), (4, 1, 1))
    nothing = np.zeros_like(diagonal)
    right = np.arange(8.0).reshape(4, 2, 1)
    found = solve(factorise(nothing, diagonal, nothing), right)
    np.testing.assert_allclose(diagonal @ np.asarray(found), right, atol=1e-12)


def test_corner_blocks_outside_the_matrix_are_not_read():
    lower, diagonal, upper = random_blocks(5, 3)
    right = np.ones((5, 3, 1))
    expected = solve(factorise(lower, diagonal, upper), right)
    lower[0], upper[-1] = 1e3, -1e3
    np.testing.assert_allclose(solve(factorise(lower, diagonal, upper), right), expected)


@pytest.mark.parametrize("border", [1, 3])
def test_bordered_solution_is_that_of_the_dense_matrix(border):
    stages, size, seen = 6, 3, np.array([5, 0])
    random = np.random.default_rng(2)
    blocks = random_blocks(stages, size)
    columns = random.normal(size=(stages, size, border))
    rows = random.normal(size=(border, len(seen), size))
    corner = random.normal(size=(border, border)) + 3.0 * np.eye(border)
    right, border_right = random.normal(size=(stages, size)), random.normal(size=border)

    count = stages * size
    matrix = np.zeros((count + border, count + border))
    matrix[:count, :count] = dense(*blocks)
    matrix[:count, count:] = columns.reshape(count, border)
    matrix[count:, count:] = corner
    for place, stage in enumerate(seen):
        matrix[count:, stage * size : (stage + 1) * size] = rows[:, place]
    expected = np.linalg.solve(matrix, np.concatenate([right.ravel(), border_right]))

    factors = factorise_bordered(factorise(*blocks), columns, rows, seen, corner)
    stage_part, border_part = solve_bordered(factors, right, border_right)
    np.testing.assert_allclose(np.asarray(stage_part).ravel(), expected[:count], rtol=1e-9)
    np.testing.assert_allclose(border_part, expected[count:], rtol=1e-9)
