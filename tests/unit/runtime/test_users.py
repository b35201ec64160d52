from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from raffinate.errors import DataError, SpecificationError
from raffinate.runtime import users
from raffinate.runtime.users import LoginLimiter, UserTable, check_exposure

IN_FORCE = users.COST

WORDS = "correct horse battery"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "COST", (2**14, 8, 1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "users.json"


def table_with(path: Path, **roles: str) -> UserTable:
    table = UserTable.load(path)
    for name, role in roles.items():
        table.add(name, role, WORDS)
    table.save()
    return table


def test_there_is_no_user_and_no_password_by_default(path: Path) -> None:
    table = UserTable.load(path)
    assert table.empty
    assert list(table) == []
    for name in ("admin", "engineer", "root", "operate", ""):
        assert table.verify(name, "") is None
        assert table.verify(name, name) is None


def test_a_user_is_known_by_the_password_and_by_nothing_else(path: Path) -> None:
    table_with(path, anna="engineer", ben="viewer")
    table = UserTable.load(path)
    assert not table.empty
    assert table.verify("anna", WORDS) == "engineer"
    assert table.verify("ben", WORDS) == "viewer"
    assert table.verify("anna", WORDS + " ") is None
    assert table.verify("anna", "") is None
    assert table.verify("Anna", WORDS) is None
    assert table.verify("anna", "x" * 2000) is None
    assert table.verify("anna", "\ud800 lone surrogate") is None
    assert table.role_of("anna") == "engineer"
    assert table.role_of("carl") is None


def test_the_file_is_private_and_holds_neither_passwords_nor_equal_hashes(path: Path) -> None:
    table_with(path, anna="engineer", ben="engineer")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    text = path.read_text()
    assert WORDS not in text
    rows = json.loads(text)["users"]
    assert rows["anna"]["salt"] != rows["ben"]["salt"]
    assert rows["anna"]["digest"] != rows["ben"]["digest"]
    assert [path.name for path in path.parent.iterdir()] == ["users.json"]


def test_the_cost_in_force_is_as_high_as_recommended() -> None:
    n, r, p = IN_FORCE
    # OWASP Password Storage Cheat Sheet: at least as costly as (2¹⁷, 8, 1) when p makes up for n.
    assert (n, r, p) in {(2**17, 8, 1), (2**16, 8, 2), (2**15, 8, 3)}


def test_hashes_of_an_earlier_cost_still_verify(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table_with(path, anna="operator")
    monkeypatch.setattr(users, "COST", (2**15, 8, 1))
    assert UserTable.load(path).verify("anna", WORDS) == "operator"


def test_an_unknown_name_costs_as_many_hashes_as_a_known_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_with(path, anna="operator")
    costs = []
    hashed = users._scrypt

    def counted(password: str, salt: bytes, cost: tuple[int, int, int]) -> bytes:
        costs.append(cost)
        return hashed(password, salt, cost)

    monkeypatch.setattr(users, "_scrypt", counted)
    for name in ("anna", "nobody"):
        assert table.verify(name, "wrong wrong wrong") is None
    assert costs[0] == costs[1]
    assert len(costs) == 2


@pytest.mark.parametrize(
    ("name", "role", "password", "says"),
    [
        ("anna", "guard", WORDS, "no role of a person"),
        ("anna", "service", WORDS, "no role of a person"),
        ("anna", "admin", WORDS, "no role of a person"),
        ("anna", "viewer", "elevenchars", "11 characters"),
        ("anna", "viewer", "y" * 1025, "1025 characters"),
        ("anna", "viewer", "aaaaaaaaaaaaaa", "repeats"),
        ("annaannaanna", "viewer", "annaannaanna1", "is the name"),
        ("operate", "viewer", WORDS, "stands for one of the programs"),
        ("Guard", "viewer", WORDS, "stands for one of the programs"),
        ("local", "viewer", WORDS, "stands for one of the programs"),
        ("", "viewer", WORDS, "no name"),
        ("a b", "viewer", WORDS, "no name"),
        ("anna\n", "viewer", WORDS, "no name"),
        ("../x", "viewer", WORDS, "no name"),
        ("a" * 33, "viewer", WORDS, "no name"),
    ],
)
def test_what_will_not_do_is_refused(
    path: Path, name: str, role: str, password: str, says: str
) -> None:
    table = UserTable.load(path)
    with pytest.raises(SpecificationError, match=says):
        table.add(name, role, password)
    assert table.empty


def test_a_name_is_not_entered_twice(path: Path) -> None:
    table = table_with(path, anna="viewer")
    with pytest.raises(SpecificationError, match="exists already"):
        table.add("anna", "engineer", WORDS)
    assert table.role_of("anna") == "viewer"


def test_roles_change_and_users_go(path: Path) -> None:
    table = table_with(path, anna="viewer", ben="viewer")
    table.set_role("anna", "engineer")
    table.remove("ben")
    table.save()
    found = UserTable.load(path)
    assert [(user.name, user.role) for user in found] == [("anna", "engineer")]
    assert found.verify("anna", WORDS) == "engineer"
    with pytest.raises(SpecificationError, match="Did you mean 'anna'"):
        table.remove("ana")
    with pytest.raises(SpecificationError, match="no role"):
        table.set_role("anna", "guard")


def test_a_running_server_refuses_a_user_from_the_moment_of_removal(path: Path) -> None:
    table_with(path, anna="operator", ben="operator")
    server = UserTable.load(path)
    assert server.verify("ben", WORDS) == "operator"
    other = UserTable.load(path)
    other.remove("ben")
    other.save()
    assert server.role_of("ben") is None
    assert server.verify("ben", WORDS) is None
    assert server.verify("anna", WORDS) == "operator"


def test_the_removal_of_the_last_user_opens_no_door_of_a_running_server(path: Path) -> None:
    table_with(path, anna="engineer")
    server = UserTable.load(path)
    other = UserTable.load(path)
    other.remove("anna")
    other.save()
    assert server.role_of("anna") is None
    assert not server.empty
    assert UserTable.load(path).empty


@pytest.mark.parametrize("damage", ["spoil", "remove", "open"])
def test_a_table_that_breaks_under_a_running_server_opens_no_door(path: Path, damage: str) -> None:
    table_with(path, anna="engineer")
    server = UserTable.load(path)
    if damage == "spoil":
        path.write_text("{}")
    elif damage == "remove":
        path.unlink()
    else:
        text = path.read_text()
        path.unlink()
        path.write_text(text)
        path.chmod(0o666)
    assert server.verify("anna", WORDS) is None
    # Empty would mean that there never were users, and that everybody at this machine may enter.
    assert not server.empty


def test_two_who_change_the_table_at_once_do_not_undo_each_other(path: Path) -> None:
    table_with(path, anna="engineer")
    first, second = UserTable.load(path), UserTable.load(path)
    first.add("ben", "viewer", WORDS)
    first.save()
    second.add("carl", "viewer", WORDS)
    with pytest.raises(SpecificationError, match="changed by someone else"):
        second.save()
    assert UserTable.load(path).role_of("ben") == "viewer"


def test_a_table_others_may_open_is_refused(path: Path) -> None:
    table_with(path, anna="engineer")
    path.chmod(0o640)
    with pytest.raises(SpecificationError, match="chmod 600"):
        UserTable.load(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("role", "guard"), ("n", 2), ("digest", ""), ("salt", "zz"), ("extra", 1)],
)
def test_a_table_with_a_row_that_is_none_is_refused(path: Path, key: str, value: object) -> None:
    table_with(path, anna="engineer")
    document = json.loads(path.read_text())
    document["users"]["anna"][key] = value
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match=f"users.anna.{key}"):
        UserTable.load(path)


