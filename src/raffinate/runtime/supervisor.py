"""The supervisor: starts the processes of a run, keeps them going, and stops them in order.

Processes are spawned, never forked, and start all at once: each waits for those it needs by
retrying its links. `python -m raffinate.runtime.supervisor RUN_DIRECTORY` runs a directory that
was made before, which is what a service manager calls.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from raffinate.errors import DataError, RaffinateError, SpecificationError
from raffinate.runtime.private_files import is_alive
from raffinate.runtime.process_status import (
    GRACE,
    INTERVAL,
    PROCESSES,
    ProcessStatus,
    StatusWriter,
    read_status,
    read_statuses,
    status_of,
)
from raffinate.runtime.run_directory import RunDirectory
from raffinate.runtime.supervisor_child import Child, Patience
from raffinate.runtime.supervisor_log import last_lines

STOP_ORDER = ("web", "operate", "twin", "history")
"""Who is stopped before whom. Pages must not show a plant that is being taken apart; the guard
stops writing before the plant it writes to; and history comes last, so that it takes the last
records, from the rings on disk, after their writers have ended."""

STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")

OnChange = Callable[[tuple[ProcessStatus, ...]], None]
"""Called in the supervisor's thread with all statuses, every wall second and at every change."""


class Supervisor:
    """Keeps the processes of one run going.

    Args:
        run: The run directory.
        processes: Which; all that the run needs if left out.
        on_change: Told how all processes are.
        command_of: What to start for a process; its module if left out.
        patience: How long to wait for what.
    """

    def __init__(
        self,
        run: RunDirectory,
        processes: Sequence[str] | None = None,
        *,
        on_change: OnChange | None = None,
        command_of: Callable[[str], Sequence[str]] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.run_directory = run
        self._patience = patience or Patience()
        self._on_change = on_change
        command = command_of or self._command
        names = processes_of(run) if processes is None else tuple(processes)
        self._children = [Child(run, name, command(name), self._patience) for name in names]
        self._wake = threading.Event()
        self._requests = 0
        self._told: dict[str, Any] = {}
        self._next_write = 0.0

    def _command(self, name: str) -> Sequence[str]:
        module = f"raffinate.runtime.{name}_process"
        return (sys.executable, "-m", module, str(self.run_directory.path))

    def stop(self) -> None:
        """Ask `run` to stop everything, from any thread or signal; twice, to do so by force."""
        self._requests += 1
        self._wake.set()

    def run(self) -> int:
        """Run until asked to stop, by `stop`, SIGINT, SIGTERM or SIGHUP.

        Returns:
            0 if every process ended in good order, 1 if one had to be ended by force.

        Raises:
            SpecificationError: The run has a supervisor already, or a process cannot run with
                its settings, which it said.
        """
        with self.run_directory.lock(), _signals_to(self.stop):
            self._wait_for_former()
            with status_of(self.run_directory, "supervisor") as status:
                return self._run(status)

    def _run(self, status: StatusWriter) -> int:
        try:
            for child in self._children:
                child.start()
            status.running()
            hopeless = self._keep_going(status)
        finally:
            self._stop_all(status)
        if hopeless is not None:
            raise self._error_of(hopeless)
        return 1 if any(child.killed for child in self._children) else 0

    def _keep_going(self, status: StatusWriter) -> Child | None:
        """Watch until asked to stop, or until a child is hopeless, which is returned."""
        while not self._requests:
            for child in self._children:
                child.look()
                if child.hopeless:
                    return child
            self._tell(status)
            self._wake.wait(self._patience.poll)
        return None

    def _tell(self, status: StatusWriter) -> None:
        told = {child.name: child.told() for child in self._children}
        changed = told != self._told
        if not changed and time.monotonic() < self._next_write:
            return
        self._told = told
        self._next_write = time.monotonic() + INTERVAL
        status.beat(processes=told)
        if changed:
            status.write()
        if self._on_change is not None:
            self._on_change(read_statuses(self.run_directory))

    def _stop_all(self, status: StatusWriter) -> None:
        children = {child.name: child for child in self._children}
        rest = [name for name in children if name not in STOP_ORDER]
        for name in (*rest, *STOP_ORDER):
            if name in children:
                children[name].stop(lambda: self._requests > 1)
                self._tell(status)

    def _wait_for_former(self) -> None:
        """Wait until the processes of a supervisor that was killed are gone.

        They hold ports and locks, and see by themselves that they have to end.
        """
        former = read_status(self.run_directory, "supervisor")
        told = former.detail.get("processes", {}) if former is not None else {}
        deadline = time.monotonic() + GRACE + self._patience.stop
        for process in told.values():
            # Without the time of its start, a number may by now be that of another process.
            begun = process["begun"]
            while begun and is_alive(process["pid"], begun) and not self._requests:
                if time.monotonic() > deadline:
                    os.kill(process["pid"], signal.SIGKILL)
                self._wake.wait(self._patience.poll)
        for child in self._children:
            self.run_directory.status_file(child.name).unlink(missing_ok=True)

    def _error_of(self, child: Child) -> RaffinateError:
        status = read_status(self.run_directory, child.name)
        log = self.run_directory.log_file(child.name)
        if status is not None and status.error is not None:
            error = status.error
            return SpecificationError(
                error["what"], where=error["where"], allowed=error["allowed"], mend=error["mend"]
            )
        return SpecificationError(
            f"it cannot start:\n{last_lines(log)}", where=child.name, mend=f"See {log}."
        )


def processes_of(run: RunDirectory) -> tuple[str, ...]:
    """Return the processes a run needs: a real plant takes the place of the twin."""
    return PROCESSES if run.settings.virtual else tuple(p for p in PROCESSES if p != "twin")


@contextmanager
def _signals_to(stop: Callable[[], None]) -> Iterator[None]:
    """Let the signals to end call `stop`; a thread that may not have them goes without."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def called(number: int, frame: FrameType | None) -> None:
        stop()

    numbers = [getattr(signal, name) for name in STOP_SIGNALS if hasattr(signal, name)]
    before = {number: signal.signal(number, called) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(arguments: Sequence[str]) -> int:
    """Run the supervisor of a run directory; return its exit code."""
    try:
        if len(arguments) != 1:
            raise DataError(
                f"{len(arguments)} arguments.", where="supervisor", allowed="one run directory"
            )
        return Supervisor(RunDirectory.open(Path(arguments[0]))).run()
    except RaffinateError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
