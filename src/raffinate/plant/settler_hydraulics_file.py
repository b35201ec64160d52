"""The block `hydraulics` of a plant file, at the door."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, FiniteFloat

from raffinate.plant.settler_hydraulics import (
    MOST_ENTRAINED,
    AtLimits,
    InvertedShares,
    Phase,
    SettlerHydraulics,
)
from raffinate.units import HOUR
from raffinate.yaml_files import StrictEntry

Share = Annotated[FiniteFloat, Field(ge=0, lt=MOST_ENTRAINED)]


class _InvertedFile(StrictEntry):
    entrained_organic: Share
    entrained_aqueous: Share


class HydraulicsFile(StrictEntry):
    """The block `hydraulics` of a plant file; its source is that of all its numbers."""

    settler_area_m2: Annotated[FiniteFloat, Field(gt=0)]
    overflow_s: Annotated[FiniteFloat, Field(gt=0)]
    density_ratio: Annotated[FiniteFloat, Field(gt=0, lt=1)]
    flooding_m3_per_m2_h: Annotated[FiniteFloat, Field(gt=0)]
    at_limits: AtLimits = "refuse"
    continuous_phase: Phase | None = None
    inverted: _InvertedFile | None = None
    source: str

    def hydraulics(self) -> SettlerHydraulics:
        """Return it as the program has it, in SI.

        Raises:
            SpecificationError: Shares of inverted stages where inversion is refused.
        """
        shares = self.inverted
        return SettlerHydraulics(
            area=self.settler_area_m2,
            overflow_time=self.overflow_s,
            density_ratio=self.density_ratio,
            flooding_flow=self.flooding_m3_per_m2_h / HOUR,
            at_limits=self.at_limits,
            continuous_phase=self.continuous_phase,
            inverted=None
            if shares is None
            else InvertedShares(
                entrained_organic=shares.entrained_organic,
                entrained_aqueous=shares.entrained_aqueous,
            ),
        )
