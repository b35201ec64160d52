"""Nominal states kept from run to run: the same bits, and never those of another plant."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from raffinate.errors import ConvergenceError
from raffinate.runtime import solved_states
from raffinate.runtime.solved_states import key_of, nominal_state
from solved_plants import shipped_plant


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RAFFINATE_CACHE_DIR", str(tmp_path))
    return tmp_path / "states"


def test_a_kept_state_is_the_solved_one_to_the_last_bit(folder, monkeypatch):
    solved = nominal_state(shipped_plant())
    assert len(list(folder.glob("*.bin"))) == 1

    def never(_):
        raise AssertionError("it was solved again")

    monkeypatch.setattr(solved_states, "solve_nominal", never)
    kept = nominal_state(shipped_plant())
    assert kept is not solved
    np.testing.assert_array_equal(kept.aqueous, solved.aqueous)
    assert kept.operation == solved.operation or np.array_equal(
        kept.operation.feed_mass_fraction, solved.operation.feed_mass_fraction
    )
    assert kept.operation.organic_flow == solved.operation.organic_flow


def test_another_number_of_the_plant_or_the_engine_makes_another_key(monkeypatch):
    plant = shipped_plant()
    other = replace(plant, nominal_purity={**plant.nominal_purity, "nd": 0.9993})
    keys = {key_of(plant), key_of(other)}
    solved_states._engine.cache_clear()
    monkeypatch.setattr(solved_states, "ENGINE", ("numerics", "chemistry", "cascade"))
    keys.add(key_of(plant))
    solved_states._engine.cache_clear()
    assert len(keys) == 3


def test_the_key_is_the_same_in_another_process():
    code = (
        "from raffinate.plant.plant_file import load_plant; "
        "from raffinate.runtime.solved_states import key_of; "
        "print(key_of(load_plant('ceprnd_p507')))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == key_of(shipped_plant())


def test_a_damaged_state_is_solved_again_and_a_failure_is_not_kept(folder, monkeypatch):
    calls = []

    def solving(plant):
        calls.append(plant)
        raise ConvergenceError("no flows", where="test")

    monkeypatch.setattr(solved_states, "solve_nominal", solving)
    folder.mkdir()
    (folder / f"{key_of(shipped_plant())}.bin").write_bytes(b"nonsense")
    for _ in range(2):
        with pytest.raises(ConvergenceError):
            nominal_state(shipped_plant())
    assert len(calls) == 2
