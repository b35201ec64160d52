"""Plants as values: what is refused, what follows."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from plant_variants import restaged
from raffinate.errors import SpecificationError
from raffinate.plant.arrays import (
    aqueous_leaving,
    check_mixer_ratios,
    liquor_components,
    mixer_ratios,
    specification_of,
    streams_of,
    vessels_of,
)
from raffinate.plant.model import Circuit, Liquor, Section


@pytest.mark.parametrize(
    "wrong",
    [
        {"stages": 0},
        {"efficiency": 0.0},
        {"efficiency": 1.01},
        {"mixer": 0.0},
        {"settler_organic": -1.0},
        {"recycle": -1.0},
        {"draw_flow": float("nan")},
    ],
)
def test_an_impossible_section_is_refused(wrong):
    with pytest.raises(SpecificationError, match=f"section scrub: {next(iter(wrong))}"):
        Section(**{"name": "scrub", "stages": 3, **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"sections": ()},
        {"organic_flow": 0.0},
        {"saponification_degree": 0.5},
        {"extractant_concentration": -1.0},
    ],
)
def test_an_impossible_circuit_is_refused(default_plant, wrong):
    with pytest.raises(SpecificationError, match="circuit"):
        replace(default_plant.circuit, **wrong)


def test_names_are_answered_with_the_nearest(default_plant):
    with pytest.raises(SpecificationError, match="Did you mean 'cepr'"):
        default_plant.product("cepa")
    with pytest.raises(SpecificationError, match="Did you mean 'scrub'"):
        default_plant.circuit.last_stage("scrubb")


def test_products_leave_at_the_raffinate_and_at_the_first_strip_stage(default_plant):
    stages = [default_plant.stage_index(default_plant.product(n)) for n in ("cepr", "nd")]
    assert stages == [0, 60]


def test_an_operation_is_what_the_operated_plant_says(default_plant):
    operation = replace(
        default_plant.operation(),
        organic_flow=4e-3,
        acid_flow=5e-4,
        scrub_flow=3e-4,
        feed_acid=12.0,
        saponification_degree=0.33,
    ).with_element(0, 0.5)
    again = default_plant.operated(operation).operation()
    for name in ("organic_flow", "acid_flow", "scrub_flow", "feed_acid", "saponification_degree"):
        assert getattr(again, name) == pytest.approx(getattr(operation, name)), name
    np.testing.assert_allclose(again.feed_mass_fraction, operation.feed_mass_fraction)
    assert again.feed_reo == pytest.approx(operation.feed_reo)


def test_aqueous_leaves_as_the_flows_add_up(default_plant):
    operation = default_plant.operation()
    leaving = aqueous_leaving(default_plant.circuit)
    assert leaving[60] == pytest.approx(operation.acid_flow)
    assert leaving[59] == pytest.approx(operation.scrub_flow)
    assert leaving[0] == pytest.approx(operation.scrub_flow + operation.feed_flow)


def test_a_mixer_that_cannot_disperse_is_named_with_the_mend(default_plant):
    check_mixer_ratios(default_plant.circuit)
    scrub = default_plant.circuit.sections[1]
    sections = list(default_plant.circuit.sections)
    sections[1] = replace(scrub, recycle=0.1 / 3600.0)
    circuit = replace(default_plant.circuit, sections=tuple(sections))
    ratio = mixer_ratios(circuit)[30]
    assert ratio > 3.0
    with pytest.raises(SpecificationError) as caught:
        check_mixer_ratios(circuit)
    message = str(caught.value)
    assert message.startswith("scrub: O/A in the mixer is")
    assert "0.333 to 3" in message
    assert "now 0.1 m³/h" in message
    enough = re.search(r"at least ([0-9.]+) m³/h of settled aqueous", message)
    assert enough
    sections[1] = replace(scrub, recycle=float(enough[1]) / 3600.0)
    mended = replace(circuit, sections=tuple(sections))
    check_mixer_ratios(mended)
    assert mixer_ratios(mended)[30] == pytest.approx(3.0, rel=2e-3)


def test_padding_is_inactive_and_holds_something(default_plant):
    vessels = vessels_of(restaged(default_plant, (3, 4, 2)).circuit)
    assert vessels.active.sum() == 9
    assert len(vessels.active) == 16
    assert (np.asarray(vessels.mixer_aqueous) > 0.0).all()


def test_a_liquor_is_neutral_and_positive(default_plant):
    elements = default_plant.circuit.elements
    components = liquor_components(
        Liquor(name="feed", flow=1.0, concentration={"Ce": 100.0}), elements
    )
    assert (components[:-1] > 0.0).all()
    assert components[4] == pytest.approx(300.0)
    with pytest.raises(SpecificationError, match="La has no constant"):
        liquor_components(Liquor(name="feed", flow=1.0, concentration={"La": 1.0}), elements)
    with pytest.raises(SpecificationError, match="free acid is -1"):
        liquor_components(Liquor(name="feed", flow=1.0, proton=-1.0), elements)


@pytest.mark.parametrize(
    ("purities", "message"),
    [
        ({"nd": 0.99}, "1 purities are asked for"),
        ({"nd": 99.9, "cepr": 0.99}, "Write 0.999 for 99.9 %"),
        ({"nb": 0.99, "cepr": 0.99}, "Did you mean 'nd'"),
    ],
)
def test_purities_that_cannot_be_asked_for_are_refused(default_plant, purities, message):
    with pytest.raises(SpecificationError, match=message):
        specification_of(default_plant, purities)


def test_streams_name_the_stages_they_enter(default_plant):
    streams = streams_of(default_plant.circuit)
    assert list(streams.feed_stage) == [25, 67]
    assert list(streams.draw_stage) == [60]
    assert isinstance(default_plant.circuit, Circuit)
