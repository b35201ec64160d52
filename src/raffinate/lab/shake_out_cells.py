"""One cell as a number in SI, or an error that says what is wrong with it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from raffinate.errors import DataError
from raffinate.lab.shake_out_columns import Column
from raffinate.lab.shake_out_elements import ELEMENTS
from raffinate.lab.shake_out_units import ALLOWED, Unit
from raffinate.units import PER_LITRE

LARGEST_CONCENTRATION = 8e3
"""[mol/m³]. Nothing in a liquor or an organic is more concentrated but acid and salts; such a
number was written in another unit than the heading says. Assumed."""

Decimal = Literal["point", "comma"]
"""Sign between units and tenths."""

SMALLEST_CONCENTRATION = 1e-9
"""[mol/m³]. Less than any assay finds."""

LARGEST_ACIDITY = 1.3e4
"""[mol/m³]. Concentrated hydrochloric acid has 12 mol/L."""

SMALLEST_PH = -1.2
LARGEST_PH = 14.0

_BELOW = re.compile(r"<.*|n\.?\s*d\.?|b\.?d\.?l\.?|lod|<?\s*loq|not detected|trace", re.IGNORECASE)
_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
_RATIO = re.compile(r"([\d.]+)\s*[:/]\s*([\d.]+)")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that holds something.

    Attributes:
        text: What stands in it.
        place: File and line or cell.
        column: What its heading says.
    """

    text: str
    place: str
    column: Column

    def refuse(self, what: str, *, allowed: str = "", mend: str = "") -> DataError:
        """Return the error that names this cell."""
        return DataError(what, where=self.place, allowed=allowed, mend=mend)


def is_below_detection(text: str) -> bool:
    """Tell whether a cell says that nothing was found, such as "<0.01" or "n.d."."""
    return bool(_BELOW.fullmatch(text))


def read_number(cell: Cell, *, decimal: Decimal = "point", zero: bool = False) -> float:
    """Return the number of a cell, in the unit of its column.

    Args:
        cell: The cell.
        decimal: Sign between units and tenths.
        zero: Whether 0 is allowed.

    Raises:
        DataError: It is no number, not finite, or negative.
    """
    text = cell.text.replace(",", ".") if decimal == "comma" else cell.text
    allowed = "a finite number, " + ("0 or more" if zero else "more than 0")
    try:
        value = float(text)
    except ValueError:
        mend = ""
        if _COMMA.fullmatch(cell.text):
            mend = "Write a decimal point, or declare '# decimal: comma'."
        elif is_below_detection(cell.text):
            mend = (
                "Leave out rows below the limit of detection, or declare "
                "'# below_detection: leave out'."
            )
        elif cell.text.startswith("#"):
            mend = "The spreadsheet could not compute it; mend its formula."
        elif re.match(r"[-+]?\d", cell.text):
            mend = "Leave only the number in the cell; the unit belongs into the heading."
        raise cell.refuse(f"{cell.text!r} is not a number.", allowed=allowed, mend=mend) from None
    negative_allowed = cell.column.note == "pH" or cell.column.role.startswith("log10")
    if not math.isfinite(value) or (
        not negative_allowed and (value < 0.0 or (value == 0.0 and not zero))
    ):
        mend = "Leave out rows below the limit of detection." if value == 0.0 else ""
        raise cell.refuse(f"the value is {cell.text}.", allowed=allowed, mend=mend)
    return value


def read_ratio(cell: Cell, decimal: Decimal) -> float:
    """Return a phase ratio written as a number or as "1:2".

    Raises:
        DataError: It is neither, or 0.
    """
    found = _RATIO.fullmatch(cell.text)
    if "(a date or time)" in cell.text:
        raise cell.refuse(
            f"the spreadsheet holds {cell.text}, not a ratio.",
            allowed="a number, or text such as 1:2",
            mend="It has taken 1:2 for a time; write 0.5, or set the cell to text.",
        )
    if found and float(found[2]) > 0.0 and float(found[1]) > 0.0:
        return float(found[1]) / float(found[2])
    return read_number(cell, decimal=decimal)


