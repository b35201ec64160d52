"""Speciation of five liquors, species by species, against PHREEQC.

Both sides take the same constants at 25 °C and the same B-dot law with the same ion sizes: PHREEQC
reads its own database file, from which only the fits over temperature are struck out, so that it
uses the 25 °C constants printed beside them, and to which the constants that the package overrides
are added. What is compared is thus the reading of the database, the activity law and the solver.

Run: python benchmarks/chemistry_phreeqc.py
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from phreeqc import Phreeqc

from raffinate.chemistry.complexes import Database, overridden
from raffinate.chemistry.speciation import Speciation, speciate
from raffinate.chemistry.species import FREE_SPECIES, Species

MAJOR = 0.01
"""Share of its component from which a species is major, [-]."""

ALLOWED = 0.01
"""Largest difference in log10 of the molality of a major species, [-]."""

DATABASE_FILES: Mapping[Database, str] = {
    "llnl": "llnl.dat",
    "thermoddem": "PHREEQC_ThermoddemV1.10_15Dec2020.dat",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquor:
    """One liquor to compare.

    Attributes:
        name: What it is.
        totals: By component, [mol/kg of water].
        pH: At which; None for the charge balance.
        titrant: Ion that makes it neutral at that pH.
        database: Whose constants.
    """

    name: str
    totals: Mapping[str, float] = field(default_factory=dict)
    pH: float | None = None
    titrant: str | None = None
    database: Database = "llnl"


LIQUORS: tuple[Liquor, ...] = (
    Liquor(
        name="0.3 m NdCl3, pH 1",
        totals={"Nd": 0.3, "chloride": 0.9},
        pH=1.0,
        titrant="chloride",
    ),
    Liquor(name="0.25 m Nd2(SO4)3 (0.5 m Nd)", totals={"Nd": 0.5, "sulfate": 0.75}),
    Liquor(name="1 m LaCl3", totals={"La": 1.0, "chloride": 3.0}),
    Liquor(
        name="0.02 m YCl3 in 0.5 m acetate, pH 4.5",
        totals={"Y": 0.02, "chloride": 0.06, "acetate": 0.5},
        pH=4.5,
        titrant="sodium",
    ),
    Liquor(
        name="Ce, Nd, Fe(III), Al sulfate, pH 1.5",
        totals={"Ce": 0.05, "Nd": 0.02, "Fe": 0.02, "Al": 0.1, "sulfate": 0.285},
        pH=1.5,
        titrant="sulfate",
    ),
    Liquor(
        name="leach of ion-adsorption clay, pH 4.5",
        totals={
            "La": 2e-3,
            "Nd": 2e-3,
            "Y": 2e-3,
            "Al": 4e-3,
            "Ca": 5e-3,
            "Mg": 5e-3,
            "ammonium": 0.2,
            "sulfate": 0.125,
        },
        pH=4.5,
        titrant="ammonium",
    ),
    Liquor(
        name="sulfuric leach of monazite, 0.5 m free acid",
        totals={
            "La": 0.05,
            "Ce": 0.1,
            "Pr": 0.01,
            "Nd": 0.04,
            "Fe": 0.02,
            "Th": 0.01,
            "sulfate": 0.85,
        },
    ),
    Liquor(
        name="0.3 m NdCl3, pH 1, Thermoddem",
        totals={"Nd": 0.3, "chloride": 0.9},
        pH=1.0,
        titrant="chloride",
        database="thermoddem",
    ),
)
"""The five liquors asked for, two of a plant's sulfate circuits, and one with other constants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhreeqcState:
    """What PHREEQC finds.

    Attributes:
        molality: By species as PHREEQC names it, [mol/kg].
        pH: [-].
        ionic_strength: [mol/kg].
        water_activity: [-].
    """

    molality: Mapping[str, float]
    pH: float
    ionic_strength: float
    water_activity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedSpecies:
    """One major species on both sides.

    Attributes:
        liquor: In which.
        species: Its name.
        share: Largest share of a component it holds, [-].
        molality: Found here, [mol/kg].
        phreeqc: Found by PHREEQC, [mol/kg].
    """

    liquor: str
    species: str
    share: float
    molality: float
    phreeqc: float

    @property
    def difference(self) -> float:
        """log10 of the ratio of both, [-]."""
        if self.molality <= 0.0 or self.phreeqc <= 0.0:
            return math.inf
        return math.log10(self.molality / self.phreeqc)


