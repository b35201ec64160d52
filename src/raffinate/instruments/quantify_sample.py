"""What a stream is taken to be made of: metals to be found, and one unknown of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import SpecificationError
from raffinate.instruments.xrf_atomic import atomic_mass, atomic_number
from raffinate.instruments.xrf_matrix import (
    EXTRACTANTS,
    Liquor,
    liquor,
    mass_fractions,
    organic,
)

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """An unknown of the matrix, fitted beside the metals.

    Attributes:
        name: As the result calls it, unit included, such as "acid_mol_per_L".
        scale: SI value of one of that unit.
        start: Where a fit begins.
        step: Of a difference quotient.
        highest: Beyond it, or below zero, the matrix is another one.
    """

    name: str
    scale: float
    start: float
    step: float
    highest: float


class Sample(Protocol):
    """From unknowns to the mass of every chemical element."""

    @property
    def metals(self) -> tuple[str, ...]:
        """Symbols to be found; they fix the metal axis."""
        ...

    @property
    def components(self) -> tuple[str, ...]:
        """Every element of the sample; they fix the component axis."""
        ...

    @property
    def unknown(self) -> Unknown:
        """What is not known of the matrix."""
        ...

    def masses(self, metals: Array, unknown: float) -> Array:
        """Return (component,) [kg/m³] for metals (metal,) [mol/m³] and the matrix unknown [SI]."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AqueousSample:
    """Water, metals, their anion, and an unknown amount of free acid.

    Attributes:
        liquor: Conversion to masses.
    """

    liquor: Liquor

    @property
    def metals(self) -> tuple[str, ...]:
        """Symbols to be found."""
        return self.liquor.metals

    @property
    def components(self) -> tuple[str, ...]:
        """Every element of the sample."""
        return self.liquor.components

    @property
    def unknown(self) -> Unknown:
        """Free acid, [mol/m³]."""
        return Unknown(name="acid_mol_per_L", scale=1e3, start=500.0, step=5.0, highest=12e3)

    def masses(self, metals: Array, unknown: float) -> Array:
        """Return the mass of each component, (component,), [kg/m³]."""
        return self.liquor.masses(metals, unknown)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OrganicSample:
    """Kerosene, an unknown share of extractant, and metals.

    Attributes:
        metals: Symbols to be found.
        extractant: A key of `xrf_matrix.EXTRACTANTS`.
        components: Every element of the sample.
    """

    metals: tuple[str, ...]
    extractant: str
    components: tuple[str, ...]

    @property
    def unknown(self) -> Unknown:
        """Share of the solvent's volume that is extractant, [-]."""
        return Unknown(
            name="extractant_volume_fraction", scale=1.0, start=0.4, step=0.01, highest=1.0
        )

    def masses(self, metals: Array, unknown: float) -> Array:
        """Return the mass of each component, (component,), [kg/m³]."""
        loaded = dict(zip(self.metals, metals.tolist(), strict=True))
        found = organic(loaded, self.extractant, min(unknown, 1.0))
        return np.array([found[symbol] for symbol in self.components])


SOIL_DENSITY = 1500.0
"""Of a powder, [kg/m³]; assumed. A thick sample shows mass fractions only, and no density."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SoilSample:
    """A thick powder: elements to be found, an unknown share of silica, and light matter.

    What is neither counts as water: moisture, organic matter, and the oxygen of other oxides.

    Attributes:
        metals: Symbols to be found; silicon is not among them.
        components: Every element of the sample.
    """

    metals: tuple[str, ...]
    components: tuple[str, ...]

    @property
    def unknown(self) -> Unknown:
        """Silica over silica and water, by mass, [-]."""
        return Unknown(name="silica_fraction_of_rest", scale=1.0, start=0.8, step=0.01, highest=1.0)

    def masses(self, metals: Array, unknown: float) -> Array:
        """Return the mass of each component, (component,), [kg/m³].

        Where elements are more than all, nothing else is left; in a thick sample shares alone
        count.
        """
        own = np.array([atomic_mass(symbol) for symbol in self.metals]) * metals
        rest = max(SOIL_DENSITY - float(np.sum(own)), 0.0)
        silica = min(max(unknown, 0.0), 1.0)
        found = dict(zip(self.metals, own.tolist(), strict=True))
        for formula, amount in (("SiO2", silica * rest), ("H2O", (1.0 - silica) * rest)):
            for symbol, share in mass_fractions(formula):
                found[symbol] = found.get(symbol, 0.0) + share * amount
        return np.array([found[symbol] for symbol in self.components])


MATRICES = ("chloride", "nitrate", "sulfate", *EXTRACTANTS, "soil")
"""What `sample_of` knows: anions of an aqueous stream, extractants of an organic one, a powder."""


def sample_of(metals: Sequence[str], matrix: str = "chloride") -> Sample:
    """Return the sample of a stream.

    Args:
        metals: Symbols to be found, each once.
        matrix: One of `MATRICES`.

    Raises:
        SpecificationError: A name is unknown, or a metal named twice or not at all.
    """
    symbols = tuple(metals)
    if not symbols or len(set(symbols)) < len(symbols):
        raise SpecificationError(
            f"the elements to be found are {', '.join(symbols) or 'none'}.",
            where="XRF sample",
            allowed="at least one, each once",
        )
    if matrix in EXTRACTANTS:
        loaded = organic(dict.fromkeys(symbols, 1.0), matrix, 0.5)
        return OrganicSample(metals=symbols, extractant=matrix, components=tuple(loaded))
    if matrix == "soil":
        for symbol in symbols:
            atomic_number(symbol)
        light = {name for formula in ("SiO2", "H2O") for name, _ in mass_fractions(formula)}
        if light & set(symbols):
            raise SpecificationError(
                f"the elements to be found hold {', '.join(sorted(light & set(symbols)))}.",
                where="XRF soil",
                allowed="none of silica and water, which are the matrix",
            )
        return SoilSample(metals=symbols, components=(*symbols, "Si", "O", "H"))
    if matrix not in MATRICES:
        raise SpecificationError(
            f"the matrix is {matrix!r}.", where="XRF sample", allowed=", ".join(MATRICES)
        )
    return AqueousSample(liquor=liquor(symbols, matrix))
