"""Molar masses and oxides of the rare earths.

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
    def oxide_molar_mass(self) -> float:
        """Mass of oxide per mole of metal, [kg/mol]."""
        return self.molar_mass + self.oxygen_ratio * OXYGEN_MOLAR_MASS


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


def molar_masses(symbols: tuple[str, ...]) -> tuple[float, ...]:
    """Return metal molar masses, [kg/mol], in the order of `symbols`."""
    return tuple(rare_earth(symbol).molar_mass for symbol in symbols)


def oxide_molar_masses(symbols: tuple[str, ...]) -> tuple[float, ...]:
    """Return oxide masses per mole of metal, [kg/mol], in the order of `symbols`."""
    return tuple(rare_earth(symbol).oxide_molar_mass for symbol in symbols)
