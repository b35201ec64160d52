"""Where the phases of a constant-β bank go: side draws, and entrainment both ways.

A settler sends its aqueous down and its organic up. Of its settled organic a share goes down with
the aqueous, of its settled aqueous a share goes up with the organic: entrainment. What goes down or
up from a stage may in part be drawn. Both phases keep their own balance,

    o[j] = organic[j] + (1 - e_o)(1 - u[j-1]) o[j-1] + e_o (1 - d[j+1]) o[j+1]
    a[j] = aqueous[j] + (1 - e_a)(1 - d[j+1]) a[j+1] + e_a (1 - u[j-1]) a[j-1]

with a and o what settles, organic[j] and aqueous[j] what the phase gains in stage j (S and -S in
stage 1, -W and W in the last, 1 where the feed joins), e the entrained shares and d, u the shares
drawn. For an element, what a stage sends is D' = ((1 - e_o) D + e_a)/((1 - e_a) + e_o D) up over
down: a bank with entrainment is one without, of a lower separation factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raffinate.cascade.constant_beta_stages import (
    Bank,
    FeedPhase,
    Floats,
    Traffic,
    check_stages,
)
from raffinate.errors import SpecificationError

ROUNDS = 200
"""Rounds in which drawn shares and totals settle upon each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideDraw:
    """A product drawn from between the ends of a bank.

    Attributes:
        name: Such as "third".
        stage: Stage whose outgoing stream is tapped, counted from 1.
        phase: "aqueous" taps what goes down from it, "organic" what goes up.
        amount: Rare earth drawn in that phase, [mol per mol of feed]; the other phase that it
            entrains comes with it.
    """

    name: str
    stage: int
    phase: FeedPhase
    amount: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BankPlan:
    """Stages and flows of a bank in the frame of `constant_beta`, amounts per mole of feed.

    Attributes:
        extraction_stages: n; the feed joins stage n.
        scrub_stages: m.
        extraction_amount: S.
        scrub_amount: W.
        feed_phase: Phase in which the feed arrives.
        draws: Products drawn from between the ends.
        entrained_organic: Share of the settled organic that goes with the aqueous, [-].
        entrained_aqueous: Share of the settled aqueous that goes with the organic, [-].
    """

    extraction_stages: int
    scrub_stages: int
    extraction_amount: float
    scrub_amount: float
    feed_phase: FeedPhase = "aqueous"
    draws: tuple[SideDraw, ...] = ()
    entrained_organic: float = 0.0
    entrained_aqueous: float = 0.0

    @property
    def stages(self) -> int:
        """Stages of the bank, n + m."""
        return self.extraction_stages + self.scrub_stages


def lay_out_plan(fractions: Floats, beta: Floats, plan: BankPlan) -> Bank:
    """Return feeds, totals and traffic of a plan.

    Args:
        fractions: Mole fractions of the feed, (element,), [-].
        beta: Separation factors over a common reference, (element,), [-].
        plan: Stages and flows.

    Raises:
        SpecificationError: Stages, shares or draws that leave no cascade.
    """
    _check_plan(plan)
    count, at_feed = plan.stages, plan.extraction_stages - 1
    aqueous_gain, organic_gain = np.zeros(count), np.zeros(count)
    aqueous_gain[-1] += plan.scrub_amount
    organic_gain[-1] -= plan.scrub_amount
    aqueous_gain[0] -= plan.extraction_amount
    organic_gain[0] += plan.extraction_amount
    (aqueous_gain if plan.feed_phase == "aqueous" else organic_gain)[at_feed] += 1.0
    drawn_down, drawn_up = np.zeros(count), np.zeros(count)
    for _ in range(ROUNDS):
        aqueous = _settled(aqueous_gain, plan.entrained_aqueous, drawn_up, drawn_down)
        organic = _settled(
            organic_gain[::-1], plan.entrained_organic, drawn_down[::-1], drawn_up[::-1]
        )[::-1]
        _refuse_empty(plan, aqueous, organic)
        down = _drawn(plan, "aqueous", (1.0 - plan.entrained_aqueous) * aqueous)
        up = _drawn(plan, "organic", (1.0 - plan.entrained_organic) * organic)
        moved = max(np.abs(down - drawn_down).max(), np.abs(up - drawn_up).max())
        drawn_down, drawn_up = down, up
        if moved < 1e-15:
            break
    feed = np.zeros((count, len(fractions)))
    feed[at_feed] = fractions
    return Bank(
        separation_factor=beta,
        feed=feed,
        aqueous_total=aqueous,
        organic_total=organic,
        traffic=_traffic(plan, drawn_up, drawn_down),
    )


