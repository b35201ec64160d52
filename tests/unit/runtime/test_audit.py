from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raffinate.errors import SpecificationError
from raffinate.runtime import audit
from raffinate.runtime.audit import (
    GENESIS,
    AuditTrail,
    anchor_of,
    read_audit,
    seal,
    verify_audit,
)

CHANGE: dict[str, Any] = {
    "plant_time": 3600.0,
    "user": "anna",
    "role": "operator",
    "source": "web",
    "what": "Levers/organic_flow/Request",
    "old": 14.0,
    "new": 14.5,
    "accepted": True,
    "reason": "",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit-plant.jsonl"


def written(path: Path, count: int) -> list[dict[str, Any]]:
    with AuditTrail(path) as trail:
        return [trail.append(**CHANGE, wall=1_000_000 + n) for n in range(count)]


def rewritten(path: Path, change: Callable[[list[bytes]], Sequence[bytes]]) -> None:
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"".join(line + b"\n" for line in change(lines)))


def test_a_trail_that_was_left_alone_is_sound(path: Path) -> None:
    entries = written(path, 5)
    verdict = verify_audit(path)
    assert verdict.sound
    assert (verdict.entries, verdict.line, verdict.recovered, verdict.anchored) == (5, None, 0, 5)
    assert verdict.last_hash == entries[-1]["hash"]
    assert list(read_audit(path)) == entries
    assert [entry["n"] for entry in entries] == [1, 2, 3, 4, 5]
    assert entries[0]["previous"] == GENESIS
    assert entries[0]["trail"] == "plant"
    assert {key: entries[0][key] for key in CHANGE} == CHANGE


def test_the_seal_is_the_hash_of_what_the_documentation_says(path: Path) -> None:
    import hashlib

    first, second = written(path, 2)
    rest = {key: second[key] for key in second if key not in ("hash", "previous")}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert second["previous"] == first["hash"]
    assert second["hash"] == hashlib.sha256((first["hash"] + text).encode()).hexdigest()


def test_an_empty_trail_is_sound(path: Path) -> None:
    AuditTrail(path).close()
    assert verify_audit(path).sound
    assert verify_audit(path).entries == 0


@pytest.mark.parametrize("line", [1, 4, 7])
def test_an_edited_line_is_found(path: Path, line: int) -> None:
    written(path, 7)

    def edit(lines: list[bytes]) -> list[bytes]:
        lines[line - 1] = lines[line - 1].replace(b'"anna"', b'"ben"')
        return lines

    rewritten(path, edit)
    verdict = verify_audit(path)
    assert not verdict.sound
    assert (verdict.line, verdict.entries) == (line, line - 1)
    assert "changed after it was written" in verdict.reason


def test_a_line_edited_and_sealed_anew_breaks_the_next(path: Path) -> None:
    written(path, 7)

    def edit(lines: list[bytes]) -> list[bytes]:
        entry = json.loads(lines[2])
        entry["accepted"] = False
        lines[2] = audit._canonical({**entry, "hash": seal(entry)}).encode()
        return lines

    rewritten(path, edit)
    verdict = verify_audit(path)
    assert (verdict.line, verdict.reason) == (4, "the entry does not follow the one before it")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: [*lines[:2], *lines[3:]], 3),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: [*lines[:4], lines[3], *lines[4:]], 5),
        (lambda lines: [*lines[:4], b"", *lines[4:]], 5),
        (lambda lines: [*lines[:4], b"{}", *lines[4:]], 5),
        (lambda lines: [*lines[:4], b"[" * 100_000, *lines[4:]], 5),
        (lambda lines: [*lines[:4], lines[4].replace(b"14.5", b"NaN"), *lines[5:]], 5),
        (lambda lines: [*lines[:4], lines[4].replace(b'"anna"', b'"\\ud800"'), *lines[5:]], 5),
        (lambda lines: [*lines[:4], lines[4].replace(b":", b": ", 1), *lines[5:]], 5),
        (lambda lines: [*lines[:4], lines[4].replace(b"{", b'{"n":5,', 1), *lines[5:]], 5),
        (lambda lines: lines[:6], 7),
        (lambda lines: [], 1),
    ],
    ids=[
        "deleted", "first deleted", "reordered", "repeated", "blank", "foreign", "deep",
        "not a number", "no character", "spaced", "doubled key", "cut off", "emptied",
    ],
)  # fmt: skip
def test_every_other_change_is_found(
    path: Path, change: Callable[[list[bytes]], list[bytes]], line: int
) -> None:
    written(path, 7)
    rewritten(path, change)
    verdict = verify_audit(path)
    assert not verdict.sound
    assert verdict.line == line


