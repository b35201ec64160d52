"""Log files of the processes: appended to by them, kept from growing without end."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from raffinate.runtime.private_files import PRIVATE_FILE

LARGEST = 5_000_000
"""Size at which a log file is turned over, bytes."""

KEPT = 3
"""Older log files kept beside the present one."""


def open_log(path: Path) -> int:
    """Return a descriptor that appends to a log file, to be handed to a process.

    The process writes to the file itself rather than through the supervisor, so that its last
    words are kept even when the supervisor is gone.
    """
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)


def turn_over(path: Path, largest: int = LARGEST, kept: int = KEPT) -> bool:
    """Copy a log file that has grown too large to `<name>.1` and empty it; say whether it was.

    The process keeps its descriptor and goes on at the new end. A line it writes between the copy
    and the emptying is lost, which a log may bear, and an audit trail may not.
    """
    try:
        if path.stat().st_size < largest:
            return False
        for number in range(kept, 1, -1):
            older = path.with_name(f"{path.name}.{number - 1}")
            if older.exists():
                os.replace(older, path.with_name(f"{path.name}.{number}"))
        shutil.copyfile(path, path.with_name(f"{path.name}.1"))
        os.chmod(path.with_name(f"{path.name}.1"), PRIVATE_FILE)
        os.truncate(path, 0)
    except OSError:
        # A full disk is no reason to end a process; its log stays as it is.
        return False
    return True


def last_lines(path: Path, most: int = 12) -> str:
    """Return the end of a log file, for an error; empty without one."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 8_000))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-most:])
