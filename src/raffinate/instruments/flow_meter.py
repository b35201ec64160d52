"""A flow meter: a bias that stays and a noise that does not."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.errors import SpecificationError
from raffinate.sources import Source

FLOW_METER_SOURCE = Source(
    title="Flow meter noise",
    evidence="assumed",
    note="0.3 % of the reading, typical of a magnetic meter on a pulsing dosing line.",
)
"""Where the default noise of `FlowMeter` comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowMeter:
    """Measured flow = true flow x (1 + bias + noise).

    Attributes:
        bias: Constant relative error, [-]; drawn for each meter by whoever builds the plant.
        relative_sd: Sd of the noise of one reading relative to the flow, [-].
        name: Tag of the meter.
    """

    bias: float = 0.0
    relative_sd: float = 0.003
    name: str = "flow"

    def __post_init__(self) -> None:
        sound = math.isfinite(self.bias) and self.bias > -1.0 and math.isfinite(self.relative_sd)
        if not sound or self.relative_sd < 0.0:
            raise SpecificationError(
                f"bias is {self.bias}, relative_sd {self.relative_sd}.",
                where=f"flow meter {self.name}",
                allowed="a bias above -1 and a finite relative_sd of 0 or more",
            )

    def measure(self, flow: ArrayLike, generator: np.random.Generator) -> NDArray[np.float64]:
        """Return readings of true flows of any shape, [m³/s].

        Raises:
            SpecificationError: A flow is negative or not finite.
        """
        true = np.asarray(flow, dtype=np.float64)
        if not np.isfinite(true).all() or (true < 0.0).any():
            raise SpecificationError(
                f"the true flow is {true} m³/s.",
                where=f"flow meter {self.name}",
                allowed="finite, 0 or above",
            )
        noise = self.relative_sd * generator.standard_normal(true.shape)
        return np.asarray(true * (1.0 + self.bias + noise))

    def true_flow(self, reading: ArrayLike) -> NDArray[np.float64]:
        """Return the flow, [m³/s], at which this meter reads `reading` on average.

        A flow loop makes its meter read the setpoint; this is the flow the plant then gets.
        """
        return np.asarray(np.asarray(reading, dtype=np.float64) / (1.0 + self.bias))
