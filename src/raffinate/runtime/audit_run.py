"""The audit trails of a run, verified together and against the copies the history received."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from raffinate.errors import DataError, RaffinateError
from raffinate.runtime.audit import AuditVerdict, trail_of, verify_audit
from raffinate.runtime.historian import Historian, is_url, open_historian
from raffinate.runtime.private_files import now_us, read_json, write_json
from raffinate.runtime.run_directory import RunDirectory

Copies = Mapping[str, Sequence[tuple[int, str]]]
"""Number and hash of entries received elsewhere, by trail."""

LATEST = 2**62
"""A time after all others, UTC [µs], that every database can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunVerdict:
    """Whether all trails of a run are as they were written.

    Attributes:
        trails: One verdict per trail.
        copies: Entries the history holds copies of; None where it could not be asked.
        wall: When it was verified, UTC [µs].
    """

    trails: tuple[AuditVerdict, ...]
    copies: int | None
    wall: int

    @property
    def sound(self) -> bool:
        """Whether nothing was found; a run without any trail has nothing to find."""
        return all(verdict.sound for verdict in self.trails)

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as `raffinate audit verify --json` prints it."""
        return {
            "sound": self.sound,
            "wall": self.wall,
            "copies": self.copies,
            "trails": [{**asdict(verdict), "path": str(verdict.path)} for verdict in self.trails],
        }


def verify_run(run: RunDirectory) -> RunVerdict:
    """Verify every trail of a run and note the verdict for `raffinate status`.

    A trail of which the history holds entries but whose file is gone counts as broken.

    Raises:
        DataError: A trail cannot be read.
    """
    copies = copies_of(run)
    known: Copies = copies or {}
    paths = {path: known.get(trail_of(path), ()) for path in _trails(run, known)}
    verdict = RunVerdict(
        trails=tuple(_verdict(path, known_here) for path, known_here in paths.items()),
        copies=sum(len(each) for each in copies.values()) if copies is not None else None,
        wall=now_us(),
    )
    noted = {"wall": verdict.wall, "sound": verdict.sound}
    # Whoever may only read the run can verify it all the same.
    with contextlib.suppress(OSError):
        write_json(_noted(run), noted)
    return verdict


def last_verdict(run: RunDirectory) -> tuple[int, bool] | None:
    """Return when the trails were verified last, UTC [µs], and whether they were sound."""
    try:
        found = read_json(_noted(run))
        return int(found["wall"]), bool(found["sound"])
    except (DataError, KeyError, ValueError, TypeError):
        return None


def copies_of(run: RunDirectory) -> dict[str, list[tuple[int, str]]] | None:
    """Return the hashes the history holds; None where it has none or does not answer."""
    if not is_url(run.history_url) and not run.history_file.exists():
        return None
    try:
        historian = open_historian(run.history_url, read_only=True)
    except RaffinateError:
        return None
    try:
        return _copies(historian)
    except RaffinateError:
        return None
    finally:
        historian.close()


def _copies(historian: Historian) -> dict[str, list[tuple[int, str]]]:
    found: dict[str, list[tuple[int, str]]] = {}
    for change in historian.changes(0, LATEST):
        entry = change.entry
        if {"trail", "n", "hash"} <= set(entry):
            found.setdefault(str(entry["trail"]), []).append((int(entry["n"]), str(entry["hash"])))
    return found


def _trails(run: RunDirectory, known: Copies) -> tuple[Path, ...]:
    missing = {run.audit_file(trail) for trail in known if not run.audit_file(trail).exists()}
    return (*run.audit_files(), *sorted(missing))


def _verdict(path: Path, copies: Sequence[tuple[int, str]]) -> AuditVerdict:
    if path.exists():
        return verify_audit(path, copies)
    reason = f"the file is gone: the history has {len(copies)} of its entries"
    return AuditVerdict(
        path=path, trail=trail_of(path), entries=0, sound=False, line=1, reason=reason
    )


def _noted(run: RunDirectory) -> Path:
    return run.path / "audit-verdict.json"
