"""What a table of assays needs to know of elements, salts and extractants to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from raffinate.sources import Source

ATOMIC_WEIGHTS = Source(
    title="Standard atomic weights 2021, abridged",
    reference="Prohaska et al., Pure Appl. Chem. 94 (2022) 573",
    note="oxides and ionic charges as usual in hydrometallurgy",
)

OXYGEN_MOLAR_MASS = 15.999e-3
"""[kg/mol]"""


@dataclass(frozen=True, slots=True)
class AssayElement:
    """An element as laboratories report it.

    Attributes:
        symbol: Chemical symbol.
        molar_mass: Of the element, [kg/mol].
        oxide: Formula of the oxide in which it is reported.
        oxygen_ratio: Oxygen atoms per atom of the element in that oxide, [-].
        charge: Of its ion in acid liquor; protons an acidic extractant gives up for it.
    """

    symbol: str
    molar_mass: float
    oxide: str
    oxygen_ratio: float
    charge: int

    @property
    def oxide_molar_mass(self) -> float:
        """Mass of oxide per mole of the element, [kg/mol]."""
        return self.molar_mass + self.oxygen_ratio * OXYGEN_MOLAR_MASS


_TABLE = (
    ("Mg", 24.305, "MgO", 1.0, 2),
    ("Al", 26.982, "Al2O3", 1.5, 3),
    ("Ca", 40.078, "CaO", 1.0, 2),
    ("Sc", 44.956, "Sc2O3", 1.5, 3),
    ("Fe", 55.845, "Fe2O3", 1.5, 3),
    ("Zn", 65.38, "ZnO", 1.0, 2),
    ("Y", 88.906, "Y2O3", 1.5, 3),
    ("La", 138.91, "La2O3", 1.5, 3),
    ("Ce", 140.12, "CeO2", 2.0, 3),
    ("Pr", 140.91, "Pr6O11", 11.0 / 6.0, 3),
    ("Nd", 144.24, "Nd2O3", 1.5, 3),
    ("Sm", 150.36, "Sm2O3", 1.5, 3),
    ("Eu", 151.96, "Eu2O3", 1.5, 3),
    ("Gd", 157.25, "Gd2O3", 1.5, 3),
    ("Tb", 158.93, "Tb4O7", 1.75, 3),
    ("Dy", 162.50, "Dy2O3", 1.5, 3),
    ("Ho", 164.93, "Ho2O3", 1.5, 3),
    ("Er", 167.26, "Er2O3", 1.5, 3),
    ("Tm", 168.93, "Tm2O3", 1.5, 3),
    ("Yb", 173.05, "Yb2O3", 1.5, 3),
    ("Lu", 174.97, "Lu2O3", 1.5, 3),
    ("Th", 232.04, "ThO2", 2.0, 4),
    ("U", 238.03, "U3O8", 8.0 / 3.0, 2),
)

ELEMENTS: dict[str, AssayElement] = {
    symbol: AssayElement(symbol, grams * 1e-3, oxide, ratio, charge)
    for symbol, grams, oxide, ratio, charge in _TABLE
}
"""By symbol; uranium counts as uranyl, cerium as Ce³⁺, iron as Fe³⁺."""

OXIDES: dict[str, str] = {
    **{element.oxide: symbol for symbol, element in ELEMENTS.items()},
    "Ce2O3": "",
    "Pr2O3": "",
    "Tb2O3": "",
}
"""Symbol by oxide formula; empty where the formula is not the one its element is reported as."""

SALTS: dict[str, dict[str, float]] = {
    "NH4Cl": {"ammonium": 1.0, "chloride": 1.0},
    "NaCl": {"sodium": 1.0, "chloride": 1.0},
    "CaCl2": {"Ca": 1.0, "chloride": 2.0},
    "MgCl2": {"Mg": 1.0, "chloride": 2.0},
    "NH4NO3": {"ammonium": 1.0, "nitrate": 1.0},
    "NaNO3": {"sodium": 1.0, "nitrate": 1.0},
    "(NH4)2SO4": {"ammonium": 2.0, "sulfate": 1.0},
    "Na2SO4": {"sodium": 2.0, "sulfate": 1.0},
    "NaOAc": {"sodium": 1.0, "acetate": 1.0},
    "NH4OAc": {"ammonium": 1.0, "acetate": 1.0},
}
"""Ions of a salt, in moles per mole of it, by component name."""

CATIONS: dict[str, str] = {
    "ammonium": "ammonium",
    "nh4": "ammonium",
    "nh3": "ammonium",
    "ammonia": "ammonium",
    "nh4oh": "ammonium",
    "sodium": "sodium",
    "na": "sodium",
    "naoh": "sodium",
    "calcium": "calcium",
    "ca": "calcium",
    "cao": "calcium",
    "magnesium": "magnesium",
    "mg": "magnesium",
    "mgo": "magnesium",
}
"""Component name of the cation that an extractant was saponified with, by what tables write."""


@dataclass(frozen=True, slots=True)
class ExtractantKind:
    """How an extractant works.

    Attributes:
        mechanism: Exchange of protons, or solvation of the neutral salt.
        form: In which form it exists freely in its diluent.
    """

    mechanism: Literal["exchange", "solvation"]
    form: Literal["dimer", "monomer"]


_DIMERS = (
    "p507 pc88a ehehpa hehehp ionquest801 d2ehpa p204 hdehp dehpa cyanex272 p229 ionquest290 "
    "cyanex572"
)
_CARBOXYLIC = "naphthenicacid naphthenic versatic10 versaticacid ca12"
_SOLVATING = "tbp p350 dmhmp topo cyanex923"

EXTRACTANTS: dict[str, ExtractantKind] = {
    **{name: ExtractantKind("exchange", "dimer") for name in _DIMERS.split()},
    **{name: ExtractantKind("exchange", "monomer") for name in _CARBOXYLIC.split()},
    **{name: ExtractantKind("solvation", "monomer") for name in _SOLVATING.split()},
}
"""By name in small letters and digits only."""


def plain_name(text: str) -> str:
    """Return a name in small letters and digits only, as `EXTRACTANTS` is keyed."""
    return "".join(letter for letter in text.lower() if letter.isalnum())
