"""Nominal states kept from run to run: tracing and solving one takes seconds, reading it none.

A state is kept under everything it follows from: the plant with all its numbers, the source of the
engine, the versions of what computes. Whatever changes makes another key, so nothing stale is ever
read; a state that cannot be read is solved again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from raffinate.errors import DataError
from raffinate.numerics.jax_setup import cache_directory, jax
from raffinate.plant.model import Plant
from raffinate.plant.steady import SteadyState, solve_nominal
from raffinate.runtime.checkpoint import load_checkpoint, save_checkpoint

ENGINE = ("numerics", "chemistry", "cascade", "plant")
"""Packages a steady state is computed by."""

KEPT = 64
"""States kept; those read longest ago go first."""


def nominal_state(plant: Plant) -> SteadyState:
    """Return the steady state in which a plant makes its nominal purities.

    Raises:
        ConvergenceError: No flows meet the nominal purities.
    """
    folder = cache_directory() / "states"
    file = folder / f"{key_of(plant)}.bin"
    with contextlib.suppress(DataError, OSError, AttributeError, ImportError):
        found = load_checkpoint(file)
        if isinstance(found, SteadyState):
            os.utime(file)
            return found
    state = solve_nominal(plant)
    # A full or read-only disk costs the next start some seconds, and nothing else.
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        save_checkpoint(file, state)
        _prune(folder)
    return state


def key_of(plant: Plant) -> str:
    """Return a digest of everything the nominal state of a plant follows from."""
    digest = hashlib.sha256(_engine().encode())
    for part in _parts(plant):
        digest.update(part)
    return digest.hexdigest()[:32]


@cache
def _engine() -> str:
    digest = hashlib.sha256(f"jax {jax.__version__}, numpy {np.__version__}".encode())
    for package in ENGINE:
        folder = Path(str(files(f"raffinate.{package}")))
        for file in sorted(folder.glob("*.py")):
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def _parts(value: Any) -> Iterator[bytes]:
    """Yield a value piece by piece, the same in every process."""
    yield type(value).__name__.encode()
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield field.name.encode()
            yield from _parts(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key in value:
            yield from _parts(key)
            yield from _parts(value[key])
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _parts(each)
    elif isinstance(value, (set, frozenset)):
        for each in sorted(value, key=repr):
            yield from _parts(each)
    elif isinstance(value, np.ndarray) or hasattr(value, "__array__"):
        array = np.ascontiguousarray(value)
        yield f"{array.dtype}{array.shape}".encode() + array.tobytes()
    else:
        yield repr(value).encode() + b";"


def _prune(folder: Path) -> None:
    kept = sorted(folder.glob("*.bin"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in kept[KEPT:]:
        file.unlink(missing_ok=True)
