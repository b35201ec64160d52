"""The audit trail: who changed, or tried to change, what; each entry sealed by those before it.

One file per writing process (`audit-plant.jsonl`, `audit-operate.jsonl`, `audit-web.jsonl`), one
JSON object per line. `hash` is the SHA-256 of the hash before it and the canonical JSON of the
entry, so that an entry that is edited, deleted, inserted or moved breaks the chain from there on.
The end of a chain proves nothing by itself: a file that is cut off still verifies. So the last
hash also goes to an anchor file every wall second, and the entries travel to the history.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raffinate.errors import DataError
from raffinate.runtime.private_files import (
    PRIVATE_FILE,
    FileLock,
    now_us,
    read_json,
    sync_folder,
    write_json,
)

FIELDS = (
    "wall", "plant_time", "user", "role", "source", "what", "old", "new", "accepted", "reason",
)  # fmt: skip
"""What the caller of `AuditTrail.append` gives; `wall` [µs UTC] is filled in if left out."""

GENESIS = "0" * 64
"""Hash before the first entry."""

SYNC_INTERVAL = 0.8
"""Longest wall time an entry waits to be forced to the disk, [s]. The death of the process loses
nothing, because each entry is handed to the operating system at once. Forcing each to the disk
would bound a flood of refused writes, and with it the server, to the disk's hundred or so forced
writes per second; a machine that dies may lose one second, here as in the history."""

LONGEST = 1_000
"""Characters of a text that are kept; the rest is told by its length and hash."""

RECOVERED = "audit trail recovered"
"""`what` of the entry that replaces a last line torn by the end of the machine."""

SHORTENED = "audit trail shortened"
"""`what` of the entry that says that entries known to the anchor were missing."""


_TAIL = 2**18
"""Bytes at the end of a trail in which its last entry is looked for; far above the longest."""


class AuditTrail:
    """One append-only trail; safe to use from several threads.

    Args:
        path: The file; made if it is missing. Its name without "audit-" names the trail.

    Raises:
        SpecificationError: Another process writes this trail.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trail = trail_of(path)
        self._lock = threading.Lock()
        self._owner = FileLock(path.with_suffix(".lock"), f"audit trail {path.name}")
        self._owner.acquire()
        self._n, self._hash, self._size = 0, GENESIS, 0
        findings = self._recover()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        sync_folder(path.parent)
        self._closing = threading.Event()
        self._unsynced = threading.Event()
        self._syncer = threading.Thread(target=self._keep_synced, name="audit", daemon=True)
        self._syncer.start()
        for what, old, reason in findings:
            self.append(
                user="raffinate", role="service", source="guard", what=what, old=old,
                accepted=True, reason=reason,
            )  # fmt: skip

    @property
    def last(self) -> tuple[int, str]:
        """Number and hash of the newest entry; 0 and `GENESIS` before the first."""
        return self._n, self._hash

    def append(self, **given: Any) -> dict[str, Any]:
        """Add an entry and return it as it was written.

        Args:
            given: `FIELDS`; what is left out is null. A value JSON has no form for is kept as
                text.

        Raises:
            TypeError: A field is unknown.
            OSError: The disk takes no more; nothing must then be changed unrecorded.
        """
        unknown = set(given) - set(FIELDS)
        if unknown:
            raise TypeError(f"an audit entry has no {', '.join(sorted(unknown))}")
        entry: dict[str, Any] = {name: _plain(given.get(name)) for name in FIELDS}
        if entry["wall"] is None:
            entry["wall"] = now_us()
        with self._lock:
            entry = {"n": self._n + 1, "trail": self.trail, **entry, "previous": self._hash}
            entry["hash"] = seal(entry)
            data = f"{_canonical(entry)}\n".encode()
            if os.write(self._file, data) != len(data):
                # Nothing may follow half a line.
                os.ftruncate(self._file, self._size)
                raise OSError(f"{self.path}: the disk took half of an entry")
            self._n, self._hash = entry["n"], entry["hash"]
            self._size += len(data)
        self._unsynced.set()
        return entry

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yield the entries, oldest first, without verifying them."""
        return read_audit(self.path)

    def close(self) -> None:
        """Force everything to the disk and close."""
        self._closing.set()
        self._unsynced.set()
        self._syncer.join()
        self._sync()
        os.close(self._file)
        self._owner.release()

    def __enter__(self) -> AuditTrail:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep_synced(self) -> None:
        while True:
            self._unsynced.wait()
            if self._closing.is_set():
                return
            self._unsynced.clear()
            self._sync()
            self._closing.wait(SYNC_INTERVAL)

    def _sync(self) -> None:
        with self._lock:
            n, last = self._n, self._hash
        try:
            os.fsync(self._file)
            # After the entry, never before it: an anchor ahead of the file means tampering. One
            # that a dying machine sets back to an older one does no harm.
            anchor = {"trail": self.trail, "n": n, "hash": last, "wall": now_us()}
            write_json(anchor_of(self.path), anchor, durable=False)
        except OSError:
            # A full disk shows at the next append, whose caller can refuse the change.
            return

    def _recover(self) -> list[tuple[str, str | None, str]]:
        """Find the end of the chain; return what has to be recorded about it."""
        line, torn, self._size = _tail(self.path)
        findings: list[tuple[str, str | None, str]] = []
        if line is not None:
            last = _parsed(line)
            if last is None or last["hash"] != seal(last):
                return self._set_aside()
            self._n, self._hash = last["n"], last["hash"]
        if torn:
            os.truncate(self.path, self._size)
            told = torn.decode("utf-8", "replace")
            findings.append((RECOVERED, told, f"{len(torn)} bytes of a torn last line cut off"))
        anchor = read_anchor(self.path)
        if anchor is not None and anchor[0] > self._n:
            reason = f"the anchor knows {anchor[0]} entries, the file had {self._n}"
            findings.append((SHORTENED, anchor[1], reason))
        return findings

    def _set_aside(self) -> list[tuple[str, str | None, str]]:
        """Keep a trail that cannot be continued, and begin another that says so."""
        aside = self.path.with_name(f"{self.path.stem}.broken-{now_us()}.jsonl")
        os.replace(self.path, aside)
        self._size = 0
        anchor = anchor_of(self.path)
        if anchor.exists():
            os.replace(anchor, anchor_of(aside))
        return [(SHORTENED, None, f"the trail before is broken and kept as {aside.name}")]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditVerdict:
    """Whether a trail is as it was written.

    Attributes:
        path: The file.
        trail: Its name.
        entries: Entries up to the first broken line.
        sound: Nothing was found.
        line: First broken line, counted from 1; one past the end where the end is missing; None
            if sound.
        reason: What is wrong with it.
        recovered: Torn last lines that were cut off; they are no break.
        anchored: Entries up to the anchor's; what follows them rests on the chain alone.
        last_hash: Hash of the last sound entry.
    """

    path: Path
    trail: str
    entries: int
    sound: bool
    line: int | None = None
    reason: str = ""
    recovered: int = 0
    anchored: int = 0
    last_hash: str = GENESIS


def verify_audit(path: Path, copies: Iterable[tuple[int, str]] = ()) -> AuditVerdict:
    """Check every line of a trail against the one before it, its anchor, and copies elsewhere.

    Found are lines that were edited, deleted, inserted or moved, and a missing end that the
    anchor or a copy still knows. Not found is a chain that was computed anew from some line on
    together with its anchor, unless copies of the hashes are kept where the forger cannot write;
    nor the loss of the last second before the machine died.

    Args:
        path: The trail; it may be written to meanwhile.
        copies: Number and hash of entries as another place, such as the history, received them.

    Raises:
        DataError: The file cannot be read.
    """
    # Before the file: what is appended while it is read must not look like a missing end.
    anchor = read_anchor(path)
    known: dict[int, set[str]] = {}
    for number, digest in (*copies, *((anchor,) if anchor is not None else ())):
        known.setdefault(number, set()).add(digest)
    n, previous, recovered = 0, GENESIS, 0
    for n, line in enumerate(_lines(path), start=1):
        reason, entry = _fault(line, n, previous, trail_of(path))
        if not reason and not known.get(n, set()) <= {entry["hash"]}:
            reason = "the entry differs from its anchor or copy"
        if reason:
            return _broken(path, n - 1, previous, recovered, reason)
        previous = entry["hash"]
        recovered += entry["what"] == RECOVERED
    if known and max(known) > n:
        reason = f"the end is missing: entry {max(known)} is known"
        return _broken(path, n, previous, recovered, reason)
    return AuditVerdict(
        path=path,
        trail=trail_of(path),
        entries=n,
        sound=True,
        recovered=recovered,
        anchored=anchor[0] if anchor is not None else 0,
        last_hash=previous,
    )


def _broken(path: Path, sound: int, previous: str, recovered: int, reason: str) -> AuditVerdict:
    return AuditVerdict(
        path=path,
        trail=trail_of(path),
        entries=sound,
        sound=False,
        line=sound + 1,
        reason=reason,
        recovered=recovered,
        last_hash=previous,
    )


def _fault(line: bytes, n: int, previous: str, trail: str) -> tuple[str, dict[str, Any]]:
    entry = _parsed(line)
    if entry is None:
        return "the line is no entry", {}
    if entry["n"] != n:
        return f"entry {entry['n']} stands in line {n}", entry
    if entry["trail"] != trail:
        return f"the entry belongs to trail {entry['trail']!r}", entry
    if entry["previous"] != previous:
        return "the entry does not follow the one before it", entry
    if entry["hash"] != seal(entry):
        return "the entry was changed after it was written", entry
    if entry["what"] == SHORTENED:
        return str(entry["reason"]), entry
    return "", entry


def seal(entry: Mapping[str, Any]) -> str:
    """Return the hash of an entry: SHA-256 of the hash before it and its canonical JSON."""
    rest = {key: value for key, value in entry.items() if key not in ("previous", "hash")}
    return hashlib.sha256(f"{entry['previous']}{_canonical(rest)}".encode()).hexdigest()


def trail_of(path: Path) -> str:
    """Return the name of a trail, such as "plant", from that of its file."""
    return path.stem.removeprefix("audit-").partition(".")[0]


def anchor_of(path: Path) -> Path:
    """Return the file that keeps the last hash of a trail."""
    return path.with_suffix(".anchor")


def read_anchor(path: Path) -> tuple[int, str] | None:
    """Return number and hash of the entry a trail is anchored at; None without an anchor."""
    try:
        found = read_json(anchor_of(path))
        return int(found["n"]), str(found["hash"])
    except (DataError, KeyError, ValueError, TypeError):
        return None


def read_audit(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the entries of a trail, oldest first, without verifying them; skip what is none.

    Raises:
        DataError: The file cannot be read.
    """
    for line in _lines(path):
        entry = _parsed(line)
        if entry is not None:
            yield entry


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            for line in file:
                # A line that is being written has no end yet.
                if line.endswith(b"\n"):
                    yield line[:-1]
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}).", where=str(path)) from error


