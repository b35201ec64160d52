"""What a liquor and an organic are given as, checked and turned into components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from raffinate.chemistry.elements import IMPURITIES, RARE_EARTHS
from raffinate.chemistry.liquor_limits import check_dissolved
from raffinate.chemistry.species import FREE_SPECIES
from raffinate.chemistry.system import ExtractionSystem
from raffinate.chemistry.system_tableau import (
    CATION_COMPONENTS,
    exchange_constants,
    extractant_units,
)
from raffinate.errors import SpecificationError, nearest_name

WHERE = "equilibrate"
AQUEOUS, ORGANIC = f"{WHERE}: aqueous", f"{WHERE}: organic"

BALANCE_SLACK = 1e-6
"""Share of the charge by which cations and anions of a liquor may differ, [-]: those of one that
was itself computed differ by rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ions:
    """What may be dissolved in a liquor against a system.

    Attributes:
        elements: Metals with an extraction constant.
        exchanged: Further cations that the extractant takes up.
        inert: Cations that stay in the liquor.
        anions: The anion of the system first.
        organic_anions: Those that an organic species holds.
        basic: Whether hydroxide is among the species.
    """

    elements: tuple[str, ...]
    exchanged: tuple[str, ...]
    inert: tuple[str, ...]
    anions: tuple[str, ...]
    organic_anions: tuple[str, ...]
    basic: bool

    @property
    def cations(self) -> tuple[str, ...]:
        """Every cation but the proton."""
        return (*self.elements, *self.exchanged, *self.inert)


def ions_of(system: ExtractionSystem) -> Ions:
    """Return what may be dissolved in a liquor against `system`."""
    exchanged = tuple(exchange_constants(system))
    metals = {*RARE_EARTHS, *IMPURITIES}
    aqueous = [name for name, free in FREE_SPECIES.items() if free.phase == "aqueous"]
    salts = [name for name in aqueous if name not in metals and name != "proton"]
    held = {c for one in system.organic_species for c, moles in one.composition if moles > 0.0}
    if system.mechanism == "solvation":
        held.add(system.medium)
    anions = dict.fromkeys([system.medium, *(n for n in salts if FREE_SPECIES[n].charge < 0)])
    return Ions(
        elements=system.elements,
        exchanged=exchanged,
        inert=tuple(n for n in salts if FREE_SPECIES[n].charge > 0 and n not in exchanged),
        anions=tuple(anions),
        organic_anions=tuple(name for name in anions if name in held),
        basic=any(one.composition == (("proton", -1.0),) for one in system.complexes),
    )


def charge_of(component: str) -> float:
    """Return the charge of one ion of a component, [-]."""
    return float(FREE_SPECIES[component].charge)


def liquor_components(
    system: ExtractionSystem, ions: Ions, aqueous: Mapping[str, float]
) -> dict[str, float]:
    """Return a liquor as components, [mol/m³]; the charge balance fixes what is left out.

    Args:
        system: The constants.
        ions: What may be dissolved.
        aqueous: As `equilibrate` takes it, [mol/m³].

    Raises:
        SpecificationError: A name or an amount that cannot be, or charges that do not balance.
    """
    known = (*ions.cations, "proton", *ions.anions, *(("hydroxide",) if ions.basic else ()))
    _check_amounts(system, aqueous, known, AQUEOUS)
    check_dissolved(aqueous, AQUEOUS)
    found = {name: float(value) for name, value in aqueous.items() if name != "hydroxide"}
    if "proton" in aqueous or "hydroxide" in aqueous:
        found["proton"] = found.get("proton", 0.0) - float(aqueous.get("hydroxide", 0.0))
    if "proton" not in found and not any(name in found for name in ions.anions):
        raise SpecificationError(
            f"neither proton nor {system.medium} is given.",
            where=AQUEOUS,
            mend="Give one of them, [mol/m³]; the charge balance fixes the other.",
        )
    positive = sum(charge_of(name) * found.get(name, 0.0) for name in ions.cations)
    negative = -sum(charge_of(name) * found.get(name, 0.0) for name in ions.anions)
    if "proton" not in found:
        found["proton"] = _proton_left(ions, positive, negative)
    elif system.medium not in found:
        found[system.medium] = _anion_left(system, positive + found["proton"], negative)
    else:
        excess = positive + found["proton"] - negative
        _check_charges(positive + found["proton"], negative, system.medium)
        found[system.medium] = max(found[system.medium] - excess / charge_of(system.medium), 0.0)
    if not any(found[name] > 0.0 for name in ions.anions if name in found):
        raise SpecificationError(
            "the liquor is pure water.",
            where=AQUEOUS,
            allowed=f"above 0 mol/m³ of {system.medium}",
            mend="Give proton or rare earths: without ions there is no pH to find.",
        )
    return found


