"""Inverse of a small block without pivoting, written out pivot by pivot.

A scan along a bank inverts one small block per stage. A call of LAPACK for each costs more than
the arithmetic; written out, the compiler sees plain array operations. Over a batch of banks the
pivots are a loop, each a few operations on all blocks with the bank as the last axis: written out
the compiler would be busy with them for minutes.

Source: G. H. Golub, C. F. Van Loan, Matrix Computations, 4th ed. (2013), section 3.2
(Gauss transformations without pivoting; here applied from both sides, Gauss-Jordan).
"""

from __future__ import annotations

from typing import Any

from raffinate.numerics.jax_setup import Array, jax, jnp, lax


@jax.custom_batching.custom_vmap
def inverse_without_pivoting(block: Array) -> Array:
    """Return the inverse of a block, (m, m).

    Args:
        block: (m, m); every leading minor differs from zero, as in a diagonally dominant block.
            A zero pivot gives values that are not finite, never an error.
    """
    for pivot in range(block.shape[-1]):
        scale = 1.0 / block[pivot, pivot]
        row = (block[pivot] * scale).at[pivot].set(scale)
        column = block[:, pivot].at[pivot].set(0.0)
        cleared = block.at[:, pivot].set(0.0)
        block = (cleared - column[:, None] * row[None, :]).at[pivot].set(row)
    return block


@inverse_without_pivoting.def_vmap
def _inverse_of_many(axis_size: int, in_batched: list[Any], blocks: Array) -> tuple[Array, bool]:
    """Return the inverses of blocks (bank, m, m), and that they have the bank in front."""
    place = jnp.arange(blocks.shape[-1])[:, None]

    def one_pivot(pivot: Array, block: Array) -> Array:
        row = lax.dynamic_index_in_dim(block, pivot, 0, keepdims=False)
        column = lax.dynamic_index_in_dim(block, pivot, 1, keepdims=False)
        scale = 1.0 / lax.dynamic_index_in_dim(row, pivot, 0, keepdims=False)
        here = place == pivot
        row = jnp.where(here, scale, row * scale)
        column = jnp.where(here, 0.0, column)
        cleared = jnp.where(here[None], 0.0, block) - column[:, None] * row[None]
        return jnp.where(here[:, None], row[None], cleared)

    last = jnp.moveaxis(blocks, 0, -1)
    return jnp.moveaxis(lax.fori_loop(0, blocks.shape[-1], one_pivot, last), -1, 0), True
