"""Which species a liquor holds: ions, complexes and acids, their activities and the solids due.

Source of the form of the results: the species table of PHREEQC (Parkhurst and Appelo 2013), against
which they are compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from raffinate.chemistry.complexes import (
    Database,
    is_polynuclear,
    load_complexes,
    missing_complexes,
)
from raffinate.chemistry.equilibrium import Equilibrium
from raffinate.chemistry.liquor_limits import check_dissolved, concentrated
from raffinate.chemistry.nonideality import ActivityKind
from raffinate.chemistry.pitzer_range import beyond_pitzer
from raffinate.chemistry.saturation import (
    load_solids,
    missing_solids,
    saturation_indices,
    saturation_warnings,
)
from raffinate.chemistry.speciation_solve import LiquorModel, liquor_model, titrate
from raffinate.chemistry.species import DEFINITION, FREE_SPECIES, Species
from raffinate.errors import SpecificationError, nearest_name
from raffinate.sources import Source

if TYPE_CHECKING:
    import pandas as pd

KILOGRAMS = 1000.0
"""Water in the basis of molal amounts, [kg]."""

VALID_IONIC_STRENGTH: Mapping[ActivityKind, float] = {"ideal": 0.0, "davies": 0.5, "bdot": 1.0}
"""Largest ionic strength at which a model is trusted, [mol/kg]. Assumed; customary limits."""

BASIC_SHARE = 1e-3
"""Charge of cations without anions, relative to all that is dissolved, that is told, [-]."""

LOWEST_PH, HIGHEST_PH = -4.0, 16.0
"""pH that a liquor is looked for at, [-]. Assumed: beyond that of the strongest acids and bases."""

NEUTRAL = 1e-9
"""Charge of a liquor relative to its ions, below which it counts as neutral, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Speciation:
    """A liquor at equilibrium with itself.

    Amounts are in mol/m³ of liquor or, where they were given so, in mol/kg of water.

    Attributes:
        total: By component, titrant included; the proton's is negative where bases outweigh acids.
        species: Concentration by name of species.
        activity: By name of species, on the scale of 1 mol/kg of water, [-].
        log_activity: log₁₀ of the same.
        charge: By name of species.
        share: Of each component but the proton, what part is in which species, [-].
        pH: -log₁₀ of the activity of H⁺.
        ionic_strength: ½ Σ z² c.
        water_activity: [-].
        saturation: Index of each solid of these ions, log₁₀(product/constant), [-].
        titrant: Acid anion or base cation added to reach the wanted pH, and how much; None where
            nothing was.
        molal: Whether amounts are in mol/kg of water.
        left_out: Species with several metal ions that were not looked at.
        missing: Constants that nobody sourced here: complexes counted as absent, solids without
            index.
        warnings: What a user must know of this result.
        sources: Who gave the numbers.
    """

    total: Mapping[str, float]
    species: Mapping[str, float]
    activity: Mapping[str, float]
    log_activity: Mapping[str, float]
    charge: Mapping[str, int]
    share: Mapping[str, Mapping[str, float]]
    pH: float
    ionic_strength: float
    water_activity: float
    saturation: Mapping[str, float]
    titrant: tuple[str, float] | None
    molal: bool
    left_out: tuple[str, ...]
    missing: tuple[str, ...]
    warnings: tuple[str, ...]
    sources: tuple[Source, ...]

    def to_dataframe(self) -> pd.DataFrame:
        """Return the species, most first: concentration, activity, log10_activity, charge."""
        import pandas as pd

        frame = pd.DataFrame(
            {
                "concentration": pd.Series(dict(self.species), dtype=float),
                "activity": pd.Series(dict(self.activity), dtype=float),
                "log10_activity": pd.Series(dict(self.log_activity), dtype=float),
                "charge": pd.Series(dict(self.charge), dtype=int),
            }
        )
        frame.index.name = "species"
        return frame.sort_values("concentration", ascending=False)