def _proton_left(ions: Ions, positive: float, negative: float) -> float:
    proton = negative - positive
    if proton < -1e-12 * negative and not ions.basic:
        raise SpecificationError(
            f"{_named(ions.anions[0])} is {negative:.6g} mol/m³, but the other cations alone carry "
            f"{positive:.6g} mol/m³ of charge.",
            where=AQUEOUS,
            allowed=f"at least {positive:.6g} mol/m³ of {ions.anions[0]}",
            mend=f"Give proton instead of {ions.anions[0]}.",
        )
    return proton if ions.basic else max(proton, 0.0)


def _named(anion: str) -> str:
    return f"charge of {anion} and other anions"


def _anion_left(system: ExtractionSystem, positive: float, negative: float) -> float:
    anion = (positive - negative) / -charge_of(system.medium)
    if anion < -BALANCE_SLACK * max(negative, positive, 0.0):
        raise SpecificationError(
            f"anions carry {negative:.6g} mol/m³ of charge, cations {positive:.6g}, without any "
            f"{system.medium}.",
            where=AQUEOUS,
            allowed="as much charge of anions as of cations",
            mend="Leave out proton, or give the cation that came with the anion.",
        )
    return max(anion, 0.0)


def _check_charges(positive: float, negative: float, medium: str) -> None:
    if abs(positive - negative) > BALANCE_SLACK * max(abs(positive), negative):
        raise SpecificationError(
            f"cations carry {positive:.6g} mol/m³ of charge, anions {negative:.6g}.",
            where=AQUEOUS,
            allowed="as much charge of anions as of cations",
            mend=f"Leave out proton or {medium}.",
        )


def solvent_components(
    system: ExtractionSystem, ions: Ions, organic: Mapping[str, float], cation: str | None
) -> dict[str, float]:
    """Return an organic as components, [mol/m³]; its proton is what keeps it neutral.

    Args:
        system: The constants.
        ions: What may be dissolved.
        organic: As `equilibrate` takes it, [mol/m³].
        cation: With what it is saponified; None takes the first cation of the system.

    Raises:
        SpecificationError: A name or an amount that cannot be, or more than the extractant binds.
    """
    acid = ("proton",) if ions.organic_anions else ()
    carried = (*ions.elements, *ions.exchanged, *ions.organic_anions, *acid)
    _check_amounts(system, organic, (*carried, "extractant", "saponification_degree"), ORGANIC)
    extractant = float(organic.get("extractant", 0.0))
    if not extractant > 0.0:
        raise SpecificationError(
            f"extractant is {extractant:g} mol/m³ of HA."
            if "extractant" in organic
            else "no extractant.",
            where=ORGANIC,
            allowed="above 0 mol/m³",
            mend="Give extractant as total HA, such as 1500 for 1.5 mol/L.",
        )
    found = {name: float(organic[name]) for name in carried if name in organic}
    if "saponification_degree" in organic:
        found |= _saponified(system, ions, organic, cation)
    acid_uptake = found.pop("proton", None)
    found = _salt_completed(system, ions, found, acid_uptake)
    found["extractant"] = extractant / extractant_units(system)
    _check_capacity(system, ions, found)
    return found


def _saponified(
    system: ExtractionSystem, ions: Ions, organic: Mapping[str, float], cation: str | None
) -> dict[str, float]:
    degree = float(organic["saponification_degree"])
    if not ions.exchanged:
        if degree == 0.0:
            return {}
        raise SpecificationError(
            f"saponification_degree is {degree:g}.",
            where=ORGANIC,
            allowed=f"0: {system.name} has no constant of a saponifying cation",
        )
    name = CATION_COMPONENTS.get(cation, cation) if cation else ions.exchanged[0]
    if name not in ions.exchanged:
        raise SpecificationError(
            f"{cation!r} is no cation that saponifies.",
            where=ORGANIC,
            allowed=", ".join(ions.exchanged),
            mend=_reason(system, cation or ""),
        )
    if name in organic:
        raise SpecificationError(
            f"both saponification_degree and {name} are given.",
            where=ORGANIC,
            mend="Leave one out.",
        )
    most = 1.0 / extractant_units(system)
    if degree > most:
        unit = "one dimer, two HA, each" if most == 0.5 else "one HA each"
        raise SpecificationError(
            f"saponification_degree is {degree:g}.",
            where=ORGANIC,
            allowed=f"0 to {most:g}: a charge of {name} takes {unit}",
        )
    return {name: degree * float(organic["extractant"]) / charge_of(name)}


