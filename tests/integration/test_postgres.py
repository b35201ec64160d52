"""What only the historian in PostgreSQL does; needs the server RAFFINATE_POSTGRES_URL names.

That it keeps the promises of every historian is tested beside SQLite, in
tests/unit/runtime/test_historian.py.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import closing

import pytest

from historian_records import EPOCH, SECOND, postgres_schema, record
from raffinate.errors import DataError, SpecificationError
from raffinate.runtime.historian import open_historian

if not os.environ.get("RAFFINATE_POSTGRES_URL"):
    pytest.skip("RAFFINATE_POSTGRES_URL names no server", allow_module_level=True)

import psycopg

DAY = 86_400.0
END = 2**62


@pytest.fixture
def url():
    with postgres_schema() as place:
        yield place


@pytest.fixture
def historian(url):
    with closing(open_historian(url)) as opened:
        yield opened


def asked(url, query):
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(query)
        return found.fetchall() if found.description else []


def partitions(url) -> list[str]:
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'raw'::regclass"
    return sorted(name for (name,) in asked(url, query))


def test_each_month_of_source_time_has_a_partition_of_its_own(historian, url):
    assert partitions(url) == []
    for n, day in enumerate((0, 29, 30, 58, 365), 1):
        historian.take("plant", [record(n, time=day * DAY, values={"A": 1.0})], EPOCH)
    assert partitions(url) == ["raw_2026_01", "raw_2026_02", "raw_2026_03", "raw_2027_01"]
    assert asked(url, "SELECT count(*) FROM raw_2026_01") == [(2,)]


def test_the_ends_of_a_month_fall_to_the_right_partition(historian, url):
    last = 30 * DAY - 1e-6
    records = [record(n, time=t, values={"A": t}) for n, t in enumerate((last, last + 1e-6), 1)]
    historian.take("plant", records, EPOCH)
    assert asked(url, "SELECT tableoid::regclass::text FROM raw ORDER BY source_time") == [
        ("raw_2026_01",),
        ("raw_2026_02",),
    ]
    assert historian.span() == (EPOCH + 2_591_999_999_999, EPOCH + 2_592_000 * SECOND)


def test_a_trend_reads_the_covering_index_and_not_the_table(historian, url):
    records = [record(n, values={f"T{k}": float(n) for k in range(20)}) for n in range(1, 2_001)]
    historian.take("plant", records, EPOCH)
    asked(url, "VACUUM ANALYZE raw")
    plan = asked(
        url,
        "EXPLAIN SELECT source_time / 60000000, min(value), max(value), avg(value) FROM raw "
        f"WHERE tag_id = 3 AND source_time BETWEEN {EPOCH} AND {EPOCH + 10**10} GROUP BY 1",
    )
    assert "Index Only Scan" in "\n".join(line for (line,) in plan)


def test_a_broken_connection_is_made_anew(historian, url):
    historian.take("plant", [record(1, values={"A": 1.0})], EPOCH)
    asked(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'raffinate history'",
    )
    with pytest.raises(DataError, match="cannot be used"):
        historian.take("plant", [record(2, values={"A": 2.0})], EPOCH)
    historian.take("plant", [record(2, values={"A": 2.0})], EPOCH)
    assert historian.rows("A", 0, END).sequence.tolist() == [1, 2]


def test_the_view_is_for_people_who_ask_in_sql(historian, url):
    historian.take("plant", [record(1, values={"A": 1.5, "B": float("nan")})], EPOCH)
    assert asked(url, "SELECT tag, source, value, quality FROM history ORDER BY tag") == [
        ("A", "plant", 1.5, "good"),
        ("B", "plant", None, "bad"),
    ]


def test_an_empty_database_is_no_history_for_a_reader(url):
    with pytest.raises(DataError, match="no history in it yet"):
        open_historian(url, read_only=True)


def test_tables_of_a_later_version_are_refused(url):
    open_historian(url).close()
    asked(url, "UPDATE raffinate_history SET version = 99")
    with pytest.raises(DataError, match="99"):
        open_historian(url)


def test_a_password_is_in_no_error(url):
    wrong = re.sub(r":[^:@/]+@", ":secret-of-mine@", url)
    assert wrong != url
    with pytest.raises(DataError) as refused:
        open_historian(wrong)
    assert "secret-of-mine" not in str(refused.value)


def test_without_the_driver_the_mend_is_named(url, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("raffinate.runtime.historian_p")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(SpecificationError, match=r"raffinate\[postgres\]"):
        open_historian(url)
