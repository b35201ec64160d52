"""One supervised process: started, watched, started again with growing patience, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from raffinate.runtime.private_files import now_us, process_start
from raffinate.runtime.process_status import PARENT_PIPE, State, read_status
from raffinate.runtime.run_directory import RunDirectory
from raffinate.runtime.supervisor_log import open_log, turn_over

WRONG_SETTINGS = 2
"""Exit code of a process whose plant, settings or files cannot be run as written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the supervisor waits for what; wall times, [s]. All values are assumed.

    Attributes:
        first_retry: Wait before the first restart; each further one doubles it.
        longest_retry: Longest wait before a restart.
        healthy: Time of running after which earlier failures are forgotten.
        hung: Longest silence of a process that runs.
        start: Longest time to get ready; compiling for the first time takes a while.
        stop: Time between asking a process to end and ending it.
        hopeless: Ends with `WRONG_SETTINGS`, before the process ever ran, that end the run.
        hopeless_within: Time in which they have to fall.
        poll: Time between two looks.
    """

    first_retry: float = 0.5
    longest_retry: float = 30.0
    healthy: float = 60.0
    hung: float = 20.0
    start: float = 300.0
    stop: float = 5.0
    hopeless: int = 5
    hopeless_within: float = 60.0
    poll: float = 0.1


class Child:
    """A process of a run under supervision. All methods are called from one thread.

    Args:
        run: Of which run.
        name: Which process.
        command: What to start.
        patience: How long to wait for what.
    """

    def __init__(
        self, run: RunDirectory, name: str, command: Sequence[str], patience: Patience
    ) -> None:
        self.name = name
        self.restarts = 0
        self.last_exit: int | None = None
        self.killed = False
        self._run = run
        self._command = tuple(command)
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._state: State = "stopped"
        self._pid = 0
        self._begun = ""
        self._since_us = now_us()
        self._failures = 0
        self._next_try = 0.0
        self._next_try_us: int | None = None
        self._hopeless: deque[float] = deque(maxlen=patience.hopeless)
        self._heartbeat = (0, 0.0)
        self._running_since: float | None = None
        self._ever_ran = False

    @property
    def hopeless(self) -> bool:
        """Whether it failed by its settings so often that starting it again is of no use.

        One that has run before never is: a file that breaks later must not stop a plant.
        """
        times = self._hopeless
        full = len(times) == self._patience.hopeless
        return full and times[-1] - times[0] <= self._patience.hopeless_within

    def told(self) -> dict[str, Any]:
        """Return what the supervisor writes about it into its status."""
        return {
            "state": self._state,
            "pid": self._pid,
            "begun": self._begun,
            "since_us": self._since_us,
            "restarts": self.restarts,
            "next_try_us": self._next_try_us,
            "last_exit": self.last_exit,
        }

    def start(self) -> None:
        """Start it; a start that the system refuses counts as a failure."""
        self._running_since = None
        self._heartbeat = (0, time.monotonic())
        try:
            log = open_log(self._run.log_file(self.name))
        except OSError:
            log = os.open(os.devnull, os.O_WRONLY)
        try:
            self._process = self._spawned(log)
        except OSError:
            self._failed(127)
            return
        finally:
            os.close(log)
        self._pid = self._process.pid
        self._begun = process_start(self._pid)
        self._change("starting")

    def _spawned(self, log: int) -> subprocess.Popen[bytes]:
        # In a session of its own: neither Ctrl+C nor a closed terminal reaches it before the
        # supervisor has stopped those that depend on it. Its stdin ends when the supervisor does.
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, PARENT_PIPE: "1", "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )

    def look(self) -> None:
        """See how it is: collect it if it ended, end it if it hangs, start it if it is time."""
        turn_over(self._run.log_file(self.name))
        if self._process is None:
            if self._state == "restarting" and time.monotonic() >= self._next_try:
                self.restarts += 1
                self.start()
            return
        code = self._process.poll()
        self._read_signs(time.monotonic())
        if code is not None:
            self._collect()
            self._failed(code)
            return
        self._watch()

    def stop(self, hurry: Callable[[], bool]) -> None:
        """End it and all it started: asked first, ended by force after `Patience.stop`.

        Args:
            hurry: Whether not to wait any longer.
        """
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.terminate()
            self.last_exit = self._ended(hurry)
            self._collect()
        self._change("stopped")

    def _ended(self, hurry: Callable[[], bool]) -> int:
        assert self._process is not None
        deadline = time.monotonic() + self._patience.stop
        while not hurry() and time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._process.wait(self._patience.poll)
        self.killed = True
        self._kill()
        return self._process.wait()

    def _read_signs(self, now: float) -> None:
        """Take note of its heartbeat and of whether it runs, also of one that has just ended.

        It may have begun to run and died since the last look.
        """
        status = read_status(self._run, self.name)
        if status is not None and status.pid == self._pid:
            if status.heartbeat_us != self._heartbeat[0]:
                self._heartbeat = (status.heartbeat_us, now)
            if status.state == "running" and self._running_since is None:
                self._running_since = now
                self._ever_ran = True
                self._hopeless.clear()
                self._change("running")

    def _watch(self) -> None:
        """End it if its heartbeat stands still.

        The heartbeat is compared with itself on the supervisor's own monotonic clock, so that a
        jump of the wall clock ends nothing.
        """
        now = time.monotonic()
        ready = self._running_since is not None
        if self._running_since is not None and now - self._running_since > self._patience.healthy:
            self._failures = 0
        silence = self._patience.hung if ready else self._patience.start
        if now - self._heartbeat[1] > silence:
            self._kill()

    def _kill(self) -> None:
        assert self._process is not None
        with contextlib.suppress(OSError):
            self._process.kill()

    def _collect(self) -> None:
        """Close the pipe to a process that ended, and end what it left behind."""
        assert self._process is not None
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        if sys.platform != "win32":
            # The group bears the number of the process, which the system gives to no other while
            # any member is left.
            with contextlib.suppress(OSError):
                os.killpg(self._pid, signal.SIGKILL)
        self._process = None

    def _failed(self, code: int) -> None:
        now = time.monotonic()
        self.last_exit = code
        if code != WRONG_SETTINGS:
            self._hopeless.clear()
        elif not self._ever_ran:
            self._hopeless.append(now)
        wait = min(
            self._patience.longest_retry,
            # The exponent is bounded, because powers overflow long after it has stopped to matter.
            self._patience.first_retry * 2.0 ** min(self._failures, 30),
        )
        self._failures += 1
        self._next_try = now + wait
        self._next_try_us = now_us() + round(wait * 1e6)
        self._change("restarting")

    def _change(self, state: State) -> None:
        if state != "restarting":
            self._next_try_us = None
        self._state = state
        self._since_us = now_us()