def compare(
    liquor: Liquor, *, complexes: Iterable[Species] | None = None
) -> tuple[ComparedSpecies, ...]:
    """Return the major species of a liquor on both sides, largest share first.

    Args:
        liquor: Which.
        complexes: Complexes in place of those of the database, on this side only.
    """
    here = find_here(liquor, complexes=complexes)
    there = find_there(liquor)
    shares: dict[str, float] = {}
    for part in here.share.values():
        for name, value in part.items():
            shares[name] = max(shares.get(name, 0.0), value)
    for name in ("H+", "HSO4-", "CH3COOH"):
        if here.species.get(name, 0.0) >= MAJOR * max(here.ionic_strength, 1e-9):
            shares[name] = max(shares.get(name, 0.0), MAJOR)
    major = [name for name, share in shares.items() if share >= MAJOR]
    major.sort(key=lambda name: -shares[name])
    return tuple(
        ComparedSpecies(
            liquor=liquor.name,
            species=name,
            share=shares[name],
            molality=here.species[name],
            phreeqc=there.molality.get(phreeqc_name(name), 0.0),
        )
        for name in major
    )


def compare_all(liquors: Sequence[Liquor] = LIQUORS) -> tuple[ComparedSpecies, ...]:
    """Return the major species of every liquor on both sides."""
    return tuple(row for liquor in liquors for row in compare(liquor))


def find_here(liquor: Liquor, *, complexes: Iterable[Species] | None = None) -> Speciation:
    """Return the liquor as the package finds it."""
    return speciate(
        liquor.totals,
        activity="bdot",
        database=liquor.database,
        complexes=complexes,
        pH=liquor.pH,
        titrant=liquor.titrant,
        polynuclear=True,
        molal=True,
    )


def find_there(liquor: Liquor) -> PhreeqcState:
    """Return the liquor as PHREEQC finds it.

    Raises:
        RuntimeError: PHREEQC reports an error.
    """
    engine = Phreeqc()
    engine.LoadDatabaseString(database_text(liquor.database))
    engine.SetOutputFileOn(False)
    errors = engine.RunString(phreeqc_input(liquor))
    if errors:
        raise RuntimeError(engine.GetErrorString())
    cells = [
        engine.GetSelectedOutputValue(1, column)
        for column in range(engine.GetSelectedOutputColumnCount())
    ]
    pairs = cells[3:]
    molality = {
        str(name): float(value)
        for name, value in zip(pairs[::2], pairs[1::2], strict=False)
        if isinstance(name, str) and not isinstance(value, str)
    }
    pH, strength, water = (float(value) for value in cells[:3])
    return PhreeqcState(molality=molality, pH=pH, ionic_strength=strength, water_activity=water)


@cache
def database_text(database: Database) -> str:
    """Return a database of PHREEQC without its fits over temperature.

    The B-dot law is that of llnl.dat for all: Thermoddem's own differs in the third digit.
    """
    text = _file_text(database)
    own, law = _law(text), _law(_file_text("llnl"))
    return re.sub(r"(?m)^\s*-analytic\w*\s.*$", "", text.replace(own, law))


def _file_text(database: Database) -> str:
    path = files("phreeqc") / "databases" / DATABASE_FILES[database]
    return path.read_bytes().decode("utf-8-sig", errors="replace")


def _law(text: str) -> str:
    return text[text.index("LLNL_AQUEOUS_MODEL") : text.index("NAMED_EXPRESSIONS")]