def speciate(
    aqueous: Mapping[str, float],
    *,
    activity: ActivityKind = "bdot",
    database: Database = "llnl",
    complexes: Iterable[Species] | None = None,
    pH: float | None = None,
    titrant: str | None = None,
    polynuclear: bool = False,
    molal: bool = False,
) -> Speciation:
    """Return the species of a liquor at 25 °C.

    Args:
        aqueous: Analytical totals by component (elements by symbol, "chloride", "sulfate",
            "nitrate", "acetate", "sodium", "ammonium", …), [mol/m³] of liquor, or [mol/kg] of
            water with `molal`. With "proton" its total is taken as given, H⁺ less OH⁻; without,
            it follows from the charge balance.
        activity: Model of the activity coefficients.
        database: Whose constants and ion sizes.
        complexes: Complexes in place of those of the database.
        pH: Wanted pH; acid or base is then added until it is reached.
        titrant: Which: the anion of the acid or the cation of the base.
        polynuclear: Whether species with several metal ions are looked at.
        molal: Amounts are per kg of water.

    Raises:
        SpecificationError: A component is not known or its amount no finite number of 0 or more,
            both pH and proton are given, or the pH cannot be reached.
        ConvergenceError: No equilibrium was found.
    """
    scale = KILOGRAMS if molal else 1.0
    totals = {name: value * scale for name, value in _checked(aqueous, pH, titrant).items()}
    check_dissolved(totals, "liquor")
    proton = totals.pop("proton", None)
    totals = {name: value for name, value in totals.items() if value > 0.0}
    given = None if complexes is None else tuple(complexes)

    def build(components: tuple[str, ...]) -> LiquorModel:
        kept = given
        if kept is not None:
            kept = tuple(s for s in kept if all(name in components for name, _ in s.composition))
        # One order for all callers: the same ions in another order would compile again.
        ordered = tuple(name for name in FREE_SPECIES if name in components)
        return liquor_model(ordered, activity, database, kept, polynuclear, molal)

    added: tuple[str, float] | None = None
    if pH is None:
        model = build((*totals, "proton"))
        amounts = model.amounts(totals)
        amounts[model.proton] = model.neutral_proton(amounts) if proton is None else proton
        found = model.solve(amounts)
    else:
        titration = titrate(build, totals, pH, titrant)
        model, amounts, found = titration.model, titration.totals, titration.found
        added = (titration.titrant, titration.added / scale)
    choice = _Choice(activity, database, given is None and not polynuclear, molal)
    result = _result(
        model, found, dict(zip(model.tableau.components, amounts, strict=True)), added, choice
    )
    if proton is None and pH is None:
        return replace(result, warnings=(*_hydroxide_taken(result), *result.warnings))
    return result


@dataclass(frozen=True, slots=True)
class _Choice:
    """How a liquor was looked at."""

    activity: ActivityKind
    database: Database
    lists_left_out: bool
    molal: bool


def _checked(
    aqueous: Mapping[str, float], pH: float | None, titrant: str | None
) -> dict[str, float]:
    known = tuple(name for name, free in FREE_SPECIES.items() if free.phase == "aqueous")
    for name in (*aqueous, *(() if titrant is None else (titrant,))):
        if name not in known:
            raise SpecificationError(
                f"{name!r} is no component of a liquor.",
                where="aqueous",
                mend=nearest_name(name, known),
            )
    for name, value in aqueous.items():
        if not math.isfinite(value) or (value < 0.0 and name != "proton"):
            raise SpecificationError(
                f"the amount is {value:g}.", where=f"aqueous {name}", allowed="finite, 0 or more"
            )
    if pH is not None and "proton" in aqueous:
        raise SpecificationError(
            "pH and proton are both given.", where="pH", mend="Leave one of them out."
        )
    if pH is not None and not LOWEST_PH <= pH <= HIGHEST_PH:
        raise SpecificationError(
            f"pH is {pH:g}.", where="pH", allowed=f"{LOWEST_PH:g} to {HIGHEST_PH:g}"
        )
    if titrant is not None and pH is None:
        raise SpecificationError(
            "a titrant is named, but no pH to reach.", where="titrant", mend="Give the pH."
        )
    return {name: float(value) for name, value in aqueous.items()}


