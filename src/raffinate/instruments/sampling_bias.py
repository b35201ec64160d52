"""The analyzer's bias against the laboratory, learned recursively, shown and limited.

One factor per element, b = ln(true / read), wanders as a random walk; each assay, divided by the
reading of the same place and time, is one measurement of it (a Kalman filter, R. E. Kalman, J.
Basic Eng. 82 (1960) 35). What the filter does not know of b goes into the covariance of what it
corrects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import SpecificationError
from raffinate.instruments.reading import Reading
from raffinate.sources import Source
from raffinate.units import HOUR

Array = NDArray[np.float64]

BIAS_SOURCE = Source(
    title="Bias of an online analyzer against the laboratory",
    evidence="assumed",
    note=(
        "At the start 1 % sd of each element, independent; walks by 0.1 % in a day; never "
        "corrected by more than 5 %; assay and reading count as of the same liquor if sampled "
        "within half an hour of each other."
    ),
)
"""Where the defaults of `BiasFilter` come from."""

BEYOND = "bias_beyond_range"
"""Flag of a reading whose element has a bias above the largest that is corrected."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BiasState:
    """What is known of the bias.

    Attributes:
        time: Of the last assay taken in, [s].
        factor: ln(true / read) of each element, (element,), [-].
        covariance: Of it, (element, element), [-].
        assays: How many have been taken in.
    """

    time: float
    factor: Array
    covariance: Array
    assays: int = 0

    @property
    def sigma(self) -> Array:
        """Standard deviation of each factor, (element,), [-]."""
        return np.asarray(np.sqrt(np.diagonal(self.covariance)))


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasFilter:
    """Learns the bias of one analyzer.

    Attributes:
        elements: Symbols; they fix the element axis.
        first_sd: Of each factor before any assay, [-].
        walk_sd: Growth of it in a day, [-].
        limit: Largest factor that is corrected, [-].
        window: Largest time between the samples of assay and reading, [s].
    """

    elements: tuple[str, ...]
    first_sd: float = 0.01
    walk_sd: float = 0.001
    limit: float = 0.05
    window: float = 0.5 * HOUR

    def start(self, time: float) -> BiasState:
        """Return what is known before any assay, at plant time `time`, [s]."""
        count = len(self.elements)
        return BiasState(
            time=time, factor=np.zeros(count), covariance=self.first_sd**2 * np.eye(count)
        )

    def learned(self, state: BiasState, reading: Reading, assay: Reading) -> BiasState:
        """Take in an assay beside the reading of the same liquor.

        Elements that either cannot tell from none say nothing. A pair sampled too far apart
        leaves the state as it is.

        Args:
            state: Before.
            reading: As the analyzer gave it, not corrected.
            assay: Of the laboratory.

        Raises:
            SpecificationError: The two are of different places or elements.
        """
        if reading.place != assay.place or not (
            reading.elements == assay.elements == self.elements
        ):
            raise SpecificationError(
                f"a reading of {', '.join(reading.elements)} at {reading.place} stands beside an "
                f"assay of {', '.join(assay.elements)} at {assay.place}.",
                where="analyzer bias",
                allowed=f"one place, elements {', '.join(self.elements)}",
            )
        seen = np.array(
            [
                symbol not in reading.below_limit and symbol not in assay.below_limit
                for symbol in self.elements
            ]
        )
        apart = abs(reading.sample_time - assay.sample_time)
        if apart > self.window or not seen.any() or not np.isfinite(reading.values).all():
            return state
        walked = self._walked(state, assay.sample_time)
        chosen = np.flatnonzero(seen)
        found = np.log(assay.values[chosen] / reading.values[chosen])
        noise = sum(
            one.covariance[np.ix_(chosen, chosen)]
            / np.outer(one.values[chosen], one.values[chosen])
            for one in (reading, assay)
        )
        gain = np.linalg.solve(walked[np.ix_(chosen, chosen)] + noise, walked[chosen]).T
        kept = np.eye(len(seen))
        kept[:, chosen] -= gain
        # Joseph's form stays symmetric and positive through thousands of assays.
        covariance = kept @ walked @ kept.T + gain @ noise @ gain.T
        return replace(
            state,
            time=max(state.time, assay.sample_time),
            factor=state.factor + gain @ (found - state.factor[chosen]),
            covariance=covariance,
            assays=state.assays + 1,
        )

    def rescaled(self, state: BiasState, change: Array) -> BiasState:
        """Return what is known after the analyzer was recalibrated.

        Readings are exp(change) times what they were, so that much less is left to correct.

        Args:
            state: Before.
            change: Of the logarithm of its readings, (element,), [-].
        """
        return replace(state, factor=state.factor - change)

    def corrected(self, state: BiasState, reading: Reading) -> Reading:
        """Return the reading as the laboratory would have it.

        The factor is held within `limit`, and a reading it would have been larger for is flagged.
        """
        held = np.clip(state.factor, -self.limit, self.limit)
        scale = np.exp(held)
        values = scale * reading.values
        doubt = self._walked(state, reading.sample_time)
        covariance = reading.covariance * np.outer(scale, scale)
        covariance = covariance + np.outer(values, values) * doubt
        beyond = bool(np.any(np.abs(state.factor) > self.limit))
        return replace(
            reading,
            values=values,
            covariance=covariance,
            detection_limit=scale * reading.detection_limit,
            flags=(*reading.flags, BEYOND) if beyond else reading.flags,
        )

    def _walked(self, state: BiasState, time: float) -> Array:
        days = max(time - state.time, 0.0) / (24.0 * HOUR)
        return state.covariance + self.walk_sd**2 * days * np.eye(len(self.elements))


def bias_rows(filter_: BiasFilter, state: BiasState) -> Sequence[dict[str, float | str | bool]]:
    """Return the bias as a page shows it: element, factor and sigma in percent, held or not."""
    return [
        {
            "element": symbol,
            "percent": 100.0 * float(np.expm1(factor)),
            "sigma_percent": 100.0 * float(sigma),
            "held": bool(abs(factor) > filter_.limit),
        }
        for symbol, factor, sigma in zip(
            filter_.elements, state.factor.tolist(), state.sigma.tolist(), strict=True
        )
    ]
