"""A reading: values with their covariance, quality, place and times; and what may be said of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.chemistry.elements import molar_masses, oxide_molar_masses
from raffinate.errors import SpecificationError, nearest_name

Array = NDArray[np.float64]

Quality = Literal["good", "below_limit", "stale", "bad", "missing"]
"""good: to be used; below_limit: no element reaches its detection limit, as in an empty cell;
stale: too old to act on; bad: no number, negative beyond noise, or frozen; missing: none came."""

Basis = Literal["mole", "metal", "oxide"]
"""What fractions are fractions of: moles of metal, mass of metal, mass of REO."""

Fault = Literal["nan", "frozen", "missing"]
"""Ways an instrument can fail without saying so."""

_LOG10_E = math.log10(math.e)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """What an instrument said about one sample.

    Attributes:
        place: Where the sample was taken: stage, stream or tag.
        sample_time: Plant time at which it was taken, [s].
        result_time: Plant time at which the result is known, [s].
        elements: Symbols; they fix the axes below.
        values: Concentrations, (element,), [mol/m³]; noise may make small ones negative.
        covariance: Of the repeatability of `values`, (element, element), [mol²/m⁶]. A constant
            calibration error is not in it: repeating the measurement does not show one.
        detection_limit: Currie's L_D in this matrix, (element,), [mol/m³].
        quality: See `Quality`.
        instrument: Name of the instrument.
        chi2_per_dof: Of a fitted spectrum, [-]; NaN where nothing was fitted.
        flags: Remarks, such as "frozen".
    """

    place: str
    sample_time: float
    result_time: float
    elements: tuple[str, ...]
    values: Array
    covariance: Array
    detection_limit: Array
    quality: Quality
    instrument: str
    chi2_per_dof: float = math.nan
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.elements)
        shapes = (self.values.shape, self.covariance.shape, self.detection_limit.shape)
        if shapes != ((count,), (count, count), (count,)):
            raise SpecificationError(
                f"values, covariance and detection_limit have shapes {shapes}.",
                where=f"reading of {self.instrument}",
                allowed=f"({count},), ({count}, {count}) and ({count},), as there are elements",
            )
        if self.result_time < self.sample_time:
            raise SpecificationError(
                f"the result at {self.result_time:g} s precedes the sample at "
                f"{self.sample_time:g} s.",
                where=f"reading of {self.instrument}",
            )

    @property
    def sigma(self) -> Array:
        """Standard deviation of each value, (element,), [mol/m³]."""
        return np.asarray(np.sqrt(np.diagonal(self.covariance)))

    @property
    def below_limit(self) -> tuple[str, ...]:
        """Elements whose value does not reach the detection limit."""
        pairs = zip(self.elements, self.values, self.detection_limit, strict=True)
        return tuple(symbol for symbol, value, limit in pairs if not value >= limit)

    def fractions(self, basis: Basis = "mole") -> tuple[Array, Array]:
        """Return the partition of the elements and its covariance.

        Args:
            basis: What the fractions are of.

        Returns:
            Fractions f, (element,), [-], which add up to 1; their covariance J C Jᵀ with
            J = (diag(w) - f wᵀ) / Σ w c, to first order in the noise. A relative error that all
            elements share (tube output, bubbles, density) drops out.

        Raises:
            SpecificationError: The values do not add up to something above 0.
        """
        weights = _weights(self.elements, basis)
        total = float(weights @ self.values)
        if not total > 0.0:
            raise SpecificationError(
                f"the concentrations add up to {total:g}.",
                where=f"fractions at {self.place or self.instrument}",
                allowed="above 0",
                mend="Judge the reading first; see judge_reading.",
            )
        found = weights * self.values / total
        jacobian = (np.diag(weights) - np.outer(found, weights)) / total
        return found, jacobian @ self.covariance @ jacobian.T

    def impurity(self, wanted: tuple[str, ...]) -> tuple[float, float]:
        """Return the oxide mass fraction of all elements but `wanted`, and its sigma, [-].

        Both are NaN where the elements do not add up to what the instrument can see: a liquor
        without rare earths has no purity.
        """
        if not (np.isfinite(self.values).all() and self.values.sum() > self.detection_limit.sum()):
            return math.nan, math.nan
        fractions, covariance = self.fractions("oxide")
        other = np.array([float(symbol not in wanted) for symbol in self.elements])
        return float(other @ fractions), math.sqrt(max(float(other @ covariance @ other), 0.0))

    def log_ratio(
        self, numerator: tuple[str, ...], denominator: tuple[str, ...], basis: Basis = "mole"
    ) -> LogRatio:
        """Return log₁₀ of a sum of elements over another sum, with its propagated sigma.

        Where a sum does not reach the detection limit of its elements together, the limit stands
        in for it and the result is marked censored, so that the logarithm exists and says no more
        than was seen.

        Args:
            numerator: Symbols of the upper sum, such as ("Nd",).
            denominator: Symbols of the lower sum, such as ("Ce", "Pr").
            basis: What is added up.

        Raises:
            SpecificationError: A symbol is not among the elements, or the values are not finite.
        """
        if not np.isfinite(self.values).all():
            raise SpecificationError(
                f"the values are {self.values}.",
                where=f"log ratio at {self.place or self.instrument}",
                allowed="finite numbers",
                mend="Judge the reading first; see judge_reading.",
            )
        weights = _weights(self.elements, basis)
        sums, gradients, censored = [], [], False
        for symbols in (numerator, denominator):
            chosen = weights * self._selection(symbols)
            value = float(chosen @ self.values)
            limit = float(np.linalg.norm(chosen * self.detection_limit))
            censored = censored or value < limit
            sums.append(max(value, limit))
            gradients.append(chosen / sums[-1])
        gradient = _LOG10_E * (gradients[0] - gradients[1])
        return LogRatio(
            value=math.log10(sums[0] / sums[1]),
            sigma=math.sqrt(max(float(gradient @ self.covariance @ gradient), 0.0)),
            censored=censored,
        )

    def _selection(self, symbols: tuple[str, ...]) -> Array:
        for symbol in symbols:
            if symbol not in self.elements:
                raise SpecificationError(
                    f"{symbol!r} was not measured.",
                    where=f"reading of {self.instrument}",
                    mend=nearest_name(symbol, self.elements),
                )
        return np.array([float(symbol in symbols) for symbol in self.elements])


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRatio:
    """A ratio on the scale on which purity is controlled.

    Attributes:
        value: log₁₀ of the ratio, [-].
        sigma: Standard deviation of `value`, [-].
        censored: Whether a detection limit stood in for a sum that did not reach it.
    """

    value: float
    sigma: float
    censored: bool


def with_fault(reading: Reading, fault: Fault | None, previous: Reading | None) -> Reading | None:
    """Return what a failed instrument delivers in place of `reading`.

    The quality stays what the instrument claims: it does not know that it fails, and whoever
    receives the reading has to notice.

    Args:
        reading: What a sound instrument would have said.
        fault: "nan": values are not numbers; "frozen": the previous values with new times (the
            same values again if there is no previous reading); "missing": nothing comes.
        previous: The last reading of this place.
    """
    if fault is None:
        return reading
    if fault == "missing":
        return None
    if fault == "nan":
        return replace(reading, values=np.full_like(reading.values, math.nan))
    if fault == "frozen":
        return reading if previous is None else replace(reading, values=previous.values.copy())
    raise SpecificationError(
        f"{fault!r} is no fault.",
        where="instrument fault",
        mend=nearest_name(str(fault), ("nan", "frozen", "missing")),
    )


def judge_reading(
    reading: Reading | None, previous: Reading | None, time: float, longest_age: float
) -> tuple[Quality, tuple[str, ...]]:
    """Return the quality a receiver should give to a reading, and why.

    Args:
        reading: The newest reading of a place; None if none ever came.
        previous: The one before it at the same place.
        time: Plant time now, [s].
        longest_age: Age of the sample above which it is stale, [s].
    """
    if reading is None:
        return "missing", ("missing",)
    if not (np.isfinite(reading.values).all() and np.isfinite(reading.covariance).all()):
        return "bad", ("not_finite",)
    negative = reading.values < -np.maximum(6.0 * reading.sigma, reading.detection_limit)
    if negative.any():
        return "bad", ("negative",)
    # Counting noise never repeats every element to the last bit; a stuck instrument does.
    if (
        previous is not None
        and previous.sample_time != reading.sample_time
        and np.array_equal(previous.values, reading.values)
    ):
        return "bad", ("frozen",)
    if time - reading.sample_time > longest_age:
        return "stale", ("stale",)
    return reading.quality, reading.flags


def concentrations_or_error(values: ArrayLike, elements: tuple[str, ...], where: str) -> Array:
    """Return true concentrations (…, element), [mol/m³], refusing what no liquor can hold.

    Raises:
        SpecificationError: The last axis does not match, or a value is negative or not finite.
    """
    found = np.asarray(values, dtype=np.float64)
    if found.ndim == 0 or found.shape[-1] != len(elements):
        raise SpecificationError(
            f"concentrations have shape {found.shape}.",
            where=where,
            allowed=f"last axis {len(elements)}, for {', '.join(elements)}",
        )
    impossible = ~(np.isfinite(found) & (found >= 0.0))
    if impossible.any():
        raise SpecificationError(
            f"a concentration is {found[impossible][0]:g} mol/m³.",
            where=where,
            allowed="finite, 0 or above",
        )
    return found


def _weights(elements: tuple[str, ...], basis: Basis) -> Array:
    if basis == "mole":
        return np.ones(len(elements))
    return np.array(molar_masses(elements) if basis == "metal" else oxide_molar_masses(elements))
