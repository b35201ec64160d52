from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from raffinate.cli import status as commands
from raffinate.runtime.audit import AuditTrail
from raffinate.runtime.audit_run import verify_run
from raffinate.runtime.private_files import now_us, process_start, write_json
from raffinate.runtime.run_directory import RunDirectory, RunSettings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")

NAMES = ("twin", "operate", "history", "web")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    monkeypatch.setenv("RAFFINATE_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "state" / "runs" / "first"
    return RunDirectory.create(path, RunSettings(plant="ceprnd_p507", epoch_us=0, web_port=8123))


def called(*arguments: object) -> Result:
    app = typer.Typer()
    commands.register(app)
    app.callback()(lambda: None)
    return CliRunner().invoke(
        app, ["status", *(str(each) for each in arguments)], env={"COLUMNS": "160"}
    )


def told(run: RunDirectory, name: str, **of: object) -> None:
    """Write the status of a process, which is this one."""
    now = now_us()
    status = {
        "name": name, "state": "running", "pid": os.getpid(), "since_us": now - 90_000_000,
        "heartbeat_us": now, "cpu_percent": 12.0, "memory_bytes": 150_000_000, **of,
    }  # fmt: skip
    write_json(run.status_file(name), status)


def all_well(run: RunDirectory, *, link: bool = True) -> None:
    details: dict[str, object] = {
        "plant_h": 36.5,
        "mode": "fuzzy",
        "alarms": 2,
        "links": {
            "operate → plant": {"connected": link, "age_s": 0.3, "round_trip_ms": 12.0},
        },
    }
    for name in NAMES:
        told(run, name, detail=details if name == "operate" else {"plant_h": 36.0})
    process = {
        "state": "running", "pid": os.getpid(), "begun": process_start(os.getpid()),
        "since_us": 0, "restarts": 0, "next_try_us": None, "last_exit": None,
    }  # fmt: skip
    told(run, "supervisor", detail={"processes": dict.fromkeys(NAMES, process)})


def test_a_run_in_which_all_is_well(run: RunDirectory) -> None:
    all_well(run)
    result = called(run.path)
    assert result.exit_code == 0, result.output
    for word in (
        *NAMES,
        "supervisor",
        "1.5 min",
        "150",
        "36.5 h of plant time",
        "mode fuzzy",
        "2 alarms standing",
        "http://127.0.0.1:8123",
        "operate → plant: connected, 12 ms",
        "not verified yet",
    ):
        assert word in result.stdout


def test_the_same_as_json(run: RunDirectory) -> None:
    all_well(run)
    found = json.loads(called("--json").stdout)
    assert found["healthy"] is True
    assert (found["plant"], found["plant_h"], found["mode"], found["alarms"]) == (
        "ceprnd_p507",
        36.5,
        "fuzzy",
        2,
    )
    assert [row["name"] for row in found["processes"]] == ["supervisor", *NAMES]
    twin = found["processes"][1]
    assert (twin["state"], twin["pid"], twin["restarts"]) == ("running", os.getpid(), 0)
    assert twin["memory_MB"] == 150.0
    assert 0.0 <= twin["age_s"] < 60.0
    assert found["links"] == [
        {"name": "operate → plant", "connected": True, "age_s": 0.3, "round_trip_ms": 12.0}
    ]


def silent(run: RunDirectory) -> None:
    told(run, "web", heartbeat_us=now_us() - 60_000_000)


def dead(run: RunDirectory) -> None:
    told(run, "web", pid=2**22 + 5)
    document = json.loads(run.status_file("supervisor").read_text())
    document["detail"]["processes"]["web"]["pid"] = 2**22 + 5
    write_json(run.status_file("supervisor"), document)


def refusing(run: RunDirectory) -> None:
    told(
        run,
        "web",
        state="failed",
        error={"where": "--port", "what": "port 80 is taken.", "allowed": "", "mend": ""},
    )


def cut_off(run: RunDirectory) -> None:
    all_well(run, link=False)


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (silent, "60."),
        (dead, "failed"),
        (refusing, "web: --port: port 80 is taken."),
        (cut_off, "operate → plant: NOT connected, last heard 0.3 s ago"),
    ],
)
def test_what_is_not_well_is_told_and_exits_with_1(
    run: RunDirectory, trouble: Callable[[RunDirectory], None], says: str
) -> None:
    all_well(run)
    trouble(run)
    result = called(run.path)
    assert says in result.stdout
    assert result.exit_code == 1


def test_a_run_that_has_ended_is_still_told_of(run: RunDirectory) -> None:
    all_well(run)
    for name in (*NAMES, "supervisor"):
        told(run, name, state="stopped", pid=2**22 + 5)
    result = called(run.path)
    assert result.exit_code == 1
    assert result.stdout.count("stopped") == 5


def test_a_run_that_was_never_started_is_not_well(run: RunDirectory) -> None:
    assert called(run.path).exit_code == 1
    assert json.loads(called(run.path, "--json").stdout)["processes"] == []


def test_a_supervisor_that_was_killed_is_seen(run: RunDirectory) -> None:
    all_well(run)
    document = json.loads(run.status_file("supervisor").read_text())
    write_json(run.status_file("supervisor"), {**document, "pid": 2**22 + 5})
    found = json.loads(called(run.path, "--json").stdout)
    assert found["processes"][0]["state"] == "failed"
    assert found["healthy"] is False


@pytest.mark.parametrize("sound", [True, False])
def test_the_last_verification_of_the_audit_trails_is_shown(run: RunDirectory, sound: bool) -> None:
    all_well(run)
    with AuditTrail(run.audit_file("plant")) as trail:
        trail.append(user="anna")
    if not sound:
        run.audit_file("plant").write_text("{}\n")
    verify_run(run)
    assert ("sound at" if sound else "BROKEN at") in called(run.path).stdout


def test_without_any_run_the_mend_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAFFINATE_STATE_DIR", str(tmp_path / "nothing"))
    result = called()
    assert result.exit_code == 2
    assert "raffinate run" in result.stderr
    error = json.loads(called("--json").stderr)["error"]
    assert error["what"] == "there is no run yet."


def test_watching_shows_it_anew_until_interrupted(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_well(run)
    looks = 0

    def sleep(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            told(run, "web", state="stopped")
        if looks == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    result = called(run.path, "--watch")
    assert looks == 3
    assert result.exit_code == 1
    assert "stopped" in result.stdout
