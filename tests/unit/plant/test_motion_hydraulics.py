"""A plant whose volumes follow its flows and whose settlers have cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml

from plant_variants import SMALL, default_text, restaged
from raffinate.errors import DataError, SpecificationError
from raffinate.plant.arrays import aqueous_leaving
from raffinate.plant.events import Event
from raffinate.plant.hydraulics import volumes_in_time
from raffinate.plant.motion import PlantMotion
from raffinate.plant.plant_file import parse_plant
from raffinate.plant.settler_hydraulics import SettlerHydraulics
from raffinate.plant.simulate import simulate
from raffinate.plant.simulate_state import read_state, write_state
from raffinate.plant.steady import solve_steady
from raffinate.units import HOUR

DESIGN = SettlerHydraulics(
    area=8.0, overflow_time=60.0, density_ratio=0.80, flooding_flow=4.0 / HOUR
)


@pytest.fixture(scope="module")
def plant(default_plant):
    small = restaged(default_plant, SMALL)
    circuit = small.circuit
    sections = tuple(replace(section, settler_cells=2) for section in circuit.sections)
    return replace(small, circuit=replace(circuit, sections=sections, hydraulics=DESIGN))


@pytest.fixture(scope="module")
def rest(plant):
    return solve_steady(plant)


def more_organic(factor):
    return Event(name="organic_flow", how="*=", value=factor, begin=0.0)


class Weirs:
    """Weirs stage by stage that hold the volumes at rest, for the volumes on their own."""

    overflow_time = DESIGN.overflow_time

    def __init__(self, circuit):
        recycle = np.repeat([s.recycle for s in circuit.sections], SMALL)
        aqueous = np.repeat([s.settler_aqueous for s in circuit.sections], SMALL)
        organic = np.repeat([s.settler_organic for s in circuit.sections], SMALL)
        head = DESIGN.overflow_time / DESIGN.area
        pushed, depth = self._heights(aqueous, organic)
        self.aqueous = pushed - head * (aqueous_leaving(circuit) + recycle)
        self.organic = depth - head * circuit.organic_flow
        self.rest = aqueous, organic

    def _heights(self, aqueous, organic):
        return (aqueous + DESIGN.density_ratio * organic) / DESIGN.area, (
            aqueous + organic
        ) / DESIGN.area

    def settled(self, _aqueous_flow, _organic_flow):
        return self.rest

    def overflows(self, aqueous, organic):
        pushed, depth = self._heights(aqueous, organic)
        speed = DESIGN.area / DESIGN.overflow_time
        return (
            speed * np.maximum(pushed - self.aqueous, 0.0),
            speed * np.maximum(depth - self.organic, 0.0),
        )


@pytest.mark.slow
def test_at_its_flows_nothing_moves(plant, rest):
    path = simulate(plant, 24.0 * HOUR, nominal=rest, interval=6.0 * HOUR)
    np.testing.assert_allclose(path.aqueous[-1], rest.aqueous, rtol=1e-7, atol=1e-9)
    organic = [s.settler_organic for s in plant.circuit.sections]
    np.testing.assert_allclose(path.layers.settler_organic[-1], np.repeat(organic, SMALL))
    assert path.balance_error < 1e-12


@pytest.mark.slow
def test_more_organic_lifts_the_volumes_as_they_move_on_their_own_and_ends_at_its_rest(plant, rest):
    """Volumes against SciPy's to 1e-5; composition, weeks later, against the steady state."""
    event = more_organic(1.1)
    path = simulate(plant, 3.0 * HOUR, [event], nominal=rest, interval=900.0, tolerance=1e-6)
    circuit = plant.circuit
    after = replace(circuit, organic_flow=1.1 * circuit.organic_flow)
    alone = volumes_in_time(after, Weirs(circuit), path.time, before=circuit)
    for part in ("mixer_aqueous", "settler_aqueous", "settler_organic"):
        ours, theirs = getattr(path.layers, part), getattr(alone, part)
        assert np.abs(theirs[-1] / theirs[0] - 1.0).max() > 1e-3, part
        np.testing.assert_allclose(ours[1:], theirs[1:], rtol=1e-5)
    operation = replace(plant.operation(), organic_flow=after.organic_flow)
    motion = PlantMotion(plant, rest)
    motion.advance(operation, 5000.0 * HOUR)
    there = solve_steady(plant.operated(operation))
    now = motion.snapshot()
    np.testing.assert_allclose(now.aqueous, there.aqueous, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(now.organic, there.organic, rtol=1e-6, atol=1e-9)
    assert motion.check() < 1e-10


@pytest.mark.slow
def test_a_run_split_anywhere_ends_in_the_same_bits(plant, rest, tmp_path):
    event = more_organic(1.05)
    whole = simulate(plant, 4.0 * HOUR, [event], nominal=rest, interval=HOUR)
    first = simulate(plant, 1.3 * HOUR, [event], nominal=rest, interval=HOUR)
    write_state(tmp_path / "state.npz", first.state)
    state = read_state(tmp_path / "state.npz", plant)
    last = simulate(plant, 2.7 * HOUR, [event], nominal=rest, start=state, interval=HOUR)
    np.testing.assert_array_equal(last.aqueous[-1], whole.aqueous[-1])
    np.testing.assert_array_equal(last.layers.settler_organic[-1], whole.layers.settler_organic[-1])


@pytest.mark.slow
def test_a_mixer_whose_phases_invert_is_named_with_the_mend(plant, rest):
    with pytest.raises(SpecificationError, match=r"organic to aqueous .* after .* h") as caught:
        simulate(plant, 6.0 * HOUR, [more_organic(2.2)], nominal=rest, interval=HOUR)
    assert caught.value.where.startswith("stage ")
    assert "0.333 to 3" in caught.value.allowed
    assert "recycle" in caught.value.mend


@pytest.mark.slow
def test_a_settler_that_floods_is_named_with_the_area_it_needs(plant, rest):
    tight = replace(DESIGN, flooding_flow=1.0 / HOUR)
    flooded = replace(plant, circuit=replace(plant.circuit, hydraulics=tight))
    with pytest.raises(SpecificationError, match="it floods") as caught:
        simulate(flooded, HOUR, nominal=rest, interval=HOUR)
    assert caught.value.where.startswith("stage ")
    assert "m² instead of 8 m²" in caught.value.mend


def test_volumes_too_small_for_their_weirs_are_refused(plant, rest):
    slow = replace(
        plant, circuit=replace(plant.circuit, hydraulics=replace(DESIGN, overflow_time=36000.0))
    )
    with pytest.raises(SpecificationError, match="weir would stand at -"):
        PlantMotion(slow, rest)


def written(change):
    document = yaml.safe_load(default_text())
    change(document)
    return yaml.safe_dump(document, sort_keys=False)


def block(**changed):
    numbers = {
        "settler_area_m2": 8.0,
        "overflow_s": 60.0,
        "density_ratio": 0.8,
        "flooding_m3_per_m2_h": 4.0,
    }
    source = next(iter(yaml.safe_load(default_text())["sources"]))
    return {**numbers, "source": source, **changed}


def test_a_plant_file_says_cells_and_hydraulics():
    def change(document):
        document["hydraulics"] = block()
        document["sections"][1]["settler_cells"] = 4

    circuit = parse_plant(written(change)).circuit
    assert circuit.hydraulics == DESIGN
    assert [section.settler_cells for section in circuit.sections] == [1, 4, 1]
    assert parse_plant(default_text()).circuit.hydraulics is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(hydraulics=block(density_ratio=1.2)), "density_ratio"),
        (lambda d: d.update(hydraulics=block(source="nobody")), "hydraulics.source"),
        (lambda d: d["sections"][0].update(settler_cells=0), "settler_cells"),
        (lambda d: d.update(hydraulics=block(area=1.0)), "area"),
    ],
)
def test_a_plant_file_with_settlers_that_cannot_be_is_refused(change, said):
    with pytest.raises(DataError) as caught:
        parse_plant(written(change))
    assert said in f"{caught.value.where} {caught.value}"
