"""Newton's step of the reduced bank: one block per stage, of the rare earths and the cation.

With J = Σ ν² x and a = ν (1/D - 1/q)/E, the charge equation of a stage gives its own

    δu = (a·(δy - (1-E) δy₋) - r)/J,

so that u is eliminated before the blocks are, and so is the proton: the changes of Σ ν y follow
from the wanted changes of Σ ν x by the balance of the equivalents. What is left couples neighbours
by a diagonal and one outer product, which leaves the inverse of one block per stage, and its
product with the answer to what comes back from the strip, as the work that grows with the cube of
its size.
"""

from __future__ import annotations

from typing import NamedTuple

from raffinate.cascade.reduced import (
    UNROLLED,
    Balance,
    Distributed,
    ReducedBank,
    charge_excess,
)
from raffinate.numerics.block_inverse import inverse_without_pivoting
from raffinate.numerics.jax_setup import Array, jnp, lax


class _Charge(NamedTuple):
    """The charge equation solved for δu, in every stage.

    Attributes:
        slope: J, (stage,), [mol/m³].
        weight: a, (stage, carried), [-].
        right: r, (stage,), [mol/m³].
    """

    slope: Array
    weight: Array
    right: Array


def newton_step(bank: ReducedBank, log_q: Array, state: Distributed) -> Array:
    """Return the change of ln q that makes every stage neutral, (stage,), [-].

    What changes in the organic that comes back from the strip enters stage 0 and is part of the
    matrix: without it a loop that fills would never be met.
    """
    charge = _charge(bank, log_q, state)
    moved, back = _change_of_organic(bank, state, charge)
    before = jnp.concatenate([back[None], moved[:-1]])
    answer = jnp.sum(charge.weight * (moved - state.balance.lag[:, None] * before), axis=1)
    return jnp.where(bank.active, (answer - charge.right) / charge.slope, 0.0)


def _charge(bank: ReducedBank, log_q: Array, state: Distributed) -> _Charge:
    carried = bank.fed.shape[1] - 1
    valence, efficiency = bank.valence, bank.efficiency
    total = state.aqueous @ valence
    wanted = -total * charge_excess(bank, state)
    organic = change_of_equivalents(bank, state.balance, wanted)
    before = jnp.concatenate([jnp.zeros(1), organic[:-1]])
    over_q = jnp.exp(-log_q)
    moved = (organic - state.balance.lag * before) * over_q / efficiency
    weight = valence[:carried] * (1.0 / state.ratio[:, :carried] - over_q[:, None])
    return _Charge(
        slope=state.aqueous @ valence**2,
        weight=weight / efficiency[:, None],
        right=wanted - moved,
    )


def change_of_equivalents(bank: ReducedBank, balance: Balance, wanted: Array) -> Array:
    """Return the change of Σ ν y that the change of Σ ν x asks for, (stage,), [mol/m³]."""
    above = jnp.append(bank.passed[1:] * wanted[1:], 0.0)
    gained = jnp.where(bank.active, above - balance.out * wanted, 0.0)
    # As of the balances, the held part of the organic stands with the stage itself.
    factor = bank.organic_flow / organic_out(bank, balance)

    def down(before: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        gain, share = row
        here = (gain / bank.organic_flow + before) * share
        return here, here

    return lax.scan(down, jnp.array(0.0), (gained, factor))[1]


def organic_out(bank: ReducedBank, balance: Balance) -> Array:
    """Return the organic that counts as leaving, the held part included, (stage,), [m³/s]."""
    return bank.organic_flow * balance.out / bank.leaving


def _change_of_organic(
    bank: ReducedBank, state: Distributed, charge: _Charge
) -> tuple[Array, Array]:
    """Return the change of y of the carried species, (stage, carried), and of what comes back."""
    carried = bank.fed.shape[1] - 1
    balance, active = state.balance, bank.active[:, None]
    per_slope = bank.valence[:carried] * state.aqueous[:, :carried] / charge.slope[:, None]
    own = jnp.where(active, balance.out[:, None] * per_slope, 0.0)
    sent = jnp.where(active, bank.passed[:, None] * per_slope, 0.0)
    above = jnp.zeros_like(sent).at[:-1].set(sent[1:])
    weight = jnp.where(active, charge.weight, 0.0)
    weight_above = jnp.zeros_like(weight).at[:-1].set(weight[1:])
    lag_above = jnp.zeros_like(balance.lag).at[:-1].set(balance.lag[1:])
    right_above = jnp.zeros_like(charge.right).at[:-1].set(charge.right[1:])
    before, diagonal, after = (
        value[:, :carried] for value in (balance.before, balance.diagonal, balance.after)
    )
    block = diagonal[:, :, None] * jnp.eye(carried) - own[:, :, None] * weight[:, None, :]
    block = block - (lag_above[:, None] * above)[:, :, None] * weight_above[:, None, :]
    right = above * right_above[:, None] - own * charge.right[:, None]
    remembered = balance.lag[:, None] * own
    vectors = [before, after, weight, remembered, above, weight_above, right]
    return _eliminated(block, jnp.stack(vectors, axis=1), bank.last)


def _eliminated(blocks: Array, vectors: Array, last: Array) -> tuple[Array, Array]:
    """Return the solution of the block-tridiagonal system whose ends are joined by the organic.

    Args:
        blocks: Of the stages' own, (stage, carried, carried).
        vectors: Which make the others, and the right-hand side, (stage, 7, carried): before,
            after, a, (1-E) p, p and a of the next stage, and the right-hand side.
        last: Index of the stage whose rare earths, all carried species but the last, enter
            stage 0 again.

    Returns:
        (stage, carried), and what enters stage 0, (carried,).
    """
    size = blocks.shape[-1]
    returning = size - 1

    def forward(carry: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        block, (before, after, a, p, p_above, a_above, right) = row
        lower = p[:, None] * (a @ carry)[None, :] - before[:, None] * carry
        inverse = inverse_without_pivoting(block - lower[:, :size])
        alone = right - lower[:, size]
        both = inverse @ jnp.concatenate(
            [p_above[:, None], alone[:, None], -lower[:, size + 1 :]], axis=1
        )
        gain = both[:, :1] * a_above[None, :] - inverse * after[None, :]
        found = jnp.concatenate([gain, both[:, 1:]], axis=1)
        return found, found

    def backward(after: Array, row: Array) -> tuple[Array, Array]:
        here = row[:, size] - row[:, :size] @ after
        return here, here

    unit = jnp.eye(size)[:, :returning]
    start = jnp.concatenate([jnp.zeros((size, size + 1)), unit], axis=1)
    _, eliminated = lax.scan(forward, start, (blocks, vectors))
    # Nothing is above the last stage: its row of the elimination is its solution.
    end = eliminated[last, :returning, size:]
    back = inverse_without_pivoting(jnp.eye(returning) - end[:, 1:]) @ end[:, 0]
    rows = eliminated[:, :, : size + 1]
    rows = rows.at[:, :, size].add(eliminated[:, :, size + 1 :] @ back)
    found = lax.scan(backward, jnp.zeros(size), rows, reverse=True, unroll=UNROLLED)[1]
    return found, jnp.append(back, 0.0)
