"""From an extraction system to the mass-action tableau of both phases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.complexes import load_complexes
from raffinate.chemistry.nonideality import ActivityKind, BuiltNonIdeality, build_nonideality
from raffinate.chemistry.species import DEFINITION, FREE_SPECIES, Species
from raffinate.chemistry.system import ExtractionSystem
from raffinate.chemistry.tableau import Tableau, build_tableau
from raffinate.errors import SpecificationError, nearest_name
from raffinate.sources import Source

CATION_COMPONENTS = {
    "NH4": "ammonium",
    "ammonium": "ammonium",
    "sodium": "sodium",
    "calcium": "Ca",
    "magnesium": "Mg",
}
"""Component of each cation with which an extractant is saponified."""

ION_FORMULAE = {
    "ammonium": "NH4",
    "sodium": "Na",
    "chloride": "Cl",
    "nitrate": "NO3",
    "sulfate": "SO4",
    "acetate": "Ac",
}
"""How an ion is written in the name of an organic species; metals by their symbol."""

PITZER_PAIRS = ("chloride", "nitrate")
"""Anions whose interaction with metals the Pitzer parameters already hold: complexes of a metal
with them would count it twice."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SystemTableau:
    """The equilibrium of a system as a tableau, its numbers and its activity model.

    Attributes:
        tableau: Components (elements of the system first, extractant last) and species.
        log10_constants: Of formation of every species, (species,), [-].
        nonideality: Activity model of both phases with its numbers.
        activity: Kind of that model.
        cations: Components that the extractant takes up beside the elements.
        warnings: Sentences on what the model had to do without.
        sources: Who says so.
    """

    tableau: Tableau
    log10_constants: NDArray[np.float64]
    nonideality: BuiltNonIdeality
    activity: ActivityKind
    cations: tuple[str, ...]
    warnings: tuple[str, ...]
    sources: tuple[Source, ...]


def system_tableau(
    system: ExtractionSystem,
    *,
    activity: ActivityKind | None = None,
    further: Iterable[str] = (),
    molal: bool = False,
) -> SystemTableau:
    """Return the tableau of a system.

    Args:
        system: Its elements become the first components, in its order.
        activity: Activity model of the liquor; None takes that of the system.
        further: Ions that the liquor holds beside those of the system, such as "sulfate".
        molal: Amounts will be given per 1000 kg of water in place of per m³ of liquor.

    Raises:
        SpecificationError: An ion or activity model is not known, or a charge contradicts it.
    """
    return _built(system, activity or system.activity, tuple(further), molal)


@lru_cache(maxsize=64)
def _built(
    system: ExtractionSystem, activity: ActivityKind, further: tuple[str, ...], molal: bool
) -> SystemTableau:
    exchanged = exchange_constants(system)
    components = _components(system, tuple(exchanged), further)
    complexes = _complexes(system, components, further, activity)
    species = [
        _free_extractant(system),
        *complexes,
        *(_extracted(system, place) for place in range(len(system.elements))),
        *(
            _carried(system, component, constant, source)
            for component, (constant, source) in exchanged.items()
        ),
        *(one for one in system.organic_species if _holds(one, components)),
    ]
    tableau = build_tableau(components, species)
    built = build_nonideality(
        activity, tableau.species, loading=system.loading, apparent=system.apparent, molal=molal
    )
    warnings = [*built.warnings, *_warnings(system, activity)]
    return SystemTableau(
        tableau=tableau,
        log10_constants=tableau.log10_constants,
        nonideality=built,
        activity=activity,
        cations=tuple(exchanged),
        warnings=tuple(dict.fromkeys(warnings)),
        sources=tuple(dict.fromkeys((*system.sources, *built.sources))),
    )


@lru_cache(maxsize=64)
def narrowed(
    system: ExtractionSystem, elements: tuple[str, ...], cations: tuple[str, ...]
) -> ExtractionSystem:
    """Return the system of these elements and exchanged cations only, `cations` by component."""
    if elements == system.elements and set(cations) == set(exchange_constants(system)):
        return system
    first = CATION_COMPONENTS[system.saponifying_cation]
    chosen = system if elements == system.elements else system.subset(elements)
    constant = system.log10_saponification_constant
    return replace(
        chosen,
        log10_saponification_constant=constant if first in cations else -np.inf,
        exchange_cations=tuple(
            one for one in system.exchange_cations if CATION_COMPONENTS[one.name] in cations
        ),
    )


def exchange_constants(system: ExtractionSystem) -> dict[str, tuple[float, Source]]:
    """Return log₁₀ K and source of each cation the extractant takes up, by component."""
    found: dict[str, tuple[float, Source]] = {}
    if system.mechanism == "exchange" and np.isfinite(system.log10_saponification_constant):
        first = CATION_COMPONENTS[system.saponifying_cation]
        found[first] = (system.log10_saponification_constant, system.saponification_source)
    for cation in system.exchange_cations:
        component = CATION_COMPONENTS[cation.name]
        # Where an impurity is an element as well, its extraction constant says the same.
        if component not in system.elements:
            found[component] = (cation.log10_constant, cation.source)
    return found


