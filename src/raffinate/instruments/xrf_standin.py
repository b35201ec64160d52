"""A statistical stand-in for the whole analyzer: what its chain would have read, without spectra.

Fitted to readings of simulated analyzers of several seeds; it says of a reading what can be fitted
to them: a stated covariance and a limit that follow from the composition, a scatter about the mean,
and a bias that one analyzer keeps, a share of each metal that is read as itself or as another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.errors import SpecificationError
from raffinate.instruments.reading import Quality, Reading, concentrations_or_error
from raffinate.sources import Source

Array = NDArray[np.float64]

SCALE = 1e3
"""Concentration that counts as one in the features, [mol/m³]."""

LEAST_EIGENVALUE = 0.05
"""Of a correlation matrix: fitted entry by entry, one may come out as none, [-]."""


def features(concentration: Array, acid: Array) -> Array:
    """Return what variances are sums of, (…, feature): 1, each metal, acid, products of two metals.

    The variance of a fit by Poisson counts rises as the counts; what a calibration and the matrix
    do not tell rises as the square.

    Args:
        concentration: (…, element), [mol/m³].
        acid: (…,), [mol/m³].
    """
    metals = concentration / SCALE
    first, second = np.triu_indices(concentration.shape[-1])
    parts = (
        np.ones((*metals.shape[:-1], 1)),
        metals,
        np.asarray(acid)[..., None] / SCALE,
        metals[..., first] * metals[..., second],
    )
    return np.asarray(np.concatenate(parts, axis=-1), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StandIn:
    """An analyzer of one kind, as its readings are distributed.

    Attributes:
        elements: Symbols; they fix every element axis.
        variance: Of each metal per feature, (element, feature), [mol²/m⁶].
        correlation: Covariance over both standard deviations per feature, for each pair of
            metals in the order of `numpy.triu_indices(n, 1)`, (pair, feature), [-].
        limit: Square of the detection limit per feature, (element, feature), [mol²/m⁶].
        bias_sd: Spread, from analyzer to analyzer, of the share of the column's metal that is
            read as the row's, (element, element), [-].
        scatter: Sd of readings of one liquor over the stated one, (element,), [-].
        chi2_sd: Sd of χ² per degree of freedom about 1, [-].
        count_time: For which it was fitted, [s].
        source: Which readings.
    """

    elements: tuple[str, ...]
    variance: Array
    correlation: Array
    limit: Array
    bias_sd: Array
    scatter: Array
    chi2_sd: float
    count_time: float
    source: Source

    def covariance(self, concentration: Array, acid: float, count_time: float) -> Array:
        """Return the covariance that a reading states, (element, element), [mol²/m⁶].

        Args:
            concentration: (element,), [mol/m³].
            acid: [mol/m³].
            count_time: Of the reading, [s]; the part of the counts is scaled to it.
        """
        row = features(concentration, np.asarray(acid))
        linear = 2 + len(self.elements)
        scaled = row.copy()
        scaled[:linear] *= self.count_time / count_time
        sd = np.sqrt(self.variance @ scaled)
        pairs = np.triu_indices(len(self.elements), 1)
        matrix = np.eye(len(self.elements))
        matrix[pairs] = np.clip(self.correlation @ row, -0.9, 0.9)
        matrix = matrix + np.triu(matrix, 1).T
        values, vectors = np.linalg.eigh(matrix)
        matrix = (vectors * np.maximum(values, LEAST_EIGENVALUE)) @ vectors.T
        unit = np.sqrt(np.diagonal(matrix))
        return np.asarray(matrix * np.outer(sd / unit, sd / unit), dtype=np.float64)

    def detection_limit(self, concentration: Array, acid: float) -> Array:
        """Return Currie's limit of each metal beside the others, (element,), [mol/m³]."""
        return np.asarray(
            np.sqrt(self.limit @ features(concentration, np.asarray(acid))), dtype=np.float64
        )

    def drawn_bias(self, generator: np.random.Generator) -> Array:
        """Return the bias of one analyzer, (element, element), [-]: read less true per true."""
        return np.asarray(self.bias_sd * generator.standard_normal(self.bias_sd.shape))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StandInXRF:
    """One analyzer of that kind.

    Attributes:
        standin: Its kind.
        bias: Its own, (element, element), [-]; zero for a perfect one.
        count_time: Real time of one reading, [s].
        name: Written into readings.
    """

    standin: StandIn
    bias: Array
    count_time: float = 100.0
    name: str = "xrf"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.count_time) and self.count_time > 0.0):
            raise SpecificationError(
                f"count_time is {self.count_time:g} s.", where="XRF stand-in", allowed="above 0"
            )

    def measure(
        self,
        concentration: ArrayLike,
        acid: float,
        time: float,
        generator: np.random.Generator,
        *,
        place: str = "",
    ) -> Reading:
        """Draw a reading.

        Args:
            concentration: True, (element,), [mol/m³].
            acid: True free acid, [mol/m³].
            time: Plant time at which counting begins, [s]; the result comes a count later.
            generator: Source of the noise.
            place: Written into the reading.

        Raises:
            SpecificationError: A concentration is negative or not finite.
        """
        kind = self.standin
        true = concentrations_or_error(concentration, kind.elements, "XRF stand-in")
        stated = kind.covariance(true, acid, self.count_time)
        noise = np.linalg.cholesky(stated) @ generator.standard_normal(len(true))
        values = true + self.bias @ true + kind.scatter * noise
        limit = kind.detection_limit(true, acid)
        quality: Quality = "good" if bool((values >= limit).any()) else "below_limit"
        return Reading(
            place=place,
            sample_time=time,
            result_time=time + self.count_time,
            elements=kind.elements,
            values=values,
            covariance=stated,
            detection_limit=limit,
            quality=quality,
            instrument=self.name,
            chi2_per_dof=max(1.0 + kind.chi2_sd * float(generator.standard_normal()), 0.0),
        )
