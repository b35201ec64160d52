"""Cost and delay of the page: 500 tags that change once a second, shown to ten browsers.

The web application runs as in a run, behind it mirrors without servers; the pages are sockets in
another process. A delay is that from the change of a tag in the mirror until the page has the
state that shows it, of every change on every page. Prints JSON.

    python benchmarks/web_push.py
    python benchmarks/web_push.py --seconds 60 --pages 10
    python benchmarks/web_push.py --spread     # no burst a second, but a change every 2 ms
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

TAGS = 500
WARM_UP = 3.0
FLOWS = {"organic_flow": 14.6, "scrub_flow": 1.4, "acid_flow": 1.76}
CLOCK = "Truth/Products/nd/Lots"
"""The tag whose value counts the changes."""

SHOWN = re.compile(r'"nd":\{[^{}]*(?:\{[^{}]*\}|null)?[^{}]*"lots":(\d+)')


@dataclass
class Mirrors:
    """Tags of both servers, changed in place as a subscription would."""

    plant: dict[str, Any] = field(default_factory=dict)
    operate: dict[str, Any] = field(default_factory=dict)
    others: dict[str, float] = field(default_factory=dict)
    changes: list[float] = field(default_factory=list)

    def fill(self, model: Any) -> None:
        """Give every tag of a plant a value, and fill up to the number of tags asked for."""
        from raffinate.instruments.reading import Reading
        from raffinate.runtime.records import reading_to_dict
        from raffinate.runtime.tags import operate_tags, plant_tags, twin_tags

        blank = {"Double": 0.5, "Int64": 1, "String": "", "Boolean": False, "String[]": ()}
        row = tuple(0.1 + 0.01 * stage for stage in range(model.circuit.stages))
        for tag in (*plant_tags(model), *twin_tags(model)):
            self.plant[tag.path] = blank.get(tag.kind, row)
        for tag in operate_tags(model, ("manual", "ratio", "fuzzy")):
            self.operate[tag.path] = blank.get(tag.kind, (0.1, 0.2))
        for name, flow in FLOWS.items():
            self.operate[f"Levers/{name}/Nominal"] = flow
        self.plant |= {"PLC/Mode": "remote", "Pace/Phase": "running", "Pace/Speed": 600.0}
        import numpy as np

        seen = [
            Reading(
                place=place,
                sample_time=0.0,
                result_time=180.0,
                elements=model.circuit.elements,
                values=np.array((200.0, 80.0, 40.0)),
                covariance=np.eye(3),
                detection_limit=np.full(3, 0.3),
                quality="good",
                instrument="xrf",
            )
            for place in (*(f"stage {s + 1}" for s in model.analyzer.monitored_stages), "nd")
        ]
        rows = [{**reading_to_dict(each), "verdict": "good"} for each in seen]
        alarms = [{"tag": f"xrf.{n}", "text": "Reading is stale", "state": "acknowledged",
                   "priority": "low", "since_h": 1.0} for n in range(5)]  # fmt: skip
        rules = tuple(f"if inventory is high then add organic {n}" for n in range(8))
        self.operate |= {
            "Mode/Current": "fuzzy",
            "Readings": json.dumps(rows),
            "Targets": json.dumps([{"stage": s, "fraction": {"Nd": 0.2}} for s in range(6)]),
            "Alarms/Standing": json.dumps(alarms),
            "Controller/Rules": rules,
            "Controller/Strengths": tuple(0.1 for _ in rules),
        }
        self.others = {f"Other/{n}": 0.0 for n in range(TAGS - len(self.moving()))}

    def moving(self) -> list[tuple[dict[str, Any], str]]:
        """Return the tags whose numbers change, with the mirror each is in."""
        return [
            (tags, path)
            for tags in (self.plant, self.operate, self.others)
            for path, value in tags.items()
            if path != CLOCK
            and not isinstance(value, (bool, str))
            and not (isinstance(value, tuple) and value and isinstance(value[0], str))
        ]

    def move(self, chosen: list[tuple[dict[str, Any], str]], step: float) -> None:
        """Change tags now, and note when."""
        for tags, path in chosen:
            value = tags[path]
            tags[path] = (
                tuple(v + step for v in value) if isinstance(value, tuple) else value + step
            )
        self.changes.append(time.monotonic())
        self.plant[CLOCK] = len(self.changes)


def site(mirrors: Mirrors, folder: Path) -> tuple[Any, Any]:
    """Return the web application over the mirrors, and its hub."""
    from raffinate.plant.plant_file import load_plant
    from raffinate.runtime.page_hub import PageHub
    from raffinate.runtime.page_source import PageSource, RunFacts
    from raffinate.runtime.page_tags import TagView
    from raffinate.runtime.users import UserTable
    from raffinate.runtime.web import WebParts
    from raffinate.runtime.web_sessions import SessionStore

    model = load_plant("ceprnd_p507")
    mirrors.fill(model)
    source = PageSource(
        RunFacts(plant=model, virtual=True, first_speed=600.0),
        TagView(mirrors.plant.get),
        TagView(mirrors.operate.get),
        links=lambda: [
            {"name": n, "connected": True, "age_s": 0.1, "round_trip_ms": 1.0} for n in "abc"
        ],
    )
    users = UserTable.load(folder / "users.json")
    store = SessionStore(users)
    hub = PageHub(source, store.holds)

    async def nothing(*_: Any, **__: Any) -> None:
        return None

    parts = WebParts(
        hub=hub,
        desk=None,  # type: ignore[arg-type]
        users=users,
        store=store,
        audit=nothing,
        health=source.health,
        metrics=lambda: "",
        forget=nothing,
    )
    return parts, hub


async def change(mirrors: Mirrors, hub: Any, spread: bool) -> None:
    """Change every tag once a second, together or one after the other."""
    chosen, number = mirrors.moving(), 0
    due = time.monotonic()
    while True:
        number += 1
        if spread:
            part = max(1, len(chosen) // 500)
            begin = number * part % len(chosen)
            mirrors.move(chosen[begin : begin + part], 1e-6)
            due += part / len(chosen)
        else:
            mirrors.move(chosen, 1e-6)
            due += 1.0
        hub.changed()
        await asyncio.sleep(max(0.0, due - time.monotonic()))


@contextmanager
def browsers(port: int, pages: int, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Run the pages in a process of their own."""
    command = [sys.executable, __file__, "--as-pages", str(port)]
    command += ["--pages", str(pages), "--seconds", str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


async def measure(pages: int, seconds: float, spread: bool) -> dict[str, Any]:
    """Serve the pages for some seconds and return the figures."""
    import uvicorn

    from raffinate.runtime.web import create_app

    mirrors = Mirrors()
    with tempfile.TemporaryDirectory() as folder:
        parts, hub = site(mirrors, Path(folder))
        door = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            create_app(parts, lambda: change(mirrors, hub, spread)),
            log_level="error",
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[door]))
        port = door.getsockname()[1]
        with browsers(port, pages, seconds) as process:
            while hub.visitors < pages:
                await asyncio.sleep(0.05)
            await asyncio.sleep(WARM_UP)
            cpu, wall, states = time.process_time(), time.monotonic(), hub.states
            await asyncio.sleep(seconds)
            cpu, wall = time.process_time() - cpu, time.monotonic() - wall
            states = hub.states - states
            assert process.stdout is not None
            told = await asyncio.to_thread(process.stdout.read)
        server.should_exit = True
        await serving
        door.close()
    found = json.loads(told)
    delays = sorted(delays_of(mirrors.changes, found["arrivals"], wall_end=found["end"]))
    return {
        "pages": pages,
        "tags": TAGS,
        "changes": "spread over each second" if spread else "together, once a second",
        "seconds": seconds,
        "cpu_percent": round(100.0 * cpu / wall, 2),
        "p50_ms": round(1e3 * statistics.median(delays), 1),
        "p99_ms": round(1e3 * delays[int(0.99 * len(delays))], 1),
        "worst_ms": round(1e3 * delays[-1], 1),
        "bytes_per_state": found["bytes"],
        "states_per_second": round(states / wall, 2),
        "changes_measured": len(delays),
    }


