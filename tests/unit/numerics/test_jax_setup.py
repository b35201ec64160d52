"""The one place that configures JAX."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from raffinate.numerics.jax_setup import cache_directory, given, jnp


def test_kernels_compute_in_double_precision():
    assert jnp.ones(3).dtype == np.float64


def test_cache_lies_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("RAFFINATE_CACHE_DIR", str(tmp_path / "kernels"))
    assert cache_directory() == tmp_path / "kernels"
    monkeypatch.delenv("RAFFINATE_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "raffinate"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    assert cache_directory() == Path.home() / ".cache" / "raffinate"


def test_given_array_is_not_copied():
    array = np.arange(3.0)
    assert given(array) is array
