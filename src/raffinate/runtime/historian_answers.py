"""What the historian answers: rows of a database as the objects that `Historian` promises."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raffinate.instruments.reading import Quality
from raffinate.runtime.historian_rows import LEVELS
from raffinate.runtime.historian_types import (
    QUALITIES,
    Floats,
    SequenceGap,
    StoredChange,
    StoredNote,
    StoredSample,
    TagRows,
    Trend,
)
from raffinate.runtime.records import reading_from_dict


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPlan:
    """How a trend is worked out: whole buckets of a level in the middle, raw rows at the ends.

    Attributes:
        bucket: Width of the buckets asked for, a multiple of the level, [µs].
        level: Width of the level used, [µs]; 0 where only raw rows are.
        begin: First source time, [µs].
        inner_begin: Where the level begins, [µs]; raw rows lie before it.
        inner_end: Where it ends, [µs]; raw rows lie from it to `end`.
        end: Last source time, [µs].
    """

    bucket: int
    level: int
    begin: int
    inner_begin: int
    inner_end: int
    end: int


def plan_trend(begin_us: int, end_us: int, points: int) -> TrendPlan:
    """Choose buckets so that no more than `points` of them touch a span."""
    # Buckets lie at multiples of their width, so one more than fits may touch the span.
    bucket = max(end_us - begin_us, 0) // max(points - 1, 1) + 1
    if points <= 1:
        bucket = end_us + 1
    # Half as many points as asked for still draw the same line; four times the rows cost time.
    level = max((level for level in LEVELS if level <= 2 * bucket), default=0)
    if not level or points <= 1:
        return TrendPlan(
            bucket=bucket,
            level=0,
            begin=begin_us,
            inner_begin=begin_us,
            inner_end=begin_us,
            end=end_us,
        )
    inner_begin = min(-(-begin_us // level) * level, end_us + 1)
    return TrendPlan(
        bucket=-(-bucket // level) * level,
        level=level,
        begin=begin_us,
        inner_begin=inner_begin,
        inner_end=max((end_us + 1) // level * level, inner_begin),
        end=end_us,
    )


TrendRow = tuple[int, float | None, float | None, float | None, float | None, int, int | None]
"""Number of the bucket, low, high, mean, last, count, time of the last good value."""


def trend_of(tag: str, plan: TrendPlan, rows: Sequence[TrendRow]) -> Trend:
    """Return the trend that these rows of the database are."""
    columns = tuple(zip(*rows, strict=True)) if rows else ((),) * 7
    numbers = [np.array(column, dtype=np.float64) for column in columns[1:5]]
    begins = np.array(columns[0], dtype=np.int64) * plan.bucket
    times = [
        begin if last is None else last
        for begin, last in zip(begins.tolist(), columns[6], strict=True)
    ]
    return Trend(
        tag=tag,
        bucket_us=plan.bucket,
        t_us=np.array(times, dtype=np.int64),
        low=numbers[0],
        high=numbers[1],
        mean=numbers[2],
        last=numbers[3],
        count=np.array(columns[5], dtype=np.int64),
    )


def tag_rows(rows: Sequence[Sequence[int | float | None]]) -> TagRows:
    """Return the rows of one tag as arrays.

    Args:
        rows: Source time, sequence, value, quality, result time and wall time of each.
    """
    columns = tuple(zip(*rows, strict=True)) if rows else ((),) * 6
    return TagRows(
        source_time=np.array(columns[0], dtype=np.int64),
        sequence=np.array(columns[1], dtype=np.int64),
        value=np.array(columns[2], dtype=np.float64),
        quality=np.array(columns[3], dtype=np.int8),
        result_time=np.array(columns[4], dtype=np.int64),
        wall_time=np.array(columns[5], dtype=np.int64),
    )


def split_name(tag: str) -> tuple[str | None, str]:
    """Return the server and path of a tag's name; no server means the plant's before others."""
    source, mark, path = tag.partition(":")
    # Paths have folders; what stands before a colon in one of them is no server.
    return (source, path) if mark and "/" not in source else (None, tag)


def latest_of(
    rows: Iterable[tuple[str, int, float | None, int]],
) -> dict[str, tuple[int, float, Quality]]:
    """Return time, value and quality by tag, from tag, time, value and quality."""
    return {
        tag: (time, math.nan if value is None else value, QUALITIES[quality])
        for tag, time, value, quality in rows
    }


def profiles_of(rows: Iterable[tuple[str, int, bytes]]) -> dict[str, tuple[int, Floats]]:
    """Return time and array by tag, from tag, time and the bytes of the array."""
    return {
        tag: (time, np.frombuffer(data, dtype="<f8").astype(np.float64)) for tag, time, data in rows
    }


def note_of(row: tuple[int, str, int, str, str, str]) -> StoredNote:
    """Return a note from time, source, sequence, kind, text and priority."""
    time, source, sequence, kind, text, priority = row
    return StoredNote(
        t_us=time, source=source, sequence=sequence, kind=kind, text=text, priority=priority
    )


def sample_of(row: tuple[int, int, str, int, str]) -> StoredSample:
    """Return a sample from its times, source, sequence and the JSON of the reading."""
    taken, known, source, sequence, text = row
    return StoredSample(
        t_us=taken,
        result_us=known,
        source=source,
        sequence=sequence,
        reading=reading_from_dict(json.loads(text)),
    )


def change_of(row: tuple[int, str, int, str]) -> StoredChange:
    """Return a change from time, source, sequence and the JSON of its entry."""
    time, source, sequence, text = row
    entry: Mapping[str, Any] = json.loads(text)
    return StoredChange(t_us=time, source=source, sequence=sequence, entry=entry)


def gap_of(row: tuple[int, str, int, int]) -> SequenceGap:
    """Return a gap from time, source, first and last sequence."""
    time, source, first, last = row
    return SequenceGap(t_us=time, source=source, first=first, last=last)