def read_acidity(cell: Cell, decimal: Decimal) -> float:
    """Return H⁺, [mol/m³], of a pH or of a concentration.

    Raises:
        DataError: No number, no unit, or out of range.
    """
    if cell.column.note == "pH":
        value = read_number(cell, decimal=decimal)
        if not SMALLEST_PH <= value <= LARGEST_PH:
            raise cell.refuse(
                f"pH is {cell.text}.",
                allowed=f"{SMALLEST_PH:g} to {LARGEST_PH:g}",
                mend="If it is a concentration, head the column '[H+], mol/L'.",
            )
        return float(PER_LITRE * 10.0**-value)
    _need_unit(cell, "amount", "mol/L, mmol/L, mol/m³; or a column of pH")
    value = _amount(cell, read_number(cell, decimal=decimal, zero=True))
    if value > LARGEST_ACIDITY:
        raise cell.refuse(
            f"H⁺ would be {value / PER_LITRE:.4g} mol/L.",
            allowed=f"at most {LARGEST_ACIDITY / PER_LITRE:g} mol/L",
            mend="Look at the unit in the heading.",
        )
    return value


def read_concentration(
    cell: Cell, decimal: Decimal, *, density: float | None, zero: bool = False
) -> float:
    """Return the concentration of an element, [mol/m³].

    Args:
        cell: The cell.
        decimal: Sign between units and tenths.
        density: Of the solution, [kg/m³], if known; mass fractions need it.
        zero: Whether 0 is allowed.

    Raises:
        DataError: No number, no or an ambiguous unit, or out of range.
    """
    value = read_number(cell, decimal=decimal, zero=zero)
    unit, element = _concentration_unit(cell, density), ELEMENTS[cell.column.element]
    molar = element.oxide_molar_mass if cell.column.basis == "oxide" else element.molar_mass
    made = unit.to_si(value)
    if unit.kind == "mass_fraction":
        made *= density or math.nan
    if unit.kind in ("mass", "mass_fraction"):
        made /= molar
    least = 0.0 if zero else SMALLEST_CONCENTRATION
    if not least <= made <= LARGEST_CONCENTRATION:
        raise cell.refuse(
            f"{cell.text} {unit.written} of {element.symbol} is {made / PER_LITRE:.3g} mol/L.",
            allowed=f"{SMALLEST_CONCENTRATION / PER_LITRE:g} to "
            f"{LARGEST_CONCENTRATION / PER_LITRE:g} mol/L",
            mend="Look at the unit in the heading.",
        )
    return made


def _concentration_unit(cell: Cell, density: float | None) -> Unit:
    """Return the unit of a concentration, if it says what it is a concentration of."""
    unit = cell.column.unit
    if unit is None:
        raise cell.refuse(
            "the heading names no unit.",
            allowed=ALLOWED,
            mend="Add it to the heading, such as 'Nd aqueous (g/L)', or declare '# unit: g/L'.",
        )
    if unit.kind == "percent":
        raise cell.refuse(
            "% of what? A concentration in % may be by mass or by volume.",
            allowed=ALLOWED,
            mend="Write wt% (with a density) or % w/v, or head the column as extraction.",
        )
    if unit.kind == "mass_fraction" and density is None:
        raise cell.refuse(
            f"{unit.written} is a fraction of mass, and the density of the solution is not given.",
            allowed=ALLOWED,
            mend="Give the density, such as '# density aqueous: 1.05 g/mL'; or write mg/L if "
            "that is what is meant.",
        )
    if unit.kind == "amount" and cell.column.basis == "oxide":
        raise cell.refuse(
            "moles of oxide are ambiguous: some oxides hold several atoms of metal.",
            mend="Give moles of metal, or the mass of oxide.",
        )
    if unit.kind not in ("mass", "amount", "mass_fraction"):
        raise cell.refuse(f"{unit.written} is no unit of a concentration.", allowed=ALLOWED)
    return unit


