"""Times of the historian: trends and profiles out of ten million rows, and rows taken per second.

Prints JSON. The rows go in through `take`, as from a server, and come out through a second
connection that only reads. Times are medians after a warm-up over different tags and spans, in
milliseconds of the wall clock. Everything written is removed afterwards.

    python benchmarks/historian.py
    python benchmarks/historian.py --rows 200000
    .ci/postgres-server run python benchmarks/historian.py --postgres
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from raffinate.runtime.historian import DAY_US, Historian, open_historian
from raffinate.runtime.records import Record

if TYPE_CHECKING:
    from numpy.random import Generator

EPOCH = 1_767_225_600_000_000
SCAN = 60.0
TAGS = tuple(f"Levers/group{k // 20}/Tag{k}" for k in range(231))
PROFILES = tuple(f"Truth/Profile{k}" for k in range(10))
STAGES = 68
POINTS = 800
MUST_MS = {"trend": 20.0, "profile": 10.0}
REACH_MS = {"trend": 5.0, "profile": 2.0}


def machine() -> dict[str, Any]:
    """Return what the times were taken on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "load_average_1_min": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
    }


def records(first: int, last: int, generator: Generator) -> list[Record]:
    """Return the records of these scans: every tag each scan, every profile each ten."""
    found = []
    for number in range(first, last + 1):
        arrays = {}
        if number % 10 == 0:
            rows = generator.standard_normal((len(PROFILES), STAGES)).tolist()
            arrays = {path: tuple(row) for path, row in zip(PROFILES, rows, strict=True)}
        values = generator.standard_normal(len(TAGS)).tolist()
        found.append(
            Record(
                sequence=number,
                time=SCAN * number,
                wall=EPOCH + number,
                values=dict(zip(TAGS, values, strict=True)),
                arrays=arrays,
            )
        )
    return found


def fill(historian: Historian, scans: int, batch: int, first: int = 1) -> float:
    """Take this many scans and return the rows taken per second of `take`."""
    generator = np.random.default_rng(first)
    spent = 0.0
    for begin in range(first, first + scans, batch):
        rows = records(begin, min(begin + batch, first + scans) - 1, generator)
        begun = time.perf_counter()
        historian.take("plant", rows, EPOCH)
        spent += time.perf_counter() - begun
    return scans * len(TAGS) / spent


def timed(repeats: int, action: Callable[[int], Any]) -> dict[str, float]:
    """Return median and 95th percentile of `action`, [ms], after three to warm up.

    The processor time of this process stands beside them: on a busy machine it tells what the
    query costs. Of PostgreSQL it is the client's part only.
    """
    for number in range(3):
        action(number)
    times, worked = [], []
    for number in range(repeats):
        begun, busy = time.perf_counter(), time.process_time()
        action(number)
        worked.append(1e3 * (time.process_time() - busy))
        times.append(1e3 * (time.perf_counter() - begun))
    return {
        "median_ms": round(statistics.median(times), 3),
        "p95_ms": round(float(np.percentile(times, 95)), 3),
        "median_cpu_ms": round(statistics.median(worked), 3),
    }


def time_reading(historian: Historian, repeats: int) -> dict[str, Any]:
    """Time trends of several spans, and profiles at several times."""
    first, last = historian.span()
    found = {}
    for name, width in (("whole_span", last - first), ("week", 7 * DAY_US), ("day", DAY_US)):
        width = min(width, last - first)

        def trend(number: int, width: int = width) -> int:
            begin = first + (number * 7_919_000_000_000) % max(last - first - width, 1)
            tag = TAGS[number * 37 % len(TAGS)]
            return len(historian.trend(tag, begin, begin + width, POINTS).t_us)

        found[f"trend_{name}"] = {"points": trend(0), **timed(repeats, trend)}

    def profile(number: int) -> int:
        at = first + (number * 7_919_000_000_000) % (last - first)
        return len(historian.profile(PROFILES, at))

    found["profile_all_stages"] = {"arrays": len(PROFILES), **timed(repeats, profile)}
    found["latest_all_tags"] = timed(repeats, lambda number: historian.latest(TAGS, last))
    return found


@contextmanager
def sqlite_place() -> Iterator[str]:
    """Give a file that is removed afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        yield str(Path(folder) / "history.sqlite")


@contextmanager
def postgres_place() -> Iterator[str]:
    """Give a schema of its own on the server of RAFFINATE_POSTGRES_URL, removed afterwards."""
    import psycopg
    from psycopg.sql import SQL, Identifier

    url = os.environ.get("RAFFINATE_POSTGRES_URL")
    if not url:
        sys.exit("RAFFINATE_POSTGRES_URL names no server.")
    name = f"benchmark_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(name)))
        try:
            yield f"{url}?options=-csearch_path%3D{name}"
        finally:
            connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(name)))


def settle(place: str) -> float | None:
    """Do what time does to a database by itself, and return its size, [MiB]."""
    if "://" not in place:
        return Path(place).stat().st_size / 2**20
    import psycopg

    with psycopg.connect(place, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        query = (
            "SELECT sum(pg_total_relation_size(oid)) FROM pg_class "
            "WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
        )
        found = connection.execute(query).fetchone()
    return None if found is None else float(found[0]) / 2**20


def main() -> None:
    """Fill, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows to read out of")
    parser.add_argument("--postgres", action="store_true", help="in PostgreSQL, not SQLite")
    parser.add_argument("--repeats", type=int, default=101, help="queries of each kind")
    parser.add_argument("--output", type=Path, help="write the JSON here as well")
    options = parser.parse_args()
    scans = max(options.rows // len(TAGS), 200)
    with postgres_place() if options.postgres else sqlite_place() as place:
        with closing(open_historian(place)) as writer:
            rate = fill(writer, scans, batch=100)
            ingest = {"100": round(rate)}
            done = scans
            for batch, more in ((10, 100), (1, 50)):
                ingest[str(batch)] = round(fill(writer, more, batch, first=done + 1))
                done += more
        size = settle(place)
        with closing(open_historian(place, read_only=True)) as reader:
            reading = time_reading(reader, options.repeats)
    report = {
        "machine": machine(),
        "database": "postgresql" if options.postgres else "sqlite",
        "rows": done * len(TAGS),
        "tags": len(TAGS),
        "plant_days": round(done * SCAN / 86_400.0, 1),
        "size_MiB": size and round(size),
        "taken_rows_per_s_by_records_per_take": ingest,
        **reading,
        "must_ms": MUST_MS,
        "reach_ms": REACH_MS,
    }
    text = json.dumps(report, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
