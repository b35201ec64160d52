"""What a stream is taken to be made of: metals to be found, and one unknown of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import SpecificationError
from raffinate.instruments.xrf_matrix import EXTRACTANTS, Liquor, liquor, organic

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


MATRICES = ("chloride", "nitrate", "sulfate", *EXTRACTANTS)
"""What `sample_of` knows: anions of an aqueous stream, extractants of an organic one."""


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
    if matrix not in MATRICES:
        raise SpecificationError(
            f"the matrix is {matrix!r}.", where="XRF sample", allowed=", ".join(MATRICES)
        )
    return AqueousSample(liquor=liquor(symbols, matrix))
