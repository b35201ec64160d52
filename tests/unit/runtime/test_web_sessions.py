"""Sessions: they end with time, with their user and with the user's role."""

from __future__ import annotations

import pytest

from raffinate.runtime.alarm_actions import ROLE_OF_ACTION
from raffinate.runtime.page_requests import ALARM_RIGHTS
from raffinate.runtime.web_sessions import (
    LOCAL,
    MOST_SESSIONS,
    RIGHTS,
    SESSION_LIFE,
    Session,
    SessionStore,
    is_local,
    is_secure,
    local_name,
    same_origin,
)


class Users:
    """A table without passwords."""

    def __init__(self, **roles: str) -> None:
        self.roles = roles

    @property
    def empty(self) -> bool:
        return not self.roles

    def role_of(self, name: str) -> str | None:
        return self.roles.get(name)


class Clock:
    """Time as the test has it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def users() -> Users:
    return Users(ann="operator")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(users, clock) -> SessionStore:
    return SessionStore(users, clock)


def test_a_token_opens_its_session_and_no_other(store):
    token, session = store.open("ann", "operator")
    assert store.find(token) is session
    assert store.find(token + "x") is None
    assert store.find("") is store.find(None) is None
    assert store.find(session.key) is None, "what the server keeps is no token"


def test_a_session_ends_with_its_shift(store, clock):
    token, _ = store.open("ann", "operator")
    clock.now = SESSION_LIFE - 1.0
    assert store.find(token) is not None
    clock.now = SESSION_LIFE
    assert store.find(token) is None


@pytest.mark.parametrize("role", [None, "viewer", "engineer"])
def test_a_session_ends_when_its_user_or_role_changes(store, users, role):
    token, _ = store.open("ann", "operator")
    users.roles["ann"] = role
    assert store.find(token) is None
    users.roles["ann"] = "operator"
    assert store.find(token) is None, "it does not come back"


def test_a_closed_session_is_over(store):
    token, session = store.open("ann", "operator")
    store.close(session)
    assert store.find(token) is None


def test_the_local_visitor_is_there_while_there_are_no_users(store, users):
    assert not store.holds(LOCAL)
    users.roles.clear()
    assert store.holds(LOCAL)


def test_sessions_are_not_kept_without_end(store):
    first, _ = store.open("ann", "operator")
    for _ in range(MOST_SESSIONS):
        last, _ = store.open("ann", "operator")
    assert store.find(first) is None
    assert store.find(last) is not None


def test_rights_grow_with_the_role():
    assert set(RIGHTS["viewer"]) < set(RIGHTS["operator"]) < set(RIGHTS["engineer"])
    assert not Session(user="x", role="guard").can("mode")


def test_alarm_rights_are_those_of_operate():
    assert set(ALARM_RIGHTS) == set(ROLE_OF_ACTION)
    for action, right in ALARM_RIGHTS.items():
        lowest = next(role for role in RIGHTS if right in RIGHTS[role])
        assert lowest == ROLE_OF_ACTION[action], action  # type: ignore[index]


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        ({"host": "a:1"}, True),
        ({"host": "a:1", "origin": "http://a:1"}, True),
        ({"host": "a:1", "origin": "https://a:1"}, True),
        ({"host": "a:1", "origin": "http://a:2"}, False),
        ({"host": "a:1", "origin": "http://b:1"}, False),
        ({"host": "a:1", "origin": "null"}, False),
        ({"host": "a:1", "sec-fetch-site": "cross-site"}, False),
        ({"host": "a:1", "sec-fetch-site": "same-site"}, False),
    ],
)
def test_only_pages_served_from_here_may_ask(headers, same):
    assert same_origin(headers) is same


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1:8000", True),
        ("localhost", True),
        ("[::1]:8000", True),
        ("elsewhere.example", False),
        ("127.0.0.1.elsewhere.example", False),
        ("192.0.2.1", False),
        ("", False),
        ("[::1", False),
    ],
)
def test_names_of_this_machine(host, local):
    assert local_name({"host": host}) is local


def test_what_came_through_a_proxy_is_not_of_this_machine():
    assert is_local("127.0.0.1", {})
    assert not is_local("127.0.0.1", {"x-forwarded-for": "192.0.2.1"})
    assert not is_local("192.0.2.1", {})
    assert not is_local(None, {})


def test_a_cookie_is_secure_where_the_visitor_came_by_tls():
    assert is_secure("https", {})
    assert is_secure("http", {"x-forwarded-proto": "https"})
    assert not is_secure("http", {})
