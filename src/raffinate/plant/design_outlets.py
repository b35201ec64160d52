"""From feed and three purities to a bank with a third outlet: theory first, then the exact solver.

The middle product leaves with aqueous drawn from the scrub section (`theory_outlets`). Ideal stages
over the efficiency are the first real ones; the bank they make is solved with its full chemistry
for all three purities, which fix organic flow, strip draw and middle draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Specification
from raffinate.cascade.equations import Problem
from raffinate.cascade.steady import SteadyResult
from raffinate.cascade.theory_outlets_design import OutletDesign, ThreeProducts, design_outlets
from raffinate.chemistry.elements import molar_masses, oxide_molar_masses
from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.numerics.jax_setup import given
from raffinate.plant.arrays import check_mixer_ratios, chemistry_of, problem_of
from raffinate.plant.design import (
    GROWTH,
    MOST_EXTRACTANT,
    TRIES,
    design_separation_factors,
)
from raffinate.plant.design_checks import check_phase_ratio, check_strip_acid
from raffinate.plant.design_file import DesignedProduct, DesignSpecification
from raffinate.plant.model import Circuit, Liquor, Section
from raffinate.plant.outcome import bank_streams, check_steady
from raffinate.plant.search import solve_fixed, solve_for_purities
from raffinate.units import HOUR

Floats = NDArray[np.float64]
Stages = tuple[int, int, int, int]

MIDDLE_DRAW = "middle"
"""Outlet of the middle product: liquor that leaves the upper scrub section."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutletTrial:
    """One bank that was solved.

    Attributes:
        stages: Extraction, lower scrub, upper scrub and strip stages.
        extraction_amount: S that the purities take, mol per mol of feed; None out of reach, [-].
        finding: A sentence.
    """

    stages: Stages
    extraction_amount: float | None
    finding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenProduct:
    """A product of the solved bank.

    Attributes:
        purity: Mass fraction of REO, [-].
        recovery: Share of what was fed of its elements, [-].
        reo_flow: [kg/s].
    """

    purity: float
    recovery: float
    reo_flow: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutletPlantDesign:
    """A bank with a third outlet that makes three purities, proved by its full chemistry.

    Attributes:
        specification: What was asked for.
        separation_factor: β over the least extracted element, at the design's loading, [-].
        bank: Theory of constant separation factors.
        trials: Every bank solved, in order; the last is the design.
        circuit: The bank at the flows found.
        products: By name.
        flows: [m³/s], by "feed", "organic", "strip acid", "scrub" and "middle draw".
        extraction_amount: S of that state, mol per mol of feed, [-].
        balance_error: Worst relative imbalance, [-].
        residual: Largest relative residual, [-].
    """

    specification: DesignSpecification
    separation_factor: dict[str, float]
    bank: OutletDesign
    trials: tuple[OutletTrial, ...]
    circuit: Circuit
    products: Mapping[str, ProvenProduct]
    flows: Mapping[str, float]
    extraction_amount: float
    balance_error: float
    residual: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proof:
    circuit: Circuit
    products: Mapping[str, ProvenProduct]
    extraction_amount: float
    balance_error: float
    residual: float


def design_three_outlets(
    specification: DesignSpecification, advance: Callable[[str], None] = lambda step: None
) -> OutletPlantDesign:
    """Return the bank for a specification with a middle product.

    Args:
        specification: What it must do; `middle` is given.
        advance: Called with what is done next, in words.

    Raises:
        SpecificationError: Purities out of reach of `TRIES` banks; says how far they came.
    """
    check_strip_acid(specification)
    beta = design_separation_factors(specification)
    bank = design_outlets(
        specification.mole_fraction,
        beta,
        three_products(specification, beta),
        excess=specification.excess,
        advance=lambda: advance("ideal stages by theory"),
    )
    plan = bank.cascade.plan
    foreseen = plan.extraction_amount
    check_phase_ratio(specification, foreseen, plan.scrub_amount, plan.draws[0].amount)
    trials: list[OutletTrial] = []
    n, lower, upper = (max(1, math.ceil(c / specification.efficiency)) for c in bank.stages)
    for _ in range(TRIES):
        stages = (n, lower, upper, specification.strip_stages)
        advance(f"bank of {' + '.join(map(str, stages))} stages, flows for the purities")
        proof, trial = _tried(specification, bank, stages, foreseen)
        trials.append(trial)
        if proof is not None and proof.extraction_amount <= MOST_EXTRACTANT * foreseen:
            return OutletPlantDesign(
                specification=specification,
                separation_factor=beta,
                bank=bank,
                trials=tuple(trials),
                circuit=proof.circuit,
                products=proof.products,
                flows=_flows(proof.circuit),
                extraction_amount=proof.extraction_amount,
                balance_error=proof.balance_error,
                residual=proof.residual,
            )
        n, lower, upper = (math.ceil(count * GROWTH) for count in (n, lower, upper))
    tried = "; ".join(f"{sum(t.stages)} stages: {t.finding.rstrip('.')}" for t in trials)
    raise SpecificationError(
        f"none of {TRIES} banks meets the purities within {MOST_EXTRACTANT} times the extractant "
        f"of the theory. {tried}.",
        where=specification.name,
        mend="Ask for less purity, give a larger excess, or stronger strip acid.",
    )


