"""Figure: wall time from `raffinate run` to the first live page."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from runtime_support import READY, Figure, Limit, RunningPlant, running_plant, say

from raffinate.runtime.process_status import PROCESSES, read_status

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
OPTIONS = ("--no-story", "--seed", "3", "--speed", "3600")


def paint(reduced: bool) -> Figure:
    """Start runs until a page shows a plant time and a purity, with a warm compilation cache.

    In full, a first start that does not count warms the cache, and one more start has an empty one,
    as after an installation.
    """
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise SystemExit("first paint needs Chromium.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        # An empty page first: the browser of a user has painted something before.
        browser.new_page().goto("about:blank")
        starts = [_start(browser) for _ in range(1 if reduced else 6)]
        starts = starts if reduced else starts[1:]
        cold = None
        if not reduced:
            with _empty_cache():
                cold = _start(browser)
        browser.close()
    limits = [
        Limit(
            what="first live paint, compiled before, median",
            value=_median(starts, "paint_s"),
            unit="s",
            must=15.0,
            reach=5.0,
        )
    ]
    if cold is not None:
        what = "first live paint, nothing compiled"
        limits.append(Limit(what=what, value=cold["paint_s"], unit="s", must=15.0, reach=5.0))
    medians = {name: _median(starts, name) for name in starts[0] if name.endswith("_s")}
    detail = {"medians": medians, "starts": starts, "cold": cold}
    return Figure(title="`run` to first live paint", limits=limits, detail=detail)


def _median(starts: list[dict[str, Any]], name: str) -> float:
    return round(float(statistics.median(each[name] for each in starts)), 2)


def _start(browser: Any) -> dict[str, Any]:
    """Start a run and return when what was there, [s] since the command."""
    with running_plant(*OPTIONS) as plant, ThreadPoolExecutor(1) as worker:
        address = plant.wait_served()
        served = time.monotonic() - plant.begun
        first = worker.submit(lambda: asyncio.run(_first_state(address)))
        page = browser.new_page()
        page.goto(address)
        opened = time.monotonic() - plant.begun
        page.wait_for_function(PAINTED, timeout=1e3 * READY, polling="raf")
        painted = time.monotonic() - plant.begun
        time_shown = page.get_by_test_id("plant-time").inner_text()
        page.close()
        assert re.search(r"\d+ d \d\d:\d\d", time_shown), time_shown
        state = first.result() - plant.begun
        found = {
            "command_s": _command_time(plant),
            **{f"{name}_ready_s": _ready(plant, name) for name in PROCESSES},
            "address_s": served,
            "page_opened_s": opened,
            "first_state_s": state,
            "paint_s": painted,
        }
    say(f"  painted after {painted:.1f} s")
    rounded = {name: round(value, 2) for name, value in found.items()}
    return {**rounded, "load_average_1_min": os.getloadavg()[0]}


PAINTED = """() => {
  const text = id => document.querySelector(`[data-testid="${id}"]`)?.innerText ?? "";
  const purity = text("kpi-nd-purity");
  return /\\d+ d \\d\\d:\\d\\d/.test(text("plant-time")) && /\\d\\d\\.\\d/.test(purity);
}"""
"""Whether plant time and a purity are drawn."""


def _command_time(plant: RunningPlant) -> float:
    """Return when the command had read its settings and made the run directory, [s]."""
    return (plant.path / "secrets.json").stat().st_mtime - plant.begun_us / 1e6


def _ready(plant: RunningPlant, name: str) -> float:
    """Return when a process said that it serves, [s]."""
    status = read_status(plant.run, name)
    if status is None or status.state != "running":
        return float("nan")
    return (status.since_us - plant.begun_us) / 1e6


async def _first_state(address: str) -> float:
    """Return when a socket of the page got its first state, monotonic [s]."""
    from websockets.asyncio.client import connect

    url = address.replace("http", "ws", 1) + "/ws"
    async with connect(url, proxy=None, max_size=None, compression=None) as page:
        async for text in page:
            if json.loads(text).get("type") == "state":
                return time.monotonic()
    raise SystemExit("the page's socket ended before its first state.")


@contextmanager
def _empty_cache() -> Iterator[None]:
    """Let processes compile into a folder that is empty at first."""
    before = os.environ.get("RAFFINATE_CACHE_DIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RAFFINATE_CACHE_DIR"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["RAFFINATE_CACHE_DIR"]
            else:
                os.environ["RAFFINATE_CACHE_DIR"] = before
