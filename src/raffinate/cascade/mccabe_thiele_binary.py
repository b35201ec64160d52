"""McCabe–Thiele construction for the split of two elements, by their mole fractions.

x and y are the mole fractions of the better extracted element among both, in aqueous and organic.
Extraction and scrub sections carry constant amounts of rare earth, as in `theory`: with V and L the
amounts in organic and aqueous and P that of the product at a section's end, the operating lines are

    L x_{n+1} = V y_n + P x_raffinate       (extraction, from the raffinate)
    V y_n     = L x_{n+1} + P y_product     (scrub, from the loaded organic)

and meet at the composition of an aqueous feed. The curve y(x) may have any β: one that falls
with loading or changes with composition is stepped as it is. For constant β `theory_binary` gives
the same counts in closed form.

Source: W. L. McCabe, E. W. Thiele, Ind. Eng. Chem. 17 (1925) 605.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.cascade.mccabe_thiele import MOST_STAGES
from raffinate.cascade.theory import Flows, Split
from raffinate.cascade.theory_binary import sections_of
from raffinate.errors import SpecificationError

_WHERE = "McCabe–Thiele of two elements"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BinaryConstruction:
    """The steps of both sections.

    Attributes:
        extraction: Stages from the raffinate to the feed, the feed stage included, [-].
        scrub: Stages from behind the feed to the loaded organic, [-].
        extraction_steps: x of the stages counted from the raffinate, (step,), [-].
        scrub_steps: y of the organic counted from the loaded organic down, (step,), [-].
    """

    extraction: float
    scrub: float
    extraction_steps: NDArray[np.float64]
    scrub_steps: NDArray[np.float64]


def constant_separation(separation_factor: float) -> Callable[[float], float]:
    """Return y = βx/(1 + (β-1)x)."""
    beta = separation_factor
    return lambda x: beta * x / (1.0 + (beta - 1.0) * x)


def varying_separation(
    aqueous: ArrayLike, separation_factor: ArrayLike
) -> Callable[[float], float]:
    """Return y(x) with β read off by straight lines, as an isotherm of two elements gives it.

    Args:
        aqueous: Mole fractions of the better extracted element, (point,), in any order, [-].
        separation_factor: β there, (point,), [-].
    """
    order = np.argsort(np.asarray(aqueous, np.float64))
    x = np.asarray(aqueous, np.float64)[order]
    beta = np.asarray(separation_factor, np.float64)[order]
    return lambda value: constant_separation(float(np.interp(value, x, beta)))(value)


def step_binary(curve: Callable[[float], float], split: Split, flows: Flows) -> BinaryConstruction:
    """Step off both sections of a split with aqueous feed.

    Args:
        curve: Organic of aqueous mole fraction at equilibrium; rises from 0 to 1.
        split: What is wanted.
        flows: S and W.

    Raises:
        SpecificationError: A pinch between an end and the feed, or a feed in the organic.
    """
    if flows.feed_phase != "aqueous":
        raise SpecificationError(
            "the feed is organic.", where=_WHERE, allowed="aqueous feed", mend="See theory_binary."
        )
    from scipy.optimize import brentq

    lower, upper = sections_of(split, flows)
    feed, poorest, richest = split.feed_fraction, 1.0 - split.purity_b, split.purity_a

    def up(x: float) -> float:
        return (lower.organic * curve(x) + lower.product * poorest) / lower.aqueous

    def down(y: float) -> float:
        x = float(brentq(lambda value: curve(value) - y, 0.0, 1.0, xtol=1e-15))
        return (upper.aqueous * x + upper.product * richest) / upper.organic

    rising, x = _count(up, poorest, feed)
    falling, y = _count(down, richest, curve(feed))
    return BinaryConstruction(
        extraction=rising + 1.0, scrub=falling, extraction_steps=x, scrub_steps=y
    )


def _count(
    step: Callable[[float], float], start: float, end: float
) -> tuple[float, NDArray[np.float64]]:
    """Return how often `step` leads from start to end, the part of the last one included."""
    places, sign = [start], math.copysign(1.0, end - start)
    while sign * (end - places[-1]) > 0.0:
        places.append(step(places[-1]))
        if sign * (places[-1] - places[-2]) <= 1e-12 or len(places) > MOST_STAGES:
            raise SpecificationError(
                f"the steps from a mole fraction of {start:.4g} stall at {places[-1]:.4g}, short "
                f"of {end:.4g}: a pinch.",
                where=_WHERE,
                allowed="flows above the minimum for this curve",
                mend="Take a larger extraction amount, or ask for less purity.",
            )
    before, after = places[-2], places[-1]
    share = (end - before) / (after - before)
    growth = (step(end) - after) / (end - before) if end != before else 1.0
    if abs(growth - 1.0) < 1e-8 or growth <= 0.0:
        part = share
    else:
        part = math.log1p(share * (growth - 1.0)) / math.log(growth)
    return len(places) - 2 + part, np.array(places)
