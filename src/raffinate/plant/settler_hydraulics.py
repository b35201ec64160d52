"""What a plant says of its settlers when their volumes are to follow the flows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from raffinate.errors import SpecificationError

Phase = Literal["organic", "aqueous"]

AtLimits = Literal["refuse", "go_on"]
"""What happens where a mixer inverts or a settler floods while a plant moves."""

MOST_ENTRAINED = 0.5
"""Share of a settled phase at which as much of it goes the wrong way as the right way, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertedShares:
    """What a stage entrains while its other phase is the continuous one; no number has a default.

    Attributes:
        entrained_organic: Share of the settled organic that goes down with the aqueous, [-].
        entrained_aqueous: Share of the settled aqueous that goes up with the organic, [-].
    """

    entrained_organic: float
    entrained_aqueous: float

    def __post_init__(self) -> None:
        for name in ("entrained_organic", "entrained_aqueous"):
            value = getattr(self, name)
            if not 0.0 <= value < MOST_ENTRAINED:
                raise SpecificationError(
                    f"{name} is {value:g}.",
                    where="hydraulics: inverted",
                    allowed=f"0 to below {MOST_ENTRAINED:g}",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlerHydraulics:
    """Settlers with two weirs, all equal; no number has a default.

    Their weirs are set so high that at the design flows each settler holds the volumes of its
    section; from there both layers follow the flows.

    Attributes:
        area: Of the free surface, [m²].
        overflow_time: Time in which either weir passes the volume above it, [s].
        density_ratio: Organic to aqueous, [-].
        flooding_flow: Flow of both phases per area at which the dispersion no longer separates,
            [m³/m²/s].
        at_limits: "refuse" stops where a mixer leaves its phase ratio or a settler floods; with
            "go_on" the mixer inverts, the settler passes what it does not separate, and both are
            noted.
        continuous_phase: Of every mixer to begin with, a matter of how it was started; None is
            the one there is more of.
        inverted: What stages entrain while inverted; None leaves the shares of their sections.
    """

    area: float
    overflow_time: float
    density_ratio: float
    flooding_flow: float
    at_limits: AtLimits = "refuse"
    continuous_phase: Phase | None = None
    inverted: InvertedShares | None = None

    def __post_init__(self) -> None:
        for name in ("area", "overflow_time", "flooding_flow"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0.0):
                raise SpecificationError(
                    f"{name} is {value:g}.", where="hydraulics", allowed="above 0"
                )
        if not 0.0 < self.density_ratio < 1.0:
            raise SpecificationError(
                f"density_ratio is {self.density_ratio:g}.",
                where="hydraulics",
                allowed="above 0 and below 1: the organic floats",
            )
        for name in ("continuous_phase", "inverted"):
            if getattr(self, name) is not None and self.at_limits == "refuse":
                raise SpecificationError(
                    f"{name} is given, and inversion is refused.",
                    where=f"hydraulics: {name}",
                    allowed="only with at_limits: go_on",
                    mend=f"Set at_limits: go_on, or leave {name} out.",
                )
