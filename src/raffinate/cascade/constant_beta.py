"""Countercurrent cascades with constant separation factors and constant total flows.

The frame of Xu's countercurrent-extraction theory: everything is in moles per mole of feed, the
organic is full of rare earth in every stage, and separation factors do not change along the bank.
Barren organic enters stage 1 saponified and there takes up `extraction_amount` S from the aqueous;
scrub acid enters the last stage barren and there takes `scrub_amount` W back from the organic. The
feed, 1 mol, joins stage n, the last of the extraction section, in either phase. So the totals are

    ==============  =============  ==================  ==================
    leaving stage   aqueous feed   organic feed        phase
    ==============  =============  ==================  ==================
    1               W + 1 - S      W - S               aqueous, raffinate
    2 ... n         W + 1          W                   aqueous
    n+1 ... n+m     W              W                   aqueous
    1 ... n-1       S              S                   organic
    n ... n+m-1     S              S + 1               organic
    n+m             S - W          S + 1 - W           organic, loaded
    ==============  =============  ==================  ==================

(for n+m > n > 1; where stages coincide, additions and subtractions add up). Nothing is truncated:
stage balances and equilibrium are solved together for every element.

Sources: Xu's theory as reviewed by Yan et al., Tsinghua Sci. Technol. 11 (2006) 241; its minimum
flows by Cheng et al., Adv. Mater. Phys. Chem. 4 (2014) 275, doi:10.4236/ampc.2014.412030; for more
than two elements A. J. V. Underwood, Chem. Eng. Prog. 44 (1948) 603.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.constant_beta_stages import FeedPhase, Floats, lay_out_bank, settle_bank
from raffinate.errors import BalanceError, SpecificationError, nearest_name

if TYPE_CHECKING:
    from pandas import DataFrame

BALANCE_TOLERANCE = 1e-9
"""Largest error allowed in any balance, relative to the flow through it, [-]."""

SMALLEST_AMOUNT = 1e-250


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConstantBetaCascade:
    """A solved cascade. All amounts in moles per mole of feed, [-].

    Attributes:
        elements: Symbols; they fix the last axis of every array.
        feed: Mole fractions of the feed, (element,), [-].
        separation_factor: β over a common reference, (element,), [-].
        feed_phase: Phase in which the feed arrives.
        extraction_stages: n; the feed joins stage n.
        scrub_stages: m.
        extraction_amount: S.
        scrub_amount: W.
        aqueous: Amount leaving each stage in the aqueous, (stage, element).
        organic: Amount leaving each stage in the organic, (stage, element).
        residual: Largest relative error in the total flow of a stage, [-].
    """

    elements: tuple[str, ...]
    feed: Floats
    separation_factor: Floats
    feed_phase: FeedPhase
    extraction_stages: int
    scrub_stages: int
    extraction_amount: float
    scrub_amount: float
    aqueous: Floats
    organic: Floats
    residual: float

    @property
    def raffinate(self) -> dict[str, float]:
        """Moles of each element in the aqueous that leaves stage 1, per mole of feed."""
        return dict(zip(self.elements, self.aqueous[0].tolist(), strict=True))

    @property
    def loaded_organic(self) -> dict[str, float]:
        """Moles of each element in the organic that leaves the last stage, per mole of feed."""
        return dict(zip(self.elements, self.organic[-1].tolist(), strict=True))

    def raffinate_purity(self, *elements: str) -> float:
        """Return the mole fraction of `elements` together in the raffinate, [-]."""
        return _share(self.raffinate, elements)

    def organic_purity(self, *elements: str) -> float:
        """Return the mole fraction of `elements` together in the loaded organic, [-]."""
        return _share(self.loaded_organic, elements)

    def to_dataframe(self) -> DataFrame:
        """Return mole fractions by stage (counted from 1), a column per phase and element."""
        import pandas as pd

        columns = {
            (phase, element): amounts[:, i] / amounts.sum(axis=1)
            for phase, amounts in (("aqueous", self.aqueous), ("organic", self.organic))
            for i, element in enumerate(self.elements)
        }
        return pd.DataFrame(columns, index=pd.RangeIndex(1, len(self.aqueous) + 1, name="stage"))


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimumExtraction:
    """The least flows at which a complete split is possible, with infinitely many stages.

    Attributes:
        extraction_amount: S, [mol per mol of feed].
        scrub_amount: W, [mol per mol of feed].
        underwood_root: θ, between the separation factors on either side of the split, [-].
    """

    extraction_amount: float
    scrub_amount: float
    underwood_root: float


def solve_constant_beta(
    feed: Mapping[str, float],
    separation_factor: Mapping[str, float],
    *,
    extraction_stages: int,
    scrub_stages: int,
    extraction_amount: float,
    scrub_amount: float,
    feed_phase: FeedPhase = "aqueous",
) -> ConstantBetaCascade:
    """Solve every stage of a cascade with constant separation factors.

    Args:
        feed: Mole fraction of each element; they sum to 1, [-].
        separation_factor: β of each element over one reference, the same for all, so that
            y_i / y_j = (β_i / β_j) (x_i / x_j), [-].
        extraction_stages: n, at least 1; the feed joins stage n.
        scrub_stages: m, at least 0.
        extraction_amount: S, organic flow as rare earth it carries, [mol per mol of feed].
        scrub_amount: W, rare earth that the scrub returns, [mol per mol of feed].
        feed_phase: Phase in which the feed arrives.

    Returns:
        Both phases of every stage, balances checked.

    Raises:
        SpecificationError: Data that describe no cascade, or flows that leave a stage empty.
        ConvergenceError: Exactly at minimum flow with hundreds of stages, or at purities beyond
            double precision, where the place of the split is not determined.
        BalanceError: A solution whose balances do not close.

    Method: the unknowns are the logarithms of one distribution coefficient per stage. For given
    coefficients the balances of each element are linear and solved without a subtraction, so that
    no amount is ever negative; Newton's method makes the totals right. Implicit time steps of
    growing length lead there from a bank filled with feed.
    """
    elements, fractions, beta = read_feed(feed, separation_factor)
    bank = lay_out_bank(
        fractions,
        beta,
        extraction_stages,
        scrub_stages,
        extraction_amount,
        scrub_amount,
        feed_phase,
    )
    aqueous, organic, residual = settle_bank(bank, elements)
    cascade = ConstantBetaCascade(
        elements=elements,
        feed=fractions,
        separation_factor=beta,
        feed_phase=feed_phase,
        extraction_stages=extraction_stages,
        scrub_stages=scrub_stages,
        extraction_amount=extraction_amount,
        scrub_amount=scrub_amount,
        aqueous=aqueous,
        organic=organic,
        residual=residual,
    )
    check_constant_beta(cascade)
    return cascade


def minimum_extraction_amount(
    feed: Mapping[str, float],
    separation_factor: Mapping[str, float],
    *,
    extracted: Collection[str],
    feed_phase: FeedPhase = "aqueous",
) -> MinimumExtraction:
    """Return the least flows for a complete split, by Underwood's equations in moles.

    Args:
        feed: Mole fraction of each element; they sum to 1, [-].
        separation_factor: β of each element over one reference, [-].
        extracted: Elements that leave with the organic; the most extractable ones.
        feed_phase: Phase in which the feed arrives.

    Raises:
        SpecificationError: A split that no cascade of this kind makes.

    With q = 0 for aqueous and 1 for organic feed, θ solves Σ β f / (β - θ) = q between the two
    separation factors at the split, and S + q = Σ β f / (β - θ) over the extracted elements. For
    two elements this is S = f_A + 1/(β-1), aqueous feed, and S = 1/(β-1), organic feed.
    """
    elements, fractions, beta = read_feed(feed, separation_factor)
    goes = _read_split(elements, beta, fractions, extracted)
    present = fractions > 0.0
    low, high = float(beta[present & ~goes].max()), float(beta[present & goes].min())
    arrives_organic = 1.0 if feed_phase == "organic" else 0.0
    root = underwood_root(fractions[present], beta[present], low, high, arrives_organic)
    share = fractions[goes & present]
    organic = float(np.sum(beta[goes & present] * share / (beta[goes & present] - root)))
    return MinimumExtraction(
        extraction_amount=organic - arrives_organic,
        scrub_amount=organic - float(share.sum()),
        underwood_root=root,
    )


def check_constant_beta(cascade: ConstantBetaCascade) -> None:
    """Raise unless a cascade is non-negative and every balance closes.

    Checked from the streams alone: each element over each stage and over the whole bank, and the
    total of each phase against the flows that were asked for.

    Raises:
        BalanceError: With the stage and the element.
    """
    c = cascade
    amounts = np.concatenate([c.aqueous, c.organic])
    if not np.all(np.isfinite(amounts)) or float(amounts.min()) < 0.0:
        raise BalanceError("an amount is negative or not a number", where="constant-β cascade")
    bank = lay_out_bank(
        c.feed,
        c.separation_factor,
        c.extraction_stages,
        c.scrub_stages,
        c.extraction_amount,
        c.scrub_amount,
        c.feed_phase,
    )
    barren = np.zeros((1, len(c.elements)))
    arriving = bank.feed + np.vstack([barren, c.organic[:-1]]) + np.vstack([c.aqueous[1:], barren])
    leaving = c.aqueous + c.organic
    _refuse(c, arriving, leaving, "what enters a stage is not what leaves it")
    products = (c.aqueous[0] + c.organic[-1])[None, :]
    _refuse(c, c.feed[None, :], products, "the feed is not what the products carry")
    wanted = np.column_stack([bank.aqueous_total, bank.organic_total])
    found = np.column_stack([c.aqueous.sum(axis=1), c.organic.sum(axis=1)])
    error = np.abs(found - wanted).max(axis=1) / wanted.sum(axis=1)
    if float(error.max()) > BALANCE_TOLERANCE:
        stage = int(error.argmax())
        raise BalanceError(
            f"aqueous and organic carry {found[stage, 0]:.9g} and {found[stage, 1]:.9g} mol, not "
            f"{wanted[stage, 0]:.9g} and {wanted[stage, 1]:.9g} mol per mol of feed",
            where=f"constant-β cascade, stage {stage + 1}",
        )


def underwood_root(
    fractions: Floats, beta: Floats, low: float, high: float, wanted: float
) -> float:
    """Bisect Σ β f / (β - θ) = wanted, which rises from -∞ to +∞ between the two β."""
    middle = 0.5 * (low + high)
    while low < middle < high:
        if float(np.sum(beta * fractions / (beta - middle))) < wanted:
            low = middle
        else:
            high = middle
        middle = 0.5 * (low + high)
    return middle


def _share(amounts: Mapping[str, float], elements: tuple[str, ...]) -> float:
    for element in elements:
        if element not in amounts:
            raise SpecificationError(
                f"{element!r} is not in the feed.", mend=nearest_name(element, tuple(amounts))
            )
    return sum(amounts[element] for element in set(elements)) / sum(amounts.values())


def _refuse(cascade: ConstantBetaCascade, enters: Floats, leaves: Floats, what: str) -> None:
    size = np.maximum(np.abs(enters), np.abs(leaves))
    # Traces near the smallest representable number have no digits left to balance.
    error = np.abs(enters - leaves) / np.maximum(size, SMALLEST_AMOUNT)
    if float(error.max()) > BALANCE_TOLERANCE:
        stage, element = np.unravel_index(int(error.argmax()), error.shape)
        place = f", stage {stage + 1}" if len(error) > 1 else ""
        raise BalanceError(
            f"{what}: {enters[stage, element]:.9g} against {leaves[stage, element]:.9g} mol of "
            f"{cascade.elements[element]} per mol of feed",
            where=f"constant-β cascade{place}",
            allowed=f"a relative difference of {BALANCE_TOLERANCE:g}",
        )


def read_feed(
    feed: Mapping[str, float], separation_factor: Mapping[str, float]
) -> tuple[tuple[str, ...], Floats, Floats]:
    """Return elements, mole fractions and separation factors as arrays."""
    elements = tuple(feed)
    for element in (*feed, *separation_factor):
        if element not in separation_factor or element not in feed:
            lacks = "feed" if element in separation_factor else "separation_factor"
            known = tuple(separation_factor) if lacks == "separation_factor" else elements
            raise SpecificationError(
                f"{element!r} is missing here.", where=lacks, mend=nearest_name(element, known)
            )
    fractions = np.array([feed[element] for element in elements], dtype=np.float64)
    beta = np.array([separation_factor[element] for element in elements], dtype=np.float64)
    for element, fraction, factor in zip(elements, fractions, beta, strict=True):
        if not fraction >= 0.0:
            raise SpecificationError(
                f"mole fraction {fraction:g}.", where=f"feed, {element}", allowed="0 to 1"
            )
        if not 0.0 < factor < math.inf:
            raise SpecificationError(
                f"{factor:g} is no separation factor.",
                where=f"separation_factor, {element}",
                allowed="positive and finite",
            )
    if not abs(float(fractions.sum()) - 1.0) <= 1e-9:
        raise SpecificationError(
            f"mole fractions sum to {fractions.sum():.12g}.",
            where="feed",
            allowed="1 within 1e-9",
            mend="Divide each by their sum.",
        )
    return elements, fractions / fractions.sum(), beta


def _read_split(
    elements: tuple[str, ...], beta: Floats, fractions: Floats, extracted: Collection[str]
) -> NDArray[np.bool_]:
    """Return which elements are extracted; both products must exist and β must part them."""
    for element in extracted:
        if element not in elements:
            raise SpecificationError(
                f"{element!r} is not in the feed.",
                where="extracted",
                mend=nearest_name(element, elements),
            )
    goes = np.array([element in extracted for element in elements])
    present = fractions > 0.0
    if not (np.any(goes & present) and np.any(~goes & present)):
        raise SpecificationError(
            "one of the two products would be empty.",
            where="extracted",
            mend="Name some, but not all, of the elements that the feed contains.",
        )
    if float(beta[goes & present].min()) <= float(beta[~goes & present].max()):
        order = " > ".join(elements[i] for i in np.argsort(-beta))
        raise SpecificationError(
            f"{', '.join(extracted)} cannot all be extracted before the rest.",
            where="extracted",
            allowed=f"elements from the left of {order}",
        )
    return goes
