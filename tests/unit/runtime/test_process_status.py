from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from patience import PATIENCE
from raffinate.errors import SpecificationError
from raffinate.runtime import process_status
from raffinate.runtime.private_files import now_us, process_start, write_json
from raffinate.runtime.process_status import (
    PARENT_PIPE,
    ProcessStatus,
    StatusWriter,
    StopRequest,
    read_status,
    read_statuses,
    resident_memory,
    run_process,
    status_of,
)
from raffinate.runtime.run_directory import RunDirectory, RunSettings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and processes")


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "run", RunSettings(plant="ceprnd_p507", epoch_us=0))


def test_a_process_tells_how_it_is(run: RunDirectory) -> None:
    before = now_us()
    writer = StatusWriter(run, "twin")
    starting = read_status(run, "twin")
    writer.running()
    running = read_status(run, "twin")
    assert starting is not None
    assert running is not None
    assert (starting.state, running.state) == ("starting", "running")
    assert running.pid == os.getpid()
    assert before <= starting.since_us <= running.since_us <= running.heartbeat_us <= now_us()
    assert running.age(running.heartbeat_us + 2_500_000) == 2.5
    assert running.memory_bytes is not None
    assert 5e6 < running.memory_bytes < 5e9


def test_details_are_kept_until_they_are_taken_away(run: RunDirectory) -> None:
    writer = StatusWriter(run, "twin")
    writer.beat(step_ms=1.5, links={"operate → plant": True})
    writer.beat(step_ms=np.float64(2.5), worst=math.nan, count=np.int64(3))
    writer.beat(links=None)
    writer.write()
    found = read_status(run, "twin")
    assert found is not None
    assert found.detail == {"step_ms": 2.5, "worst": None, "count": 3}


