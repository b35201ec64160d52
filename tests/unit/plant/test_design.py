"""Design files, and the plants that they become."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from raffinate.chemistry.loading import LoadingModel
from raffinate.errors import DataError, SpecificationError
from raffinate.plant.design import MOST_EXTRACTANT, design_plant, design_separation_factors
from raffinate.plant.design_file import load_design, parse_design, shipped_designs
from raffinate.plant.plant_file import parse_plant
from raffinate.plant.steady import solve_steady
from raffinate.sources import Source

TEXT = (files("raffinate.data") / "design_ceprnd.yaml").read_text(encoding="utf-8")


def test_a_shipped_design_is_found_by_its_name():
    assert "design_ceprnd" in shipped_designs()
    design = load_design("design_ceprnd")
    assert design.extracted.elements == ("Nd",)
    assert sum(design.mole_fraction.values()) == pytest.approx(1.0)


def test_purity_in_moles_gives_the_mass_back():
    """By hand: 0.06 % Pr₆O₁₁ in Nd₂O₃, oxide per mole of metal 170.24 and 168.24 g."""
    design = load_design("design_ceprnd")
    share = design.mole_purity(design.extracted, "Pr")
    impurity = 0.0006 / 170.24
    assert 1.0 - share == pytest.approx(impurity / (impurity + 0.9994 / 168.24), rel=1e-4)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("elements: [Ce, Pr], purity", "elements: [Ce], purity", "Pr belong to neither"),
        ("elements: [Ce, Pr], purity", "elements: [Ce, Pr, Nd], purity", "Nd belong to both"),
        ("Nd: 0.3713}", "Nd: 0.5}", "add up to"),
        ("purity: 0.9994}             #", "purity: 1.2}             #", "1.2"),
        ("source: yang2020\n\nextracted", "source: yang\n\nextracted", "'yang'"),
        ("mixer_ratio: 1.8", "mixer_ratio: 9", "9"),
        ("strip_stages", "stripping_stages", "stripping_stages"),
        ("name: cepr, title", "name: nd, title", "both products are named"),
    ],
)
def test_a_design_file_that_cannot_be_is_refused(old, new, words):
    assert old in TEXT
    with pytest.raises(DataError, match=words):
        parse_design(TEXT.replace(old, new, 1))


def test_loaded_organic_parts_less_than_traces():
    design = load_design("design_ceprnd")
    trace = design_separation_factors(replace(design, system=replace(design.system, loading=None)))
    loading = LoadingModel(level=0.0, spread=0.2, reference=0.0, source=Source(title="a test"))
    loaded = design_separation_factors(
        replace(design, system=replace(design.system, loading=loading))
    )
    squeeze = 1.0 - 2.0 * 0.36 * 0.2
    assert np.log(loaded["Nd"]) == pytest.approx(squeeze * np.log(trace["Nd"]), rel=1e-9)


@pytest.mark.slow
def test_the_plant_of_a_design_meets_its_purities_when_solved_from_its_file():
    seen = []
    found = design_plant(load_design("design_ceprnd"), seen.append)
    assert len(seen) >= 2
    assert found.extraction_amount <= MOST_EXTRACTANT * found.bank.flows.extraction_amount
    plant = parse_plant(found.plant_text)
    state = solve_steady(plant, purities=plant.nominal_purity)
    assert state.products["nd"].purity == pytest.approx(0.9994, abs=1e-9)
    assert state.products["cepr"].purity == pytest.approx(0.9994, abs=1e-9)
    assert state.organic_flow == pytest.approx(found.state.organic_flow, rel=1e-6)
    assert found.trials[-1].finding == "meets the purities"


def test_a_cut_against_the_order_of_extraction_is_refused():
    text = TEXT.replace("elements: [Nd], purity", "elements: [Pr], purity").replace(
        "elements: [Ce, Pr], purity", "elements: [Ce, Nd], purity"
    )
    with pytest.raises(SpecificationError, match="Nd"):
        design_plant(parse_design(text))
