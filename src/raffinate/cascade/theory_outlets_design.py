"""Stages and flows of a bank with a third outlet, with constant separation factors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from raffinate.cascade.constant_beta_outlets import OutletCascade, solve_outlets
from raffinate.cascade.constant_beta_stages import FeedPhase
from raffinate.cascade.theory_outlets import (
    DrawSection,
    ThirdOutletMinimum,
    plan_with_third_outlet,
    third_outlet_minimum,
)
from raffinate.errors import ConvergenceError, SpecificationError

OUTLET_EXCESSES = (1.1, 1.2, 1.3, 1.5, 1.8)
"""Extraction amounts over the least one that are tried, [-]; a choice."""

NEAR_SHARE = 0.9
"""Share of the draw's impurity left to the group that its pinch lets through, [-]; a choice."""

MOST_STAGES = 1000
"""Stages beyond which a bank is not looked for, [-]."""

Stages = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreeProducts:
    """What a bank with three outlets must make, in moles.

    Attributes:
        extracted: A, what leaves with the organic.
        middle: B, what leaves by the third outlet.
        rejected: C, what leaves with the raffinate.
        purity_extracted: Mole fraction of A in the loaded organic, [-].
        purity_middle: Of B in the third outlet, [-].
        purity_rejected: Of C in the raffinate, [-].
    """

    extracted: tuple[str, ...]
    middle: tuple[str, ...]
    rejected: tuple[str, ...]
    purity_extracted: float
    purity_middle: float
    purity_rejected: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutletDesign:
    """A bank with three outlets that makes the purities asked for.

    Attributes:
        products: What was asked for.
        minimum: Least flows, with infinitely many stages.
        amounts: Of A product, draw and C product, [mol per mol of feed].
        stages: Of the three runs, as in `plan_with_third_outlet`.
        short_stages: The same by the short formulas, a guess; NaN where they do not
            exist, [-].
        cascade: The solved bank.
    """

    products: ThreeProducts
    minimum: ThirdOutletMinimum
    amounts: tuple[float, float, float]
    stages: Stages
    short_stages: tuple[float, float, float]
    cascade: OutletCascade

    @property
    def excess(self) -> float:
        """S over the least S, [-]."""
        return self.cascade.plan.extraction_amount / self.minimum.extraction_amount

    @property
    def bulk(self) -> float:
        """Stages times the rare earth that passes one, a stand-in for the bank's inventory, [-]."""
        plan = self.cascade.plan
        return sum(self.stages) * (plan.extraction_amount + plan.scrub_amount + 1.0)


def product_amounts(
    feed: Mapping[str, float], products: ThreeProducts, near_share: float, section: DrawSection
) -> tuple[float, float, float]:
    """Return A product, draw and C product, [mol per mol of feed], from the element balances.

    The ends hold B as their impurity; the draw holds A and C, `near_share` of it of the group that
    its pinch lets through.

    Raises:
        SpecificationError: Purities that the feed cannot have.
    """
    a, b, c = (
        sum(feed[e] for e in group)
        for group in (products.extracted, products.middle, products.rejected)
    )
    impure = 1.0 - products.purity_middle
    near, far = near_share * impure, (1.0 - near_share) * impure
    held_a, held_c = (near, far) if section == "scrub" else (far, near)
    p_a, p_c = products.purity_extracted, products.purity_rejected
    matrix = np.array(
        [[p_a, held_a, 0.0], [1.0 - p_a, products.purity_middle, 1.0 - p_c], [0.0, held_c, p_c]]
    )
    amounts = np.linalg.solve(matrix, np.array([a, b, c]))
    if not float(amounts.min()) > 0.0:
        raise SpecificationError(
            f"purities {p_a:.5g}, {products.purity_middle:.5g} and {p_c:.5g} leave a product of "
            f"{amounts.min():.3g} mol per mol of a feed of {a:.4g}, {b:.4g} and {c:.4g}.",
            where="three outlets",
            allowed="three products, each with some metal",
            mend=f"Ask for more than {max(b, 1.0 - p_a, 1.0 - p_c):.4g} in the third outlet and "
            f"for ends purer than {1.0 - b / (a + b):.4g} and {1.0 - b / (b + c):.4g}.",
        )
    return float(amounts[0]), float(amounts[1]), float(amounts[2])


