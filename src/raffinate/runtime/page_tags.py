"""Typed reading of mirrored tags: what is missing, bad or of the wrong kind is None."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from raffinate.runtime.tags import Value

Lookup = Callable[[str], Value | None]
"""Returns the value of a tag path; None where there is none or its quality is bad."""


class TagView:
    """The values of one server as the page reads them.

    Args:
        lookup: Where values come from.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._parsed: dict[str, tuple[str, Any]] = {}

    def raw(self, path: str) -> Value | None:
        """Return a value as it is, to see whether it is still the same."""
        return self._lookup(path)

    def number(self, path: str) -> float | None:
        """Return a finite number."""
        value = self._lookup(path)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return float(value) if math.isfinite(value) else None

    def count(self, path: str) -> int:
        """Return a whole number; 0 where there is none."""
        value = self.number(path)
        return 0 if value is None else int(value)

    def hours(self, path: str) -> float | None:
        """Return a time given in seconds, [h]."""
        value = self.number(path)
        return None if value is None else value / 3600.0

    def text(self, path: str) -> str | None:
        """Return a text."""
        value = self._lookup(path)
        return value if isinstance(value, str) else None

    def flag(self, path: str) -> bool | None:
        """Return a truth value."""
        value = self._lookup(path)
        return value if isinstance(value, bool) else None

    def numbers(self, path: str) -> list[float | None] | None:
        """Return a row of numbers; those that are none are None."""
        value = self._lookup(path)
        if not isinstance(value, (tuple, list)):
            return None
        row: list[Any] = list(value)
        try:
            # One sum tells whether all are finite, which they are but for a fault.
            if math.isfinite(math.fsum(row)):
                return row
        except (TypeError, ValueError, OverflowError):
            pass
        return [v if isinstance(v, (int, float)) and math.isfinite(v) else None for v in row]

    def texts(self, path: str) -> list[str]:
        """Return a row of texts; empty where there is none."""
        value = self._lookup(path)
        return [v for v in value if isinstance(v, str)] if isinstance(value, (tuple, list)) else []

    def json(self, path: str) -> Any:
        """Return what a text of JSON says, parsed once per text; None where it says nothing."""
        text = self.text(path)
        if not text:
            return None
        known = self._parsed.get(path)
        if known is not None and known[0] == text:
            return known[1]
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        self._parsed[path] = (text, found)
        return found

    def rows(self, path: str) -> list[dict[str, Any]]:
        """Return the objects of a JSON list; empty where there is none."""
        found = self.json(path)
        return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
