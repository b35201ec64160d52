"""Block-tridiagonal systems with a border: one scan along the bank and one back.

The unknowns of stage n couple to stages n-1 and n+1 only, plus to a few *border* unknowns that
every stage may see (the organic that returns to stage 1, a free flow) and that have equations of
their own. Elimination is block Thomas with LU and partial pivoting inside a block, none between
blocks; the border follows by its Schur complement.

Source: G. H. Golub, C. F. Van Loan, Matrix Computations, 4th ed. (2013), section 4.5.
"""

from __future__ import annotations

from typing import NamedTuple

from raffinate.numerics.jax_setup import Array, jnp, lax, lu_factor, lu_solve


class Factors(NamedTuple):
    """Eliminated blocks, ready for any right-hand side.

    Attributes:
        lower: A, (stage, m, m).
        inverse: Inverse of the reduced diagonal blocks, (stage, m, m).
        gain: inverse @ upper, (stage, m, m).
    """

    lower: Array
    inverse: Array
    gain: Array


def eliminate_block(block: Array, right: Array) -> Array:
    """Return block⁻¹ @ right by elimination with partial pivoting.

    Args:
        block: (m, m).
        right: (m, q).
    """
    solved: Array = lu_solve(lu_factor(block), right)
    return solved


def factorise(lower: Array, diagonal: Array, upper: Array) -> Factors:
    """Eliminate A[n] u[n-1] + B[n] u[n] + C[n] u[n+1] once for many right-hand sides.

    Args:
        lower: A, (stage, m, m); A[0] is not read.
        diagonal: B, (stage, m, m).
        upper: C, (stage, m, m); C[-1] is not read.
    """
    size = diagonal.shape[-1]
    identity = jnp.eye(size)

    def forward(
        gain_before: Array, row: tuple[Array, Array, Array]
    ) -> tuple[Array, tuple[Array, Array]]:
        a, b, c = row
        solved = eliminate_block(b - a @ gain_before, jnp.concatenate([c, identity], axis=1))
        gain = solved[:, :size]
        return gain, (gain, solved[:, size:])

    _, (gain, inverse) = lax.scan(forward, jnp.zeros((size, size)), (lower, diagonal, upper))
    return Factors(lower, inverse, gain)


def solve(factors: Factors, right: Array) -> Array:
    """Return u, (stage, m, q), for right-hand sides `right`, (stage, m, q)."""

    def forward(before: Array, row: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        a, inverse, r = row
        here = inverse @ (r - a @ before)
        return here, here

    def backward(after: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        gain, partial = row
        here = partial - gain @ after
        return here, here

    start = jnp.zeros_like(right[0])
    _, partial = lax.scan(forward, start, (factors.lower, factors.inverse, right))
    _, solution = lax.scan(backward, start, (factors.gain, partial), reverse=True)
    return solution


class BorderedFactors(NamedTuple):
    """Factors of a block-tridiagonal matrix with a border.

    Attributes:
        bank: Factors of the block-tridiagonal part.
        response: T⁻¹ B, how the stages answer the border unknowns, (stage, m, border).
        rows: Derivative of the border equations by the stages they see, (border, seen, m).
        seen: Indices of those stages, (seen,).
        complement: Inverse of the Schur complement D - C T⁻¹ B, (border, border).
    """

    bank: Factors
    response: Array
    rows: Array
    seen: Array
    complement: Array


def factorise_bordered(
    bank: Factors, columns: Array, rows: Array, seen: Array, corner: Array
) -> BorderedFactors:
    """Add a border to an eliminated bank.

    Args:
        bank: The eliminated block-tridiagonal part.
        columns: B, derivative of the stage equations by the border, (stage, m, border).
        rows: C, derivative of the border equations by the seen stages, (border, seen, m).
        seen: Indices of the seen stages, (seen,); they differ from each other.
        corner: D, (border, border).
    """
    response = solve(bank, columns)
    schur = corner - jnp.einsum("bsm,smc->bc", rows, response[seen])
    complement = eliminate_block(schur, jnp.eye(corner.shape[0]))
    return BorderedFactors(bank, response, rows, seen, complement)


def solve_bordered(
    factors: BorderedFactors, right: Array, border_right: Array
) -> tuple[Array, Array]:
    """Return stage unknowns (stage, m) and border unknowns (border,)."""
    alone = solve(factors.bank, right[..., None])[..., 0]
    seen_part = jnp.einsum("bsm,sm->b", factors.rows, alone[factors.seen])
    border = factors.complement @ (border_right - seen_part)
    return alone - factors.response @ border, border