def delays_of(
    changes: list[float], arrivals: list[list[tuple[float, int]]], wall_end: float
) -> list[float]:
    """Return the delay of every change on every page, [s]."""
    delays = []
    for page in arrivals:
        first = page[0][1]
        place = 0
        for number in range(first + 1, len(changes) + 1):
            while place < len(page) and page[place][1] < number:
                place += 1
            if place == len(page):
                # Not shown by the end: only a fault if the end was far away.
                if wall_end - changes[number - 1] > 1.0:
                    delays.append(wall_end - changes[number - 1])
                continue
            delays.append(page[place][0] - changes[number - 1])
    return delays


async def be_pages(port: int, pages: int, seconds: float) -> None:
    """Open the pages, read for some seconds and print when which change was shown."""
    from websockets.asyncio.client import connect

    sizes: list[int] = []

    async def one() -> list[tuple[float, int]]:
        shown = []
        url = f"ws://127.0.0.1:{port}/ws"
        async with connect(url, proxy=None, max_size=None, compression=None) as page:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WARM_UP + seconds + 0.5):
                    async for text in page:
                        now = time.monotonic()
                        if not isinstance(text, str) or not text.startswith('{"type":"state"'):
                            continue
                        sizes.append(len(text.encode()))
                        found = SHOWN.search(text)
                        assert found is not None
                        shown.append((now, int(found[1])))
        return shown[2:]

    arrivals = await asyncio.gather(*(one() for _ in range(pages)))
    size = round(statistics.median(sizes))
    print(json.dumps({"arrivals": arrivals, "bytes": size, "end": time.monotonic()}))


def machine() -> dict[str, Any]:
    """Return what the figures were taken on."""
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
        "uvicorn": version("uvicorn"),
        "raffinate": version("raffinate"),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--pages", type=int, default=10)
    parser.add_argument("--spread", action="store_true", help="no burst a second")
    parser.add_argument("--as-pages", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.as_pages:
        asyncio.run(be_pages(given.as_pages, given.pages, given.seconds))
        return
    found = asyncio.run(measure(given.pages, given.seconds, given.spread))
    print(json.dumps({"machine": machine(), **found}, indent=2))


if __name__ == "__main__":
    main()
