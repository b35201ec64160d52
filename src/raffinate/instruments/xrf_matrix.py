"""What a stream is made of, as mass of each element per volume of sample."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.chemistry.liquor_density import WATER_DENSITY, liquor_volumes
from raffinate.chemistry.species import FREE_SPECIES, free_species
from raffinate.errors import SpecificationError
from raffinate.instruments.xrf_atomic import atomic_mass, atomic_number
from raffinate.sources import Source

Array = NDArray[np.float64]

_PART = re.compile(r"([A-Z][a-z]?)(\d*\.?\d*)")

ORGANIC_SOURCE = Source(
    title="Diluent and extractants",
    evidence="assumed",
    note=(
        "Kerosene counts as C12H26 at 780 kg/m³; organic volumes add up, and a loaded metal takes "
        "no room. XRF of a thick sample depends on mass fractions alone"
    ),
)
"""Where the organic phase's composition comes from."""

KEROSENE = "C12H26"
KEROSENE_DENSITY = 780.0
"""[kg/m³]; assumed."""
EXTRACTANTS = {
    "P507": ("C16H35O3P", 950.0),
    "D2EHPA": ("C16H35O4P", 970.0),
    "TBP": ("C12H27O4P", 973.0),
}
"""Formula and density [kg/m³] of the pure monomer; densities assumed."""

_ANION_FORMULA = {"chloride": "Cl", "nitrate": "NO3", "sulfate": "SO4"}
_LEAST_WATER = 0.05


def formula_masses(formula: str) -> dict[str, float]:
    """Return the mass of each element in a mole of a compound, [kg/mol].

    Args:
        formula: As "C16H35O3P"; no brackets.

    Raises:
        SpecificationError: It is no formula.
    """
    parts = _PART.findall(formula)
    if not formula or "".join(symbol + count for symbol, count in parts) != formula:
        raise SpecificationError(
            f"{formula!r} is no formula.", where="XRF sample", allowed="as C16H35O3P, no brackets"
        )
    masses: dict[str, float] = {}
    for symbol, count in parts:
        masses[symbol] = masses.get(symbol, 0.0) + float(count or 1.0) * atomic_mass(symbol)
    return masses


@lru_cache(maxsize=64)
def mass_fractions(formula: str) -> tuple[tuple[str, float], ...]:
    """Return (symbol, mass fraction) of a compound, [-]."""
    masses = formula_masses(formula)
    total = sum(masses.values())
    return tuple((symbol, mass / total) for symbol, mass in masses.items())


def solid(fractions: Mapping[str, float], density: float) -> dict[str, float]:
    """Return a solid's elements, [kg/m³].

    Args:
        fractions: Mass of each element or compound per mass of sample, as {"Fe": 0.9, "SiO2":
            0.1}; brought to a sum of 1.
        density: [kg/m³].

    Raises:
        SpecificationError: A share is negative or all are 0.
    """
    total = sum(fractions.values())
    if not total > 0.0 or min(fractions.values()) < 0.0 or not density > 0.0:
        raise SpecificationError(
            f"shares are {dict(fractions)}, density {density:g} kg/m³.",
            where="XRF sample",
            allowed="shares of 0 or more, one above 0, density above 0",
        )
    masses: dict[str, float] = {}
    for formula, share in fractions.items():
        for symbol, part in mass_fractions(formula):
            masses[symbol] = masses.get(symbol, 0.0) + share / total * part * density
    return masses


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Liquor:
    """Water, acid and salts of given metals: from concentrations to masses of elements.

    Attributes:
        metals: Symbols; they fix the metal axis.
        anion: "chloride", "nitrate" or "sulfate"; it balances metals and acid.
        components: All elements of the liquor, metals first; they fix the component axis.
        warnings: Volumes that are interpolated or unknown.
    """

    metals: tuple[str, ...]
    anion: str
    components: tuple[str, ...]
    warnings: tuple[str, ...]
    _metal_mass: Array
    _metal_charge: Array
    _anion_mass: Array
    _anion_charge: float
    _volumes: Array
    _charges: Array

    def masses(self, metals: ArrayLike, acid: float = 0.0) -> Array:
        """Return the mass of each component, (component,), [kg/m³].

        Args:
            metals: (metal,), [mol/m³].
            acid: Free acid as protons, [mol/m³].

        Raises:
            SpecificationError: A concentration is not finite or so high that no water is left.
        """
        moles = np.asarray(metals, dtype=np.float64)
        charge = float(self._metal_charge @ moles) + acid
        anions = charge / self._anion_charge
        ions = np.concatenate([moles, [acid, anions]])
        water = self._water(ions)
        masses = np.zeros(len(self.components))
        masses[: len(self.metals)] = self._metal_mass * moles
        masses += self._anion_mass * anions
        hydrogen, oxygen = self.components.index("H"), self.components.index("O")
        masses[hydrogen] += acid * atomic_mass("H") + water * dict(mass_fractions("H2O"))["H"]
        masses[oxygen] += water * dict(mass_fractions("H2O"))["O"]
        return masses

    def _water(self, ions: Array) -> float:
        """Water in a cubic metre, [kg/m³]; the law of `chemistry.liquor_density`."""
        strength = max(0.5e-3 * float(self._charges**2 @ ions), 0.0)
        powers = np.array([1.0, strength**0.5, strength])
        free = 1.0 - float(powers @ self._volumes @ ions)
        if not free > _LEAST_WATER:
            raise SpecificationError(
                f"the salts and acid leave {free:.3g} of the volume to water.",
                where="XRF liquor",
                allowed=f"above {_LEAST_WATER:g}",
                mend="Check the concentrations and their unit (mol/m³).",
            )
        return WATER_DENSITY * free


