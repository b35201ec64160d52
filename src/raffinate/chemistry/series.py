"""Constants nobody measured, read off along the lanthanides: only on request, and flagged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import rare_earth
from raffinate.chemistry.system import ApparentSlope, ExtractionSystem
from raffinate.errors import SpecificationError
from raffinate.sources import Source

LANTHANUM, LUTETIUM = 57, 71
"""Ends of the series, as atomic numbers."""


class _Bracket(NamedTuple):
    """Places of the measured neighbours of an element, and the weight of the upper one."""

    lower: int
    upper: int
    weight: float


def interpolate_series(system: ExtractionSystem, elements: Sequence[str]) -> ExtractionSystem:
    """Return the system with constants of further lanthanides, after those it has.

    log₁₀ K is a straight line in atomic number between the nearest measured lanthanides on either
    side; beyond the last of them nothing is said. Its variance is that of the line plus the mean
    square by which the same rule misses each measured lanthanide that has two neighbours. The
    constants carry the evidence "interpolated", so that every result that uses one says so.

    Args:
        system: At least three of its lanthanides must be measured.
        elements: Lanthanides that the system lacks.

    Raises:
        SpecificationError: An element is no lanthanide, is there already, has no measured
            neighbour on one side, or lies between neighbours that follow different laws.
    """
    measured = _measured(system)
    added = tuple(dict.fromkeys(elements))
    brackets = [_bracket(system, measured, element) for element in added]
    miss = leave_one_out(system)
    weights = np.zeros((len(added), len(system.elements)))
    for row, bracket in enumerate(brackets):
        weights[row, bracket.lower] = 1.0 - bracket.weight
        weights[row, bracket.upper] = bracket.weight
    known = system.log10_covariance
    cross = weights @ known
    corner = cross @ weights.T + miss**2 * np.eye(len(added))
    constant = system.log10_extraction_constant
    lower = [bracket.lower for bracket in brackets]
    return replace(
        system,
        elements=(*system.elements, *added),
        log10_extraction_constant=np.concatenate([constant, weights @ constant]),
        log10_covariance=np.block([[known, cross.T], [cross, corner]]),
        constant_sources=(
            *system.constant_sources,
            *(_source(system, bracket, miss) for bracket in brackets),
        ),
        charge=np.concatenate([system.charge, system.charge[lower]]),
        extractant_number=np.concatenate(
            [system.extractant_number, system.extractant_number[lower]]
        ),
        apparent=(*system.apparent, *_slopes(system, added, brackets)),
        missing=tuple(each for each in system.missing if each[0] not in added),
    )


def leave_one_out(system: ExtractionSystem) -> float:
    """Return the root mean square by which the rule misses measured lanthanides, in log₁₀ K, [-].

    Raises:
        SpecificationError: Fewer than three lanthanides are measured.
    """
    measured = _measured(system)
    numbers = sorted(measured)
    if len(numbers) < 3:
        raise SpecificationError(
            f"{len(numbers)} lanthanides are measured.",
            where=system.name,
            allowed="at least 3, so that the error of a line between two of them is known",
        )
    constants = np.array([system.log10_extraction_constant[measured[z]] for z in numbers])
    inner: NDArray[np.float64] = np.array(
        [
            constants[i]
            - np.interp(numbers[i], [numbers[i - 1], numbers[i + 1]], constants[[i - 1, i + 1]])
            for i in range(1, len(numbers) - 1)
        ]
    )
    return float(np.sqrt(np.mean(inner**2)))


def _measured(system: ExtractionSystem) -> dict[int, int]:
    """Return the places of the measured lanthanides of a system by their atomic numbers."""
    return {
        z: place
        for place, symbol in enumerate(system.elements)
        if (z := _lanthanide(symbol)) and symbol not in system.interpolated
    }


def _lanthanide(symbol: str) -> int:
    """Return the atomic number, or 0 if the element is no lanthanide."""
    try:
        number = rare_earth(symbol).atomic_number
    except SpecificationError:
        return 0
    return number if LANTHANUM <= number <= LUTETIUM else 0


def _bracket(system: ExtractionSystem, measured: dict[int, int], element: str) -> _Bracket:
    number = _lanthanide(element)
    if not number or element in system.elements:
        raise SpecificationError(
            f"{element!r} is no lanthanide that the system lacks.",
            where=f"{system.name}: interpolate_series",
            allowed="lanthanides from La to Lu without a constant",
        )
    below = [z for z in measured if z < number]
    above = [z for z in measured if z > number]
    if not below or not above:
        raise SpecificationError(
            f"{element} has no measured neighbour on {'either' if not measured else 'one'} side, "
            "and nothing is extrapolated.",
            where=f"{system.name}: interpolate_series",
            allowed=", ".join(system.elements[place] for place in measured.values()),
        )
    lower, upper = measured[max(below)], measured[min(above)]
    if _law(system, lower) != _law(system, upper):
        raise SpecificationError(
            f"{element} lies between {system.elements[lower]} and {system.elements[upper]}, whose "
            "distribution ratios depend differently on acid or extractant.",
            where=f"{system.name}: interpolate_series",
        )
    weight = (number - max(below)) / (min(above) - max(below))
    return _Bracket(lower, upper, weight)


def _law(system: ExtractionSystem, place: int) -> tuple[float, ...]:
    slope = _apparent(system, place)
    slopes = (slope.slope, slope.extractant_slope, slope.slope_per_extractant) if slope else ()
    return (float(system.charge[place]), float(system.extractant_number[place]), *slopes)


def _apparent(system: ExtractionSystem, place: int) -> ApparentSlope | None:
    named = {slope.element: slope for slope in system.apparent}
    return named.get(system.elements[place])


def _slopes(
    system: ExtractionSystem, added: Sequence[str], brackets: Sequence[_Bracket]
) -> list[ApparentSlope]:
    slopes = []
    for element, bracket in zip(added, brackets, strict=True):
        slope = _apparent(system, bracket.lower)
        if slope is not None:
            slopes.append(replace(slope, element=element))
    return slopes


def _source(system: ExtractionSystem, bracket: _Bracket, miss: float) -> Source:
    ends = f"{system.elements[bracket.lower]} and {system.elements[bracket.upper]}"
    return Source(
        title=f"Straight line in atomic number between {ends}",
        evidence="interpolated",
        note=f"the same rule misses the measured lanthanides by {miss:.2f} in log₁₀ K",
    )
