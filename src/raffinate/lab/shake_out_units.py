"""Units as laboratories write them, and what each makes of a number in SI."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

UnitKind = Literal["mass", "amount", "mass_fraction", "percent", "temperature", "volume"]
"""mass: per volume of solution, to kg/m³; amount: per volume, to mol/m³; mass_fraction: of the
solution, to 1; percent: of something the column says, to 1; the others to K and m³."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of a column.

    Attributes:
        written: As the table writes it.
        kind: What it measures.
        factor: SI value of one of it.
        offset: Added after multiplying; only temperatures have one.
    """

    written: str
    kind: UnitKind
    factor: float
    offset: float = 0.0

    def to_si(self, value: float) -> float:
        """Return a number of this unit in the SI unit of its kind."""
        return value * self.factor + self.offset


_MASS = {"g": 1e-3, "mg": 1e-6, "ug": 1e-9, "kg": 1.0}
_AMOUNT = {"mol": 1.0, "mmol": 1e-3, "umol": 1e-6, "kmol": 1e3, "eq": 1.0, "meq": 1e-3}
_VOLUME = {"l": 1e-3, "dm3": 1e-3, "ml": 1e-6, "cm3": 1e-6, "m3": 1.0}

ALLOWED = "g/L, mg/L, mol/L, mmol/L, g/m³, kg/m³, mol/m³, M, mM; ppm, g/kg and wt% with a density"
"""The units of a concentration, in words."""

_SINGLE: dict[str, tuple[UnitKind, float, float]] = {
    "M": ("amount", 1e3, 0.0),
    "mM": ("amount", 1.0, 0.0),
    "N": ("amount", 1e3, 0.0),
    "ppm": ("mass_fraction", 1e-6, 0.0),
    "ppb": ("mass_fraction", 1e-9, 0.0),
    "mg/kg": ("mass_fraction", 1e-6, 0.0),
    "g/kg": ("mass_fraction", 1e-3, 0.0),
    "g/t": ("mass_fraction", 1e-6, 0.0),
    "wt%": ("mass_fraction", 1e-2, 0.0),
    "%wt": ("mass_fraction", 1e-2, 0.0),
    "mass%": ("mass_fraction", 1e-2, 0.0),
    "%w/w": ("mass_fraction", 1e-2, 0.0),
    "w/w%": ("mass_fraction", 1e-2, 0.0),
    "%w/v": ("mass", 10.0, 0.0),
    "w/v%": ("mass", 10.0, 0.0),
    "%": ("percent", 1e-2, 0.0),
    "percent": ("percent", 1e-2, 0.0),
    "°C": ("temperature", 1.0, 273.15),
    "ºC": ("temperature", 1.0, 273.15),
    "degC": ("temperature", 1.0, 273.15),
    "celsius": ("temperature", 1.0, 273.15),
    "K": ("temperature", 1.0, 0.0),
    "mL": ("volume", 1e-6, 0.0),
    "ml": ("volume", 1e-6, 0.0),
    "cm3": ("volume", 1e-6, 0.0),
    "L": ("volume", 1e-3, 0.0),
}

_PER_VOLUME = re.compile(
    r"(kg|mg|ug|g|kmol|mmol|umol|mol|meq|eq)(?:/|\.?(?=[a-z0-9]+-[13]$)|per)"
    r"(l|dm3|ml|cm3|m3)(?:-1)?"
)


def plain_text(text: str) -> str:
    """Return a text with superscripts, subscripts, dashes, dots and micro signs made plain."""
    made = unicodedata.normalize("NFKC", text.replace("º", "°"))
    for signs, plain in (("−–—‐‑", "-"), ("·⋅×*•", "."), ("μµ", "u"), ("₊⁺", "+")):
        for sign in signs:
            made = made.replace(sign, plain)
    return " ".join(made.split())


def find_unit(text: str) -> Unit | None:
    """Return the unit a text is, or None if it is none; capitals count only in M, mM, N and K."""
    bare = plain_text(text).strip()
    packed = bare.replace(" ", "").replace("^", "").replace("wt.%", "wt%")
    if packed in _SINGLE:
        kind, factor, offset = _SINGLE[packed]
        return Unit(text.strip(), kind, factor, offset)
    small = packed.lower().replace("litre", "l").replace("liter", "l")
    small = re.sub(r"(?<=[a-z])-3$", "-3", small).replace("dm-3", "/l").replace("m-3", "/m3")
    small = small.replace("l-1", "/l").replace("./", "/").replace("//", "/")
    found = _PER_VOLUME.fullmatch(small)
    if not found:
        return None
    top, bottom = found[1], _VOLUME[found[2]]
    if top in _MASS:
        return Unit(text.strip(), "mass", _MASS[top] / bottom)
    return Unit(text.strip(), "amount", _AMOUNT[top] / bottom)