def extractant_units(system: ExtractionSystem) -> float:
    """Return molecules in one unit of free extractant: 2 for a dimer, [-]."""
    return 2.0 if system.extractant_form == "dimer" else 1.0


def _components(
    system: ExtractionSystem, cations: tuple[str, ...], further: tuple[str, ...]
) -> tuple[str, ...]:
    for name in (system.medium, *further):
        if name not in FREE_SPECIES or FREE_SPECIES[name].phase != "aqueous":
            raise SpecificationError(
                f"{name!r} is no ion known here.",
                where=system.name,
                mend=nearest_name(name, tuple(FREE_SPECIES)),
            )
    for symbol, charge in zip(system.elements, system.charge, strict=True):
        if symbol in FREE_SPECIES and FREE_SPECIES[symbol].charge != charge:
            raise SpecificationError(
                f"the charge of {symbol} is {charge:g}.",
                where=system.name,
                allowed=f"{FREE_SPECIES[symbol].charge}, that of {FREE_SPECIES[symbol].name}",
            )
    ordered = (*system.elements, "proton", *cations, system.medium, *further, "extractant")
    return tuple(dict.fromkeys(ordered))


def _holds(species: Species, components: tuple[str, ...]) -> bool:
    return all(component in components for component, _ in species.composition)


def _complexes(
    system: ExtractionSystem,
    components: tuple[str, ...],
    further: tuple[str, ...],
    activity: ActivityKind,
) -> list[Species]:
    """Return the complexes of the system, and those of anions that it does not know of."""
    present = [one for one in system.complexes if _holds(one, components)]
    names = {one.name for one in present}
    anions = {name for name in further if _charge(name) < 0}
    ions = [name for name in components if FREE_SPECIES[name].phase == "aqueous"]
    for one in load_complexes(ions) if anions else ():
        held = dict(one.composition)
        if anions & held.keys() and held.get("proton", 0.0) >= 0.0 and one.name not in names:
            present.append(one)
    if activity != "pitzer":
        return present
    return [one for one in present if not is_pitzer_pair(one)]


def is_pitzer_pair(species: Species) -> bool:
    """Return whether a complex is of one metal with anions that Pitzer parameters cover."""
    anions = {name for name, moles in species.composition if moles > 0.0 and _charge(name) < 0}
    cations = {name for name, moles in species.composition if moles > 0.0 and _charge(name) > 0}
    released = any(moles < 0.0 for _, moles in species.composition)
    return bool(cations) and not released and bool(anions) and anions <= set(PITZER_PAIRS)


def _charge(component: str) -> int:
    return FREE_SPECIES[component].charge if component in FREE_SPECIES else 0


def _free_extractant(system: ExtractionSystem) -> Species:
    if system.mechanism == "solvation":
        name = system.extractant
    else:
        name = "(HA)2" if system.extractant_form == "dimer" else "HA"
    return Species(
        name=name,
        phase="organic",
        charge=0,
        composition=(("extractant", 1.0),),
        log10_constant=0.0,
        source=DEFINITION,
    )


def _extracted(system: ExtractionSystem, place: int) -> Species:
    symbol = system.elements[place]
    charge, units = float(system.charge[place]), float(system.extractant_number[place])
    if system.mechanism == "solvation":
        anions = charge / -_charge(system.medium)
        formula = ION_FORMULAE.get(system.medium, system.medium)
        name = f"{symbol}({formula}){_count(anions)}({system.extractant}){_count(units)}"
        taken: tuple[tuple[str, float], ...] = ((system.medium, anions),)
    else:
        name = _acidic_name(system, symbol, charge, units)
        taken = (("proton", -charge),)
    return Species(
        name=name,
        phase="organic",
        charge=0,
        composition=((symbol, 1.0), *taken, ("extractant", units)),
        log10_constant=float(system.log10_extraction_constant[place]),
        source=system.constant_sources[place],
    )


def _carried(system: ExtractionSystem, component: str, constant: float, source: Source) -> Species:
    charge = float(_charge(component))
    formula = ION_FORMULAE.get(component, component)
    return Species(
        name=_acidic_name(system, formula, charge, charge),
        phase="organic",
        charge=0,
        composition=((component, 1.0), ("proton", -charge), ("extractant", charge)),
        log10_constant=constant,
        source=source,
    )


def _acidic_name(system: ExtractionSystem, formula: str, charge: float, units: float) -> str:
    """Return such as Nd(HA2)3: a dimer that lost a proton is HA2; what lost none stays whole."""
    unit = "HA2" if system.extractant_form == "dimer" else "A"
    whole = "(HA)2" if system.extractant_form == "dimer" else "HA"
    bare = unit if unit == "A" else f"({unit})"
    name = f"{formula}{bare}{_count(charge)}"
    return name if units == charge else f"{name}·{units - charge:+g}{whole}"


def _count(number: float) -> str:
    return "" if number == 1.0 else f"{number:g}"


def _warnings(system: ExtractionSystem, activity: ActivityKind) -> list[str]:
    if activity == system.activity:
        return []
    return [
        f"The constants of {system.name} stand on the scale of activity {system.activity!r}, "
        f"not of {activity!r}: D shifts by the activity coefficients."
    ]
