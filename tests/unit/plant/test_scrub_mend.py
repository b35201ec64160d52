"""Strip acid so plentiful that the scrub takes back all that is extracted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from raffinate.plant.plant_file import load_plant
from raffinate.plant.search_refusals import scrub_mend


def with_acid(times: float):
    circuit = load_plant("ceprnd_p507").circuit
    last = circuit.sections[-1]
    assert last.aqueous is not None
    more = replace(last.aqueous, flow=times * last.aqueous.flow)
    return replace(circuit, sections=(*circuit.sections[:-1], replace(last, aqueous=more)))


def test_acid_as_it_is_written_leaves_something_to_strip():
    assert scrub_mend(with_acid(1.0)) == ""


def test_too_much_acid_is_told_with_the_ratio_that_strips():
    """8.3 volumes of organic for one of 5.5 mol/L; 5.5/(1.05 · 1.5 · 0.36) and the feed's acid."""
    said = scrub_mend(with_acid(3.0))
    assert "nothing reaches the strip" in said
    ratio = float(said.partition("1 volume for ")[2].split()[0])
    assert ratio == pytest.approx(5.5 / (1.05 * 1.5 * 0.36), rel=0.03)
    assert "now for 2.767" in said
