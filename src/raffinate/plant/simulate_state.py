"""A plant in motion written to a file and read back, bit for bit.

The file is a NumPy archive of plain arrays with one text, `header`, in JSON; nothing in it can
run code when read. Every number is kept as its 64 bits.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import DataError
from raffinate.numerics.jax_setup import jax
from raffinate.plant.model import Plant
from raffinate.plant.motion import PlantMotion
from raffinate.plant.motion_state import Moment, MotionState

FORMAT = "raffinate-state/1"

_HEADER = "header"


def write_state(path: Path, state: MotionState) -> None:
    """Write a plant in motion, replacing what stood at `path`.

    Args:
        path: Where to; usually ends in .npz.
        state: Such as the `state` of a trajectory.
    """
    header = {
        "format": FORMAT,
        "plant": state.plant_name,
        "elements": list(state.elements),
        "stages": state.stages,
        "fingerprint": state.fingerprint,
        "tolerance": float(state.tolerance).hex(),
        "time_h": state.time / 3600.0,
        "steps": [state.end.steps, state.free.steps],
        "rejected": [state.end.rejected, state.free.rejected],
    }
    write_archive(path, header, jax.tree.leaves(_numbers(state)))


def read_state(path: Path, plant: Plant) -> MotionState:
    """Return the plant in motion that a file holds.

    Args:
        path: A file of `write_state`.
        plant: The plant it was written by, which says what the arrays mean.

    Raises:
        DataError: The file is missing, damaged, of another format or of another plant.
    """
    header, arrays = read_archive(path, FORMAT, plant.name)
    pattern = PlantMotion(plant, None, tolerance=float.fromhex(header["tolerance"])).state()
    known, form = jax.tree.flatten(_numbers(pattern))
    check_arrays(path, arrays, known)
    end, free, streams, held, passed = jax.tree.unflatten(form, arrays)
    moments = [
        Moment(
            motion=motion,
            entered=passed[2 * index],
            left=passed[2 * index + 1],
            steps=int(header["steps"][index]),
            rejected=int(header["rejected"][index]),
        )
        for index, motion in enumerate((end, free))
    ]
    return MotionState(
        plant_name=header["plant"],
        elements=tuple(header["elements"]),
        stages=int(header["stages"]),
        fingerprint=header["fingerprint"],
        tolerance=float.fromhex(header["tolerance"]),
        end=moments[0],
        free=moments[1],
        streams=streams,
        held_at_start=held,
    )


def _numbers(state: MotionState) -> tuple[Any, ...]:
    """Return everything of a state that is an array, in the order of the file."""
    passed = (state.end.entered, state.end.left, state.free.entered, state.free.left)
    return (state.end.motion, state.free.motion, state.streams, state.held_at_start, passed)


def write_archive(path: Path, header: Mapping[str, Any], leaves: Sequence[Any]) -> None:
    """Write a header and arrays to one file, replacing what stood at `path`."""
    contents: dict[str, Any] = {
        f"array_{index:05d}": np.asarray(leaf) for index, leaf in enumerate(leaves)
    }
    contents[_HEADER] = np.array(json.dumps(header))
    held = io.BytesIO()
    np.savez_compressed(held, **contents)
    fresh = path.with_name(path.name + ".fresh")
    fresh.write_bytes(held.getvalue())
    fresh.replace(path)


def read_archive(path: Path, form: str, plant: str) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Return header and arrays of a file.

    Args:
        path: A file of `write_archive`.
        form: The format that its header has to name.
        plant: The plant that it has to name.

    Raises:
        DataError: The file is missing, damaged, of another format or of another plant.
    """
    header, arrays = _read(path)
    if header.get("format") != form:
        raise DataError(
            f"format is {header.get('format')!r}.",
            where=str(path),
            allowed=form,
            mend="Write the state again with this version.",
        )
    if header["plant"] != plant:
        raise DataError(
            f"it holds the plant {header['plant']}.",
            where=str(path),
            allowed=plant,
            mend="Name the plant that the state was written by.",
        )
    return header, arrays


def _read(path: Path) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            header = json.loads(str(archive[_HEADER]))
            names = sorted(name for name in archive.files if name != _HEADER)
            return header, [archive[name] for name in names]
    except FileNotFoundError:
        raise DataError(
            "there is no such file.", where=str(path), mend="Name a file of --save-state."
        ) from None
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"it is no state of a plant: {error}",
            where=str(path),
            mend="Write the state again with --save-state.",
        ) from None


def check_arrays(path: Path, arrays: Sequence[NDArray[Any]], known: Sequence[Any]) -> None:
    """Refuse arrays that have not the shapes and types of those that are `known`.

    Raises:
        DataError: The plant or this program has changed since.
    """
    found = [(array.shape, array.dtype) for array in arrays]
    wanted = [(np.shape(leaf), np.asarray(leaf).dtype) for leaf in known]
    if found != wanted:
        raise DataError(
            f"its {len(found)} arrays are not the {len(wanted)} of this plant.",
            where=str(path),
            mend="Write the state again: the plant or this program has changed since.",
        )
