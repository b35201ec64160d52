"""Countercurrent-extraction theory against the exact solution of every stage."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raffinate.cascade.constant_beta import minimum_extraction_amount, solve_constant_beta
from raffinate.cascade.theory import (
    fenske_stages,
    flows_from,
    kremser_unextracted,
    optimum_flows,
    short_stage_numbers,
    split_from,
)
from raffinate.cascade.theory_binary import exact_stage_numbers, fewest_stages
from raffinate.cascade.theory_design import design_bank
from raffinate.cascade.theory_minimum import minimum_overlapping_amount
from raffinate.errors import SpecificationError

LIGHT = {"La": 0.25, "Ce": 0.35, "Pr": 0.15, "Nd": 0.25}
LIGHT_BETA = {"La": 1.0, "Ce": 2.5, "Pr": 5.0, "Nd": 8.0}

fractions = st.floats(0.05, 0.95)
impurities = st.floats(1e-3, 1e-2)


def solve_binary(split, beta, flows, extraction, scrub):
    return solve_constant_beta(
        {"A": split.feed_fraction, "B": 1.0 - split.feed_fraction},
        {"A": beta, "B": 1.0},
        extraction_stages=extraction,
        scrub_stages=scrub,
        extraction_amount=flows.extraction_amount,
        scrub_amount=flows.scrub_amount,
        feed_phase=flows.feed_phase,
    )


@given(fraction=fractions, a=impurities, b=impurities)
def test_any_two_figures_of_merit_give_the_same_split(fraction, a, b):
    split = split_from(fraction, purity_a=1.0 - a * fraction, purity_b=1.0 - b * (1.0 - fraction))
    figures = {
        name: getattr(split, name) for name in ("purity_a", "purity_b", "recovery_a", "recovery_b")
    }
    for first in figures:
        for second in figures:
            if first < second:
                again = split_from(fraction, **{first: figures[first], second: figures[second]})
                assert again.to_organic == pytest.approx(split.to_organic, rel=1e-7)
                assert 1.0 - again.purity_a == pytest.approx(1.0 - split.purity_a, rel=1e-4)
    metal = split.to_organic * split.purity_a + split.to_raffinate * (1.0 - split.purity_b)
    assert metal == pytest.approx(fraction, rel=1e-12)


@settings(deadline=None, max_examples=30)
@given(
    fraction=st.floats(0.15, 0.85),
    beta=st.floats(1.4, 4.0),
    impurity=st.floats(1e-4, 5e-3),
    phase=st.sampled_from(["aqueous", "organic"]),
)
def test_the_fewest_stages_meet_the_purities_and_one_less_does_not(fraction, beta, impurity, phase):
    split = split_from(fraction, purity_a=1.0 - impurity, purity_b=1.0 - impurity)
    flows = optimum_flows(split, beta, phase)
    n, m = fewest_stages(split, beta, flows)
    exact = exact_stage_numbers(split, beta, flows)
    # Whole stages seldom have the feed where the bank has its composition, which is the best place
    # but for a fraction of a stage.
    assert -0.5 <= n + m - exact.extraction - exact.scrub <= 2.0
    assert 1.0 - solve_binary(split, beta, flows, n, m).organic_purity("A") <= impurity * (1 + 1e-9)
    for fewer in range(max(n - 3, 1), n + 3):
        if n + m - 1 - fewer >= 0:
            short = solve_binary(split, beta, flows, fewer, n + m - 1 - fewer)
            assert 1.0 - short.organic_purity("A") > impurity


@pytest.mark.parametrize("phase", ["aqueous", "organic"])
def test_exact_stage_numbers_reproduce_a_solved_bank(phase):
    """A bank whose feed stage has the composition of the feed is counted back without rest."""
    split = split_from(0.5, purity_a=0.999, purity_b=0.999)
    flows = optimum_flows(split, 2.0, phase)
    numbers = exact_stage_numbers(split, 2.0, flows)
    if phase == "aqueous":
        assert numbers.extraction == pytest.approx(20.014, abs=5e-4)
        assert numbers.scrub == pytest.approx(19.824, abs=5e-4)
    # The mirror image: phases and elements exchanged; the feed stage counts as extraction.
    other = exact_stage_numbers(
        split, 2.0, optimum_flows(split, 2.0, "organic" if phase == "aqueous" else "aqueous")
    )
    assert numbers.extraction - 1.0 == pytest.approx(other.scrub, rel=1e-9)


def test_the_short_formulas_count_too_few_stages_for_two_elements():
    split = split_from(0.5, purity_a=0.999, purity_b=0.999)
    flows = optimum_flows(split, 2.0)
    exact = exact_stage_numbers(split, 2.0, flows)
    assert sum(short_stage_numbers(split, 2.0, flows)) < exact.extraction + exact.scrub - 3.0


def test_total_reflux_needs_the_stages_of_fenske():
    split = split_from(0.5, purity_a=0.999, purity_b=0.999)
    flows = flows_from(split, 1e7)
    exact = exact_stage_numbers(split, 2.0, flows)
    assert exact.extraction + exact.scrub == pytest.approx(fenske_stages(split, 2.0), rel=1e-6)


def test_flows_at_the_minimum_end_in_a_pinch():
    split = split_from(0.5, purity_a=1.0 - 1e-9, purity_b=1.0 - 1e-9)
    least = minimum_extraction_amount({"A": 0.5, "B": 0.5}, {"A": 2.0, "B": 1.0}, extracted=["A"])
    with pytest.raises(SpecificationError, match="pinch"):
        exact_stage_numbers(split, 2.0, flows_from(split, 0.999 * least.extraction_amount))
    exact_stage_numbers(split, 2.0, flows_from(split, 1.001 * least.extraction_amount))


@pytest.mark.parametrize("stages", [1, 5, 40])
@pytest.mark.parametrize("factor", [0.3, 1.0, 1.0 + 1e-9, 3.0])
def test_kremser_is_the_sum_of_the_series(stages, factor):
    series = sum(factor**power for power in range(stages + 1))
    assert kremser_unextracted(factor, stages) == pytest.approx(1.0 / series, rel=1e-6)


@pytest.mark.parametrize("phase", ["aqueous", "organic"])
@pytest.mark.parametrize(("extracted", "rejected"), [("Nd", "Ce"), ("Nd", "La"), ("Pr", "La")])
def test_overlapping_cuts_pinch_at_their_least_flow(extracted, rejected, phase):
    least = minimum_overlapping_amount(
        LIGHT, LIGHT_BETA, extracted=extracted, rejected=rejected, feed_phase=phase
    )
    arriving = 1.0 if phase == "organic" else 0.0
    leaks = []
    for share in (0.98, 1.0 + 1e-3):
        amount = share * least.extraction_amount
        cascade = solve_constant_beta(
            LIGHT,
            LIGHT_BETA,
            extraction_stages=150,
            scrub_stages=150,
            extraction_amount=amount,
            scrub_amount=amount + arriving - sum(least.to_organic.values()),
            feed_phase=phase,
        )
        leaks.append(cascade.raffinate[extracted] + cascade.loaded_organic[rejected])
    assert leaks[0] > 1e-3
    assert leaks[1] < 1e-7


def test_overlapping_cuts_take_less_than_sharp_ones_and_a_sharp_one_is_underwoods():
    sharp = minimum_extraction_amount(LIGHT, LIGHT_BETA, extracted=["Nd"])
    same = minimum_overlapping_amount(LIGHT, LIGHT_BETA, extracted="Nd", rejected="Pr")
    loose = minimum_overlapping_amount(LIGHT, LIGHT_BETA, extracted="Nd", rejected="La")
    assert same.extraction_amount == pytest.approx(sharp.extraction_amount, rel=1e-12)
    assert loose.extraction_amount < 0.6 * sharp.extraction_amount
    # Where all between the ends distribute, the scrub depends on the two ends alone.
    assert loose.scrub_amount == pytest.approx(1.0 / (8.0 - 1.0), rel=1e-9)


def test_an_element_that_cannot_distribute_goes_one_way():
    feed = {"La": 0.3, "Ce": 0.02, "Pr": 0.3, "Nd": 0.38}
    beta = {"La": 1.0, "Ce": 1.05, "Pr": 5.0, "Nd": 8.0}
    least = minimum_overlapping_amount(feed, beta, extracted="Nd", rejected="La")
    assert 0.0 <= least.to_organic["Ce"] <= feed["Ce"]
    assert 0.0 <= least.to_organic["Pr"] <= feed["Pr"]


def test_a_design_meets_its_purities_and_has_no_stage_to_spare():
    feed = {"Ce": 0.4466, "Pr": 0.1840, "Nd": 0.3694}
    beta = {"Ce": 1.0, "Pr": 2.03, "Nd": 2.03 * 1.55}
    design = design_bank(
        feed,
        beta,
        extracted=["Nd"],
        purity_extracted=0.9995,
        purity_raffinate=0.9995,
        excess=1.2,
    )
    n, m = design.stages
    assert 1.0 - design.cascade.organic_purity("Nd") <= 5e-4
    assert 1.0 - design.cascade.raffinate_purity("Ce", "Pr") <= 5e-4 * (1.0 + 1e-9)
    assert design.excess == pytest.approx(1.2)
    for extraction in range(n - 3, n + 3):
        fewer = solve_constant_beta(
            feed,
            beta,
            extraction_stages=extraction,
            scrub_stages=n + m - 1 - extraction,
            extraction_amount=design.flows.extraction_amount,
            scrub_amount=design.flows.scrub_amount,
        )
        assert 1.0 - fewer.organic_purity("Nd") > 5e-4


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: split_from(0.5, purity_a=0.9), "exactly two"),
        (lambda: split_from(0.5, purity_a=0.4, purity_b=0.9), "no split"),
        (lambda: split_from(0.5, purity_a=1.0, purity_b=0.9), "infinitely many"),
        (lambda: split_from(0.5, purity_a=math.nan, purity_b=0.9), "above 0 and below 1"),
        (
            lambda: optimum_flows(split_from(0.5, purity_a=0.9, purity_b=0.9), 0.5),
            "exchange A and B",
        ),
        (
            lambda: flows_from(split_from(0.5, purity_a=0.9, purity_b=0.9), 0.3),
            "both phases flow",
        ),
        (
            lambda: minimum_overlapping_amount(LIGHT, LIGHT_BETA, extracted="La", rejected="Nd"),
            "Exchange the two",
        ),
        (
            lambda: design_bank(
                LIGHT,
                LIGHT_BETA,
                extracted=["Nd"],
                purity_extracted=0.99,
                purity_raffinate=0.99,
                excess=0.9,
            ),
            "infinitely many stages",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(call, words):
    with pytest.raises(SpecificationError, match=words):
        call()
