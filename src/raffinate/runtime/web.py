"""The page: a client of the run that shows it and passes requests on.

The plant is moved in a worker thread, so that no solve ever waits on the network or holds it up.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

from raffinate.errors import RaffinateError, SpecificationError, nearest_name
from raffinate.runtime import page_messages
from raffinate.runtime.loop import PlantRun
from raffinate.runtime.messages import CONTROL_PERIOD
from raffinate.units import HOUR

log = logging.getLogger(__name__)

PUSH_INTERVAL = 0.15
"""Least wall time between two states sent to a page, [s]."""

LONGEST_STOP = 5.0
"""Longest wait for the control period under way when the run is stopped, [s]."""


class LiveRun:
    """A run that goes on by itself at a chosen speed while pages watch.

    Args:
        build: Makes the run; called in the worker thread, for it takes seconds.
        speed: Plant seconds per wall second.
        gave_up: Called if the run cannot be made; `error` then says why.
    """

    def __init__(
        self,
        build: Callable[[], PlantRun],
        speed: float,
        gave_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._build = build
        self._gave_up = gave_up
        self.first_speed = speed
        self.speed = speed
        self.lock = threading.Lock()
        self.run: PlantRun | None = None
        self.error: RaffinateError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="plant", daemon=True)

    def start(self) -> None:
        """Begin in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the period under way; a plant still being built is not waited for."""
        self._stop.set()
        if self._thread.is_alive() and self.run is not None:
            self._thread.join(timeout=LONGEST_STOP)

    @property
    def working(self) -> bool:
        """Whether the thread that moves the plant is alive."""
        return self._thread.is_alive()

    @property
    def phase(self) -> str:
        """Return "paused", "running" or "finished"."""
        if self.error is not None or (self.run is not None and self.run.finished):
            return "finished"
        return "running" if self.speed > 0.0 else "paused"

    def _work(self) -> None:
        try:
            run = self._build()
            with self.lock:
                self.run = run
            self._go_on(run)
        except RaffinateError as error:
            log.error("%s", error)
            self.error = error
        except Exception:
            # The thread's traceback goes to the terminal; the page must not look as if it ran on.
            self.error = RaffinateError(
                "the run broke off by a bug of the program.",
                where="run",
                mend="The terminal shows where; please report it.",
            )
            raise
        finally:
            if self.run is None:
                self._gave_up()

    def _go_on(self, run: PlantRun) -> None:
        due = time.monotonic()
        while not self._stop.is_set() and not run.finished:
            # Read once: a page may set it to 0 while the period is under way.
            speed = self.speed
            if speed <= 0.0:
                due = time.monotonic()
                self._stop.wait(0.05)
                continue
            with self.lock:
                run.step()
            # Time lost to a slow period is made up, but never more than a second of it.
            due = max(due + CONTROL_PERIOD / speed, time.monotonic() - 1.0)
            self._wait_until(due)

    def _wait_until(self, due: float) -> None:
        begun = self.speed
        while not self._stop.is_set() and self.speed == begun:
            left = due - time.monotonic()
            if left <= 0.0:
                # Gives waiting pages the lock between two periods.
                time.sleep(0.0005)
                return
            self._stop.wait(min(left, 0.1))

    def request(self, message: dict[str, Any]) -> None:
        """Do what a page asks for.

        Raises:
            RaffinateError: It cannot be done; says why.
        """
        kind = message.get("type")
        if self.run is None:
            raise SpecificationError("the plant is still starting.", where="web")
        if kind == "speed":
            self._set_speed(message.get("value"))
            return
        with self.lock:
            run = self.run
            if kind == "mode":
                run.history.note(run.operate.set_mode(str(message.get("mode"))))
            elif kind == "setpoint":
                value = message.get("value")
                if not isinstance(value, (int, float)) or isinstance(value, bool):
                    raise SpecificationError(f"{value!r} is no number.", where="setpoint")
                note = run.operate.request(str(message.get("lever")), float(value) / HOUR)
                run.history.note(note)
            elif kind == "upset":
                run.twin.begin_upset(str(message.get("name")))
            elif kind == "clear_upset":
                run.history.note(run.twin.clear_upset(str(message.get("name"))))
            else:
                known = ("mode", "setpoint", "upset", "clear_upset", "speed")
                raise SpecificationError(
                    f"{kind!r} is no request.", where="web", mend=nearest_name(str(kind), known)
                )

    def _set_speed(self, value: Any) -> None:
        offered = page_messages.speeds(self.first_speed)
        if value not in offered:
            raise SpecificationError(
                f"speed is {value!r}.",
                where="web",
                allowed=", ".join(f"{speed:g}" for speed in offered),
            )
        self.speed = float(value)


class _FreshFiles(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def create_app(live: LiveRun) -> FastAPI:
    """Return the web application that shows a run."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        live.start()
        yield
        await asyncio.to_thread(live.stop)

    app = FastAPI(title="raffinate", lifespan=lifespan, docs_url=None, redoc_url=None)

    @app.get("/health")
    def health() -> dict[str, Any]:
        """Say whether the plant runs and how far it is."""
        run = live.run
        return {
            "started": run is not None,
            "phase": live.phase,
            "plant_hours": None if run is None else run.twin.time / HOUR,
        }

    @app.websocket("/ws")
    async def page(socket: WebSocket) -> None:
        if not _from_here(socket):
            await socket.close(code=1008)
            return
        await socket.accept()
        sender = asyncio.create_task(_send_states(socket, live))
        try:
            while True:
                await _receive(socket, live)
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            sender.cancel()

    static = files("raffinate.runtime") / "static"
    app.mount("/", _FreshFiles(directory=str(static), html=True), name="page")
    return app


