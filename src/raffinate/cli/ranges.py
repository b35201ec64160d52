"""Ranges as the command line writes them."""

from __future__ import annotations

from collections.abc import Sequence

from raffinate.errors import SpecificationError


def parse_ranges(texts: Sequence[str], where: str) -> dict[str, tuple[float, float]]:
    """Read ranges written `name=low..high`.

    Raises:
        SpecificationError: It is no such text, or a name stands twice.
    """
    found: dict[str, tuple[float, float]] = {}
    for text in texts:
        name, equals, both = (part.strip() for part in text.partition("="))
        low, dots, high = both.partition("..")
        try:
            value = float(low), float(high)
        except ValueError:
            dots = ""
            value = (0.0, 0.0)
        if not equals or not dots or name in found:
            raise SpecificationError(
                f"{text!r} is no range, or its name stands twice.",
                where=where,
                allowed="name=low..high",
                mend="Write saponification_degree=0.3..0.45, or extraction=20..32.",
            )
        found[name] = value
    return found
