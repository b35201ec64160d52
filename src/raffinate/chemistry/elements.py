"""Molar masses and oxides of the rare earths, and the metals that accompany them.

Source: IUPAC standard atomic weights 2021 (abridged), Prohaska et al., Pure Appl. Chem. 94 (2022)
573; oxide stoichiometry as traded.
"""

from __future__ import annotations

from dataclasses import dataclass

from raffinate.errors import SpecificationError, nearest_name

OXYGEN_MOLAR_MASS = 15.999e-3
"""[kg/mol]"""

AMMONIA_MOLAR_MASS = 17.031e-3
"""[kg/mol]"""

HYDROGEN_CHLORIDE_MOLAR_MASS = 36.458e-3
"""[kg/mol]"""


@dataclass(frozen=True, slots=True)
class RareEarth:
    """One rare earth.

    Attributes:
        symbol: Chemical symbol.
        atomic_number: Z.
        molar_mass: Of the metal, [kg/mol].
        oxide: Formula of the oxide as traded.
        oxygen_ratio: Oxygen atoms per metal atom in that oxide, [-].
    """

    symbol: str
    atomic_number: int
    molar_mass: float
    oxide: str
    oxygen_ratio: float

    @property
    def charge(self) -> int:
        """Charge of the ion in acid liquor, [-]."""
        return 3

    @property
    def oxide_molar_mass(self) -> float:
        """Mass of oxide per mole of metal, [kg/mol]."""
        return self.molar_mass + self.oxygen_ratio * OXYGEN_MOLAR_MASS


@dataclass(frozen=True, slots=True)
class Impurity:
    """A metal that comes with rare earths.

    Attributes:
        symbol: Chemical symbol.
        molar_mass: Of the metal, [kg/mol].
        charge: Of its ion in acid liquor, [-].
        ion: That ion.
    """

    symbol: str
    molar_mass: float
    charge: int
    ion: str


_TABLE = (
    ("Sc", 21, 44.956, "Sc2O3", 1.5),
    ("Y", 39, 88.906, "Y2O3", 1.5),
    ("La", 57, 138.91, "La2O3", 1.5),
    ("Ce", 58, 140.12, "CeO2", 2.0),
    ("Pr", 59, 140.91, "Pr6O11", 11.0 / 6.0),
    ("Nd", 60, 144.24, "Nd2O3", 1.5),
    ("Sm", 62, 150.36, "Sm2O3", 1.5),
    ("Eu", 63, 151.96, "Eu2O3", 1.5),
    ("Gd", 64, 157.25, "Gd2O3", 1.5),
    ("Tb", 65, 158.93, "Tb4O7", 1.75),
    ("Dy", 66, 162.50, "Dy2O3", 1.5),
    ("Ho", 67, 164.93, "Ho2O3", 1.5),
    ("Er", 68, 167.26, "Er2O3", 1.5),
    ("Tm", 69, 168.93, "Tm2O3", 1.5),
    ("Yb", 70, 173.05, "Yb2O3", 1.5),
    ("Lu", 71, 174.97, "Lu2O3", 1.5),
)

RARE_EARTHS: dict[str, RareEarth] = {
    symbol: RareEarth(symbol, number, grams * 1e-3, oxide, ratio)
    for symbol, number, grams, oxide, ratio in _TABLE
}

_IMPURITY_TABLE = (
    ("Mg", 24.305, 2, "Mg+2"),
    ("Al", 26.982, 3, "Al+3"),
    ("Ca", 40.078, 2, "Ca+2"),
    ("Fe", 55.845, 3, "Fe+3"),
    ("Zn", 65.38, 2, "Zn+2"),
    ("Th", 232.04, 4, "Th+4"),
    ("U", 238.03, 2, "UO2+2"),
)

IMPURITIES: dict[str, Impurity] = {
    symbol: Impurity(symbol, grams * 1e-3, charge, ion)
    for symbol, grams, charge, ion in _IMPURITY_TABLE
}


def rare_earth(symbol: str) -> RareEarth:
    """Return the rare earth of this symbol.

    Raises:
        SpecificationError: No rare earth has this symbol.
    """
    try:
        return RARE_EARTHS[symbol]
    except KeyError:
        raise SpecificationError(
            f"{symbol!r} is not a rare earth known here.",
            where="elements",
            mend=nearest_name(symbol, tuple(RARE_EARTHS)),
        ) from None


def metal(symbol: str) -> RareEarth | Impurity:
    """Return the rare earth or the impurity of this symbol.

    Raises:
        SpecificationError: No metal known here has this symbol.
    """
    if symbol in IMPURITIES:
        return IMPURITIES[symbol]
    if symbol in RARE_EARTHS:
        return RARE_EARTHS[symbol]
    raise SpecificationError(
        f"{symbol!r} is not a rare earth or impurity known here.",
        where="elements",
        mend=nearest_name(symbol, (*RARE_EARTHS, *IMPURITIES)),
    )


def molar_masses(symbols: tuple[str, ...]) -> tuple[float, ...]:
    """Return metal molar masses, [kg/mol], in the order of `symbols`."""
    return tuple(metal(symbol).molar_mass for symbol in symbols)


def oxide_molar_masses(symbols: tuple[str, ...]) -> tuple[float, ...]:
    """Return oxide masses per mole of metal, [kg/mol], in the order of `symbols`."""
    return tuple(rare_earth(symbol).oxide_molar_mass for symbol in symbols)
