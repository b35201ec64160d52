"""What an optimiser says of each number that it turned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

AT_END = 1e-4
"""Part of its range within which a lever or a limit counts as at its end, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A lever or flow at the optimum.

    Attributes:
        name: Which.
        low, high: Its range, SI.
        before, value: At the start and at the optimum, SI.
        slope: d objective / d lever at the optimum.
        at_end: Whether it stands at an end of its range.
    """

    name: str
    low: float
    high: float
    before: float
    value: float
    slope: float
    at_end: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, SI."""
        return {
            "lever": self.name,
            "low": self.low,
            "high": self.high,
            "before": self.before,
            "value": self.value,
            "slope": self.slope,
            "at_end": self.at_end,
        }
