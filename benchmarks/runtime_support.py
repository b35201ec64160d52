"""What the benchmarks of the runtime share: figures, and runs started as a user starts them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raffinate.runtime.opcua_client import TagClient
from raffinate.runtime.process_status import PROCESSES, read_status, read_statuses
from raffinate.runtime.records import Record, record_from_json
from raffinate.runtime.run_directory import RunDirectory

HERE = Path(__file__).parent
LEVERS = ("organic_flow", "scrub_flow", "acid_flow")
READY = 300.0
"""Longest wait for a run to serve, wall [s]: a first start compiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A number, and the most it may and should be.

    Attributes:
        what: What was measured.
        value: The number.
        unit: Its unit.
        must: Greatest value that passes; None for a number without one.
        reach: Greatest value that is hoped for; None without one.
    """

    what: str
    value: float
    unit: str = ""
    must: float | None = None
    reach: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it for the report, with the verdicts."""
        return {
            "what": self.what,
            "value": self.value,
            "unit": self.unit,
            "must": self.must,
            "reach": self.reach,
            "met": None if self.must is None else self.value <= self.must,
            "reached": None if self.reach is None else self.value <= self.reach,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table of figures.

    Attributes:
        title: What it is about.
        limits: Numbers with what they must be.
        detail: Everything else that was found.
    """

    title: str
    limits: Sequence[Limit]
    detail: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it for the report."""
        rows = [limit.to_dict() for limit in self.limits]
        return {
            "title": self.title,
            "met": all(row["met"] is not False for row in rows),
            "limits": rows,
            "detail": self.detail,
        }


class RunningPlant:
    """A run started by the command line, with everything it writes in a folder of its own.

    Args:
        folder: For the run directory and the user table.
        options: Of `raffinate run`.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.path = folder / "run"
        self.told: list[str] = []
        self.address = ""
        self._folder = folder
        self._served = threading.Event()
        self._command = [*command_line(), "run", "--no-browser", "--port", "0"]
        self._process = self._started([*self._command, "--run-dir", str(self.path), *options])

    def _started(self, command: Sequence[str]) -> subprocess.Popen[str]:
        self._served.clear()
        self.begun = time.monotonic()
        self.begun_us = time.time_ns() // 1000
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            # What runs are timed for is not the analyzer: the stand-in, as the figures always had.
            env={
                **os.environ,
                "RAFFINATE_STATE_DIR": str(self._folder / "state"),
                "RAFFINATE_ANALYZER": "statistical",
            },
        )
        self._listener = threading.Thread(target=self._listen, args=(process,), daemon=True)
        self._listener.start()
        return process

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self.told.append(line.rstrip())
                found = re.search(r"http://127\.0\.0\.1:\d+", line)
                if found is not None:
                    self.address = found.group()
                    self._served.set()

    @property
    def supervisor(self) -> int:
        """Process that was started; it supervises the others."""
        return self._process.pid

    @property
    def run(self) -> RunDirectory:
        """The run directory."""
        return RunDirectory.open(self.path)

    def wait_served(self) -> str:
        """Wait until the page is served; return its address."""
        if not self._served.wait(READY):
            raise SystemExit("the page was never served:\n" + "\n".join(self.told))
        return self.address

    def wait_running(self) -> None:
        """Wait until every process runs and every link holds."""
        self.wait_served()
        wait_for(lambda: all_well(self.run), "processes and links")

    def resume(self) -> None:
        """Start the run again after its supervisor was killed."""
        self._process.wait()
        self._listener.join(5.0)
        self._process = self._started([*self._command, "--resume", str(self.path)])

    def stop(self) -> int:
        """End the run as Ctrl+C does; return the exit code."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        try:
            code = self._process.wait(60.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._listener.join(5.0)
        return code


@contextmanager
def running_plant(*options: str, users: Callable[[Path], None] | None = None) -> Iterator[Any]:
    """Give a run that is stopped and removed afterwards, and stopped by then if need be.

    Args:
        options: Of `raffinate run`.
        users: Enters people into the user table, given its path.
    """
    with tempfile.TemporaryDirectory(prefix="raffinate-bench-") as name:
        folder = Path(name)
        if users is not None:
            (folder / "state").mkdir(mode=0o700)
            users(folder / "state" / "users.json")
        plant = RunningPlant(folder, *options)
        try:
            yield plant
        finally:
            plant.stop()


def command_line() -> list[str]:
    """Return the `raffinate` that belongs to this interpreter."""
    found = Path(sys.executable).with_name("raffinate")
    return [str(found)] if found.exists() else [shutil.which("raffinate") or "raffinate"]


def all_well(run: RunDirectory) -> bool:
    """Return whether every process runs, with every link it tells of."""
    statuses = {status.name: status for status in read_statuses(run)}
    for name in PROCESSES:
        status = statuses.get(name)
        if status is None or status.state != "running" or status.age() > 5.0:
            return False
        links = status.detail.get("links", {})
        if name != "twin" and (not links or not all(e["connected"] for e in links.values())):
            return False
    return True


def states_of(run: RunDirectory) -> dict[str, Any]:
    """Return what the processes of a run say of themselves, for a report of what went wrong."""
    return {
        status.name: {
            "state": status.state,
            "pid": status.pid,
            "age_s": round(status.age(), 1),
            "restarts": status.restarts,
            "error": None if status.error is None else dict(status.error),
            **{key: status.detail.get(key) for key in ("links", "trouble", "phase", "plc")},
        }
        for status in read_statuses(run)
    }


def wait_for(true: Callable[[], bool], what: str, seconds: float = READY) -> float:
    """Wait until something is so; return how long it took, wall [s].

    Raises:
        SystemExit: It never was.
    """
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > seconds:
            raise SystemExit(f"{what}: not within {seconds:.0f} s.")
        time.sleep(0.05)
    return time.monotonic() - begun


def pid_of(run: RunDirectory, process: str) -> int:
    """Return the number of a process that the supervisor knows to run; 0 if it does not."""
    status = read_status(run, "supervisor")
    told = {} if status is None else status.detail.get("processes", {})
    return int(told.get(process, {}).get("pid", 0))


def client_of(run: RunDirectory, server: str, user: str = "supervisor") -> TagClient:
    """Return a client with an account of the run, not yet connected.

    Args:
        run: Of which run.
        server: "plant" or "operate".
        user: Which account.
    """
    settings = run.settings
    return TagClient(
        settings.plant_endpoint if server == "plant" else settings.operate_endpoint,
        pki=run.pki,
        name="benchmark",
        user=user,
        password=run.secrets()[user],
    )


def asked(run: RunDirectory, server: str, *paths: str) -> list[Any]:
    """Return what tags of a server hold now."""

    async def ask() -> list[Any]:
        client = client_of(run, server)
        await client.connect(READY)
        try:
            return list(await client.read(paths))
        finally:
            await client.close()

    return asyncio.run(ask())


def called(run: RunDirectory, owner: str, method: str, *arguments: Any) -> Any:
    """Call a method of the plant's server as the run's own supervisor."""

    async def ask() -> Any:
        client = client_of(run, "plant")
        await client.connect(READY)
        try:
            return await client.call(owner, method, *arguments)
        finally:
            await client.close()

    return asyncio.run(ask())


def ring_records(run: RunDirectory, source: str) -> list[Record]:
    """Return every record a server has on disk, the oldest first."""
    found = []
    for file in sorted(run.ring(source).glob("*.jsonl")):
        lines = file.read_text(encoding="utf-8").split("\n")
        found += [record_from_json(line) for line in lines[:-1]]
    return found


def script(name: str, *options: str) -> dict[str, Any]:
    """Run another benchmark of this folder and return the JSON it prints."""
    done = subprocess.run(
        [sys.executable, str(HERE / name), *options], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def say(text: str) -> None:
    """Tell how far it is, on stderr."""
    print(text, file=sys.stderr, flush=True)
