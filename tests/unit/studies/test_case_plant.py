from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.plant.model import Plant
from raffinate.studies.case_plant import (
    built_plant,
    case_events,
    case_operation,
    case_purities,
    input_names,
)
from raffinate.studies.model import Input, Study
from study_files import SWEEP, small_study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return small_study(tmp_path, SWEEP).study


def plant_of(study: Study) -> Plant:
    assert isinstance(study.plant, Plant)
    return study.plant


def with_inputs(study: Study, **hows: str) -> Study:
    inputs = tuple(
        Input(name=name.replace("__", "."), how=how)  # type: ignore[arg-type]
        for name, how in hows.items()
    )
    return replace(study, inputs=inputs)


def test_every_input_changes_something_and_nothing_else_is_offered(study: Study) -> None:
    free = replace(study, inputs=(), flows="purities")
    undisturbed = plant_of(free)
    base = undisturbed.operation()
    for name in input_names(undisturbed):
        number = 4.0 if name.startswith("stages") else 0.3
        plant = built_plant(free, undisturbed, {name: number})
        operation = case_operation(free, plant.operation(), plant.circuit.elements, {name: number})
        changed = [
            case_purities(free, {name: number}) != case_purities(free, {}),
            plant.circuit.sections != undisturbed.operated(base).circuit.sections,
            plant.circuit.extractant_concentration != undisturbed.circuit.extractant_concentration,
            not np.array_equal(
                plant.circuit.system.log10_extraction_constant,
                undisturbed.circuit.system.log10_extraction_constant,
            ),
            any(
                not np.array_equal(getattr(operation, key), getattr(plant.operation(), key))
                for key in type(operation).__slots__
            ),
        ]
        assert sum(changed) == 1, name


def test_a_number_sets_multiplies_or_adds(study: Study) -> None:
    base, elements = plant_of(study).operation(), plant_of(study).circuit.elements
    for how, number, expected in (
        ("value", 9.0, 9.0 / 3600.0),
        ("factor", 1.1, base.organic_flow * 1.1),
        ("change", 0.5, base.organic_flow + 0.5 / 3600.0),
    ):
        varied = with_inputs(study, organic_flow=how)
        found = case_operation(varied, base, elements, {"organic_flow": number})
        assert found.organic_flow == pytest.approx(expected, rel=1e-14)
    efficient = built_plant(
        with_inputs(study, efficiency="factor"), plant_of(study), {"efficiency": 0.5}
    )
    assert [section.efficiency for section in efficient.circuit.sections] == [0.45] * 3
    one = built_plant(with_inputs(study), plant_of(study), {"efficiency.scrub": 0.8})
    assert [section.efficiency for section in one.circuit.sections] == [0.9, 0.8, 0.9]


def test_mass_fractions_given_together_all_hold_and_reo_is_kept(study: Study) -> None:
    base, elements = plant_of(study).operation(), plant_of(study).circuit.elements
    numbers = {"feed.nd_mass_fraction": 0.4, "feed.pr_mass_fraction": 0.1}
    found = case_operation(with_inputs(study), base, elements, numbers)
    np.testing.assert_allclose(found.feed_mass_fraction, [0.5, 0.1, 0.4], rtol=1e-14)
    assert found.feed_reo == base.feed_reo
    for wrong in ({"feed.nd_mass_fraction": 1.2}, {"feed.nd_mass_fraction": -0.1}):
        with pytest.raises(SpecificationError, match="together at most 1"):
            case_operation(with_inputs(study), base, elements, wrong)


def test_half_a_stage_cannot_be_built(study: Study) -> None:
    with pytest.raises(SpecificationError, match="whole numbers"):
        built_plant(with_inputs(study), plant_of(study), {"stages.scrub": 3.5})


def test_only_what_is_operated_becomes_an_event(study: Study) -> None:
    varied = with_inputs(study, acid_flow="factor", feed__flow="change")
    numbers = {"acid_flow": 1.1, "feed.flow": 0.1, "efficiency": 0.9, "log10_k.Nd": -2.0}
    assert [str(event) for event in case_events(varied, numbers)] == [
        "acid_flow*=1.1@0h",
        "feed.flow+=0.1@0h",
    ]
