"""Third outlets: least flows, attainable purity, place and stages, against the exact solution."""

from __future__ import annotations

import pytest

from raffinate.cascade.constant_beta_outlets import solve_outlets
from raffinate.cascade.theory_outlets import (
    plan_with_third_outlet,
    third_outlet_minimum,
    third_outlet_purity,
)
from raffinate.cascade.theory_outlets_design import (
    ThreeProducts,
    design_outlets,
    product_amounts,
)
from raffinate.errors import SpecificationError

FEED = {"A": 0.3, "B": 0.4, "C": 0.3}
BETA = {"A": 9.0, "B": 3.0, "C": 1.0}
GROUPS = {"extracted": ("A",), "middle": ("B",)}
PRODUCTS = ThreeProducts(
    extracted=("A",),
    middle=("B",),
    rejected=("C",),
    purity_extracted=0.99,
    purity_middle=0.9,
    purity_rejected=0.99,
)


def solved(minimum, factor, phase, stages=(50, 30, 50)):
    s = factor * minimum.extraction_amount
    plan = plan_with_third_outlet(
        stages,
        minimum,
        extraction_amount=s,
        scrub_amount=minimum.scrub_amount + s - minimum.extraction_amount,
        third_amount=minimum.third_amount,
        feed_phase=phase,
    )
    return solve_outlets(FEED, BETA, plan)


@pytest.mark.parametrize("phase", ["aqueous", "organic"])
@pytest.mark.parametrize("section", ["scrub", "extraction"])
def test_a_long_bank_makes_the_purity_just_above_the_least_flow_and_not_below(section, phase):
    minimum = third_outlet_minimum(
        FEED, BETA, **GROUPS, purity=0.9, section=section, feed_phase=phase
    )
    enough, short = (solved(minimum, factor, phase) for factor in (1.01, 0.98))
    assert enough.purity("third", "B") == pytest.approx(0.9, abs=1e-6)
    assert enough.purity("loaded_organic", "A") > 1.0 - 1e-6
    assert enough.purity("raffinate", "C") > 1.0 - 1e-6
    assert short.purity("third", "B") < 0.9 - 1e-4


def test_least_flow_of_three_elements_by_hand():
    """x_A = f_A/(W (β - 1) + T) = 1 - p with β(A/B) = 3, T = 0.4/p and p = 0.9."""
    minimum = third_outlet_minimum(FEED, BETA, **GROUPS, purity=0.9)
    drawn = 0.4 / 0.9
    scrub = (0.3 / 0.1 - drawn) / 2.0
    assert minimum.third_amount == pytest.approx(drawn)
    assert minimum.scrub_amount == pytest.approx(scrub)
    assert minimum.extraction_amount == pytest.approx(scrub + 0.3 - 0.1 * drawn)


@pytest.mark.parametrize("section", ["scrub", "extraction"])
def test_attainable_purity_is_that_whose_least_flow_it_is(section):
    minimum = third_outlet_minimum(FEED, BETA, **GROUPS, purity=0.97, section=section)
    purity = third_outlet_purity(
        FEED,
        BETA,
        **GROUPS,
        extraction_amount=minimum.extraction_amount,
        section=section,
    )
    assert purity == pytest.approx(0.97, abs=1e-9)


def test_more_than_one_middle_element_makes_the_bound_a_safe_one():
    feed = {"A": 0.3, "B1": 0.2, "B2": 0.2, "C": 0.3}
    beta = {"A": 9.0, "B1": 3.0, "B2": 2.5, "C": 1.0}
    minimum = third_outlet_minimum(feed, beta, extracted=["A"], middle=["B1", "B2"], purity=0.9)
    plan = plan_with_third_outlet(
        (60, 40, 50),
        minimum,
        extraction_amount=1.01 * minimum.extraction_amount,
        scrub_amount=minimum.scrub_amount + 0.01 * minimum.extraction_amount,
        third_amount=minimum.third_amount,
    )
    assert solve_outlets(feed, beta, plan).purity("third", "B1", "B2") >= 0.9 - 1e-6


def test_amounts_of_three_products_hold_what_the_feed_brings():
    a, b, c = product_amounts(FEED, PRODUCTS, 0.9, "scrub")
    assert a + b + c == pytest.approx(1.0)
    assert 0.99 * a + 0.9 * 0.1 * b == pytest.approx(0.3)
    assert 0.99 * c + 0.1 * 0.1 * b == pytest.approx(0.3)


def test_a_design_meets_three_purities_and_one_stage_less_of_any_run_does_not():
    found = design_outlets(FEED, BETA, PRODUCTS, excess=1.3)
    wanted = {"loaded_organic": ("A", 0.99), "third": ("B", 0.9), "raffinate": ("C", 0.99)}
    for name, (element, purity) in wanted.items():
        assert found.cascade.purity(name, element) >= purity
    assert found.excess == pytest.approx(1.3)
    for run in range(3):
        fewer = list(found.stages)
        fewer[run] -= 1
        plan = found.cascade.plan
        lesser = solve_outlets(
            FEED,
            BETA,
            plan_with_third_outlet(
                tuple(fewer),
                found.minimum,
                extraction_amount=plan.extraction_amount,
                scrub_amount=plan.scrub_amount,
                third_amount=plan.draws[0].amount,
            ),
        )
        assert any(
            lesser.purity(name, element) < purity for name, (element, purity) in wanted.items()
        )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"purity": 0.39}, "a purity above 0.4"),
        ({"purity": 1.0}, "below 1"),
        ({"near_share": 0.0}, "near_share"),
        ({"middle": ("C",)}, "three groups"),
        ({"middle": ("A",)}, "three groups"),
        ({"middle": ("X",)}, "'X' is not in the feed"),
    ],
)
def test_a_third_outlet_that_cannot_be_is_refused(change, words):
    with pytest.raises(SpecificationError, match=words):
        third_outlet_minimum(FEED, BETA, **{**GROUPS, "purity": 0.9, **change})


def test_ends_too_impure_for_the_middle_to_have_metal_are_refused_with_what_would_do():
    lax = ThreeProducts(
        extracted=("A",),
        middle=("B",),
        rejected=("C",),
        purity_extracted=0.5,
        purity_middle=0.9,
        purity_rejected=0.5,
    )
    with pytest.raises(SpecificationError, match="purer than"):
        product_amounts(FEED, lax, 0.9, "scrub")


def test_an_excess_below_one_is_refused_with_the_least_amount():
    with pytest.raises(SpecificationError, match="least extraction amount is"):
        design_outlets(FEED, BETA, PRODUCTS, excess=0.9)