def _from_here(socket: WebSocket) -> bool:
    """Whether the page that asks was served from here: any site may open a local socket."""
    origin = socket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == socket.headers.get("host")


async def _receive(socket: WebSocket, live: LiveRun) -> None:
    text = await socket.receive_text()
    try:
        # Integers may be longer than any float; read as floats they become infinite.
        message = json.loads(text, parse_int=float)
        if not isinstance(message, dict):
            raise SpecificationError("a request is an object.", where="web")
        await asyncio.to_thread(live.request, message)
    except (ValueError, RecursionError) as error:
        await _send(socket, _refusal(SpecificationError(f"no JSON: {error}.", where="web")))
    except RaffinateError as error:
        await _send(socket, _refusal(error))


def _refusal(error: RaffinateError) -> dict[str, Any]:
    return {"type": "error", "error": error.to_dict()}


async def _send(socket: WebSocket, message: dict[str, Any]) -> None:
    await socket.send_text(json.dumps(message, allow_nan=False))


async def _send_states(socket: WebSocket, live: LiveRun) -> None:
    try:
        if live.run is None and live.error is None:
            await _send(socket, page_messages.starting())
        while live.run is None and live.error is None:
            await asyncio.sleep(0.1)
        if live.run is None:
            assert live.error is not None
            await _send(socket, _refusal(live.error))
            return
        first, written, noted = await asyncio.to_thread(_first, live)
        await _send(socket, first)
        told = False
        while True:
            messages, written, noted = await asyncio.to_thread(_news, live, written, noted)
            for message in messages:
                await _send(socket, message)
            if live.error is not None and not told:
                told = True
                await _send(socket, _refusal(live.error))
            await asyncio.sleep(PUSH_INTERVAL)
    except (WebSocketDisconnect, RuntimeError):
        return


def _first(live: LiveRun) -> tuple[dict[str, Any], int, int]:
    assert live.run is not None
    with live.lock:
        run = live.run
        return page_messages.hello(run, live.first_speed), run.history.written, run.history.noted


def _news(live: LiveRun, written: int, noted: int) -> tuple[list[dict[str, Any]], int, int]:
    assert live.run is not None
    with live.lock:
        run = live.run
        messages = [page_messages.state(run, live.speed, live.phase)]
        if run.history.written > written:
            messages.append(page_messages.trend(run, written))
        messages += [page_messages.event(note) for note in run.history.notes_since(noted)]
        return messages, run.history.written, run.history.noted
