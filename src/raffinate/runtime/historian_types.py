"""What every historian promises, and the forms in which it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from raffinate.instruments.reading import Quality, Reading
from raffinate.runtime.records import Record

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SCHEMA_VERSION = 1
"""Of the tables; a database of another version is refused, not guessed at."""

DAY_US = 86_400_000_000
"""A day, [µs]."""

QUALITIES: tuple[Quality, ...] = get_args(Quality)
"""Quality by the number that stands for it in the database; 0 is good."""

MOST_NOTES = 10_000
"""Notes returned at once unless asked otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trend:
    """A tag over time in buckets of equal width; buckets without any row are left out.

    Attributes:
        tag: As asked for.
        bucket_us: Width of a bucket, [µs]; buckets begin at its multiples.
        t_us: Time of the last good value of each bucket, (bucket,), UTC [µs]; the beginning of
            the bucket where all its values are bad.
        low: Least value, (bucket,), [unit of the tag]; NaN where all are bad, as in the others.
        high: Greatest value, (bucket,).
        mean: Mean of the values, (bucket,).
        last: Last good value, (bucket,).
        count: Good values, (bucket,).
    """

    tag: str
    bucket_us: int
    t_us: Integers
    low: Floats
    high: Floats
    mean: Floats
    last: Floats
    count: Integers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TagRows:
    """Every row of one tag in a span of time, as arrays of one length.

    Attributes:
        source_time: When it was so, UTC [µs].
        sequence: Of the record that brought it.
        value: [unit of the tag]; NaN where bad.
        quality: Index into `QUALITIES`.
        result_time: When it was known, UTC [µs] of plant time.
        wall_time: When the server wrote the record, UTC [µs].
    """

    source_time: Integers
    sequence: Integers
    value: Floats
    quality: NDArray[np.int8]
    result_time: Integers
    wall_time: Integers


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class StoredTag:
    """A tag of which there are rows.

    Attributes:
        path: Its path.
        source: The server it came from.
    """

    path: str
    source: str

    @property
    def name(self) -> str:
        """What finds this very tag where two servers have one of the same path."""
        return f"{self.source}:{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNote:
    """A line of the event log.

    Attributes:
        t_us: UTC [µs].
        source: The server it came from.
        sequence: Of its record.
        kind: As in `messages.Note`.
        text: In words.
        priority: "info", "low", "medium" or "high".
    """

    t_us: int
    source: str
    sequence: int
    kind: str
    text: str
    priority: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredSample:
    """A whole sample, with its covariance.

    Attributes:
        t_us: When it was taken, UTC [µs].
        result_us: When its result was known, UTC [µs].
        source: The server it came from.
        sequence: Of its record.
        reading: What the instrument said.
    """

    t_us: int
    result_us: int
    source: str
    sequence: int
    reading: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChange:
    """An accepted or refused change.

    Attributes:
        t_us: UTC [µs].
        source: The server it came from.
        sequence: Of its record.
        entry: As the audit trail has it.
    """

    t_us: int
    source: str
    sequence: int
    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceGap:
    """Records that never came.

    Attributes:
        t_us: Source time of the first record after the gap, UTC [µs].
        source: The server.
        first: First sequence missing.
        last: Last sequence missing.
    """

    t_us: int
    source: str
    first: int
    last: int


class Historian(Protocol):
    """One run's history. Methods may be called from any thread, one at a time.

    A tag is given by its path; where both servers have one of the same path, the plant's is meant,
    and "operate:<path>" names the other. Tags of samples are "<instrument>/<place>/<element>", at
    the time of the sample. Spans of time include both ends. Everything raises DataError where the
    database cannot be reached or read.
    """

    def take(self, source: str, records: Sequence[Record], epoch_us: int) -> None:
        """Write records and move the cursor, in one transaction; known ones are passed over.

        Args:
            source: The server they come from.
            records: In any order; a sequence at or below the cursor is not written again.
            epoch_us: UTC at plant time 0, [µs].
        """

    def cursor(self, source: str) -> int:
        """Return the sequence of the last record taken from a server; 0 before the first."""

    def trend(self, tag: str, begin_us: int, end_us: int, points: int) -> Trend:
        """Return a tag in at most `points` buckets, worked out in the database."""

    def latest(self, tags: Sequence[str], at_us: int) -> dict[str, tuple[int, float, Quality]]:
        """Return time [µs], value and quality of the newest row at or before a time, by tag."""

    def profile(self, tags: Sequence[str], at_us: int) -> dict[str, tuple[int, Floats]]:
        """Return time [µs] and array of the newest profile at or before a time, by tag."""

    def notes(
        self, begin_us: int, end_us: int, kinds: Sequence[str] = (), most: int = MOST_NOTES
    ) -> list[StoredNote]:
        """Return the newest notes of a span, the oldest first; no kinds means all."""

    def samples(self, place: str, begin_us: int, end_us: int) -> list[StoredSample]:
        """Return the samples taken at a place in a span, the oldest first; "" means everywhere."""

    def changes(self, begin_us: int, end_us: int) -> list[StoredChange]:
        """Return the changes made or refused in a span, the oldest first."""

    def gaps(self, begin_us: int, end_us: int) -> list[SequenceGap]:
        """Return the gaps in the sequences noticed in a span, the oldest first."""

    def span(self) -> tuple[int, int]:
        """Return the first and last source time, UTC [µs]; both 0 while nothing is there."""

    def epoch(self) -> int:
        """Return UTC at plant time 0, [µs]; 0 while nothing is there."""

    def tags(self) -> tuple[StoredTag, ...]:
        """Return every tag that has rows, by path; profiles are not among them."""

    def rows(self, tag: str, begin_us: int, end_us: int) -> TagRows:
        """Return every row of a tag in a span, in the order of time and sequence."""

    def bad(self, begin_us: int, end_us: int) -> dict[str, tuple[int, int]]:
        """Return good and bad rows by `StoredTag.name`, over the hours that touch a span."""

    def days(self) -> dict[int, int]:
        """Return how many rows each UTC day of source time has, by days since 1970."""

    def close(self) -> None:
        """Close the database."""
