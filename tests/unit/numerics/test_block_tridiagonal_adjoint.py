"""The transposed solve against a dense matrix."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.numerics.block_tridiagonal import factorise, factorise_bordered
from raffinate.numerics.block_tridiagonal_adjoint import solve_bordered_transposed
from raffinate.numerics.jax_setup import jnp


@pytest.mark.parametrize(("stages", "size", "border"), [(6, 3, 2), (1, 4, 1)])
def test_transposed_solve_is_that_of_the_dense_transpose(stages, size, border):
    random = np.random.default_rng(5)
    lower, diagonal, upper = random.normal(size=(3, stages, size, size))
    diagonal = diagonal + 6.0 * np.eye(size)
    columns = random.normal(size=(stages, size, border))
    rows = random.normal(size=(border, 1, size))
    corner = random.normal(size=(border, border)) + 5.0 * np.eye(border)
    seen = np.array([stages - 1])
    count = stages * size
    dense = np.zeros((count + border, count + border))
    for n in range(stages):
        here = slice(n * size, (n + 1) * size)
        dense[here, here] = diagonal[n]
        if n > 0:
            dense[here, (n - 1) * size : n * size] = lower[n]
        if n < stages - 1:
            dense[here, (n + 1) * size : (n + 2) * size] = upper[n]
    dense[:count, count:] = columns.reshape(count, border)
    dense[count:, count - size : count] = rows[:, 0]
    dense[count:, count:] = corner
    right = random.normal(size=count + border)

    bank = factorise(*(jnp.asarray(each) for each in (lower, diagonal, upper)))
    factors = factorise_bordered(
        bank, *(jnp.asarray(each) for each in (columns, rows, seen, corner))
    )
    stage, last = solve_bordered_transposed(
        factors, jnp.asarray(right[:count].reshape(stages, size)), jnp.asarray(right[count:])
    )

    expected = np.linalg.solve(dense.T, right)
    np.testing.assert_allclose(np.append(np.ravel(stage), last), expected, rtol=1e-10, atol=1e-12)
