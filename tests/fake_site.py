"""A web application without any plant behind it, and pages without a browser."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import uvicorn
from websockets.sync.client import ClientConnection, connect

from fake_page import HOURS, FakeRun
from patience import PATIENCE
from raffinate.errors import DataError
from raffinate.runtime.metrics import run_metrics
from raffinate.runtime.page_hub import PageHub
from raffinate.runtime.page_requests import RequestDesk
from raffinate.runtime.users import UserTable
from raffinate.runtime.web import LONGEST_MESSAGE, WebParts, create_app
from raffinate.runtime.web_sessions import SessionStore
from raffinate.runtime.what_if_runner import WhatIfRunner

PASSWORD = "a sentence to log in with"


class FakeServer:
    """Answers calls as a test wants, and keeps them."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.refusal: Exception | None = None

    async def call(self, place: str, name: str, *arguments: object) -> object:
        self.calls.append((place, name, *arguments))
        if self.refusal is not None:
            raise self.refusal
        return ""


class FakeHistory:
    """A history in which only what a test puts there happened."""

    def frame(self, time: float) -> dict[str, Any]:
        if time > HOURS * 3600.0:
            raise DataError("there is no history yet.", where="replay")
        return {"type": "frame", "t_h": time / 3600.0}

    def columns(self, tags: list[str], begin: float, end: float, points: int) -> dict[str, Any]:
        return {"t_h": [begin / 3600.0, end / 3600.0], tags[0]: [0.0, float(points)]}


ECHO = (
    "import json, sys, time; a = sys.argv; "
    "print(json.dumps({'progress': 0.5, 'done': False, 'text': ' '.join(a[1:])}), flush=True); "
    "time.sleep(float(json.loads(a[3]).get('organic_flow', 0.0))); "
    "print(json.dumps({'progress': 1.0, 'done': True, 'text': ''}), flush=True)"
)
"""Stands in for the copy of a plant: works for as many seconds as it is given flow."""


class Site:
    """A web application in a thread of its own, without any plant behind it."""

    def __init__(self, folder: Path) -> None:
        self.run = FakeRun()
        self.plant, self.operate = FakeServer(), FakeServer()
        self.users = UserTable.load(folder / "users.json")
        self.audited: list[dict[str, Any]] = []
        self.port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._folder = folder

    async def _audit(self, session: Any, what: str, new: str, **rest: Any) -> None:
        self.audited.append({"user": session.user, "what": what, "new": new, **rest})

    def _parts(self) -> WebParts:
        self.store = SessionStore(self.users)
        self.hub = PageHub(self.run.source, self.store.holds)
        runner = WhatIfRunner(self._folder, (sys.executable, "-c", ECHO))
        pool = ThreadPoolExecutor(1)

        async def in_thread(function: Callable[..., Any], *given: object) -> Any:
            return await asyncio.get_running_loop().run_in_executor(pool, function, *given)

        desk = RequestDesk(
            plant=self.plant,
            operate=self.operate,
            history=FakeHistory(),  # type: ignore[arg-type]
            in_thread=in_thread,
            what_if=runner,
            first_speed=1234.0,
            audit=self._audit,
        )
        self.close = runner.close
        return WebParts(
            hub=self.hub,
            desk=desk,
            users=self.users,
            store=self.store,
            audit=self._audit,
            health=self.run.source.health,
            metrics=self._metrics,
            forget=runner.cancel,
            token="scraper",
        )

    def _metrics(self) -> str:
        around = self.run.source.surroundings()
        pages = self.hub.visitors
        return run_metrics(self.run.state(), around, lag=1.0, pages=pages, states=0, events=0)

    def app(self) -> Any:
        async def work() -> None:
            self._loop = asyncio.get_running_loop()
            try:
                await asyncio.Event().wait()
            finally:
                await self.close()

        return create_app(self._parts(), work)

    def changed(self) -> None:
        """Say that a tag has changed, as a mirror does."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self.hub.changed)

    def do(self, function: Callable[[], object]) -> None:
        """Do something on the loop of the server, and wait for it."""

        async def work() -> None:
            function()

        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(PATIENCE)

    def open(
        self, path: str, headers: dict[str, str] | None = None, data: object = None
    ) -> tuple[int, dict[str, str], str]:
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=body,
            headers={"Content-Type": "application/json", **(headers or {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, dict(answer.headers), answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read().decode()

    def log_in(self, user: str, password: str = PASSWORD) -> str:
        """Log in and return the cookie."""
        status, headers, _ = self.open("/login", data={"user": user, "password": password})
        assert status == 204
        return headers["set-cookie"].split(";")[0]

    @contextmanager
    def page(self, origin: str | None = None, cookie: str = "") -> Iterator[Page]:
        with connect(
            f"ws://127.0.0.1:{self.port}/ws",
            origin=origin,  # type: ignore[arg-type]
            additional_headers={"Cookie": cookie} if cookie else None,
            proxy=None,
            max_size=None,
            max_queue=None,
        ) as found:
            yield Page(found)


class Page:
    """One open socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def receive(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.connection.recv(timeout=PATIENCE))
        return found

    def send(self, message: object) -> None:
        self.connection.send(json.dumps(message))

    def until(
        self, kind: str, good: Callable[[dict[str, Any]], bool] = lambda message: True
    ) -> dict[str, Any]:
        """Return the first message of this kind that is good, within seconds."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            message = self.receive()
            if message["type"] == kind and good(message):
                return message
        raise AssertionError(f"no {kind} came")


@contextmanager
def served(site: Site) -> Iterator[Site]:
    door = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        site.app(),
        log_level="error",
        timeout_graceful_shutdown=1,
        ws_max_size=LONGEST_MESSAGE,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        site.port = door.getsockname()[1]
        yield site
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        door.close()
