"""Compiled kernels are let go when a process maps too many regions."""

from __future__ import annotations

import subprocess
import sys

import pytest

from raffinate.numerics import kernel_store
from raffinate.numerics.jax_setup import jax, jnp
from raffinate.numerics.kernel_store import let_kernels_go, mapped_regions

MANY_KERNELS = """
from raffinate.numerics.jax_setup import jax, jnp
from raffinate.numerics.kernel_store import let_kernels_go, mapped_regions
most = mapped_regions() + 40
dropped = 0
for size in range(1, 31):
    jax.jit(lambda x: jnp.sin(x) @ x)(jnp.ones(size)).block_until_ready()
    dropped += let_kernels_go(most)
print(dropped, mapped_regions() - most)
"""


@pytest.mark.skipif(not mapped_regions(), reason="the system does not tell its mapped regions")
def test_regions_stay_bounded_however_many_kernels_are_compiled():
    run = subprocess.run(
        [sys.executable, "-c", MANY_KERNELS], capture_output=True, text=True, check=True
    )
    dropped, above = map(int, run.stdout.split())
    assert dropped >= 2
    assert above <= 40


def test_kernel_gives_the_same_after_it_was_let_go(monkeypatch, tmp_path):
    regions = tmp_path / "maps"
    regions.write_bytes(b"region\n" * 11)
    monkeypatch.setattr(kernel_store, "_REGIONS", regions)
    kernel = jax.jit(lambda x: jnp.cos(x) * 2.0)
    before = float(kernel(0.5))
    assert let_kernels_go(most_regions=11) is False
    assert kernel._cache_size() == 1
    assert let_kernels_go(most_regions=10) is True
    assert kernel._cache_size() == 0
    assert float(kernel(0.5)) == before


def test_system_that_does_not_tell_keeps_everything(monkeypatch, tmp_path):
    monkeypatch.setattr(kernel_store, "_REGIONS", tmp_path / "absent")
    assert mapped_regions() == 0
    assert let_kernels_go(most_regions=1) is False
