"""Figure: every process killed at random moments, and what the plant and its history make of it.

A watcher reads setpoints and their limits from the plant's server all the time; an operator goes on
asking for things. What was ordered is judged scan by scan from the records in the plant's ring.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from runtime_books import Books, books_of, is_beyond
from runtime_support import (
    LEVERS,
    Figure,
    Limit,
    RunningPlant,
    all_well,
    asked,
    called,
    client_of,
    pid_of,
    running_plant,
    say,
    states_of,
    wait_for,
)

from raffinate.errors import RaffinateError
from raffinate.runtime.messages import SCAN
from raffinate.runtime.opcua_client import TagClient, WriteRefused
from raffinate.runtime.process_status import PROCESSES
from raffinate.runtime.run_directory import RunDirectory
from raffinate.runtime.users import UserTable

SEED = 20_260_101
SPEEDS = (600.0, 3600.0)
"""Pace, [plant s per wall s]: a scan at a time, and a control period at a time."""

OPERATOR = ("olga", "nobody guesses this one")
PATIENCE = 120.0
"""Longest wait for a recovery, wall [s]; the supervisor itself waits up to 30 s."""

AFTER = 10
"""Scans after a recovery that count as part of it."""


@dataclass(slots=True)
class Watcher:
    """Reads the levers from the plant's server as often as it answers."""

    readings: int = 0
    beyond: list[str] = field(default_factory=list)

    async def watch(self, run: RunDirectory, stop: threading.Event) -> None:
        """Read until told to stop."""
        paths = [f"Levers/{n}/{e}" for n in LEVERS for e in ("InForce", "Low", "High")]
        while not stop.is_set():
            # A resumed run has other ports.
            client = client_of(RunDirectory.open(run.path), "plant")
            with contextlib.suppress(RaffinateError, OSError, TimeoutError):
                await client.connect()
                while not stop.is_set():
                    self.look(paths, await client.read(paths))
                    await asyncio.sleep(0.02)
            await client.close()
            await asyncio.sleep(0.1)

    def look(self, paths: Sequence[str], values: Sequence[Any]) -> None:
        """Judge one answer."""
        self.readings += 1
        for at in range(0, len(values), 3):
            flow, low, high = values[at : at + 3]
            if is_beyond(flow, low, high):
                self.beyond.append(f"{paths[at]} is {flow}, limits {low} to {high}")


@dataclass(slots=True)
class Asker:
    """An operator who goes on asking for things; counts what the server acknowledged."""

    done: int = 0
    refused: int = 0

    async def ask(self, run: RunDirectory, stop: threading.Event) -> None:
        """Ask until told to stop."""
        while not stop.is_set():
            now = RunDirectory.open(run.path)
            client = TagClient(
                now.settings.operate_endpoint,
                pki=now.pki,
                name="operator",
                user=OPERATOR[0],
                password=OPERATOR[1],
            )
            with contextlib.suppress(RaffinateError, OSError, TimeoutError):
                await client.connect()
                while not stop.is_set():
                    await self.once(client)
                    await asyncio.sleep(0.25)
            await client.close()
            await asyncio.sleep(0.5)

    async def once(self, client: TagClient) -> None:
        """Ask for the mode that is there, and for a flow that cannot be."""
        for path, value in (("Mode/Request", "fuzzy"), ("Levers/acid_flow/Request", 1e6)):
            try:
                await client.write({path: value})
                self.done += 1
            except WriteRefused:
                self.refused += 1


def enter_operator(path: Path) -> None:
    """Make a user table with the operator."""
    table = UserTable.load(path)
    table.add(OPERATOR[0], "operator", OPERATOR[1])
    table.save()


