"""The page's server as a process: `python -m raffinate.runtime.web_process RUN_DIRECTORY`.

A client of both OPC UA servers and of the history; it writes nothing but requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import uvicorn

from raffinate.errors import DataError, SpecificationError
from raffinate.plant.model import Plant
from raffinate.plant.plant_file import load_plant
from raffinate.runtime.audit import AuditTrail
from raffinate.runtime.messages import MODES
from raffinate.runtime.metrics import render_histogram, run_metrics
from raffinate.runtime.page_history import PageHistory
from raffinate.runtime.page_hub import PageHub
from raffinate.runtime.page_requests import RequestDesk
from raffinate.runtime.page_source import PageSource, RunFacts
from raffinate.runtime.page_tags import TagView
from raffinate.runtime.process_status import (
    StatusWriter,
    StopRequest,
    process_main,
    read_statuses,
)
from raffinate.runtime.run_directory import RunDirectory
from raffinate.runtime.tags import operate_tags, plant_tags, twin_tags
from raffinate.runtime.users import UserTable, check_exposure
from raffinate.runtime.web import LONGEST_MESSAGE, WebParts, create_app
from raffinate.runtime.web_links import NoServer, ServerLink
from raffinate.runtime.web_rows import NominalFile, link_rows, process_rows, told_states
from raffinate.runtime.web_sessions import Session, SessionStore
from raffinate.runtime.what_if_runner import WhatIfRunner

log = logging.getLogger(__name__)

POLL = 1.0
"""Wall time between two looks at the history and at the processes, [s]."""

TOKEN = "RAFFINATE_METRICS_TOKEN"
"""Environment variable with the token that opens /metrics; never in a file of ours."""


class WebRun:
    """One run as the page's server sees it: its links, its history, its processes.

    Args:
        run: Run directory.
        plant: Its plant.
        trail: Audit trail of the web.
    """

    def __init__(self, run: RunDirectory, plant: Plant, trail: AuditTrail) -> None:
        settings = run.settings
        self._run = run
        self._trail = trail
        self.users = UserTable.load(run.users_file)
        check_exposure(settings.host, self.users)
        self.plant_link = self._link("plant", plant) if settings.virtual else NoServer()
        self.operate_link = self._link("operate", plant)
        self._rows: list[dict[str, Any]] = []
        self._told: list[dict[str, Any]] = []
        self.source = PageSource(
            RunFacts(plant=plant, virtual=settings.virtual, first_speed=settings.speed),
            TagView(self.plant_link.value),
            TagView(self.operate_link.value),
            processes=lambda: self._rows,
            links=self._links,
            linked=self._linked,
            nominal=NominalFile(run.path / "nominal.json").read,
        )
        self.store = SessionStore(self.users)
        self.hub = PageHub(self.source, self.store.holds)
        self.history = PageHistory(
            run.history_url, plant, settings.epoch_us, virtual=settings.virtual
        )
        # A database connection belongs to one thread.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="history")
        self.what_if = WhatIfRunner(run.path) if settings.virtual else None

    def _link(self, server: str, plant: Plant) -> ServerLink:
        tags = (
            (*plant_tags(plant), *twin_tags(plant))
            if server == "plant"
            else operate_tags(plant, MODES)
        )
        return ServerLink(self._run, server, tags, lambda: self.hub.changed())

    def _links(self) -> list[dict[str, Any]]:
        return [*self._told, *self.plant_link.rows(), *self.operate_link.rows()]

    def _linked(self) -> bool:
        """Whether the way from the plant to the page is whole."""
        to_plant = self.operate_link.value("Link/Connected")
        return self.plant_link.connected and self.operate_link.connected and to_plant is True

    async def in_thread(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Run something in the one thread that reads the history."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader, functools.partial(function, *arguments))

    async def audit(
        self, session: Session, what: str, new: str, *, accepted: bool, reason: str
    ) -> None:
        """Write a line of the audit trail of the web."""
        await asyncio.to_thread(
            self._trail.append,
            plant_time=self.source.present.time,
            user=session.user,
            role=session.role,
            source="web",
            what=what,
            old=None,
            new=new,
            accepted=accepted,
            reason=reason,
        )

    def parts(self) -> WebParts:
        """Return what the web application serves."""
        desk = RequestDesk(
            plant=self.plant_link,
            operate=self.operate_link,
            history=self.history,
            in_thread=self.in_thread,
            what_if=self.what_if,
            first_speed=self._run.settings.speed,
            audit=self.audit,
            spectrum=self.source.spectrum,
            analyzer=self.source.analyzer,
        )
        return WebParts(
            hub=self.hub,
            desk=desk,
            users=self.users,
            store=self.store,
            audit=self.audit,
            health=self.source.health,
            metrics=self.metrics,
            forget=self._forget,
            token=os.environ.get(TOKEN, ""),
        )

    async def _forget(self, who: object) -> None:
        if self.what_if is not None:
            await self.what_if.cancel(who)

    def metrics(self) -> str:
        """Return what `/metrics` says."""
        source, lag = self.source, None
        if source.span is not None and source.present.time is not None:
            lag = max(0.0, source.present.time - source.span[1])
        around = source.surroundings()
        text = run_metrics(
            source.present.message(around) if source.ready else None,
            around,
            lag=lag,
            pages=self.hub.visitors,
            states=self.hub.states,
            events=len(source.events),
        )
        name, meaning = "web_push_seconds", "From a change of a tag until it was sent to a page."
        return text + render_histogram(name, meaning, self.hub.times)

    async def work(self, status: StatusWriter) -> None:
        """Keep links, history and processes up to date until cancelled."""
        status.running()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.plant_link.keep())
                group.create_task(self.operate_link.keep())
                while True:
                    await self._look_at_processes()
                    await self._look_at_history()
                    status.beat(
                        pages=self.hub.visitors,
                        states=self.hub.states,
                        links={row["name"]: row for row in self._links()[len(self._told) :]},
                    )
                    await asyncio.sleep(POLL)
        finally:
            if self.what_if is not None:
                await self.what_if.close()
            await self.plant_link.close()
            await self.operate_link.close()
            await self.in_thread(self.history.close)
            self._reader.shutdown()

    async def _look_at_processes(self) -> None:
        statuses = await asyncio.to_thread(read_statuses, self._run)
        before = told_states(self._rows, self._told)
        self._rows, self._told = process_rows(statuses), link_rows(statuses, leave_out="web")
        if told_states(self._rows, self._told) != before:
            self.hub.changed()

    async def _look_at_history(self) -> None:
        try:
            first = self.source.span is None
            news = await self.in_thread(self.history.news)
        except DataError as error:
            # The history may not be there yet, or be away for a while.
            log.debug("%s", error)
            return
        messages = self.source.take(news)
        if first:
            self.hub.greet_again()
        else:
            self.hub.broadcast(messages)


class _Server(uvicorn.Server):
    """A server that leaves the signals to `process_main`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(run: RunDirectory, plant: Plant, status: StatusWriter, stop: StopRequest) -> None:
    """Serve the page until the stop request.

    Raises:
        SpecificationError: The address cannot be served.
    """
    with AuditTrail(run.audit_file("web")) as trail:
        web = WebRun(run, plant, trail)
        door = open_door(run.settings.host, run.settings.web_port)
        config = uvicorn.Config(
            create_app(web.parts(), lambda: web.work(status)),
            log_level="warning",
            access_log=False,
            # The address of whoever asks is that of the connection, whatever it claims.
            proxy_headers=False,
            server_header=False,
            ws_max_size=LONGEST_MESSAGE,
            # Squeezing every state for every page would cost more than sending it.
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)

        def leave() -> None:
            server.should_exit = True

        loop = asyncio.get_running_loop()
        stop.then(lambda: loop.call_soon_threadsafe(leave))
        with contextlib.closing(door):
            await server.serve(sockets=[door])


def open_door(host: str, port: int) -> socket.socket:
    """Return a socket bound to where the page is served.

    Raises:
        SpecificationError: It cannot be had.
    """
    door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((host, port))
    except OSError as error:
        door.close()
        raise SpecificationError(
            f"port {port} cannot be used ({error.strerror}).",
            where="--port",
            mend="Choose another with --port, or 0 for any free one.",
        ) from error
    return door


def body(run: RunDirectory, status: StatusWriter, stop: StopRequest) -> None:
    """Run the process from its start to the stop request."""
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(run, load_plant(run.settings.plant), status, stop))


if __name__ == "__main__":
    process_main("web", body)
