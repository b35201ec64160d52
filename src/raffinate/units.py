"""The door between everyday units and the SI numbers used inside. The only user of pint."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from raffinate.errors import SpecificationError

HOUR = 3600.0
"""Seconds in an hour."""

MINUTE = 60.0
"""Seconds in a minute."""

LITRE = 1e-3
"""Cubic metres in a litre."""

PER_LITRE = 1e3
"""mol/m³ in one mol/L."""


@lru_cache(maxsize=1)
def _registry() -> Any:
    import pint

    return pint.UnitRegistry()


def to_si(quantity: str | float, unit: str) -> float:
    """Convert text with a unit to a number in the SI unit `unit`.

    Args:
        quantity: Such as "3 m³/h"; a bare number is taken to be in `unit` already.
        unit: Target unit, such as "m³/s".

    Raises:
        SpecificationError: The text is no quantity, or is of another kind than `unit`.
    """
    if isinstance(quantity, (int, float)):
        return float(quantity)
    import pint

    try:
        value = _registry().Quantity(quantity.replace("³", "**3").replace("²", "**2"))
        target = unit.replace("³", "**3").replace("²", "**2")
        return float(value.to(target).magnitude)
    except (pint.errors.PintError, AttributeError, ValueError, TypeError) as error:
        raise SpecificationError(
            f"{quantity!r} cannot be read as a quantity in {unit} ({error}).",
            where="to_si",
            mend="Write a number, a space and a unit, such as '3 m³/h'.",
        ) from error
