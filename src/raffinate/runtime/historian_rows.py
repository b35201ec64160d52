"""Records as rows of the historian's tables, and what is added up from them for trends."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter

import numpy as np

from raffinate.runtime.historian_types import DAY_US, QUALITIES, SequenceGap
from raffinate.runtime.records import Record, reading_to_dict

SECOND_US = 1_000_000
"""A second, [µs]."""

LEVELS = tuple(seconds * SECOND_US for seconds in (600, 3_600, 21_600, 86_400))
"""Widths of the buckets kept ready, [µs]: with scans of a minute, a trend of 800 points then adds
up fewer than 10,000 rows however long the span is."""

COUNTED_LEVEL = LEVELS[1]
"""The level over which good and bad rows are counted."""

BAD = QUALITIES.index("bad")

RawRow = tuple[int, int, int, float | None, int, int | None]
"""tag, source time, sequence, value, quality, result time; the last is None where it is the
source time."""

Rollup = tuple[int, int, int, float | None, float | None, float, int, int, int | None, float | None]
"""tag, level, start, low, high, total, good, bad, time and value of the last good row."""


@dataclass(slots=True, kw_only=True)
class Batch:
    """The rows of several records, by table; in each the key comes first."""

    raw: list[RawRow] = field(default_factory=list)
    profiles: list[tuple[int, int, int, bytes]] = field(default_factory=list)
    records: list[tuple[int, int, int]] = field(default_factory=list)
    notes: list[tuple[int, int, int, str, str, str]] = field(default_factory=list)
    samples: list[tuple[int, int, int, int, str, str]] = field(default_factory=list)
    changes: list[tuple[int, int, int, str]] = field(default_factory=list)

    def times(self) -> tuple[int, int]:
        """Return the first and last source time of all rows, [µs]."""
        found = [row[1] for row in self.records]
        found += [row[1] for row in self.raw]
        return min(found), max(found)

    def days(self) -> dict[int, int]:
        """Return the raw rows of each UTC day."""
        days, counts = np.unique(
            np.array([row[1] for row in self.raw], dtype=np.int64) // DAY_US, return_counts=True
        )
        return dict(zip(days.tolist(), counts.tolist(), strict=True))


def utc(epoch_us: int, time: float) -> int:
    """Return a plant time, [s], as UTC, [µs]."""
    return epoch_us + round(time * SECOND_US)


def fresh(records: Sequence[Record], cursor: int) -> list[Record]:
    """Return the records beyond the cursor in the order of their sequences, each once."""
    found = {record.sequence: record for record in records if record.sequence > cursor}
    return [found[sequence] for sequence in sorted(found)]


def missing(
    source: str, records: Sequence[Record], cursor: int, epoch_us: int
) -> list[SequenceGap]:
    """Return the gaps in the sequences of records that follow the cursor."""
    found, expected = [], cursor + 1
    for record in records:
        if record.sequence > expected:
            found.append(
                SequenceGap(
                    t_us=utc(epoch_us, record.time),
                    source=source,
                    first=expected,
                    last=record.sequence - 1,
                )
            )
        expected = record.sequence + 1
    return found


def exploded(records: Sequence[Record], epoch_us: int, tag_id: Callable[[str], int]) -> Batch:
    """Return the rows of records.

    Args:
        records: Each once.
        epoch_us: UTC at plant time 0, [µs].
        tag_id: Gives the number of a tag by its path.
    """
    batch = Batch()
    for record in records:
        number, now = record.sequence, utc(epoch_us, record.time)
        batch.records.append((number, now, record.wall))
        for path, value in record.values.items():
            good = math.isfinite(value)
            batch.raw.append(
                (tag_id(path), now, number, value, 0, None)
                if good
                else (tag_id(path), now, number, None, BAD, None)
            )
        for path, row in record.arrays.items():
            batch.profiles.append(
                (tag_id(path), now, number, np.asarray(row, dtype="<f8").tobytes())
            )
        _add_samples(batch, record, epoch_us, tag_id)
        for place, note in enumerate(record.notes):
            when = utc(epoch_us, note.time)
            batch.notes.append((number, place, when, note.kind, _held(note.text), note.priority))
        for place, change in enumerate(record.changes):
            time = change.get("plant_time")
            when = utc(epoch_us, float(time)) if time is not None else now
            text = json.dumps(dict(change), ensure_ascii=False)
            batch.changes.append((number, place, when, _held(text)))
    batch.raw = _each_once(batch.raw)
    return batch


def _add_samples(batch: Batch, record: Record, epoch_us: int, tag_id: Callable[[str], int]) -> None:
    for place, sample in enumerate(record.samples):
        taken, known = utc(epoch_us, sample.sample_time), utc(epoch_us, sample.result_time)
        text = json.dumps(reading_to_dict(sample), ensure_ascii=False, allow_nan=False)
        batch.samples.append((record.sequence, place, taken, known, sample.place, _held(text)))
        quality = QUALITIES.index(sample.quality)
        for element, value in zip(sample.elements, sample.values.tolist(), strict=True):
            tag = tag_id(f"{sample.instrument}/{sample.place}/{element}")
            good = math.isfinite(value)
            batch.raw.append(
                (
                    tag, taken, record.sequence,
                    value if good else None, quality if good else BAD, known,
                )
            )  # fmt: skip


def _held(text: str) -> str:
    """Return a text as every database holds it.

    Texts of a plant's server may be no UTF-8, and PostgreSQL takes no zeros.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", " ")


def _each_once(rows: list[RawRow]) -> list[RawRow]:
    """Return the rows in the order of their key, in which a clustered table fills fastest."""
    rows.sort(key=itemgetter(0, 1, 2))
    doubled = any(a[:3] == b[:3] for a, b in pairwise(rows))
    return list({row[:3]: row for row in reversed(rows)}.values())[::-1] if doubled else rows


def rolled_up(rows: Sequence[RawRow]) -> list[Rollup]:
    """Return what the rows add to each bucket of each level; the rows are sorted by their key."""
    if not rows:
        return []
    tag = np.array([row[0] for row in rows], dtype=np.int64)
    time = np.array([row[1] for row in rows], dtype=np.int64)
    value = np.array([math.nan if row[3] is None else row[3] for row in rows])
    good = ~np.isnan(value)
    amount = np.where(good, value, 0.0)
    good_row = np.where(good, np.arange(len(rows)), -1)
    found: list[Rollup] = []
    for level in LEVELS:
        start = time // level * level
        new = (np.diff(tag) != 0) | (np.diff(start) != 0)
        first = np.concatenate(([0], np.flatnonzero(new) + 1))
        size = np.diff(np.concatenate((first, [len(rows)])))
        count = np.add.reduceat(good, first, dtype=np.int64)
        last = np.maximum.reduceat(good_row, first)
        columns = (
            tag[first],
            np.full(len(first), level),
            start[first],
            np.fmin.reduceat(value, first),
            np.fmax.reduceat(value, first),
            np.add.reduceat(amount, first),
            count,
            size - count,
            time[last],
            value[last],
        )
        for row in zip(*(column.tolist() for column in columns), strict=True):
            found.append(row if row[6] else (*row[:3], None, None, 0.0, 0, row[7], None, None))
    return found