def draw_shares(plan: BankPlan, traffic: Traffic, draw: SideDraw) -> Floats:
    """Return the shares of the settled (aqueous, organic) of its stage that a draw takes, (2,)."""
    alike = [d for d in plan.draws if (d.stage, d.phase) == (draw.stage, draw.phase)]
    both = [d for d in plan.draws if d.stage == draw.stage]
    shares: Floats = traffic.drawn[draw.stage - 1] * (draw.amount / sum(d.amount for d in alike))
    if len(both) > len(alike):
        raise SpecificationError(
            "both phases are drawn.",
            where=f"draws of stage {draw.stage}",
            allowed="one phase from one stage",
            mend="Draw one of the two a stage further on.",
        )
    return shares


def _settled(gain: Floats, entrained: float, against: Floats, along: Floats) -> Floats:
    """Return what settles of a phase that runs to lower stages; mirror the arrays for the other.

    Args:
        gain: What the phase gains in each stage, (stage,).
        entrained: Share of it that goes the other way, [-].
        against: Share drawn of what goes the other way, (stage,), [-].
        along: Share drawn of what goes its own way, (stage,), [-].
    """
    from scipy.linalg import solve_banded

    band = np.zeros((3, len(gain)))
    band[1] = 1.0
    band[0, 1:] = -(1.0 - entrained) * (1.0 - along[1:])
    band[2, :-1] = -entrained * (1.0 - against[:-1])
    settled: Floats = solve_banded((1, 1), band, gain)
    return settled


def _drawn(plan: BankPlan, phase: FeedPhase, passing: Floats) -> Floats:
    share = np.zeros(plan.stages)
    for draw in plan.draws:
        if draw.phase == phase:
            share[draw.stage - 1] += draw.amount / passing[draw.stage - 1]
    if float(share.max()) >= 1.0:
        stage = int(share.argmax())
        names = ", ".join(d.name for d in plan.draws if d.stage == stage + 1)
        raise SpecificationError(
            f"{share[stage] * passing[stage]:.4g} mol per mol of feed are drawn where "
            f"{passing[stage]:.4g} pass.",
            where=f"draw {names} at stage {stage + 1}",
            allowed="less than what passes",
            mend=f"Raise S and W together by more than {(share[stage] - 1) * passing[stage]:.3g}.",
        )
    return share


def _traffic(plan: BankPlan, drawn_up: Floats, drawn_down: Floats) -> Traffic:
    going_up = np.array([plan.entrained_aqueous, 1.0 - plan.entrained_organic])
    going_down = np.array([1.0 - plan.entrained_aqueous, plan.entrained_organic])
    up, down = drawn_up[:, None], drawn_down[:, None]
    return Traffic(
        up=(1.0 - up) * going_up,
        down=(1.0 - down) * going_down,
        drawn=up * going_up + down * going_down,
    )


def _refuse_empty(plan: BankPlan, aqueous: Floats, organic: Floats) -> None:
    for name, total in (("aqueous", aqueous), ("organic", organic)):
        # Written so that a flow that is not a number is refused as well.
        if not (np.all(np.isfinite(total)) and float(total.min()) > 0.0):
            stage = int(np.argmin(total))
            raise SpecificationError(
                f"extraction_amount {plan.extraction_amount:g} and scrub_amount "
                f"{plan.scrub_amount:g} mol per mol of {plan.feed_phase} feed leave "
                f"{total[stage]:g} mol in the {name} of stage {stage + 1}.",
                where="constant-β cascade",
                allowed="flows with which every product is positive",
                mend="Choose S, W and the draws so that each product carries its share.",
            )


def _check_plan(plan: BankPlan) -> None:
    check_stages(plan.extraction_stages, plan.scrub_stages, plan.feed_phase)
    for name, share in (
        ("entrained_organic", plan.entrained_organic),
        ("entrained_aqueous", plan.entrained_aqueous),
    ):
        if not 0.0 <= share < 0.5:
            raise SpecificationError(
                f"{share:g}.",
                where=name,
                allowed="0 to below 0.5: beyond that a phase goes more backward than forward",
            )
    names = [draw.name for draw in plan.draws]
    for draw in plan.draws:
        where = f"draw {draw.name}"
        if not 1 <= draw.stage <= plan.stages:
            raise SpecificationError(
                f"stage {draw.stage}.", where=where, allowed=f"1 to {plan.stages}"
            )
        if draw.phase not in ("aqueous", "organic"):
            raise SpecificationError(
                f"{draw.phase!r} is not a phase.", where=where, allowed="aqueous, organic"
            )
        if not draw.amount > 0.0:
            raise SpecificationError(
                f"{draw.amount:g} mol per mol of feed.",
                where=where,
                allowed="above 0",
                mend="A product nobody draws cannot be made: leave it out or draw it.",
            )
        if names.count(draw.name) > 1 or draw.name in ("raffinate", "loaded_organic"):
            raise SpecificationError("the name is taken.", where=where, mend="Give another.")
