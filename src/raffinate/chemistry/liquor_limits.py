"""What no liquor can hold, so that grams taken for moles do not pass."""

from __future__ import annotations

from collections.abc import Mapping

from raffinate.errors import SpecificationError
from raffinate.units import PER_LITRE

PURE_WATER = 55.3 * PER_LITRE
"""Molecules in pure water, [mol/m³]: 997.047 kg/m³ (25 °C) over 0.018015 kg/mol."""

SATURATED_STRENGTH = 24.5 * PER_LITRE
"""Ionic strength of 4.084 mol/kg YCl₃, the strongest solution of a rare-earth chloride to which
measured activities reach (pitzer_may2011), [mol/m³] as if a litre held a kilogram of water."""


def check_dissolved(amounts: Mapping[str, float], where: str) -> None:
    """Raise SpecificationError where more is dissolved than water has molecules.

    Args:
        amounts: Of what is dissolved, by name, [mol/m³].
        where: What to call the liquor in messages.
    """
    total = sum(value for value in amounts.values() if value > 0.0)
    if total > PURE_WATER:
        largest = max(amounts, key=lambda name: amounts[name])
        raise SpecificationError(
            f"{total / PER_LITRE:.3g} mol/L are dissolved, {amounts[largest] / PER_LITRE:.3g} of "
            f"it {largest}.",
            where=where,
            allowed=f"less than the {PURE_WATER / PER_LITRE:.3g} mol/L of pure water itself",
            mend="Amounts are in moles: mol/L on the command line, mol/m³ in Python; divide g/L by "
            "the molar mass.",
        )


def concentrated(ionic_strength: float) -> list[str]:
    """Return a sentence if no liquor is that strong.

    Args:
        ionic_strength: [mol/m³].
    """
    if ionic_strength <= SATURATED_STRENGTH:
        return []
    return [
        f"Ionic strength is {ionic_strength / PER_LITRE:.3g} mol/L, above the "
        f"{SATURATED_STRENGTH / PER_LITRE:.3g} of a saturated rare-earth chloride: are amounts in "
        f"moles, not grams?"
    ]
