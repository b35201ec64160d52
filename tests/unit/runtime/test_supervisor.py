from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from patience import PATIENCE
from raffinate.errors import RaffinateError, SpecificationError
from raffinate.runtime.private_files import is_alive
from raffinate.runtime.process_status import ProcessStatus, read_status, read_statuses
from raffinate.runtime.run_directory import RunDirectory, RunSettings
from raffinate.runtime.supervisor import Supervisor, main, processes_of
from raffinate.runtime.supervisor_child import Child, Patience
from raffinate.runtime.supervisor_log import last_lines, open_log, turn_over

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and processes")

CHILD = """
import os, signal, subprocess, sys, time
from pathlib import Path
from raffinate.errors import SpecificationError
from raffinate.runtime.process_status import run_process

name, path = sys.argv[1], Path(sys.argv[2])
how = (path / f"{name}.how").read_text()
with (path / "order").open("a") as file:
    file.write(f"+{name}\\n")
print(name, "begins", flush=True)

def body(run, status, stop):
    if how == "refuse":
        raise SpecificationError("the port is taken.", where=name, mend="Choose another.")
    if how == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if how == "parent":
        grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
        (path / "grandchild").write_text(str(grandchild.pid))
    status.running()
    if how == "hang":
        time.sleep(300)
    while not stop.wait(0.1) or how == "stubborn":
        status.beat(links={"up": True})
        status.write()
        time.sleep(0.1 if how == "stubborn" else 0.0)
    with (path / "order").open("a") as file:
        file.write(f"-{name}\\n")

if how == "crash":
    os._exit(3)
if how == "mute":
    time.sleep(300)
sys.exit(run_process(name, body, [str(path)]))
"""

QUICK = Patience(first_retry=0.05, longest_retry=0.4, healthy=0.5, stop=30.0, poll=0.02)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    (tmp_path / "child.py").write_text(CHILD)
    return RunDirectory.create(tmp_path / "run", RunSettings(plant="ceprnd_p507", epoch_us=0))


def command_of(run: RunDirectory) -> Callable[[str], Sequence[str]]:
    script = str(run.path.parent / "child.py")
    return lambda name: (sys.executable, script, name, str(run.path))


def behave(run: RunDirectory, **how: str) -> tuple[str, ...]:
    for name, kind in how.items():
        (run.path / f"{name}.how").write_text(kind)
    return tuple(how)


class Supervised:
    """A supervisor in a thread; what it raised or returned is kept."""

    def __init__(self, run: RunDirectory, names: Sequence[str], patience: Patience = QUICK) -> None:
        self.run = run
        self.seen: list[tuple[ProcessStatus, ...]] = []
        self.supervisor = Supervisor(
            run, names, command_of=command_of(run), patience=patience, on_change=self.seen.append
        )
        self.code: int | None = None
        self.error: RaffinateError | None = None
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _work(self) -> None:
        try:
            self.code = self.supervisor.run()
        except RaffinateError as error:
            self.error = error

    def status(self, name: str) -> ProcessStatus | None:
        return next((each for each in read_statuses(self.run) if each.name == name), None)

    def until(self, name: str, wanted: Callable[[ProcessStatus], bool]) -> ProcessStatus:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = self.status(name)
            if found is not None and wanted(found):
                return found
            time.sleep(0.02)
        raise AssertionError(f"{name} never came to it: {self.status(name)}")

    def end(self) -> int | None:
        self.supervisor.stop()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        return self.code


@contextmanager
def supervised(
    run: RunDirectory, names: Sequence[str], patience: Patience = QUICK
) -> Iterator[Supervised]:
    found = Supervised(run, names, patience)
    try:
        yield found
    finally:
        found.end()


def running(status: ProcessStatus) -> bool:
    return status.state == "running"


def pids(run: RunDirectory, names: Sequence[str]) -> dict[str, int]:
    return {each.name: each.pid for each in read_statuses(run) if each.name in names}