def three_products(specification: DesignSpecification, beta: Mapping[str, float]) -> ThreeProducts:
    """Return what a specification asks for, in moles; impurities are taken as the neighbours."""
    extracted, middle, raffinate = _products(specification)
    near = max(middle.elements, key=lambda symbol: beta[symbol])
    far = min(middle.elements, key=lambda symbol: beta[symbol])
    above = min(extracted.elements, key=lambda symbol: beta[symbol])
    return ThreeProducts(
        extracted=extracted.elements,
        middle=middle.elements,
        rejected=raffinate.elements,
        purity_extracted=specification.mole_purity(extracted, near),
        purity_middle=specification.mole_purity(middle, above),
        purity_rejected=specification.mole_purity(raffinate, far),
    )


def _products(
    specification: DesignSpecification,
) -> tuple[DesignedProduct, DesignedProduct, DesignedProduct]:
    if specification.middle is None:
        raise SpecificationError(
            "no middle product is asked for.",
            where=specification.name,
            mend="Give `middle`, or design two outlets.",
        )
    return specification.extracted, specification.middle, specification.raffinate


def _tried(
    specification: DesignSpecification, bank: OutletDesign, stages: Stages, foreseen: float
) -> tuple[_Proof | None, OutletTrial]:
    """Solve the bank of these stages for the purities; no proof where they are out of reach."""
    circuit = _circuit(specification, bank, stages)
    check_mixer_ratios(circuit)
    try:
        proof = _proved(specification, circuit)
    except ConvergenceError as error:
        return None, OutletTrial(stages=stages, extraction_amount=None, finding=error.what)
    amount = proof.extraction_amount
    finding = "meets the purities"
    if amount > MOST_EXTRACTANT * foreseen:
        finding += (
            f" with {amount / foreseen:.2f} times the extractant foreseen; more stages are tried"
        )
    return proof, OutletTrial(stages=stages, extraction_amount=amount, finding=finding)


def _proved(specification: DesignSpecification, circuit: Circuit) -> _Proof:
    chemistry = chemistry_of(circuit.system)
    problem = problem_of(circuit)
    first = solve_fixed(chemistry, problem, circuit, None)
    asked = _purities(specification, circuit)
    result, problem, _ = solve_for_purities(chemistry, problem, circuit, asked, first)
    circuit = _at_flows(circuit, problem)
    check_mixer_ratios(circuit)
    bank = bank_streams(chemistry, problem, result, circuit.stages)
    error = check_steady(chemistry, problem, bank)
    capacity = circuit.saponification_degree * circuit.extractant_concentration / 3.0
    feed = circuit.sections[0].aqueous
    assert feed is not None
    return _Proof(
        circuit=circuit,
        products=_proven(specification, circuit, problem, result),
        extraction_amount=circuit.organic_flow
        * capacity
        / (sum(feed.concentration.values()) * feed.flow),
        balance_error=error,
        residual=float(result.norm),
    )


def _circuit(specification: DesignSpecification, bank: OutletDesign, stages: Stages) -> Circuit:
    """Return the bank at the flows of the theory; scrub and strip are joined, a true reflux."""
    spec, plan = specification, bank.cascade.plan
    molar = dict(zip(spec.mass_fraction, molar_masses(tuple(spec.mass_fraction)), strict=True))
    moles = {e: mass / molar[e] for e, mass in spec.mass_fraction.items()}
    total = spec.total_mol_per_L * 1e3
    feed = Liquor(
        name="feed",
        flow=spec.feed_m3_per_h / HOUR,
        concentration={e: total * m / sum(moles.values()) for e, m in moles.items()},
        proton=spec.free_acid_mol_per_L * 1e3,
    )
    extractant = spec.extractant_mol_per_L * 1e3
    amount = plan.extraction_amount
    organic = 3.0 * amount * total * feed.flow / (spec.saponification_degree * extractant)
    acid = Liquor(
        name="strip acid",
        flow=organic / spec.organic_to_acid_ratio,
        proton=spec.hcl_mol_per_L * 1e3,
    )
    # All acid of the strip liquor, free or spent, holds metal once it has met the loaded organic.
    per_volume = acid.proton / 3.0 / (total * feed.flow)
    scrub, middle = plan.scrub_amount / per_volume, plan.draws[0].amount / per_volume
    aqueous = (feed.flow + scrub - middle, scrub - middle, scrub, acid.flow)
    names = ("extraction", "scrub", "upper_scrub", "strip")
    liquors = (feed, None, None, acid)
    draws = (("", 0.0), ("", 0.0), (MIDDLE_DRAW, middle), ("strip_liquor", acid.flow - scrub))
    sections = []
    for name, count, liquor, flow, draw in zip(names, stages, liquors, aqueous, draws, strict=True):
        recycle = max(0.0, organic / spec.mixer_ratio - flow)
        sections.append(
            Section(
                name=name,
                stages=count,
                aqueous=liquor,
                draw=draw[0],
                draw_flow=draw[1],
                efficiency=spec.efficiency,
                mixer=(organic + flow + recycle) * spec.mixer_residence,
                settler_organic=organic * spec.settler_residence,
                settler_aqueous=(flow + recycle) * spec.settler_residence,
                recycle=recycle,
            )
        )
    return Circuit(
        system=spec.system,
        sections=tuple(sections),
        organic_flow=organic,
        extractant_concentration=extractant,
        saponification_degree=spec.saponification_degree,
        organic_tank=0.5 * HOUR * organic,
    )


