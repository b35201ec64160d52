"""Designs that no plant can be, refused with the least change that would do."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files

import pytest

from raffinate.errors import DataError, SpecificationError
from raffinate.plant.design import design_plant
from raffinate.plant.design_checks import check_phase_ratio, check_strip_acid
from raffinate.plant.design_file import load_design, parse_design

TEXT = (files("raffinate.data") / "design_ceprnd.yaml").read_text(encoding="utf-8")
THIRD = (files("raffinate.data") / "design_ce_pr_nd.yaml").read_text(encoding="utf-8")


def numbers(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    assert found is not None, text
    return float(found[1])


def test_acid_too_weak_to_strip_is_refused_with_the_acid_that_would_do():
    design = replace(load_design("design_ceprnd"), hcl_mol_per_L=3.0)
    with pytest.raises(SpecificationError, match="no reflux") as caught:
        design_plant(design)
    enough = numbers(caught.value.mend, r"hcl_mol_per_L above (\d+\.\d+)")
    ratio = numbers(caught.value.mend, r"organic_to_acid_ratio below (\d+\.\d+)")
    check_strip_acid(replace(design, hcl_mol_per_L=1.001 * enough))
    check_strip_acid(replace(design, organic_to_acid_ratio=0.999 * ratio))
    with pytest.raises(SpecificationError):
        check_strip_acid(replace(design, hcl_mol_per_L=0.999 * enough))


def test_a_feed_too_dilute_for_its_organic_is_refused_with_the_strength_that_would_do():
    design = replace(load_design("design_ceprnd"), total_mol_per_L=0.02)
    with pytest.raises(SpecificationError, match="O/A in extraction") as caught:
        check_phase_ratio(design, 1.9, 1.5)
    enough = numbers(caught.value.mend, r"Concentrate the feed to ([\d.]+)")
    extractant = numbers(caught.value.mend, r"take ([\d.]+) mol/L of extractant")
    check_phase_ratio(replace(design, total_mol_per_L=1.001 * enough), 1.9, 1.5)
    check_phase_ratio(replace(design, extractant_mol_per_L=0.999 * extractant), 1.9, 1.5)
    with pytest.raises(SpecificationError):
        check_phase_ratio(replace(design, total_mol_per_L=0.999 * enough), 1.9, 1.5)


def test_a_strip_with_more_acid_than_mixes_is_refused():
    design = replace(load_design("design_ceprnd"), organic_to_acid_ratio=0.2)
    with pytest.raises(SpecificationError, match=r"O/A in the strip is 0\.2"):
        check_phase_ratio(design, 1.9, 1.5)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Ce: 0.4445, Pr: 0.1842, Nd: 0.3713", "Ce: 0.5, Pr: 0.5, Nd: 0.0", "the feed holds no Nd"),
        ("strip_stages: 8", "strip_stages: 0", "strip_stages"),
    ],
)
def test_a_product_nobody_can_draw_and_zero_stages_are_refused(old, new, words):
    assert old in TEXT
    with pytest.raises(DataError, match=words):
        parse_design(TEXT.replace(old, new, 1))


def test_an_excess_without_reflux_is_refused_with_the_least_amount():
    with pytest.raises(DataError, match="excess"):
        parse_design(TEXT + "excess: 0.9\n")


def test_a_purity_below_that_of_the_feed_is_refused_with_the_purities_that_are_products():
    text = TEXT.replace("elements: [Nd], purity: 0.9994", "elements: [Nd], purity: 0.3", 1)
    with pytest.raises(SpecificationError, match=r"must be above 0\.36"):
        design_plant(parse_design(text))


def test_a_cut_against_the_order_of_extraction_is_refused_with_the_order():
    text = TEXT.replace("elements: [Nd]", "elements: [Ce]", 1)
    text = text.replace("elements: [Ce, Pr]", "elements: [Pr, Nd]", 1)
    with pytest.raises(SpecificationError, match="Nd > Pr > Ce"):
        design_plant(parse_design(text))


def test_a_third_outlet_is_read_from_the_file_and_refused_where_two_are_designed():
    design = load_design("design_ce_pr_nd")
    assert design.middle is not None
    assert design.middle.elements == ("Pr",)
    with pytest.raises(SpecificationError, match="middle product"):
        design_plant(design)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("elements: [Pr], purity", "elements: [Pr, Nd], purity", "Nd belong to both"),
        ("name: pr, title", "name: nd, title", "named 'nd'"),
        ("elements: [Pr], purity", "elements: [Pm], purity", "'Pm' is not in the feed"),
    ],
)
def test_a_third_product_that_cannot_be_is_refused(old, new, words):
    assert old in THIRD
    with pytest.raises(DataError, match=words):
        parse_design(THIRD.replace(old, new, 1))
