"""How well a number of a flask is known, and ratios with the digits they are printed with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from raffinate.lab.shake_out_cells import (
    Cell,
    Decimal,
    printed_resolution,
    read_concentration,
    read_fraction,
    read_number,
)
from raffinate.lab.shake_out_flasks import RawEntry

ASSUMED_ASSAY_DEVIATION = 0.02
"""Relative standard deviation of an assay where the table states none, [-]. Assumed."""

LARGEST_DEVIATION = 0.5
"""Largest relative standard deviation of an assay that is still an assay, [-]."""

LARGEST_LOG10_RATIO = 8.0
"""Of |log₁₀ D|, [-]. Assumed: no two assays span more."""


@dataclass(frozen=True, slots=True)
class Factors:
    """What concentrations of the three phases must be multiplied with, and densities."""

    dilution: Mapping[str, float]
    density: Mapping[str, float | None]


def read_reported_ratio(raw: RawEntry, decimal: Decimal) -> tuple[float | None, float, float]:
    """Return D as reported, one in its last digit, and the relative deviation of its digits."""
    if "distribution_ratio" in raw.cells:
        cell = raw.cells["distribution_ratio"]
        return read_number(cell, decimal=decimal), printed_resolution(cell.text), 0.0
    if "log10_distribution_ratio" in raw.cells:
        cell = raw.cells["log10_distribution_ratio"]
        logarithm = read_number(cell, decimal=decimal)
        if abs(logarithm) > LARGEST_LOG10_RATIO:
            raise cell.refuse(
                f"log D is {cell.text}.",
                allowed=f"-{LARGEST_LOG10_RATIO:g} to {LARGEST_LOG10_RATIO:g}",
                mend="If it is D itself, leave 'log' out of the heading.",
            )
        digit = printed_resolution(cell.text) * math.log(10.0) / math.sqrt(12.0)
        return float(10.0**logarithm), 0.0, digit
    return None, 0.0, 0.0


def read_extraction(cell: Cell, decimal: Decimal) -> tuple[float, float]:
    """Return the extracted fraction and the relative deviation of D by its digits."""
    fraction = read_fraction(cell, decimal, bare=False)
    if not 0.0 < fraction < 1.0:
        raise cell.refuse(
            f"the extraction is {cell.text}.",
            allowed="more than 0 and less than 100 %",
            mend="Leave out elements extracted wholly or not at all: they have no D.",
        )
    digit = 0.01 * printed_resolution(cell.text.rstrip("% ")) / math.sqrt(12.0)
    return fraction, digit / (fraction * (1.0 - fraction))


def relative_deviation(
    raw: RawEntry,
    found: Mapping[str, float],
    assayed: str,
    factors: Factors,
    decimal: Decimal,
) -> float | None:
    """Return the root mean square of the relative deviations of the two assays behind D."""
    common = None
    if "assay_deviation" in raw.cells:
        common = read_fraction(raw.cells["assay_deviation"], decimal, bare=True)
        _check_deviation(raw.cells["assay_deviation"], common)
    phases = ("aqueous", "organic") if assayed == "both" else ("feed", assayed)
    own = {phase: raw.cells.get(f"deviation_{phase}") for phase in phases}
    if not any(own.values()):
        return common
    squares = []
    for phase, cell in own.items():
        relative = ASSUMED_ASSAY_DEVIATION if common is None else common
        if cell is not None and cell.column.unit is not None and cell.column.unit.kind != "percent":
            absolute = read_concentration(cell, decimal, density=factors.density[phase], zero=True)
            relative = absolute * factors.dilution[phase] / found.get(phase, math.inf)
        elif cell is not None:
            relative = read_fraction(cell, decimal, bare=True)
        if cell is not None:
            _check_deviation(cell, relative)
        squares.append(relative**2)
    return math.sqrt(sum(squares) / 2.0)


def _check_deviation(cell: Cell, relative: float) -> None:
    if not 0.0 < relative <= LARGEST_DEVIATION:
        raise cell.refuse(
            f"the standard deviation is {relative:.0%} of the value.",
            allowed=f"more than 0, at most {LARGEST_DEVIATION:.0%}",
            mend="Look at the unit; write % for a relative deviation.",
        )
