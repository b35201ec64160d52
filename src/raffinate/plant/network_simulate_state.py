"""A network in motion written to a file and read back, bit for bit: see `simulate_state`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from raffinate.numerics.jax_setup import jax
from raffinate.plant.network import Network
from raffinate.plant.network_levers import at_state
from raffinate.plant.network_motion import NetworkMotion
from raffinate.plant.network_motion_trial import NetworkMoment
from raffinate.plant.network_simulate import NetworkMotionState
from raffinate.plant.network_state import NetworkState
from raffinate.plant.simulate_state import check_arrays, read_archive, write_archive

FORMAT = "raffinate-network-state/1"


def write_network_state(path: Path, state: NetworkMotionState) -> None:
    """Write a network in motion, replacing what stood at `path`.

    Args:
        path: Where to; usually ends in .npz.
        state: Such as the `state` of a trajectory.
    """
    header = {
        "format": FORMAT,
        "plant": state.network_name,
        "fingerprint": state.fingerprint,
        "tolerance": float(state.tolerance).hex(),
        "time_h": float(state.end.time) / 3600.0,
        "changed": {name: float(value).hex() for name, value in state.changed.items()},
        "reagents": [sorted(moment.reagents) for moment in (state.end, state.free)],
    }
    write_archive(path, header, jax.tree.leaves((state.end, state.free)))


def read_network_state(path: Path, network: Network, nominal: NetworkState) -> NetworkMotionState:
    """Return the network in motion that a file holds.

    Args:
        path: A file of `write_network_state`.
        network: The plant it was written by, which says what the arrays mean.
        nominal: The same at rest.

    Raises:
        DataError: The file is missing, damaged, of another format or of another plant.
    """
    header, arrays = read_archive(path, FORMAT, network.name)
    rest = NetworkMotion(at_state(network, nominal), nominal).moment
    pattern = tuple(_with_reagents(rest, names) for names in header["reagents"])
    known, form = jax.tree.flatten(pattern)
    check_arrays(path, arrays, known)
    end, free = jax.tree.unflatten(form, arrays)
    return NetworkMotionState(
        network_name=header["plant"],
        fingerprint=header["fingerprint"],
        tolerance=float.fromhex(header["tolerance"]),
        end=end,
        free=free,
        changed={name: float.fromhex(value) for name, value in header["changed"].items()},
    )


def _with_reagents(moment: NetworkMoment, names: list[str]) -> NetworkMoment:
    nothing: dict[str, Any] = {name: np.asarray(0.0) for name in names}
    return moment._replace(reagents=nothing)