def order(run: RunDirectory) -> list[str]:
    return (run.path / "order").read_text().split()


def test_all_start_at_once_and_stop_in_order_leaving_nothing_behind(run: RunDirectory) -> None:
    names = behave(run, twin="serve", operate="serve", history="serve", web="serve")
    with supervised(run, names) as found:
        for name in names:
            found.until(name, running)
        started = pids(run, names)
        assert found.end() == 0
    assert sorted(order(run)[:4]) == ["+history", "+operate", "+twin", "+web"]
    assert order(run)[4:] == ["-web", "-operate", "-twin", "-history"]
    assert not any(os.path.exists(f"/proc/{pid}") for pid in started.values())
    assert {each.state for each in read_statuses(run)} == {"stopped"}
    assert all(each.last_exit == 0 for each in read_statuses(run) if each.name != "supervisor")
    assert run.supervisor_pid is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_process_that_is_killed_is_started_again_and_the_others_go_on(
    run: RunDirectory, number: int
) -> None:
    names = behave(run, twin="serve", web="serve")
    with supervised(run, names) as found:
        first = found.until("twin", running)
        other = found.until("web", running)
        os.kill(first.pid, number)
        second = found.until("twin", lambda status: running(status) and status.pid != first.pid)
        assert second.restarts == 1
        assert second.last_exit == (0 if number == signal.SIGTERM else -number)
        assert found.until("web", running).pid == other.pid
        assert found.end() == 0
    states = [each.state for seen in found.seen for each in seen if each.name == "twin"]
    assert "restarting" in states


def wait_for_a_beat(run: RunDirectory) -> None:
    def beat() -> int:
        found = read_status(run, "twin")
        return 0 if found is None else found.heartbeat_us

    before = beat()
    while beat() == before:
        time.sleep(0.01)