def _salt_completed(
    system: ExtractionSystem, ions: Ions, found: dict[str, float], acid: float | None
) -> dict[str, float]:
    """Return the components with proton: the anions of the organic less what balances them."""
    metals = sum(charge_of(n) * found.get(n, 0.0) for n in (*ions.elements, *ions.exchanged))
    salt = metals if system.mechanism == "solvation" else 0.0
    anions = -sum(charge_of(name) * found.get(name, 0.0) for name in ions.organic_anions)
    if ions.organic_anions and not any(name in found for name in ions.organic_anions):
        anion = system.medium if system.medium in ions.organic_anions else ions.organic_anions[0]
        anions = salt + (acid or 0.0)
        found[anion] = anions / -charge_of(anion)
    excess = anions - salt - (acid or 0.0)
    bearing = acid is None and excess > 0.0
    if not bearing and abs(excess) > BALANCE_SLACK * max(anions, salt):
        raise SpecificationError(
            f"anions carry {anions:.6g} mol/m³ of charge, metals and proton "
            f"{salt + (acid or 0.0):.6g}.",
            where=ORGANIC,
            allowed="as much charge of anions as of metals and acid",
            mend=f"Leave out proton or {ions.organic_anions[0]}.",
        )
    # Stated acid keeps its digits; as a difference it would have those of the salt.
    taken_up = (anions - salt if acid is None else acid) if ions.organic_anions else 0.0
    found["proton"] = taken_up - (0.0 if system.mechanism == "solvation" else metals)
    return found


def _check_capacity(system: ExtractionSystem, ions: Ions, found: Mapping[str, float]) -> None:
    numbers = dict(zip(system.elements, system.extractant_number.tolist(), strict=True))
    numbers |= {name: charge_of(name) for name in ions.exchanged}
    bound = sum(number * found.get(name, 0.0) for name, number in numbers.items())
    capacity = found["extractant"]
    if bound > capacity * (1.0 + 1e-9):
        dimer = extractant_units(system) == 2.0
        each = sorted({number for name, number in numbers.items() if found.get(name, 0.0) > 0.0})
        raise SpecificationError(
            f"metals and cations bind {bound:.6g} mol/m³ of {'dimer' if dimer else 'extractant'}.",
            where=ORGANIC,
            allowed=f"at most {capacity:.6g} mol/m³{', half of the extractant' if dimer else ''}",
            mend=f"Each ion binds {' or '.join(f'{n:g}' for n in each)} of it; load it less.",
        )


def _check_amounts(
    system: ExtractionSystem, given: Mapping[str, float], known: tuple[str, ...], where: str
) -> None:
    for name, value in given.items():
        if name not in known:
            reason = _reason(system, name)
            metal = name in RARE_EARTHS or name in IMPURITIES
            what = f"has no constant in {system.name}" if metal or reason else "is not known"
            raise SpecificationError(
                f"{name!r} {what}{': ' + reason if reason else ''}.",
                where=where,
                allowed=", ".join(known),
                mend="" if metal or reason else _mend(name, known),
            )
        if not (isinstance(value, (int, float, np.number)) and np.isfinite(value) and value >= 0.0):
            unit = "" if name == "saponification_degree" else " mol/m³"
            raise SpecificationError(
                f"{name} is {value}{unit}.", where=where, allowed="finite, 0 or more"
            )


def _mend(name: str, known: tuple[str, ...]) -> str:
    if name == "pH":
        return "pH is a result. Give proton, all acid of the liquor, or leave it out beside anions."
    hint = nearest_name(name, known)
    # The names that are known stand under `allowed` already.
    return hint if hint.startswith("Did") else ""


def _reason(system: ExtractionSystem, name: str) -> str:
    reasons = dict(system.missing)
    component = CATION_COMPONENTS.get(name, name)
    return (reasons.get(name) or reasons.get(component) or "").rstrip(".")
