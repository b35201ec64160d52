"""The historian: what both servers said, kept for good and found again in milliseconds.

One database per run. Rows are keyed by tag, source time and the sequence of the record that
brought them; what is taken and how far (the cursor) are committed together, so a writer killed at
any moment leaves nothing lost and nothing doubled: the servers' rings still hold what the cursor
has not passed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raffinate.errors import DataError, SpecificationError
from raffinate.runtime.historian_types import (
    DAY_US,
    MOST_NOTES,
    QUALITIES,
    SCHEMA_VERSION,
    Floats,
    Historian,
    Integers,
    SequenceGap,
    StoredChange,
    StoredNote,
    StoredSample,
    StoredTag,
    TagRows,
    Trend,
)

__all__ = [
    "DAY_US",
    "FILE_NAME",
    "MOST_NOTES",
    "QUALITIES",
    "SCHEMA_VERSION",
    "Floats",
    "Historian",
    "HistoryPlace",
    "Integers",
    "SequenceGap",
    "StoredChange",
    "StoredNote",
    "StoredSample",
    "StoredTag",
    "TagRows",
    "Trend",
    "is_url",
    "locate_history",
    "open_historian",
]

FILE_NAME = "history.sqlite"
"""Of the database in a run directory."""


def open_historian(url_or_path: str | Path, *, read_only: bool = False) -> Historian:
    """Open a history, or begin one.

    Args:
        url_or_path: `postgresql://…`, or the path of an SQLite file or of the run directory it
            lies in.
        read_only: Change nothing; another process may be writing.

    Raises:
        DataError: It cannot be opened, or is of another version, or (read only) is not there.
        SpecificationError: It is a URL of another kind, or the driver is not installed.
    """
    if is_url(url_or_path):
        from raffinate.runtime.historian_postgres import PostgresHistorian

        return PostgresHistorian(str(url_or_path), read_only=read_only)
    from raffinate.runtime.historian_sqlite import SqliteHistorian

    path = Path(url_or_path)
    return SqliteHistorian(path / FILE_NAME if path.is_dir() else path, read_only=read_only)


def is_url(url_or_path: str | Path) -> bool:
    """Return whether this names a PostgreSQL database.

    Raises:
        SpecificationError: It is a URL of another kind.
    """
    kind, mark, _ = str(url_or_path).partition("://")
    if not mark or isinstance(url_or_path, Path):
        return False
    if kind not in ("postgresql", "postgres"):
        raise SpecificationError(
            f"{kind}:// is no database known here.",
            where="history",
            allowed="postgresql://…, or the path of an SQLite file",
        )
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPlace:
    """Where a run's history lies.

    Attributes:
        database: URL or path.
        folder: The run directory; None where only a database is known.
        settings: What run.json says; empty without one.
    """

    database: str | Path
    folder: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def locate_history(run: str) -> HistoryPlace:
    """Find the history of a run.

    Args:
        run: A run directory, an SQLite file or a PostgreSQL URL. In a run directory the key
            `history_url` of run.json may name another database.

    Raises:
        DataError: There is none, or run.json cannot be read.
        SpecificationError: It is a URL of another kind.
    """
    if is_url(run):
        return HistoryPlace(database=run)
    path = Path(run)
    if not path.exists():
        raise DataError(
            "there is nothing.", where=run, allowed="a run directory, an SQLite file or a URL"
        )
    folder = path if path.is_dir() else path.parent
    settings = _settings(folder / "run.json")
    if path.is_file():
        return HistoryPlace(database=path, folder=folder if settings else None, settings=settings)
    named = settings.get("history_url")
    return HistoryPlace(database=named or path / FILE_NAME, folder=folder, settings=settings)


def _settings(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read ({error}).", where=str(path)) from error
    if not isinstance(found, dict):
        raise DataError("holds no settings.", where=str(path))
    return found
