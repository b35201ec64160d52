"""The door between everyday units and the SI numbers used inside. The only user of pint."""

from __future__ import annotations

import math
import re
import tokenize
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

_NUMBER = re.compile(r"\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)(?![0-9.])\s*(.*)")
_UNIT = re.compile(r"(?:[^0-9*^]|1(?=/)|\*(?!\*)|(?:\*\*|\^)-?[0-9](?!\s*(?:[0-9.]|\*\*|\^)))*")


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
        SpecificationError: The text is no quantity, is of another kind than `unit`, or is not
            finite.
    """
    if isinstance(quantity, (int, float)):
        return float(quantity)
    import pint

    try:
        number, written = _parts(quantity)
        value = float(_registry().Quantity(number, written).to(_plain(unit)).magnitude)
        if not math.isfinite(value):
            raise ValueError("it is not finite")
        return value
    # Pint leaves the errors of its tokenizer and of plain arithmetic as they are.
    except (
        pint.errors.PintError,
        tokenize.TokenError,
        ArithmeticError,
        AssertionError,
        AttributeError,
        SyntaxError,
        TypeError,
        ValueError,
    ) as error:
        reason = str(error) or type(error).__name__
        raise SpecificationError(
            f"{quantity!r} cannot be read as a quantity in {unit} ({reason}).",
            where="to_si",
            mend="Write a number, a space and a unit, such as '3 m³/h'.",
        ) from error


def _parts(quantity: str) -> tuple[float, str]:
    """Return number and unit; powers beyond one digit would let a line of text compute for ever."""
    found = _NUMBER.fullmatch(_plain(quantity))
    if not found:
        raise ValueError("it does not begin with a number")
    if not _UNIT.fullmatch(found[2]):
        raise ValueError(f"{found[2]!r} is no unit")
    return float(found[1]), found[2]


def _plain(text: str) -> str:
    return text.replace("³", "**3").replace("²", "**2")
