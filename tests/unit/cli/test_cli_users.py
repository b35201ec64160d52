from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from raffinate.cli import users as commands
from raffinate.runtime import users
from raffinate.runtime.users import UserTable

WORDS = "correct horse battery"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAFFINATE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(users, "COST", (2**14, 8, 1))
    return tmp_path / "state" / "users.json"


def run(*arguments: str, typed: str | None = None) -> Result:
    app = typer.Typer()
    commands.register(app)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["users", *arguments], input=typed, env={"COLUMNS": "100"})


def added(name: str, role: str) -> None:
    result = run("add", name, "--role", role, "--password-stdin", typed=f"{WORDS}\n")
    assert result.exit_code == 0, result.output


def test_the_password_is_asked_for_twice_and_not_shown(path: Path) -> None:
    result = run("add", "anna", "--role", "engineer", typed=f"{WORDS}\n{WORDS}\n")
    assert result.exit_code == 0
    assert result.stdout.strip() == ""
    assert WORDS not in result.output
    assert UserTable.load(path).verify("anna", WORDS) == "engineer"


def test_two_different_passwords_enter_nobody(path: Path) -> None:
    result = run("add", "anna", "--role", "engineer", typed=f"{WORDS}\nanother one\n")
    assert result.exit_code == 2
    assert "no password was given" in result.stderr
    assert not path.exists()


def test_a_password_may_be_piped_in(path: Path) -> None:
    added("anna", "operator")
    assert UserTable.load(path).verify("anna", WORDS) == "operator"


@pytest.mark.parametrize(
    ("name", "role", "says"),
    [("anna", "guard", "no role of a person"), ("a b", "viewer", "no name")],
)
def test_what_will_not_do_is_refused_before_a_password_is_asked_for(
    path: Path, name: str, role: str, says: str
) -> None:
    result = run("add", name, "--role", role)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "Password" not in result.output
    assert not path.exists()


def test_a_short_password_is_refused(path: Path) -> None:
    result = run("add", "anna", "--role", "viewer", "--password-stdin", typed="short\n")
    assert result.exit_code == 2
    assert "12 to 1024 characters" in result.stderr
    assert not path.exists()


def test_users_are_listed_without_their_secrets(path: Path) -> None:
    result = run("list")
    assert (result.exit_code, result.stdout) == (0, "")
    added("ben", "viewer")
    added("anna", "engineer")
    assert json.loads(run("list", "--json").stdout) == {
        "users": {"anna": "engineer", "ben": "viewer"}
    }
    shown = run("list").stdout
    assert [line.split() for line in shown.splitlines()[-3:] if line.strip()] == [
        ["anna", "engineer"],
        ["ben", "viewer"],
    ]
    digest = json.loads(path.read_text())["users"]["anna"]["digest"]
    assert digest not in shown


def test_roles_change_and_users_go(path: Path) -> None:
    added("anna", "viewer")
    assert run("set-role", "anna", "--role", "engineer").exit_code == 0
    assert UserTable.load(path).verify("anna", WORDS) == "engineer"
    assert run("remove", "anna").exit_code == 0
    assert UserTable.load(path).role_of("anna") is None
    result = run("remove", "anna")
    assert result.exit_code == 2
    assert "there is no user 'anna'" in result.stderr


def test_another_table_may_be_named(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    result = run(
        *("add", "anna", "--role", "viewer", "--password-stdin", "--users", str(other)),
        typed=WORDS,
    )
    assert result.exit_code == 0
    assert UserTable.load(other).role_of("anna") == "viewer"
    assert not path.exists()
