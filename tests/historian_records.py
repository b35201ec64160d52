"""Records, and databases to put them in, that several test files share."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from raffinate.instruments.reading import Reading
from raffinate.runtime.records import Record

EPOCH = 1_767_312_000_000_000
"""UTC at plant time 0 in the tests: 2026-01-02 00:00, [µs]."""

SECOND = 1_000_000


def at(seconds: float) -> int:
    """Return a plant time, [s], as UTC, [µs]."""
    return EPOCH + round(seconds * SECOND)


def reading(
    place: str = "nd",
    time: float = 0.0,
    values: tuple[float, ...] = (0.2, 0.1, 500.0),
    instrument: str = "xrf",
    delay: float = 100.0,
    **changes: Any,
) -> Reading:
    """Return what an instrument might say of Ce, Pr and Nd, [mol/m³]."""
    count = len(values)
    chosen: dict[str, Any] = {
        "place": place,
        "sample_time": time,
        "result_time": time + delay,
        "elements": ("Ce", "Pr", "Nd")[:count],
        "values": np.array(values),
        "covariance": np.eye(count) * 1e-4,
        "detection_limit": np.full(count, 0.05),
        "quality": "good",
        "instrument": instrument,
    }
    return Reading(**{**chosen, **changes})


def record(sequence: int, **changes: Any) -> Record:
    """Return a record of a scan, with nothing in it but what is given."""
    chosen: dict[str, Any] = {
        "sequence": sequence,
        "time": 60.0 * sequence,
        "wall": EPOCH + 1_000 * sequence,
    }
    return Record(**{**chosen, **changes})


@contextmanager
def postgres_schema() -> Iterator[str]:
    """Give the URL of an empty schema on the test server, and drop it afterwards."""
    url = os.environ.get("RAFFINATE_POSTGRES_URL")
    if not url:
        pytest.skip("RAFFINATE_POSTGRES_URL names no server")
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("CREATE SCHEMA {}").format(psycopg.sql.Identifier(name)))
        try:
            yield f"{url}?options=-csearch_path%3D{name}"
        finally:
            connection.execute(
                psycopg.sql.SQL("DROP SCHEMA {} CASCADE").format(psycopg.sql.Identifier(name))
            )
