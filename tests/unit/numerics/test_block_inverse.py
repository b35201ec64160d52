"""The written-out inverse of a block against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.numerics.block_inverse import inverse_without_pivoting
from raffinate.numerics.jax_setup import jax, jnp


@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_inverse_is_that_of_numpy(size):
    rng = np.random.default_rng(size)
    block = rng.normal(size=(size, size)) + 2.0 * size * np.eye(size)
    np.testing.assert_allclose(
        inverse_without_pivoting(jnp.asarray(block)), np.linalg.inv(block), rtol=1e-12, atol=1e-14
    )


def test_a_zero_pivot_gives_what_is_not_finite():
    block = jnp.array([[0.0, 1.0], [1.0, 0.0]])
    assert not np.isfinite(np.asarray(inverse_without_pivoting(block))).all()


def test_many_blocks_are_inverted_as_each_alone():
    rng = np.random.default_rng(3)
    blocks = rng.normal(size=(6, 4, 4)) + 8.0 * np.eye(4)
    found = jax.jit(jax.vmap(inverse_without_pivoting))(jnp.asarray(blocks))
    np.testing.assert_allclose(found, np.linalg.inv(blocks), rtol=1e-12, atol=1e-14)
