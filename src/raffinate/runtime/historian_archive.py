"""The archive: one Parquet file per UTC day of source time, proven readable before it counts."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from raffinate.errors import DataError, RaffinateError, SpecificationError
from raffinate.runtime.historian import open_historian
from raffinate.runtime.historian_types import DAY_US, QUALITIES, Historian

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

COLUMNS = (
    "tag", "source", "source_time", "sequence", "value", "quality", "result_time", "wall_time",
)  # fmt: skip
"""Of an archive file, sorted by the first four; times are UTC in µs."""

NUMBERS = ("source_time", "sequence", "result_time", "wall_time")
TEXTS = ("tag", "source", "quality")
CHUNK = 200_000
"""Rows read back at a time."""

SCRATCH = ".archive-"
"""What the names of folders begin with in which a day is written."""

_FIRST_DAY = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedDay:
    """A day in the archive.

    Attributes:
        day: In UTC.
        path: The file.
        rows: In it.
        checksum: SHA-256 over all columns, in hexadecimal.
    """

    day: date
    path: Path
    rows: int
    checksum: str


def archive_day(historian: Historian, day: date, folder: Path) -> ArchivedDay:
    """Write a UTC day of source time to `<folder>/<day>.parquet`, in place of an older file.

    The file is written under another name, read back, compared by count and checksum with what
    the historian gave, and only then renamed: a file that is there is whole. Nothing is deleted
    from the historian.

    Args:
        historian: The history.
        day: Which day.
        folder: Made where missing.

    Raises:
        DataError: What was read back is not what was written, or the folder cannot be written.
        SpecificationError: DuckDB is not installed.
    """
    driver = _driver()
    begin = (day - _FIRST_DAY).days * DAY_US
    path = folder / f"{day.isoformat()}.parquet"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=folder) as scratch:
            part = Path(scratch) / path.name
            written = _write(driver, _day_frames(historian, begin), Path(scratch), part)
            found = _digest(_read_frames(driver, part))
            if found != written:
                raise DataError(
                    f"{found[0]} rows were read back of {written[0]}, or they differ.",
                    where=str(path),
                    mend="Nothing was replaced; look at the disk, then archive again.",
                )
            _sync(part)
            os.replace(part, path)
        _sync(folder)
    except (OSError, driver.Error) as error:
        raise DataError(f"cannot be written ({error}).", where=str(folder)) from error
    return ArchivedDay(day=day, path=path, rows=written[0], checksum=written[1])


def nightly(historian: Historian, folder: Path, now_us: int) -> list[ArchivedDay]:
    """Archive every complete day that is not in the archive, or has grown since it was.

    Laboratory results reach back to the time of their sample, so a day may still grow after it is
    over; it is then written anew.

    Args:
        historian: The history.
        folder: Of the archive.
        now_us: Source time now, UTC [µs]; the day it falls on is not complete.

    Raises:
        DataError: As `archive_day`.
        SpecificationError: DuckDB is not installed.
    """
    driver = _driver()
    _clear_leftovers(folder)
    done = []
    for number, rows in historian.days().items():
        day = _FIRST_DAY + timedelta(days=number)
        path = folder / f"{day.isoformat()}.parquet"
        if number < now_us // DAY_US and _rows_in(driver, path) != rows:
            done.append(archive_day(historian, day, folder))
    return done


def export_rows(frames: Iterable[pd.DataFrame], path: Path) -> int:
    """Write rows to a Parquet file, compressed with zstd, and return their number.

    Args:
        frames: With columns of any one form.
        path: The file; replaced if it is there.

    Raises:
        DataError: The file cannot be written.
        SpecificationError: DuckDB is not installed.
    """
    driver = _driver()
    try:
        with tempfile.TemporaryDirectory(prefix=".export-", dir=path.resolve().parent) as scratch:
            part = Path(scratch) / path.name
            count = _copy(driver, frames, Path(scratch), part)
            os.replace(part, path)
    except (OSError, driver.Error) as error:
        raise DataError(f"cannot be written ({error}).", where=str(path)) from error
    return count


def _driver() -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise SpecificationError(
            "DuckDB is not installed, and Parquet is written with it.",
            where="archive of the history",
            mend="Install raffinate[archive], or export to CSV.",
        ) from error
    return duckdb


def _day_frames(historian: Historian, begin: int) -> Iterator[pd.DataFrame]:
    import pandas as pd

    for tag in historian.tags():
        rows = historian.rows(tag.name, begin, begin + DAY_US - 1)
        count = len(rows.source_time)
        if count:
            yield pd.DataFrame(
                {
                    "tag": [tag.path] * count,
                    "source": [tag.source] * count,
                    "source_time": rows.source_time,
                    "sequence": rows.sequence,
                    "value": rows.value,
                    "quality": np.array(QUALITIES, dtype=object)[rows.quality],
                    "result_time": rows.result_time,
                    "wall_time": rows.wall_time,
                }
            )


def _write(
    driver: Any, frames: Iterable[pd.DataFrame], scratch: Path, part: Path
) -> tuple[int, str]:
    """Write the rows in their order and return what `_digest` says of them."""
    digest = _Digest()

    def noted() -> Iterator[pd.DataFrame]:
        for frame in frames:
            digest.add(frame)
            yield frame

    _copy(driver, noted(), scratch, part)
    return digest.result()


def _copy(driver: Any, frames: Iterable[pd.DataFrame], scratch: Path, part: Path) -> int:
    count = 0
    connection: duckdb.DuckDBPyConnection
    # On disk, so that a day larger than the memory goes through as well.
    with driver.connect(str(scratch / "rows.duckdb")) as connection:
        for frame in frames:
            connection.register("frame", frame)
            if not count:
                connection.execute("CREATE TABLE rows AS SELECT * FROM frame LIMIT 0")
            connection.execute("INSERT INTO rows SELECT * FROM frame")
            connection.unregister("frame")
            count += len(frame)
        if not count:
            raise DataError("there are no rows to write.", where=str(part.name))
        named = str(part).replace("'", "''")
        connection.execute(
            "COPY (SELECT * REPLACE (CASE WHEN isnan(value) THEN NULL ELSE value END AS value) "
            f"FROM rows) TO '{named}' (FORMAT parquet, COMPRESSION zstd)"
        )
    return count


def _read_frames(driver: Any, path: Path) -> Iterator[pd.DataFrame]:
    connection: duckdb.DuckDBPyConnection
    with driver.connect() as connection:
        found = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
        while len(frame := found.fetch_df_chunk(CHUNK // 2048)):
            yield frame


def _rows_in(driver: Any, path: Path) -> int:
    """Return the rows an archive file says it has; 0 without a file that can be read."""
    if not path.exists():
        return 0
    connection: duckdb.DuckDBPyConnection
    try:
        with driver.connect() as connection:
            query = "SELECT count(*) FROM read_parquet(?)"
            found = connection.execute(query, [str(path)]).fetchone()
    except driver.Error:
        return 0
    return 0 if found is None else int(found[0])


def _clear_leftovers(folder: Path) -> None:
    """Remove what archiving that was killed more than a day ago left behind."""
    for left in folder.glob(f"{SCRATCH}*"):
        if time.time() - left.stat().st_mtime > DAY_US / 1e6:
            shutil.rmtree(left, ignore_errors=True)


class _Digest:
    """Count and checksum of rows, the same however they are cut into frames."""

    def __init__(self) -> None:
        self._rows = 0
        self._columns = {name: hashlib.sha256() for name in COLUMNS}

    def add(self, frame: pd.DataFrame) -> None:
        self._rows += len(frame)
        for name in NUMBERS:
            self._columns[name].update(frame[name].to_numpy(dtype="<i8").tobytes())
        values = frame["value"].to_numpy(dtype="<f8", na_value=np.nan)
        # Which of the many patterns a NaN has may change on the way.
        self._columns["value"].update(np.where(np.isnan(values), np.nan, values).tobytes())
        for name in TEXTS:
            text = "\n".join(frame[name].tolist())
            self._columns[name].update(f"{text}\n".encode())

    def result(self) -> tuple[int, str]:
        whole = hashlib.sha256()
        for name in COLUMNS:
            whole.update(self._columns[name].digest())
        return self._rows, whole.hexdigest()


def _digest(frames: Iterable[pd.DataFrame]) -> tuple[int, str]:
    digest = _Digest()
    for frame in frames:
        digest.add(frame)
    return digest.result()


def _sync(path: Path) -> None:
    """Have the disk keep a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def main(arguments: Sequence[str]) -> int:
    """Archive the complete days of a history, print their number, and return the exit code.

    Args:
        arguments: Folder of the archive; source time now, UTC [µs]. The database is read from
            standard input.
    """
    folder, now_us = arguments
    url = sys.stdin.read().strip()
    try:
        with contextlib.closing(open_historian(url, read_only=True)) as historian:
            print(len(nightly(historian, Path(folder), int(now_us))))  # noqa: T201
    except SpecificationError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except RaffinateError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
