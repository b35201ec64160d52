"""What varies in a study, from its file: numbers, distributions, constants drawn together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import FiniteFloat
from scipy.linalg import block_diag

from raffinate.chemistry.system import ExtractionSystem
from raffinate.errors import DataError, SpecificationError
from raffinate.plant.gradients_inputs import CONSTANT as NETWORK_CONSTANT
from raffinate.plant.model import Plant
from raffinate.plant.network import Network
from raffinate.sources import Source
from raffinate.studies.distributions import Distribution, Lognormal, Normal, Uniform
from raffinate.studies.model import CONSTANT, ConstantDraw, How, Input
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
    plant: Plant | Network,
    elements: tuple[str, ...],
    given: Literal["fitted"] | list[list[float]],
    source: Source | None,
) -> ConstantDraw:
    """Return constants that are drawn together.

    Circuits of one extraction system share its constants; those of two systems are independent.

    Args:
        plant: Of one circuit or of many.
        elements: Whose; all of the plant if empty.
        given: Their covariance of log₁₀ K, or "fitted" for those of the systems.
        source: Who says so, of a covariance that is given.

    Raises:
        SpecificationError: No covariance is known, or what is given is none.
        DataError: A covariance without a source, or of the wrong size.
    """
    systems = _systems(plant, elements)
    if given != "fitted" and len(systems) > 1:
        raise SpecificationError(
            f"{plant.name} has {len(systems)} extraction systems.",
            where="constants.log10_covariance",
            allowed="fitted",
            mend="Write `fitted`, or give the constants as inputs, each with a distribution.",
        )
    parts = [_of_system(prefix, part, given, source) for prefix, part in systems]
    known = [part for part in parts if part.root.any()]
    if not known:
        names = ", ".join(part.name for _, part in systems)
        raise SpecificationError(
            f"{names} states no covariance of its constants.",
            where="constants.log10_covariance",
            mend="Give one, with its source, or fit the system to data.",
        )
    return ConstantDraw(
        names=tuple(name for part in known for name in part.names),
        nominal=np.concatenate([part.nominal for part in known]),
        root=block_diag(*(part.root for part in known)),
        sources=tuple(dict.fromkeys(source for part in known for source in part.sources)),
    )


def _systems(
    plant: Plant | Network, elements: tuple[str, ...]
) -> list[tuple[str, ExtractionSystem]]:
    """Return what stands before the names of constants, and the systems with what is chosen."""
    if isinstance(plant, Plant):
        system = plant.circuit.system
        return [(CONSTANT, system.subset(elements or system.elements))]
    found: dict[str, ExtractionSystem] = {}
    for unit in plant.circuits:
        found.setdefault(unit.system.name, unit.system)
    if unknown := set(elements) - {e for system in found.values() for e in system.elements}:
        raise SpecificationError(
            f"{', '.join(sorted(unknown))} has no constant in {plant.name}.",
            where="constants.elements",
            allowed=", ".join(plant.elements),
        )
    chosen = {
        name: tuple(e for e in system.elements if not elements or e in elements)
        for name, system in found.items()
    }
    return [
        (f"{NETWORK_CONSTANT}{name}.", found[name].subset(own))
        for name, own in chosen.items()
        if own
    ]


def _of_system(
    prefix: str,
    part: ExtractionSystem,
    given: Literal["fitted"] | list[list[float]],
    source: Source | None,
) -> ConstantDraw:
    sources = tuple(dict.fromkeys(part.constant_sources))
    if given == "fitted":
        covariance = np.array(part.log10_covariance)
    else:
        if source is None:
            raise DataError(
                "it names no source.", where="constants", mend="Say who says so under `source`."
            )
        sources = (source,)
        covariance = _matrix(given, len(part.elements))
    return ConstantDraw(
        names=tuple(f"{prefix}{symbol}" for symbol in part.elements),
        nominal=np.array(part.log10_extraction_constant),
        root=symmetric_root(covariance),
        sources=sources,
    )


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
