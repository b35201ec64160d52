"""Aqueous complexes at 25 °C from two thermodynamic databases, on one naming.

Each database keeps its own file; they are never mixed, because the constants of one set were
derived together. Where a database's own number is broken the row holds the value used in its
place, who says so, and why; the printed number stays beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from raffinate.chemistry.complexes_file import parse_formula, parse_number, read_table
from raffinate.chemistry.species import FREE_SPECIES, Species
from raffinate.errors import SpecificationError, nearest_name
from raffinate.sources import Source

Database = Literal["llnl", "thermoddem"]
"""Sets of constants of aqueous species. llnl has acetates and second sulfates, thermoddem not."""

DATABASES: tuple[Database, ...] = get_args(Database)

COLUMNS = (
    "species",
    "charge",
    "formation",
    "water",
    "log10_constant",
    "ion_size_angstrom",
    "database_reaction",
    "database_log10_constant",
    "override",
    "reason",
)
"""Columns of a table of complexes."""

ANGSTROM = 1e-10
"""[m]"""

LIGANDS = ("chloride", "sulfate", "nitrate", "acetate")
"""Anions whose complexes are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseEntry:
    """One row of a database.

    Attributes:
        species: As it is used.
        database_reaction: The reaction its constant is printed for; empty for a free ion.
        database_log10_constant: The constant printed for that reaction, [-].
        reason: Why another constant is used; empty where the printed one is.
    """

    species: Species
    database_reaction: str
    database_log10_constant: float
    reason: str


def load_complexes(
    components: Iterable[str], *, database: Database = "llnl", polynuclear: bool = False
) -> tuple[Species, ...]:
    """Return every complex that these components can form, hydroxides and acids included.

    Args:
        components: Names as in `FREE_SPECIES`. OH⁻ is formed from `proton`.
        database: Which set of constants.
        polynuclear: Whether species with several metal ions are among them.

    Raises:
        SpecificationError: There is no such database, or a component is not known.
    """
    present = _checked(components)
    return tuple(
        entry.species
        for entry in load_entries(database)
        if not _is_free(entry.species)
        and (polynuclear or not is_polynuclear(entry.species))
        and all(component in present for component, _ in entry.species.composition)
    )


def is_polynuclear(species: Species) -> bool:
    """Return whether a species holds more than one ion of a metal."""
    return any(
        moles > 1.0 and FREE_SPECIES[component].charge > 1
        for component, moles in species.composition
    )


def load_free_ions(
    components: Iterable[str], *, database: Database = "llnl"
) -> tuple[Species, ...]:
    """Return the free ions of these components with the ion sizes of a database.

    A component the database does not know is left out.

    Raises:
        SpecificationError: There is no such database, or a component is not known.
    """
    present = _checked(components)
    return tuple(
        entry.species
        for entry in load_entries(database)
        if _is_free(entry.species) and entry.species.composition[0][0] in present
    )


def overridden(database: Database = "llnl") -> tuple[DatabaseEntry, ...]:
    """Return the rows whose printed constant is not used, with the reason in each."""
    return tuple(entry for entry in load_entries(database) if entry.reason)


def missing_complexes(
    components: Iterable[str], *, database: Database = "llnl"
) -> tuple[tuple[str, str], ...]:
    """Return the pairs of a metal and an anion for which a database has no constant.

    A missing constant is not zero: the metal is then reported as free where it may not be.

    Returns:
        (metal, anion or "hydroxide"), in the order of the components.
    """
    present = _checked(components)
    formed = {
        (metal, ligand)
        for species in load_complexes(present, database=database)
        for metal, _ in species.composition
        for ligand in _ligands(species)
    }
    metals = [name for name in present if FREE_SPECIES[name].charge > 1]
    wanted = [*(name for name in LIGANDS if name in present)]
    if "proton" in present:
        wanted.append("hydroxide")
    return tuple((m, anion) for m in metals for anion in wanted if (m, anion) not in formed)


@cache
def load_entries(database: Database) -> tuple[DatabaseEntry, ...]:
    """Return all rows of a database.

    Raises:
        SpecificationError: There is no such database.
        DataError: Its file is broken.
    """
    if database not in DATABASES:
        raise SpecificationError(
            f"there is no database {database!r}.",
            where="database",
            allowed=", ".join(DATABASES),
            mend=nearest_name(database, DATABASES),
        )
    name = f"aqueous_complexes_{database}.csv"
    table = read_table(name, COLUMNS)
    return tuple(
        _entry(
            cells,
            table.row_source(cells["override"], cells["reason"], f"{name}, line {line}"),
            f"{name}, line {line}",
        )
        for line, cells in table.rows
    )


def _entry(cells: dict[str, str], source: Source, where: str) -> DatabaseEntry:
    def number(column: str) -> float:
        return parse_number(cells[column] or "0", where, column)

    return DatabaseEntry(
        species=Species(
            name=cells["species"],
            phase="aqueous",
            charge=int(number("charge")),
            composition=parse_formula(cells["formation"], where),
            log10_constant=number("log10_constant"),
            source=source,
            ion_size=number("ion_size_angstrom") * ANGSTROM,
            water=number("water"),
        ),
        database_reaction=cells["database_reaction"],
        database_log10_constant=number("database_log10_constant"),
        reason=cells["reason"],
    )


def _checked(components: Iterable[str]) -> tuple[str, ...]:
    present = tuple(components)
    for name in present:
        if name not in FREE_SPECIES or FREE_SPECIES[name].phase != "aqueous":
            raise SpecificationError(
                f"component {name!r} is no ion known here.",
                where="components",
                mend=nearest_name(name, tuple(FREE_SPECIES)),
            )
    return present


def _is_free(species: Species) -> bool:
    return len(species.composition) == 1 and species.composition[0][1] == 1.0


def _ligands(species: Species) -> Sequence[str]:
    found = [name for name, moles in species.composition if name in LIGANDS and moles > 0.0]
    if any(name == "proton" and moles < 0.0 for name, moles in species.composition):
        found.append("hydroxide")
    return found
