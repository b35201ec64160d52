"""Where a contact should be doubted, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from raffinate.chemistry.contact_phases import Ions, charge_of
from raffinate.chemistry.contact_solve import Solution
from raffinate.chemistry.liquor_limits import concentrated
from raffinate.chemistry.pitzer_range import beyond_pitzer
from raffinate.chemistry.saturation import (
    Solid,
    load_solids,
    saturation_indices,
    saturation_warnings,
)
from raffinate.chemistry.species import FREE_SPECIES
from raffinate.chemistry.system import ExtractionSystem
from raffinate.chemistry.system_tableau import SystemTableau
from raffinate.units import PER_LITRE

if TYPE_CHECKING:
    from raffinate.chemistry.contact_state import Contact

PERCENT = 0.01
"""One per cent, [-]."""

ROUNDING = 1e-9
"""By which a value may miss a range and still lie on its edge, [-]."""

HYDROLYSIS_PH = 4.0
"""From which a liquor without hydroxo complexes is doubted, [-]. Assumed: a tenth of Al³⁺ is
hydrolysed there, of Nd³⁺ far less (aqueous_complexes_llnl.csv)."""

IDEAL_STRENGTH = 0.1 * PER_LITRE
"""Ionic strength above which ideal activities mislead about solids, [mol/m³]. Assumed: there an
ion of charge 3 has lost half a unit in log₁₀ of its activity by any Debye-Hückel law."""


def system_warnings(
    system: ExtractionSystem, ions: Ions, given: Sequence[str], amounts: Mapping[str, float]
) -> list[str]:
    """Return what is known before the contact is solved.

    Args:
        system: The constants.
        ions: What may be dissolved.
        given: Elements that were given.
        amounts: What both phases hold, by component, [mol/m³].
    """
    found = []
    present = [symbol for symbol in given if amounts.get(symbol, 0.0) > 0.0]
    interpolated = [symbol for symbol in present if symbol in system.interpolated]
    if interpolated:
        found.append(
            f"The constant of {', '.join(interpolated)} is interpolated along the series, "
            f"not measured."
        )
    assumed = [symbol for symbol in present if symbol in system.assumed]
    if assumed:
        found.append(
            f"The constant of {', '.join(assumed)} in {system.name} is assumed: enough to size, "
            f"not to promise."
        )
    apparent = [slope.element for slope in system.apparent if slope.element in present]
    if apparent:
        found.append(
            f"D of {', '.join(apparent)} follows measured slopes that are not those of mass "
            f"action: away from the conditions of the tests it is extrapolated."
        )
    reason = dict(system.missing).get("HNO3", "")
    if system.mechanism == "solvation" and reason and amounts.get("proton", 0.0) > 0.0:
        found.append(f"Uptake of acid is not in the result: {reason.rstrip('.')}.")
    inert = [name for name in ions.inert if amounts.get(name, 0.0) > 0.0]
    if inert and system.mechanism == "exchange":
        reasons = [dict(system.missing)[name] for name in inert if name in dict(system.missing)]
        why = f" ({'; '.join(reasons).rstrip('.')})" if reasons else ""
        found.append(
            f"{', '.join(inert)} has no exchange constant in {system.name}{why}: it is kept in "
            f"the liquor."
        )
    return found


def oversaponified(ions: Ions, liquor: Mapping[str, float], brought: float) -> list[str]:
    """Return a sentence if the organic brings more base than the liquor can take up.

    Args:
        ions: What may be dissolved.
        liquor: Components, [mol/m³].
        brought: Charge of the cations of the organic, [mol per m³ of liquor].
    """
    metals = sum(charge_of(name) * liquor.get(name, 0.0) for name in ions.elements)
    taken = metals + max(liquor.get("proton", 0.0), 0.0)
    if brought <= taken:
        return []
    return [
        f"The organic brings {brought:.4g} mol of base per m³ of liquor, more than the metals and "
        f"the acid in it can take up, {taken:.4g}: hydroxides may fall where the phases meet. "
        f"Saponify the organic less, or use less of it."
    ]


def contact_warnings(
    system: ExtractionSystem, found: Contact, stated: SystemTableau, saponified: float
) -> list[str]:
    """Return what the equilibrium itself shows.

    Args:
        system: The constants.
        found: The contact.
        stated: The tableau it was solved with.
        saponified: Share of HA that the organic brought neutralised, [-].
    """
    return [
        *_ranges(system, found),
        *_loading(system, found),
        *_saponification(system, saponified),
        *concentrated(found.ionic_strength),
        *beyond_pitzer(stated.tableau, stated.nonideality, found.species),
        *_saturation(found, stated.tableau.components),
    ]


def _ranges(system: ExtractionSystem, found: Contact) -> list[str]:
    """Return a sentence for each quantity beyond what the constants are stated for."""
    values = {
        "pH": ("pH", found.pH, 1.0, ""),
        "proton": ("Free H⁺", found.free_proton, PER_LITRE, " mol/L"),
        "anion": (
            system.medium.capitalize(),
            found.aqueous.get(system.medium, 0.0),
            PER_LITRE,
            " mol/L",
        ),
        "extractant": ("Extractant", found.organic["extractant"], PER_LITRE, " mol/L"),
        "loading": ("Loading", found.loading, PERCENT, " %"),
    }
    sentences = []
    for name, (low, high) in (system.ranges.spans if system.ranges else {}).items():
        shown, value, unit, symbol = values[name]
        slack = ROUNDING * max(abs(low), abs(high))
        if low - slack <= value <= high + slack:
            continue
        sentences.append(
            f"{shown} is {value / unit:.3g}{symbol}, outside {low / unit:.3g} to "
            f"{high / unit:.3g}, for which {system.name} is stated: D is extrapolated."
            + _consequence(name, value > high, found)
        )
    return sentences


def _consequence(name: str, above: bool, found: Contact) -> str:
    """Say what else happens there."""
    outside = above if name == "pH" else name == "proton" and not above
    basic = outside and found.pH > HYDROLYSIS_PH
    if basic and not any(_hydrolysed(species) for species in found.species):
        return " Hydrolysis is not modelled."
    return " Expect a viscous organic or a gel." if name == "loading" and above else ""


def _hydrolysed(name: str) -> bool:
    return "OH" in name and name != FREE_SPECIES["acetate"].name


def _loading(system: ExtractionSystem, found: Contact) -> list[str]:
    limit = system.loading_limit
    if limit is None or found.loading <= limit:
        return []
    source = system.loading_limit_source
    said = f" ({source.title})" if source else ""
    return [
        f"Metals bind {found.loading:.0%} of the extractant, above the {limit:.0%} at which "
        f"the organic gels or splits into a third phase{said}."
    ]


def _saponification(system: ExtractionSystem, saponified: float) -> list[str]:
    limit = system.saponification_limit
    if limit is None or saponified <= limit:
        return []
    source = system.saponification_limit_source
    said = f" ({source.title})" if source else ""
    return [
        f"The organic is saponified to {saponified:.0%}, above the {limit:.0%} at which it gels "
        f"or splits into a third phase{said}."
    ]


@lru_cache(maxsize=64)
def _solids(components: tuple[str, ...]) -> tuple[Solid, ...]:
    return load_solids(components)


def saturation_of(solution: Solution) -> dict[str, float]:
    """Return the saturation index of every solid whose ions are in the liquor, [-]."""
    solids = _solids(solution.tableau.components)
    indices = saturation_indices(solids, solution.log_activities, solution.log_water)
    return {name: float(index) for name, index in indices.items()}


def _saturation(found: Contact, components: tuple[str, ...]) -> list[str]:
    fresh = [solid for solid in _solids(components) if solid.form == "fresh"]
    sentences = list(saturation_warnings(fresh, found.saturation))
    basic = [solid.name for solid in fresh if dict(solid.composition).get("proton", 0.0) < 0.0]
    if any(found.saturation.get(name, 0.0) > 0.0 for name in basic):
        sentences.append(
            "What precipitates is not taken out of the liquor, so the contact would end "
            "elsewhere: saponify the organic less, or give the liquor more acid."
        )
    if sentences and found.activity == "ideal" and found.ionic_strength > IDEAL_STRENGTH:
        sentences.append(
            f"Saturation indices are overstated, by whole units where ions of high charge meet: "
            f"activities are ideal at an ionic strength of {found.ionic_strength / PER_LITRE:.2g} "
            f"mol/L. Look at the liquor with `raffinate speciate`."
        )
    return sentences
