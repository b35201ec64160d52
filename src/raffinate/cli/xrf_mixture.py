"""Mixtures as typed: "La=33.8,Ce=61.9" in g/L, or oxide shares of a total."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from raffinate.errors import SpecificationError

if TYPE_CHECKING:
    from raffinate.instruments.quantify_sample import Sample

LIGHT = "La,Ce,Pr,Nd,Sm"
"""The rare earths of a light liquor."""


def element_list(text: str) -> tuple[str, ...]:
    """Return the symbols in "La,Ce"."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def parse_mixture(text: str, reo_g_per_L: float | None) -> dict[str, float]:
    """Return symbol to concentration, [mol/m³].

    Args:
        text: "La=33.8,Ce=61.9": grams of the element in a litre, or, with a total, parts of the
            oxides in any proportion.
        reo_g_per_L: Total of the oxides.

    Raises:
        SpecificationError: The text is no mixture, or a number is out of range.
    """
    from raffinate.chemistry.elements import oxide_molar_masses
    from raffinate.instruments.xrf_atomic import atomic_mass

    amounts = _amounts(text)
    if reo_g_per_L is None:
        return {symbol: value / atomic_mass(symbol) for symbol, value in amounts.items()}
    total = sum(amounts.values())
    if not total > 0.0 or not (math.isfinite(reo_g_per_L) and reo_g_per_L >= 0.0):
        raise SpecificationError(
            f"a total of {reo_g_per_L:g} g/L is to be shared as {text!r}.",
            where="--reo-g-per-L",
            allowed="a total of 0 or more, shares that are not all 0",
        )
    masses = oxide_molar_masses(tuple(amounts))
    return {
        symbol: value / total * reo_g_per_L / mass
        for (symbol, value), mass in zip(amounts.items(), masses, strict=True)
    }


def _amounts(text: str) -> dict[str, float]:
    amounts: dict[str, float] = {}
    for part in text.split(","):
        symbol, _, number = part.strip().partition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not symbol or symbol in amounts or not (math.isfinite(value) and value >= 0.0):
            raise SpecificationError(
                f"{part.strip()!r} is no amount.",
                where="mixture",
                allowed="symbol=number, 0 or above, each symbol once, as La=33.8,Ce=61.9",
            )
        amounts[symbol] = value
    return amounts


def matrix_value(sample: Sample, acid: float | None, extractant: float | None) -> float:
    """Return the unknown of a sample's matrix from the options that state it, [SI].

    Raises:
        SpecificationError: The option belongs to another matrix, or is out of range.
    """
    unknown = sample.unknown
    aqueous = unknown.name.startswith("acid")
    given, other, name = (
        (acid, extractant, "--acid-mol-per-L")
        if aqueous
        else (extractant, acid, "--extractant-fraction")
    )
    if other is not None:
        raise SpecificationError(
            "acid and extractant are stated for the wrong kind of stream.",
            where="--acid-mol-per-L, --extractant-fraction",
            mend=f"Give {name} only.",
        )
    value = unknown.start if given is None else given * unknown.scale
    if not 0.0 <= value <= unknown.highest:
        raise SpecificationError(
            f"{name} is {given:g}.", where=name, allowed=f"0 to {unknown.highest / unknown.scale:g}"
        )
    return value


def amounts_of(mixture: dict[str, float], metals: Sequence[str]) -> list[float]:
    """Return the mixture on a metal axis, [mol/m³]."""
    return [mixture.get(symbol, 0.0) for symbol in metals]
