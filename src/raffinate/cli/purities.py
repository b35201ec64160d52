"""Purities as the command line writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from raffinate.errors import SpecificationError, nearest_name

if TYPE_CHECKING:
    from raffinate.plant.model import Plant
    from raffinate.plant.network import Network


def parse_purities(texts: Sequence[str], plant: Plant | Network) -> dict[str, float]:
    """Read purities written `nd_purity=0.999`, by product, [-].

    Raises:
        SpecificationError: It is no such text, names no product or stands twice.
    """
    known = tuple(f"{name}_purity" for name in plant.products)
    found: dict[str, float] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or key not in known:
            raise SpecificationError(
                f"{text!r} is no purity of {plant.name}.",
                where="--spec",
                allowed=", ".join(f"{name}=…" for name in known),
                mend=nearest_name(key, known),
            )
        name = key.removesuffix("_purity")
        try:
            purity = float(value)
        except ValueError:
            raise SpecificationError(
                f"{value!r} is no number.",
                where=f"--spec {key}",
                allowed="between 0 and 1, as a fraction",
                mend="Write 0.999 for 99.9 %.",
            ) from None
        if name in found:
            raise SpecificationError(
                f"{key} is given twice.", where="--spec", mend="Leave one of them out."
            )
        found[name] = purity
    return found
