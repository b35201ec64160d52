"""Distributions of a study's inputs, each by its quantile function."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from scipy.special import ndtr, ndtri

from raffinate.errors import SpecificationError

LEAST_SHARE = 1e-12
"""Share of a distribution below which its limits leave nothing of it, [-]."""


class Distribution(Protocol):
    """What an input is drawn from."""

    def quantile(self, probability: float) -> float:
        """Return the value below which `probability`, above 0 and below 1, of the draws lie."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Uniform:
    """Every value between two limits alike.

    Attributes:
        low: [unit of the input].
        high: [unit of the input].
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise SpecificationError(
                f"it runs from {self.low:g} to {self.high:g}.",
                where="uniform distribution",
                allowed="low below high, both finite",
            )

    def quantile(self, probability: float) -> float:
        """Return low + p (high - low)."""
        return self.low + probability * (self.high - self.low)


@dataclass(frozen=True, slots=True, kw_only=True)
class Normal:
    """The normal distribution, cut off at limits where it has any.

    Attributes:
        mean: Of the distribution that is not cut off, [unit of the input].
        deviation: Its standard deviation, [unit of the input].
        low: Lower limit; minus infinity without one.
        high: Upper limit; infinity without one.
    """

    mean: float
    deviation: float
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.deviation) and self.deviation > 0):
            raise SpecificationError(
                f"mean is {self.mean:g} and deviation {self.deviation:g}.",
                where="normal distribution",
                allowed="both finite, the deviation above 0",
            )
        low, high = self._shares()
        if not high - low > LEAST_SHARE:
            raise SpecificationError(
                f"nothing of it lies between {self.low:g} and {self.high:g}.",
                where="normal distribution",
                mend="Move the limits towards the mean.",
            )

    def _shares(self) -> tuple[float, float]:
        low = float(ndtr((self.low - self.mean) / self.deviation))
        return low, float(ndtr((self.high - self.mean) / self.deviation))

    def quantile(self, probability: float) -> float:
        """Return mean + deviation Φ⁻¹(Φ(low) + p (Φ(high) - Φ(low)))."""
        low, high = self._shares()
        return self.mean + self.deviation * float(ndtri(low + probability * (high - low)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lognormal:
    """Its logarithm is normal.

    Attributes:
        median: Of the distribution that is not cut off, [unit of the input].
        geometric_deviation: Factor that is one standard deviation, above 1, [-].
        low: Lower limit; 0 without one.
        high: Upper limit; infinity without one.
    """

    median: float
    geometric_deviation: float
    low: float = 0.0
    high: float = math.inf

    def __post_init__(self) -> None:
        positive = math.isfinite(self.median) and self.median > 0.0
        if not (positive and math.isfinite(self.geometric_deviation)) or (
            self.geometric_deviation <= 1.0 or self.low < 0.0
        ):
            raise SpecificationError(
                f"median is {self.median:g}, geometric_deviation {self.geometric_deviation:g} "
                f"and low {self.low:g}.",
                where="lognormal distribution",
                allowed="a median above 0, a geometric deviation above 1, limits of 0 or more",
            )
        self._of_logarithm()

    def _of_logarithm(self) -> Normal:
        return Normal(
            mean=math.log(self.median),
            deviation=math.log(self.geometric_deviation),
            low=math.log(self.low) if self.low > 0.0 else -math.inf,
            high=math.log(self.high) if self.high > 0.0 else -math.inf,
        )

    def quantile(self, probability: float) -> float:
        """Return e to the quantile of the logarithm."""
        return math.exp(self._of_logarithm().quantile(probability))
