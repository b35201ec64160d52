"""What a contact is made of: components that are conserved, and species formed from them.

Every component has a free species; every other species is formed from free species by a reaction
with a constant. Water is no component: OH⁻ is a proton released.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from raffinate.sources import Source

Phase = Literal["aqueous", "organic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeSpecies:
    """The form in which a component exists alone.

    Attributes:
        name: As written in results.
        charge: Of one ion.
        phase: Where it lives.
    """

    name: str
    charge: int
    phase: Phase = "aqueous"


def _ions() -> dict[str, FreeSpecies]:
    lanthanides = ("La", "Ce", "Pr", "Nd", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb")
    trivalent = (*lanthanides, "Lu", "Y", "Sc", "Fe", "Al")
    ions = {symbol: FreeSpecies(name=f"{symbol}+3", charge=3) for symbol in trivalent}
    ions |= {s: FreeSpecies(name=f"{s}+2", charge=2) for s in ("Ca", "Mg", "Zn")}
    ions |= {
        "Th": FreeSpecies(name="Th+4", charge=4),
        "U": FreeSpecies(name="UO2+2", charge=2),
        "proton": FreeSpecies(name="H+", charge=1),
        "ammonium": FreeSpecies(name="NH4+", charge=1),
        "sodium": FreeSpecies(name="Na+", charge=1),
        "potassium": FreeSpecies(name="K+", charge=1),
        "chloride": FreeSpecies(name="Cl-", charge=-1),
        "sulfate": FreeSpecies(name="SO4-2", charge=-2),
        "nitrate": FreeSpecies(name="NO3-", charge=-1),
        "acetate": FreeSpecies(name="CH3COO-", charge=-1),
        "oxalate": FreeSpecies(name="C2O4-2", charge=-2),
        "extractant": FreeSpecies(name="(HA)2", charge=0, phase="organic"),
        "modifier": FreeSpecies(name="modifier", charge=0, phase="organic"),
    }
    return ions


FREE_SPECIES: Mapping[str, FreeSpecies] = MappingProxyType(_ions())
"""Free species of the components known by name; valences are those of acidic liquors: Fe(III),
Ce(III), Eu(III), U(VI) as uranyl. An extractant that is free as monomer or as TBP is given to
`build_tableau` with its own free species."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Species:
    """One species of a contact and the reaction that forms it from free species.

    Attributes:
        name: As written in results: "NdSO4+", "HSO4-", "OH-", "Nd(HA2)3".
        phase: Where it lives.
        charge: Of one ion; 0 in the organic.
        composition: (component, moles in one mole); negative where released, as ("proton", -3).
        log10_constant: Of its formation from free species, activities in mol/kg of water
            (aqueous) and mol/L (organic); 0 for a free species, [-].
        source: Who says so.
        ion_size: Of the extended Debye-Hückel law, [m]; 0 takes the model's own.
        water: Moles of H2O consumed on formation, [-].
    """

    name: str
    phase: Phase
    charge: int
    composition: tuple[tuple[str, float], ...]
    log10_constant: float
    source: Source
    ion_size: float = 0.0
    water: float = 0.0


DEFINITION = Source(title="Free species of a component", note="Its constant is 1 by definition.")
"""Source of the constant of a free species."""


def free_species(component: str) -> Species:
    """Return the free species of a component known by name.

    Raises:
        KeyError: The component has none in `FREE_SPECIES`.
    """
    free = FREE_SPECIES[component]
    return Species(
        name=free.name,
        phase=free.phase,
        charge=free.charge,
        composition=((component, 1.0),),
        log10_constant=0.0,
        source=DEFINITION,
    )
