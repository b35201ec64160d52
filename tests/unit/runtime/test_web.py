"""The server of the page: what it sends, what it refuses, and that it survives nonsense."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Iterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from fake_page import HOURS, FakeRun
from fake_site import Site, served
from raffinate.errors import SpecificationError
from raffinate.runtime.page_history import PageNews
from raffinate.runtime.page_messages import STARTING
from raffinate.runtime.run_directory import RunDirectory, RunSettings
from raffinate.runtime.web import LONGEST_MESSAGE
from raffinate.runtime.web_process import open_door, serve


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    """A site at which everyone is the local engineer."""
    with served(Site(tmp_path)) as found:
        yield found


def test_a_page_is_told_of_the_start_and_then_greeted(site):
    mode = site.run.of_operate.pop("Mode/Current")
    with site.page() as page:
        assert page.receive() == {"type": "starting", "text": STARTING}
        assert json.loads(site.open("/health")[2])["started"] is False
        site.run.of_operate["Mode/Current"] = mode
        site.changed()
        assert page.until("hello")["plant"]["name"] == "ceprnd_p507"
        assert page.receive()["type"] == "state"
    assert json.loads(site.open("/health")[2])["plant_hours"] == HOURS


def test_a_changed_tag_reaches_every_page(site):
    with site.page() as one, site.page() as other:
        for page in (one, other):
            page.until("state")
        site.run.of_plant["PLC/Time"] = 30.0 * 3600.0
        site.changed()
        for page in (one, other):
            page.until("state", lambda m: m["t_h"] == 30.0)
    assert sum(site.hub.times.counts) >= 2


def test_nothing_is_sent_while_nothing_changes_and_a_link_is_down(site):
    site.run.linked = False
    with site.page() as page:
        page.until("state")
        with pytest.raises(TimeoutError):
            page.connection.recv(timeout=3.0)


def test_a_state_comes_now_and_then_while_the_links_hold(site):
    with site.page() as page:
        for _ in range(2):
            page.until("state")


def test_news_of_the_history_reach_the_pages(site):
    note = {"type": "event", "t_h": 1.0, "kind": "run", "text": "x", "priority": "info"}
    news = PageNews(rows={"t_h": [1.0]}, events=(note,), span=(0.0, 3600.0))
    with site.page() as page:
        page.until("state")
        site.do(lambda: site.hub.broadcast(site.run.source.take(news)))
        assert page.until("trend")["columns"]["t_h"] == [1.0]
        assert page.until("event") == note
        site.do(site.hub.greet_again)
        assert page.until("hello")["events"] == [note]


def test_requests_go_to_the_servers_that_decide(site):
    with site.page() as page:
        page.until("hello")
        page.send({"type": "mode", "mode": "manual"})
        page.send({"type": "setpoint", "lever": "organic_flow", "value": 14.0})
        page.send({"type": "alarm", "action": "shelve", "tag": "xrf.nd", "hours": 2})
        page.send({"type": "alarm", "action": "acknowledge_all"})
        page.send({"type": "upset", "name": "acid_weak"})
        page.send({"type": "clear_upset", "name": "acid_weak"})
        page.send({"type": "speed", "value": 600})
        page.send({"type": "replay", "t_h": 2.0})
        assert page.until("frame")["t_h"] == 2.0
    asked = [(call[:2], json.loads(str(call[2])), call[3]) for call in site.operate.calls]
    assert asked == [
        (("Requests", "Ask"), {"type": "mode", "mode": "manual"}, "local"),
        (("Requests", "Ask"),
         {"type": "setpoint", "lever": "organic_flow", "value": 14.0}, "local"),
        (("Requests", "Ask"),
         {"type": "alarm", "action": "shelve", "tag": "xrf.nd", "hours": 2.0}, "local"),
        (("Requests", "Ask"), {"type": "alarm", "action": "acknowledge_all"}, "local"),
    ]  # fmt: skip
    assert site.plant.calls == [
        ("Upsets", "Begin", "acid_weak"),
        ("Upsets", "End", "acid_weak"),
        ("Pace", "SetSpeed", 600.0),
    ]
    assert [(line["what"], line["accepted"]) for line in site.audited] == [
        ("upset", True),
        ("clear_upset", True),
        ("speed", True),
    ]


def test_what_a_server_refuses_is_told_and_noted(site):
    site.plant.refusal = SpecificationError("no upset 'x' is active.", where="twin")
    with site.page() as page:
        page.send({"type": "clear_upset", "name": "x"})
        assert page.until("error")["error"]["where"] == "twin"
    assert site.audited[0]["accepted"] is False


def test_nonsense_is_refused_and_the_page_lives_on(site):
    with site.page() as page:
        for message, part in (
            ({"type": "setpoint", "lever": "organic_flow", "value": "x"}, "no number"),
            ({"type": "setpoint", "lever": 3, "value": 1.0}, "no text"),
            ({"type": "mode", "mode": "x" * 1000}, "no text"),
            ({"type": "alarm", "action": "burn", "tag": "x"}, "no action"),
            ({"type": "speed", "value": 7}, "speed is"),
            ({"type": "history", "tags": [], "from_h": 0, "to_h": 1}, "no list"),
            ({"type": "history", "tags": ["a"], "from_h": 1, "to_h": 1}, "to_h"),
            ({"type": "replay", "t_h": 1e9}, "no history"),
            ({"type": "what_if", "levers": {}, "hours": 1e4}, "hours"),
            ({"type": "what_if", "levers": 3, "hours": 10}, "levers"),
            ({"type": "shutdown"}, "no request"),
            ([1, 2], "an object"),
        ):
            page.send(message)
            assert part in page.until("error")["error"]["what"], message
    with site.page() as page:
        for text in ("{", "[" * 50_000, '{"type": "speed", "value": 1' + "0" * 5000 + "}"):
            page.connection.send(text)
            assert page.until("error")["error"]["what"]
    assert site.operate.calls == site.plant.calls == []


def test_a_message_beyond_all_measure_closes_its_socket(site):
    with site.page() as page:
        page.connection.send("x" * (LONGEST_MESSAGE + 1))
        with pytest.raises(ConnectionClosed):
            page.until("error")


def test_a_page_that_asks_without_end_is_slowed(site):
    with site.page() as page:
        for _ in range(60):
            page.send({"type": "replay", "t_h": 1.0})
        assert "too many" in page.until("error")["error"]["what"]


def test_a_refused_question_is_known_by_its_place(site):
    with site.page() as page:
        for message in (
            {"type": "replay", "t_h": "x"},
            {"type": "history", "tags": ["a"], "from_h": None, "to_h": 1},
            {"type": "what_if", "levers": {"a": "x"}, "hours": 24},
        ):
            page.send(message)
            assert page.until("error")["error"]["where"] == message["type"]


def test_the_past_is_looked_up(site):
    with site.page() as page:
        page.send(
            {"type": "history", "id": 7, "tags": ["a/b"], "from_h": 1, "to_h": 2, "points": 1e9}
        )
        answer = page.until("history")
    assert answer["id"] == 7
    assert answer["columns"] == {"t_h": [1.0, 2.0], "a/b": [0.0, 2000.0]}


def test_a_copy_of_the_plant_answers_its_page_alone(site):
    with site.page() as page, site.page() as other:
        page.send({"type": "what_if", "id": 3, "levers": {"acid_flow": 2.0}, "hours": 24})
        first = page.until("what_if")
        assert first["id"] == 3
        assert first["text"].endswith('--levers {"acid_flow": 2.0} --hours 24')
        assert page.until("what_if", lambda m: m["done"])["progress"] == 1.0
        other.send({"type": "replay", "t_h": 1.0})
        assert other.until("frame"), "no what_if came to the other page before"


def test_a_copy_ends_when_it_is_cancelled_and_when_its_page_goes(site):
    endless = {"type": "what_if", "id": 1, "levers": {"organic_flow": 1000.0}, "hours": 24}
    with site.page() as page:
        for number in (1, 2):
            page.send({**endless, "id": number})
            assert page.until("what_if")["id"] == number
        page.send({"type": "what_if_cancel"})
        page.send({"type": "what_if", "id": 3, "levers": {}, "hours": 24})
        assert page.until("what_if", lambda m: m["done"])["id"] == 3
        page.send(endless)
        page.until("what_if")
    with site.page() as one, site.page() as two, site.page() as three:
        for page in (one, two):
            page.send(endless)
            page.until("what_if")
        three.send(endless)
        assert "2 copies" in three.until("error")["error"]["what"]


def test_other_sites_get_no_socket(site):
    for origin in ("http://elsewhere.example", "null", f"https://127.0.0.1:{site.port + 1}"):
        with pytest.raises(InvalidStatus), site.page(origin):
            pass
    with site.page(f"http://127.0.0.1:{site.port}") as page:
        assert page.receive()["type"] == "hello"


def test_a_foreign_name_that_points_here_opens_nothing(site):
    """DNS rebinding: the name is the other site's, and so is the origin it sends."""
    host = f"elsewhere.example:{site.port}"
    with (
        pytest.raises(InvalidStatus),
        connect(
            f"ws://{host}/ws",
            sock=socket.create_connection(("127.0.0.1", site.port)),
            origin=f"http://{host}",  # type: ignore[arg-type]
            proxy=None,
        ),
    ):
        pass
    assert site.open("/metrics", {"Host": host})[0] == 401