def liquor(metals: tuple[str, ...], anion: str = "chloride") -> Liquor:
    """Return the conversion for an aqueous stream of these metals.

    Raises:
        SpecificationError: The anion or a metal is unknown.
    """
    if anion not in _ANION_FORMULA:
        raise SpecificationError(
            f"the anion is {anion!r}.", where="XRF liquor", allowed=", ".join(_ANION_FORMULA)
        )
    for symbol in metals:
        atomic_number(symbol)
        if symbol not in FREE_SPECIES:
            raise SpecificationError(
                f"no ion of {symbol!r} is known.",
                where="XRF liquor",
                allowed=", ".join(name for name in FREE_SPECIES if name[:1].isupper()),
            )
    anion_masses = formula_masses(_ANION_FORMULA[anion])
    components = tuple(dict.fromkeys((*metals, *anion_masses, "H", "O")))
    ions = [free_species(name) for name in (*metals, "proton", anion)]
    volumes = liquor_volumes(ions)
    return Liquor(
        metals=metals,
        anion=anion,
        components=components,
        warnings=volumes.warnings,
        _metal_mass=np.array([atomic_mass(symbol) for symbol in metals]),
        _metal_charge=np.array([float(ion.charge) for ion in ions[: len(metals)]]),
        _anion_mass=np.array([anion_masses.get(symbol, 0.0) for symbol in components]),
        _anion_charge=float(abs(ions[-1].charge)),
        _volumes=volumes.volumes,
        _charges=volumes.charges,
    )


def organic(
    metals: Mapping[str, float], extractant: str, extractant_volume_fraction: float
) -> dict[str, float]:
    """Return the elements of a loaded organic, [kg/m³].

    Args:
        metals: Symbol to concentration in the organic, [mol/m³].
        extractant: A key of `EXTRACTANTS`.
        extractant_volume_fraction: Of the solvent, [-]; the rest is kerosene.

    Raises:
        SpecificationError: The extractant or its share is out of range.
    """
    if extractant not in EXTRACTANTS or not 0.0 <= extractant_volume_fraction <= 1.0:
        raise SpecificationError(
            f"the organic is {extractant_volume_fraction:g} of {extractant!r}.",
            where="XRF organic",
            allowed=f"a fraction of 0 to 1 of {', '.join(EXTRACTANTS)}",
        )
    formula, density = EXTRACTANTS[extractant]
    masses: dict[str, float] = dict.fromkeys(metals, 0.0)
    for compound, amount in (
        (formula, density * extractant_volume_fraction),
        (KEROSENE, KEROSENE_DENSITY * (1.0 - extractant_volume_fraction)),
    ):
        for symbol, share in mass_fractions(compound):
            masses[symbol] = masses.get(symbol, 0.0) + share * amount
    for symbol, concentration in metals.items():
        masses[symbol] += concentration * atomic_mass(symbol)
    return masses
