"""Stages and flows of a bank that parts many elements in two, with constant separation factors.

Least flows come from Underwood's equations, stage numbers from the exact solution of every stage
and element (`solve_constant_beta`). The short formulas stand beside them, for what they are worth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from raffinate.cascade.constant_beta import (
    ConstantBetaCascade,
    MinimumExtraction,
    minimum_extraction_amount,
    solve_constant_beta,
)
from raffinate.cascade.constant_beta_stages import FeedPhase
from raffinate.cascade.theory import Flows, Split, flows_from, short_stage_numbers, split_from
from raffinate.errors import SpecificationError

EXCESSES = (1.05, 1.1, 1.15, 1.2, 1.25, 1.3, 1.4, 1.5, 1.65, 1.8, 2.0)
"""Extraction amounts over the least one that are tried, [-]."""

MOST_STAGES = 2000
"""Stages beyond which a bank is not looked for, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BankDesign:
    """A bank that makes the purities asked for.

    Attributes:
        extracted: Elements that leave with the organic.
        split: The two groups as A and B, in moles.
        separation_factor: β between the two neighbours at the cut, [-].
        minimum: Least flows, with infinitely many stages.
        flows: S, W and mixed extraction ratios.
        short_stages: n and m by the short formulas for the two groups, which under-count, [-].
        cascade: The solved bank; its stage numbers are the design.
    """

    extracted: tuple[str, ...]
    split: Split
    separation_factor: float
    minimum: MinimumExtraction
    flows: Flows
    short_stages: tuple[float, float]
    cascade: ConstantBetaCascade

    @property
    def stages(self) -> tuple[int, int]:
        """Whole numbers n and m of extraction and scrub stages."""
        return self.cascade.extraction_stages, self.cascade.scrub_stages

    @property
    def excess(self) -> float:
        """S over the least S, [-]."""
        return self.flows.extraction_amount / self.minimum.extraction_amount

    @property
    def bulk(self) -> float:
        """Stages times the rare earth that passes one, a stand-in for the bank's inventory, [-]."""
        passing = self.flows.extraction_amount + self.flows.scrub_amount + 1.0
        return sum(self.stages) * passing


def design_bank(
    feed: Mapping[str, float],
    separation_factor: Mapping[str, float],
    *,
    extracted: Collection[str],
    purity_extracted: float,
    purity_raffinate: float,
    feed_phase: FeedPhase = "aqueous",
    excess: float | None = None,
    advance: Callable[[], None] = lambda: None,
) -> BankDesign:
    """Return the bank with the fewest stages that makes both purities.

    Args:
        feed: Mole fraction of each element; they sum to 1, [-].
        separation_factor: β of each element over one reference, [-].
        extracted: Elements that leave with the organic; the most extractable ones.
        purity_extracted: Mole fraction of those together in the loaded organic, [-].
        purity_raffinate: Mole fraction of the others together in the raffinate, [-].
        feed_phase: Phase in which the feed arrives.
        excess: S over the least S; left out, the one of `EXCESSES` with the least `bulk`.
        advance: Called once for each extraction amount tried.

    Raises:
        SpecificationError: A cut or purities that no bank makes, or not within `MOST_STAGES`.
    """
    minimum = minimum_extraction_amount(
        feed, separation_factor, extracted=extracted, feed_phase=feed_phase
    )
    if excess is not None and not excess > 1.0:
        raise SpecificationError(
            f"excess is {excess:g}.",
            where="design",
            allowed=f"above 1: the least extraction amount is {minimum.extraction_amount:.4g} mol "
            "per mol of feed and takes infinitely many stages",
        )
    share = sum(feed[element] for element in set(extracted))
    split = split_from(share, purity_a=purity_extracted, purity_b=purity_raffinate)
    others = [separation_factor[e] for e in feed if e not in extracted and feed[e] > 0.0]
    beta = min(separation_factor[e] for e in extracted if feed[e] > 0.0) / max(others)
    tried: dict[float, BankDesign] = {}

    def at(factor: float) -> BankDesign:
        if factor not in tried:
            flows = flows_from(split, factor * minimum.extraction_amount, feed_phase)
            search = _Search(feed, separation_factor, split, flows, tuple(extracted))
            known = min((sum(design.stages) for design in tried.values()), default=None)
            tried[factor] = BankDesign(
                extracted=tuple(extracted),
                split=split,
                separation_factor=beta,
                minimum=minimum,
                flows=flows,
                short_stages=_short(split, beta, flows),
                cascade=search.fewest(known),
            )
            advance()
        return tried[factor]

    return at(excess) if excess is not None else _leanest(at)