def read_extractant(cell: Cell, decimal: Decimal) -> float:
    """Return the concentration of an extractant counted as monomer HA, [mol/m³].

    Raises:
        DataError: No number, no unit of amount, or out of range.
    """
    _need_unit(cell, "amount", "mol/L, mmol/L or mol/m³, counted as HA or headed (HA)2")
    value = _amount(cell, read_number(cell, decimal=decimal))
    value *= 2.0 if cell.column.note == "dimer" else 1.0
    if not SMALLEST_CONCENTRATION <= value <= LARGEST_CONCENTRATION:
        raise cell.refuse(
            f"the extractant would be {value / PER_LITRE:.4g} mol/L.",
            allowed=f"at most {LARGEST_CONCENTRATION / PER_LITRE:g} mol/L",
            mend="Look at the unit in the heading.",
        )
    return value


def read_salt(cell: Cell, decimal: Decimal) -> float:
    """Return the concentration of a salt, [mol/m³].

    Raises:
        DataError: No number, or no unit of amount.
    """
    _need_unit(cell, "amount", "mol/L, mmol/L or mol/m³")
    return _amount(cell, read_number(cell, decimal=decimal, zero=True))


def read_fraction(cell: Cell, decimal: Decimal, *, bare: bool) -> float:
    """Return a fraction from 0 to 1, of a column in % or, where `bare`, without a unit.

    Raises:
        DataError: No number, out of range, or not known whether it is in %.
    """
    in_cell = cell.text.endswith("%")
    text = cell.text.rstrip("% ") if in_cell else cell.text
    value = read_number(Cell(text, cell.place, cell.column), decimal=decimal, zero=True)
    percent = in_cell or (cell.column.unit is not None and cell.column.unit.kind == "percent")
    if not percent and (not bare or value > 1.0):
        raise cell.refuse(
            f"{cell.text} may be a fraction or per cent.",
            allowed="0 to 1, or 0 to 100 under a heading with %",
            mend="Write % into the heading, such as 'Nd extraction (%)'.",
        )
    value = value / 100.0 if percent else value
    if value > 1.0:
        raise cell.refuse(f"the value is {cell.text}.", allowed="0 to 100 %")
    return value


def read_temperature(cell: Cell, decimal: Decimal) -> float:
    """Return a temperature, [K].

    Raises:
        DataError: No number, no unit, or outside 0 to 100 °C.
    """
    _need_unit(cell, "temperature", "°C or K")
    assert cell.column.unit is not None
    value = cell.column.unit.to_si(read_number(cell, decimal=decimal, zero=True))
    if not 273.15 <= value <= 373.15:
        raise cell.refuse(
            f"the temperature is {value:.4g} K.", allowed="273.15 to 373.15 K, 0 to 100 °C"
        )
    return value


def read_density(cell: Cell, decimal: Decimal) -> float:
    """Return a density, [kg/m³].

    Raises:
        DataError: No number, no unit, or none a liquid has.
    """
    _need_unit(cell, "mass", "g/mL, kg/L or kg/m³")
    assert cell.column.unit is not None
    value = cell.column.unit.to_si(read_number(cell, decimal=decimal))
    if not 500.0 <= value <= 2500.0:
        raise cell.refuse(f"the density is {value:.4g} kg/m³.", allowed="500 to 2500 kg/m³")
    return value


def printed_resolution(text: str) -> float:
    """Return the value of one in the last digit a number is printed with."""
    mantissa, _, exponent = text.lower().replace(",", ".").partition("e")
    decimals = len(mantissa.partition(".")[2])
    return float(10.0 ** (int(exponent or 0) - decimals))


def _need_unit(cell: Cell, kind: str, allowed: str) -> None:
    unit = cell.column.unit
    if unit is None:
        raise cell.refuse(
            "the heading names no unit.", allowed=allowed, mend="Add it to the heading."
        )
    if unit.kind != kind:
        raise cell.refuse(
            f"the unit {unit.written} does not fit.",
            allowed=allowed,
            mend="Convert the column, and say so in its heading.",
        )


def _amount(cell: Cell, value: float) -> float:
    assert cell.column.unit is not None
    return cell.column.unit.to_si(value)


def density_of(cells: Mapping[str, float], phase: str) -> float | None:
    """Return the density given for a phase; that of the aqueous counts for the feed too."""
    found = cells.get(f"density_{phase}")
    return cells.get("density_aqueous") if found is None and phase == "feed" else found
