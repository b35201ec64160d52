"""The ring on disk: numbered, whole after a kill, pulled from memory or disk alike."""

from __future__ import annotations

import json
import os

import pytest

from raffinate.errors import DataError
from raffinate.runtime import ring as ring_module
from raffinate.runtime.records import Record, record_from_json
from raffinate.runtime.ring import Ring


def record(sequence: int) -> Record:
    return Record(sequence=sequence, time=600.0 * sequence, wall=sequence, values={"a": 1.5})


def numbers(lines) -> list[int]:
    return [json.loads(line)["sequence"] for line in lines]


def filled(path, count: int, first: int = 1) -> Ring:
    ring = Ring(path, sync=False)
    for sequence in range(first, first + count):
        ring.append(record(sequence))
    return ring


def test_records_come_back_in_order_after_any_number(tmp_path):
    ring = filled(tmp_path, 7)
    assert numbers(ring.pull(0)) == [1, 2, 3, 4, 5, 6, 7]
    assert numbers(ring.pull(4, most=2)) == [5, 6]
    assert list(ring.pull(7)) == []
    ring.close()


def test_a_ring_goes_on_where_it_was_closed(tmp_path):
    filled(tmp_path, 3).close()
    ring = filled(tmp_path, 2, first=4)
    assert ring.last == 5
    assert numbers(ring.pull(0)) == [1, 2, 3, 4, 5]
    ring.close()


def test_half_a_line_left_by_a_kill_is_cut_off(tmp_path):
    filled(tmp_path, 3).close()
    file = next(tmp_path.glob("*.jsonl"))
    file.write_bytes(file.read_bytes()[:-9])
    ring = Ring(tmp_path, sync=False)
    assert ring.last == 2
    ring.append(record(3))
    assert numbers(ring.pull(0)) == [1, 2, 3]
    ring.close()


def test_a_number_out_of_turn_is_refused(tmp_path):
    ring = filled(tmp_path, 2)
    with pytest.raises(DataError, match="does not follow 2"):
        ring.append(record(5))
    assert ring.last == 2
    ring.close()


def test_old_records_are_read_from_disk_and_the_oldest_segments_go(tmp_path, monkeypatch):
    monkeypatch.setattr(ring_module, "SEGMENT_RECORDS", 5)
    monkeypatch.setattr(ring_module, "SEGMENTS", 3)
    monkeypatch.setattr(ring_module, "IN_MEMORY", 4)
    ring = filled(tmp_path, 23)
    assert ring.first == 11
    assert numbers(ring.pull(0)) == list(range(11, 24))
    assert numbers(ring.pull(13, most=4)) == [14, 15, 16, 17]
    assert numbers(ring.pull(20)) == [21, 22, 23]
    ring.close()
    again = Ring(tmp_path, sync=False)
    assert (again.first, again.last) == (11, 23)
    assert numbers(again.pull(12)) == list(range(13, 24))
    again.close()


def test_a_known_loss_leaves_a_gap_in_the_numbers_and_not_in_the_ring(tmp_path):
    ring = filled(tmp_path, 3)
    ring.skip_to(9)
    ring.append(record(9), record(10))
    assert numbers(ring.pull(0)) == [1, 2, 3, 9, 10]
    assert numbers(ring.pull(5)) == [9, 10]
    ring.close()
    again = Ring(tmp_path, sync=False)
    assert numbers(again.pull(2)) == [3, 9, 10]
    again.close()


def test_records_are_forced_to_the_disk_without_being_asked(tmp_path, monkeypatch):
    forced = []
    monkeypatch.setattr(ring_module.os, "fsync", forced.append)
    monkeypatch.setattr(ring_module, "SYNC_INTERVAL", 0.01)
    ring = Ring(tmp_path)
    ring.append(record(1))
    for _ in range(200):
        if forced:
            break
        ring_module.time.sleep(0.01)
    assert forced
    ring.close()


def test_what_people_write_cannot_break_a_record_into_lines(tmp_path):
    odd = "a\u2028b\x85c\x1ed\ud800"
    ring = Ring(tmp_path, sync=False)
    ring.append(Record(sequence=1, time=0.0, wall=0, changes=({"new": odd},)))
    ring.close()
    ring = Ring(tmp_path, sync=False)
    (line,) = ring.pull(0)
    assert line.splitlines() == [line]
    assert record_from_json(line).changes[0]["new"] == odd
    ring.close()


def test_a_disk_that_takes_half_a_record_leaves_none_of_it(tmp_path, monkeypatch):
    ring = filled(tmp_path, 2)
    write = os.write
    monkeypatch.setattr(ring_module.os, "write", lambda file, data: write(file, data[:10]))
    with pytest.raises(OSError, match="half of a record"):
        ring.append(record(3))
    monkeypatch.undo()
    ring.append(record(3))
    assert numbers(ring.pull(0)) == [1, 2, 3]
    ring.close()
    ring = Ring(tmp_path, sync=False)
    assert ring.last == 3
    ring.close()
