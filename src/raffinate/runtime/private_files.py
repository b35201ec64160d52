"""Files that belong to one user and are never seen half-written, and locks on them."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from raffinate.errors import DataError, SpecificationError

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def make_private_folder(path: Path) -> None:
    """Make a folder that only its owner may enter, and those above it that are missing."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=PRIVATE_FOLDER)


def write_private(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Replace a file in one step by one that only its owner may read.

    Args:
        path: Where; its folder exists.
        content: The whole of it; text is written in UTF-8.
        durable: Wait until the disk has it. What is written again within a second need not.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    # mkstemp makes the file 0600 at once: there is no moment at which others can open it.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Wait until the disk knows the names in a folder, where the system can be asked to."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Replace a JSON file as `write_private` does."""
    text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False)
    write_private(path, f"{text}\n", durable=durable)


def read_json(path: Path) -> dict[str, Any]:
    """Return the object a JSON file holds.

    Raises:
        DataError: It is not there, cannot be read, or holds something else.
    """
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}).", where=str(path)) from error
    except ValueError as error:
        raise DataError(f"not JSON: {error}.", where=str(path)) from error
    if not isinstance(found, dict):
        raise DataError(f"holds a {type(found).__name__}, not keys and values.", where=str(path))
    return found


def check_private(path: Path) -> None:
    """Refuse a file of secrets that others may read or write.

    Raises:
        SpecificationError: Its permissions are wider than 0600.
    """
    if sys.platform == "win32":
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise SpecificationError(
            f"others may open it (mode {mode:o}).",
            where=str(path),
            allowed="mode 600",
            mend=f"chmod 600 {path}",
        )


def now_us() -> int:
    """Return the wall clock, UTC, [µs]."""
    return time.time_ns() // 1000


class FileLock:
    """An exclusive lock on a file, held until released or until the process is gone.

    The kernel holds it, so no crash leaves it behind; the file itself, which stays, only says
    who holds it.

    Args:
        path: The file; made if it is missing.
        what: What the lock guards, for the error.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self.what = what
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, and write down who has it.

        Raises:
            SpecificationError: Another process holds it.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        try:
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            holder = lock_holder(self.path)
            by = f" by process {holder}" if holder else ""
            raise SpecificationError(
                f"{self.what} is already in use{by}.",
                where=str(self.path),
                mend="Stop that process first.",
            ) from error
        line = f"{os.getpid()} {process_start(os.getpid())}\n".encode()
        os.ftruncate(descriptor, 0)
        os.write(descriptor, line)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; nothing happens if it is not held."""
        if self._descriptor is None:
            return
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
        self._descriptor = None

    def __enter__(self) -> FileLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def lock_holder(path: Path) -> int | None:
    """Return the process that holds a `FileLock`, if it is alive.

    The lock itself is not touched: a reader that tried it could keep a writer out.
    """
    try:
        pid, begun = path.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return int(pid) if is_alive(int(pid), begun) else None


def is_alive(pid: int, begun: str = "") -> bool:
    """Return whether a process runs, and is the one that began at `begun` where that is known.

    A zombie, which only waits to be collected, does not run.
    """
    found = process_start(pid)
    if found:
        return (not begun or found == begun) and _state(pid) != "Z"
    if sys.platform in ("linux", "win32"):
        # Windows' os.kill ends the process it asks for; there the kernel's lock alone decides.
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def process_start(pid: int) -> str:
    """Return when a process began, in ticks since the machine started; empty where unknown.

    Process numbers are used again; number and start together are not. Source: proc(5), field 22
    of /proc/[pid]/stat.
    """
    fields = _stat(pid)
    return fields[19] if len(fields) > 19 else ""


def _state(pid: int) -> str:
    fields = _stat(pid)
    return fields[0] if fields else ""


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/[pid]/stat from the third on, its state."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    # The second field, the name, stands in parentheses and may hold anything, even ")".
    return text.rpartition(")")[2].split()


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        # Far behind the text, because a locked byte cannot be read by others.
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
