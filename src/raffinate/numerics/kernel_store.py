"""How many compiled kernels a process keeps, and when it lets them go.

Linux lets a process map 65,530 regions of memory, and each kernel takes a few. A process that has
compiled the kernels of a hundred plants is ended by LLVM ("Cannot allocate memory"), whatever
memory is left. What runs through many plants therefore asks here between them.
"""

from __future__ import annotations

import gc
from pathlib import Path

from raffinate.numerics.jax_setup import jax

MOST_REGIONS = 25_000
"""Mapped regions above which kernels are let go: leaves room for the largest plant's own."""

_REGIONS = Path("/proc/self/maps")


def mapped_regions() -> int:
    """Return how many regions of memory this process maps; 0 where the system does not tell."""
    return _REGIONS.read_bytes().count(b"\n") if _REGIONS.exists() else 0


def let_kernels_go(most_regions: int = MOST_REGIONS) -> bool:
    """Drop every compiled kernel if the process maps too many regions, and return whether it did.

    A kernel that is used again is loaded from the cache on disk. Counting takes milliseconds: call
    it between plants, not between solves.

    Args:
        most_regions: Regions up to which everything is kept.
    """
    if mapped_regions() <= most_regions:
        return False
    jax.clear_caches()  # type: ignore[no-untyped-call]
    gc.collect()
    return True
