"""Checkpoints: whole or not at all."""

from __future__ import annotations

import pytest

from raffinate.errors import DataError
from raffinate.runtime.checkpoint import load_checkpoint, save_checkpoint


def test_the_newest_state_comes_back(tmp_path):
    file = tmp_path / "twin.bin"
    assert load_checkpoint(file) is None
    save_checkpoint(file, {"scan": 1})
    save_checkpoint(file, {"scan": 2})
    assert load_checkpoint(file) == {"scan": 2}
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_checkpoint_falls_back_on_the_one_before(tmp_path, damage):
    file = tmp_path / "twin.bin"
    save_checkpoint(file, {"scan": 1})
    save_checkpoint(file, {"scan": 2})
    file.write_bytes(file.read_bytes()[:-3] if damage is None else damage)
    assert load_checkpoint(file) == {"scan": 1}


def test_nothing_whole_left_is_an_error_and_not_a_new_run(tmp_path):
    file = tmp_path / "twin.bin"
    save_checkpoint(file, {"scan": 1})
    file.write_bytes(b"nonsense")
    with pytest.raises(DataError, match="damaged"):
        load_checkpoint(file)
