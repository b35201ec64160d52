"""One contact of a liquor with an organic, shaken to equilibrium: `equilibrate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from raffinate.chemistry.contact_phases import (
    WHERE,
    Ions,
    charge_of,
    ions_of,
    liquor_components,
    solvent_components,
)
from raffinate.chemistry.contact_solve import Solution, solve_contact
from raffinate.chemistry.contact_state import Contact
from raffinate.chemistry.contact_warnings import (
    contact_warnings,
    oversaponified,
    saturation_of,
    system_warnings,
)
from raffinate.chemistry.nonideality import ActivityKind
from raffinate.chemistry.system import ExtractionSystem
from raffinate.chemistry.system_tableau import (
    SystemTableau,
    extractant_units,
    narrowed,
    system_tableau,
)
from raffinate.errors import SpecificationError


def equilibrate(
    system: ExtractionSystem,
    aqueous: Mapping[str, float],
    organic: Mapping[str, float],
    oa_ratio: float = 1.0,
    activity: ActivityKind | None = None,
    *,
    cation: str | None = None,
) -> Contact:
    """Shake a liquor with an organic until both phases are at equilibrium.

    Args:
        system: The constants.
        aqueous: Metals by symbol, `proton`, anions such as `chloride` and, if any, further cations
            such as `ammonium`, [mol/m³]. Proton or the anion of the system may be left out: the
            charge balance fixes it. Where hydrolysis is modelled, `hydroxide` counts against
            `proton`.
        organic: `extractant`, total HA, [mol/m³]; metals by symbol, [mol/m³]; and what it carries
            of further cations, either as `saponification_degree`, share of HA neutralised, [-], or
            by name, as `ammonium`, [mol/m³]. A solvating extractant also carries the anion, which
            may be left out, and `proton`, the acid it has taken up.
        oa_ratio: Volume of organic over volume of aqueous, [-].
        activity: Activity model of the liquor; None takes that of the system.
        cation: What `saponification_degree` is of, such as "sodium"; None takes the first cation
            of the system.

    Raises:
        SpecificationError: A phase that cannot exist.
        ConvergenceError: No equilibrium was found.
        BalanceError: What went in is not what came out, which is a defect.
    """
    if not (np.isfinite(oa_ratio) and oa_ratio > 0.0):
        raise SpecificationError(
            f"oa_ratio is {oa_ratio:g}.", where=WHERE, allowed="finite and above 0"
        )
    ions = ions_of(system)
    liquor = liquor_components(system, ions, aqueous)
    solvent = solvent_components(system, ions, organic, cation)
    given = tuple(e for e in system.elements if e in aqueous or e in organic)
    stated = _stated(system, ions, given, liquor, solvent, activity)
    fraction = float(oa_ratio) / (1.0 + float(oa_ratio))
    totals = np.array(
        [
            (1.0 - fraction) * liquor.get(name, 0.0) + fraction * solvent.get(name, 0.0)
            for name in stated.tableau.components
        ]
    )
    solution = solve_contact(stated, totals, fraction)
    held = dict(zip(stated.tableau.components, totals.tolist(), strict=True))
    found = _described(system, stated, ions, solution, given, float(organic["extractant"]))
    saponified = sum(charge_of(name) * solvent.get(name, 0.0) for name in ions.exchanged)
    warnings = [
        *stated.warnings,
        *system_warnings(system, ions, given, held),
        *oversaponified(ions, liquor, saponified * float(oa_ratio)),
        *contact_warnings(system, found, stated, saponified / float(organic["extractant"])),
    ]
    return replace(found, oa_ratio=float(oa_ratio), warnings=tuple(dict.fromkeys(warnings)))


def _stated(
    system: ExtractionSystem,
    ions: Ions,
    given: tuple[str, ...],
    liquor: Mapping[str, float],
    solvent: Mapping[str, float],
    activity: ActivityKind | None,
) -> SystemTableau:
    """Return the tableau of what is there: what is not needs no numbers and no warnings."""
    cations = tuple(n for n in ions.exchanged if liquor.get(n, 0.0) + solvent.get(n, 0.0) > 0.0)
    known = {*system.elements, *ions.exchanged, "proton", "extractant", system.medium}
    further = tuple(name for name in liquor if name not in known and liquor[name] > 0.0)
    here = narrowed(system, given or system.elements[:1], cations)
    return system_tableau(here, activity=activity, further=further)


def _described(
    system: ExtractionSystem,
    stated: SystemTableau,
    ions: Ions,
    solution: Solution,
    given: tuple[str, ...],
    extractant: float,
) -> Contact:
    aqueous = dict(zip(stated.tableau.components, solution.aqueous.tolist(), strict=True))
    organic = dict(zip(stated.tableau.components, solution.organic.tolist(), strict=True))
    metals = sum(charge_of(name) * organic.get(name, 0.0) for name in (*given, *ions.exchanged))
    carried = {name: organic.get(name, 0.0) for name in (*given, *ions.exchanged)}
    if ions.organic_anions:
        salt = metals if system.mechanism == "solvation" else 0.0
        carried |= {name: organic[name] for name in ions.organic_anions if name in organic}
        carried["proton"] = max(organic["proton"] + metals - salt, 0.0)
    bound = extractant / extractant_units(system)
    return Contact(
        elements=given,
        aqueous=_liquor_totals(stated, ions, aqueous, given),
        organic={**carried, "extractant": extractant},
        pH=solution.pH,
        free_proton=solution.species["H+"],
        free_extractant=solution.free_extractant,
        ionic_strength=solution.ionic_strength,
        # Full extractant may round to the last digit above 1.
        loading=min(solution.bound_to(given) / bound, 1.0),
        oa_ratio=1.0,
        balance_error=solution.balance_error,
        species=solution.species,
        saturation=saturation_of(solution),
        activity=stated.activity,
        sources=tuple(dict.fromkeys((*system.sources, *stated.sources))),
    )


def _liquor_totals(
    stated: SystemTableau, ions: Ions, aqueous: Mapping[str, float], given: tuple[str, ...]
) -> dict[str, float]:
    found = {symbol: aqueous[symbol] for symbol in given}
    if aqueous["proton"] >= 0.0:
        found["proton"] = aqueous["proton"]
    else:
        found["hydroxide"] = -aqueous["proton"]
    found |= {name: aqueous.get(name, 0.0) for name in ions.exchanged}
    named = (*ions.inert, *ions.anions)
    return found | {name: aqueous[name] for name in named if name in stated.tableau.components}
