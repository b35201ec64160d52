"""Who may write what, and what a write must be."""

from __future__ import annotations

import json
import math

import pytest

from opcua_links import ACCOUNTS, PEOPLE, TAGS, People
from raffinate.runtime.opcua_access import (
    MOST_CHARACTERS,
    MOST_ENTRIES,
    PAUSE,
    REMEMBERED,
    Accounts,
    Refusal,
    Who,
    audit_entry,
    judge,
    may,
)
from raffinate.runtime.tags import Tag

BY_PATH = {tag.path: tag for tag in TAGS}
ROLES = ("viewer", "operator", "engineer", "guard", "service")


def status(path: str, value, kind, role="guard"):
    found = judge(BY_PATH[path], value, kind, Who(name="x", role=role))
    return found.status if isinstance(found, Refusal) else "Good"


@pytest.mark.parametrize(
    ("needed", "allowed"),
    [
        (None, ()),
        ("viewer", ("viewer", "operator", "engineer")),
        ("operator", ("operator", "engineer")),
        ("engineer", ("engineer",)),
        ("guard", ("guard",)),
    ],
)
def test_each_role_may_what_those_below_it_may_and_programs_only_their_own(needed, allowed):
    assert tuple(role for role in ROLES if may(role, needed)) == allowed


def test_programs_are_let_in_where_it_is_said():
    assert [role for role in ROLES if may(role, None, service=True)] == ["guard", "service"]


@pytest.mark.parametrize(
    ("path", "value", "kind", "expected"),
    [
        ("Levers/acid/Setpoint", 1.0, "Double", "Good"),
        ("Levers/acid/Setpoint", 3.0, "Double", "Good"),
        ("Levers/acid/Setpoint", math.nextafter(3.0, 4.0), "Double", "BadOutOfRange"),
        ("Levers/acid/Setpoint", 0.99, "Double", "BadOutOfRange"),
        ("Levers/acid/Setpoint", math.nan, "Double", "BadOutOfRange"),
        ("Levers/acid/Setpoint", math.inf, "Double", "BadOutOfRange"),
        ("Levers/acid/Setpoint", 2, "Int64", "BadTypeMismatch"),
        ("Levers/acid/Setpoint", "2", "String", "BadTypeMismatch"),
        ("Levers/acid/Setpoint", None, None, "BadTypeMismatch"),
        ("Levers/acid/Setpoint", [2.0], "Double[]", "BadTypeMismatch"),
        ("Levers/acid/Trajectory", [1.0, 2.0], "Double[]", "Good"),
        ("Levers/acid/Trajectory", [], "Double[]", "Good"),
        ("Levers/acid/Trajectory", [1.0, math.nan], "Double[]", "BadOutOfRange"),
        ("Levers/acid/Trajectory", [2.0, 5.0], "Double[]", "BadOutOfRange"),
        ("Levers/acid/Trajectory", [2.0, [2.0]], "Double[]", "BadTypeMismatch"),
        ("Levers/acid/Trajectory", [2.0] * (MOST_ENTRIES + 1), "Double[]", "BadOutOfRange"),
        ("Guard/Heartbeat", 7, "Int64", "Good"),
        ("PLC/Time", 7.0, "Double", "BadUserAccessDenied"),
    ],
)
def test_a_write_is_judged_by_its_type_and_its_limits(path, value, kind, expected):
    assert status(path, value, kind) == expected


def test_a_text_is_one_of_the_choices():
    assert status("Mode/Request", "fuzzy", "String", "operator") == "Good"
    assert status("Mode/Request", "magic", "String", "operator") == "BadOutOfRange"
    free = Tag(path="a", kind="String", writer="operator")
    long = judge(free, "x" * (MOST_CHARACTERS + 1), "String", Who(name="x", role="operator"))
    assert isinstance(long, Refusal)


def test_the_role_is_judged_before_the_value():
    assert status("Levers/acid/Setpoint", "nonsense", "String", "engineer") == "BadUserAccessDenied"


def accounts(users=None, *, open_to_viewers=True, now=lambda: 0.0):
    return Accounts(users, ACCOUNTS, open_to_viewers=open_to_viewers, now=now)


def test_without_users_a_nameless_visitor_views_and_with_users_is_refused():
    assert accounts().identify(None, None) == Who(name="anonymous", role="viewer")
    assert accounts(People({})).identify(None, None) is not None
    assert accounts(People()).identify(None, None) is None
    assert accounts(open_to_viewers=False).identify(None, None) is None


def test_people_and_programs_log_in_with_their_own_words():
    found = accounts(People())
    for name, (word, role) in {**PEOPLE, **ACCOUNTS}.items():
        assert found.identify(name, word) == Who(name=name, role=role)
    assert found.identify("operate", "") is None
    assert found.identify("operate", "guard") is None
    assert found.identify("nobody", "x") is None
    assert (
        Accounts(None, {"web": ("", "service")}, open_to_viewers=True).identify("web", "") is None
    )


def test_a_right_word_is_hashed_once_and_a_wrong_one_slows_the_next():
    clock = [0.0]
    people = People()
    found = accounts(people, now=lambda: clock[0])
    for _ in range(3):
        assert found.identify("otto", "an operator's word") is not None
    assert people.hashed == 1
    assert found.identify("otto", "wrong") is None
    assert found.identify("vera", "a viewer's word") is None, "no second hash within the pause"
    assert people.hashed == 2
    assert found.identify("otto", "an operator's word") is not None
    clock[0] = PAUSE
    assert found.identify("vera", "a viewer's word") is not None
    clock[0] = PAUSE + REMEMBERED
    assert found.identify("otto", "an operator's word") is not None
    assert people.hashed == 4


def test_someone_removed_or_demoted_is_so_at_once():
    people = People()
    found = accounts(people)
    otto = found.identify("otto", "an operator's word")
    assert otto is not None
    people.people["otto"] = ("an operator's word", "viewer")
    assert found.still(otto) == Who(name="otto", role="viewer")
    del people.people["otto"]
    assert found.still(otto) is None
    assert found.identify("otto", "an operator's word") is None, "a remembered word is no name"
    operate = Who(name="operate", role="guard")
    assert found.still(operate) == operate


def test_an_audit_entry_is_always_json_and_never_long():
    who = Who(name="otto", role="operator")
    entry = audit_entry(who, "a", math.nan, [math.inf, "x" * 1000] * 100, accepted=False)
    assert len(json.dumps(entry, allow_nan=False)) < 30_000
    assert entry["source"] == "opcua"
    assert audit_entry(Who(name="operate", role="guard"), "a", 1, 2, accepted=False)["source"] == (
        "guard"
    )
