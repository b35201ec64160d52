"""The engine against closed forms and the constant-β solution, to 1e-6.

Separation factors and totals are constant with `SaturatedExchange`, whose organic takes up what its
saponification allows. D is constant with the shipped mass action where metals are traces and
nothing is saponified, so that free acid and extractant are constant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from raffinate.cascade.constant_beta import minimum_extraction_amount, solve_constant_beta
from raffinate.cascade.constant_beta_outlets import solve_outlets
from raffinate.cascade.constant_beta_traffic import BankPlan, SideDraw
from raffinate.cascade.theory import fenske_stages, kremser_unextracted, split_from
from raffinate.chemistry.system import ExtractionSystem
from raffinate.chemistry.system_file import load_system
from raffinate.plant.arrays import is_simple_exchange, settled_flows
from raffinate.plant.model import Circuit, Liquor, OrganicFeed, Section
from raffinate.plant.outcome import bank_streams, check_steady
from raffinate.plant.search import solve_fixed
from raffinate.plant.steady import solve_steady
from saturated_chemistry import SaturatedExchange, saturated_problem

pytestmark = pytest.mark.literature

FEED = {"Ce": 0.45, "Pr": 0.2, "Nd": 0.35}
BETA = {"Ce": 1.0, "Pr": 2.03, "Nd": 2.03 * 1.55}
TOTAL, FLOW = 1000.0, 1e-3
SAPONIFIED, EXTRACTANT = 0.36, 1500.0
ACID = 3000.0


def ideal(log10_constant: dict[str, float], log10_saponification: float) -> ExtractionSystem:
    """Return a system of ideal mass action with other constants."""
    system = load_system("p507_hcl").subset(tuple(log10_constant))
    found = replace(
        system,
        log10_extraction_constant=np.array([log10_constant[e] for e in system.elements]),
        log10_saponification_constant=log10_saponification,
    )
    assert is_simple_exchange(found)
    return found


def constant_beta_circuit(plan: BankPlan, feed: dict[str, float] = FEED) -> Circuit:
    """Return the circuit of a plan: saponified organic, scrub acid of its own, all stripped."""
    fed = TOTAL * FLOW
    organic = plan.extraction_amount * fed / (SAPONIFIED * EXTRACTANT / 3.0)
    liquor = Liquor(name="feed", flow=FLOW, concentration={e: f * TOTAL for e, f in feed.items()})
    scrub = Liquor(name="scrub", flow=plan.scrub_amount * fed * 3.0 / ACID, proton=ACID)
    strip = Liquor(name="strip", flow=organic, proton=5500.0)
    shares = {
        "entrained_organic": plan.entrained_organic,
        "entrained_aqueous": plan.entrained_aqueous,
    }
    ends = [plan.stages]
    draws = {}
    for draw in plan.draws:
        # A section is drawn from at its first stage; amount over strength is the flow.
        ends = [draw.stage - 1, plan.stages]
        draws[draw.stage - 1] = draw.amount * fed / (ACID / 3.0)
    sections = [Section(name="extraction", stages=plan.extraction_stages, aqueous=liquor, **shares)]
    begin = plan.extraction_stages
    for end in ends:
        sections.append(
            Section(
                name=f"scrub to {end}",
                stages=end - begin,
                aqueous=scrub if end == plan.stages else None,
                draw="third" if begin in draws else "",
                draw_flow=draws.get(begin, 0.0),
                **shares,
            )
        )
        begin = end
    # Nothing goes on from the strip: what the organic entrains into it is drawn as well.
    settled = settled_aqueous(plan, liquor.flow, scrub.flow, draws)
    drawn = strip.flow + plan.entrained_aqueous * settled[-1]
    sections.append(Section(name="strip", stages=1, aqueous=strip, draw="strip", draw_flow=drawn))
    return Circuit(
        system=load_system("p507_hcl").subset(tuple(feed)),
        sections=tuple(sections),
        organic_flow=organic,
        extractant_concentration=EXTRACTANT,
        saponification_degree=SAPONIFIED,
    )


def settled_aqueous(
    plan: BankPlan, feed_flow: float, scrub_flow: float, draws: dict[int, float]
) -> np.ndarray:
    """Return the aqueous that settles in each stage, its two neighbours sending it."""
    arriving = np.zeros(plan.stages)
    arriving[plan.extraction_stages - 1], arriving[-1] = feed_flow, scrub_flow
    for stage, flow in draws.items():
        arriving[stage - 1] -= flow
    share = plan.entrained_aqueous
    gone = np.eye(plan.stages) - share * np.eye(plan.stages, k=-1)
    return np.linalg.solve(gone - (1.0 - share) * np.eye(plan.stages, k=1), arriving)


@dataclass(frozen=True)
class Solved:
    """Rare earths of a solved bank in the order of the feed, per mole of feed."""

    aqueous: np.ndarray
    organic: np.ndarray
    raffinate: np.ndarray
    drawn: np.ndarray


def solved(plan: BankPlan, feed: dict[str, float] = FEED) -> Solved:
    circuit = constant_beta_circuit(plan, feed)
    chemistry = SaturatedExchange(circuit.elements)
    problem = saturated_problem(circuit, BETA)
    result = solve_fixed(chemistry, problem, circuit, None)
    bank = bank_streams(chemistry, problem, result, circuit.stages)
    check_steady(chemistry, problem, bank)
    order = [circuit.elements.index(e) for e in feed]
    rare, fed = slice(0, plan.stages), TOTAL * FLOW
    organic = settled_flows(problem.streams).organic
    return Solved(
        bank.aqueous[rare][:, order],
        bank.organic[rare][:, order] * organic[rare, None] / fed,
        bank.raffinate[order] / fed,
        bank.drawn[order] / fed,
    )


def fractions(amounts: np.ndarray) -> np.ndarray:
    return amounts / amounts.sum(axis=1, keepdims=True)


PLANS = {
    "plain": BankPlan(
        extraction_stages=10, scrub_stages=12, extraction_amount=1.9, scrub_amount=1.55
    ),
    "below the minimum": BankPlan(
        extraction_stages=10, scrub_stages=12, extraction_amount=1.3, scrub_amount=0.95
    ),
    "far above the minimum": BankPlan(
        extraction_stages=10, scrub_stages=12, extraction_amount=3.0, scrub_amount=2.65
    ),
    "third outlet": BankPlan(
        extraction_stages=10,
        scrub_stages=12,
        extraction_amount=1.9,
        scrub_amount=1.6,
        draws=(SideDraw(name="third", stage=15, phase="aqueous", amount=0.2),),
    ),
    "third outlet and entrainment": BankPlan(
        extraction_stages=10,
        scrub_stages=12,
        extraction_amount=1.9,
        scrub_amount=1.6,
        draws=(SideDraw(name="third", stage=15, phase="aqueous", amount=0.2),),
        entrained_organic=0.1,
        entrained_aqueous=0.05,
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if plan.draws else ())
        for name, plan in PLANS.items()
    ],
)
def test_the_engine_is_the_stage_by_stage_solution_where_beta_is_constant(name):
    """Source: own exact solution of the frame of Yan et al., Tsinghua Sci. Technol. 11 (2006)."""
    plan = PLANS[name]
    exact, found = solve_outlets(FEED, BETA, plan), solved(plan)
    assert fractions(found.aqueous) == pytest.approx(fractions(exact.aqueous), rel=1e-6)
    assert found.organic == pytest.approx(exact.organic, rel=1e-6)
    assert found.raffinate == pytest.approx(exact.products["raffinate"], rel=1e-6)
    if plan.draws:
        taken = exact.products["third"] + exact.products["loaded_organic"]
        assert found.drawn == pytest.approx(taken, rel=1e-6)


@pytest.mark.slow
def test_the_engine_is_the_stage_by_stage_solution_where_the_feed_is_organic():
    """Source: own exact solution of the frame of Yan et al., Tsinghua Sci. Technol. 11 (2006)."""
    plan = BankPlan(
        extraction_stages=8,
        scrub_stages=9,
        extraction_amount=1.4,
        scrub_amount=1.85,
        feed_phase="organic",
        entrained_organic=0.02,
        entrained_aqueous=0.03,
    )
    exact = solve_outlets(FEED, BETA, plan)
    circuit = organic_fed_circuit(plan)
    chemistry, problem = SaturatedExchange(circuit.elements), saturated_problem(circuit, BETA)
    result = solve_fixed(chemistry, problem, circuit, None)
    bank = bank_streams(chemistry, problem, result, circuit.stages)
    check_steady(chemistry, problem, bank)
    order = [circuit.elements.index(e) for e in FEED]
    rare, fed = slice(0, plan.stages), TOTAL * FLOW
    assert fractions(bank.aqueous[rare][:, order]) == pytest.approx(
        fractions(exact.aqueous), rel=1e-6
    )
    assert bank.raffinate[order] / fed == pytest.approx(exact.products["raffinate"], rel=1e-6)
    taken = exact.products["loaded_organic"]
    assert bank.drawn[order] / fed == pytest.approx(taken, rel=1e-6)
    lost = bank.organic_lost
    assert bank.organic_surplus == pytest.approx(circuit.sections[1].organic.flow - lost, rel=1e-12)


def organic_fed_circuit(plan: BankPlan) -> Circuit:
    """Return the circuit of a plan whose feed is organic, as loaded as what it meets."""
    whole = constant_beta_circuit(plan)
    first, scrub, strip = whole.sections
    fed = TOTAL * FLOW
    loading = SAPONIFIED * EXTRACTANT / 3.0
    feed = OrganicFeed(
        name="loaded", flow=fed / loading, concentration={e: f * loading for e, f in FEED.items()}
    )
    # The feed joins the mixer of the last extraction stage; the aqueous one gives its place to it.
    settled = settled_aqueous(plan, 0.0, scrub.aqueous.flow, {})
    drawn = strip.aqueous.flow + plan.entrained_aqueous * settled[-1]
    return replace(
        whole,
        sections=(
            replace(first, stages=first.stages - 1, aqueous=None),
            replace(scrub, stages=scrub.stages + 1, organic=feed),
            replace(strip, draw_flow=drawn),
        ),
    )


@pytest.mark.parametrize("stages", [1, 3, 5])
@pytest.mark.parametrize("extraction_factor", [0.5, 1.0, 2.5])
def test_the_engine_follows_kremser_where_d_is_constant(stages, extraction_factor):
    """Source: A. Kremser, Natl. Pet. News 22 (1930) 43; closed form for constant D."""
    proton, trace = 100.0, 1e-7
    free = 0.5 * EXTRACTANT
    # D = K (f/h)³ with f all of the dimer and h the acid of the feed; organic flow equals aqueous.
    log10_constant = np.log10(extraction_factor) - 3.0 * np.log10(free / proton)
    system = ideal({"Nd": log10_constant}, -30.0)
    circuit = Circuit(
        system=system,
        sections=(
            Section(
                name="extraction",
                stages=stages,
                aqueous=Liquor(name="feed", flow=FLOW, concentration={"Nd": trace}, proton=proton),
            ),
            Section(
                name="strip",
                stages=3,
                aqueous=Liquor(name="strip", flow=FLOW, proton=1e6),
                draw="strip",
                draw_flow=FLOW,
            ),
        ),
        organic_flow=FLOW,
        extractant_concentration=EXTRACTANT,
        saponification_degree=0.0,
    )
    state = solve_steady(circuit, check_mixers=False)
    unextracted = state.raffinate[0] / (trace * FLOW)
    assert unextracted == pytest.approx(kremser_unextracted(extraction_factor, stages), rel=1e-6)


def test_total_reflux_takes_the_stages_of_fenske():
    """Source: M. R. Fenske, Ind. Eng. Chem. 24 (1932) 482; approached as 1/S, extrapolated."""
    n, m, beta = 3, 4, 1.55

    def counted(amount: float) -> float:
        cascade = solve_constant_beta(
            {"A": 0.4, "B": 0.6},
            {"A": beta, "B": 1.0},
            extraction_stages=n,
            scrub_stages=m,
            extraction_amount=amount,
            scrub_amount=amount - 0.4,
        )
        split = split_from(
            0.4, purity_a=cascade.organic_purity("A"), purity_b=cascade.raffinate_purity("B")
        )
        return fenske_stages(split, beta)

    assert 2.0 * counted(4e4) - counted(2e4) == pytest.approx(n + m, rel=1e-6)


@pytest.mark.slow
def test_the_engine_parts_two_elements_above_the_least_flow_and_pinches_below():
    """Source: S = f_A + 1/(β - 1), Cheng et al., Adv. Mater. Phys. Chem. 4 (2014) 275."""
    feed, beta = {"Pr": 0.5, "Nd": 0.5}, {"Pr": BETA["Pr"], "Nd": BETA["Nd"]}
    least = minimum_extraction_amount(feed, beta, extracted=["Nd"]).extraction_amount
    assert least == pytest.approx(0.5 + 1.0 / 0.55, rel=1e-12)
    leaks = []
    for factor in (0.95, 1.1):
        plan = BankPlan(
            extraction_stages=40,
            scrub_stages=40,
            extraction_amount=factor * least,
            scrub_amount=factor * least - 0.5,
        )
        found, exact = solved(plan, feed), solve_outlets(feed, beta, plan)
        assert found.raffinate[1] == pytest.approx(exact.products["raffinate"][1], rel=1e-6)
        leaks.append(found.raffinate[1])
    assert leaks[0] > 1e-3
    assert leaks[1] < 2e-4
