"""A moving plant as values that can be put away: everything that fixes how it goes on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Streams, Vessels
from raffinate.cascade.dynamic import Motion
from raffinate.chemistry.stage_chemistry import Parameters
from raffinate.errors import SpecificationError
from raffinate.numerics.jax_setup import jax
from raffinate.plant.model import Plant
from raffinate.plant.motion_limits import LimitEvent

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moment:
    """One moment of an integration and what passed until then.

    Attributes:
        motion: State of the integration, its eliminated matrix and next step included.
        entered: What entered since the beginning, (component,), [mol].
        left: What left since, (component,), [mol].
        steps: Steps taken since.
        rejected: Steps given up since.
    """

    motion: Motion
    entered: Array
    left: Array
    steps: int
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionState:
    """A plant in motion, to go on from there bit for bit.

    Attributes:
        plant_name: Which plant.
        elements: Symbols on the element axis.
        stages: How many there are.
        fingerprint: Of vessels and constants, so that no other plant takes it for its own.
        tolerance: Relative error per step, [-].
        end: Where the plant stands.
        free: The last moment before steps were cut to stand there; from here it goes on if its
            streams stay as they are.
        streams: What flowed last.
        held_at_start: What the vessels held at the beginning, (component,), [mol].
        limits: Limits that stages crossed since the beginning, where the plant goes on through
            them; not written to files.
    """

    plant_name: str
    elements: tuple[str, ...]
    stages: int
    fingerprint: str
    tolerance: float
    end: Moment
    free: Moment
    streams: Streams
    held_at_start: Array
    limits: tuple[LimitEvent, ...] = ()

    @property
    def time(self) -> float:
        """Time since the beginning, [s]."""
        return float(self.end.motion.time)


def check_same_plant(state: MotionState, identity: str, plant: Plant) -> None:
    """Raise if a state is not of this plant.

    Args:
        state: What is to go on.
        identity: Fingerprint of the plant.
        plant: The plant.

    Raises:
        SpecificationError: Another name, other elements or stages, other vessels or constants.
    """
    circuit = plant.circuit
    pairs = (
        ("plant", state.plant_name, plant.name),
        ("elements", " ".join(state.elements), " ".join(circuit.elements)),
        ("stages", state.stages, circuit.stages),
        ("vessels and constants", state.fingerprint[:12], identity[:12]),
    )
    for what, written, wanted in pairs:
        if written != wanted:
            raise SpecificationError(
                f"{what}: {written} in the state, {wanted} in the plant.",
                where="state to go on from",
                allowed="a state of the same plant at the same nominal flows",
                mend="Go on with the plant it was written by, or begin at rest.",
            )


def same_arrays(one: Any, other: Any) -> bool:
    """Return whether two pytrees of the same form hold the same numbers, bit for bit."""
    return all(
        np.array_equal(a, b)
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    )


def fingerprint(vessels: Vessels, parameters: Parameters) -> str:
    """Return a digest of what a plant is, apart from how it is run."""
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves((vessels, parameters)):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
