"""Readings as the page draws them: fractions with their sigma, and what they say of a purity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from raffinate.errors import RaffinateError
from raffinate.instruments.reading import Reading
from raffinate.plant.model import Product
from raffinate.runtime.records import reading_from_dict
from raffinate.units import HOUR

STAGE = "stage "
"""How the places of sampled stages begin."""


def read_reading(found: Any) -> Reading | None:
    """Return the reading a server wrote down; None where it wrote none."""
    if not isinstance(found, dict):
        return None
    try:
        return reading_from_dict(found)
    except (RaffinateError, KeyError, TypeError, ValueError):
        return None


def reading_row(reading: Reading, verdict: str, now: float) -> dict[str, Any] | None:
    """Return a reading as the page draws it, or None where it holds next to no rare earths.

    Args:
        reading: The latest of its place.
        verdict: What operate thinks of it.
        now: Plant time, [s].
    """
    if not reading.values.sum() > reading.detection_limit.sum():
        return None
    fractions, sigma = _fractions(reading)
    place = reading.place
    return {
        "place": place,
        "stage": int(place.removeprefix(STAGE)) if place.startswith(STAGE) else None,
        "age_h": (now - reading.sample_time) / HOUR,
        "fraction": fractions,
        "sigma": sigma,
        "quality": verdict if verdict in ("bad", "stale") else "good",
    }


@lru_cache(maxsize=256)
def _fractions(reading: Reading) -> tuple[dict[str, float], dict[str, float]]:
    """Return mole fractions and their sigma by element; readings are compared by identity."""
    fractions, covariance = reading.fractions("mole")
    sigma = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
    return (
        {e: float(f"{v:.6g}") for e, v in zip(reading.elements, fractions.tolist(), strict=True)},
        {e: float(f"{v:.3g}") for e, v in zip(reading.elements, sigma.tolist(), strict=True)},
    )


def purity_of(reading: Reading | None, product: Product) -> tuple[float, float] | None:
    """Return purity and its sigma as a reading says, [-]; None where it says nothing."""
    if reading is None:
        return None
    impurity, sigma = reading.impurity(product.elements)
    return (1.0 - impurity, sigma) if math.isfinite(impurity) else None


def margin(purity: float | None, sigma: float | None, limit: float) -> Mapping[str, float | None]:
    """Return how far a purity lies inside its limit, in decades of impurity, and how surely.

    Args:
        purity: [-].
        sigma: Of it, [-].
        limit: Least purity, [-].
    """
    impurity = None if purity is None else 1.0 - purity
    if impurity is None or impurity <= 0.0:
        return {"margin_decades": None, "margin_sigma": None}
    decades = math.log10((1.0 - limit) / impurity)
    return {
        "margin_decades": decades,
        "margin_sigma": None if not sigma else (1.0 - limit - impurity) / sigma,
    }
