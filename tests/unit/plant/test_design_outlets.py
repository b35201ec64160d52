"""A bank with a third outlet, from a design file to its proof by the full chemistry."""

from __future__ import annotations

from dataclasses import replace

import pytest

from raffinate.errors import SpecificationError
from raffinate.plant.design import MOST_EXTRACTANT, design_separation_factors
from raffinate.plant.design_file import load_design
from raffinate.plant.design_outlets import design_three_outlets, three_products


@pytest.fixture(scope="module")
def specification():
    return load_design("design_ce_pr_nd")


def test_purities_in_moles_take_the_neighbour_as_impurity(specification):
    """By hand: 40 % Nd₂O₃ in Pr₆O₁₁, oxide per mole of metal 168.24 and 170.24 g."""
    products = three_products(specification, design_separation_factors(specification))
    assert products.rejected == ("Ce",)
    middle, impurity = 0.6 / 170.24, 0.4 / 168.24
    assert products.purity_middle == pytest.approx(middle / (middle + impurity), rel=1e-4)


def test_a_design_without_a_middle_product_is_refused(specification):
    with pytest.raises(SpecificationError, match="no middle product"):
        design_three_outlets(replace(specification, middle=None))


def test_a_middle_product_no_purer_than_the_feed_is_refused_with_what_would_do(specification):
    assert specification.middle is not None
    lax = replace(specification, middle=replace(specification.middle, purity=0.1))
    with pytest.raises(SpecificationError, match="in the third outlet"):
        design_three_outlets(lax)


@pytest.mark.slow
def test_the_full_chemistry_makes_all_three_purities_with_the_extractant_of_the_theory(
    specification,
):
    seen = []
    found = design_three_outlets(specification, seen.append)
    wanted = {"ce": 0.999, "pr": 0.60, "nd": 0.999}
    assert {name: product.purity for name, product in found.products.items()} == pytest.approx(
        wanted, abs=1e-8
    )
    foreseen = found.bank.cascade.plan.extraction_amount
    assert found.bank.minimum.extraction_amount < foreseen
    assert found.extraction_amount <= MOST_EXTRACTANT * foreseen
    assert found.trials[-1].finding == "meets the purities"
    assert len(seen) == 1 + len(found.trials)
    # What is not recovered in one product is the impurity of the others: metal in, metal out.
    fed = found.flows["feed"] * sum(found.circuit.sections[0].aqueous.concentration.values())
    reo = sum(product.reo_flow for product in found.products.values())
    assert reo == pytest.approx(fed * 0.1698, rel=0.01)
    assert found.balance_error < 1e-9
