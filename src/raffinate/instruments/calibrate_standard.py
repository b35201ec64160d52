"""Standards as a joint fit sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import SpecificationError
from raffinate.instruments.quantify import timed
from raffinate.instruments.quantify_fit import LEAST_EXPECTED, inverse
from raffinate.instruments.quantify_model import Expected, FitModel, Slopes
from raffinate.instruments.spectrum import Spectrum

Array = NDArray[np.float64]

MOST_STANDARDS = 40
EXACT = 1e-4
"""[mol/m³]. A certificate that states no uncertainty is held this closely."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standard:
    """A spectrum of a sample whose composition is certified.

    Attributes:
        spectrum: As read, checked.
        metals: Certified, on the axis of the calibrated metals, (metal,), [mol/m³].
        uncertainty: Standard deviations of them, (metal,), [mol/m³].
        unknown: Of the matrix, such as free acid, [SI]; None where not certified.
        unknown_uncertainty: Standard deviation of it, [SI].
        name: Short name, such as the file's.
    """

    spectrum: Spectrum
    metals: Array
    uncertainty: Array
    unknown: float | None = None
    unknown_uncertainty: float = 0.0
    name: str = "standard"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """One standard while it is fitted.

    Attributes:
        standard: What is measured.
        counts: In the fitted channels, (fitted channel,).
        live_time: [s].
        centre: Certified values of the composition, (metal + 1,).
        weight: Inverse variances of them, 0 where not certified, (metal + 1,).
    """

    standard: Standard
    counts: Array
    live_time: float
    centre: Array
    weight: Array

    def penalty(self, values: Array) -> float:
        """Return the squared distance from the certificate in standard deviations."""
        away = values[: len(self.centre)] - self.centre
        return float(self.weight @ away**2)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Normal:
    """Normal equations of one standard, its own parameters eliminated.

    Attributes:
        own: Information of its own parameters, (parameter, parameter).
        cross: Of those with the factors, (parameter, factor).
        own_pull: Gradient, (parameter,).
        information: Of the factors, (factor, factor).
        pull: Gradient, (factor,).
    """

    own: Array
    cross: Array
    own_pull: Array
    information: Array
    pull: Array


def check_standards(metals: Sequence[str], standards: Sequence[Standard]) -> None:
    """Refuse standards that no calibration can be made of.

    Raises:
        SpecificationError: None or too many, another metal axis, a negative concentration.
    """
    if not 1 <= len(standards) <= MOST_STANDARDS:
        raise SpecificationError(
            f"there are {len(standards)} standards.",
            where="XRF calibration",
            allowed=f"1 to {MOST_STANDARDS}",
        )
    for one in standards:
        if one.metals.shape != (len(metals),) or one.uncertainty.shape != one.metals.shape:
            raise SpecificationError(
                f"{one.metals.shape} concentrations.",
                where=f"standard {one.name}",
                allowed=f"({len(metals)},), of {', '.join(metals)}",
            )
        good = np.all(np.isfinite(one.metals)) and np.all(np.isfinite(one.uncertainty))
        if not good or np.min(one.metals) < 0.0 or np.min(one.uncertainty) < 0.0:
            raise SpecificationError(
                f"concentrations are {one.metals.tolist()} ± {one.uncertainty.tolist()} mol/m³.",
                where=f"standard {one.name}",
                allowed="finite, 0 or above",
            )


def prepared(model: FitModel, standard: Standard) -> Work:
    """Return a standard with its counts and the weights of its certificate.

    Raises:
        DataError: The spectrum states no time.
    """
    spectrum, live_time = timed(standard.spectrum)
    unknown = model.sample.unknown
    sigma = np.maximum(standard.uncertainty, EXACT)
    weight = np.append(1.0 / sigma**2, 0.0)
    if standard.unknown is not None:
        weight[-1] = 1.0 / max(standard.unknown_uncertainty, 1e-6 * unknown.scale) ** 2
    known = unknown.start if standard.unknown is None else standard.unknown
    return Work(
        standard=standard,
        counts=np.maximum(spectrum.counts[model.channels], 0.0),
        live_time=live_time,
        centre=np.append(standard.metals, known),
        weight=weight,
    )


def normal_equations(here: FitModel, one: Work, values: Array, slopes: Slopes) -> Normal:
    """Return the normal equations of a standard, its own parameters eliminated.

    Args:
        here: With factors in force.
        one: The standard.
        values: Its parameters, (parameter,).
        slopes: Of its composition there.
    """
    expected: Expected = here.expected(values, one.live_time, slopes)
    jacobian = here.jacobian(values, expected, slopes, one.live_time, pile_up=False)
    shared = here.factor_slopes(values, slopes, one.live_time)
    weight = 1.0 / np.maximum(expected.counts, LEAST_EXPECTED)
    residual = weight * (one.counts - expected.counts)
    weighted = jacobian * weight[:, None]
    size = len(one.centre)
    own = jacobian.T @ weighted
    own[range(size), range(size)] += one.weight
    own_pull = jacobian.T @ residual
    own_pull[:size] += one.weight * (one.centre - values[:size])
    cross = weighted.T @ shared
    solved = inverse(own)
    return Normal(
        own=own,
        cross=cross,
        own_pull=own_pull,
        information=shared.T @ (shared * weight[:, None]) - cross.T @ solved @ cross,
        pull=shared.T @ residual - cross.T @ solved @ own_pull,
    )