@settings(max_examples=60)
@given(data=st.data())
def test_no_changed_byte_goes_unnoticed(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit-plant.jsonl"
    written(path, 3)
    text = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(text) - 1))
    text[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(text))
    assert not verify_audit(path).sound


def test_a_trail_of_another_process_does_not_pass_for_this_one(path: Path) -> None:
    written(path, 3)
    other = path.with_name("audit-operate.jsonl")
    other.write_bytes(path.read_bytes())
    verdict = verify_audit(other)
    assert not verdict.sound
    assert "belongs to trail 'plant'" in verdict.reason


def test_a_chain_computed_anew_with_its_anchor_is_only_found_by_copies_elsewhere(
    path: Path,
) -> None:
    entries = written(path, 5)
    copies = [(entry["n"], entry["hash"]) for entry in entries]
    path.unlink()
    anchor_of(path).unlink()
    with AuditTrail(path) as trail:
        for _ in range(5):
            trail.append(**{**CHANGE, "user": "ben"})
    assert verify_audit(path).sound
    verdict = verify_audit(path, copies)
    assert (verdict.sound, verdict.line) == (False, 1)
    path.unlink()
    anchor_of(path).unlink()
    AuditTrail(path).close()
    assert "entry 5 is known" in verify_audit(path, copies).reason


def test_a_chain_goes_on_after_a_restart(path: Path) -> None:
    entries = [*written(path, 3), *written(path, 2)]
    assert [entry["n"] for entry in entries] == [1, 2, 3, 4, 5]
    assert verify_audit(path).sound


def test_a_torn_last_line_is_cut_off_and_recorded(path: Path) -> None:
    written(path, 3)
    with path.open("ab") as file:
        file.write(b'{"n":4,"trail":"pl\x00\x00')
    assert verify_audit(path).entries == 3
    with AuditTrail(path) as trail:
        trail.append(**CHANGE)
    verdict = verify_audit(path)
    assert verdict.sound
    assert (verdict.entries, verdict.recovered) == (5, 1)
    fourth = list(read_audit(path))[3]
    assert fourth["what"] == audit.RECOVERED
    assert fourth["old"].startswith('{"n":4,"trail":"pl')
    assert "20 bytes" in fourth["reason"]


def test_the_very_first_line_may_be_torn(path: Path) -> None:
    path.write_bytes(b'{"n":1')
    written(path, 1)
    verdict = verify_audit(path)
    assert (verdict.sound, verdict.entries, verdict.recovered) == (True, 2, 1)


def test_an_end_that_went_missing_stays_known_after_a_restart(path: Path) -> None:
    written(path, 5)
    rewritten(path, lambda lines: lines[:3])
    written(path, 4)
    verdict = verify_audit(path)
    assert not verdict.sound
    assert verdict.line == 4
    assert "the anchor knows 5 entries, the file had 3" in verdict.reason


def test_a_trail_that_cannot_be_continued_is_set_aside_and_reported(path: Path) -> None:
    written(path, 3)
    rewritten(path, lambda lines: [*lines[:2], lines[2].replace(b"14.5", b"15.5")])
    entries = written(path, 1)
    assert entries[0]["n"] == 2
    aside = list(path.parent.glob("audit-plant.broken-*.jsonl"))
    assert len(aside) == 1
    assert verify_audit(aside[0]).line == 3
    verdict = verify_audit(path)
    assert not verdict.sound
    assert aside[0].name in verdict.reason


