"""Newton's step of the reduced bank with constants that follow the liquor of their stage.

Unknown are u = ln q and ln K of every stage; wanted are electroneutrality and the constants of the
full chemistry at the liquor. With G = ∂ln K/∂x, x the liquor without the proton, and m what the
constants miss,

    δln K = m + G_x δx + G_h δx_h + G_u δu        δx_h = r - ν·δx        r = -S ln(S/c)

as the charge fixes the proton. What a stage transfers is e = δy - (1-E) δy₋, and ω = E D x:

    e = ω (δx/x + δln K + ν δu)        ν·e + ω_h (δx_h/x_h + δu) = Δ

with Δ the same difference of Σ ν y, which follows from r. The second gives δu, so that
e = T δx + τ with one dense block T per stage. From the last stage down, δx = R δy₋ + t with

    (Q T + A) R = O - (1-E) Q        Q = O - A₊ R₊

and back up along the organic, δy = (1-E) δy₋ + T δx + τ, for nothing and for a unit of each rare
earth that comes back to stage 0; a system of their number closes the loop. One block is inverted
per stage, as in the ideal step. With no derivative and nothing missed it is that step.

Source: L. M. Naphtali, D. P. Sandholm, AIChE J. 17 (1971) 148 (equilibrium and balances of a stage
solved together, composition dependence in the block).
"""

from __future__ import annotations

from typing import NamedTuple

from raffinate.cascade.reduced import Distributed, ReducedBank, charge_excess
from raffinate.cascade.reduced_newton import change_of_equivalents, organic_out
from raffinate.cascade.steady_activity_constants import Constants
from raffinate.numerics.block_inverse import inverse_without_pivoting
from raffinate.numerics.jax_setup import Array, jnp, lax, lu_factor, lu_solve


class _Transfer(NamedTuple):
    """What the stages transfer: e = T δx + τ, and the changes of u and ln K that go with it.

    Attributes:
        block: T, (stage, carried, carried), [-].
        alone: τ, (stage, carried), [mol/m³].
        by_aqueous: G without the proton, (stage, carried, carried), [m³/mol].
        missed: δln K at no δx and δu, (stage, carried), [-].
        log_q_row: ∂δu/∂δx, (stage, carried), [m³/mol].
        log_q_alone: δu at no δx, (stage,), [-].
    """

    block: Array
    alone: Array
    by_aqueous: Array
    missed: Array
    log_q_row: Array
    log_q_alone: Array


def coupled_step(
    bank: ReducedBank, state: Distributed, constants: Constants
) -> tuple[Array, Array]:
    """Return the changes of ln q, (stage,), and of ln K, (stage, carried), [-].

    Args:
        bank: The bank, with the constants where it stands.
        state: The species there.
        constants: What the full chemistry says of that state.
    """
    transfer = _transfer(bank, state, constants)
    moved = _change_of_aqueous(bank, state, transfer)
    log_q = transfer.log_q_alone + jnp.sum(transfer.log_q_row * moved, axis=1)
    log_constant = transfer.missed + jnp.einsum("nij,nj->ni", transfer.by_aqueous, moved)
    log_constant = log_constant + constants.by_log_q * log_q[:, None]
    active = bank.active
    return jnp.where(active, log_q, 0.0), jnp.where(active[:, None], log_constant, 0.0)


def _transfer(bank: ReducedBank, state: Distributed, constants: Constants) -> _Transfer:
    carried = bank.fed.shape[1] - 1
    valence, efficiency = bank.valence[:carried], bank.efficiency[:, None]
    wanted = -(state.aqueous @ bank.valence) * charge_excess(bank, state)
    equivalents = change_of_equivalents(bank, state.balance, wanted)
    before = jnp.concatenate([jnp.zeros(1), equivalents[:-1]])
    difference = equivalents - state.balance.lag * before
    slope = efficiency * state.ratio[:, :carried]
    proton_slope = bank.efficiency * state.ratio[:, carried]
    weight = slope * state.aqueous[:, :carried]
    by_proton = constants.by_aqueous[:, :, carried]
    by_aqueous = constants.by_aqueous[:, :, :carried] - by_proton[:, :, None] * valence
    missed = constants.value - bank.log_constant[:, :carried] + by_proton * wanted[:, None]
    answer = weight * (valence + constants.by_log_q)
    total = proton_slope * state.aqueous[:, carried] + answer @ valence
    charged = weight * valence
    row = proton_slope[:, None] * valence - slope * valence
    row = (row - jnp.einsum("ni,nij->nj", charged, by_aqueous)) / total[:, None]
    alone = difference - jnp.sum(charged * missed, axis=1) - proton_slope * wanted
    alone = alone / total
    block = slope[:, :, None] * jnp.eye(carried) + weight[:, :, None] * by_aqueous
    return _Transfer(
        block=block + answer[:, :, None] * row[:, None, :],
        alone=weight * missed + answer * alone[:, None],
        by_aqueous=by_aqueous,
        missed=missed,
        log_q_row=row,
        log_q_alone=alone,
    )


def _change_of_aqueous(bank: ReducedBank, state: Distributed, transfer: _Transfer) -> Array:
    """Return δx of the carried species, (stage, carried), [mol/m³]."""
    size = transfer.alone.shape[1]
    returning = size - 1
    identity = jnp.eye(size)
    active, balance = bank.active, state.balance
    block = jnp.where(active[:, None, None], transfer.block, identity)
    alone = jnp.where(active[:, None], transfer.alone, 0.0)
    above = jnp.append(jnp.where(active, bank.passed, 0.0)[1:], 0.0)
    flow = jnp.broadcast_to(bank.organic_flow, above.shape)
    numbers = jnp.stack([organic_out(bank, balance), balance.out, flow, balance.lag, above], axis=1)

    def down(after: Array, row: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        transferred, constant, (leaving, out, entering, lag, passed) = row
        returned = passed * after
        flow = leaving * identity - returned[:, :size]
        inverse = inverse_without_pivoting(flow @ transferred + out * identity)
        right = returned[:, size] - flow @ constant
        both = jnp.concatenate([entering * identity - lag * flow, right[:, None]], axis=1)
        found = inverse @ both
        return found, found

    def along(
        before: Array, row: tuple[Array, Array, Array, Array]
    ) -> tuple[Array, tuple[Array, Array]]:
        answer, transferred, constant, lag = row
        here = (answer[:, :size] @ before).at[:, 0].add(answer[:, size])
        after = (lag * before + transferred @ here).at[:, 0].add(constant)
        return after, (here, after[:returning])

    start = jnp.zeros((size, size + 1))
    _, answers = lax.scan(down, start, (block, alone, numbers), reverse=True)
    rows = (answers, block, alone, balance.lag)
    # Columns: with nothing coming back, and for a unit of each rare earth that does.
    start = jnp.concatenate([jnp.zeros((size, 1)), jnp.eye(size)[:, :returning]], axis=1)
    _, (moved, passing) = lax.scan(along, start, rows)
    end = passing[bank.last]
    back = lu_solve(lu_factor(jnp.eye(returning) - end[:, 1:]), end[:, 0])
    changes: Array = moved[:, :, 0] + moved[:, :, 1:] @ back
    return changes
