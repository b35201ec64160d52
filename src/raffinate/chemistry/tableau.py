"""The mass-action tableau of both phases: species by components, and how it is solved.

A component is *linear* when every species holds none or one of it and no species holds two linear
components: at given activities of the others its species share its total in fixed proportion, so
it drops out of the solve in closed form. All mononuclear metals and exchange cations are linear.
What is left are the *masters*: proton, extractant and the anions that form complexes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.species import FREE_SPECIES, Species, free_species
from raffinate.errors import DataError, nearest_name

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tableau:
    """Species of a contact as combinations of its components; built by `build_tableau`.

    Attributes:
        components: Names; they fix the first axis of totals.
        species: Aqueous first, then organic; they fix the first axis of constants and results.
    """

    components: tuple[str, ...]
    species: tuple[Species, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the species."""
        return tuple(species.name for species in self.species)

    @property
    def aqueous_count(self) -> int:
        """Number of aqueous species, which come first."""
        return sum(species.phase == "aqueous" for species in self.species)

    @property
    def stoichiometry(self) -> FloatArray:
        """Moles of each component in one mole of species, (species, component), [-]."""
        matrix = np.zeros((len(self.species), len(self.components)))
        for row, species in zip(matrix, self.species, strict=True):
            for component, moles in species.composition:
                row[self.components.index(component)] += moles
        return matrix

    @property
    def charge(self) -> FloatArray:
        """Charges, (species,), [-]."""
        return np.array([float(species.charge) for species in self.species])

    @property
    def component_charge(self) -> FloatArray:
        """Charges of the free species, (component,), [-]."""
        return self.charge[list(self.free)]

    @property
    def water(self) -> FloatArray:
        """Moles of H2O consumed on formation, (species,), [-]."""
        return np.array([species.water for species in self.species])

    @property
    def log10_constants(self) -> FloatArray:
        """Constants the species were given with, (species,), [-]."""
        return np.array([species.log10_constant for species in self.species])

    @property
    def free(self) -> tuple[int, ...]:
        """Index of the free species of each component."""
        places = {
            species.composition[0][0]: index
            for index, species in enumerate(self.species)
            if _is_free(species)
        }
        return tuple(places[component] for component in self.components)

    @property
    def linear(self) -> tuple[int, ...]:
        """Indices of the components that are eliminated in closed form."""
        matrix, charge = self.stoichiometry, self.component_charge
        chosen: list[int] = []
        taken = np.zeros(len(self.species), dtype=bool)
        # Cations first: they are many, and each anion would exclude all it forms complexes with.
        for index in sorted(range(len(self.components)), key=lambda k: charge[k] <= 0.0):
            column = matrix[:, index]
            if np.isin(column, (0.0, 1.0)).all() and not (taken & (column > 0.0)).any():
                chosen.append(index)
                taken |= column > 0.0
        return tuple(sorted(chosen))

    @property
    def masters(self) -> tuple[int, ...]:
        """Indices of the other components."""
        linear = self.linear
        return tuple(k for k in range(len(self.components)) if k not in linear)

    def index(self, name: str) -> int:
        """Return the place of a species.

        Raises:
            DataError: There is none of this name.
        """
        if name not in self.names:
            raise DataError(
                f"there is no species {name!r}.",
                where="tableau",
                mend=nearest_name(name, self.names),
            )
        return self.names.index(name)


def build_tableau(components: Sequence[str], species: Sequence[Species]) -> Tableau:
    """Return the tableau of some components and what they form.

    Args:
        components: Names, each once.
        species: What they form. Free species may be left out; one that is given (one mole of its
            component alone, constant 1) takes the place of the one in `FREE_SPECIES`.

    Raises:
        DataError: A component is unknown or twice, a species names a component that is not
            there, occurs twice, has a charge that is not that of what it is made of, or is a
            charged organic one.
    """
    given = {s.composition[0][0]: s for s in species if _is_free(s)}
    unknown = [c for c in components if c not in given and c not in FREE_SPECIES]
    if unknown:
        raise DataError(
            f"component {unknown[0]!r} has no free species.",
            where="tableau",
            mend=nearest_name(unknown[0], tuple(FREE_SPECIES)),
        )
    free = [given.get(component) or free_species(component) for component in components]
    everything = [*free, *(s for s in species if not _is_free(s))]
    _check_unique("component", list(components))
    _check_unique("species", [s.name for s in everything])
    charge = {s.composition[0][0]: s.charge for s in free}
    for entry in everything:
        _check_species(entry, charge)
    ordered = sorted(everything, key=lambda s: s.phase != "aqueous")
    return Tableau(tuple(components), tuple(ordered))


def _is_free(species: Species) -> bool:
    alone = len(species.composition) == 1 and species.composition[0][1] == 1.0
    # Extractant dissolved in the liquor is one mole of it too, but with a constant.
    return alone and species.log10_constant == 0.0 and species.water == 0.0


def _check_unique(kind: str, names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"{kind} {twice[0]!r} is given {names.count(twice[0])} times.", where="tableau"
        )


def _check_species(species: Species, charge: dict[str, int]) -> None:
    where = f"species {species.name}"
    for component, _ in species.composition:
        if component not in charge:
            raise DataError(
                f"it contains {component!r}, which is not a component.",
                where=where,
                mend=nearest_name(component, tuple(charge)),
            )
    carried = sum(moles * charge[component] for component, moles in species.composition)
    if abs(carried - species.charge) > 1e-9:
        raise DataError(
            f"its charge is {species.charge:+d}, but what it is made of carries {carried:+g}.",
            where=where,
            mend="Correct its charge or the protons it releases.",
        )
    if species.phase == "organic" and species.charge != 0:
        raise DataError(
            f"its charge is {species.charge:+d}.", where=where, allowed="0 in the organic"
        )
