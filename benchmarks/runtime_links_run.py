"""Processes of a run started one by one, without a supervisor, and what they say."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from runtime_support import READY, client_of, wait_for

from raffinate.errors import RaffinateError
from raffinate.runtime.process_status import read_status
from raffinate.runtime.run_directory import RunDirectory


class Hand:
    """Starts and ends processes of a run by hand.

    Args:
        run: The run directory.
        environment: Added to that of the processes.
    """

    def __init__(self, run: RunDirectory, environment: Mapping[str, str] | None = None) -> None:
        self.run = run
        self._environment = {**os.environ, **(environment or {})}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start a process and do not wait for it."""
        self.run.status_file(name).unlink(missing_ok=True)
        with self.run.log_file(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", f"raffinate.runtime.{name}_process", str(self.run.path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )

    def state(self, name: str) -> str:
        """Return what a process says it is."""
        status = read_status(self.run, name)
        return "" if status is None else status.state

    def begin(self, *names: str) -> None:
        """Start processes and wait until they serve."""
        for name in names:
            self.start(name)
        for name in names:
            wait_for(lambda n=name: self.state(n) == "running", f"{name} serves", READY)  # type: ignore[misc]

    def ended(self, name: str, seconds: float = 60.0) -> int:
        """Wait until a process ends by itself; return its exit code."""
        return self._processes.pop(name).wait(seconds)

    def kill(self, name: str) -> None:
        """End a process at once."""
        self._processes[name].kill()
        self.ended(name)

    def stop(self, *names: str) -> None:
        """Ask processes to end, one after the other."""
        for name in names or tuple(self._processes):
            process = self._processes.pop(name, None)
            if process is not None:
                process.terminate()
                try:
                    process.wait(20.0)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


@contextmanager
def by_hand(run: RunDirectory, environment: Mapping[str, str] | None = None) -> Iterator[Hand]:
    """Give a hand whose processes are ended afterwards."""
    hand = Hand(run, environment)
    try:
        yield hand
    finally:
        hand.stop()


class AlarmWatch:
    """Looks at operate's standing alarms all the time, and acknowledges when asked to.

    Args:
        run: Of which run.

    Attributes:
        standing: Alarms that stand, those that wait for an acknowledgment included: texts by tag.
        seen: Those seen since the last acknowledgment.
        time: Plant time as operate has it, [s].
    """

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._stop = threading.Event()
        self._ask: list[dict[str, Any]] = []
        self.standing: dict[str, str] = {}
        self.seen: dict[str, str] = {}
        self._seen_at: dict[str, float] = {}
        self.time = 0.0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), daemon=True)
        self._thread.start()

    async def _work(self) -> None:
        while not self._stop.is_set():
            client = client_of(self._run, "operate")
            try:
                await client.connect(5.0)
                while not self._stop.is_set():
                    self._look(*await client.read(["Alarms/Standing", "Time"]))
                    while self._ask:
                        await client.call("Requests", "Ask", json.dumps(self._ask.pop(0)), "")
                    await asyncio.sleep(0.05)
            except (RaffinateError, OSError, TimeoutError):
                await asyncio.sleep(0.2)
            finally:
                await client.close()

    def _look(self, text: Any, now: Any) -> None:
        rows = json.loads(text) if isinstance(text, str) and text else []
        self.standing = {row["tag"]: row["text"] for row in rows}
        self.seen |= self.standing
        for tag in self.standing:
            self._seen_at.setdefault(tag, time.monotonic())
        self.time = float(now)

    def wait(self, tag: str, since: float, seconds: float) -> float | None:
        """Wait until an alarm was seen.

        Args:
            tag: Of the alarm.
            since: Monotonic time from which its time counts, [s].
            seconds: Longest wait from now, wall [s].

        Returns:
            When it was seen first, [s] after `since`; None if it never was.
        """
        end = time.monotonic() + seconds
        while tag not in self.seen:
            if time.monotonic() > end:
                return None
            time.sleep(0.02)
        return round(self._seen_at[tag] - since, 2)

    def acknowledge(self, tag: str) -> None:
        """Acknowledge an alarm, wait until it stands no longer, and forget what was seen."""
        self._ask.append({"type": "alarm", "action": "acknowledge", "tag": tag, "comment": ""})
        end = time.monotonic() + 20.0
        while tag in self.standing and time.monotonic() < end:
            time.sleep(0.05)
        self.seen = dict(self.standing)
        self._seen_at = {each: self._seen_at[each] for each in self.seen}

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join(20.0)


@contextmanager
def alarms_of(run: RunDirectory) -> Iterator[AlarmWatch]:
    """Give a watch of operate's alarms that is closed afterwards."""
    watch = AlarmWatch(run)
    try:
        yield watch
    finally:
        watch.close()
