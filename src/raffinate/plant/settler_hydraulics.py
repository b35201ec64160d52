"""What a plant says of its settlers when their volumes are to follow the flows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raffinate.errors import SpecificationError


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
    """

    area: float
    overflow_time: float
    density_ratio: float
    flooding_flow: float

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
