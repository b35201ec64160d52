"""How each process of a run is: written by itself every wall second, read by all."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, NoReturn

from raffinate.errors import DataError, RaffinateError
from raffinate.runtime.private_files import is_alive, now_us, read_json, write_json
from raffinate.runtime.run_directory import RunDirectory

State = Literal["starting", "running", "restarting", "stopped", "failed"]
"""A process is starting until it serves, restarting while the supervisor waits to start it again,
stopped after it ended as asked, failed after it ended otherwise."""

PROCESSES = ("twin", "operate", "history", "web")
"""The processes of a run with a virtual plant."""

PARENT_PIPE = "RAFFINATE_PARENT_PIPE"
"""Set by the supervisor in its children: their stdin ends when the supervisor does."""

INTERVAL = 1.0
"""Time between two writings, wall [s]."""

GRACE = 10.0
"""Time a process whose supervisor is gone has for an orderly end, wall [s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """How a process is.

    Attributes:
        name: Which: "twin", "operate", "history", "web" or "supervisor".
        state: See `State`.
        pid: Its number; 0 before the first start.
        since_us: UTC since which it is in this state, [µs].
        heartbeat_us: UTC of its last sign of life, [µs].
        cpu_percent: Of one core, mean since the writing before.
        memory_bytes: Resident memory; None where the system does not tell.
        detail: Numbers and texts of its own.
        error: The `RaffinateError` or bug it ended with: `where`, `what`, `allowed`, `mend`.
        restarts: How often the supervisor has started it again.
        next_try_us: UTC of the next start, [µs], while it is restarting.
        last_exit: Exit code of the process before this one, negative for a signal; None without.
    """

    name: str
    state: State
    pid: int = 0
    since_us: int = 0
    heartbeat_us: int = 0
    cpu_percent: float = 0.0
    memory_bytes: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    restarts: int = 0
    next_try_us: int | None = None
    last_exit: int | None = None

    def age(self, wall_us: int | None = None) -> float:
        """Return the time since the last sign of life, wall [s]."""
        return ((now_us() if wall_us is None else wall_us) - self.heartbeat_us) / 1e6


class StatusWriter:
    """Keeps the status file of the process it is in.

    Args:
        run: Of which run.
        name: Of which process.
    """

    def __init__(self, run: RunDirectory, name: str) -> None:
        self._file = run.status_file(name)
        self._lock = threading.Lock()
        self._status = ProcessStatus(
            name=name, state="starting", pid=os.getpid(), since_us=now_us()
        )
        self._load = _Load()
        self._written = -INTERVAL
        self._write()

    @property
    def status(self) -> ProcessStatus:
        """What was written last, with the details noted since."""
        return self._status

    def beat(self, **detail: Any) -> None:
        """Give a sign of life from the loop that does the work; writes once a wall second.

        Args:
            detail: Numbers, texts, lists and mappings of them; None takes one away. What is not
                given again stays.
        """
        with self._lock:
            kept = {**self._status.detail, **detail}
            self._status = replace(
                self._status, detail={key: kept[key] for key in kept if kept[key] is not None}
            )
            if time.monotonic() - self._written >= INTERVAL:
                self._write()

    def change(self, state: State, error: Mapping[str, Any] | None = None) -> None:
        """Write at once that the process is in another state."""
        with self._lock:
            self._status = replace(self._status, state=state, since_us=now_us(), error=error)
            self._write()

    def running(self) -> None:
        """Say that the process serves now."""
        self.change("running")

    def write(self) -> None:
        """Write at once what is known."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        percent, memory = self._load.measure()
        self._status = replace(
            self._status, heartbeat_us=now_us(), cpu_percent=percent, memory_bytes=memory
        )
        # A full disk must not end a process that controls a plant; its heartbeat then gets old.
        with contextlib.suppress(OSError):
            write_json(self._file, _plain(asdict(self._status)), durable=False)


class StopRequest:
    """That a process shall end: by a signal, by the end of its supervisor, or by itself."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._callbacks: list[Callable[[], object]] = []

    def set(self) -> None:
        """Ask for the end."""
        if not self._event.is_set():
            self._event.set()
            for callback in self._callbacks:
                # An event loop that has closed meanwhile needs no telling.
                with contextlib.suppress(RuntimeError):
                    callback()

    def is_set(self) -> bool:
        """Return whether the end was asked for."""
        return self._event.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the end is asked for, at most `timeout` [s]; return whether it was."""
        return self._event.wait(timeout)

    def then(self, callback: Callable[[], object]) -> None:
        """Call something once at the request, from any thread; at once if it was made already.

        An event loop gives `lambda: loop.call_soon_threadsafe(event.set)`.
        """
        self._callbacks.append(callback)
        if self._event.is_set():
            callback()


Body = Callable[[RunDirectory, StatusWriter, StopRequest], None]
"""What a process does from its start until `StopRequest` is set."""


def process_main(name: str, body: Body) -> NoReturn:
    """Run a process of a run directory as `run_process` does, and leave at once when it has ended.

    All is closed and told by then. An orderly exit of the interpreter would take apart what JAX
    has compiled, for seconds, and would wait for threads that cannot be interrupted.
    """
    try:
        code = run_process(name, body)
    except BaseException:
        traceback.print_exc()
        code = 1
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run_process(name: str, body: Body, arguments: Sequence[str] | None = None) -> int:
    """Run a process of a run directory: its status, its signals, its end.

    Args:
        name: Which.
        body: Calls `StatusWriter.running` once it serves and `beat` from its loop, and returns
            soon after the stop request.
        arguments: The run directory alone; of the command line if left out.

    Returns:
        Exit code: 0 stopped as asked, 2 and 1 as `RaffinateError` says.
    """
    given = sys.argv[1:] if arguments is None else arguments
    try:
        if len(given) != 1:
            raise DataError(
                f"{len(given)} arguments.", where=name, allowed="the run directory alone"
            )
        run = RunDirectory.open(Path(given[0]))
    except RaffinateError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    stop = StopRequest()
    stop_on_signals(stop.set)
    watch_parent(stop.set)
    try:
        with status_of(run, name) as status:
            body(run, status, stop)
    except RaffinateError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


@contextmanager
def status_of(run: RunDirectory, name: str) -> Iterator[StatusWriter]:
    """Keep the status of this process; at the end it says stopped, or failed with the error."""
    status = StatusWriter(run, name)
    try:
        yield status
    except RaffinateError as error:
        status.change("failed", error.to_dict())
        raise
    except BaseException as error:
        lines = traceback.format_exception_only(error)
        what = lines[-1].strip()
        status.change("failed", {"where": name, "what": what, "allowed": "", "mend": ""})
        raise
    else:
        status.change("stopped")


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Call `stop` on SIGTERM, SIGINT and, where there is one, SIGHUP."""
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, lambda *_: stop())


