"""A trajectory split in two, the half-way state through a file: every bit as if never split."""

from __future__ import annotations

import json

import numpy as np
import pytest

from plant_variants import SMALL, enlarged, restaged
from raffinate.errors import DataError, SpecificationError
from raffinate.plant.events import parse_event
from raffinate.plant.motion import PlantMotion
from raffinate.plant.simulate import simulate
from raffinate.plant.simulate_state import read_state, write_state
from raffinate.plant.steady import solve_steady

HOUR = 3600.0

UPSETS = ("organic.saponification_degree*=0.95@2h..5h", "feed.flow*=1.1@9h..30h")

FIELDS = ("time", "aqueous", "organic", "proton", "free_extractant")


@pytest.fixture(scope="module")
def small(default_plant):
    return restaged(default_plant, SMALL)


@pytest.fixture(scope="module")
def rest(small):
    return solve_steady(small)


def upsets(plant):
    return [parse_event(text, plant.circuit.elements) for text in UPSETS]


@pytest.mark.parametrize("split", [7.5, 9.0, 20.0])
def test_a_split_run_ends_in_the_same_bits(small, rest, tmp_path, split):
    """Split where nothing happens, at an event, and within a lasting one."""
    events = upsets(small)
    whole = simulate(small, 26.0 * HOUR, events, nominal=rest, interval=0.5 * HOUR)
    first = simulate(small, split * HOUR, events, nominal=rest, interval=0.5 * HOUR)
    write_state(tmp_path / "half.npz", first.state)
    half = read_state(tmp_path / "half.npz", small)
    assert half.time == split * HOUR
    later = simulate(
        small, (26.0 - split) * HOUR, events, start=half, nominal=rest, interval=0.5 * HOUR
    )
    shared, ours, theirs = np.intersect1d(later.time[1:], whole.time, return_indices=True)
    assert len(shared) > 5
    for name in FIELDS:
        again, once = getattr(later, name)[1:][ours], getattr(whole, name)[theirs]
        assert again.tobytes() == once.tobytes(), name
    assert later.steps == whole.steps
    assert later.balance_error < 1e-10


def test_a_file_keeps_every_bit(small, rest, tmp_path):
    path = simulate(small, 3.0 * HOUR, nominal=rest)
    write_state(tmp_path / "a.npz", path.state)
    write_state(tmp_path / "b.npz", read_state(tmp_path / "a.npz", small))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_advances_go_on_from_a_file(small, rest, tmp_path):
    operation = small.operation()
    motion = PlantMotion(small, rest)
    motion.advance(operation, 700.0)
    write_state(tmp_path / "now.npz", motion.state())
    again = PlantMotion(small, read_state(tmp_path / "now.npz", small))
    for each in (motion, again):
        each.advance(operation, 1300.0)
    assert again.time == motion.time == 2000.0
    assert again.snapshot().aqueous.tobytes() == motion.snapshot().aqueous.tobytes()


def test_another_plant_does_not_take_the_state(small, rest, tmp_path, default_plant):
    state = PlantMotion(small, rest).state()
    write_state(tmp_path / "now.npz", state)
    with pytest.raises(DataError, match="arrays"):
        read_state(tmp_path / "now.npz", default_plant)
    with pytest.raises(SpecificationError, match="vessels and constants"):
        PlantMotion(enlarged(small, tank=2.0), state)


def damaged(path, header=None):
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["header"] = np.array(json.dumps(header))
    np.savez(path, **arrays)


def test_what_is_no_state_is_refused(small, rest, tmp_path):
    file = tmp_path / "now.npz"
    with pytest.raises(DataError, match="no such file"):
        read_state(file, small)
    file.write_text("nothing")
    with pytest.raises(DataError, match="no state"):
        read_state(file, small)
    state = PlantMotion(small, rest).state()
    write_state(file, state)
    damaged(file, {"format": "raffinate-state/9"})
    with pytest.raises(DataError, match="raffinate-state/9"):
        read_state(file, small)
    damaged(file, {"format": "raffinate-state/1", "plant": "other"})
    with pytest.raises(DataError, match="other"):
        read_state(file, small)
