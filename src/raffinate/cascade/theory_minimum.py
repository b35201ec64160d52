"""Least flows of a bank for many elements, with and without elements that go both ways.

A sharp cut between neighbours in the order of extraction is `minimum_extraction_amount` of
`constant_beta`. Here the two products may overlap: of A₁ … A_t, in falling order of extraction, the
organic holds no A_t and the raffinate no A₁, while those between distribute as they do at the least
flow: (A₁ … A_{t-1})/(A₂ … A_t). Such cuts, hyperlinked one to the next, take the least extractant
of all.

With q = 0 for aqueous and 1 for organic feed, every root θ of Σ β f/(β - θ) = q between two
neighbours of which at least one distributes, or at the cut, satisfies

    S + q = Σ β d/(β - θ)            d = moles that leave with the organic per mole of feed

which is linear in S and in the unknown d. An element for which that gives less than nothing, or
more than was fed, does not distribute.

Sources: A. J. V. Underwood, Chem. Eng. Prog. 44 (1948) 603; hyperlinked cuts F. Cheng et al., Adv.
Mater. Phys. Chem. 5 (2015), no. 8. All amounts in moles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from raffinate.cascade.constant_beta import read_feed, underwood_root
from raffinate.cascade.constant_beta_stages import FeedPhase, Floats
from raffinate.errors import SpecificationError, nearest_name


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlappingMinimum:
    """Least flows of a cut whose products may share elements.

    Attributes:
        extraction_amount: S, [mol per mol of feed].
        scrub_amount: W, [mol per mol of feed].
        to_organic: Moles of each element that leave with the organic, per mole of feed.
        underwood_roots: θ between each two neighbours of the cut, falling, [-].
    """

    extraction_amount: float
    scrub_amount: float
    to_organic: Mapping[str, float]
    underwood_roots: tuple[float, ...]


def minimum_overlapping_amount(
    feed: Mapping[str, float],
    separation_factor: Mapping[str, float],
    *,
    extracted: str,
    rejected: str,
    feed_phase: FeedPhase = "aqueous",
) -> OverlappingMinimum:
    """Return the least flows that part two elements and let those between go both ways.

    The raffinate holds no `extracted`, the organic no `rejected`. Elements extracted more than
    `extracted` go with it, those extracted less than `rejected` with
    that one; those between distribute.

    Args:
        feed: Mole fraction of each element; they sum to 1, [-].
        separation_factor: β of each element over one reference, [-].
        extracted: A₁, the least extracted element of which the raffinate holds none.
        rejected: A_t, the most extracted element of which the organic holds none.
        feed_phase: Phase in which the feed arrives.

    Raises:
        SpecificationError: An unknown element, one that is not fed, or β in the other order.
    """
    elements, fractions, beta = read_feed(feed, separation_factor)
    for element in (extracted, rejected):
        if element not in elements or not fractions[elements.index(element)] > 0.0:
            raise SpecificationError(
                f"{element!r} is not in the feed.",
                where="overlapping cut",
                mend=nearest_name(element, elements),
            )
    up, down = (float(beta[elements.index(name)]) for name in (extracted, rejected))
    if not up > down:
        raise SpecificationError(
            f"β of {extracted} is {up:g}, of {rejected} {down:g}.",
            where="overlapping cut",
            allowed="extracted more than rejected",
            mend="Exchange the two.",
        )
    wanted = 1.0 if feed_phase == "organic" else 0.0
    organic = np.where(beta >= up, fractions, 0.0)
    between = (beta < up) & (beta > down) & (fractions > 0.0)
    while True:
        found = _distribution(fractions, beta, organic, between, (up, down), wanted)
        amount, shared, roots = found
        over, under = between & (shared > fractions), between & (shared < 0.0)
        if not (over | under).any():
            break
        organic, between = np.where(over, fractions, organic), between & ~over & ~under
    moles = np.where(between, shared, organic)
    return OverlappingMinimum(
        extraction_amount=amount,
        scrub_amount=amount + wanted - float(moles.sum()),
        to_organic=dict(zip(elements, moles.tolist(), strict=True)),
        underwood_roots=roots,
    )


def _distribution(
    fractions: Floats,
    beta: Floats,
    organic: Floats,
    between: np.ndarray,
    ends: tuple[float, float],
    wanted: float,
) -> tuple[float, Floats, tuple[float, ...]]:
    """Return S, the moles to the organic of what distributes, and the roots."""
    present = fractions > 0.0
    # Elements whose side is settled bound the roots as the two of the cut do.
    high = min([ends[0], *beta[present & (organic > 0.0)].tolist()])
    low = max([ends[1], *beta[present & (organic == 0.0) & ~between].tolist()])
    levels = [high, *sorted(set(beta[between].tolist()), reverse=True), low]
    roots = tuple(
        underwood_root(fractions[present], beta[present], below, above, wanted)
        for above, below in pairwise(levels)
    )
    groups = [np.flatnonzero(between & (beta == level)) for level in levels[1:-1]]
    matrix, right = np.ones((len(roots), len(roots))), np.zeros(len(roots))
    for row, root in enumerate(roots):
        right[row] = float(np.sum(beta * organic / (beta - root))) - wanted
        matrix[row, 1:] = [-level / (level - root) for level in levels[1:-1]]
    solved = np.linalg.solve(matrix, right)
    shared = np.zeros_like(fractions)
    for amount, group in zip(solved[1:], groups, strict=True):
        # Elements of equal β part alike.
        shared[group] = amount * fractions[group] / fractions[group].sum()
    return float(solved[0]), shared, roots
