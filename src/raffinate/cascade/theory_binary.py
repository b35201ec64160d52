"""The exact number of stages for two elements with a constant separation factor.

Within a section the mole fraction x of A in the aqueous goes from stage to stage by

    L x' = V y(x) + c          y(x) = β x / (1 + (β - 1) x)

with V and L the rare earth in organic and aqueous, and c what the product at that end takes: a
Möbius map. In w = (x - p)/(x - q), with p and q its fixed points, every stage multiplies w by the
same number, so that stages are a ratio of logarithms and need not be whole. The same closed form
was given for distillation by E. H. Smoker, Trans. AIChE 34 (1938) 165.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

from raffinate.cascade.theory import Flows, Split
from raffinate.errors import SpecificationError

MOST_STAGES = 100_000
"""Stages beyond which a section is said not to reach its purity, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Rare earth that passes a stage of a section, [mol per mol of feed].

    Attributes:
        organic: V.
        aqueous: L.
        product: Amount of the product that leaves at the section's end.
    """

    organic: float
    aqueous: float
    product: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StageNumbers:
    """Stages of a bank of two elements.

    Attributes:
        extraction: n, the stages from the raffinate to the feed, the feed stage included, [-].
        scrub: m, the stages from behind the feed to the loaded organic, [-].
    """

    extraction: float
    scrub: float


def exact_stage_numbers(split: Split, separation_factor: float, flows: Flows) -> StageNumbers:
    """Return n and m, not whole, with the feed entering where the bank has its composition.

    Args:
        split: What is wanted.
        separation_factor: β(A/B), [-].
        flows: S and W.

    Raises:
        SpecificationError: Flows at or below the minimum: a pinch lies between an end and the feed.
    """
    extraction, scrub = sections_of(split, flows)
    feed = split.feed_fraction
    # A feed in the organic meets the organic of its own composition, not the aqueous.
    if flows.feed_phase == "aqueous":
        aqueous, organic = feed, _organic(feed, separation_factor)
    else:
        aqueous, organic = _given_organic(feed, separation_factor), feed
    rising = _stages_between(1.0 - split.purity_b, aqueous, separation_factor, extraction)
    # Seen from the other end, phases and elements change places.
    mirrored = Section(organic=scrub.aqueous, aqueous=scrub.organic, product=scrub.product)
    falling = _stages_between(1.0 - split.purity_a, 1.0 - organic, separation_factor, mirrored)
    return StageNumbers(extraction=rising + 1.0, scrub=falling)


def fewest_stages(split: Split, separation_factor: float, flows: Flows) -> tuple[int, int]:
    """Return whole n and m that meet both purities with the fewest stages in all.

    Counted stage by stage from both ends; of banks with equal totals the one with the shorter
    scrub section is taken.

    Raises:
        SpecificationError: Flows at or below the minimum.
    """
    exact = exact_stage_numbers(split, separation_factor, flows)
    extraction, scrub = sections_of(split, flows)
    reach = math.ceil(exact.extraction) + 40
    rising = [1.0 - split.purity_b]
    for _ in range(reach):
        rising.append(
            (
                extraction.organic * _organic(rising[-1], separation_factor)
                + extraction.product * rising[0]
            )
            / extraction.aqueous
        )
    falling = [split.purity_a]
    for _ in range(math.ceil(exact.scrub) + 40):
        aqueous = _given_organic(falling[-1], separation_factor)
        falling.append((scrub.aqueous * aqueous + scrub.product * falling[0]) / scrub.organic)
    best = None
    for m, needed in enumerate(falling):
        # Stage n must send up organic at least as rich as the scrub section needs to be sent.
        n = next(
            (i for i, x in enumerate(rising, 1) if _organic(x, separation_factor) >= needed), None
        )
        if n is not None and (best is None or n + m < sum(best)):
            best = (n, m)
    if best is None:
        raise SpecificationError(
            "no whole numbers of stages meet both purities.",
            where="fewest stages",
            mend="Take a larger extraction amount.",
        )
    return best


def sections_of(split: Split, flows: Flows) -> tuple[Section, Section]:
    """Return what flows in the extraction and in the scrub section."""
    organic = flows.feed_phase == "organic"
    s, w = flows.extraction_amount, flows.scrub_amount
    return (
        Section(organic=s, aqueous=w if organic else w + 1.0, product=split.to_raffinate),
        Section(organic=s + 1.0 if organic else s, aqueous=w, product=split.to_organic),
    )


def _stages_between(start: float, end: float, beta: float, section: Section) -> float:
    """Return how often the map leads from the product's `start` to `end`, [-]."""
    v, flow, c = section.organic, section.aqueous, section.product * start
    # x' = ((vβ + c(β-1)) x + c) / (L (β-1) x + L)
    a, b, k, d = v * beta + c * (beta - 1.0), c, flow * (beta - 1.0), flow
    root = cmath.sqrt((a - d) ** 2 + 4.0 * b * k)
    if abs(root.imag) > 0.0:
        raise _pinched(start, end)
    high = ((a - d) + root.real) / (2.0 * k)
    low = -b / (k * high) if high != 0.0 else ((a - d) - root.real) / (2.0 * k)
    multiplier = (a - k * low) / (a - k * high)
    begin, finish = (start - low) / (high - start), (end - low) / (high - end)
    if not (multiplier > 1.0 and begin > 0.0 and finish > 0.0):
        raise _pinched(start, end)
    count = math.log(finish / begin) / math.log(multiplier)
    if not count < MOST_STAGES:
        raise _pinched(start, end)
    return count


def _pinched(start: float, end: float) -> SpecificationError:
    return SpecificationError(
        f"no number of stages leads from a mole fraction of {start:.4g} to {end:.4g}: a pinch, "
        "where neighbouring stages are alike, lies between.",
        where="exact stage numbers",
        allowed="flows above the minimum of minimum_extraction_amount",
        mend="Take a larger extraction amount.",
    )


def _organic(aqueous: float, beta: float) -> float:
    return beta * aqueous / (1.0 + (beta - 1.0) * aqueous)


def _given_organic(organic: float, beta: float) -> float:
    return organic / (beta - (beta - 1.0) * organic)
