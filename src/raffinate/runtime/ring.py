"""The ring on disk: numbered records that a server keeps until those who listen have pulled them.

Lines of JSON in segment files, each named after its first record. A process that is killed may
leave half a line at the end; opening the ring cuts it off. The operating system keeps what was
written when a process dies; what a dying machine may lose is bounded by `SYNC_INTERVAL`.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from raffinate.errors import DataError
from raffinate.runtime.records import Record, record_from_json

SEGMENT_RECORDS = 5_000
"""Records in one segment file."""

SEGMENTS = 40
"""Segments kept; with one record per control period, four years of plant time."""

IN_MEMORY = 2_000
"""Newest records kept in memory, so that those who keep up never wait for the disk."""

SYNC_INTERVAL = 0.8
"""Longest wall time a record waits to be forced to the disk, [s]."""


class Ring:
    """Records of one server; one process appends, the same process answers pulls.

    Args:
        path: Folder of the segments; made if it is not there.
        sync: Whether to force records to the disk in the background.

    Raises:
        DataError: A segment other than the end of the last one is damaged.
    """

    def __init__(self, path: Path, *, sync: bool = True) -> None:
        self._path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._recent: deque[tuple[int, str]] = deque(maxlen=IN_MEMORY)
        self._segments = sorted(int(each.stem) for each in path.glob("*.jsonl"))
        self.last = 0
        self._in_segment = 0
        self._recover()
        if not self._segments:
            self._segments.append(self.last + 1)
        self._file = self._open(self._segments[-1])
        self._closed = threading.Event()
        self._unsynced = threading.Event()
        self._syncer = threading.Thread(target=self._keep_synced, name="ring", daemon=True)
        if sync:
            self._syncer.start()

    def _name(self, first: int) -> Path:
        return self._path / f"{first:012d}.jsonl"

    def _open(self, first: int) -> int:
        return os.open(self._name(first), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _recover(self) -> None:
        """Find the newest record, and cut off a line that a kill left unfinished."""
        while self._segments:
            first = self._segments[-1]
            text = self._name(first).read_bytes()
            whole = text[: text.rfind(b"\n") + 1]
            if len(whole) < len(text):
                with self._name(first).open("rb+") as file:
                    file.truncate(len(whole))
            lines = whole.decode().split("\n")[:-1]
            if lines:
                self.last = record_from_json(lines[-1]).sequence
                self._in_segment = len(lines)
                self._recent.extend(zip(range(first, first + len(lines)), lines, strict=True))
                if self._recent[-1][0] != self.last:
                    raise DataError(
                        f"segment {first} ends with record {self.last}, not {self._recent[-1][0]}.",
                        where=str(self._path),
                        mend="Move the folder aside; the run goes on with an empty ring.",
                    )
                return
            if len(self._segments) == 1:
                self.last = first - 1
                return
            self._name(first).unlink()
            self._segments.pop()

    def append(self, *records: Record) -> None:
        """Add records.

        Raises:
            DataError: A number does not follow the one before it.
            OSError: The disk takes no more; nothing was added.
        """
        lines = []
        expected = self.last
        for record in records:
            expected += 1
            if record.sequence != expected:
                raise DataError(
                    f"record {record.sequence} does not follow {expected - 1}.",
                    where=str(self._path),
                )
            lines.append((record.sequence, record.to_json()))
        if not lines:
            return
        data = "".join(f"{line}\n" for _, line in lines).encode()
        with self._lock:
            written = os.write(self._file, data)
            if written != len(data):
                # Nothing may follow half a line.
                os.ftruncate(self._file, os.fstat(self._file).st_size - written)
                raise OSError(f"{self._path}: the disk took half of a record")
            self._recent.extend(lines)
            self._in_segment += len(lines)
            self.last = expected
            if self._in_segment >= SEGMENT_RECORDS:
                self._turn()
        self._unsynced.set()

    def skip_to(self, sequence: int) -> None:
        """Leave a gap: the next record will be `sequence`, because those before it are lost."""
        with self._lock:
            self.last = sequence - 1
            self._recent.clear()
            self._turn()

    def _turn(self) -> None:
        os.fsync(self._file)
        os.close(self._file)
        self._segments.append(self.last + 1)
        self._file = self._open(self._segments[-1])
        self._in_segment = 0
        while len(self._segments) > SEGMENTS:
            self._name(self._segments.pop(0)).unlink(missing_ok=True)

    @property
    def first(self) -> int:
        """Number of the oldest record still kept."""
        return self._segments[0]

    def pull(self, after: int, most: int = 500) -> Sequence[str]:
        """Return the lines of the records after number `after`, oldest first.

        A caller that asks for records older than `first` gets the oldest there are, and sees the
        gap in their numbers.
        """
        with self._lock:
            if not self._recent or after >= self.last:
                return []
            oldest = self._recent[0][0]
            if after >= oldest - 1:
                skip = after - oldest + 1
                return [
                    self._recent[i][1]
                    for i in range(skip, min(skip + most, self.last - oldest + 1))
                ]
            segments = list(self._segments)
        return self._from_disk(segments, after, most)

    def _from_disk(self, segments: Sequence[int], after: int, most: int) -> list[str]:
        found: list[str] = []
        for index, first in enumerate(segments):
            if index + 1 < len(segments) and segments[index + 1] <= after + 1:
                continue
            lines = self._name(first).read_text(encoding="utf-8").split("\n")[:-1]
            found += lines[max(0, after + 1 - first) :]
            if len(found) >= most:
                break
        return found[:most]

    def _keep_synced(self) -> None:
        while not self._closed.is_set():
            self._unsynced.wait()
            if self._closed.is_set():
                return
            self._unsynced.clear()
            with self._lock:
                file = os.dup(self._file)
            try:
                os.fsync(file)
            finally:
                os.close(file)
            time.sleep(SYNC_INTERVAL)

    def close(self) -> None:
        """Force everything to the disk and close."""
        self._closed.set()
        self._unsynced.set()
        if self._syncer.is_alive():
            self._syncer.join(timeout=5.0)
        with self._lock:
            os.fsync(self._file)
            os.close(self._file)
