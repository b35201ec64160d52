from __future__ import annotations

import json
import math
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from raffinate.errors import DataError, SpecificationError
from raffinate.runtime.private_files import FileLock, is_alive, lock_holder, process_start
from raffinate.runtime.run_directory import (
    INTERNAL,
    RunDirectory,
    RunSettings,
    default_state_dir,
    find_run,
    free_port,
    is_loopback,
    latest_run,
    new_run_path,
    reachable,
)

SETTINGS = RunSettings(plant="ceprnd_p507", epoch_us=1_700_000_000_000_000)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAFFINATE_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    settings = RunSettings(
        plant="/plants/mine.yaml",
        epoch_us=1_700_000_000_000_001,
        seed=7,
        mode="ratio",
        hours=math.inf,
        story=(("saponification_low@48h", "Too little ammonia"),),
        steps=("feed.nd_mass_fraction=0.42@24h",),
        speed=600.0,
        matched=True,
        host="127.0.0.1",
        web_port=8123,
        plant_port=8124,
        operate_port=8125,
        connect="opc.tcp://plc:4840/",
        nodemap="/maps/plc.yaml",
        users="/etc/raffinate/users.json",
        history_url="postgresql://db/raffinate",
        pki_days=30,
    )
    RunDirectory.create(tmp_path / "run", settings)
    assert RunDirectory.open(tmp_path / "run").settings == settings


