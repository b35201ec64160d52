"""What happened, for trends and for the record: columns that only grow."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Any

from raffinate.runtime.messages import Note


class History:
    """Rows of a run, one per control period, and its notes.

    Args:
        columns: Names of the columns.
        longest: Rows kept; older ones are dropped.
    """

    def __init__(self, columns: tuple[str, ...], longest: int = 100_000) -> None:
        self._rows: dict[str, deque[float | None]] = {
            name: deque(maxlen=longest) for name in columns
        }
        self._notes: deque[Note] = deque(maxlen=2000)
        self.noted = 0
        self.written = 0

    def append(self, row: Mapping[str, float | None]) -> None:
        """Add a row; a column that is not given gets None."""
        for name, values in self._rows.items():
            values.append(row.get(name))
        self.written += 1

    @property
    def notes(self) -> tuple[Note, ...]:
        """The latest notes, oldest first."""
        return tuple(self._notes)

    def note(self, *notes: Note) -> None:
        """Add notes."""
        self._notes.extend(notes)
        self.noted += len(notes)

    def notes_since(self, noted: int) -> list[Note]:
        """Return the notes written after the first `noted`, as far as they are kept."""
        fresh = min(self.noted - noted, len(self._notes))
        return list(self._notes)[len(self._notes) - fresh :]

    def columns(self, since: int = 0) -> dict[str, list[float | None]]:
        """Return the rows written after the first `since`, by column."""
        count = len(next(iter(self._rows.values())))
        skip = max(0, count - (self.written - since))
        return {name: list(islice(values, skip, None)) for name, values in self._rows.items()}

    def to_dataframe(self) -> Any:
        """Return everything as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame({name: list(values) for name, values in self._rows.items()})