def test_beats_are_written_once_a_second(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(process_status.time, "monotonic", lambda: now[0])
    writer = StatusWriter(run, "twin")
    file = run.status_file("twin")
    seen = set()
    for step in range(40):
        now[0] = 100.0 + step * 0.1
        writer.beat(step=step)
        seen.add(json.loads(file.read_text())["detail"].get("step"))
    assert len(seen) == 4


def test_a_disk_that_takes_nothing_does_not_end_the_process(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = StatusWriter(run, "twin")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(process_status, "write_json", full)
    writer.running()
    assert writer.status.state == "running"


def test_the_end_of_a_process_is_told(run: RunDirectory) -> None:
    with status_of(run, "web") as status:
        status.running()
    found = read_status(run, "web")
    assert found is not None
    assert (found.state, found.error) == ("stopped", None)


def test_a_deliberate_error_is_told_in_full(run: RunDirectory) -> None:
    with pytest.raises(SpecificationError), status_of(run, "web"):
        raise SpecificationError("it is taken.", where="port 80", allowed="others", mend="Move.")
    found = read_status(run, "web")
    assert found is not None
    assert found.state == "failed"
    assert found.error == {
        "where": "port 80",
        "what": "it is taken.",
        "allowed": "others",
        "mend": "Move.",
    }


def test_a_bug_is_told_and_not_swallowed(run: RunDirectory) -> None:
    with pytest.raises(ZeroDivisionError), status_of(run, "web"):
        1 / 0  # noqa: B018
    found = read_status(run, "web")
    assert found is not None
    assert found.error is not None
    assert found.error["what"] == "ZeroDivisionError: division by zero"


def test_a_damaged_or_missing_status_is_none(run: RunDirectory) -> None:
    assert read_status(run, "web") is None
    run.status_file("web").write_text("{")
    assert read_status(run, "web") is None


def test_memory_is_that_of_this_process() -> None:
    before = resident_memory()
    block = np.ones(40_000_000, dtype=np.uint8)
    after = resident_memory()
    assert before is not None
    assert after is not None
    assert after - before > 30e6
    assert block.sum() == 40_000_000


def test_a_stop_request_is_heard_before_and_after_it_is_made() -> None:
    stop, heard = StopRequest(), list[str]()
    stop.then(lambda: heard.append("before"))
    assert not stop.wait(0.0)
    stop.set()
    stop.set()
    stop.then(lambda: heard.append("after"))
    assert stop.is_set()
    assert stop.wait()
    assert heard == ["before", "after"]


def told(run: RunDirectory, **of: object) -> None:
    """Write what a supervisor, this process, says of a web process."""
    process = {
        "state": "running", "pid": os.getpid(), "begun": process_start(os.getpid()),
        "since_us": 5, "restarts": 2, "next_try_us": None, "last_exit": -9, **of,
    }  # fmt: skip
    status = {
        "name": "supervisor", "state": "running", "pid": os.getpid(), "since_us": 1,
        "heartbeat_us": 7, "detail": {"processes": {"web": process}},
    }  # fmt: skip
    write_json(run.status_file("supervisor"), status)


def web_of(run: RunDirectory) -> ProcessStatus:
    supervisor, web = read_statuses(run)
    assert supervisor.name == "supervisor"
    return web


def test_what_a_process_says_is_completed_by_its_supervisor(run: RunDirectory) -> None:
    writer = StatusWriter(run, "web")
    writer.running()
    told(run)
    web = web_of(run)
    assert (web.state, web.pid, web.restarts, web.last_exit) == ("running", os.getpid(), 2, -9)
    assert web.since_us == writer.status.since_us


def test_while_it_waits_to_be_started_again_its_old_file_is_not_believed(
    run: RunDirectory,
) -> None:
    StatusWriter(run, "web").running()
    told(run, state="restarting", next_try_us=99)
    assert (web_of(run).state, web_of(run).next_try_us) == ("restarting", 99)


def test_a_new_process_is_starting_until_it_writes(run: RunDirectory) -> None:
    write_json(run.status_file("web"), {"name": "web", "state": "running", "pid": 2**22 + 5})
    told(run, state="starting")
    assert (web_of(run).state, web_of(run).pid, web_of(run).heartbeat_us) == (
        "starting",
        os.getpid(),
        5,
    )


def test_what_no_longer_lives_is_not_running(run: RunDirectory) -> None:
    gone = 2**22 + 5
    write_json(run.status_file("web"), {"name": "web", "state": "running", "pid": gone})
    write_json(run.status_file("twin"), {"name": "twin", "state": "stopped", "pid": gone})
    assert {status.name: status.state for status in read_statuses(run)} == {
        "twin": "stopped",
        "web": "failed",
    }


CHILD = """
import sys, time
from raffinate.errors import SpecificationError
from raffinate.runtime.process_status import process_main

how = sys.argv[1]

def body(run, status, stop):
    if how == "refuse":
        raise SpecificationError("it will not do.", where="here")
    if how == "bug":
        1 / 0
    status.running()
    while not stop.wait(0.02):
        status.beat(count=1)
    if how == "linger":
        time.sleep(60)

if how == "linger":
    import raffinate.runtime.process_status as module
    watch = module.watch_parent
    module.watch_parent = lambda stop: watch(stop, grace=0.2)
if how == "serve":
    # A thread that an orderly exit would wait for.
    import threading
    threading.Thread(target=time.sleep, args=(300,)).start()
sys.argv = sys.argv[:1] + sys.argv[2:]
process_main("web", body)
"""


@contextmanager
def child(run: RunDirectory, how: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, how, str(run.path)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, PARENT_PIPE: "1"},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(run: RunDirectory, state: str) -> ProcessStatus:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = read_status(run, "web")
        if found is not None and found.state == state:
            return found
        time.sleep(0.02)
    raise AssertionError(f"never {state}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_process_ends_in_good_order_on_a_signal(run: RunDirectory, number: int) -> None:
    with child(run, "serve") as process:
        assert wait_for(run, "running").pid == process.pid
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
    assert wait_for(run, "stopped").error is None


def test_a_process_ends_in_good_order_when_its_supervisor_is_gone(run: RunDirectory) -> None:
    with child(run, "serve") as process:
        wait_for(run, "running")
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
    wait_for(run, "stopped")


def test_a_process_that_does_not_end_by_then_is_ended(run: RunDirectory) -> None:
    with child(run, "linger") as process:
        wait_for(run, "running")
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE) == 1


def test_a_process_that_cannot_run_says_why_and_exits_with_2(run: RunDirectory) -> None:
    with child(run, "refuse") as process:
        _, errors = process.communicate()
        assert process.returncode == 2
    assert errors == b"error: here: it will not do.\n"
    assert wait_for(run, "failed").error is not None


def test_a_bug_keeps_its_traceback_and_exits_with_1(run: RunDirectory) -> None:
    with child(run, "bug") as process:
        _, errors = process.communicate()
        assert process.returncode == 1
    assert b"Traceback" in errors
    assert errors.endswith(b"ZeroDivisionError: division by zero\n")
    assert wait_for(run, "failed").error is not None


def test_a_directory_without_a_run_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def body(*_: object) -> None:
        raise AssertionError("must not run")

    assert run_process("web", body, [str(tmp_path)]) == 2
    assert run_process("web", body, []) == 2
    assert "holds no run" in capsys.readouterr().err