def _leanest(at: Callable[[float], BankDesign]) -> BankDesign:
    """Walk along `EXCESSES` to where the bulk is least; it falls, then rises."""
    here = EXCESSES.index(1.3)
    while True:
        ways = [place for place in (here - 1, here + 1) if 0 <= place < len(EXCESSES)]
        there = min(ways, key=lambda place: at(EXCESSES[place]).bulk)
        if at(EXCESSES[there]).bulk >= at(EXCESSES[here]).bulk:
            return at(EXCESSES[here])
        here = there


@dataclass(frozen=True, slots=True)
class _Search:
    """Looks for the fewest stages at given flows."""

    feed: Mapping[str, float]
    separation_factor: Mapping[str, float]
    split: Split
    flows: Flows
    extracted: tuple[str, ...]

    def solve(self, extraction: int, scrub: int) -> ConstantBetaCascade:
        return solve_constant_beta(
            self.feed,
            self.separation_factor,
            extraction_stages=extraction,
            scrub_stages=scrub,
            extraction_amount=self.flows.extraction_amount,
            scrub_amount=self.flows.scrub_amount,
            feed_phase=self.flows.feed_phase,
        )

    def margin(self, cascade: ConstantBetaCascade) -> float:
        """Return by how much, in ln of the impurity, the organic is better than asked for.

        Both products carry what the flows give them, so that one meets its purity with the other.
        """
        impurity = 1.0 - cascade.organic_purity(*self.extracted)
        return math.log((1.0 - self.split.purity_a) / max(impurity, 1e-300))

    def best_of(self, total: int, extraction: int) -> tuple[float, int]:
        """Return the largest margin of `total` stages and its n, uphill from a first n."""
        seen: dict[int, float] = {}

        def at(count: int) -> float:
            if count not in seen:
                seen[count] = self.margin(self.solve(count, total - count))
            return seen[count]

        here, stride = min(max(extraction, 1), total), max(1, total // 8)
        while stride:
            ways = [n for n in (here - stride, here + stride) if 1 <= n <= total]
            there = max(ways, key=at, default=here)
            if at(there) > at(here):
                here = there
            else:
                stride //= 2
        return at(here), here

    def fewest(self, guess: int | None) -> ConstantBetaCascade:
        """Return the bank with the fewest stages that meets the purities."""
        low, high = 1, guess or 16
        share = 0.5
        found: tuple[int, int] | None = None
        while found is None:
            margin, count = self.best_of(high, round(share * high))
            if margin >= 0.0:
                found = (high, count)
            elif high >= MOST_STAGES:
                raise SpecificationError(
                    f"more than {MOST_STAGES} stages would be needed.",
                    where="design",
                    mend="Ask for less purity or take a larger excess of extractant.",
                )
            else:
                low, high, share = high, min(2 * high, MOST_STAGES), count / high
        while found[0] - low > 1:
            middle = (found[0] + low) // 2
            margin, count = self.best_of(middle, round(found[1] / found[0] * middle))
            if margin >= 0.0:
                found = (middle, count)
            else:
                low = middle
        return self.solve(found[1], found[0] - found[1])


def _short(split: Split, beta: float, flows: Flows) -> tuple[float, float]:
    try:
        return short_stage_numbers(split, beta, flows)
    except SpecificationError:
        # Two groups can need less than two elements with the β of the cut, so this may not exist.
        return math.nan, math.nan
