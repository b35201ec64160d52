"""Inverse of a small block without pivoting, written out pivot by pivot.

A scan along a bank inverts one small block per stage. A call of LAPACK for each costs more than
the arithmetic; written out, the compiler sees plain array operations, which also run over a batch
of banks at once and on an accelerator.

Source: G. H. Golub, C. F. Van Loan, Matrix Computations, 4th ed. (2013), section 3.2
(Gauss transformations without pivoting; here applied from both sides, Gauss-Jordan).
"""

from __future__ import annotations

from raffinate.numerics.jax_setup import Array


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
