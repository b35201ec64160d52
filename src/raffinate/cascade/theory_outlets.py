"""Least flows, purity and place of a third outlet between the two ends of a bank.

The groups A, B and C are extracted in falling order; A leaves with the organic, C with the
raffinate, B with a draw from between. Drawn as aqueous from the scrub section, B holds A but, with
stages enough between feed and draw, no C; drawn as organic from the extraction section it holds C
but no A. What it holds no number of stages removes: the section beyond the draw carries one
product, P, past a pinch, where

    scrub, aqueous draw         V y = W x + P        x_i = P_i/(W (β_i/β_B - 1))      i in A
    extraction, organic draw    L x = S y + P        y_i = P_i/(S (β_B/β_i - 1))      i in C

With P_i = f_i - T x_i, T what is drawn, x_i = f_i/(W (β_i/β_B - 1) + T), and likewise with y and S.
β_B is that of the neighbour within B; for one element in B this is exact, for more it is an upper
bound of what the draw holds. The feed must be parted as well, so that S is no less than that of the
cut (A, B)/C, scrub, or T more than that of A/(B, C), extraction.

Sources: the pinch of a section is Underwood's, Chem. Eng. Prog. 44 (1948) 603, with one product in
place of two; cuts as in `minimum_extraction_amount`. All amounts in moles per mole of feed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from raffinate.cascade.constant_beta import minimum_extraction_amount, read_feed
from raffinate.cascade.constant_beta_stages import FeedPhase, Floats
from raffinate.cascade.constant_beta_traffic import BankPlan, SideDraw
from raffinate.errors import SpecificationError, nearest_name

DrawSection = Literal["scrub", "extraction"]
"""Where the third outlet is: aqueous from the scrub, or organic from the extraction section."""

LARGEST_AMOUNT = 1e6
"""Flow beyond which a purity counts as out of reach, [mol per mol of feed]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdOutletMinimum:
    """Least flows of a bank with a third outlet, with infinitely many stages.

    Attributes:
        section: Where the third outlet is.
        extraction_amount: S, [mol per mol of feed].
        scrub_amount: W, [mol per mol of feed].
        third_amount: T, drawn, [mol per mol of feed].
        cut_amount: S that parting the feed takes, [mol per mol of feed].
        pinch_amount: S that the purity of the draw takes, [mol per mol of feed]; the larger of the
            two is `extraction_amount`.
    """

    section: DrawSection
    extraction_amount: float
    scrub_amount: float
    third_amount: float
    cut_amount: float
    pinch_amount: float


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """A feed in three groups: mole fractions f, β over the neighbour in B, and the two cuts."""

    passing: Floats
    excess_beta: Floats
    middle: float
    away: float
    arrives_organic: float

    def impurity(self, flow: float, drawn: float) -> float:
        """Return the mole fraction in the draw of what passes its pinch, at W or S, [-]."""
        return float(np.sum(self.passing / (flow * self.excess_beta + drawn)))


def third_outlet_minimum(
    feed: Mapping[str, float],
    separation_factor: Mapping[str, float],
    *,
    extracted: Collection[str],
    middle: Collection[str],
    purity: float,
    near_share: float = 1.0,
    section: DrawSection = "scrub",
    feed_phase: FeedPhase = "aqueous",
) -> ThirdOutletMinimum:
    """Return the least flows with which a third outlet has a purity.

    Args:
        feed: Mole fraction of each element; they sum to 1, [-].
        separation_factor: β of each element over one reference, [-].
        extracted: A, what leaves with the organic.
        middle: B, what leaves by the third outlet.
        purity: Mole fraction of B in it, [-].
        near_share: Share of the rest that is of the group the pinch lets through, above 0 to 1;
            what remains is of the other group, which stages do remove, [-].
        section: Where the third outlet is.
        feed_phase: Phase in which the feed arrives.

    Raises:
        SpecificationError: Groups in the wrong order, or a purity that no flow gives.
    """
    groups = _groups(feed, separation_factor, extracted, middle, section, feed_phase)
    for name, value in (("purity", purity), ("near_share", near_share)):
        if not (0.0 < value < 1.0 or (name == "near_share" and value == 1.0)):
            raise SpecificationError(
                f"{name} is {value:g}.", where="third outlet", allowed="above 0 and below 1"
            )
    drawn = groups.middle / purity
    wanted = near_share * (1.0 - purity)
    other = drawn * (1.0 - near_share) * (1.0 - purity)
    if other >= groups.away or drawn * wanted >= float(groups.passing.sum()):
        raise SpecificationError(
            f"a draw of {drawn:.4g} mol with {purity:.4g} of it middle product holds more of the "
            "others than the feed brings.",
            where="third outlet",
            allowed=f"a purity above {least_purity(feed, middle):.4g}, that of the feed",
            mend="Ask for more purity, or draw two products only.",
        )
    flow = _least_flow(groups, drawn, wanted)
    if section == "scrub":
        product = float(groups.passing.sum()) - drawn * wanted
        cut = minimum_extraction_amount(
            feed, separation_factor, extracted=[*extracted, *middle], feed_phase=feed_phase
        ).extraction_amount
        pinch = flow + product - groups.arrives_organic
    else:
        product = groups.away - other
        cut = drawn + (
            minimum_extraction_amount(
                feed, separation_factor, extracted=list(extracted), feed_phase=feed_phase
            ).extraction_amount
        )
        pinch = flow
    amount = max(cut, pinch)
    scrub = amount + groups.arrives_organic - product
    return ThirdOutletMinimum(
        section=section,
        extraction_amount=amount,
        scrub_amount=scrub if section == "scrub" else scrub - drawn,
        third_amount=drawn,
        cut_amount=cut,
        pinch_amount=pinch,
    )