def test_beyond_loopback_an_engineer_needs_a_password_first(path: Path) -> None:
    table = UserTable.load(path)
    check_exposure("127.0.0.1", table)
    check_exposure("::1", table)
    for host in ("0.0.0.0", "", "192.168.0.9", "plant.example"):
        with pytest.raises(SpecificationError, match="raffinate users add"):
            check_exposure(host, table)
    table.add("ben", "operator", WORDS)
    with pytest.raises(SpecificationError, match="no engineer"):
        check_exposure("0.0.0.0", table)
    table.add("anna", "engineer", WORDS)
    check_exposure("0.0.0.0", table)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_waits_double_after_a_few_failures_and_end_with_a_success() -> None:
    clock = Clock()
    limiter = LoginLimiter(clock)
    waits = []
    for _ in range(8):
        waits.append(limiter.wait("anna", "10.0.0.1"))
        limiter.failed("anna", "10.0.0.1")
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8]
    clock.now += 15.0
    assert limiter.wait("anna", "10.0.0.1") == 1.0
    clock.now += 1.0
    assert limiter.wait("anna", "10.0.0.1") == 0.0
    limiter.failed("anna", "10.0.0.1")
    limiter.succeeded("anna", "10.0.0.1")
    assert limiter.wait("anna", "10.0.0.1") == 0.0


def test_guessing_from_elsewhere_cannot_lock_an_operator_out_for_long() -> None:
    limiter = LoginLimiter(Clock())
    for guess in range(5000):
        limiter.failed("anna", f"10.0.{guess % 250}.1")
    assert 0.0 < limiter.wait("anna", "10.9.9.9") <= 10.0
    assert limiter.wait("ben", "10.9.9.9") == 0.0


def test_many_names_from_one_address_are_slowed_down() -> None:
    limiter = LoginLimiter(Clock())
    for guess in range(40):
        limiter.failed(f"user{guess}", "10.0.0.1")
    assert limiter.wait("anna", "10.0.0.1") == 300.0
    assert limiter.wait("anna", "10.0.0.2") == 0.0


def test_failures_are_forgotten_and_never_fill_the_memory() -> None:
    clock = Clock()
    limiter = LoginLimiter(clock)
    for _ in range(10):
        limiter.failed("anna", "10.0.0.1")
    clock.now += LoginLimiter.FORGOTTEN
    assert limiter.wait("anna", "10.0.0.1") == 0.0
    limiter.failed("anna", "10.0.0.1")
    assert limiter.wait("anna", "10.0.0.1") == 0.0
    for guess in range(LoginLimiter.MOST):
        limiter.failed(f"user{guess}", f"address{guess}")
    assert len(limiter._failures) <= LoginLimiter.MOST