def test_an_old_anchor_is_no_break(path: Path) -> None:
    written(path, 3)
    old = anchor_of(path).read_bytes()
    written(path, 3)
    anchor_of(path).write_bytes(old)
    verdict = verify_audit(path)
    assert verdict.sound
    assert (verdict.entries, verdict.anchored) == (6, 3)
    anchor_of(path).unlink()
    assert verify_audit(path).anchored == 0


def test_a_trail_has_one_writer(path: Path) -> None:
    with AuditTrail(path), pytest.raises(SpecificationError, match="already in use"):
        AuditTrail(path)
    written(path, 1)


def test_the_file_is_private(path: Path) -> None:
    old = os.umask(0)
    try:
        written(path, 1)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600


def test_threads_share_a_trail(path: Path) -> None:
    with AuditTrail(path) as trail:
        threads = [
            threading.Thread(target=lambda: [trail.append(**CHANGE) for _ in range(50)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert trail.last[0] == 400
    assert verify_audit(path).entries == 400
    assert verify_audit(path).sound


def test_a_trail_may_be_verified_while_it_is_written(path: Path) -> None:
    with AuditTrail(path) as trail:
        for n in range(1, 30):
            trail.append(**CHANGE)
            assert verify_audit(path).entries == n


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (2**63, str(2**63)),
        (True, True),
        ((1.0, math.inf), [1.0, "inf"]),
        ({"a": 1, 2: None}, {"a": 1, "2": None}),
        (b"\xff", "b'\\xff'"),
        ("\ud800", "\\ud800"),
        ("é\n", "é\n"),
    ],
)
def test_values_that_json_has_no_form_for_are_kept_as_text(
    path: Path, value: object, kept: object
) -> None:
    with AuditTrail(path) as trail:
        trail.append(**{**CHANGE, "new": value})
    assert next(read_audit(path))["new"] == kept
    assert verify_audit(path).sound


@pytest.mark.parametrize("value", ["x" * 10**6, tuple(range(10**5)), {"k": "x" * 10**6}])
def test_a_huge_value_is_cut_but_its_length_and_hash_are_told(path: Path, value: object) -> None:
    with AuditTrail(path) as trail:
        entry = trail.append(**{**CHANGE, "new": value})
    assert "SHA-256" in json.dumps(entry["new"])
    assert path.stat().st_size < 10_000
    assert verify_audit(path).sound


@settings(max_examples=40)
@given(
    values=st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
        max_size=5,
    )
)
def test_whatever_is_written_can_be_verified(
    values: list[object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit-web.jsonl"
    for value in values:
        with AuditTrail(path) as trail:
            trail.append(**{**CHANGE, "new": value, "user": str(value), "reason": repr(value)})
    if values:
        assert verify_audit(path).sound
        assert verify_audit(path).entries == len(values)


def test_an_unknown_field_is_a_bug_and_writes_nothing(path: Path) -> None:
    with AuditTrail(path) as trail:
        with pytest.raises(TypeError, match="usr"):
            trail.append(usr="anna")
        assert trail.last == (0, GENESIS)


def test_a_disk_that_takes_half_an_entry_leaves_no_half_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with AuditTrail(path) as trail:
        trail.append(**CHANGE)
        write = os.write
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", lambda file, data: write(file, data[:40]))
            with pytest.raises(OSError, match="half of an entry"):
                trail.append(**CHANGE)
        trail.append(**CHANGE)
    verdict = verify_audit(path)
    assert (verdict.sound, verdict.entries) == (True, 2)


WRITER = """
import sys
from pathlib import Path
from raffinate.runtime.audit import AuditTrail
with AuditTrail(Path(sys.argv[1])) as trail:
    while True:
        entry = trail.append(user="anna", what="x" * 200, accepted=True)
        sys.stdout.write(f"{entry['n']}\\n")
        sys.stdout.flush()
"""


def test_what_was_acknowledged_survives_kill_9(path: Path) -> None:
    acknowledged = 0
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            for _ in range(200):
                acknowledged = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            # A line cut by the kill was still acknowledged only as far as it goes.
            rest = process.stdout.read().splitlines()[:-1]
            acknowledged = int(rest[-1]) if rest else acknowledged
            process.wait()
    written(path, 1)
    verdict = verify_audit(path)
    assert verdict.sound
    assert verdict.entries > acknowledged >= 600