def third_outlet_purity(
    feed: Mapping[str, float],
    separation_factor: Mapping[str, float],
    *,
    extracted: Collection[str],
    middle: Collection[str],
    extraction_amount: float,
    section: DrawSection = "scrub",
    feed_phase: FeedPhase = "aqueous",
) -> float:
    """Return the highest purity of a third outlet at a given S, all of B drawn there, [-].

    Raises:
        SpecificationError: Groups in the wrong order, or an S with which the feed is not parted.
    """
    low, high = least_purity(feed, middle), 1.0

    def least(purity: float) -> float:
        return third_outlet_minimum(
            feed,
            separation_factor,
            extracted=extracted,
            middle=middle,
            purity=purity,
            section=section,
            feed_phase=feed_phase,
        ).extraction_amount

    # Near 1 the flow grows without bound, near the purity of the feed the cut alone counts.
    purest = 1.0 - 1e-12
    if least(purest) <= extraction_amount:
        return purest
    reachable = math.nan
    while high - low > 1e-14:
        purity = 0.5 * (low + high)
        try:
            enough = least(purity) <= extraction_amount
        except SpecificationError:
            enough = True
        else:
            reachable = purity if enough else reachable
        low, high = (purity, high) if enough else (low, purity)
    if math.isnan(reachable):
        raise SpecificationError(
            f"extraction_amount is {extraction_amount:g} mol per mol of feed.",
            where="third outlet",
            allowed="enough to part the feed: see third_outlet_minimum",
        )
    return reachable


def plan_with_third_outlet(
    stages: tuple[int, int, int],
    minimum: ThirdOutletMinimum,
    *,
    extraction_amount: float,
    scrub_amount: float,
    third_amount: float,
    feed_phase: FeedPhase = "aqueous",
    name: str = "third",
) -> BankPlan:
    """Return the plan of a bank of three runs of stages, counted from the raffinate.

    Args:
        stages: Up to the feed, from there to the draw, and from there to the end (scrub); or up to
            the draw, from there to the feed, and the scrub section (extraction).
        minimum: Says where the draw is.
        extraction_amount: S.
        scrub_amount: W.
        third_amount: T.
        feed_phase: Phase in which the feed arrives.
        name: Of the draw.
    """
    first, second, third = stages
    if minimum.section == "scrub":
        n, m, stage = first, second + third, first + second + 1
    else:
        n, m, stage = first + second, third, first
    return BankPlan(
        extraction_stages=n,
        scrub_stages=m,
        extraction_amount=extraction_amount,
        scrub_amount=scrub_amount,
        feed_phase=feed_phase,
        draws=(
            SideDraw(
                name=name,
                stage=stage,
                phase="aqueous" if minimum.section == "scrub" else "organic",
                amount=third_amount,
            ),
        ),
    )


def least_purity(feed: Mapping[str, float], middle: Collection[str]) -> float:
    """Return the mole fraction of the middle group in the feed, [-]: less is no product."""
    return float(sum(feed[element] for element in set(middle) if element in feed))


def _groups(
    feed: Mapping[str, float],
    separation_factor: Mapping[str, float],
    extracted: Collection[str],
    middle: Collection[str],
    section: DrawSection,
    feed_phase: FeedPhase,
) -> _Groups:
    elements, fractions, beta = read_feed(feed, separation_factor)
    for element in (*extracted, *middle):
        if element not in elements:
            raise SpecificationError(
                f"{element!r} is not in the feed.",
                where="third outlet",
                mend=nearest_name(element, elements),
            )
    present = fractions > 0.0
    up = np.array([element in extracted for element in elements])
    between = np.array([element in middle for element in elements])
    sets = [up & present, between & ~up & present, ~up & ~between & present]
    ordered = all(chosen.any() for chosen in sets) and not (up & between).any()
    if ordered:
        ordered = bool(
            beta[sets[0]].min() > beta[sets[1]].max() and beta[sets[1]].min() > beta[sets[2]].max()
        )
    if not ordered:
        order = " > ".join(elements[i] for i in np.argsort(-beta) if present[i])
        raise SpecificationError(
            f"{', '.join(extracted)} and {', '.join(middle)} are no three groups in the order of "
            "extraction.",
            where="third outlet",
            allowed=f"three groups, none empty, along {order}",
        )
    near, far = (sets[0], sets[2]) if section == "scrub" else (sets[2], sets[0])
    if section == "scrub":
        ratio = beta[near] / beta[sets[1]].max()
    else:
        ratio = beta[sets[1]].min() / beta[near]
    return _Groups(
        fractions[near],
        ratio - 1.0,
        float(fractions[sets[1]].sum()),
        float(fractions[far].sum()),
        1.0 if feed_phase == "organic" else 0.0,
    )


def _least_flow(groups: _Groups, drawn: float, wanted: float) -> float:
    """Return the W, or S, at which the pinch lets `wanted` through; it falls as they grow."""
    low, high = 0.0, 1.0
    while groups.impurity(high, drawn) > wanted:
        low, high = high, 2.0 * high
        if high > LARGEST_AMOUNT * 1e9:
            raise SpecificationError(
                f"an impurity of {wanted:.3g} in the draw takes more than {high:.3g} mol per mol.",
                where="third outlet",
                mend="Ask for less purity.",
            )
    middle = 0.5 * (low + high)
    while low < middle < high:
        if groups.impurity(middle, drawn) > wanted:
            low = middle
        else:
            high = middle
        middle = 0.5 * (low + high)
    return middle