def watch_parent(stop: Callable[[], None], grace: float = GRACE) -> None:
    """Call `stop` when the supervisor is gone, and leave for good if that does not help.

    The supervisor holds the other end of stdin, so even its kill -9 shows here as end of file.
    A process started by hand is left alone.

    Args:
        stop: Asks for an orderly end.
        grace: Time for it, wall [s].
    """
    if os.environ.get(PARENT_PIPE) != "1":
        return

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 1024):
                pass
        stop()
        time.sleep(grace)
        os._exit(1)

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()


def read_status(run: RunDirectory, name: str) -> ProcessStatus | None:
    """Return what a process wrote about itself; None where it never did."""
    try:
        found = read_json(run.status_file(name))
    except DataError:
        return None
    known = {each.name for each in fields(ProcessStatus)}
    kept = {key: value for key, value in found.items() if key in known}
    return ProcessStatus(**{"name": name, "state": "failed", **kept})


def read_statuses(run: RunDirectory) -> tuple[ProcessStatus, ...]:
    """Return how all processes of a run are, the supervisor first.

    What a process says of itself is completed by what the supervisor knows of it; what no longer
    lives is not believed to be running.
    """
    supervisor = read_status(run, "supervisor")
    told: Mapping[str, Mapping[str, Any]] = {}
    if supervisor is not None:
        told = supervisor.detail.get("processes", {})
    names = list(told) or [name for name in PROCESSES if run.status_file(name).exists()]
    found = [_merged(read_status(run, name), name, told.get(name)) for name in names]
    if supervisor is not None:
        found.insert(0, replace(supervisor, detail={}))
    return tuple(_believed(status) for status in found)


def _merged(own: ProcessStatus | None, name: str, told: Mapping[str, Any] | None) -> ProcessStatus:
    if told is None:
        return own or ProcessStatus(name=name, state="stopped")
    extra = {key: told[key] for key in ("restarts", "next_try_us", "last_exit")}
    if own is None or (told["pid"] and own.pid != told["pid"]):
        # The file is of the process before this one, which has not written yet.
        since = told["since_us"]
        return ProcessStatus(
            name=name,
            state=told["state"],
            pid=told["pid"],
            since_us=since,
            heartbeat_us=since,
            error=own.error if own is not None else None,
            **extra,
        )
    if told["state"] in ("restarting", "failed", "stopped"):
        return replace(own, state=told["state"], since_us=told["since_us"], **extra)
    return replace(own, **extra)


def _believed(status: ProcessStatus) -> ProcessStatus:
    if status.state in ("starting", "running") and not is_alive(status.pid):
        return replace(status, state="failed")
    return status


class _Load:
    """Load of this process, without a library: CPU time between two looks, and memory."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def measure(self) -> tuple[float, int | None]:
        """Return CPU since the last call, [% of a core], and resident memory, [bytes]."""
        wall, cpu = time.monotonic(), time.process_time()
        passed, used = wall - self._wall, cpu - self._cpu
        self._wall, self._cpu = wall, cpu
        return (round(100.0 * used / passed, 1) if passed > 0.0 else 0.0), resident_memory()


def resident_memory() -> int | None:
    """Return the resident memory of this process, [bytes]; None where the system does not tell.

    Where there is no /proc it is the most the process ever had.
    Source: proc(5), /proc/[pid]/statm; getrusage(2), whose unit is KiB but bytes on macOS.
    """
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError):
        pass
    if sys.platform == "win32":
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _plain(value: Any) -> Any:
    """Return what JSON can carry: NumPy scalars as numbers, what is not finite as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return float(value) if abs(value) < float("inf") else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    item = getattr(value, "item", None)
    return _plain(item()) if callable(item) else str(value)
