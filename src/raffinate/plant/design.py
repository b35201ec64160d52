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

from raffinate.cascade.theory_design import BankDesign, design_bank
from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.plant.design_checks import check_phase_ratio, check_strip_acid
from raffinate.plant.design_file import DesignSpecification
from raffinate.plant.design_text import plant_text
from raffinate.plant.model import Plant
from raffinate.plant.plant_file import parse_plant
from raffinate.plant.steady import SteadyState, solve_steady

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
    specification: DesignSpecification, advance: Callable[[str], None] = lambda step: None
) -> PlantDesign:
    """Return the plant for a specification.

    Args:
        specification: What it must do.
        advance: Called with what is done next, in words.

    Raises:
        SpecificationError: A cut that the system does not make, acid too weak to strip, a phase
            ratio no mixer runs, or purities out of reach of `TRIES` plants; says what would do, or
            how far they came.
    """
    if specification.middle is not None:
        raise SpecificationError(
            "it asks for a middle product.",
            where=specification.name,
            mend="Design it with design_three_outlets, or leave `middle` out.",
        )
    check_strip_acid(specification)
    beta = design_separation_factors(specification)
    bank = _bank(specification, beta, advance)
    foreseen = bank.flows.extraction_amount
    check_phase_ratio(specification, foreseen, bank.flows.scrub_amount)
    trials: list[Trial] = []
    n, m = (max(1, math.ceil(count / specification.efficiency)) for count in bank.stages)
    for _ in range(TRIES):
        stages = (n, m, specification.strip_stages)
        plant, state, trial = _tried(specification, stages, foreseen, advance)
        trials.append(trial)
        amount = trial.extraction_amount
        if state is not None and amount is not None and amount <= MOST_EXTRACTANT * foreseen:
            return PlantDesign(
                specification=specification,
                separation_factor=beta,
                bank=bank,
                trials=tuple(trials),
                plant_text=plant_text(specification, stages, amount),
                plant=plant,
                state=state,
                extraction_amount=amount,
            )
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


def _bank(
    specification: DesignSpecification, beta: dict[str, float], advance: Callable[[str], None]
) -> BankDesign:
    extracted, raffinate = specification.extracted, specification.raffinate
    over = _neighbour(beta, raffinate.elements, max)
    under = _neighbour(beta, extracted.elements, min)
    return design_bank(
        specification.mole_fraction,
        beta,
        extracted=extracted.elements,
        purity_extracted=specification.mole_purity(extracted, over),
        purity_raffinate=specification.mole_purity(raffinate, under),
        excess=specification.excess,
        advance=lambda: advance("ideal stages by theory"),
    )


def _tried(
    specification: DesignSpecification,
    stages: tuple[int, int, int],
    foreseen: float,
    advance: Callable[[str], None],
) -> tuple[Plant, SteadyState | None, Trial]:
    """Solve the plant of these stages for the purities; no state where they are out of reach."""
    plant = parse_plant(plant_text(specification, stages, foreseen), where=specification.name)
    try:
        of = " + ".join(map(str, stages))
        state = solve_steady(
            plant,
            purities=plant.nominal_purity,
            advance=lambda step: advance(f"plant of {of} stages, {step}"),
        )
    except ConvergenceError as error:
        return plant, None, Trial(stages=stages, extraction_amount=None, finding=error.what)
    amount = _extraction_amount(plant, state)
    finding = "meets the purities"
    if amount > MOST_EXTRACTANT * foreseen:
        finding += (
            f" with {amount / foreseen:.2f} times the extractant foreseen; more stages are tried"
        )
    return plant, state, Trial(stages=stages, extraction_amount=amount, finding=finding)


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
