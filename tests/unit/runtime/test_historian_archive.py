"""The archive: whole or not there, and the same rows as the history."""

from __future__ import annotations

import builtins
import math
import os
import time
from contextlib import closing
from datetime import date

import duckdb
import pytest

from historian_records import EPOCH, at, reading, record
from raffinate.errors import DataError, SpecificationError
from raffinate.runtime import historian_archive
from raffinate.runtime.historian import open_historian
from raffinate.runtime.historian_archive import archive_day, nightly

DAY = 86_400.0
FIRST = date(2026, 1, 2)


def scans(first: int, last: int) -> list:
    """Records of every ten minutes, with a bad value now and then."""
    return [
        record(
            n, time=600.0 * n,
            values={"B/b": float(n), "A/ä": math.nan if n % 5 == 0 else 1.0 / n},
        )
        for n in range(first, last + 1)
    ]  # fmt: skip


@pytest.fixture
def historian(tmp_path):
    with closing(open_historian(tmp_path / "history.sqlite")) as opened:
        opened.take("plant", scans(1, 300), EPOCH)
        opened.take("operate", [record(1, values={"A/ä": 7.0})], EPOCH)
        yield opened


def parquet(path, query):
    with duckdb.connect() as connection:
        return connection.execute(query.format(f"read_parquet('{path}')")).fetchall()


def test_a_day_holds_its_rows_sorted_and_nothing_else(historian, tmp_path):
    done = archive_day(historian, FIRST, tmp_path / "archive")
    assert done.path.name == "2026-01-02.parquet"
    # 00:10 to 23:50, two tags, and one of the other server.
    assert done.rows == 2 * 143 + 1
    rows = parquet(
        done.path,
        "SELECT tag, source, source_time, sequence, value, quality, result_time, wall_time FROM {}",
    )
    assert rows == sorted(rows, key=lambda row: row[:4])
    assert rows[0] == (
        "A/ä", "operate", at(60.0), 1, 7.0, "good", at(60.0), EPOCH + 1_000,
    )  # fmt: skip
    assert rows[5] == ("A/ä", "plant", at(3_000.0), 5, None, "bad", at(3_000.0), EPOCH + 5_000)
    assert all(at(0.0) <= row[2] < at(DAY) for row in rows)
    assert [path.name for path in done.path.parent.iterdir()] == [done.path.name]


def test_the_file_is_compressed_with_zstd(historian, tmp_path):
    done = archive_day(historian, FIRST, tmp_path)
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT DISTINCT compression FROM parquet_metadata(?)", [str(done.path)]
        ).fetchall()
    assert found == [("ZSTD",)]


def test_each_night_adds_the_complete_days_only(historian, tmp_path):
    folder = tmp_path / "archive"
    assert [done.day for done in nightly(historian, folder, at(1.5 * DAY))] == [FIRST]
    assert nightly(historian, folder, at(1.9 * DAY)) == []
    assert [done.day.day for done in nightly(historian, folder, at(9 * DAY))] == [3, 4]


def test_a_day_that_grew_is_archived_again(historian, tmp_path):
    before = nightly(historian, tmp_path, at(1.5 * DAY))[0]
    late = reading("nd", 80_000.0, instrument="assay", delay=4 * 3_600.0)
    historian.take("plant", [record(301, time=181_000.0, samples=(late,))], EPOCH)
    after = nightly(historian, tmp_path, at(1.5 * DAY))
    assert [(done.day, done.rows - before.rows) for done in after] == [(FIRST, 3)]
    assert after[0].checksum != before.checksum
    known = parquet(after[0].path, "SELECT max(result_time - source_time) FROM {}")
    assert known == [(4 * 3_600 * 1_000_000,)]


def test_a_file_that_cannot_be_read_is_written_anew(historian, tmp_path):
    path = nightly(historian, tmp_path, at(1.5 * DAY))[0].path
    path.write_bytes(path.read_bytes()[:1000])
    assert [done.path for done in nightly(historian, tmp_path, at(1.5 * DAY))] == [path]
    assert parquet(path, "SELECT count(*) FROM {}") == [(2 * 143 + 1,)]


def test_what_a_killed_archiver_left_is_cleared_a_day_later(historian, tmp_path):
    for name, age in ((".archive-old", 2 * DAY), (".archive-now", 60.0)):
        left = tmp_path / name
        left.mkdir()
        (left / "rows.duckdb").touch()
        os.utime(left, (time.time() - age,) * 2)
    nightly(historian, tmp_path, at(0.5 * DAY))
    assert [path.name for path in tmp_path.glob(".archive-*")] == [".archive-now"]


def test_a_day_that_reads_back_otherwise_replaces_nothing(historian, tmp_path, monkeypatch):
    good = archive_day(historian, FIRST, tmp_path)
    bytes_before = good.path.read_bytes()
    real = historian_archive._read_frames

    def spoilt(driver, path):
        for frame in real(driver, path):
            frame.loc[frame.index[-1], "value"] = 4.2
            yield frame

    monkeypatch.setattr(historian_archive, "_read_frames", spoilt)
    with pytest.raises(DataError, match="or they differ"):
        archive_day(historian, FIRST, tmp_path)
    assert good.path.read_bytes() == bytes_before
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_the_checksum_is_that_of_the_rows_however_they_are_cut(historian, tmp_path):
    done = archive_day(historian, FIRST, tmp_path)
    frames = list(historian_archive._read_frames(duckdb, done.path))
    cut = [part for frame in frames for part in (frame[:7], frame[7:8], frame[8:])]
    assert historian_archive._digest(cut) == (done.rows, done.checksum)
    cut[1] = cut[1].assign(sequence=cut[1].sequence + 1)
    assert historian_archive._digest(cut) != (done.rows, done.checksum)


def test_a_day_without_rows_is_an_error(historian, tmp_path):
    with pytest.raises(DataError, match="no rows"):
        archive_day(historian, date(2025, 1, 1), tmp_path / "archive")


def test_without_duckdb_the_mend_is_named(historian, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "duckdb":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SpecificationError, match=r"raffinate\[archive\]"):
        nightly(historian, tmp_path, at(DAY))


def test_a_folder_that_cannot_be_made_is_an_error(historian, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        archive_day(historian, FIRST, tmp_path / "file" / "archive")