def design_outlets(
    feed: Mapping[str, float],
    separation_factor: Mapping[str, float],
    products: ThreeProducts,
    *,
    section: DrawSection = "scrub",
    feed_phase: FeedPhase = "aqueous",
    excess: float | None = None,
    near_share: float = NEAR_SHARE,
    advance: Callable[[], None] = lambda: None,
) -> OutletDesign:
    """Return the bank with the fewest stages that makes three purities.

    Args:
        feed: Mole fraction of each element; they sum to 1, [-].
        separation_factor: β of each element over one reference, [-].
        products: What it must make.
        section: Where the third outlet is.
        feed_phase: Phase in which the feed arrives.
        excess: S over the least S; left out, the one of `OUTLET_EXCESSES` with the least `bulk`.
        near_share: Share of the draw's impurity left to the group its pinch lets through, [-].
        advance: Called once for each extraction amount tried.

    Raises:
        SpecificationError: Purities that no bank makes, or not within `MOST_STAGES`.
    """
    amounts = product_amounts(feed, products, near_share, section)
    minimum = third_outlet_minimum(
        feed,
        separation_factor,
        extracted=products.extracted,
        middle=products.middle,
        purity=products.purity_middle,
        near_share=near_share,
        section=section,
        feed_phase=feed_phase,
    )
    if excess is not None and not excess > 1.0:
        raise SpecificationError(
            f"excess is {excess:g}.",
            where="design",
            allowed=f"above 1: the least extraction amount is {minimum.extraction_amount:.4g} mol "
            "per mol of feed and takes infinitely many stages",
        )
    best: OutletDesign | None = None
    for factor in OUTLET_EXCESSES if excess is None else (excess,):
        search = _Search(feed, separation_factor, products, minimum, amounts, feed_phase, factor)
        found = search.fewest(None if best is None else sum(best.stages))
        advance()
        if best is not None and found.bulk >= best.bulk:
            break
        best = found
    assert best is not None
    return best


def short_outlet_stages(
    feed: Mapping[str, float],
    separation_factor: Mapping[str, float],
    products: ThreeProducts,
    design: OutletCascade,
    stages_of: DrawSection,
) -> tuple[float, float, float]:
    """Return the stages of the three runs by the short formulas, a first guess, [-].

    n = ln(rise of the impurity's odds)/ln(β E) for each run, with β that of the neighbours it
    parts, E the ratio of flows in it, and the odds those of the feed, the draw and the product.
    NaN for a run whose flows do not part its neighbours.
    """
    plan = design.plan
    a, b, c = (
        sum(feed[e] for e in group)
        for group in (products.extracted, products.middle, products.rejected)
    )
    beta_ab = min(separation_factor[e] for e in products.extracted) / max(
        separation_factor[e] for e in products.middle
    )
    beta_bc = min(separation_factor[e] for e in products.middle) / max(
        separation_factor[e] for e in products.rejected
    )
    s, w, t = plan.extraction_amount, plan.scrub_amount, plan.draws[0].amount
    q = 1.0 if plan.feed_phase == "organic" else 0.0
    name = plan.draws[0].name
    held_a, held_b, held_c = (
        design.purity(name, *group)
        for group in (products.extracted, products.middle, products.rejected)
    )
    odds_a = products.purity_extracted / (1.0 - products.purity_extracted)
    odds_c = products.purity_rejected / (1.0 - products.purity_rejected)
    if stages_of == "scrub":
        return (
            _run(odds_c * (a + b) / c, beta_bc * s / (w - t + 1.0 - q)),
            _run(c / b / (held_c / held_b), beta_bc * (w - t) / (s + q)),
            _run(odds_a / (held_a / held_b), beta_ab * w / (s + q)) - 1.0,
        )
    return (
        _run(odds_c / (held_c / held_b), beta_bc * s / (w + 1.0 - q)),
        _run(a / b / (held_a / held_b), beta_ab * (s - t) / (w + 1.0 - q)),
        _run(odds_a * (b + c) / a, beta_ab * w / (s - t + q)) - 1.0,
    )


