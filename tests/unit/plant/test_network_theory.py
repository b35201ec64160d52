"""First flows of a cut, by theory."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from tests.network_plants import CUTS, bent

from raffinate.errors import SpecificationError
from raffinate.plant.network_solve import feed_streams
from raffinate.plant.network_theory import cut_group, theory_flows


def first_circuit(*changes: tuple[str, str]):
    network = bent(CUTS, *changes)
    return network.axis, network.circuits[0], feed_streams(network)["chloride"]


def test_the_strip_liquor_that_is_not_drawn_scrubs_with_w():
    axis, unit, feed = first_circuit()
    theory = theory_flows(axis, unit, feed, 1500.0)
    total = float(feed.metals(axis)[:3].sum())
    scrub = theory.flows.acid - theory.flows.draw
    assert scrub * 5000.0 / 3.0 == pytest.approx(theory.scrub_amount * total, rel=1e-12)
    acid = axis.acid(feed.amount)
    carried = theory.flows.organic * 0.36 * 1500.0 / 3.0 - acid / 3.0
    assert carried == pytest.approx(theory.extraction_amount * total, rel=1e-12)
    assert theory.extraction_amount == pytest.approx(1.3 * theory.minimum, rel=1e-12)


def test_what_is_extracted_more_goes_with_the_cut():
    _, unit, _ = first_circuit()
    assert unit.cut is not None
    assert cut_group(unit, replace(unit.cut, extracted=("Ce",))) == ("Ce", "Nd")
    with pytest.raises(SpecificationError, match="leave something behind"):
        cut_group(unit, replace(unit.cut, extracted=("La",)))


def test_a_cut_without_feasible_reflux_is_refused_with_the_ratio_that_works():
    axis, unit, feed = first_circuit(("organic_to_acid_ratio: 7.0", "organic_to_acid_ratio: 90.0"))
    with pytest.raises(SpecificationError, match="nothing is left to draw") as caught:
        theory_flows(axis, unit, feed, 1500.0)
    found = re.search(r"below ([0-9.]+)", caught.value.allowed)
    assert found
    works = replace(unit, organic_to_acid=0.999 * float(found[1]))
    assert theory_flows(axis, works, feed, 1500.0).flows.draw > 0.0


def test_a_cut_with_weak_acid_is_refused_with_the_strength_that_works():
    axis, unit, feed = first_circuit(("strip: {mol_per_L: 5.0", "strip: {mol_per_L: 0.5"))
    with pytest.raises(SpecificationError, match="mol/h of protons") as caught:
        theory_flows(axis, unit, feed, 1500.0)
    found = re.search(r"strong, ([0-9.]+) mol/L", caught.value.mend)
    assert found
    enough = f"strip: {{mol_per_L: {found[1]}"
    axis, works, feed = first_circuit(("strip: {mol_per_L: 5.0", enough))
    assert theory_flows(axis, works, feed, 1500.0).flows.draw > 0.0


def test_a_cut_whose_element_is_not_fed_is_refused():
    axis, unit, feed = first_circuit()
    feed.amount[axis.elements.index("Nd")] = 0.0
    with pytest.raises(SpecificationError, match="nothing of what is to be extracted"):
        theory_flows(axis, unit, feed, 1500.0)
