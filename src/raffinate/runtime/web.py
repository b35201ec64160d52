"""The web application: the page, its socket, log-in, health and metrics.

It holds no plant and solves nothing; what it shows and passes on comes through `WebParts`.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from raffinate.errors import RaffinateError, SpecificationError
from raffinate.runtime.metrics import CONTENT_TYPE
from raffinate.runtime.page_hub import PageHub, Visitor
from raffinate.runtime.page_messages import encode, login, refusal
from raffinate.runtime.page_requests import RequestDesk
from raffinate.runtime.users import LoginLimiter, UserTable
from raffinate.runtime.web_sessions import (
    COOKIE,
    LOCAL,
    SECURITY_HEADERS,
    SESSION_LIFE,
    Session,
    SessionStore,
    is_local,
    is_secure,
    local_name,
    same_origin,
)

LONGEST_BODY = 4096
"""Bytes of a log-in that are read."""

LONGEST_MESSAGE = 64 * 1024
"""Bytes of one message of a page; more closes its socket."""

MOST_PAGES = 200
"""Pages open at a time."""

MOST_LOGINS = 8
"""Log-ins that wait to be checked; each takes a third of a second of a core by design."""

REQUESTS_A_SECOND = 20.0
"""Requests one page may make in the long run, and at once."""

Audit = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebParts:
    """What the application serves.

    Attributes:
        hub: Sends to the pages.
        desk: Does what they ask for.
        users: Who may log in; while it is empty, everyone here is the local engineer.
        store: Sessions.
        audit: Writes the trail.
        health: Gives what `/health` says.
        metrics: Gives what `/metrics` says.
        token: Opens `/metrics` to a scraper without a log-in; empty for none.
        forget: Ends what only the page that leaves had asked for.
    """

    hub: PageHub
    desk: RequestDesk
    users: UserTable
    store: SessionStore
    audit: Audit
    health: Callable[[], Mapping[str, Any]]
    metrics: Callable[[], str]
    forget: Callable[[object], Awaitable[None]]
    token: str = ""


class WebApplication:
    """Answers requests; one method each."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._limiter = LoginLimiter()
        self._checking = asyncio.Lock()
        self._waiting = 0

    def session(self, visitor: Request | WebSocket) -> Session | None:
        """Return the visitor's session; None where a log-in is needed."""
        if self._parts.users.empty:
            return LOCAL if local_name(visitor.headers) else None
        return self._parts.store.find(visitor.cookies.get(COOKIE))

    async def log_in(self, request: Request) -> Response:
        """Check name and password, and set the cookie of a session."""
        if not same_origin(request.headers):
            return _refused(403, "another site asks.")
        name, password = await _credentials(request)
        address = _address(request)
        if name is None or password is None:
            return _refused(400, "no user and password.")
        wait = self._limiter.wait(name, address)
        if wait > 0.0 or self._waiting >= MOST_LOGINS:
            refused = _refused(429, f"too many log-ins; wait {max(wait, 1.0):.0f} s.")
            refused.headers["Retry-After"] = f"{max(wait, 1.0):.0f}"
            return refused
        role = await self._checked(name, password, address)
        who = Session(user=name, role=role or "viewer")
        told = f"from {address}"
        if role is None:
            reason = "name or password is wrong"
            await self._parts.audit(who, "login", told, accepted=False, reason=reason)
            return _refused(401, f"{reason}.")
        await self._parts.audit(who, "login", told, accepted=True, reason="")
        token, _ = self._parts.store.open(name, role)
        answer = Response(status_code=204)
        answer.set_cookie(
            COOKIE,
            token,
            max_age=int(SESSION_LIFE),
            httponly=True,
            samesite="strict",
            secure=is_secure(request.url.scheme, request.headers),
        )
        return answer

    async def _checked(self, name: str, password: str, address: str) -> Any:
        """Return the role of a user whose password is right; one check at a time."""
        self._waiting += 1
        try:
            async with self._checking:
                if self._limiter.wait(name, address) > 0.0:
                    return None
                role = await asyncio.to_thread(self._parts.users.verify, name, password)
                if role is None:
                    self._limiter.failed(name, address)
                else:
                    self._limiter.succeeded(name, address)
                return role
        finally:
            self._waiting -= 1

    async def log_out(self, request: Request) -> Response:
        """End the session and its pages."""
        if not same_origin(request.headers):
            return _refused(403, "another site asks.")
        session = self.session(request)
        if session is not None and session.key:
            self._parts.store.close(session)
            self._parts.hub.end_session(session)
            await self._parts.audit(session, "logout", "", accepted=True, reason="")
        answer = Response(status_code=204)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    def may_read(self, request: Request) -> bool:
        """Return whether metrics may be shown: to this machine, to users, and for the token."""
        if self._parts.users.empty:
            return local_name(request.headers)
        if is_local(_address(request), request.headers) and local_name(request.headers):
            return True
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._parts.token and hmac.compare_digest(given.encode(), self._parts.token.encode()):
            return True
        return self.session(request) is not None

    async def health(self, request: Request) -> Response:
        """Say whether the plant runs and how far it is."""
        found = dict(self._parts.health())
        if not self.may_read(request):
            found = {key: found[key] for key in ("started", "phase")}
        return JSONResponse(found)

    async def metrics(self, request: Request) -> Response:
        """Tell Prometheus."""
        if not self.may_read(request):
            return _refused(401, "log in, or give a token.")
        return Response(self._parts.metrics(), media_type=CONTENT_TYPE)

    async def serve_page(self, socket: WebSocket) -> None:
        """Talk with one open page until it goes."""
        strange = self._parts.users.empty and not local_name(socket.headers)
        if strange or not same_origin(socket.headers) or self._parts.hub.visitors >= MOST_PAGES:
            await socket.close(code=1008)
            return
        await socket.accept()
        session = self.session(socket)
        if session is None:
            await socket.send_text(encode(login()))
            await socket.close(code=1008)
            return
        visitor = self._parts.hub.join(session)
        sender = asyncio.create_task(self._send(socket, visitor))
        try:
            await self._receive(socket, visitor)
        except (WebSocketDisconnect, RuntimeError, KeyError):
            # KeyError: the page sent bytes where Starlette looks for text.
            pass
        finally:
            self._parts.hub.leave(visitor)
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            await self._parts.forget(visitor)

    async def _send(self, socket: WebSocket, visitor: Visitor) -> None:
        try:
            while (found := await visitor.next()) is not None:
                text, since = found
                await socket.send_text(text)
                if since is not None:
                    self._parts.hub.times.observe(time.monotonic() - since)
            await socket.send_text(encode(login("The session has ended.")))
            await socket.close(code=1008)
        except (WebSocketDisconnect, RuntimeError):
            return

    async def _receive(self, socket: WebSocket, visitor: Visitor) -> None:
        allowance, counted = REQUESTS_A_SECOND, time.monotonic()

        def answer(message: dict[str, Any]) -> None:
            visitor.offer(encode(message))

        while True:
            text = await socket.receive_text()
            now = time.monotonic()
            allowance = min(REQUESTS_A_SECOND, allowance + (now - counted) * REQUESTS_A_SECOND)
            counted = now
            try:
                if not self._parts.store.holds(visitor.session):
                    visitor.end()
                    continue
                if allowance < 1.0:
                    raise SpecificationError("too many requests at once.", where="web")
                allowance -= 1.0
                await self._parts.desk.take(text, visitor.session, visitor, answer)
            except RaffinateError as error:
                answer(refusal(error))