def victims(kills: int, generator: random.Random) -> list[str]:
    """Return who is killed in which order; each process as often, the supervisor least."""
    supervisors = max(1, kills // 25)
    order: list[str] = []
    while len(order) < kills - supervisors:
        order += generator.sample(PROCESSES, len(PROCESSES))
    order = order[: kills - supervisors]
    for each in range(supervisors):
        order.insert((each + 1) * len(order) // (supervisors + 1), "supervisor")
    return order


def kills(reduced: bool) -> Figure:
    """Kill 50 times (6 if reduced), at moments a seeded generator chooses."""
    generator = random.Random(SEED)
    watcher, asker, stop = Watcher(), Asker(), threading.Event()
    options = ("--no-story", "--seed", "5", "--hours", "8760", "--speed", str(SPEEDS[0]))
    with running_plant(*options, users=enter_operator) as plant:
        plant.wait_running()
        run = plant.run
        threads = [
            threading.Thread(target=asyncio.run, args=(each,))
            for each in (watcher.watch(run, stop), asker.ask(run, stop))
        ]
        for thread in threads:
            thread.start()
        try:
            order = victims(6 if reduced else 50, generator)
            told = [_killed(plant, name, generator) for name in order]
            time.sleep(2.0)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        code = plant.stop()
        books = books_of(plant.run)
        logs = {file.stem: file.read_text(encoding="utf-8") for file in _logs(plant.run)}
    own = [entry for entry in books.entries if entry["user"] == OPERATOR[0]]
    accepted = sum(entry["accepted"] for entry in own)
    unaudited = max(0, asker.done - accepted) + max(0, asker.refused - (len(own) - accepted))
    bumps = _bumps(books, told)
    limits = [
        Limit(what="setpoints seen beyond their limits", value=len(watcher.beyond), must=0),
        Limit(what="not recovered by itself", value=sum(not e["recovered"] for e in told), must=0),
        Limit(
            what="worst move in a scan, guard back",
            value=bumps["guard"]["move"],
            unit="% of span",
            must=1.0,
        ),
        Limit(
            what="worst move in a scan, PLC alone",
            value=bumps["plc"]["move"],
            unit="% of span",
        ),
        *books.limits(),
        Limit(what="acknowledged requests not audited", value=unaudited, must=0),
        Limit(what="recovery, worst of all", value=max(e["recovery_s"] for e in told), unit="s"),
    ]
    return Figure(
        title=f"kill -9, {len(told)} times",
        limits=limits,
        detail={
            "recovery_s": _recoveries(told),
            "kills": told,
            "watched": watcher.readings,
            "asked": {"done": asker.done, "refused": asker.refused},
            "beyond": watcher.beyond[:20],
            "bumps_percent_of_span": bumps,
            **books.detail,
            "exit_code": code,
            "tracebacks": {name: text.count("Traceback") for name, text in logs.items()},
        },
    )


def _logs(run: RunDirectory) -> list[Path]:
    return sorted((run.path / "log").glob("*.log"))


def _killed(plant: RunningPlant, name: str, generator: random.Random) -> dict[str, Any]:
    """Kill one process at a random moment and wait until all is well again."""
    speed = generator.choice(SPEEDS)
    called(plant.run, "Pace", "SetSpeed", speed)
    time.sleep(generator.uniform(0.5, 6.0))
    (scan,) = asked(plant.run, "plant", "PLC/Scan")
    begun = time.monotonic()
    if name == "supervisor":
        os.kill(plant.supervisor, signal.SIGKILL)
        plant.resume()
        plant.wait_served()
    else:
        old = pid_of(plant.run, name)
        os.kill(old, signal.SIGKILL)
        # What the files say is of the process before until the supervisor has looked.
        wait_for(lambda: pid_of(plant.run, name) not in (old, 0), f"{name} is started again")
    trouble: dict[str, Any] = {}
    try:
        wait_for(lambda: all_well(plant.run), f"recovery of {name}", PATIENCE)
        wait_for(lambda: _moves(plant.run, scan), f"the plant after {name}", PATIENCE)
    except SystemExit as error:
        trouble = {"what": str(error), "processes": states_of(plant.run)}
        say(f"  {error}\n  {trouble}")
    took = round(time.monotonic() - begun, 2)
    say(f"  {name} killed at scan {scan}, {speed:g} plant s/s: well after {took:.1f} s")
    return {
        "process": name,
        "speed": speed,
        "scan": scan,
        "recovered_scan": scan + round(took * speed / SCAN),
        "recovery_s": took,
        "recovered": not trouble,
        "trouble": trouble,
    }


def _moves(run: RunDirectory, scan: int) -> bool:
    """Return whether the plant has moved on since, and follows the guard."""
    try:
        now, mode = asked(run, "plant", "PLC/Scan", "PLC/Mode")
    except RaffinateError:
        return False
    return bool(now > scan and mode == "remote")


def _recoveries(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found = {}
    for name in (*PROCESSES, "supervisor"):
        times = [each["recovery_s"] for each in told if each["process"] == name]
        if times:
            median = round(statistics.median(times), 1)
            found[name] = {"kills": len(times), "median": median, "worst": max(times)}
    return found


def _bumps(books: Books, told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the largest moves of a setpoint in one scan, [% of its span], and where they were.

    A record of several scans counts as its mean move. Moves by the guard's plans from a kill until
    some scans after the recovery are those that must have no bump; while the guard is away the PLC
    holds, and walks to the safe plan by the plant's own rates when the plan has expired.
    """
    around = [(each["scan"], each["recovered_scan"] + AFTER) for each in told]
    worst: dict[str, Any] = {name: {"move": 0.0} for name in ("guard", "plc", "elsewhere")}
    for before, after in pairwise(books.steps):
        scans = max(1, round((after.time - before.time) / SCAN))
        scan = round(after.time / SCAN)
        near = any(first <= scan <= last for first, last in around)
        by = ("guard" if after.values["PLC/Remote"] else "plc") if near else "elsewhere"
        for name, (low, high) in books.spans.items():
            path = f"Levers/{name}/InForce"
            move = 100.0 * abs(after.values[path] - before.values[path]) / scans / (high - low)
            if move > worst[by]["move"]:
                worst[by] = {"move": round(move, 3), "lever": name, "scan": scan, "scans": scans}
    return worst