def phreeqc_input(liquor: Liquor) -> str:
    """Return the input of PHREEQC for a liquor, with the constants overridden here."""
    masters = master_names(liquor.database)
    totals = dict(liquor.totals)
    if liquor.titrant is not None:
        totals.setdefault(liquor.titrant, 0.1)
    lines = [*override_lines(liquor), "SOLUTION 1", " units mol/kgw", " temp 25"]
    lines.append(" pH 1.0 charge" if liquor.pH is None else f" pH {liquor.pH}")
    for component, amount in totals.items():
        ending = " charge" if component == liquor.titrant else ""
        lines.append(f" {masters[component]} {amount}{ending}")
    lines += [
        "SELECTED_OUTPUT 1",
        " -reset false",
        " -high_precision true",
        "USER_PUNCH 1",
        " -start",
        ' 10 PUNCH -LA("H+"), MU, ACT("H2O")',
        ' 20 t = SYS("aq", n, n$, t$, x)',
        " 30 FOR i = 1 TO n",
        " 40 PUNCH n$(i), x(i)",
        " 50 NEXT i",
        " -end",
        "END",
    ]
    return "\n".join(lines) + "\n"


def override_lines(liquor: Liquor) -> list[str]:
    """Return the species of PHREEQC whose constants the package overrides."""
    lines = []
    for entry in overridden(liquor.database):
        species = entry.species
        ions = " + ".join(
            f"{moles:g} {phreeqc_name(FREE_SPECIES[component].name)}"
            for component, moles in species.composition
        )
        lines += [
            f"{ions} = {phreeqc_name(species.name)}",
            f" -llnl_gamma {species.ion_size * 1e10:g}",
            f" log_k {species.log10_constant:g}",
        ]
    return ["SOLUTION_SPECIES", *lines] if lines else []


def master_names(database: Database) -> dict[str, str]:
    """Return what PHREEQC calls the total of each component."""
    section = database_text(database).split("SOLUTION_MASTER_SPECIES")[1]
    section = section.split("SOLUTION_SPECIES")[0]
    wanted = {phreeqc_name(free.name): name for name, free in FREE_SPECIES.items()}
    wanted |= {"NH3": "ammonium", "HAcetate": "acetate"}
    found: dict[str, str] = {}
    for line in section.splitlines():
        words = line.split("#")[0].split()
        if len(words) >= 2 and words[1] in wanted and words[0] not in ("E", "Alkalinity"):
            # The entry of one valence keeps redox out: "Fe(+3)" after "Fe".
            found[wanted[words[1]]] = words[0]
    return found


def phreeqc_name(name: str) -> str:
    """Return what PHREEQC calls a species."""
    if name == "CH3COOH":
        return "HAcetate"
    return name.replace("CH3COO", "Acetate")


def worst(rows: Iterable[ComparedSpecies]) -> float:
    """Return the largest difference among rows, [-]."""
    return max(abs(row.difference) for row in rows)


def main() -> None:
    """Print the comparison."""
    print(f"{'liquor':44} {'species':14} {'share':>7} {'here':>12} {'PHREEQC':>12} {'dlog10':>9}")
    for liquor in LIQUORS:
        rows = compare(liquor)
        for row in rows:
            print(
                f"{row.liquor:44} {row.species:14} {row.share:7.4f} {row.molality:12.6g} "
                f"{row.phreeqc:12.6g} {row.difference:+9.5f}"
            )
        here, there = find_here(liquor), find_there(liquor)
        print(
            f"{liquor.name:44} pH {here.pH:.4f} / {there.pH:.4f}, I {here.ionic_strength:.4f} / "
            f"{there.ionic_strength:.4f}, a_w {here.water_activity:.4f} / "
            f"{there.water_activity:.4f}, worst {worst(rows):.1e}"
        )


if __name__ == "__main__":
    main()
