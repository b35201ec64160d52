from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from raffinate.cli import audit as commands
from raffinate.runtime.audit import AuditTrail, anchor_of
from raffinate.runtime.audit_run import last_verdict
from raffinate.runtime.historian import open_historian
from raffinate.runtime.records import Record
from raffinate.runtime.run_directory import RunDirectory, RunSettings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")

EPOCH = 1_700_000_000_000_000


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    monkeypatch.setenv("RAFFINATE_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "state" / "runs" / "first"
    return RunDirectory.create(path, RunSettings(plant="ceprnd_p507", epoch_us=EPOCH))


def called(*arguments: object) -> Result:
    app = typer.Typer()
    commands.register(app)
    app.callback()(lambda: None)
    return CliRunner().invoke(
        app, ["audit", *(str(each) for each in arguments)], env={"COLUMNS": "160"}
    )


def write(run: RunDirectory, trail: str, count: int, user: str = "anna") -> list[dict[str, object]]:
    with AuditTrail(run.audit_file(trail)) as kept:
        return [
            kept.append(
                wall=EPOCH + number * 1_000_000 + len(trail),
                plant_time=60.0 * number,
                user=user,
                role="operator",
                source="opcua",
                what="Levers/organic_flow/Request",
                old=14.0,
                new=14.0 + number,
                accepted=number % 2 == 0,
                reason="" if number % 2 == 0 else "out of range",
            )
            for number in range(count)
        ]


def test_sound_trails_are_told_so(run: RunDirectory) -> None:
    write(run, "plant", 3)
    write(run, "operate", 2)
    result = called("verify", run.path)
    assert result.exit_code == 0
    assert "audit-plant.jsonl" in result.stdout
    assert result.stdout.count("sound") == 2
    found = json.loads(called("verify", run.path, "--json").stdout)
    assert found["sound"] is True
    assert [(trail["trail"], trail["entries"]) for trail in found["trails"]] == [
        ("operate", 2),
        ("plant", 3),
    ]
    noted = last_verdict(run)
    assert noted is not None
    assert noted[1]


def test_the_latest_run_is_verified_where_none_is_named(run: RunDirectory) -> None:
    write(run, "plant", 3)
    assert called("verify").exit_code == 0
    assert "audit-plant.jsonl" in called("verify").stdout


def test_a_broken_trail_is_named_with_its_line_and_exits_with_1(run: RunDirectory) -> None:
    write(run, "plant", 3)
    write(run, "operate", 3)
    path = run.audit_file("plant")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    result = called("verify", run.path)
    assert result.exit_code == 1
    assert "BROKEN at line 2" in result.stdout
    found = json.loads(called("verify", run.path, "--json").stdout)
    assert [trail["sound"] for trail in found["trails"]] == [True, False]
    noted = last_verdict(run)
    assert noted is not None
    assert not noted[1]


def test_a_run_without_trails_has_nothing_to_find(run: RunDirectory) -> None:
    result = called("verify", run.path)
    assert result.exit_code == 0
    assert "no audit trail yet" in result.stderr


def into_history(run: RunDirectory, entries: list[dict[str, object]]) -> None:
    historian = open_historian(run.history_url)
    historian.take(
        "plant", [Record(sequence=1, time=0.0, wall=EPOCH, changes=tuple(entries))], EPOCH
    )
    historian.close()


def test_a_trail_forged_whole_is_found_by_the_copies_in_the_history(run: RunDirectory) -> None:
    into_history(run, write(run, "plant", 4))
    result = called("verify", run.path)
    assert result.exit_code == 0
    assert "Compared with 4 entries in the history" in result.stderr
    for path in (run.audit_file("plant"), anchor_of(run.audit_file("plant"))):
        path.unlink()
    write(run, "plant", 4, user="ben")
    result = called("verify", run.path)
    assert result.exit_code == 1
    assert "differs from its anchor or copy" in result.stdout


def test_a_trail_that_is_gone_is_found_by_the_copies_in_the_history(run: RunDirectory) -> None:
    into_history(run, write(run, "plant", 4))
    run.audit_file("plant").unlink()
    result = called("verify", run.path, "--json")
    assert result.exit_code == 1
    assert "the history has 4" in json.loads(result.stdout)["trails"][0]["reason"]


def test_a_single_trail_may_be_verified(run: RunDirectory) -> None:
    write(run, "plant", 3)
    write(run, "operate", 3)
    found = json.loads(called("verify", run.audit_file("plant"), "--json").stdout)
    assert [trail["trail"] for trail in found["trails"]] == ["plant"]


def entries(*arguments: object) -> list[dict[str, object]]:
    result = called("show", *arguments, "--json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, object]] = json.loads(result.stdout)["entries"]
    return found


def test_entries_of_all_trails_are_shown_in_the_order_of_time(run: RunDirectory) -> None:
    write(run, "plant", 3)
    write(run, "operate", 3)
    found = entries(run.path)
    assert [(entry["trail"], entry["n"]) for entry in found] == [
        ("plant", 1), ("operate", 1), ("plant", 2), ("operate", 2), ("plant", 3), ("operate", 3),
    ]  # fmt: skip
    assert [(entry["trail"], entry["n"]) for entry in entries(run.path, "--most", 2)] == [
        ("plant", 3),
        ("operate", 3),
    ]


def test_refusals_and_users_can_be_picked_out(run: RunDirectory) -> None:
    write(run, "plant", 4)
    write(run, "operate", 4, user="ben")
    assert {entry["accepted"] for entry in entries(run.path, "--refused")} == {False}
    assert len(entries(run.path, "--refused")) == 4
    assert {entry["user"] for entry in entries(run.path, "--user", "ben")} == {"ben"}
    assert len(entries(run.path, "--user", "ben", "--refused")) == 2
    assert entries(run.path, "--user", "carl") == []


def test_the_table_says_who_what_and_why_not(run: RunDirectory) -> None:
    write(run, "plant", 2)
    shown = called("show", run.path).stdout
    for word in ("anna (operator)", "Levers/organic_flow/Request", "15.0", "refused: out of range"):
        assert word in shown


def test_what_an_intruder_wrote_neither_styles_the_table_nor_commands_the_terminal(
    run: RunDirectory,
) -> None:
    with AuditTrail(run.audit_file("plant")) as trail:
        trail.append(user="[/red]\x1b[2J", role="viewer", what="[bold]", new="\x1b]0;x\x07", wall=1)
    result = called("show", run.path)
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "\x07" not in result.stdout
    assert "[/red]\\x1b[2J" in result.stdout
    assert "[bold]" in result.stdout


def test_without_a_trail_there_is_nothing_to_show(run: RunDirectory) -> None:
    result = called("show", run.path)
    assert result.exit_code == 2
    assert "no audit trail yet" in result.stderr
