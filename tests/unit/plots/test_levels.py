"""The picture of volumes in time shows what moved, and which stages met their limits."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.plant.model import Plant
from raffinate.plant.motion_hydraulics import Layers
from raffinate.plant.motion_limits import LimitEvent, What
from raffinate.plant.plant_file import load_plant
from raffinate.plant.simulate import Trajectory
from raffinate.plots.levels import levels_figure, save_levels

TIME = np.arange(0.0, 7201.0, 600.0)


@pytest.fixture(scope="module")
def plant() -> Plant:
    return load_plant("ceprnd_pilot")


def event(what: What, stage: int, time: float) -> LimitEvent:
    return LimitEvent(time=time, stage=stage, section="extraction", what=what, value=1.0, limit=1.0)


def moving(plant: Plant, events: tuple[LimitEvent, ...]) -> Trajectory:
    """Return a bank whose stage 3 alone gains 3 L of aqueous and loses 1 L of organic."""
    stages = plant.circuit.stages
    layers = Layers(*(np.full((len(TIME), stages), v) for v in (0.009, 0.024, 0.060)))
    layers.settler_aqueous[1:, 2] += 0.003
    layers.settler_organic[1:, 2] -= 0.001
    found = SimpleNamespace(
        plant_name=plant.name,
        sections=plant.circuit.section_names,
        time=TIME,
        layers=layers,
        state=SimpleNamespace(limits=events),
        **{name: np.ones(len(TIME)) for name in ("organic_flow", "acid_flow", "scrub_flow")},
    )
    return cast(Trajectory, found)


def test_maps_are_ratio_surface_and_interface(plant):
    figure = levels_figure(moving(plant, ()), plant)
    ratio, surface, interface = (
        axes.collections[0].get_array().reshape(plant.circuit.stages, len(TIME))
        for axes in figure.axes[1:4]
    )
    np.testing.assert_allclose(ratio, 0.015 / 0.009)
    # 2 L and 3 L on 0.30 m².
    assert surface[2, -1] == pytest.approx(1e3 * 0.002 / 0.30)
    assert interface[2, -1] == pytest.approx(1e3 * 0.003 / 0.30)
    assert not surface[[0, 1, 3]].any()
    assert not interface[:, 0].any()


def test_floods_are_lines_to_their_end_and_inversions_dots(plant):
    events = (
        event("flooding", 3, 600.0),
        event("flooding", 4, 1200.0),
        event("inversion", 5, 1800.0),
        event("flooding_over", 3, 3600.0),
    )
    axes = levels_figure(moving(plant, events), plant).axes[1]
    spans = [lines.get_segments()[0] for lines in axes.collections[1:]]
    assert [segment.tolist() for segment in spans] == [
        [[pytest.approx(1.0 / 6.0), 3.0], [1.0, 3.0]],
        [[pytest.approx(1.0 / 3.0), 4.0], [2.0, 4.0]],
    ]
    (dot,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert dot.get_xydata().tolist() == [[0.5, 5.0]]


def test_a_plant_whose_volumes_stay_is_refused(plant, tmp_path):
    still = replace(plant, circuit=replace(plant.circuit, hydraulics=None))
    with pytest.raises(SpecificationError, match="volumes of this plant stay"):
        save_levels(moving(plant, ()), still, tmp_path / "levels.png")
