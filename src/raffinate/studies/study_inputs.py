"""What varies in a study, from its file: numbers, distributions, constants drawn together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import FiniteFloat

from raffinate.chemistry.system import ExtractionSystem
from raffinate.errors import DataError, SpecificationError
from raffinate.sources import Source
from raffinate.studies.distributions import Distribution, Lognormal, Normal, Uniform
from raffinate.studies.model import ConstantDraw, How, Input
from raffinate.yaml_files import StrictEntry

_NEEDED = {
    "normal": ("mean", "deviation"),
    "lognormal": ("median", "geometric_deviation"),
    "uniform": ("low", "high"),
}
_LIMITS = ("low", "high")


class InputFile(StrictEntry):
    """One input: `values`, or `low`, `high` and `points`, or a distribution."""

    how: How = "value"
    values: list[FiniteFloat] | None = None
    points: int | None = None
    distribution: Literal["normal", "lognormal", "uniform"] | None = None
    mean: FiniteFloat | None = None
    deviation: FiniteFloat | None = None
    median: FiniteFloat | None = None
    geometric_deviation: FiniteFloat | None = None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None
    source: str = ""


def read_input(name: str, read: InputFile, sources: Mapping[str, Source]) -> Input:
    """Return one input of a file as a value.

    Raises:
        DataError: A number is missing, or stands where it means nothing.
        SpecificationError: A distribution that cannot be.
    """
    source = sources.get(read.source)
    if read.distribution is not None:
        drawn = _distribution(name, read, read.distribution)
        return Input(name=name, how=read.how, distribution=drawn, source=source)
    if read.values is not None:
        _only(name, read, ("values",))
        return Input(name=name, how=read.how, values=tuple(read.values), source=source)
    given = {*_LIMITS, "points"} & _given(read)
    if not given:
        _only(name, read, ())
        return Input(name=name, how=read.how, source=source)
    _only(name, read, (*_LIMITS, "points"))
    if read.low is None or read.high is None or read.points is None or read.points < 2:
        raise DataError(
            f"it gives {', '.join(sorted(given))}.",
            where=f"inputs.{name}",
            allowed="low, high and points, of which there are 2 or more",
        )
    values = np.linspace(read.low, read.high, read.points)
    return Input(name=name, how=read.how, values=tuple(values.tolist()), source=source)


def _given(read: InputFile) -> set[str]:
    return {
        key
        for key in InputFile.model_fields
        if key not in ("how", "source") and getattr(read, key) is not None
    }


def _only(name: str, read: InputFile, allowed: tuple[str, ...]) -> None:
    if extra := sorted(_given(read) - set(allowed)):
        raise DataError(
            f"{', '.join(extra)} means nothing here.",
            where=f"inputs.{name}",
            allowed=", ".join(allowed) or "values, or low, high and points, or a distribution",
        )


def _distribution(name: str, read: InputFile, kind: str) -> Distribution:
    needed = _NEEDED[kind]
    _only(name, read, tuple(dict.fromkeys(("distribution", *needed, *_LIMITS))))
    if missing := [key for key in needed if getattr(read, key) is None]:
        raise DataError(f"{', '.join(missing)} is missing.", where=f"inputs.{name}", mend="Add it.")
    numbers = {key: getattr(read, key) for key in (*needed, *_LIMITS)}
    given = {key: value for key, value in numbers.items() if value is not None}
    try:
        if kind == "normal":
            return Normal(**given)
        return Lognormal(**given) if kind == "lognormal" else Uniform(**given)
    except SpecificationError as error:
        raise SpecificationError(
            error.what,
            where=f"inputs.{name}: {error.where}",
            allowed=error.allowed,
            mend=error.mend,
        ) from error


def read_constants(
    system: ExtractionSystem,
    elements: tuple[str, ...],
    given: Literal["fitted"] | list[list[float]],
    source: Source | None,
) -> ConstantDraw:
    """Return constants that are drawn together.

    Args:
        system: Of the plant.
        elements: Whose; all of the plant if empty.
        given: Their covariance of log₁₀ K, or "fitted" for that of the system.
        source: Who says so, of a covariance that is given.

    Raises:
        SpecificationError: No covariance is known, or what is given is none.
    """
    chosen = elements or system.elements
    part = system.subset(chosen)
    if given == "fitted":
        covariance = np.array(part.log10_covariance)
        sources = tuple(dict.fromkeys(part.constant_sources))
        if not covariance.any():
            raise SpecificationError(
                f"{system.name} states no covariance of its constants.",
                where="constants.log10_covariance",
                mend="Give one, with its source, or fit the system to data.",
            )
    else:
        if source is None:
            raise DataError(
                "it names no source.", where="constants", mend="Say who says so under `source`."
            )
        sources = (source,)
        covariance = _matrix(given, len(chosen))
    return ConstantDraw(elements=chosen, root=symmetric_root(covariance), sources=sources)


def _matrix(given: list[list[float]], count: int) -> np.ndarray:
    if [len(row) for row in given] != [count] * count:
        raise DataError(
            f"{len(given)} rows of {sorted({len(row) for row in given})} numbers.",
            where="constants.log10_covariance",
            allowed=f"{count} rows of {count} numbers, one per element",
        )
    return np.array(given)


def symmetric_root(covariance: np.ndarray) -> np.ndarray:
    """Return R = V √w Vᵀ, so that R R = covariance; it may be singular.

    Args:
        covariance: (element, element).

    Raises:
        SpecificationError: It is not symmetric, or has a negative eigenvalue.
    """
    scale = float(np.abs(covariance).max())
    values, vectors = np.linalg.eigh(covariance)
    if not np.allclose(covariance, covariance.T, rtol=1e-9, atol=1e-12 * scale) or (
        values.min() < -1e-9 * max(scale, math.ulp(0.0))
    ):
        raise SpecificationError(
            "it is no covariance.",
            where="constants.log10_covariance",
            allowed="a symmetric matrix without negative eigenvalues",
        )
    root: np.ndarray = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root
