"""The one place that imports and configures JAX: float64 and a persistent compilation cache.

The cache lies in the folder named by the environment variable `RAFFINATE_CACHE_DIR`, or in the
user's cache folder; the first process on a machine compiles, later ones load.
"""

from __future__ import annotations

import os
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import lu_factor, lu_solve

Array = jax.Array
"""An array inside a compiled kernel; NumPy arrays are accepted wherever one is asked for."""


def cache_directory() -> Path:
    """Return the folder that holds compiled kernels."""
    chosen = os.environ.get("RAFFINATE_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(base) / "raffinate" if base else Path.home() / ".cache" / "raffinate"


def _configure() -> None:
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_compilation_cache_dir", str(cache_directory()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


_configure()

__all__ = ["Array", "cache_directory", "jax", "jnp", "lax", "lu_factor", "lu_solve"]
