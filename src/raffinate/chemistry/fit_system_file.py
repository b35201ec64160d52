"""The extraction system that a fit amounts to, with the sources it rests on."""

from __future__ import annotations

import numpy as np

from raffinate.chemistry.fit_flask import Floats
from raffinate.chemistry.fit_map import Estimate
from raffinate.chemistry.fit_problem import FitActivity, Problem
from raffinate.chemistry.loading import LoadingModel
from raffinate.chemistry.system import ExtractionSystem, ValidityRanges
from raffinate.lab.shake_out import ShakeOutTable
from raffinate.lab.shake_out_checks import equilibrium_acidity
from raffinate.sources import Source
from raffinate.units import PER_LITRE

ASSUMED_SAPONIFICATION_CONSTANT = -4.5
"""log₁₀ K of NH₄⁺ + (HA)₂ ⇌ NH₄(HA₂) + H⁺, [-]: half exchanged at pH 4.5 against 1 mol/L NH₄⁺."""

SAPONIFICATION_SOURCE = Source(
    title="Ammonium exchange constant of P507",
    evidence="assumed",
    note=(
        "no measured value was at hand; placed near the acidity constant of a monoacidic "
        "phosphonic ester. Rare earths displace nearly all ammonium at the pH of a loaded stage; "
        "the flows that meet given purities hardly depend on it, impurities at fixed flows do"
    ),
)


def build_system(name: str, problem: Problem, best: Estimate) -> ExtractionSystem:
    """Return the system with the constants of a fit, laboratories' offsets left out."""
    table = problem.table.select(problem.keep)
    count, priors = len(problem.elements), problem.separations
    fit = Source(
        title=f"Robust fit of {len(table.element)} distribution ratios, {table.source.title}",
        reference="; ".join(table.laboratories),
        evidence="fitted",
        note=f"acidities read as those of the {_liquor(table)}"
        + (f"; {len(priors)} separation factors as priors" if priors else ""),
    )
    covariance = best.covariance[:count, :count]
    return ExtractionSystem(
        name=name,
        title=f"{table.extractant} against {table.medium}, fitted to shake-out tests",
        extractant=table.extractant,
        elements=problem.elements,
        log10_extraction_constant=best.unknowns[:count],
        log10_covariance=0.5 * (covariance + covariance.T),
        constant_sources=(fit,) * count,
        log10_saponification_constant=ASSUMED_SAPONIFICATION_CONSTANT,
        saponification_source=SAPONIFICATION_SOURCE,
        basis=(table.source, *dict.fromkeys(prior.source for prior in priors)),
        validity=_validity(table, problem.activity),
        ranges=_ranges(table, fit),
        activity=problem.activity,
        loading=_loading(problem, best, fit),
    )


def _loading(problem: Problem, best: Estimate, fit: Source) -> LoadingModel | None:
    if problem.loading is None:
        return None
    level, spread = best.unknowns[len(problem.elements) : problem.shared]
    return LoadingModel(
        level=float(level), spread=float(spread), reference=problem.reference, source=fit
    )


def _liquor(table: ShakeOutTable) -> str:
    return "liquor put in" if table.acidity_reading == "feed" else "liquor found"


def _bound(table: ShakeOutTable) -> Floats:
    """Return the share of the extractant bound to metals, (test,), [-]."""
    return 6.0 * table.total_organic / table.extractant_concentration


def _ranges(table: ShakeOutTable, source: Source) -> ValidityRanges:
    acid = equilibrium_acidity(table)
    acid = acid[np.isfinite(acid)]
    strength = table.extractant_concentration
    return ValidityRanges(
        source=source,
        proton=(float(acid.min()), float(acid.max())) if acid.size else None,
        extractant=(float(strength.min()), float(strength.max())),
        loading=(0.0, float(_bound(table).max())),
    )


def _validity(table: ShakeOutTable, activity: FitActivity) -> tuple[str, ...]:

    def span(values: Floats) -> str:
        return f"{values.min() / PER_LITRE:.4g} to {values.max() / PER_LITRE:.4g} mol/L"

    liquor = (
        "Ideal phases: activities, chloride complexes and temperature are inside the constants."
        if activity == "ideal"
        else "Pitzer's activities in the liquor; complexes and temperature are in the constants."
    )
    highest = _bound(table).max()
    return (
        f"Fitted with {span(table.acidity)} H⁺ in the {_liquor(table)}, "
        f"{span(table.extractant_concentration)} extractant counted as HA, "
        f"{span(table.aqueous_feed)} of an element in the feed.",
        f"At most {highest:.0%} of the extractant was bound to rare earths; beyond that the "
        "constants are extrapolated.",
        liquor,
    )
