"""The Newton matrix of a bank: blocks by forward-mode differentiation of one stage each.

A stage sees its neighbours only through what their settlers send, so the off-diagonal blocks are
products of two small Jacobians: of the stage by what enters, and of the neighbour by what it
sends. The barren organic and the free flows reach every stage; they are the border.
"""

from __future__ import annotations

from typing import NamedTuple

from raffinate.cascade.bank import Inventory, Unknowns
from raffinate.cascade.entrainment import after, along, before, going_down, returned_organic
from raffinate.cascade.equations import (
    Entering,
    Evaluation,
    Outflow,
    Problem,
    Stage,
    border_residual,
    evaluate,
    imbalance,
    outflow,
    residual,
    stage_residual,
)
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.numerics.block_tridiagonal import BorderedFactors, factorise, factorise_bordered
from raffinate.numerics.jax_setup import Array, jax, jnp


class Blocks(NamedTuple):
    """Jacobian of `residual`, with u the stage unknowns and b the border.

    Attributes:
        lower: By u of the stage before, (stage, m, m).
        diagonal: By the stage's own u, (stage, m, m); the identity where there is no stage.
        upper: By u of the stage after, (stage, m, m).
        columns: By b, (stage, m, border).
        rows: Of the border equations by u of the seen stages, (border, seen, m).
        seen: Indices of those stages, (seen,).
        corner: Of the border equations by b, (border, border).
    """

    lower: Array
    diagonal: Array
    upper: Array
    columns: Array
    rows: Array
    seen: Array
    corner: Array


def newton_blocks(
    chemistry: StageChemistry, problem: Problem, unknowns: Unknowns, base: Inventory, rate: Array
) -> Blocks:
    """Return the blocks of the Jacobian of `residual` at `unknowns`.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the bank.
        unknowns: Where to differentiate.
        base: Start of the implicit step.
        rate: 1/(γ Δt), [1/s]; 0 for the steady state.
    """
    state = evaluate(chemistry, problem, unknowns, base, rate)

    def send(u: Array, stage: Stage) -> Outflow:
        return outflow(chemistry, u, stage, state.shared)

    def local(u: Array, entering: Entering, stage: Stage) -> Array:
        here = send(u, stage)
        net = imbalance(here, entering, stage, chemistry.organic_components)
        return stage_residual(chemistry, u, here, net, entering.organic, stage, state.shared)

    own, by_entering = jax.vmap(jax.jacfwd(local, argnums=(0, 1)))(
        unknowns.stage, state.entering, state.stages
    )
    sent = jax.vmap(jax.jacfwd(send))(unknowns.stage, state.stages)
    lower, upper = _neighbours(state, by_entering, sent)
    active = problem.vessels.active[:, None, None]
    columns, corner = _by_border(chemistry, problem, unknowns, base, rate)
    rows, seen = _border_rows(chemistry, problem, unknowns, state, sent, base)
    return Blocks(
        lower=jnp.where(active, jnp.zeros_like(own).at[1:].set(lower), 0.0),
        diagonal=jnp.where(active, own, jnp.eye(own.shape[-1])),
        upper=jnp.where(active, jnp.zeros_like(own).at[:-1].set(upper), 0.0),
        columns=columns,
        rows=rows,
        seen=seen,
        corner=corner,
    )


def _neighbours(state: Evaluation, by: Entering, sent: Outflow) -> tuple[Array, Array]:
    """Return the derivatives by the stage before, (stage - 1, m, m), and by the stage after.

    Args:
        state: The bank.
        by: Derivative of the stage equations by what enters.
        sent: Derivative of what each stage sends by its unknowns.
    """
    onward = state.flows.passed[1:, None, None] * sent.settled_aqueous[1:]
    entrained = state.flows.entrained
    if entrained is None:
        return by.organic[1:] @ sent.settled_organic[:-1], by.aqueous[:-1] @ onward
    from_before = along(entrained.from_before, before(sent.settled_organic))[1:]
    carried_up = before(along(entrained.aqueous_up, sent.settled_aqueous))[1:]
    from_above = along(entrained.from_above, after(sent.settled_organic))[:-1]
    lower = by.organic[1:] @ from_before + by.aqueous[1:] @ carried_up
    upper = by.aqueous[:-1] @ onward + by.organic[:-1] @ from_above
    return lower, upper


def factorise_newton(
    chemistry: StageChemistry, problem: Problem, unknowns: Unknowns, base: Inventory, rate: Array
) -> BorderedFactors:
    """Return the eliminated Jacobian of `residual`; arguments as of `newton_blocks`."""
    blocks = newton_blocks(chemistry, problem, unknowns, base, rate)
    bank = factorise(blocks.lower, blocks.diagonal, blocks.upper)
    return factorise_bordered(bank, blocks.columns, blocks.rows, blocks.seen, blocks.corner)


def _by_border(
    chemistry: StageChemistry, problem: Problem, unknowns: Unknowns, base: Inventory, rate: Array
) -> tuple[Array, Array]:
    def found(border: Array) -> Unknowns:
        return residual(chemistry, problem, Unknowns(unknowns.stage, border), base, rate)

    derivative: Unknowns = jax.jacfwd(found)(unknowns.border)
    return derivative.stage, derivative.border


def _border_rows(
    chemistry: StageChemistry,
    problem: Problem,
    unknowns: Unknowns,
    state: Evaluation,
    sent: Outflow,
    base: Inventory,
) -> tuple[Array, Array]:
    last, outlets = problem.vessels.last, problem.specification.outlet_stage
    entrained, flow = state.flows.entrained, state.streams.organic_flow

    def by_outlets(organic: Array, liquor: Array) -> Array:
        return border_residual(
            problem, unknowns.border, organic, liquor, base.tank, state.shared.rate
        )

    by_organic, by_liquor = jax.jacfwd(by_outlets, argnums=(0, 1))(
        returned_organic(entrained, flow, state.out.settled_organic, last),
        state.liquor[outlets],
    )
    loop_rows = by_organic @ returned_organic(entrained, flow, sent.settled_organic, last)
    liquor = going_down(
        entrained, sent.settled_aqueous, sent.settled_organic, chemistry.organic_components
    )
    purity_rows = jnp.einsum("bsc,scm->bsm", by_liquor, liquor[outlets])
    rows = jnp.concatenate([loop_rows[:, None, :], purity_rows], axis=1)
    seen = jnp.concatenate([jnp.asarray(last)[None], jnp.asarray(outlets, dtype=jnp.int64)])
    return rows, seen
