"""From feed, cut and purities to a plant: theory first, then proof by the exact solver.

The theory of constant separation factors gives flows and ideal stages. Ideal stages over the
Murphree efficiency are the first real ones (an estimate, no more); the plant they make is then
solved with its full chemistry for the purities asked for. Where that is out of reach, or takes much
more extractant than the theory foresaw, stages are added in proportion and the proof is repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import yaml

from raffinate.cascade.theory_design import BankDesign, design_bank
from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.plant.design_file import DesignSpecification
from raffinate.plant.model import Plant
from raffinate.plant.plant_file import parse_plant
from raffinate.plant.steady import SteadyState, solve_steady
from raffinate.units import HOUR

MOST_EXTRACTANT = 1.15
"""Extraction amount over that of the theory at which stages are added, [-]; a choice."""

GROWTH = 1.12
"""Factor by which stages are added, [-]."""

TRIES = 7
"""Plants that are solved before the design is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One plant that was solved.

    Attributes:
        stages: Extraction, scrub and strip stages.
        extraction_amount: S that the purities take, mol per mol of feed, [-]; None out of reach.
        finding: A sentence.
    """

    stages: tuple[int, int, int]
    extraction_amount: float | None
    finding: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlantDesign:
    """A plant that makes the purities asked for, proved by its full chemistry.

    Attributes:
        specification: What was asked for.
        separation_factor: β over the least extracted element, at the design's loading, [-].
        bank: Theory of constant separation factors.
        trials: Every plant solved, in order; the last is the design.
        plant_text: The plant as a plant file.
        plant: The plant.
        state: Its steady state at those purities.
        extraction_amount: S of that state, mol per mol of feed, [-].
    """

    specification: DesignSpecification
    separation_factor: dict[str, float]
    bank: BankDesign
    trials: tuple[Trial, ...]
    plant_text: str
    plant: Plant
    state: SteadyState
    extraction_amount: float


def design_plant(
    specification: DesignSpecification, advance: Callable[[], None] = lambda: None
) -> PlantDesign:
    """Return the plant for a specification.

    Args:
        specification: What it must do.
        advance: Called after each step of the search.

    Raises:
        SpecificationError: A cut that the system does not make, or purities out of reach of
            `TRIES` plants; says how far they came.
    """
    beta = design_separation_factors(specification)
    bank = design_bank(
        specification.mole_fraction,
        beta,
        extracted=specification.extracted.elements,
        purity_extracted=specification.mole_purity(
            specification.extracted, _neighbour(beta, specification.raffinate.elements, max)
        ),
        purity_raffinate=specification.mole_purity(
            specification.raffinate, _neighbour(beta, specification.extracted.elements, min)
        ),
        excess=specification.excess,
        advance=advance,
    )
    trials: list[Trial] = []
    amount = bank.flows.extraction_amount
    n, m = (max(1, math.ceil(count / specification.efficiency)) for count in bank.stages)
    for _ in range(TRIES):
        stages = (n, m, specification.strip_stages)
        text = _plant_text(specification, stages, amount)
        plant = parse_plant(text, where=specification.name)
        try:
            state = solve_steady(plant, purities=plant.nominal_purity)
        except ConvergenceError as error:
            trials.append(Trial(stages=stages, extraction_amount=None, finding=error.what))
        else:
            found = _extraction_amount(plant, state)
            settled = found <= MOST_EXTRACTANT * amount
            trials.append(
                Trial(
                    stages=stages,
                    extraction_amount=found,
                    finding="meets the purities"
                    if settled
                    else f"meets the purities with {found / amount:.2f} times the extractant "
                    "foreseen; more stages are tried",
                )
            )
            if settled:
                advance()
                return PlantDesign(
                    specification=specification,
                    separation_factor=beta,
                    bank=bank,
                    trials=tuple(trials),
                    plant_text=_plant_text(specification, stages, found),
                    plant=plant,
                    state=state,
                    extraction_amount=found,
                )
        advance()
        n, m = math.ceil(n * GROWTH), math.ceil(m * GROWTH)
    tried = "; ".join(
        f"{sum(trial.stages)} stages: {trial.finding.rstrip('.')}" for trial in trials
    )
    raise SpecificationError(
        f"none of {TRIES} plants meets the purities within {MOST_EXTRACTANT} times the extractant "
        f"of the theory. {tried}.",
        where=specification.name,
        mend="Ask for less purity, give a larger excess, or stronger strip acid.",
    )


def design_separation_factors(specification: DesignSpecification) -> dict[str, float]:
    """Return β over the least extracted element at the loading of saponified organic, [-].

    A system with organic non-ideality has smaller separation factors in a loaded plant than in
    traces; the loading taken is that of an organic whose saponified part is all exchanged.
    """
    system = specification.system
    constants = dict(zip(system.elements, system.log10_extraction_constant, strict=True))
    squeeze = 1.0
    if system.loading is not None:
        squeeze -= 2.0 * specification.saponification_degree * system.loading.spread
    least = min(constants.values())
    return {
        symbol: float(10.0 ** (squeeze * (constant - least)))
        for symbol, constant in constants.items()
    }


def _neighbour(beta: dict[str, float], elements: tuple[str, ...], pick: Callable[..., str]) -> str:
    return pick(elements, key=lambda symbol: beta[symbol])


def _extraction_amount(plant: Plant, state: SteadyState) -> float:
    """Return S, what saponified organic can take up per mole of feed, [-]."""
    circuit, operation = plant.circuit, state.operation
    assert operation is not None
    capacity = circuit.saponification_degree * circuit.extractant_concentration / 3.0
    fed = float(operation.feed_concentration(circuit.elements).sum()) * operation.feed_flow
    return state.organic_flow * capacity / fed


def _plant_text(
    specification: DesignSpecification, stages: tuple[int, int, int], amount: float
) -> str:
    """Return the plant file of a design."""
    spec = specification
    capacity = spec.saponification_degree * spec.extractant_mol_per_L / 3.0
    organic = amount * spec.total_mol_per_L * spec.feed_m3_per_h / capacity
    acid = organic / spec.organic_to_acid_ratio
    share = sum(spec.mole_fraction[symbol] for symbol in spec.extracted.elements)
    scrub = acid * (1.0 - share / amount)
    aqueous = {"extraction": spec.feed_m3_per_h + scrub, "scrub": scrub, "strip": acid}
    sections = [
        _section(spec, name, count, organic, aqueous[name])
        for name, count in zip(("extraction", "scrub", "strip"), stages, strict=True)
    ]
    products = {
        product.name: {
            "title": product.title,
            "outlet": outlet,
            "elements": list(product.elements),
            "purity_limit": product.purity,
            "lot_t_reo": 5.0,
        }
        for product, outlet in ((spec.raffinate, "raffinate"), (spec.extracted, "strip_liquor"))
    }
    document = {
        "format": "raffinate-plant/1",
        "name": spec.name,
        "title": spec.title,
        "system": spec.system_name,
        "sources": {**_sources(spec), "design": _DESIGN},
        "feed": {
            "total_mol_per_L": spec.total_mol_per_L,
            "mass_fraction": dict(spec.mass_fraction),
            "free_acid_mol_per_L": spec.free_acid_mol_per_L,
            "flow_m3_per_h": spec.feed_m3_per_h,
            "source": spec.source_keys["feed"],
        },
        "organic": {
            "extractant_mol_per_L": spec.extractant_mol_per_L,
            "saponification_degree": spec.saponification_degree,
            "tank_m3": _rounded(organic * 0.5),
            "source": spec.source_keys["organic"],
        },
        "acid": {
            "hcl_mol_per_L": spec.hcl_mol_per_L,
            "organic_to_acid_ratio": spec.organic_to_acid_ratio,
            "source": spec.source_keys["acid"],
        },
        "sections": sections,
        "sections_source": "design",
        "products": products,
        "nominal": {
            "purity": {p.name: p.purity for p in (spec.raffinate, spec.extracted)},
            "first_extraction_ratio": _rounded(amount),
            "source": "design",
        },
        "levers": _LEVERS,
        "analyzer": {
            "monitored_stages": _monitored(stages),
            "count_s": 100,
            "purge_s": 80,
        },
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


_DESIGN = {
    "title": "Stages by countercurrent-extraction theory, proved with the full chemistry",
    "evidence": "assumed",
    "note": "vessels from residence times, tank from half an hour of organic; lots and limits of "
    "levers as in the shipped plant",
}

_LEVERS = {
    "organic_flow": {"title": "Organic", "low": 0.5, "high": 1.6, "rate_per_h": 0.5},
    "scrub_flow": {"title": "Scrub", "low": 0.3, "high": 1.8, "rate_per_h": 1.0},
    "acid_flow": {"title": "Strip acid", "low": 0.5, "high": 1.6, "rate_per_h": 0.5},
}


def _section(
    spec: DesignSpecification, name: str, count: int, organic: float, aqueous: float
) -> dict[str, object]:
    recycle = max(0.0, organic / spec.mixer_ratio - aqueous)
    through = aqueous + recycle
    hours = spec.settler_residence / HOUR
    return {
        "name": name,
        "stages": count,
        "efficiency": spec.efficiency,
        "mixer_m3": _rounded((organic + through) * spec.mixer_residence / HOUR),
        "settler_organic_m3": _rounded(organic * hours),
        "settler_aqueous_m3": _rounded(through * hours),
        "recycle_m3_per_h": _rounded(recycle),
    }


def _monitored(stages: tuple[int, int, int]) -> list[int]:
    """Return six stages, spread over extraction and scrub, where the profile moves."""
    n, m, _ = stages
    chosen = [0.2 * n, 0.4 * n, 0.7 * n, n + 0.35 * m, n + 0.6 * m, n + 0.85 * m]
    return sorted({max(1, round(stage)) for stage in chosen})


def _sources(spec: DesignSpecification) -> dict[str, dict[str, str]]:
    return {
        key: {
            name: text
            for name, text in (
                ("title", source.title),
                ("reference", source.reference),
                ("evidence", source.evidence),
                ("note", source.note),
            )
            if text
        }
        for key, source in spec.sources.items()
    }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
