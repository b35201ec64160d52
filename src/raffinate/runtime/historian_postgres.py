"""The historian in PostgreSQL: for a history that several machines read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import RLock
from typing import Any, LiteralString

from raffinate.errors import DataError, SpecificationError
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
from raffinate.runtime.historian_postgres_sql import (
    ADD_ROLLUP,
    RAW_TREND,
    RESOLVE,
    SCHEMA,
    SCHEMA_LOCK,
    TREND,
)
from raffinate.runtime.historian_rows import (
    COUNTED_LEVEL,
    SECOND_US,
    Batch,
    exploded,
    fresh,
    missing,
    rolled_up,
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

try:
    import psycopg
    from psycopg import sql
except ImportError as error:
    raise SpecificationError(
        "psycopg is not installed.",
        where="history in PostgreSQL",
        mend="Install raffinate[postgres], or keep the history in an SQLite file.",
    ) from error

Connection = psycopg.Connection[tuple[Any, ...]]

APPLICATION = "raffinate history"
"""What the server's list of connections calls ours."""


class PostgresHistorian:
    """A `Historian` in PostgreSQL 15 or later, in partitions of a month of source time.

    Args:
        url: `postgresql://…`; a search path among its options gives a run a schema of its own.
        read_only: Change nothing.

    Raises:
        DataError: The server does not answer, or the tables are of another version or missing.
    """

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self._url = url
        self._read_only = read_only
        self._lock = RLock()
        self._ids: dict[str, dict[str, int]] = {}
        self._months: set[int] = set()
        self._closed = False
        self._connection: Connection | None = None
        try:
            with self._asking() as connection:
                self._prepare(connection)
        except DataError:
            self.close()
            raise

    @property
    def _where(self) -> str:
        """The URL without what is secret."""
        found = psycopg.conninfo.conninfo_to_dict(self._url)
        return f"postgresql://{found.get('host', '')}/{found.get('dbname', '')}"

    @contextmanager
    def _asking(self) -> Iterator[Connection]:
        """Give the connection, made anew where it broke."""
        try:
            with self._lock:
                if self._closed:
                    raise DataError("the history is closed.", where=self._where)
                if self._connection is None or self._connection.closed:
                    self._connection = self._connected()
                yield self._connection
        except psycopg.Error as error:
            reason = str(error).strip() or type(error).__name__
            raise DataError(
                f"the history cannot be used ({reason}).", where="PostgreSQL"
            ) from error

    def _connected(self) -> Connection:
        connection = psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=10,
            fallback_application_name=APPLICATION,
        )
        # Compiling a query takes longer than any of ours runs.
        connection.execute("SET jit = off")
        connection.execute("SET client_min_messages = warning")
        if self._read_only:
            connection.execute("SET default_transaction_read_only = on")
        return connection

    def _prepare(self, connection: Connection) -> None:
        if not self._read_only:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
                if not self._present(connection):
                    connection.execute(SCHEMA)
                    connection.execute(
                        "INSERT INTO raffinate_history VALUES (%s)", (SCHEMA_VERSION,)
                    )
        if not self._present(connection):
            raise DataError("there is no history in it yet.", where=self._where)
        found = connection.execute("SELECT version FROM raffinate_history").fetchall()
        if found != [(SCHEMA_VERSION,)]:
            raise DataError(
                f"the tables are of version {found}.",
                where=self._where,
                allowed=f"{SCHEMA_VERSION}",
                mend="Open it with the release that wrote it.",
            )

    @staticmethod
    def _present(connection: Connection) -> bool:
        found = connection.execute("SELECT to_regclass('raffinate_history')").fetchone()
        return found is not None and found[0] is not None

    def _all(self, query: LiteralString, parameters: Any = ()) -> list[Any]:
        with self._asking() as connection:
            return connection.execute(query, parameters).fetchall()

    def take(self, source: str, records: Sequence[Record], epoch_us: int) -> None:
        """Write records and move the cursor, in one transaction; see `Historian`."""
        if not records:
            return
        learnt: dict[str, int] = {}
        with self._asking() as connection, connection.transaction():
            source_id, cursor = self._source(connection, source, epoch_us)
            taken = fresh(records, cursor)
            if not taken:
                return
            tag_id = self._tag_ids(connection, source, source_id, learnt)
            batch = exploded(taken, epoch_us, tag_id)
            months = self._partitioned(connection, batch)
            self._write(connection, source_id, batch)
            for gap in missing(source, taken, cursor, epoch_us):
                connection.execute(
                    "INSERT INTO gap VALUES (%s, %s, %s, %s)",
                    (source_id, gap.first, gap.last, gap.t_us),
                )
            first, last = batch.times()
            connection.execute(
                "UPDATE source SET cursor = %s, epoch_us = %s, first_us = least(first_us, %s), "
                "last_us = greatest(last_us, %s) WHERE id = %s",
                (taken[-1].sequence, epoch_us, first, last, source_id),
            )
        # Only now are the numbers and partitions committed.
        self._ids.setdefault(source, {}).update(learnt)
        self._months |= months

    @staticmethod
    def _source(connection: Connection, name: str, epoch_us: int) -> tuple[int, int]:
        connection.execute(
            "INSERT INTO source (name, cursor, epoch_us, first_us, last_us) "
            "VALUES (%s, 0, %s, 9223372036854775807, 0) ON CONFLICT (name) DO NOTHING",
            (name, epoch_us),
        )
        # The lock makes a second writer wait, and then see this one's cursor.
        found = connection.execute(
            "SELECT id, cursor FROM source WHERE name = %s FOR UPDATE", (name,)
        ).fetchone()
        assert found is not None
        return found[0], found[1]

    def _tag_ids(
        self,
        connection: Connection,
        source: str,
        source_id: int,
        learnt: dict[str, int],
    ) -> Callable[[str], int]:
        known = self._ids.get(source, {})

        def number_of(path: str) -> int:
            number = known.get(path) or learnt.get(path)
            if number is None:
                connection.execute(
                    "INSERT INTO tag (source_id, path) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                    (source_id, path),
                )
                found = connection.execute(
                    "SELECT id FROM tag WHERE source_id = %s AND path = %s", (source_id, path)
                ).fetchone()
                assert found is not None
                number = learnt[path] = int(found[0])
            return number

        return number_of

    def _partitioned(self, connection: Connection, batch: Batch) -> set[int]:
        """Make the partitions the rows need; return their months."""
        # A month of source time begins with the first day that begins in it.
        months = {_month(day * 86_400) for day in batch.days()} - self._months
        for month in sorted(months):
            year, place = divmod(month, 12)
            name = f"raw_{year:04d}_{place + 1:02d}"
            begin, end = _month_begin(month), _month_begin(month + 1)
            connection.execute(
                sql.SQL(
                    "CREATE TABLE IF NOT EXISTS {} PARTITION OF raw FOR VALUES FROM ({}) TO ({})"
                ).format(sql.Identifier(name), begin, end)
            )
        return months

    @staticmethod
    def _write(connection: Connection, source_id: int, batch: Batch) -> None:
        tables: tuple[tuple[LiteralString, Sequence[tuple[Any, ...]]], ...] = (
            ("COPY raw FROM STDIN", batch.raw),
            ("COPY profile FROM STDIN", batch.profiles),
            ("COPY record FROM STDIN", [(source_id, *row) for row in batch.records]),
            ("COPY note FROM STDIN", [(source_id, *row) for row in batch.notes]),
            ("COPY sample FROM STDIN", [(source_id, *row) for row in batch.samples]),
            ("COPY change FROM STDIN", [(source_id, *row) for row in batch.changes]),
        )
        with connection.cursor() as cursor:
            for statement, rows in tables:
                if rows:
                    with cursor.copy(statement) as copy:
                        for row in rows:
                            copy.write_row(row)
            rollups = rolled_up(batch.raw)
            if rollups:
                cursor.execute(ADD_ROLLUP, [list(column) for column in zip(*rollups, strict=True)])
            for day, rows_of_day in batch.days().items():
                cursor.execute(
                    "INSERT INTO day VALUES (%s, %s) "
                    "ON CONFLICT (day) DO UPDATE SET rows = day.rows + excluded.rows",
                    (day, rows_of_day),
                )

    def cursor(self, source: str) -> int:
        """Return the sequence of the last record taken; see `Historian`."""
        found = self._all("SELECT cursor FROM source WHERE name = %s", (source,))
        return int(found[0][0]) if found else 0

    def _tags(self, tags: Sequence[str]) -> dict[str, int]:
        parts = [split_name(tag) for tag in tags]
        found = self._all(
            RESOLVE, (list(tags), [source for source, _ in parts], [path for _, path in parts])
        )
        return {tag: number for tag, number in found if number is not None}

    def trend(self, tag: str, begin_us: int, end_us: int, points: int) -> Trend:
        """Return a tag in buckets; see `Historian`."""
        plan = plan_trend(begin_us, end_us, points)
        number = self._tags([tag]).get(tag)
        named = {
            "tag": number, "level": plan.level, "bucket": plan.bucket, "begin": plan.begin,
            "inner_begin": plan.inner_begin, "inner_end": plan.inner_end, "end": plan.end,
        }  # fmt: skip
        query = TREND if plan.level else RAW_TREND
        return trend_of(tag, plan, [] if number is None else self._all(query, named))

    def latest(self, tags: Sequence[str], at_us: int) -> dict[str, tuple[int, float, Quality]]:
        """Return the newest row of each tag; see `Historian`."""
        numbers = self._tags(tags)
        found = self._all(
            "SELECT wanted.tag, newest.* FROM unnest(%s::text[], %s::int[]) AS wanted (tag, id) "
            "CROSS JOIN LATERAL (SELECT source_time, value, quality FROM raw "
            "WHERE tag_id = wanted.id AND source_time <= %s "
            "ORDER BY source_time DESC, sequence DESC LIMIT 1) AS newest",
            (list(numbers), list(numbers.values()), at_us),
        )
        return latest_of(found)

    def profile(self, tags: Sequence[str], at_us: int) -> dict[str, tuple[int, Floats]]:
        """Return the newest profile of each tag; see `Historian`."""
        numbers = self._tags(tags)
        found = self._all(
            "SELECT wanted.tag, newest.* FROM unnest(%s::text[], %s::int[]) AS wanted (tag, id) "
            "CROSS JOIN LATERAL (SELECT source_time, data FROM profile "
            "WHERE tag_id = wanted.id AND source_time <= %s "
            "ORDER BY source_time DESC, sequence DESC LIMIT 1) AS newest",
            (list(numbers), list(numbers.values()), at_us),
        )
        return profiles_of(found)

    def notes(
        self, begin_us: int, end_us: int, kinds: Sequence[str] = (), most: int = MOST_NOTES
    ) -> list[StoredNote]:
        """Return the notes of a span; see `Historian`."""
        found = self._all(
            "SELECT source_time, name, sequence, kind, text, priority "
            "FROM note JOIN source ON source.id = source_id "
            "WHERE source_time BETWEEN %s AND %s AND (%s OR kind = ANY(%s)) "
            "ORDER BY source_time DESC, source_id DESC, sequence DESC, place DESC LIMIT %s",
            (begin_us, end_us, not kinds, list(kinds), most),
        )
        return [note_of(row) for row in reversed(found)]

    def samples(self, place: str, begin_us: int, end_us: int) -> list[StoredSample]:
        """Return the samples of a span; see `Historian`."""
        found = self._all(
            "SELECT source_time, result_time, name, sequence, reading::text "
            "FROM sample JOIN source ON source.id = source_id "
            "WHERE source_time BETWEEN %s AND %s AND (%s = '' OR taken_at = %s) "
            "ORDER BY source_time, source_id, sequence, place",
            (begin_us, end_us, place, place),
        )
        return [sample_of(row) for row in found]

    def changes(self, begin_us: int, end_us: int) -> list[StoredChange]:
        """Return the changes of a span; see `Historian`."""
        found = self._all(
            "SELECT source_time, name, sequence, entry::text "
            "FROM change JOIN source ON source.id = source_id "
            "WHERE source_time BETWEEN %s AND %s ORDER BY source_time, source_id, sequence, place",
            (begin_us, end_us),
        )
        return [change_of(row) for row in found]

    def gaps(self, begin_us: int, end_us: int) -> list[SequenceGap]:
        """Return the gaps noticed in a span; see `Historian`."""
        found = self._all(
            "SELECT source_time, name, first, last FROM gap JOIN source ON source.id = source_id "
            "WHERE source_time BETWEEN %s AND %s ORDER BY source_time, first",
            (begin_us, end_us),
        )
        return [gap_of(row) for row in found]

    def span(self) -> tuple[int, int]:
        """Return the first and last source time; see `Historian`."""
        first, last = self._all("SELECT min(first_us), max(last_us) FROM source WHERE last_us > 0")[
            0
        ]
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
            "WHERE tag_id = %s AND raw.source_time BETWEEN %s AND %s "
            "ORDER BY raw.source_time, raw.sequence",
            (self._tags([tag]).get(tag), begin_us, end_us),
        )
        return tag_rows(found)

    def bad(self, begin_us: int, end_us: int) -> dict[str, tuple[int, int]]:
        """Return good and bad rows by tag; see `Historian`."""
        found = self._all(
            "SELECT name, path, sum(good)::bigint, sum(bad)::bigint FROM tag "
            "JOIN source ON source.id = source_id JOIN rollup ON tag_id = tag.id "
            "WHERE level = %s AND start > %s AND start <= %s GROUP BY path, name ORDER BY 2, 1",
            (COUNTED_LEVEL, begin_us - COUNTED_LEVEL, end_us),
        )
        return {f"{source}:{path}": (good, bad) for source, path, good, bad in found}

    def days(self) -> dict[int, int]:
        """Return how many rows each UTC day has; see `Historian`."""
        return dict(self._all("SELECT day, rows FROM day ORDER BY day"))

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()


def _month(seconds: int) -> int:
    """Return the month of a UTC time, counted from the year 0."""
    when = datetime.fromtimestamp(seconds, UTC)
    return 12 * when.year + when.month - 1


def _month_begin(month: int) -> int:
    """Return the beginning of a month counted from the year 0, UTC [µs]."""
    year, place = divmod(month, 12)
    return int(datetime(year, place + 1, 1, tzinfo=UTC).timestamp()) * SECOND_US
