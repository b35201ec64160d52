"""The smallest change that brings a mixer into the phase ratios in which it disperses."""

from __future__ import annotations

from raffinate.plant.model import Section
from raffinate.units import HOUR

SPARE = 5e-4
"""Share by which a told limit lies inside the range, [-]: four figures of it must do."""


def mixer_mend(
    section: Section,
    *,
    organic: float,
    aqueous: float,
    organic_flow: float,
    limits: tuple[float, float],
) -> str:
    """Return the smallest change of recycle or flow that brings a mixer into its range.

    Args:
        section: Where the mixer stands.
        organic: That settles there, [m³/s].
        aqueous: That settles there, recycle left out, [m³/s].
        organic_flow: Fed to the circuit, [m³/s].
        limits: Least and largest organic to aqueous in a mixer, [-].
    """
    low, high = limits
    now = f"now {section.recycle * HOUR:.4g} m³/h"
    if organic > high * (aqueous + section.recycle):
        least = _up(organic / high - aqueous)
        return f"Recycle at least {least} m³/h of settled aqueous to its own mixer, {now}."
    most = organic / low - aqueous
    if most >= 0.0:
        return f"Recycle at most {_down(most)} m³/h of settled aqueous, {now}."
    alone = "" if section.recycle == 0.0 else " and recycle nothing"
    liquor = section.aqueous
    if liquor is not None and not liquor.concentration:
        return (
            f"Give at most {_down(liquor.flow * organic / (aqueous * low))} m³/h of {liquor.name}, "
            f"now {liquor.flow * HOUR:.4g} m³/h{alone}: {low:.3g} volumes of organic or more for "
            "one of it."
        )
    least = _up(organic_flow * aqueous * low / organic)
    return (
        f"Send at least {least} m³/h of organic, now {organic_flow * HOUR:.4g} m³/h{alone}, or "
        "feed a stronger liquor."
    )


def _up(flow: float) -> str:
    """Return a flow in m³/h that is not below the one in m³/s."""
    return f"{flow * HOUR * (1.0 + SPARE):.4g}"


def _down(flow: float) -> str:
    """Return a flow in m³/h that is not above the one in m³/s."""
    return f"{flow * HOUR * (1.0 - SPARE):.4g}"
