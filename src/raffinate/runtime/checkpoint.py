"""Checkpoints: the state of a process on disk, whole or not at all, to resume from after a kill.

The file is written beside the last one and renamed over it; the last one is kept as `.previous`.
It is a pickle, because a twin resumes bit for bit only with every array and generator as it was.
A pickle can run code when read: checkpoints stand in the run directory, which only its owner may
write, and are never taken from anywhere else.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

from raffinate.errors import DataError

FORMAT = b"raffinate-checkpoint/1\n"
_DIGEST = 32


def save_checkpoint(path: Path, state: Any) -> None:
    """Write `state`, replacing the checkpoint at `path`.

    Not forced to the disk: a kill of the process loses nothing that was written, and a machine
    that dies falls back on what the disk holds, at most some seconds old.
    """
    body = pickle.dumps(state, protocol=pickle.HIGHEST_PROTOCOL)
    fresh = path.with_suffix(".fresh")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(FORMAT)
        file.write(hashlib.sha256(body).digest())
        file.write(body)
    if path.exists():
        os.replace(path, path.with_suffix(".previous"))
    os.replace(fresh, path)


def load_checkpoint(path: Path) -> Any | None:
    """Return the newest whole state, or None where there never was one.

    Raises:
        DataError: There are checkpoints, and all are damaged or not the user's own.
    """
    damaged: DataError | None = None
    for each in (path, path.with_suffix(".previous")):
        try:
            return _load(each)
        except FileNotFoundError:
            continue
        except DataError as error:
            damaged = error
    if damaged is not None:
        raise damaged
    return None


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        if hasattr(os, "getuid") and os.fstat(file.fileno()).st_uid != os.getuid():
            raise DataError(
                "it belongs to another user.",
                where=str(path),
                mend="Resume a run as the user who began it.",
            )
        text = file.read()
    digest = text[len(FORMAT) : len(FORMAT) + _DIGEST]
    body = text[len(FORMAT) + _DIGEST :]
    if not text.startswith(FORMAT) or hashlib.sha256(body).digest() != digest:
        raise DataError(
            "it is no checkpoint of this version, or is damaged.",
            where=str(path),
            mend="Begin a new run; the history of this one can still be read.",
        )
    return pickle.loads(body)
