"""The historian in an SQLite file: one writer, any number of readers, nothing to install."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from raffinate.errors import DataError
from raffinate.instruments.reading import Quality
from raffinate.runtime.historian_answers import (
    change_of,
    gap_of,
    latest_of,
    note_of,
    plan_trend,
    profiles_of,
    sample_of,
    split_name,
    tag_rows,
    trend_of,
)
from raffinate.runtime.historian_rows import (
    COUNTED_LEVEL,
    Batch,
    exploded,
    fresh,
    missing,
    rolled_up,
)
from raffinate.runtime.historian_sqlite_sql import (
    ADD_ROLLUP,
    APPLICATION_ID,
    LEVEL_TREND,
    RAW_TREND,
    SCHEMA,
    TREND,
)
from raffinate.runtime.historian_types import (
    MOST_NOTES,
    SCHEMA_VERSION,
    Floats,
    SequenceGap,
    StoredChange,
    StoredNote,
    StoredSample,
    StoredTag,
    TagRows,
    Trend,
)
from raffinate.runtime.records import Record

PATIENCE = 30.0
"""How long to wait for another process to let go of the file, [s]."""


class SqliteHistorian:
    """A `Historian` in an SQLite file, in WAL mode: readers never wait for the writer.

    `synchronous` is NORMAL: a commit survives the death of the process at once and the death of
    the machine from the next checkpoint on. A machine that dies takes the cursor back together
    with the rows, so what is missing is pulled again from the servers' rings.

    Args:
        path: The file; made where missing, unless for reading only.
        read_only: Change nothing.

    Raises:
        DataError: It cannot be opened, is another kind of file or of another version.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._lock = RLock()
        self._ids: dict[str, dict[str, int]] = {}
        mode = "ro" if read_only else "rwc"
        with self._asking():
            if read_only and not path.exists():
                raise DataError("there is no history yet.", where=str(path))
            self._db = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode={mode}",
                uri=True,
                timeout=PATIENCE,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            with self._asking():
                self._prepare(read_only)
        except DataError:
            self._db.close()
            raise

    def _prepare(self, read_only: bool) -> None:
        if read_only:
            # Not for the writer: its pages would count as memory that grows with the history.
            self._db.execute("PRAGMA mmap_size = 1073741824")
        empty = not self._pragma("schema_version")
        if not (empty and not read_only):
            self._check_version()
        if not read_only:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._begin_schema()
            self._check_version()

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])

    def _check_version(self) -> None:
        mark, version = self._pragma("application_id"), self._pragma("user_version")
        if not self._pragma("schema_version"):
            raise DataError("there is no history in it yet.", where=str(self._path))
        if (mark, version) != (APPLICATION_ID, SCHEMA_VERSION):
            raise DataError(
                f"the file is of version {version} of kind {mark:#x}.",
                where=str(self._path),
                allowed=f"version {SCHEMA_VERSION} of kind {APPLICATION_ID:#x}",
                mend="Open it with the release that wrote it.",
            )

    def _begin_schema(self) -> None:
        # Looked at again inside the transaction: another writer may have been faster.
        with self._writing():
            if not self._pragma("schema_version"):
                for statement in SCHEMA.strip().split(";\n"):
                    self._db.execute(statement)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            raise DataError(
                f"the history cannot be used ({error}).", where=str(self._path)
            ) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _all(self, query: str, parameters: Any = ()) -> list[Any]:
        with self._asking():
            return self._db.execute(query, parameters).fetchall()

    def take(self, source: str, records: Sequence[Record], epoch_us: int) -> None:
        """Write records and move the cursor, in one transaction; see `Historian`."""
        if not records:
            return
        learnt: dict[str, int] = {}
        with self._asking(), self._writing():
            source_id, cursor = self._source(source, epoch_us)
            taken = fresh(records, cursor)
            if not taken:
                return
            batch = exploded(taken, epoch_us, self._tag_ids(source, source_id, learnt))
            self._write(source_id, batch)
            self._db.executemany(
                "INSERT INTO gap VALUES (?, ?, ?, ?)",
                [
                    (source_id, gap.first, gap.last, gap.t_us)
                    for gap in missing(source, taken, cursor, epoch_us)
                ],
            )
            first, last = batch.times()
            self._db.execute(
                "UPDATE source SET cursor = ?, epoch_us = ?, first_us = min(first_us, ?), "
                "last_us = max(last_us, ?) WHERE id = ?",
                (taken[-1].sequence, epoch_us, first, last, source_id),
            )
        # Only now are the numbers committed.
        self._ids.setdefault(source, {}).update(learnt)

    def _source(self, name: str, epoch_us: int) -> tuple[int, int]:
        self._db.execute(
            "INSERT INTO source (name, cursor, epoch_us, first_us, last_us) "
            "VALUES (?, 0, ?, 9223372036854775807, 0) ON CONFLICT (name) DO NOTHING",
            (name, epoch_us),
        )
        found = self._db.execute("SELECT id, cursor FROM source WHERE name = ?", (name,))
        number, cursor = found.fetchone()
        return number, cursor

    def _tag_ids(self, source: str, source_id: int, learnt: dict[str, int]) -> Callable[[str], int]:
        known = self._ids.get(source, {})

        def number_of(path: str) -> int:
            number = known.get(path) or learnt.get(path)
            if number is None:
                self._db.execute(
                    "INSERT INTO tag (source_id, path) VALUES (?, ?) ON CONFLICT DO NOTHING",
                    (source_id, path),
                )
                found = self._db.execute(
                    "SELECT id FROM tag WHERE source_id = ? AND path = ?", (source_id, path)
                )
                number = learnt[path] = int(found.fetchone()[0])
            return number

        return number_of

    def _write(self, source_id: int, batch: Batch) -> None:
        for table, rows in (
            ("record", batch.records),
            ("note", batch.notes),
            ("sample", batch.samples),
            ("change", batch.changes),
        ):
            if rows:
                places = ", ".join("?" * (1 + len(rows[0])))
                self._db.executemany(
                    f"INSERT INTO {table} VALUES ({places})", [(source_id, *row) for row in rows]
                )
        self._db.executemany("INSERT INTO raw VALUES (?, ?, ?, ?, ?, ?)", batch.raw)
        self._db.executemany("INSERT INTO profile VALUES (?, ?, ?, ?)", batch.profiles)
        self._db.executemany(ADD_ROLLUP, rolled_up(batch.raw))
        self._db.executemany(
            "INSERT INTO day VALUES (?, ?) ON CONFLICT (day) DO UPDATE "
            "SET rows = rows + excluded.rows",
            list(batch.days().items()),
        )

    def cursor(self, source: str) -> int:
        """Return the sequence of the last record taken; see `Historian`."""
        found = self._all("SELECT cursor FROM source WHERE name = ?", (source,))
        return int(found[0][0]) if found else 0

    def _tag(self, tag: str) -> int | None:
        source, path = split_name(tag)
        found = self._all(
            "SELECT tag.id FROM tag JOIN source ON source.id = source_id "
            "WHERE path = :path AND (:source IS NULL OR name = :source) "
            "ORDER BY name <> 'plant', name LIMIT 1",
            {"path": path, "source": source},
        )
        return int(found[0][0]) if found else None

    def trend(self, tag: str, begin_us: int, end_us: int, points: int) -> Trend:
        """Return a tag in buckets; see `Historian`."""
        plan = plan_trend(begin_us, end_us, points)
        number = self._tag(tag)
        named = {
            "tag": number, "level": plan.level, "bucket": plan.bucket, "begin": plan.begin,
            "inner_begin": plan.inner_begin, "inner_end": plan.inner_end, "end": plan.end,
        }  # fmt: skip
        if number is None:
            return trend_of(tag, plan, [])
        if not plan.level:
            return trend_of(tag, plan, self._all(RAW_TREND, named))
        if plan.bucket != plan.level:
            return trend_of(tag, plan, self._all(TREND, named))
        # Buckets as wide as the level are there already; the two ends are parts of one each.
        head = self._all(RAW_TREND, {**named, "end": plan.inner_begin - 1})
        tail = self._all(RAW_TREND, {**named, "begin": plan.inner_end})
        return trend_of(tag, plan, [*head, *self._all(LEVEL_TREND, named), *tail])

    def _newest(self, table: str, columns: str, tags: Sequence[str], at_us: int) -> list[Any]:
        query = (
            f"SELECT source_time, {columns} FROM {table} WHERE tag_id = ? AND source_time <= ? "
            "ORDER BY source_time DESC, sequence DESC LIMIT 1"
        )
        return [(tag, *row) for tag in tags for row in self._all(query, (self._tag(tag), at_us))]

    def latest(self, tags: Sequence[str], at_us: int) -> dict[str, tuple[int, float, Quality]]:
        """Return the newest row of each tag; see `Historian`."""
        return latest_of(self._newest("raw", "value, quality", tags, at_us))

    def profile(self, tags: Sequence[str], at_us: int) -> dict[str, tuple[int, Floats]]:
        """Return the newest profile of each tag; see `Historian`."""
        return profiles_of(self._newest("profile", "data", tags, at_us))

    def notes(
        self, begin_us: int, end_us: int, kinds: Sequence[str] = (), most: int = MOST_NOTES
    ) -> list[StoredNote]:
        """Return the notes of a span; see `Historian`."""
        chosen = f"AND kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
        found = self._all(
            "SELECT source_time, name, sequence, kind, text, priority "
            "FROM note JOIN source ON source.id = source_id "
            f"WHERE source_time BETWEEN ? AND ? {chosen} "
            "ORDER BY source_time DESC, source_id DESC, sequence DESC, place DESC LIMIT ?",
            (begin_us, end_us, *kinds, most),
        )
        return [note_of(row) for row in reversed(found)]

    def samples(self, place: str, begin_us: int, end_us: int) -> list[StoredSample]:
        """Return the samples of a span; see `Historian`."""
        found = self._all(
            "SELECT source_time, result_time, name, sequence, reading "
            "FROM sample JOIN source ON source.id = source_id "
            "WHERE source_time BETWEEN ? AND ? " + ("AND taken_at = ? " if place else "")
            + "ORDER BY source_time, source_id, sequence, place",
            (begin_us, end_us, *((place,) if place else ())),
        )  # fmt: skip
        return [sample_of(row) for row in found]

    def changes(self, begin_us: int, end_us: int) -> list[StoredChange]:
        """Return the changes of a span; see `Historian`."""
        found = self._all(
            "SELECT source_time, name, sequence, entry "
            "FROM change JOIN source ON source.id = source_id "
            "WHERE source_time BETWEEN ? AND ? ORDER BY source_time, source_id, sequence, place",
            (begin_us, end_us),
        )
        return [change_of(row) for row in found]

    def gaps(self, begin_us: int, end_us: int) -> list[SequenceGap]:
        """Return the gaps noticed in a span; see `Historian`."""
        found = self._all(
            "SELECT source_time, name, first, last FROM gap JOIN source ON source.id = source_id "
            "WHERE source_time BETWEEN ? AND ? ORDER BY source_time, first",
            (begin_us, end_us),
        )
        return [gap_of(row) for row in found]

    def span(self) -> tuple[int, int]:
        """Return the first and last source time; see `Historian`."""
        first, last = self._all("SELECT min(first_us), max(last_us) FROM source WHERE last_us")[0]
        return (0, 0) if last is None else (first, last)

    def epoch(self) -> int:
        """Return UTC at plant time 0; see `Historian`."""
        found = self._all("SELECT epoch_us FROM source ORDER BY name <> 'plant', name LIMIT 1")
        return int(found[0][0]) if found else 0

    def tags(self) -> tuple[StoredTag, ...]:
        """Return every tag that has rows; see `Historian`."""
        found = self._all(
            "SELECT path, name FROM tag JOIN source ON source.id = source_id "
            "WHERE EXISTS (SELECT 1 FROM raw WHERE tag_id = tag.id) ORDER BY path, name"
        )
        return tuple(StoredTag(path=path, source=source) for path, source in found)

    def rows(self, tag: str, begin_us: int, end_us: int) -> TagRows:
        """Return every row of a tag in a span; see `Historian`."""
        found = self._all(
            "SELECT raw.source_time, raw.sequence, value, quality, "
            "coalesce(result_time, raw.source_time), wall_time "
            "FROM raw JOIN tag ON tag.id = tag_id JOIN record USING (source_id, sequence) "
            "WHERE tag_id = ? AND raw.source_time BETWEEN ? AND ? "
            "ORDER BY raw.source_time, raw.sequence",
            (self._tag(tag), begin_us, end_us),
        )
        return tag_rows(found)

    def bad(self, begin_us: int, end_us: int) -> dict[str, tuple[int, int]]:
        """Return good and bad rows by tag; see `Historian`."""
        found = self._all(
            "SELECT name, path, sum(good), sum(bad) FROM tag "
            "JOIN source ON source.id = source_id JOIN rollup ON tag_id = tag.id "
            "WHERE level = ? AND start > ? AND start <= ? GROUP BY tag.id ORDER BY path, name",
            (COUNTED_LEVEL, begin_us - COUNTED_LEVEL, end_us),
        )
        return {f"{source}:{path}": (good, bad) for source, path, good, bad in found}

    def days(self) -> dict[int, int]:
        """Return how many rows each UTC day has; see `Historian`."""
        return dict(self._all("SELECT day, rows FROM day ORDER BY day"))

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()
