"""Stages of a cascade with constant separation factors: what they must satisfy, and the solve.

Amounts are in moles per mole of feed. What the flows mean stands in `constant_beta`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import ConvergenceError, SpecificationError

Floats = NDArray[np.float64]
FeedPhase = Literal["aqueous", "organic"]

RESIDUAL_TOLERANCE = 1e-12
"""Largest error left in the total flow of a stage, relative to that flow, [-]."""

MAX_TIME_STEPS = 200
MAX_NEWTON_STEPS = 25
LARGEST_LOG_STEP = 3.0
SMALLEST_RATE = 1e-13


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Traffic:
    """Where the settled phases of a stage go, as shares of (aqueous, organic); they add up to 1.

    Attributes:
        up: To the next stage, or out of the last one with the organic, (stage, 2), [-].
        down: To the stage before, or out of the first one with the aqueous, (stage, 2), [-].
        drawn: Out of the bank from between its ends, (stage, 2), [-].
    """

    up: Floats
    down: Floats
    drawn: Floats


def plain_traffic(stages: int) -> Traffic:
    """Return traffic with all aqueous going down, all organic up, and nothing drawn."""
    aqueous, organic = np.tile([1.0, 0.0], (stages, 1)), np.tile([0.0, 1.0], (stages, 1))
    return Traffic(up=organic, down=aqueous, drawn=np.zeros((stages, 2)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bank:
    """What the stages must satisfy.

    Attributes:
        separation_factor: β over a common reference, (element,), [-].
        feed: What enters each stage from outside, (stage, element).
        aqueous_total: Total leaving each stage in the aqueous, (stage,).
        organic_total: Total leaving each stage in the organic, (stage,).
        traffic: Where they go.
    """

    separation_factor: Floats
    feed: Floats
    aqueous_total: Floats
    organic_total: Floats
    traffic: Traffic


def lay_out_bank(
    fractions: Floats,
    beta: Floats,
    extraction_stages: int,
    scrub_stages: int,
    extraction_amount: float,
    scrub_amount: float,
    feed_phase: FeedPhase,
) -> Bank:
    """Return feeds and total flows by the table in `constant_beta`.

    Args:
        fractions: Mole fractions of the feed, (element,), [-].
        beta: Separation factors over a common reference, (element,), [-].
        extraction_stages: n; the feed joins stage n.
        scrub_stages: m.
        extraction_amount: S, [mol per mol of feed].
        scrub_amount: W, [mol per mol of feed].
        feed_phase: Phase in which the feed arrives.

    Raises:
        SpecificationError: Stage counts or flows that leave no cascade.
    """
    check_stages(extraction_stages, scrub_stages, feed_phase)
    stages, at_feed = extraction_stages + scrub_stages, extraction_stages - 1
    feed = np.zeros((stages, len(fractions)))
    feed[at_feed] = fractions
    aqueous = np.full(stages, float(scrub_amount))
    organic = np.full(stages, float(extraction_amount))
    if feed_phase == "aqueous":
        aqueous[: at_feed + 1] += 1.0
    else:
        organic[at_feed:] += 1.0
    aqueous[0] -= extraction_amount
    organic[-1] -= scrub_amount
    for name, total in (("aqueous", aqueous), ("organic", organic)):
        # Written so that a flow that is not a number is refused as well.
        if not (np.all(np.isfinite(total)) and float(total.min()) > 0.0):
            stage = int(np.argmin(total))
            raise SpecificationError(
                f"extraction_amount {extraction_amount:g} and scrub_amount {scrub_amount:g} mol "
                f"per mol of {feed_phase} feed leave {total[stage]:g} mol in the {name} of stage "
                f"{stage + 1}.",
                where="constant-β cascade",
                allowed="S - W between 0 and 1 for aqueous feed, W - S for organic feed, both "
                "positive",
                mend="Choose S and W so that each product carries its share of the feed.",
            )
    return Bank(
        separation_factor=beta,
        feed=feed,
        aqueous_total=aqueous,
        organic_total=organic,
        traffic=plain_traffic(stages),
    )


def settle_bank(bank: Bank, elements: tuple[str, ...]) -> tuple[Floats, Floats, float]:
    """Lead the bank from feed everywhere to its steady state.

    Returns:
        Aqueous and organic amounts leaving each stage, (stage, element), and the largest error of
        a total, [-].

    Raises:
        ConvergenceError: If the split does not come to rest.
    """
    mix = bank.feed.sum(axis=0)
    aqueous = bank.aqueous_total[:, None] * mix
    logs = np.log(bank.organic_total / bank.aqueous_total / (bank.separation_factor @ mix))
    rate, shrink = 1.0, 10.0
    history: list[float] = []
    # A long bank forgets its start slowly; the split must be allowed to travel, so the
    # step grows with success until the holdup no longer counts at all.
    for _ in range(MAX_TIME_STEPS):
        # The totals of the last step are right only to the tolerance, and this error would push
        # the split along at every one of the following, longer steps.
        held = aqueous * (bank.aqueous_total / aqueous.sum(axis=1))[:, None]
        trial, aqueous_trial, organic_trial, error, count = _step(bank, logs, held, rate)
        history.append(float(np.abs(error).max()))
        if history[-1] <= RESIDUAL_TOLERANCE:
            logs, aqueous = trial, aqueous_trial
            if rate == 0.0:
                return aqueous, organic_trial, history[-1]
            shrink = shrink**1.5 if count < 5 else shrink
            rate = rate / shrink if rate > SMALLEST_RATE else 0.0
        else:
            shrink = max(shrink**0.5, 2.0)
            rate = max(rate, SMALLEST_RATE) * 2.0 * shrink
    worst = int(np.abs(error).argmax())
    raise ConvergenceError(
        "the place of the split could not be found.",
        where="constant-β cascade",
        mend="Change S a little, or take fewer stages: at exactly minimum flow, and where products "
        "are purer than double precision can tell, the split has no definite place.",
        history=history,
        worst_stage=worst + 1,
        worst_element=elements[int(aqueous[worst].argmax())],
    )


def _step(
    bank: Bank, logs: Floats, held: Floats, rate: float
) -> tuple[Floats, Floats, Floats, Floats, int]:
    """Take one implicit time step by Newton's method.

    Args:
        bank: What the stages must satisfy.
        logs: Logarithm of the organic-to-aqueous ratio of an element of β = 1, (stage,).
        held: Aqueous amounts at the last time, (stage, element).
        rate: Holdup, as aqueous flow, over step length; 0 for the steady state, [-].

    Returns:
        New logarithms, aqueous and organic amounts, errors of the totals, number of iterations.
    """
    source = bank.feed + rate * held
    for count in range(MAX_NEWTON_STEPS + 1):
        ratio = np.exp(logs)[:, None] * bank.separation_factor
        aqueous = solve_element_balances(ratio, source, rate, bank.traffic)
        organic = ratio * aqueous
        error = np.log(aqueous.sum(axis=1) / bank.aqueous_total)
        if float(np.abs(error).max()) <= 0.5 * RESIDUAL_TOLERANCE or count == MAX_NEWTON_STEPS:
            break
        move = _newton_direction(aqueous, organic, error, rate, bank.traffic)
        if not np.all(np.isfinite(move)):
            break
        logs = logs + move * min(1.0, LARGEST_LOG_STEP / max(float(np.abs(move).max()), 1e-300))
    return logs, aqueous, organic, error, count


def _newton_direction(
    aqueous: Floats, organic: Floats, error: Floats, rate: float, traffic: Traffic
) -> Floats:
    """Return the change of the logarithms that makes the totals right to first order.

    The unknowns of a stage are the relative changes of its aqueous amounts, then the change of its
    logarithm; only the neighbouring stages see them, so the matrix is banded.
    """
    from scipy.linalg import solve_banded

    stages, elements = aqueous.shape
    block = elements + 1
    through = np.maximum((1.0 + rate) * aqueous + organic, np.finfo(np.float64).tiny)
    up, down = (shares[:, :1] * aqueous for shares in (traffic.up, traffic.down))
    up_organic, down_organic = (s[:, 1:] * organic for s in (traffic.up, traffic.down))
    right = np.zeros((stages, block))
    right[:, -1] = -error
    # Organic that goes down makes a stage see the logarithm, last in its block, of the next one.
    above = block + elements if np.any(down_organic) else block
    band = np.zeros((above + block + 1, stages, block))
    band[above, :, :-1] = 1.0
    # Entry (row, column) lies in band[above + row - column], at its column.
    for i in range(elements):
        band[above + i - elements, :, -1] = organic[:, i] / through[:, i]
        band[above + block, :-1, i] = -(up + up_organic)[:-1, i] / through[1:, i]
        band[above + 1 + i, :-1, -1] = -up_organic[:-1, i] / through[1:, i]
        band[above - block, 1:, i] = -(down + down_organic)[1:, i] / through[:-1, i]
        if above > block:
            band[i, 1:, -1] = -down_organic[1:, i] / through[:-1, i]
        band[above + elements - i, :, i] = aqueous[:, i] / aqueous.sum(axis=1)
    try:
        moves = solve_banded(
            (block, above),
            band.reshape(above + block + 1, -1),
            right.ravel(),
            check_finite=False,
        )
    except np.linalg.LinAlgError:
        return np.full(stages, math.nan)
    change: Floats = moves.reshape(stages, block)[:, -1]
    return change


def solve_element_balances(
    ratio: Floats, source: Floats, rate: float = 0.0, traffic: Traffic | None = None
) -> Floats:
    """Solve the stage balances of every element for given distribution.

    (1 + rate + D[j]) u[j] = up[j-1] u[j-1] + down[j+1] u[j+1] + source[j], with u the amount that
    leaves in the aqueous and D u the amount that leaves in the organic; up = D and down = 1 where
    each phase goes its own way.

    Args:
        ratio: D, amount in the organic over amount in the aqueous, (stage, element), [-].
        source: What enters from outside, (stage, element).
        rate: Holdup over step length, [-].
        traffic: Where the phases go; each its own way if left out.

    Returns:
        u, (stage, element).

    Method: elimination that keeps d - up instead of the pivot d, which grows without a
    subtraction, so a positive source gives positive amounts, accurate to their last digits even
    where they are traces (Boston and Sullivan, Can. J. Chem. Eng. 50 (1972) 663).
    """
    traffic = plain_traffic(len(ratio)) if traffic is None else traffic
    up, down, drawn = (
        shares[:, :1] + shares[:, 1:] * ratio
        for shares in (traffic.up, traffic.down, traffic.drawn)
    )
    amount = source.astype(np.float64)
    pivot = np.empty_like(ratio)
    rest = rate + drawn[0] + down[0]
    pivot[0] = up[0] + rest
    for stage in range(1, len(ratio)):
        rest = rate + drawn[stage] + down[stage] * (rest / pivot[stage - 1])
        pivot[stage] = up[stage] + rest
        amount[stage] += up[stage - 1] / pivot[stage - 1] * amount[stage - 1]
    amount[-1] /= pivot[-1]
    for stage in range(len(ratio) - 2, -1, -1):
        amount[stage] = (amount[stage] + down[stage + 1] * amount[stage + 1]) / pivot[stage]
    return amount


def check_stages(extraction_stages: int, scrub_stages: int, feed_phase: FeedPhase) -> None:
    """Raise unless a bank has an extraction stage and its feed a phase.

    Raises:
        SpecificationError: Names the count and the least one.
    """
    if feed_phase not in ("aqueous", "organic"):
        raise SpecificationError(
            f"{feed_phase!r} is not a phase.", where="feed_phase", allowed="aqueous, organic"
        )
    for name, count, least in (
        ("extraction_stages", extraction_stages, 1),
        ("scrub_stages", scrub_stages, 0),
    ):
        if count < least:
            raise SpecificationError(
                f"{count} stages are too few.", where=name, allowed=f"{least} or more"
            )
