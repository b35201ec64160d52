"""The transposed solve of a bordered block-tridiagonal matrix, with the factors of the direct one.

The transpose is taken of the solve itself, not written again: the two cannot disagree, whatever
the elimination does inside. Its cost is that of one direct solve.
"""

from __future__ import annotations

from raffinate.numerics.block_tridiagonal import BorderedFactors, solve_bordered
from raffinate.numerics.jax_setup import Array, jax


def solve_bordered_transposed(
    factors: BorderedFactors, right: Array, border_right: Array
) -> tuple[Array, Array]:
    """Return λ of Jᵀ λ = r, where `factors` are those of J.

    Args:
        factors: Eliminated matrix J.
        right: r by stage, (stage, m).
        border_right: r of the border, (border,).

    Returns:
        λ by stage, (stage, m), and of the border, (border,).
    """

    def direct(stage: Array, border: Array) -> tuple[Array, Array]:
        return solve_bordered(factors, stage, border)

    transposed = jax.linear_transpose(direct, right, border_right)
    stage, border = transposed((right, border_right))
    return stage, border