def test_the_page_is_served_and_asked_for_afresh(site):
    status, headers, text = site.open("/")
    assert status == 200
    assert "assets/page.js" in text
    assert headers["cache-control"] == "no-cache"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "text/css" in site.open("/assets/page.css")[1]["content-type"]
    assert site.open("/%2e%2e/web.py")[0] == 404
    assert site.open("/docs")[0] == site.open("/openapi.json")[0] == 404


def test_metrics_and_health_tell_this_machine(site):
    status, headers, text = site.open("/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'raffinate_product_purity_ratio{product="nd"} 0.9995' in text
    health = json.loads(site.open("/health")[2])
    assert health["processes"][0]["name"] == "twin"


def test_beyond_this_machine_nothing_is_served_without_users(tmp_path):
    settings = RunSettings(
        plant="ceprnd_p507",
        epoch_us=0,
        host="0.0.0.0",
        web_port=0,
        users=str(tmp_path / "users.json"),
    )
    run = RunDirectory.create(tmp_path / "run", settings)
    coroutine: Awaitable[None] = serve(run, FakeRun().plant, None, None)  # type: ignore[arg-type]
    with pytest.raises(SpecificationError, match="no engineer"):
        asyncio.run(coroutine)  # type: ignore[arg-type]


def test_a_taken_port_is_told():
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(SpecificationError, match="cannot be used"),
    ):
        open_door("127.0.0.1", other.getsockname()[1])
