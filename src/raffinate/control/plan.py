"""What a controller asks for: setpoints of levers, with an author, an order and an expiry.

Standard library only: the guard and whatever executes plans must run without the numerics.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from raffinate.errors import SpecificationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever:
    """A setpoint that may be moved.

    Attributes:
        name: Such as "organic_flow".
        low: Lowest permitted setpoint, [unit].
        high: Highest permitted setpoint, [unit].
        rate_limit: Fastest permitted change, [unit/s].
        unit: SI unit, such as "m³/s"; "" for dimensionless.
        safe: Setpoint of the declared safe plan, [unit].
    """

    name: str
    low: float
    high: float
    rate_limit: float
    unit: str
    safe: float

    def __post_init__(self) -> None:
        numbers = (self.low, self.high, self.rate_limit, self.safe)
        if not all(math.isfinite(number) for number in numbers):
            raise SpecificationError(
                f"low, high, rate_limit, safe are {numbers}.",
                where=f"lever {self.name}",
                allowed="finite numbers",
            )
        if not self.low <= self.safe <= self.high or self.low == self.high:
            raise SpecificationError(
                f"safe is {self.safe:g} {self.unit}, the limits are {self.low:g} and "
                f"{self.high:g} {self.unit}.",
                where=f"lever {self.name}",
                allowed="low < high, and safe between them",
            )
        if self.rate_limit <= 0.0:
            raise SpecificationError(
                f"rate_limit is {self.rate_limit:g} {self.unit}/s.",
                where=f"lever {self.name}",
                allowed="above 0",
            )

    def limited(self, setpoint: float) -> float:
        """Return `setpoint` brought inside the limits, [unit]."""
        return min(max(setpoint, self.low), self.high)

    def moved(self, start: float, target: float, duration: float) -> float:
        """Return the setpoint `duration` seconds on the way from `start` to `target`, [unit]."""
        reach = self.rate_limit * duration
        if abs(target - start) <= reach:
            return target
        return start + math.copysign(reach, target - start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Setpoints that hold from their issue to their expiry.

    Attributes:
        setpoints: By lever name, SI; copied on construction.
        issued_at: Plant time, [s].
        expires_at: Plant time from which the plan no longer holds, [s].
        sequence: Rises with every plan of one author.
        author: Who wrote it: "operator", "fuzzy_supervisor", "guard", …
        mode: Mode of control it belongs to: "manual", "ratio", "fuzzy", …
    """

    setpoints: Mapping[str, float]
    issued_at: float
    expires_at: float
    sequence: int
    author: str
    mode: str

    def __post_init__(self) -> None:
        # A plain copy, not a read-only view: plans travel between processes and views do not.
        object.__setattr__(self, "setpoints", dict(self.setpoints))

    def holds_at(self, time: float) -> bool:
        """Return whether the plan is in its time at plant time `time`, [s]."""
        return self.issued_at <= time < self.expires_at
