"""Countercurrent-extraction theory of two groups: A, extracted more, and B, extracted less.

The algebra of purities and recoveries, the optimum mixed extraction ratios, and stage numbers by
the short formulas. Amounts are in moles per mole of feed, the organic is full of rare earth, and
S and W are constant along their sections (see `constant_beta` for the frame). The short formulas
under-count: they take both ends to be almost pure all along a section. `theory_binary` counts
exactly.

Sources: Xu's theory as reviewed by Yan et al., Tsinghua Sci. Technol. 11 (2006) 241; total reflux
M. R. Fenske, Ind. Eng. Chem. 24 (1932) 482; constant D A. Kremser, Natl. Pet. News 22 (1930) 43.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from raffinate.cascade.constant_beta_stages import FeedPhase
from raffinate.errors import SpecificationError

Control = Literal["extraction", "scrub"]
"""Which section sets the flows: the one whose mixed extraction ratio is at its optimum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A feed of A and B parted into a loaded organic of A and a raffinate of B.

    Attributes:
        feed_fraction: Mole fraction of A in the feed, f_A, [-].
        purity_a: Mole fraction of A in the loaded organic, [-].
        purity_b: Mole fraction of B in the raffinate, [-].
        to_organic: f'_A, moles that leave with the organic per mole of feed, [-].
    """

    feed_fraction: float
    purity_a: float
    purity_b: float
    to_organic: float

    @property
    def to_raffinate(self) -> float:
        """f'_B, moles that leave with the raffinate per mole of feed, [-]."""
        return 1.0 - self.to_organic

    @property
    def recovery_a(self) -> float:
        """Share of the A fed that leaves with the organic, Y_A, [-]."""
        return self.purity_a * self.to_organic / self.feed_fraction

    @property
    def recovery_b(self) -> float:
        """Share of the B fed that leaves with the raffinate, Y_B, [-]."""
        return self.purity_b * self.to_raffinate / (1.0 - self.feed_fraction)

    @property
    def purification_a(self) -> float:
        """Purification of A, a = (A/B in the organic)/(A/B in the feed), [-]."""
        return _odds(self.purity_a) / _odds(self.feed_fraction)

    @property
    def purification_b(self) -> float:
        """Purification of B, b = (B/A in the raffinate)/(B/A in the feed), [-]."""
        return _odds(self.purity_b) * _odds(self.feed_fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """Extraction and scrub amounts, and the mixed extraction ratios they make.

    Attributes:
        extraction_amount: S, [mol per mol of feed].
        scrub_amount: W, [mol per mol of feed].
        extraction_ratio: E_m of the extraction section, organic over aqueous rare earth, [-].
        scrub_ratio: E'_m of the scrub section, [-].
        feed_phase: Phase in which the feed arrives.
        control: Which section sets the flows; None for flows that were given.
    """

    extraction_amount: float
    scrub_amount: float
    extraction_ratio: float
    scrub_ratio: float
    feed_phase: FeedPhase
    control: Control | None = None


def split_from(
    feed_fraction: float,
    *,
    purity_a: float | None = None,
    purity_b: float | None = None,
    recovery_a: float | None = None,
    recovery_b: float | None = None,
) -> Split:
    """Return the split that any two of its four figures of merit fix.

    Args:
        feed_fraction: Mole fraction of A in the feed, [-].
        purity_a: Mole fraction of A in the loaded organic, [-].
        purity_b: Mole fraction of B in the raffinate, [-].
        recovery_a: Share of A that leaves with the organic, [-].
        recovery_b: Share of B that leaves with the raffinate, [-].

    Raises:
        SpecificationError: Not exactly two are given, one is no fraction, or no split has both.
    """
    given = {
        name: value
        for name, value in (
            ("purity_a", purity_a),
            ("purity_b", purity_b),
            ("recovery_a", recovery_a),
            ("recovery_b", recovery_b),
        )
        if value is not None
    }
    if len(given) != 2:
        raise SpecificationError(
            f"{', '.join(given) or 'nothing'} is given.",
            where="split",
            allowed="exactly two of purity_a, purity_b, recovery_a, recovery_b",
        )
    for name, value in (("feed_fraction", feed_fraction), *given.items()):
        if not 0.0 < value < 1.0:
            raise SpecificationError(
                f"{name} is {value:g}.",
                where="split",
                allowed="above 0 and below 1",
                mend="A complete split takes infinitely many stages: give 0.9999 or the like.",
            )
    kept_a, kept_b = _recovered(feed_fraction, **given)
    a_up, b_up = kept_a * feed_fraction, (1.0 - kept_b) * (1.0 - feed_fraction)
    if not (0.0 < kept_a < 1.0 and 0.0 < kept_b < 1.0):
        raise SpecificationError(
            f"no split of a feed with {feed_fraction:.4g} A has "
            + " and ".join(f"{name} {value:g}" for name, value in given.items())
            + ".",
            where="split",
            mend=f"A purity of A must be above {feed_fraction:.6g}, one of B above "
            f"{1.0 - feed_fraction:.6g}: those of the feed.",
        )
    return Split(
        feed_fraction=feed_fraction,
        purity_a=a_up / (a_up + b_up),
        purity_b=kept_b * (1.0 - feed_fraction) / (1.0 - a_up - b_up),
        to_organic=a_up + b_up,
    )


def _recovered(
    fraction: float,
    purity_a: float | None = None,
    purity_b: float | None = None,
    recovery_a: float | None = None,
    recovery_b: float | None = None,
) -> tuple[float, float]:
    """Return both recoveries; what a product holds of the other group follows from its purity."""
    ratio = fraction / (1.0 - fraction)
    if recovery_a is not None and recovery_b is not None:
        return recovery_a, recovery_b
    if purity_a is not None and purity_b is not None:
        if purity_a + purity_b == 1.0:
            return math.nan, math.nan
        to_organic = (fraction - (1.0 - purity_b)) / (purity_a + purity_b - 1.0)
        return purity_a * to_organic / fraction, purity_b * (1.0 - to_organic) / (1.0 - fraction)
    if purity_a is not None:
        # B in the organic is A there over the odds of the purity.
        odds = _odds(purity_a)
        if recovery_a is not None:
            return recovery_a, 1.0 - recovery_a * ratio / odds
        assert recovery_b is not None
        return (1.0 - recovery_b) * odds / ratio, recovery_b
    assert purity_b is not None
    odds = _odds(purity_b)
    if recovery_b is not None:
        return 1.0 - recovery_b / (ratio * odds), recovery_b
    assert recovery_a is not None
    return recovery_a, (1.0 - recovery_a) * ratio * odds


def optimum_flows(
    split: Split, separation_factor: float, feed_phase: FeedPhase = "aqueous"
) -> Flows:
    """Return Xu's optimum mixed extraction ratios and the flows that make them.

    The section in which the larger product is made sets the flows: E_m = 1/√β in the extraction
    section, or E'_m = √β in the scrub section, and the other ratio follows from the balance.

    Args:
        split: What is wanted.
        separation_factor: β(A/B), above 1, [-].
        feed_phase: Phase in which the feed arrives.

    Raises:
        SpecificationError: β not above 1.
    """
    root = math.sqrt(_checked_beta(separation_factor))
    up, down = split.to_organic, split.to_raffinate
    aqueous = feed_phase == "aqueous"
    extraction_controls = down > (root / (1.0 + root) if aqueous else 1.0 / (1.0 + root))
    if extraction_controls:
        extraction = 1.0 / root
    else:
        extraction = root * up / (root - down) if aqueous else (1.0 - root * down) / up
    amount = extraction * down / (1.0 - extraction)
    return flows_from(split, amount, feed_phase, "extraction" if extraction_controls else "scrub")


def flows_from(
    split: Split,
    extraction_amount: float,
    feed_phase: FeedPhase = "aqueous",
    control: Control | None = None,
) -> Flows:
    """Return the flows of a split at a given extraction amount S.

    Raises:
        SpecificationError: S so small that no scrub, or no aqueous, would flow.
    """
    arrives_organic = 1.0 if feed_phase == "organic" else 0.0
    scrub = extraction_amount + arrives_organic - split.to_organic
    least = max(split.to_organic - arrives_organic, 0.0)
    if not (extraction_amount > least and scrub > 0.0):
        raise SpecificationError(
            f"extraction_amount is {extraction_amount:g} mol per mol of feed.",
            where="flows",
            allowed=f"above {least:g}, so that both phases flow in both sections",
        )
    return Flows(
        extraction_amount=extraction_amount,
        scrub_amount=scrub,
        extraction_ratio=extraction_amount / (scrub + 1.0 - arrives_organic),
        scrub_ratio=(extraction_amount + arrives_organic) / scrub,
        feed_phase=feed_phase,
        control=control,
    )


def short_stage_numbers(
    split: Split, separation_factor: float, flows: Flows
) -> tuple[float, float]:
    """Return n and m by the short formulas n = ln b/ln(β E_m), m + 1 = ln a/ln(β/E'_m).

    They neglect that the minor element is no trace near the feed and therefore under-count, by
    several stages for equal parts of A and B.

    Raises:
        SpecificationError: Flows below the minimum, with which a section does not separate.
    """
    beta = _checked_beta(separation_factor)
    gain, scrub_gain = beta * flows.extraction_ratio, beta / flows.scrub_ratio
    if not (gain > 1.0 and scrub_gain > 1.0):
        raise SpecificationError(
            f"β E_m is {gain:.4g} and β/E'_m {scrub_gain:.4g}.",
            where="short stage numbers",
            allowed="both above 1",
            mend="Take a larger extraction amount.",
        )
    return (
        math.log(split.purification_b) / math.log(gain),
        math.log(split.purification_a) / math.log(scrub_gain) - 1.0,
    )


def fenske_stages(split: Split, separation_factor: float) -> float:
    """Return the stages at total reflux, ln(a b)/ln β: no bank needs fewer.

    Source: Fenske (1932), with the two liquors of a stage in place of vapour and liquid.
    """
    beta = _checked_beta(separation_factor)
    return math.log(split.purification_a * split.purification_b) / math.log(beta)


def kremser_unextracted(extraction_factor: float, stages: float) -> float:
    """Return the share of an element that stays in the raffinate at constant D, no scrub.

    Args:
        extraction_factor: E = D · O/A, [-].
        stages: Number of stages; need not be whole.

    Raises:
        SpecificationError: A factor or number below zero.

    Source: Kremser (1930); (E - 1)/(E^(n+1) - 1), and 1/(n + 1) at E = 1.
    """
    if not (extraction_factor >= 0.0 and stages >= 0.0 and math.isfinite(extraction_factor)):
        raise SpecificationError(
            f"extraction_factor {extraction_factor:g}, stages {stages:g}.",
            where="Kremser",
            allowed="finite, 0 or more",
        )
    logarithm = math.log(extraction_factor) if extraction_factor > 0.0 else -math.inf
    if extraction_factor == 0.0:
        return 1.0
    if abs(logarithm) < 1e-12:
        return 1.0 / (stages + 1.0)
    exponent = (stages + 1.0) * logarithm
    if exponent > 700.0:
        return math.expm1(logarithm) * math.exp(-exponent)
    return math.expm1(logarithm) / math.expm1(exponent)


def _odds(fraction: float) -> float:
    return fraction / (1.0 - fraction)


def _checked_beta(separation_factor: float) -> float:
    if not 1.0 < separation_factor < math.inf:
        raise SpecificationError(
            f"separation_factor is {separation_factor:g}.",
            where="theory of two groups",
            allowed="finite and above 1",
            mend="A is the group that is extracted more; exchange A and B.",
        )
    return separation_factor
