"""What a page asks for: read with mistrust, checked against the visitor's role, passed on."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from raffinate.errors import RaffinateError, SpecificationError, nearest_name
from raffinate.runtime.page_history import PageHistory
from raffinate.runtime.page_messages import speeds
from raffinate.runtime.web_sessions import Session
from raffinate.runtime.what_if_runner import WhatIfRunner
from raffinate.units import HOUR

ALARM_RIGHTS: Mapping[str, str] = {
    "acknowledge": "alarm_acknowledge",
    "acknowledge_all": "alarm_acknowledge",
    "comment": "alarm_acknowledge",
    "shelve": "alarm_shelve",
    "unshelve": "alarm_shelve",
    "suppress": "alarm_suppress",
    "unsuppress": "alarm_suppress",
    "out_of_service": "alarm_service",
    "in_service": "alarm_service",
}
"""Right that each action on an alarm needs."""

REQUESTS = (
    "mode", "setpoint", "alarm", "upset", "clear_upset", "speed", "what_if", "what_if_cancel",
    "replay", "history", "spectrum",
)  # fmt: skip
"""Types of requests."""

LONGEST_TEXT = 500
"""Characters of a name or comment that are read."""

MOST_TAGS = 12
"""Tags in one question to the history."""

MOST_POINTS = 2_000
"""Rows in one answer of the history, more than a screen is wide."""

PATIENCE = 10.0
"""Longest wait for a server's answer, wall [s]."""

Answer = Callable[[dict[str, Any]], None]
"""Sends a message to the page that asked."""

Audit = Callable[..., Awaitable[None]]
"""Writes a line of the audit trail."""


class Door(Protocol):
    """A server that can be called."""

    async def call(self, place: str, name: str, *arguments: object) -> object:
        """Call a method of an object.

        Raises:
            RaffinateError: The server refuses, or does not answer.
        """