def test_only_the_owner_may_enter_a_run_and_read_its_files(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        run = RunDirectory.create(tmp_path / "above" / "run", SETTINGS)
    finally:
        os.umask(old)
    for folder in (run.path, run.path.parent, run.pki, run.ring("plant"), run.path / "status"):
        assert mode_of(folder) == 0o700
    assert mode_of(run.run_file) == mode_of(run.secrets_file) == 0o600


def test_ports_left_open_become_free_ones_that_differ(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", SETTINGS)
    ports = {run.settings.web_port, run.settings.plant_port, run.settings.operate_port}
    assert len(ports) == 3
    assert 0 not in ports
    assert RunDirectory.open(run.path).settings == run.settings


def test_servers_may_not_share_a_port(tmp_path: Path) -> None:
    settings = RunSettings(plant="p", epoch_us=0, web_port=9000, plant_port=9000)
    with pytest.raises(SpecificationError, match="share a port"):
        RunDirectory.create(tmp_path / "run", settings)


def test_endpoints_are_those_the_servers_offer(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", SETTINGS)
    port = run.settings.plant_port
    assert run.settings.plant_endpoint == f"opc.tcp://127.0.0.1:{port}/raffinate/plant/"
    foreign = run.amended(connect="opc.tcp://plc:4840/")
    assert foreign.settings.plant_endpoint == "opc.tcp://plc:4840/"
    assert not foreign.settings.virtual
    assert RunDirectory.open(run.path).settings.connect == "opc.tcp://plc:4840/"


@pytest.mark.parametrize(
    ("host", "address"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("10.0.0.5", "10.0.0.5")],
)
def test_own_processes_reach_a_server_wherever_it_listens(host: str, address: str) -> None:
    assert reachable(host) == address


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_loopback_is_seen_by_this_machine_alone(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "192.168.1.4", "plant.example", "1"])
def test_everything_else_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(SpecificationError, match="nothing can listen at"):
        free_port("203.0.113.7")


def test_internal_accounts_have_passwords_of_their_own_that_no_two_runs_share(
    tmp_path: Path,
) -> None:
    first = RunDirectory.create(tmp_path / "1", SETTINGS).internal_accounts()
    second = RunDirectory.create(tmp_path / "2", SETTINGS).internal_accounts()
    assert set(first) == set(INTERNAL)
    assert first["operate"][1] == "guard"
    assert {role for name, (_, role) in first.items() if name != "operate"} == {"service"}
    passwords = [password for run in (first, second) for password, _ in run.values()]
    assert len(set(passwords)) == len(passwords)
    assert all(len(password) >= 40 for password in passwords)


def test_secrets_that_others_may_read_are_refused(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", SETTINGS)
    run.secrets_file.chmod(0o644)
    with pytest.raises(SpecificationError, match="others may open it"):
        run.secrets()


def test_secrets_of_another_make_are_refused(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", SETTINGS)
    run.secrets_file.write_text('{"operate": "x"}')
    with pytest.raises(DataError, match="secrets of this run"):
        run.secrets()


def test_a_directory_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", SETTINGS)
    before = run.secrets()
    with pytest.raises(SpecificationError, match="holds a run already"):
        RunDirectory.create(tmp_path / "run", SETTINGS)
    assert run.secrets() == before


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecificationError, match="cannot be made there"):
        RunDirectory.create(tmp_path / "file" / "run", SETTINGS)


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no run"):
        RunDirectory.open(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("sped", 1.0, "sped"),
        ("seed", "1", "seed"),
        ("web_port", 70000, "web_port"),
        ("hours", -1.0, "hours"),
        ("format", "raffinate-run/2", "format"),
    ],
)
def test_settings_that_are_none_are_refused_by_name(
    tmp_path: Path, key: str, value: object, says: str
) -> None:
    run = RunDirectory.create(tmp_path / "run", SETTINGS)
    document = json.loads(run.run_file.read_text())
    run.run_file.write_text(json.dumps({**document, key: value}))
    with pytest.raises(SpecificationError, match=f"run.json: {says}"):
        RunDirectory.open(run.path)


def test_amended_settings_are_checked_before_they_are_written(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", SETTINGS)
    with pytest.raises(SpecificationError, match="speed"):
        run.amended(speed=-1.0)
    assert RunDirectory.open(run.path).settings == run.settings


def test_the_state_directory_follows_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAFFINATE_STATE_DIR")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", "/home/anna")
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    assert default_state_dir() == Path("/var/state/raffinate")
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    assert default_state_dir() == Path("/home/anna/.local/state/raffinate")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_state_dir() == Path("/home/anna/Library/Application Support/raffinate")


def test_a_new_run_is_named_after_time_and_plant(state_dir: Path) -> None:
    wall = 1_700_000_000_000_000
    path = new_run_path("/plants/my plant.yaml", wall_us=wall)
    assert path == state_dir / "runs" / "20231114T221320Z-my-plant"
    path.mkdir(parents=True)
    assert new_run_path("/plants/my plant.yaml", wall_us=wall).name.endswith("my-plant-2")
    assert re.fullmatch(r"\d{8}T\d{6}Z-ceprnd_p507", new_run_path("ceprnd_p507").name)


def test_the_latest_run_is_found_and_a_supervised_one_before_it() -> None:
    assert latest_run() is None
    old = RunDirectory.create(new_run_path("p", wall_us=10**15), SETTINGS)
    new = RunDirectory.create(new_run_path("p", wall_us=2 * 10**15), SETTINGS)
    assert find_run(None).path == new.path
    with old.lock():
        assert old.supervisor_pid == os.getpid()
        assert find_run(None).path == old.path
    assert old.supervisor_pid is None
    assert find_run(old.path).path == old.path


def test_without_any_run_the_mend_is_told() -> None:
    with pytest.raises(DataError, match="Start one with raffinate run"):
        find_run(None)


def test_a_run_has_one_supervisor(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", SETTINGS)
    with (
        run.lock(),
        pytest.raises(SpecificationError, match=f"in use by process {os.getpid()}"),
        run.lock(),
    ):
        pass
    with run.lock():
        pass


HOLD = """
import sys, time
from pathlib import Path
from raffinate.runtime.private_files import FileLock
FileLock(Path(sys.argv[1]), "it").acquire()
print("held", flush=True)
time.sleep(60)
"""


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert lock_holder(path) == process.pid
        with pytest.raises(SpecificationError, match=f"by process {process.pid}"):
            FileLock(path, "it").acquire()
        process.kill()
        process.wait()
        assert path.read_text() != ""
        assert lock_holder(path) is None
        with FileLock(path, "it"):
            assert lock_holder(path) == os.getpid()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
def test_a_process_number_used_again_is_not_taken_for_the_same_process() -> None:
    begun = process_start(os.getpid())
    assert is_alive(os.getpid(), begun)
    assert not is_alive(os.getpid(), str(int(begun) - 1))
    assert not is_alive(2**22 + 1)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
def test_a_zombie_does_not_live() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read()
        # Not collected yet: its number is taken, but nothing runs.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(process.pid)
