"""The server of the page: what it sends, what it refuses, and that it survives nonsense."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError

import pytest
import uvicorn
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from raffinate.errors import ConvergenceError
from raffinate.runtime.page_messages import STARTING
from raffinate.runtime.web import LiveRun, create_app
from running_plants import new_run


class Client:
    """A page without a browser."""

    def __init__(self, port: int) -> None:
        self.host = f"127.0.0.1:{port}"

    def get(self, path: str) -> tuple[dict[str, str], str]:
        with urllib.request.urlopen(f"http://{self.host}{path}", timeout=10.0) as answer:
            return dict(answer.headers), answer.read().decode("utf-8")

    @contextmanager
    def page(self, origin: str | None = None) -> Iterator[Page]:
        with connect(f"ws://{self.host}/ws", origin=origin, proxy=None, max_size=None) as found:
            yield Page(found)


class Page:
    """One open socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    def receive(self) -> dict:
        return json.loads(self._connection.recv(timeout=30.0))

    def send(self, message: object) -> None:
        self.send_text(json.dumps(message))

    def send_text(self, text: str) -> None:
        self._connection.send(text)

    def until(self, kind: str, good=lambda message: True) -> dict:
        """Return the first message of this kind that is good, within seconds."""
        end = time.monotonic() + 30.0
        while time.monotonic() < end:
            message = self.receive()
            if message["type"] == kind and good(message):
                return message
        raise AssertionError(f"no {kind} came")


@contextmanager
def served(live: LiveRun) -> Iterator[Client]:
    door = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(live), log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield Client(door.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(30.0)
        door.close()


@pytest.fixture
def live() -> Iterator[LiveRun]:
    """A run of a few hours that is held until it is asked to go on."""
    found = LiveRun(lambda: new_run(6.0), 600.0)
    found.speed = 0.0
    yield found
    found.stop()


def test_a_page_is_told_of_the_start_and_then_greeted():
    gate = threading.Event()

    def build():
        gate.wait(30.0)
        return new_run(1.0)

    live = LiveRun(build, 600.0)
    with served(live) as client, client.page() as page:
        assert json.loads(client.get("/health")[1])["started"] is False
        assert page.receive() == {"type": "starting", "text": STARTING}
        page.send({"type": "mode", "mode": "manual"})
        assert "starting" in page.until("error")["error"]["what"]
        gate.set()
        assert page.receive()["type"] == "hello"
        assert page.receive()["type"] == "state"


def test_requests_move_the_plant_and_refusals_say_why(live):
    with served(live) as client, client.page() as page:
        page.until("hello")
        for message, part in (
            ({"type": "mode", "mode": "fuzy"}, "no mode"),
            ({"type": "setpoint", "lever": "organic_flow", "value": "x"}, "no number"),
            ({"type": "setpoint", "lever": "organic_flow", "value": 12.0}, "held by fuzzy"),
            ({"type": "upset", "name": "earthquake"}, "no upset"),
            ({"type": "clear_upset", "name": "acid_weak"}, "is active"),
            ({"type": "speed", "value": 7}, "speed is"),
            ({"type": "shutdown"}, "no request"),
            ([1, 2], "an object"),
        ):
            page.send(message)
            assert part in page.until("error")["error"]["what"]
        for text in ("{", "[" * 100_000, '{"type": "speed", "value": 1' + "0" * 5000 + "}"):
            page.send_text(text)
            assert page.until("error")["error"]["what"]
        page.send({"type": "mode", "mode": "manual"})
        page.until("state", lambda m: m["mode"] == "manual")
        nominal = live.run.operate.nominal["organic_flow"] * 3600.0
        page.send({"type": "setpoint", "lever": "organic_flow", "value": 1.02 * nominal})
        page.send({"type": "upset", "name": "acid_weak"})
        page.send({"type": "speed", "value": 86400})
        state = page.until("state", lambda m: m["t_h"] >= 1.0)
        assert state["levers"]["organic_flow"]["setpoint"] == pytest.approx(1.02 * nominal)
        assert [upset["name"] for upset in state["upsets"]] == ["acid_weak"]
        page.until("state", lambda m: m["run"] == "finished")
        assert live.run.twin.time == pytest.approx(6 * 3600.0)


def test_time_stands_while_the_run_is_held(live):
    with served(live) as client, client.page() as page:
        page.until("hello")
        states = [page.until("state") for _ in range(4)]
        assert {state["t_h"] for state in states} == {0.0}
        assert {state["run"] for state in states} == {"paused"}


def test_a_page_that_comes_later_gets_the_history(live):
    live.speed = 86400.0
    with served(live) as client:
        with client.page() as page:
            page.until("state", lambda m: m["run"] == "finished")
        with client.page() as page:
            hello = page.until("hello")
        assert len(hello["trend"]["t_h"]) == 36
        assert hello["events"][0]["text"].startswith("Run begins")


def test_other_sites_get_no_socket(live):
    with served(live) as client:
        with pytest.raises(InvalidStatus), client.page("http://elsewhere.example"):
            pass
        with client.page(f"http://{client.host}") as page:
            assert page.receive()["type"] in ("starting", "hello")


def test_the_page_is_served_and_asked_for_afresh(live):
    with served(live) as client:
        headers, text = client.get("/")
        assert "assets/page.js" in text
        assert headers["cache-control"] == "no-cache"
        assert "text/css" in client.get("/assets/page.css")[0]["content-type"]
        with pytest.raises(HTTPError) as refused:
            client.get("/%2e%2e/web.py")
        refused.value.close()
        assert refused.value.code == 404


def test_a_plant_that_cannot_be_built_ends_the_server():
    given_up = threading.Event()

    def build():
        raise ConvergenceError("no nominal state.", where="ceprnd_p507")

    live = LiveRun(build, 600.0, given_up.set)
    with served(live) as client, client.page() as page:
        assert page.until("error")["error"]["what"] == "no nominal state."
        assert given_up.wait(5.0)
    assert live.run is None
    assert isinstance(live.error, ConvergenceError)


def test_a_run_that_breaks_off_stays_to_be_looked_at():
    def build():
        run = new_run(6.0)

        def broken():
            raise ConvergenceError("no step could be taken.", where="simulation")

        run.step = broken
        return run

    live = LiveRun(build, 86400.0)
    with served(live) as client, client.page() as page:
        assert page.until("error")["error"]["where"] == "simulation"
        assert page.until("state", lambda m: m["run"] == "finished")["t_h"] == 0.0


def test_a_run_may_be_held_while_a_period_is_under_way(live):
    """Found in the browser: the pace was divided by a speed that had become 0 meanwhile."""
    with served(live) as client, client.page() as page:
        page.until("hello")
        step = live.run.step

        def held_meanwhile():
            step()
            live.speed = 0.0

        live.run.step = held_meanwhile
        live.speed = 600.0
        page.until("state", lambda m: m["t_h"] > 0.0 and m["run"] == "paused")
        live.run.step = step
        live.speed = 86400.0
        page.until("state", lambda m: m["run"] == "finished")
    assert live.error is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_is_told_and_the_page_does_not_look_as_if_it_ran_on():
    def build():
        run = new_run(6.0)
        run.step = lambda: 1 / 0
        return run

    live = LiveRun(build, 86400.0)
    with served(live) as client, client.page() as page:
        assert "bug" in page.until("error")["error"]["what"]
        page.until("state", lambda m: m["run"] == "finished")
