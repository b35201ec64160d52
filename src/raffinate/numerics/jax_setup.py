"""The one place that imports and configures JAX: float64 and a persistent compilation cache.

The cache lies in the folder named by the environment variable `RAFFINATE_CACHE_DIR`, or in the
user's cache folder; the first process on a machine compiles, later ones load.

Kernels run on one thread of the processor unless the environment variable `NPROC`, from which XLA
takes the size of its pool, says otherwise. With more, a batch of LU decompositions that runs on a
thread of the pool waits there for the same pool to do its parts: where two of them meet on the two
threads of a small machine, neither ever ends (jaxlib 0.10.2, `ParallelBatchMap` below
`lapack_dgetrf_ffi`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

os.environ.setdefault("NPROC", "1")

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import lu_factor, lu_solve

Array = jax.Array
"""An array inside a compiled kernel; from outside, a NumPy array typed by `given` will do."""


def cache_directory() -> Path:
    """Return the folder that holds compiled kernels."""
    chosen = os.environ.get("RAFFINATE_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(base) / "raffinate" if base else Path.home() / ".cache" / "raffinate"


def given(value: Any) -> Array:
    """Return a NumPy array as what a kernel takes, without the cost of a copy to the device."""
    return cast(Array, value)


def _configure() -> None:
    settings = {
        "jax_enable_x64": True,
        "jax_compilation_cache_dir": str(cache_directory()),
        "jax_persistent_cache_min_compile_time_secs": 0.05,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    for name, value in settings.items():
        jax.config.update(name, value)  # type: ignore[no-untyped-call]


_configure()

__all__ = ["Array", "cache_directory", "given", "jax", "jnp", "lax", "lu_factor", "lu_solve"]
