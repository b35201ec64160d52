"""Processes and links as the page lists them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from raffinate.runtime.private_files import now_us
from raffinate.runtime.process_status import ProcessStatus


def process_rows(statuses: Iterable[ProcessStatus]) -> list[dict[str, Any]]:
    """Return how the processes are, as rows of the page."""
    now = now_us()
    return [
        {
            "name": status.name,
            "state": status.state,
            "pid": status.pid or None,
            "since_s": round((now - status.since_us) / 1e6, 1) if status.since_us else None,
            "restarts": status.restarts,
            "cpu_percent": status.cpu_percent,
            "memory_MB": None
            if status.memory_bytes is None
            else round(status.memory_bytes / 1e6, 1),
            "age_s": round(status.age(now), 1) if status.heartbeat_us else None,
        }
        for status in statuses
    ]


def link_rows(statuses: Iterable[ProcessStatus], leave_out: str = "") -> list[dict[str, Any]]:
    """Return the links that the processes tell of in `links` of their details.

    Args:
        statuses: Of the processes; what is not running has no link that holds.
        leave_out: A process whose links are known better.
    """
    rows = []
    for status in statuses:
        links = status.detail.get("links")
        if status.name == leave_out or not isinstance(links, Mapping):
            continue
        for name, link in links.items():
            if isinstance(link, Mapping):
                rows.append(
                    {
                        "name": str(name),
                        "connected": status.state == "running" and bool(link.get("connected")),
                        "age_s": link.get("age_s"),
                        "round_trip_ms": link.get("round_trip_ms"),
                    }
                )
    return rows


def told_states(
    processes: Iterable[Mapping[str, Any]], links: Iterable[Mapping[str, Any]]
) -> list[tuple[object, ...]]:
    """Return what of these rows is news when it changes; ages and loads are not."""
    return [
        *((row["name"], row["state"], row["pid"], row["restarts"]) for row in processes),
        *((row["name"], row["connected"]) for row in links),
    ]


class NominalFile:
    """`nominal.json`, read again when it has changed.

    Args:
        path: Where it is, or will be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._found: Mapping[str, Any] | None = None

    def read(self) -> Mapping[str, Any] | None:
        """Return what it holds; None while it is not there."""
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size)
            if seen != self._seen:
                found = json.loads(self._path.read_text(encoding="utf-8"))
                self._seen, self._found = seen, found if isinstance(found, dict) else None
        except (OSError, ValueError):
            return None
        return self._found