def _outlets(circuit: Circuit) -> tuple[int, int, int]:
    """Return the stages whose liquor is raffinate, middle product and strip liquor."""
    below = [section.stages for section in circuit.sections]
    return 0, below[0] + below[1], below[0] + below[1] + below[2]


def _purities(specification: DesignSpecification, circuit: Circuit) -> Specification:
    """Return three purities as equations; organic (with acid and draws) and both draws are free."""
    elements = circuit.elements
    oxide = np.array([*oxide_molar_masses(elements), 0.0, 0.0, 0.0])
    extracted, middle, raffinate = _products(specification)
    impurity, target = [], []
    for product in (raffinate, middle, extracted):
        impurity.append([*(float(e not in product.elements) for e in elements), 0.0, 0.0, 0.0])
        target.append(np.log10(1.0 - product.purity))
    # Flows in the order organic, feed, acid, middle draw, strip draw.
    response = np.zeros((5, 3))
    response[[0, 2, 3, 4], 0] = 1.0
    response[3, 1] = 1.0
    response[4, 2] = 1.0
    return Specification(
        outlet_stage=given(np.array(_outlets(circuit), dtype=np.int64)),
        weight=given(np.tile(oxide, (3, 1))),
        impurity=given(np.array(impurity)),
        log_impurity=given(np.array(target)),
        response=given(response),
    )


def _at_flows(circuit: Circuit, problem: Problem) -> Circuit:
    """Return the circuit at the flows that a solve found."""
    streams = problem.streams
    extraction, lower, upper, strip = circuit.sections
    assert strip.aqueous is not None
    acid = replace(strip.aqueous, flow=float(streams.feed_flow[1]))
    middle, drawn = (float(flow) for flow in streams.draw_flow)
    return replace(
        circuit,
        organic_flow=float(streams.organic_flow),
        sections=(
            extraction,
            lower,
            replace(upper, draw_flow=middle),
            replace(strip, aqueous=acid, draw_flow=drawn),
        ),
    )


def _proven(
    specification: DesignSpecification, circuit: Circuit, problem: Problem, result: SteadyResult
) -> dict[str, ProvenProduct]:
    elements = circuit.elements
    oxide = np.array(oxide_molar_masses(elements))
    liquor = np.exp(np.asarray(result.unknowns.stage)[:, : len(elements)])
    streams = problem.streams
    middle, drawn = (float(flow) for flow in streams.draw_flow)
    left = float(np.asarray(streams.feed_flow).sum()) - middle - drawn
    fed = np.asarray(streams.feed_flow) @ np.asarray(streams.feed_concentration)
    extracted, between, raffinate = _products(specification)
    found = {}
    for product, stage, flow in zip(
        (raffinate, between, extracted), _outlets(circuit), (left, middle, drawn), strict=True
    ):
        counts = np.array([e in product.elements for e in elements])
        mass = liquor[stage] * oxide * flow
        found[product.name] = ProvenProduct(
            purity=float(mass[counts].sum() / mass.sum()),
            recovery=float(
                (liquor[stage] * flow)[counts].sum() / fed[: len(elements)][counts].sum()
            ),
            reo_flow=float(mass.sum()),
        )
    return found


def _flows(circuit: Circuit) -> dict[str, float]:
    extraction, _, upper, strip = circuit.sections
    assert extraction.aqueous is not None
    assert strip.aqueous is not None
    return {
        "feed": extraction.aqueous.flow,
        "organic": circuit.organic_flow,
        "strip acid": strip.aqueous.flow,
        "scrub": strip.aqueous.flow - strip.draw_flow,
        "middle draw": upper.draw_flow,
    }