def _tail(path: Path) -> tuple[bytes | None, bytes, int]:
    """Return the last whole line, what follows it, and the size up to there, [bytes]."""
    if not path.exists():
        return None, b"", 0
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        text = file.read()
    cut = text.rfind(b"\n") + 1
    whole, torn = text[:cut], text[cut:]
    line = whole[whole.rfind(b"\n", 0, -1) + 1 : -1] if whole else None
    # A tail without any line is damage, unless it is all there is: the first entry, torn.
    return (b"" if line is None and size > _TAIL else line), torn, size - len(torn)


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Return an entry; None for what is none, or was not written down by an `AuditTrail`."""
    try:
        entry = json.loads(line, parse_constant=_refused)
        if _canonical(entry).encode() != line:
            return None
    except (ValueError, RecursionError):
        return None
    wanted = {"n", "trail", *FIELDS, "previous", "hash"}
    return entry if isinstance(entry, dict) and set(entry) == wanted else None


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _plain(value: Any) -> Any:
    """Return a value as JSON carries it, with nothing lost silently."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        # Readers in other languages hold numbers as doubles.
        return int(value) if abs(value) < 2**53 else str(value)
    if isinstance(value, float):
        return float(value) if abs(value) < float("inf") else str(float(value))
    if isinstance(value, (list, tuple)):
        rows = [_plain(each) for each in value]
        text = json.dumps(rows, ensure_ascii=False)
        return rows if len(text) <= LONGEST else _shortened(text)
    if isinstance(value, Mapping):
        return _plain_mapping(value)
    return _shortened(value if isinstance(value, str) else repr(value))


def _plain_mapping(value: Mapping[Any, Any]) -> Any:
    rows = {_shortened(str(key)): _plain(each) for key, each in value.items()}
    text = json.dumps(rows, ensure_ascii=False)
    return rows if len(text) <= LONGEST else _shortened(text)


def _shortened(text: str) -> str:
    """Return a text that UTF-8 can carry, cut at `LONGEST` with length and hash of the whole."""
    data = text.encode("utf-8", "backslashreplace")
    text = data.decode("utf-8")
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}… ({len(text)} characters, SHA-256 {hashlib.sha256(data).hexdigest()})"
