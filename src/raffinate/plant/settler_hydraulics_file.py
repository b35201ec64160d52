"""The block `hydraulics` of a plant file, at the door."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, FiniteFloat

from raffinate.plant.settler_hydraulics import SettlerHydraulics
from raffinate.units import HOUR
from raffinate.yaml_files import StrictEntry


class HydraulicsFile(StrictEntry):
    """The block `hydraulics` of a plant file."""

    settler_area_m2: Annotated[FiniteFloat, Field(gt=0)]
    overflow_s: Annotated[FiniteFloat, Field(gt=0)]
    density_ratio: Annotated[FiniteFloat, Field(gt=0, lt=1)]
    flooding_m3_per_m2_h: Annotated[FiniteFloat, Field(gt=0)]
    source: str

    def hydraulics(self) -> SettlerHydraulics:
        """Return it as the program has it, in SI."""
        return SettlerHydraulics(
            area=self.settler_area_m2,
            overflow_time=self.overflow_s,
            density_ratio=self.density_ratio,
            flooding_flow=self.flooding_m3_per_m2_h / HOUR,
        )