class RequestDesk:
    """Does what pages ask for.

    Args:
        plant: The plant's server.
        operate: The operating program's server.
        history: The history; blocks, so it is asked in `in_thread`.
        in_thread: Runs a function in the one thread that reads the history.
        what_if: Runs copies of the plant; None where there is none to copy.
        first_speed: Speed the run began with.
        audit: Writes the trail.
        spectrum: Gives the analyzer's last spectrum as the page draws it; None where there is none.
        analyzer: Gives its checks and what it looks at next.
    """

    def __init__(
        self,
        *,
        plant: Door,
        operate: Door,
        history: PageHistory,
        in_thread: Callable[..., Awaitable[Any]],
        what_if: WhatIfRunner | None,
        first_speed: float,
        audit: Audit,
        spectrum: Callable[[], Any] = lambda: None,
        analyzer: Callable[[], Any] = lambda: None,
    ) -> None:
        self._plant = plant
        self._operate = operate
        self._history = history
        self._in_thread = in_thread
        self._what_if = what_if
        self._speeds = speeds(first_speed)
        self._audit = audit
        self._spectrum = spectrum
        self._analyzer = analyzer

    async def take(self, text: str, session: Session, who: object, answer: Answer) -> None:
        """Do what a message of a page asks for.

        Args:
            text: As received.
            session: The visitor's.
            who: The page, for what only one of each page may run.
            answer: Sends to that page.

        Raises:
            RaffinateError: It cannot be done; says why.
        """
        message = parse(text)
        kind = _text(message, "type")
        if kind not in REQUESTS:
            raise SpecificationError(
                f"{kind!r} is no request.", where="web", mend=nearest_name(kind, REQUESTS)
            )
        right = _right(kind, message)
        if right and not session.can(right):
            reason = f"a {session.role} may not do this"
            await self._audit(session, kind, _told(message), accepted=False, reason=reason)
            raise SpecificationError(f"{reason}.", where=kind, mend="Log in with another role.")
        if kind in ("mode", "setpoint", "alarm"):
            await self._ask(message, session)
        elif kind in ("upset", "clear_upset", "speed"):
            await self._ask_twin(kind, message, session)
        elif kind == "what_if_cancel":
            if self._what_if is not None:
                await self._what_if.cancel(who)
        else:
            await self._answer(kind, message, who, answer)

    async def _answer(
        self, kind: str, message: dict[str, Any], who: object, answer: Answer
    ) -> None:
        """Do what is answered to the page that asked; it knows a refusal by its place."""
        try:
            if kind == "what_if":
                await self._ask_what_if(message, who, answer)
            elif kind == "spectrum":
                answer(self._last_spectrum(message))
            else:
                answer(await self._look_back(kind, message))
        except RaffinateError as error:
            raise SpecificationError(
                error.what, where=kind, allowed=error.allowed, mend=error.mend
            ) from error

    async def _ask(self, message: dict[str, Any], session: Session) -> None:
        """Pass a request on to operate, which audits it under the visitor's name."""
        if message["type"] == "mode":
            request: dict[str, Any] = {"mode": _text(message, "mode")}
        elif message["type"] == "setpoint":
            request = {"lever": _text(message, "lever"), "value": _number(message, "value")}
        else:
            request = {"action": message["action"]}
            if message["action"] != "acknowledge_all":
                request["tag"] = _text(message, "tag")
            if message.get("hours") is not None:
                request["hours"] = _number(message, "hours")
            if message.get("comment") is not None:
                request["comment"] = _text(message, "comment")
        text = json.dumps({"type": message["type"], **request})
        await _soon(self._operate.call("Requests", "Ask", text, session.user))

    async def _ask_twin(self, kind: str, message: dict[str, Any], session: Session) -> None:
        """Call the virtual plant, which knows no users beyond this process; so it is noted here."""
        try:
            if kind == "speed":
                speed = _number(message, "value")
                if speed not in self._speeds:
                    offered = ", ".join(f"{each:g}" for each in self._speeds)
                    raise SpecificationError(f"speed is {speed:g}.", where="web", allowed=offered)
                call = self._plant.call("Pace", "SetSpeed", speed)
            else:
                method = "Begin" if kind == "upset" else "End"
                call = self._plant.call("Upsets", method, _text(message, "name"))
            await _soon(call)
        except RaffinateError as error:
            await self._audit(session, kind, _told(message), accepted=False, reason=error.what)
            raise
        await self._audit(session, kind, _told(message), accepted=True, reason="")

    async def _look_back(self, kind: str, message: dict[str, Any]) -> dict[str, Any]:
        if kind == "replay":
            time = _number(message, "t_h") * HOUR
            found: dict[str, Any] = await _soon(self._in_thread(self._history.frame, time))
            return found
        tags = message.get("tags")
        good = isinstance(tags, list) and 0 < len(tags) <= MOST_TAGS
        if not good or not all(isinstance(t, str) and len(t) <= LONGEST_TEXT for t in tags or ()):
            raise SpecificationError(
                "tags is no list of tags.", where="history", allowed=f"1 to {MOST_TAGS} paths"
            )
        begin, end = _number(message, "from_h") * HOUR, _number(message, "to_h") * HOUR
        points = int(min(max(_number(message, "points", 500.0), 1.0), MOST_POINTS))
        if not begin < end:
            raise SpecificationError(
                f"from_h is {begin / HOUR:g}, to_h is {end / HOUR:g}.",
                where="history",
                allowed="from_h before to_h",
            )
        columns = await _soon(self._in_thread(self._history.columns, tags, begin, end, points))
        return {"type": "history", "id": message.get("id"), "columns": columns}

    def _last_spectrum(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return the last spectrum; one the page has already is not sent again."""
        found = self._spectrum()
        answer = {"type": "spectrum", "analyzer": self._analyzer()}
        if not isinstance(found, dict):
            return {**answer, "spectrum": None, "same": False}
        known = message.get("sample_time")
        same = known is not None and known == found.get("sample_time")
        return {**answer, "spectrum": None if same else found, "same": same}

    async def _ask_what_if(self, message: dict[str, Any], who: object, answer: Answer) -> None:
        if self._what_if is None:
            raise SpecificationError(
                "there is no copy of a real plant to try it on.", where="what_if"
            )
        wanted = message.get("levers")
        if not isinstance(wanted, dict):
            raise SpecificationError("levers is no object.", where="what_if")
        levers = {name: _number(wanted, name) for name in wanted}
        hours = _number(message, "hours", 48.0)
        await self._what_if.start(who, message.get("id"), levers, hours, answer)


def parse(text: str) -> dict[str, Any]:
    """Return a request of a page.

    Raises:
        SpecificationError: It is no JSON object.
    """
    try:
        # Integers may be longer than any float; read as floats they become infinite.
        message = json.loads(text, parse_int=float)
    except (ValueError, RecursionError) as error:
        raise SpecificationError(f"no JSON: {error}.", where="web") from error
    if not isinstance(message, dict):
        raise SpecificationError("a request is an object.", where="web")
    return message


def _right(kind: str, message: dict[str, Any]) -> str:
    """Return the right a request needs; "" for looking at the past."""
    if kind == "alarm":
        action = _text(message, "action")
        if action not in ALARM_RIGHTS:
            raise SpecificationError(
                f"{action!r} is no action on an alarm.",
                where="alarm",
                mend=nearest_name(action, tuple(ALARM_RIGHTS)),
            )
        return ALARM_RIGHTS[action]
    return {
        "clear_upset": "upset", "what_if_cancel": "what_if", "replay": "", "history": "",
        "spectrum": "",
    }.get(kind, kind)  # fmt: skip


async def _soon(call: Awaitable[Any]) -> Any:
    """Wait for an answer, but not for ever.

    Raises:
        SpecificationError: None came.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            return await call
    except TimeoutError as error:
        raise SpecificationError(
            f"no answer came in {PATIENCE:g} s.", where="web", mend="See whether all links hold."
        ) from error


def _text(message: Mapping[str, Any], key: str) -> str:
    value = message.get(key)
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise SpecificationError(
            f"{_short(value)} is no text of at most {LONGEST_TEXT} characters.", where=key
        )
    return value


def _number(message: Mapping[str, Any], key: str, default: float | None = None) -> float:
    value = message.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise SpecificationError(f"{_short(value)} is no number.", where=key)
    return float(value)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _told(message: Mapping[str, Any]) -> str:
    """Return a request as the audit trail keeps it."""
    return json.dumps({key: message[key] for key in message if key != "type"})[:LONGEST_TEXT]
