"""Figure: memory of every process over thirty plant days, as fast as they go, with a page open."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from runtime_support import Figure, Limit, asked, running_plant, say

from raffinate.runtime.process_status import PROCESSES, read_statuses
from raffinate.runtime.run_directory import RunDirectory

WARM_UP = 0.2
"""Share of the run that does not count: caches fill, code is loaded."""

MIB = 2.0**20
COURSE = 30
"""Samples of the course of memory that are kept."""

LONGEST = 3600.0
"""Wall time after which a soak is given up, [s]."""


class Page:
    """A page that is open all the time and reads what it is sent.

    Args:
        address: Of the web server.
    """

    def __init__(self, address: str) -> None:
        self._url = address.replace("http", "ws", 1) + "/ws"
        self._stop = threading.Event()
        self.messages = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), daemon=True)
        self._thread.start()

    async def _work(self) -> None:
        from websockets.asyncio.client import connect
        from websockets.exceptions import WebSocketException

        while not self._stop.is_set():
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                async with connect(self._url, proxy=None, max_size=None) as page:
                    while not self._stop.is_set():
                        await asyncio.wait_for(page.recv(), 5.0)
                        self.messages += 1
            await asyncio.sleep(0.2)

    def close(self) -> None:
        """Leave."""
        self._stop.set()
        self._thread.join(10.0)


def memory_of(pid: int) -> dict[str, float]:
    """Return the memory of a process, [MiB]: all that is resident, and what is its own of it.

    The rest are pages of files, such as the database, which the system takes back when it needs
    them. Source: proc(5), /proc/[pid]/status.
    """
    found = {}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name in ("VmRSS", "RssAnon"):
                found[name] = float(value.split()[0]) / 1024.0
    return found


def sampled(run: RunDirectory) -> dict[str, dict[str, float]]:
    """Return the memory of every process, [MiB]."""
    found = {}
    for status in read_statuses(run):
        memory = memory_of(status.pid)
        if not memory and status.memory_bytes is not None:
            memory = {"VmRSS": status.memory_bytes / MIB}
        found[status.name] = memory
    return found


def soak(reduced: bool) -> Figure:
    """Run 30 plant days (2 if reduced) under the supervisor and look at memory all the time."""
    hours = 48.0 if reduced else 720.0
    rows: list[tuple[float, dict[str, dict[str, float]]]] = []
    with running_plant("--seed", "1", "--hours", str(hours), "--speed", "max") as plant:
        plant.wait_running()
        run = plant.run
        page = Page(plant.address)
        begun = time.monotonic()
        interval = 0.5 if reduced else 2.0
        hour = 0.0
        while hour < hours - 1e-6 and time.monotonic() - begun < LONGEST:
            hour = asked(run, "plant", "PLC/Time")[0] / 3600.0
            rows.append((hour, sampled(run)))
            time.sleep(interval)
        wall = time.monotonic() - begun
        restarts = {status.name: status.restarts for status in read_statuses(run)}
        page.close()
    say(f"  {hour:.0f} plant hours in {wall:.0f} s, {3600.0 * hour / wall:.0f} plant s/s")
    told = {name: _grown(rows, name, hours) for name in (*PROCESSES, "supervisor")}
    limits = [
        Limit(
            what=f"{name}: growth after warm-up",
            value=each["VmRSS"]["growth_percent"],
            unit="%",
            # Two days are too short for a verdict: one block of the allocator shows.
            must=None if reduced else 5.0,
        )
        for name, each in told.items()
        if "VmRSS" in each
    ]
    limits += [
        Limit(what="plant hours not reached", value=round(max(0.0, hours - hour), 1), must=0.0),
        Limit(what="processes started again", value=sum(restarts.values()), must=0),
    ]
    detail = {
        "plant_hours": round(hour, 1),
        "wall_s": round(wall, 1),
        "plant_s_per_s": round(3600.0 * hour / wall),
        "messages_to_the_page": page.messages,
        "samples": len(rows),
        "memory_MiB": told,
        "course_MiB": _course(rows),
    }
    return Figure(title=f"Soak: {hours / 24.0:.0f} plant days", limits=limits, detail=detail)


def _course(rows: list[tuple[float, dict[str, dict[str, float]]]]) -> list[dict[str, Any]]:
    """Return some of the samples, evenly over the run: plant hour and resident memory, [MiB]."""
    chosen = rows[:: max(1, len(rows) // COURSE)]
    return [
        {
            "hour": round(hour, 1),
            **{n: round(m["VmRSS"], 1) for n, m in each.items() if "VmRSS" in m},
        }
        for hour, each in chosen
    ]


def _grown(
    rows: list[tuple[float, dict[str, dict[str, float]]]], name: str, hours: float
) -> dict[str, Any]:
    """Return what a linear fit says of a process after the warm-up: begin, end, growth."""
    found: dict[str, Any] = {}
    late = [(hour, each[name]) for hour, each in rows if hour >= WARM_UP * hours and name in each]
    for kind in ("VmRSS", "RssAnon"):
        points = [(hour, memory[kind]) for hour, memory in late if kind in memory]
        if len(points) < 3:
            continue
        time_h, memory = np.array(points).T
        slope, start = np.polyfit(time_h - time_h[0], memory, 1)
        end = start + slope * (time_h[-1] - time_h[0])
        found[kind] = {
            "begin": round(float(start), 1),
            "end": round(float(end), 1),
            "growth_percent": round(100.0 * float(end / start - 1.0), 2),
            "per_plant_day": round(24.0 * float(slope), 3),
            "first": round(float(memory[0]), 1),
            "last": round(float(memory[-1]), 1),
        }
    return found