def test_patience_grows_with_every_failure_and_returns_with_health(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(run, twin="crash")
    child = Child(run, "twin", command_of(run)("twin"), Patience())
    waits = []
    now = [1000.0]
    monkeypatch.setattr("raffinate.runtime.supervisor_child.time.monotonic", lambda: now[0])
    for _ in range(9):
        child._failed(3)
        waits.append(child._next_try - now[0])
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    behave(run, twin="serve")
    child.start()
    try:
        while child.told()["state"] != "running":
            time.sleep(0.02)
            child.look()
        now[0] += 59.0
        wait_for_a_beat(run)
        child.look()
        assert child._failures == 9
        now[0] += 2.0
        wait_for_a_beat(run)
        child.look()
        child._failed(3)
        assert child._next_try - now[0] == 0.5
    finally:
        child.stop(lambda: False)


def test_one_that_ran_and_died_between_two_looks_has_run(run: RunDirectory) -> None:
    behave(run, web="serve")
    child = Child(run, "web", command_of(run)("web"), QUICK)
    child.start()
    try:
        while (status := read_status(run, "web")) is None or status.state != "running":
            time.sleep(0.01)
        os.kill(status.pid, signal.SIGKILL)
        while is_alive(status.pid) and child._process is not None and child._process.poll() is None:
            time.sleep(0.01)
        child.look()
        assert child.last_exit == -signal.SIGKILL
        for _ in range(QUICK.hopeless):
            child._failed(2)
        assert not child.hopeless
    finally:
        child.stop(lambda: False)


def test_a_process_that_crashes_at_every_start_is_tried_on_and_on(run: RunDirectory) -> None:
    names = behave(run, twin="serve", web="crash")
    with supervised(run, names) as found:
        status = found.until("web", lambda status: status.restarts >= 6)
        assert status.last_exit == 3
        assert found.until("twin", running).restarts == 0
        behave(run, web="serve")
        found.until("web", running)
        assert found.end() == 0


def test_a_process_that_hangs_is_ended_and_started_again(run: RunDirectory) -> None:
    names = behave(run, operate="hang")
    with supervised(run, names, replace(QUICK, hung=3.0)) as found:
        first = found.until("operate", running)
        behave(run, operate="serve")
        second = found.until("operate", lambda status: status.restarts == 1 and running(status))
        assert second.pid != first.pid
        assert second.last_exit == -signal.SIGKILL
        assert not is_alive(first.pid)


def test_a_start_may_take_long_but_not_for_ever(run: RunDirectory) -> None:
    names = behave(run, operate="mute")
    with supervised(run, names, replace(QUICK, hung=0.05, start=1.0)) as found:
        status = found.until("operate", lambda status: status.restarts >= 1)
        assert status.last_exit == -signal.SIGKILL


def test_a_jump_of_the_wall_clock_ends_nothing(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = behave(run, twin="serve")
    with supervised(run, names) as found:
        first = found.until("twin", running)
        real = time.time_ns
        for jump in (3600.0, -3600.0):
            monkeypatch.setattr(time, "time_ns", lambda jump=jump: real() + int(jump * 1e9))
            time.sleep(0.3)
        assert found.until("twin", running).pid == first.pid


def test_a_process_whose_settings_cannot_work_ends_the_run_with_its_own_words(
    run: RunDirectory,
) -> None:
    names = behave(run, twin="serve", web="refuse")
    with supervised(run, names) as found:
        found.thread.join(PATIENCE)
        assert isinstance(found.error, SpecificationError)
        assert found.error.to_dict() == {
            "where": "web",
            "what": "the port is taken.",
            "allowed": "",
            "mend": "Choose another.",
        }
    assert order(run).count("+web") == 5
    supervisor = read_statuses(run)[0]
    assert (supervisor.name, supervisor.state) == ("supervisor", "failed")
    assert not any(is_alive(pid) for pid in pids(run, names).values())


def test_what_ran_once_never_ends_the_run_however_its_files_break_later(
    run: RunDirectory,
) -> None:
    names = behave(run, twin="serve", web="serve")
    with supervised(run, names) as found:
        first = found.until("web", running)
        twin = found.until("twin", running)
        behave(run, web="refuse")
        os.kill(first.pid, signal.SIGKILL)
        found.until("web", lambda status: status.restarts >= 7)
        assert found.until("twin", running).pid == twin.pid
        behave(run, web="serve")
        found.until("web", running)


def test_a_process_that_ignores_the_request_is_ended_by_force(run: RunDirectory) -> None:
    names = behave(run, web="stubborn", twin="serve")
    patience = Patience(stop=0.3, poll=0.02)
    with supervised(run, names, patience) as found:
        pid = found.until("web", running).pid
        found.until("twin", running)
        assert found.end() == 1
    assert not is_alive(pid)
    assert order(run)[2:] == ["-twin"]


def test_a_second_request_does_not_wait(run: RunDirectory) -> None:
    names = behave(run, web="stubborn")
    with supervised(run, names, Patience(stop=300.0, poll=0.02)) as found:
        found.until("web", running)
        found.supervisor.stop()
        assert found.end() == 1


def test_what_a_process_started_ends_with_it(run: RunDirectory) -> None:
    names = behave(run, web="parent")
    with supervised(run, names) as found:
        status = found.until("web", running)
        first = int((run.path / "grandchild").read_text())
        assert is_alive(first)
        os.kill(status.pid, signal.SIGKILL)
        found.until("web", lambda status: status.restarts == 1 and running(status))
        assert not is_alive(first)
        second = int((run.path / "grandchild").read_text())
        assert found.end() == 0
    assert not is_alive(second)


def test_a_command_that_does_not_exist_is_a_failure_like_others(run: RunDirectory) -> None:
    supervisor = Supervisor(
        run,
        ("web",),
        command_of=lambda name: ("/nowhere/at/all",),
        patience=QUICK,
        on_change=lambda seen: supervisor.stop() if seen[-1].restarts >= 2 else None,
    )
    assert supervisor.run() == 0
    assert read_statuses(run)[1].last_exit == 127


def test_a_run_is_supervised_once(run: RunDirectory) -> None:
    names = behave(run, web="serve")
    with supervised(run, names) as found:
        found.until("web", running)
        with pytest.raises(SpecificationError, match="already in use by process"):
            Supervisor(run, names, command_of=command_of(run)).run()
        assert running(found.until("web", running))


def test_output_goes_to_the_log_of_each(run: RunDirectory) -> None:
    names = behave(run, web="serve", twin="serve")
    with supervised(run, names) as found:
        for name in names:
            found.until(name, running)
    for name in names:
        assert last_lines(run.log_file(name)) == f"{name} begins"
        assert run.log_file(name).stat().st_mode & 0o777 == 0o600


def test_logs_turn_over_and_their_writers_go_on(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    log = open_log(path)
    try:
        for number in range(6):
            os.write(log, f"{number}".encode() * 50)
            assert turn_over(path, largest=50, kept=3)
            assert not turn_over(path, largest=50, kept=3)
        os.write(log, b"end\n")
    finally:
        os.close(log)
    kept = {each.name: each.read_text()[:1] for each in tmp_path.iterdir()}
    assert kept == {"web.log": "e", "web.log.1": "5", "web.log.2": "4", "web.log.3": "3"}
    assert not turn_over(tmp_path / "none.log")


def test_a_real_plant_takes_the_place_of_the_twin(run: RunDirectory) -> None:
    assert processes_of(run) == ("twin", "operate", "history", "web")
    assert processes_of(run.amended(connect="opc.tcp://plc:4840")) == ("operate", "history", "web")


def test_a_directory_without_a_run_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert main([]) == 2
    assert "holds no run" in capsys.readouterr().err


SUPERVISOR = """
import sys
from pathlib import Path
from raffinate.runtime.run_directory import RunDirectory
from raffinate.runtime.supervisor import Supervisor
from raffinate.runtime.supervisor_child import Patience
script, run = sys.argv[1], RunDirectory.open(Path(sys.argv[2]))
command = lambda name: (sys.executable, script, name, str(run.path))
sys.exit(Supervisor(run, ("twin", "web"), command_of=command, patience=Patience(stop=60)).run())
"""


@contextmanager
def own_process(run: RunDirectory) -> Iterator[subprocess.Popen[bytes]]:
    script = str(run.path.parent / "child.py")
    with subprocess.Popen([sys.executable, "-c", SUPERVISOR, script, str(run.path)]) as process:
        try:
            yield process
        finally:
            process.terminate()


def all_running(run: RunDirectory) -> dict[str, int]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = [each for each in read_statuses(run) if each.name != "supervisor"]
        if len(found) == 2 and all(running(each) for each in found):
            return {each.name: each.pid for each in found}
        time.sleep(0.02)
    raise AssertionError("never running")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_supervisor_stops_everything_on_a_signal(run: RunDirectory, number: int) -> None:
    behave(run, twin="serve", web="serve")
    with own_process(run) as process:
        started = all_running(run)
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
    assert order(run)[2:] == ["-web", "-twin"]
    assert not any(is_alive(pid) for pid in started.values())


def test_when_the_supervisor_is_killed_its_processes_end_and_the_next_one_waits_for_them(
    run: RunDirectory,
) -> None:
    behave(run, twin="serve", web="serve")
    with own_process(run) as process:
        started = all_running(run)
        process.kill()
        process.wait()
    with supervised(run, ("twin", "web")) as found:
        for name in ("twin", "web"):
            # Until they end, the first pair's own words are that they run.
            found.until(name, lambda each: running(each) and each.pid not in started.values())
        assert not any(is_alive(pid) for pid in started.values())
        # Both of the first pair had ended before one of the second began.
        assert sorted(order(run)[2:4]) == ["-twin", "-web"]
