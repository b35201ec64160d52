"""Logging in: who gets in, what a role may, and what other sites may not."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed

from fake_site import PASSWORD, Site, served
from raffinate.runtime.users import UserTable
from raffinate.runtime.web_sessions import COOKIE


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    """A site at which everyone is the local engineer."""
    with served(Site(tmp_path)) as found:
        yield found


@pytest.fixture(scope="module")
def guarded(tmp_path_factory) -> Iterator[Site]:
    """A site with a viewer, an operator and an engineer."""
    found = Site(tmp_path_factory.mktemp("site"))
    for name in ("viewer", "operator", "engineer"):
        found.users.add(f"{name}.one", name, PASSWORD)
    found.users.save()
    with served(found) as running:
        yield running


def test_a_page_without_a_session_is_asked_to_log_in(guarded):
    with guarded.page() as page:
        assert page.receive() == {"type": "login", "required": True, "error": None}
        with pytest.raises(ConnectionClosed):
            page.receive()


def test_a_wrong_password_opens_nothing_and_is_noted(guarded):
    status, headers, text = guarded.open(
        "/login", data={"user": "operator.one", "password": "wrong wrong wrong"}
    )
    assert (status, "set-cookie" in headers) == (401, False)
    assert "wrong" in json.loads(text)["error"]["what"]
    assert guarded.audited[-1]["accepted"] is False
    for nonsense in (None, 3, {"user": "x"}, {"user": 1, "password": 2}, {"user": "x" * 9999}):
        data = {} if nonsense is None else nonsense
        assert guarded.open("/login", data=data)[0] == 400


def test_guessing_is_made_to_wait(guarded):
    codes = [
        guarded.open("/login", data={"user": "nobody", "password": "guess"})[0] for _ in range(6)
    ]
    assert codes[0] == 401
    assert codes[-1] == 429


def test_a_role_does_what_it_may_and_no_more(guarded):
    guarded.operate.calls.clear()
    cookie = guarded.log_in("viewer.one")
    with guarded.page(cookie=cookie) as page:
        hello = page.until("hello")
        assert hello["session"] == {
            "user": "viewer.one", "role": "viewer", "can": [], "login": True,
        }  # fmt: skip
        for message in (
            {"type": "mode", "mode": "manual"},
            {"type": "upset", "name": "acid_weak"},
            {"type": "speed", "value": 0},
            {"type": "what_if", "levers": {}, "hours": 24},
            {"type": "alarm", "action": "acknowledge", "tag": "x"},
        ):
            page.send(message)
            assert "viewer may not" in page.until("error")["error"]["what"]
            assert guarded.audited[-1]["user"] == "viewer.one"
            assert guarded.audited[-1]["accepted"] is False
        page.send({"type": "replay", "t_h": 1.0})
        page.until("frame")
    with guarded.page(cookie=guarded.log_in("operator.one")) as page:
        page.send({"type": "alarm", "action": "suppress", "tag": "x"})
        page.until("error")
        page.send({"type": "alarm", "action": "acknowledge", "tag": "x"})
        page.send({"type": "replay", "t_h": 1.0})
        page.until("frame")
    assert [call[3] for call in guarded.operate.calls] == ["operator.one"]


def test_the_cookie_is_kept_from_scripts_and_other_sites(guarded):
    _, headers, _ = guarded.open("/login", data={"user": "engineer.one", "password": PASSWORD})
    cookie = headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
        assert part in cookie
    assert "Secure" not in cookie
    _, headers, _ = guarded.open(
        "/login",
        {"X-Forwarded-Proto": "https"},
        {"user": "engineer.one", "password": PASSWORD},
    )
    assert "Secure" in headers["set-cookie"]


def test_logging_out_ends_the_session_and_its_pages(guarded):
    cookie = guarded.log_in("engineer.one")
    with guarded.page(cookie=cookie) as page:
        page.until("state")
        assert guarded.open("/logout", {"Cookie": cookie}, {})[0] == 204
        page.until("login")
        with pytest.raises(ConnectionClosed):
            page.until("state", lambda m: False)
    with guarded.page(cookie=cookie) as page:
        assert page.receive()["type"] == "login"


def test_another_site_can_neither_log_in_nor_out(guarded):
    for path in ("/login", "/logout"):
        for headers in ({"Origin": "http://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
            data = {"user": "engineer.one", "password": PASSWORD}
            assert guarded.open(path, headers, data)[0] == 403


def test_metrics_beyond_this_machine_need_a_log_in_or_the_token(guarded):
    proxied = {"X-Forwarded-For": "192.0.2.7"}
    assert guarded.open("/metrics")[0] == 200
    assert guarded.open("/metrics", proxied)[0] == 401
    assert guarded.open("/metrics", {**proxied, "Authorization": "Bearer wrong"})[0] == 401
    assert guarded.open("/metrics", {**proxied, "Authorization": "Bearer scraper"})[0] == 200
    assert guarded.open("/metrics", {**proxied, "Cookie": guarded.log_in("viewer.one")})[0] == 200
    assert set(json.loads(guarded.open("/health", proxied)[2])) == {"started", "phase"}


def test_a_made_up_cookie_opens_nothing(guarded):
    with guarded.page(cookie=f"{COOKIE}=made-up") as page:
        assert page.receive()["type"] == "login"


def test_the_first_user_ends_the_time_without_log_ins(site, tmp_path):
    with site.page() as page:
        page.until("state")
        table = UserTable.load(tmp_path / "users.json")
        table.add("engineer.one", "engineer", PASSWORD)
        table.save()
        page.send({"type": "mode", "mode": "manual"})
        page.until("login")
    assert site.operate.calls == []