def _run(rise: float, gain: float) -> float:
    if not (gain > 1.0 and rise > 0.0):
        return math.nan
    return max(math.log(rise) / math.log(gain), 0.0)


@dataclass(frozen=True, slots=True)
class _Search:
    """Looks for the fewest stages at given flows."""

    feed: Mapping[str, float]
    separation_factor: Mapping[str, float]
    products: ThreeProducts
    minimum: ThirdOutletMinimum
    amounts: tuple[float, float, float]
    feed_phase: FeedPhase
    factor: float

    def solve(self, stages: Stages) -> OutletCascade:
        upper, drawn, _ = self.amounts
        q = 1.0 if self.feed_phase == "organic" else 0.0
        s = self.factor * self.minimum.extraction_amount
        w = s + q - upper - (drawn if self.minimum.section == "extraction" else 0.0)
        plan = plan_with_third_outlet(
            stages,
            self.minimum,
            extraction_amount=s,
            scrub_amount=w,
            third_amount=drawn,
            feed_phase=self.feed_phase,
        )
        return solve_outlets(self.feed, self.separation_factor, plan)

    def margin(self, stages: Stages) -> float:
        """Return by how much, in ln of the impurity, the worst product is better than asked for."""
        try:
            cascade = self.solve(stages)
        except ConvergenceError:
            return -math.inf
        wanted = self.products
        return min(
            math.log((1.0 - purity) / max(1.0 - cascade.purity(name, *group), 1e-300))
            for name, group, purity in (
                ("loaded_organic", wanted.extracted, wanted.purity_extracted),
                ("third", wanted.middle, wanted.purity_middle),
                ("raffinate", wanted.rejected, wanted.purity_rejected),
            )
        )

    def best_of(self, total: int, share: tuple[float, float]) -> tuple[float, Stages]:
        """Return the largest margin of `total` stages and how they are shared out, uphill."""
        seen: dict[Stages, float] = {}

        def at(stages: Stages) -> float:
            if stages not in seen:
                seen[stages] = self.margin(stages)
            return seen[stages]

        first = min(max(round(share[0] * total), 1), total - 2)
        second = min(max(round(share[1] * total), 1), total - first - 1)
        here: Stages = (first, second, total - first - second)
        stride = max(1, total // 8)
        while stride:
            ways = [way for way in _moves(here, stride) if min(way) >= 1]
            there = max(ways, key=at, default=here)
            if at(there) > at(here):
                here = there
            else:
                stride //= 2
        return at(here), here

    def fewest(self, guess: int | None) -> OutletDesign:
        """Return the bank with the fewest stages that meets the purities."""
        low, high = 2, guess or 24
        share = (0.35, 0.3)
        found: tuple[int, Stages] | None = None
        while found is None:
            margin, stages = self.best_of(high, share)
            if margin >= 0.0:
                found = (high, stages)
            elif high >= MOST_STAGES:
                raise SpecificationError(
                    f"more than {MOST_STAGES} stages would be needed.",
                    where="three outlets",
                    mend="Ask for less purity or take a larger excess of extractant.",
                )
            else:
                share = (stages[0] / high, stages[1] / high)
                low, high = high, min(2 * high, MOST_STAGES)
        while found[0] - low > 1:
            middle = (found[0] + low) // 2
            stages = found[1]
            margin, tried = self.best_of(middle, (stages[0] / found[0], stages[1] / found[0]))
            if margin >= 0.0:
                found = (middle, tried)
            else:
                low = middle
        cascade = self.solve(found[1])
        return OutletDesign(
            products=self.products,
            minimum=self.minimum,
            amounts=self.amounts,
            stages=found[1],
            short_stages=short_outlet_stages(
                self.feed, self.separation_factor, self.products, cascade, self.minimum.section
            ),
            cascade=cascade,
        )


def _moves(stages: Stages, stride: int) -> list[Stages]:
    """Return the six ways to shift stages from one run to another."""
    ways = []
    for giver in range(3):
        for taker in range(3):
            if giver != taker:
                moved = list(stages)
                moved[giver] -= stride
                moved[taker] += stride
                ways.append((moved[0], moved[1], moved[2]))
    return ways