def _result(
    model: LiquorModel,
    found: Equilibrium,
    totals: Mapping[str, float],
    added: tuple[str, float] | None,
    choice: _Choice,
) -> Speciation:
    tableau = model.tableau
    scale = KILOGRAMS if choice.molal else 1.0
    names = tableau.names
    amounts = np.exp(np.asarray(found.log_concentration, dtype=float))
    logs = np.asarray(found.log_concentration + found.log_coefficient, dtype=float)
    logs = (logs - math.log(1000.0)) / math.log(10.0)
    by_component = {
        name: float(logs[place])
        for name, place in zip(tableau.components, tableau.free, strict=True)
    }
    water = float(found.ln_water_activity) / math.log(10.0)
    solids = load_solids(tableau.components, database=choice.database)
    indices = saturation_indices(solids, by_component, water)
    strength = 0.5 * float(tableau.charge**2 @ amounts)
    sources = [one.source for one in tableau.species if one.source != DEFINITION]
    sources += [solid.source for solid in solids]
    missing, warnings = _missing(tableau.components, choice), [*model.nonideality.warnings]
    warnings += _range_warnings(choice, strength)
    warnings += concentrated(strength)
    warnings += beyond_pitzer(
        tableau, model.nonideality, dict(zip(names, amounts.tolist(), strict=True))
    )
    warnings += _charge_warnings(model, totals, amounts, scale)
    return Speciation(
        total={name: value / scale for name, value in totals.items()},
        species=dict(zip(names, (amounts / scale).tolist(), strict=True)),
        activity=dict(zip(names, (10.0**logs).tolist(), strict=True)),
        log_activity=dict(zip(names, logs.tolist(), strict=True)),
        charge={one.name: one.charge for one in tableau.species},
        share=_shares(model, amounts),
        pH=-by_component["proton"],
        ionic_strength=strength / scale,
        water_activity=10.0**water,
        saturation=indices,
        titrant=added,
        molal=choice.molal,
        left_out=_left_out(tableau.components, choice),
        missing=missing,
        warnings=(*warnings, *saturation_warnings(solids, indices)),
        sources=tuple(dict.fromkeys((*sources, *model.nonideality.sources))),
    )


def _shares(
    model: LiquorModel, amounts: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> dict[str, dict[str, float]]:
    tableau, shares = model.tableau, {}
    for place, component in enumerate(tableau.components):
        held = tableau.stoichiometry[:, place] * amounts
        if component == "proton" or not held.sum() > 0.0:
            continue
        shares[component] = {
            name: float(part / held.sum())
            for name, part in zip(tableau.names, held, strict=True)
            if part > 0.0
        }
    return shares


def _missing(components: tuple[str, ...], choice: _Choice) -> tuple[str, ...]:
    pairs = missing_complexes(components, database=choice.database)
    return (
        *(f"{choice.database} has no complex of {metal} with {anion}." for metal, anion in pairs),
        *(f"No constant of the {kind} of {earth}." for kind, earth in missing_solids(components)),
    )


def _left_out(components: tuple[str, ...], choice: _Choice) -> tuple[str, ...]:
    if not choice.lists_left_out:
        return ()
    every = load_complexes(components, database=choice.database, polynuclear=True)
    return tuple(one.name for one in every if is_polynuclear(one))


def _range_warnings(choice: _Choice, strength: float) -> list[str]:
    limit = VALID_IONIC_STRENGTH.get(choice.activity)
    if not limit or strength <= limit * KILOGRAMS:
        return []
    return [
        f"Ionic strength {strength / KILOGRAMS:.3g} mol/L or mol/kg is above {limit:g}, to which "
        f"activity {choice.activity!r} is trusted."
    ]


def _hydroxide_taken(found: Speciation) -> list[str]:
    """Say where cations without anions were given, and hydroxide stands in for these."""
    lacking = -found.total["proton"]
    if lacking <= BASIC_SHARE * sum(value for value in found.total.values() if value > 0.0):
        return []
    unit = "mol/kg" if found.molal else "mol/m³"
    return [
        f"The cations given outweigh the anions by {lacking:.4g} {unit} of charge: hydroxide "
        f"stands in. Give the anion if another is meant."
    ]


def _charge_warnings(
    model: LiquorModel,
    totals: Mapping[str, float],
    amounts: np.ndarray[tuple[int], np.dtype[np.float64]],
    scale: float,
) -> list[str]:
    charges = model.tableau.component_charge
    excess = float(charges @ np.array([totals[name] for name in model.tableau.components]))
    ions = float(np.abs(model.tableau.charge) @ amounts)
    if abs(excess) <= NEUTRAL * ions:
        return []
    unit = "mol/kg" if scale != 1.0 else "mol/m³"
    return [f"The totals as given carry a net charge of {excess / scale:+.4g} {unit}."]