class _Secured:
    """Adds the headers that keep other sites out to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def create_app(parts: WebParts, work: Callable[[], Awaitable[None]] | None = None) -> FastAPI:
    """Return the web application that shows a run.

    Args:
        parts: What it serves.
        work: Runs beside it until cancelled: what feeds the hub.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.ensure_future(parts.hub.run())]
        if work is not None:
            tasks.append(asyncio.ensure_future(work()))
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    app = FastAPI(
        title="raffinate", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.add_middleware(_Secured)
    site = WebApplication(parts)
    app.get("/health")(site.health)
    app.get("/metrics")(site.metrics)
    app.post("/login")(site.log_in)
    app.post("/logout")(site.log_out)
    app.websocket("/ws")(site.serve_page)
    static = files("raffinate.runtime") / "static"
    app.mount("/", StaticFiles(directory=str(static), html=True), name="page")
    return app


async def _credentials(request: Request) -> tuple[str | None, str | None]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_BODY:
            return None, None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(found, dict):
        return None, None
    name, password = found.get("user"), found.get("password")
    if not isinstance(name, str) or not isinstance(password, str) or len(name) > 64:
        return None, None
    return name, password


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _refused(status: int, what: str) -> JSONResponse:
    error = {"where": "web", "what": what, "allowed": "", "mend": ""}
    return JSONResponse({"error": error}, status_code=status)
