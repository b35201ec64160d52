"""What a newcomer most often writes wrong of feeds and products, refused with a mend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raffinate.chemistry.system import ExtractionSystem
from raffinate.errors import DataError, SpecificationError

WITHIN = 1e-3
"""How far fractions may be from adding up to 1, [-]."""


def check_fractions(fractions: Mapping[str, float], what: str, where: str) -> None:
    """Refuse fractions that do not add up to 1.

    Args:
        fractions: By symbol, [-].
        what: Such as "mass fractions".
        where: File and key.

    Raises:
        DataError: With what they add up to.
    """
    total = sum(fractions.values())
    if abs(total - 1.0) <= WITHIN:
        return
    mend = "Change them so that they add up to 1."
    if abs(total / 100.0 - 1.0) <= WITHIN:
        shown = ", ".join(f"{symbol}: {0.01 * share:g}" for symbol, share in fractions.items())
        mend = f"They are shares of 1, not percentages: {{{shown}}}."
    raise DataError(
        f"{what} add up to {total:.4g}.", where=where, allowed="1 within 0.001", mend=mend
    )


def subset_for(
    system: ExtractionSystem, elements: Sequence[str], *, where: str, mend: str
) -> ExtractionSystem:
    """Return a system for the metals of a feed.

    Args:
        system: As loaded.
        elements: Symbols.
        where: File and key in which the metals stand.
        mend: What else can be done with a metal the system does not know.

    Raises:
        DataError: The system has no constant for one of them.
    """
    try:
        return system.subset(tuple(elements))
    except SpecificationError as error:
        raise DataError(
            f"{system.name}: {error.what}", where=where, allowed=error.allowed, mend=mend
        ) from error


def check_order(
    system: ExtractionSystem, kept: Sequence[str], taken: Sequence[str], where: str
) -> None:
    """Refuse products of one bank that are parted against the order of extraction.

    Args:
        system: Of the metals of the bank.
        kept: Symbols that are to stay in the raffinate.
        taken: Symbols that are to be extracted and stripped.
        where: File and key of the products.

    Raises:
        DataError: A symbol of both, or one that is extracted less than one that is to stay.
    """
    both = [symbol for symbol in kept if symbol in taken]
    if both:
        raise DataError(
            f"{', '.join(both)} counts in both products.",
            where=where,
            allowed="each element in one product at most",
            mend="Name it where it is wanted; in the other it is an impurity.",
        )
    values = system.log10_extraction_constant.tolist()
    constant = dict(zip(system.elements, values, strict=True))
    order = sorted(constant, key=constant.__getitem__, reverse=True)
    first = min(taken, key=constant.__getitem__)
    last = max(kept, key=constant.__getitem__)
    if constant[first] <= constant[last]:
        raise DataError(
            f"{first} is to be extracted and {last}, which {system.name} extracts more, to stay.",
            where=where,
            allowed=f"a cut of {' > '.join(order)}: what is extracted more goes to strip_liquor",
            mend=f"Strip {', '.join(order[: order.index(last) + 1])}, or take another system.",
        )
