"""The laboratory assay: accurate in itself, a few times a day, and hours late."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from raffinate.chemistry.elements import molar_masses
from raffinate.errors import SpecificationError
from raffinate.instruments.reading import Quality, Reading, concentrations_or_error
from raffinate.sources import Source
from raffinate.units import HOUR

ASSAY_SOURCE = Source(
    title="Laboratory ICP assay of plant samples",
    evidence="assumed",
    note=(
        "Every 8 h (once a shift), 4 h late, 2 % relative sd per element with dilution and "
        "sampling, 1 mg/L detection limit in the undiluted liquor."
    ),
)
"""Where the defaults of `LaboratoryAssay` come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaboratoryAssay:
    """ICP analysis of samples taken by the clock.

    Attributes:
        elements: Symbols; they fix every element axis.
        period: Time from sample to sample, [s].
        delay: Time from a sample to its result, [s].
        first_sample: Plant time of the first sample, [s].
        relative_sd: Lognormal scatter of each element, independent of the others, [-].
        detection_limit: In the undiluted liquor, [kg/m³]; its blank noise is the limit / 3.29.
        name: Name written into readings.
    """

    elements: tuple[str, ...]
    period: float = 8.0 * HOUR
    delay: float = 4.0 * HOUR
    first_sample: float = 0.0
    relative_sd: float = 0.02
    detection_limit: float = 1e-3
    name: str = "assay"

    def __post_init__(self) -> None:
        molar_masses(self.elements)
        numbers = (self.period, self.delay, self.relative_sd, self.detection_limit)
        finite = all(math.isfinite(number) for number in (*numbers, self.first_sample))
        if not finite or min(numbers) < 0.0 or self.period == 0.0:
            raise SpecificationError(
                f"period, delay, relative_sd, detection_limit are {numbers}.",
                where="laboratory assay",
                allowed="finite, 0 or above; the period above 0",
            )

    def sample_times(self, after: float, until: float) -> tuple[float, ...]:
        """Return the plant times in (after, until] at which a sample is taken, [s]."""
        first = max(math.floor((after - self.first_sample) / self.period) + 1, 0)
        last = math.floor((until - self.first_sample) / self.period)
        return tuple(self.first_sample + k * self.period for k in range(first, last + 1))

    def due(self, time: float, *, scan: float = 60.0) -> bool:
        """Return whether a sample falls to the scan that ends at plant time `time`, [s].

        Scans that follow each other without a gap see every sample exactly once.

        Args:
            time: Plant time, [s].
            scan: Time since the last scan, [s].
        """
        return bool(self.sample_times(time - scan, time))

    def take(
        self,
        concentration: ArrayLike,
        time: float,
        generator: np.random.Generator,
        *,
        place: str = "",
    ) -> Reading:
        """Take a sample; its result is known at the `result_time` of the reading.

        Args:
            concentration: True, (element,), [mol/m³].
            time: Plant time of the sample, [s].
            generator: Source of the noise.
            place: Written into the reading.

        Raises:
            SpecificationError: A concentration is negative or not finite.
        """
        true = concentrations_or_error(concentration, self.elements, "laboratory assay")
        limit = self.detection_limit / np.array(molar_masses(self.elements))
        width = math.sqrt(math.log1p(self.relative_sd**2))
        # The shift makes the mean, not the median, the true concentration.
        factor = np.exp(width * generator.standard_normal(len(true)) - 0.5 * width**2)
        values = true * factor + limit / 3.29 * generator.standard_normal(len(true))
        variance = (self.relative_sd * values) ** 2 + (limit / 3.29) ** 2
        quality: Quality = "good" if (values >= limit).any() else "below_limit"
        return Reading(
            place=place,
            sample_time=time,
            result_time=time + self.delay,
            elements=self.elements,
            values=values,
            covariance=np.diag(variance),
            detection_limit=limit,
            quality=quality,
            instrument=self.name,
        )
