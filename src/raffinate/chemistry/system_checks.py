"""What must hold among the parts of an extraction system."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.chemistry.system_parts import (
    ApparentSlope,
    ExchangeCation,
    TemperatureSlope,
    ValidityRanges,
)
from raffinate.errors import SpecificationError


def frozen(values: ArrayLike) -> NDArray[np.float64]:
    """Return a copy of `values`, same shape, that cannot be changed."""
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


def check_elements(where: str, elements: Sequence[str]) -> None:
    """Raise SpecificationError unless there are elements, each once."""
    if not elements or len(set(elements)) != len(elements):
        raise SpecificationError(
            f"elements are {', '.join(elements) or 'none'}.",
            where=where,
            allowed="at least one element, each once",
        )


def check_arrays(
    where: str,
    count: int,
    *,
    constants: NDArray[np.float64],
    charge: NDArray[np.float64],
    extractant_number: NDArray[np.float64],
    sources: int,
) -> None:
    """Raise SpecificationError unless each element has its constant, source, charge and number.

    Args:
        where: Name of the system.
        count: Number of elements.
        constants: log₁₀ K, (element,), [-].
        charge: Of the ions, (element,), [-].
        extractant_number: Units of extractant bound per metal, (element,), [-].
        sources: Number of sources of constants.
    """
    if sources != count or constants.shape != (count,):
        raise SpecificationError(
            f"{count} elements, {constants.size} constants and {sources} sources do not match.",
            where=where,
            mend="Give one constant and one source for each element.",
        )
    if not np.isfinite(constants).all():
        raise SpecificationError("a constant is not finite.", where=where, allowed="finite log₁₀ K")
    for name, values in (("charge", charge), ("extractant_number", extractant_number)):
        if values.shape != (count,) or not np.isfinite(values).all() or (values <= 0.0).any():
            raise SpecificationError(
                f"{name} is {values.tolist()}.",
                where=where,
                allowed=f"{count} positive numbers, one for each element",
            )


def check_covariance(where: str, covariance: NDArray[np.float64], count: int) -> None:
    """Raise SpecificationError unless `covariance` is one of `count` numbers."""
    if covariance.shape != (count, count) or not np.isfinite(covariance).all():
        raise SpecificationError(
            f"log10_covariance has shape {covariance.shape} or is not finite.",
            where=where,
            allowed=f"finite, ({count}, {count})",
        )
    scale = float(np.abs(covariance).max())
    asymmetry = float(np.abs(covariance - covariance.T).max())
    if asymmetry > 1e-9 * scale or float(np.linalg.eigvalsh(covariance).min()) < -1e-9 * scale:
        raise SpecificationError(
            "log10_covariance is no covariance.", where=where, allowed="symmetric, no negative root"
        )


def check_parts(
    where: str,
    elements: Sequence[str],
    *,
    sloped: Sequence[Sequence[ApparentSlope] | Sequence[TemperatureSlope]],
    missing: Sequence[tuple[str, str]],
    exchange_cations: Sequence[ExchangeCation],
    limits: Sequence[float | None],
) -> None:
    """Raise SpecificationError unless the further parts of a system fit its elements.

    Args:
        where: Name of the system.
        elements: Symbols.
        sloped: Apparent and temperature slopes; in each, every symbol must be an element, once.
        missing: What has no constant; none of it may be an element.
        exchange_cations: Further cations; ammonium has its own place.
        limits: Limits of loading and saponification, [-].
    """
    for slopes in sloped:
        named = [slope.element for slope in slopes]
        if len(set(named)) != len(named) or not set(named) <= set(elements):
            raise SpecificationError(
                f"slopes are given for {', '.join(named)}.",
                where=where,
                allowed=f"elements of the system, each once: {', '.join(elements)}",
            )
    cations = [cation.name for cation in exchange_cations]
    if len(set(cations)) != len(cations) or "ammonium" in cations:
        raise SpecificationError(
            f"exchange_cations are {', '.join(cations)}.",
            where=where,
            allowed="each once, and ammonium in log10_saponification_constant",
        )
    absent = [name for name, _ in missing]
    known = sorted(set(absent) & {*elements, *cations})
    if known or len(set(absent)) != len(absent):
        raise SpecificationError(
            f"missing lists {', '.join(absent)}.",
            where=where,
            allowed="what has no constant, each once",
        )
    for limit in limits:
        if limit is not None and not 0.0 < limit <= 1.0:
            raise SpecificationError(
                f"a limit is {limit:g}.", where=where, allowed="above 0, at most 1"
            )


def check_ranges(where: str, ranges: ValidityRanges | None) -> None:
    """Raise SpecificationError unless each range is one."""
    for name, (low, high) in (ranges.spans if ranges else {}).items():
        if not (np.isfinite([low, high]).all() and low <= high and (name == "pH" or low >= 0.0)):
            raise SpecificationError(
                f"the range of {name} is {low:g} to {high:g}.",
                where=where,
                allowed="finite, 0 or more unless it is pH, the lower value first",
            )
