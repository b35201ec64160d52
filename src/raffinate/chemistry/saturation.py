"""Which solids a liquor is saturated with, as indices from solubility products with sources.

The index of a solid is log₁₀ of its ion activity product over its solubility product: 0 at
saturation, above 0 where it can precipitate. Sulfates of rare earths are known for few elements;
where no constant is sourced, `missing_solids` says so and no index is made up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from raffinate.chemistry.complexes import DATABASES, Database
from raffinate.chemistry.complexes_file import parse_formula, parse_number, read_table
from raffinate.chemistry.elements import RARE_EARTHS
from raffinate.chemistry.species import FREE_SPECIES
from raffinate.errors import DataError, SpecificationError
from raffinate.sources import Source

Form = Literal["fresh", "aged"]
"""fresh: comes down when its index passes 0; aged: forms from it in days, or when heated."""

COLUMNS = (
    "solid",
    "dissolution",
    "water",
    "log10_constant",
    "form",
    "database_name",
    "database_reaction",
    "database_log10_constant",
)
"""Columns of a table of solids from a database."""

SULFATE_COLUMNS = ("solid", "dissolution", "water", "log10_constant", "form", "source")
"""Columns of the table of rare-earth sulfates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solid:
    """A solid and the reaction that dissolves it to free ions.

    Attributes:
        name: Mineral, or formula.
        composition: (component, moles set free by one mole); negative where taken up, as
            ("proton", -3) of a hydroxide.
        water: Moles of H2O set free, [-].
        log10_constant: Of dissolution at 25 °C, activities in mol/kg of water, [-].
        form: Whether it comes down at once.
        source: Who says so.
    """

    name: str
    composition: tuple[tuple[str, float], ...]
    water: float
    log10_constant: float
    form: Form
    source: Source

    def saturation_index(
        self, log10_activity: Mapping[str, float], log10_water_activity: float
    ) -> float:
        """Return log₁₀ of ion activity product over solubility product, [-].

        Args:
            log10_activity: Of the free ions by component, in mol/kg of water, [-].
            log10_water_activity: [-].
        """
        product = sum(moles * log10_activity[name] for name, moles in self.composition)
        return product + self.water * log10_water_activity - self.log10_constant


def load_solids(components: Iterable[str], *, database: Database = "llnl") -> tuple[Solid, ...]:
    """Return the solids that these components can form.

    Args:
        components: Names as in `FREE_SPECIES`.
        database: Whose constants go first; solids only the other one knows follow, then the
            sulfates of rare earths.

    Raises:
        SpecificationError: There is no such database.
    """
    present = set(components)
    order = (database, *(other for other in DATABASES if other != database))
    found: dict[str, Solid] = {}
    for solid in (*(s for name in order for s in _database_solids(name)), *rare_earth_sulfates()):
        if all(name in present for name, _ in solid.composition):
            found.setdefault(solid.name, solid)
    return tuple(found.values())


def saturation_indices(
    solids: Sequence[Solid],
    log10_activity: Mapping[str, float],
    log10_water_activity: float = 0.0,
) -> dict[str, float]:
    """Return the saturation index of each solid whose ions are all there, [-].

    Args:
        solids: From `load_solids`.
        log10_activity: Of the free ions by component, in mol/kg of water; an ion that is absent
            is left out or -inf, [-].
        log10_water_activity: [-].
    """
    return {
        solid.name: solid.saturation_index(log10_activity, log10_water_activity)
        for solid in solids
        if all(math.isfinite(log10_activity.get(name, -math.inf)) for name, _ in solid.composition)
    }


def saturation_warnings(solids: Sequence[Solid], indices: Mapping[str, float]) -> tuple[str, ...]:
    """Return one sentence for each solid the liquor is supersaturated with, worst first."""
    over = [solid for solid in solids if indices.get(solid.name, -math.inf) > 0.0]
    over.sort(key=lambda solid: -indices[solid.name])
    return tuple(_warning(solid, indices[solid.name]) for solid in over)


def missing_solids(components: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the solids known to industry for which no constant is sourced here.

    Returns:
        (family, element) with family "hydroxide", "sulfate", "sodium double sulfate", "ammonium
        double sulfate" or "oxalate", for the rare earths among the components.
    """
    present = tuple(components)
    earths = [name for name in present if name in RARE_EARTHS]
    solids = [solid for name in DATABASES for solid in _database_solids(name)]
    known = {_family(solid) for solid in (*solids, *rare_earth_sulfates())}
    families = [
        ("hydroxide", {"proton"}),
        ("sulfate", {"sulfate"}),
        ("sodium double sulfate", {"sodium", "sulfate"}),
        ("ammonium double sulfate", {"ammonium", "sulfate"}),
        ("oxalate", {"oxalate"}),
    ]
    return tuple(
        (family, earth)
        for family, needed in families
        if needed <= set(present)
        for earth in earths
        if (family, earth) not in known
    )


@cache
def rare_earth_sulfates() -> tuple[Solid, ...]:
    """Return the simple and double sulfates of rare earths for which a constant is known."""
    name = "solids_rare_earth_sulfates.csv"
    table = read_table(name, SULFATE_COLUMNS)
    return tuple(
        _solid(cells, table.row_source(cells["source"], "", name), f"{name}, line {line}")
        for line, cells in table.rows
    )


@cache
def _database_solids(database: Database) -> tuple[Solid, ...]:
    if database not in DATABASES:
        raise SpecificationError(
            f"there is no database {database!r}.", where="database", allowed=", ".join(DATABASES)
        )
    name = f"solids_{database}.csv"
    table = read_table(name, COLUMNS)
    return tuple(_solid(cells, table.source, f"{name}, line {line}") for line, cells in table.rows)


def _solid(cells: Mapping[str, str], source: Source, where: str) -> Solid:
    composition = parse_formula(cells["dissolution"], where)
    if sum(moles * FREE_SPECIES[name].charge for name, moles in composition):
        raise DataError("the ions carry a net charge.", where=where, allowed="a neutral solid")
    return Solid(
        name=cells["solid"],
        composition=composition,
        water=parse_number(cells["water"], where, "water"),
        log10_constant=parse_number(cells["log10_constant"], where, "log10_constant"),
        form=_form(cells["form"], where),
        source=source,
    )


def _form(text: str, where: str) -> Form:
    if text == "fresh":
        return "fresh"
    if text == "aged":
        return "aged"
    raise DataError(f"form reads {text!r}.", where=where, allowed="fresh, aged")


def _family(solid: Solid) -> tuple[str, str]:
    held = dict(solid.composition)
    earth = next((name for name in held if name in RARE_EARTHS), "")
    for cation in ("sodium", "ammonium"):
        if "sulfate" in held and cation in held:
            return f"{cation} double sulfate", earth
    if held.get("proton", 0.0) < 0.0:
        return "hydroxide", earth
    return next((anion for anion in ("sulfate", "oxalate") if anion in held), ""), earth


def _warning(solid: Solid, index: float) -> str:
    ending = {
        "fresh": "it can precipitate",
        "aged": "it forms slowly at 25 °C, and may not come down",
    }[solid.form]
    doubt = (
        "" if solid.source.evidence == "sourced" else f" Its constant is {solid.source.evidence}."
    )
    return f"Supersaturated with {solid.name}, index {index:+.2f}: {ending}.{doubt}"
