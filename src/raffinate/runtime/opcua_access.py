"""Who may do what at an OPC UA server: log-ins, roles, limits of writes, and their audit.

No network here and no OPC UA: values come in as plain ones and verdicts go out as names of OPC UA
status codes.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from raffinate.errors import RaffinateError
from raffinate.runtime.tags import Kind, Role, Tag, Value

Status = str
"""Name of an OPC UA status code, such as "BadOutOfRange"."""

PEOPLE: Mapping[Role, int] = {"viewer": 0, "operator": 1, "engineer": 2}
"""Roles of people in order; each has the rights of those below it."""

MOST_ENTRIES = 10_000
"""Longest array a client may write. Assumed: days of scans; no plan is longer."""

MOST_CHARACTERS = 65_536
"""Longest text a client may write. Assumed."""

REMEMBERED = 60.0
"""Time for which a right password is not hashed again, [s]. Assumed: a reconnect lies within it."""

PAUSE = 1.0
"""Pause after a wrong password before another is hashed, [s]. Assumed. Hashing takes a third of a
second of the thread that serves everyone, so guessing must not be able to fill it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Someone at the other end of a session.

    Attributes:
        name: Of the user or the program.
        role: What it may do.
    """

    name: str
    role: Role


class Users(Protocol):
    """A table of people; `raffinate.runtime.users.UserTable` is one."""

    @property
    def empty(self) -> bool:
        """Whether nobody was entered."""
        ...

    def role_of(self, name: str) -> Role | None:
        """Return the role of a user; None for an unknown name."""
        ...

    def verify(self, name: str, password: str) -> Role | None:
        """Return the role of a user whose password is right."""
        ...


class AccessDenied(RaffinateError):
    """Someone asked for what is not theirs; an OPC UA client sees BadUserAccessDenied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a write or a call was refused.

    Attributes:
        status: What the client is told.
        reason: In words, for the audit trail.
    """

    status: Status
    reason: str


Audit = Callable[[dict[str, Any]], None]
"""Takes one entry: user, role, source, what, old, new, accepted, reason."""

_caller: ContextVar[Who | None] = ContextVar("raffinate_opcua_caller", default=None)


def calling(who: Who) -> Any:
    """Name the caller of what runs until `called`; returns the token to hand to it."""
    return _caller.set(who)


def called(token: Any) -> None:
    """End what `calling` began."""
    _caller.reset(token)


def caller() -> Who | None:
    """Return who wrote or called, inside a method linked to a node; None outside of one."""
    return _caller.get()


def may(role: Role, needed: Role | None, *, service: bool = False) -> bool:
    """Return whether a role suffices.

    Args:
        role: Of the one who asks.
        needed: Lowest role of people, or a program's, which no person has; None for nobody.
        service: Whether the project's own processes may too.
    """
    if role not in PEOPLE:
        return service or role == needed
    return needed is not None and needed in PEOPLE and PEOPLE[role] >= PEOPLE[needed]


class Accounts:
    """Log-ins of a server.

    Args:
        users: People; None where there is no table.
        internal: Password and role of the project's own processes, by name.
        open_to_viewers: Admit a visitor without a name as viewer while no people are entered.
        now: Monotonic clock, [s].
    """

    def __init__(
        self,
        users: Users | None,
        internal: Mapping[str, tuple[str, Role]],
        *,
        open_to_viewers: bool,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._users = users
        self._internal = dict(internal)
        self._open_to_viewers = open_to_viewers
        self._now = now
        self._secret = secrets.token_bytes(32)
        self._known: dict[bytes, float] = {}
        self._closed_until = -math.inf

    @property
    def anonymous(self) -> bool:
        """Whether a visitor without a name is admitted."""
        return self._open_to_viewers and (self._users is None or self._users.empty)

    def identify(self, name: str | None, password: str | None) -> Who | None:
        """Return who logs in; None for nobody known."""
        if name is None:
            return Who(name="anonymous", role="viewer") if self.anonymous else None
        own = self._internal.get(name)
        if own is not None:
            right = hmac.compare_digest((password or "").encode(), own[0].encode())
            return Who(name=name, role=own[1]) if right and own[0] else None
        role = self._role_of_person(name, password or "")
        return Who(name=name, role=role) if role is not None else None

    def still(self, who: Who) -> Who | None:
        """Return who someone with an open session is by now; None if no longer anybody."""
        if who.name in self._internal:
            return who
        if who.name == "anonymous":
            return who if self.anonymous else None
        role = self._users.role_of(who.name) if self._users is not None else None
        return Who(name=who.name, role=role) if role is not None else None

    def _role_of_person(self, name: str, password: str) -> Role | None:
        if self._users is None:
            return None
        now = self._now()
        proof = f"{name}\0{password}".encode(errors="surrogateescape")
        mark = hmac.digest(self._secret, proof, hashlib.sha256)
        if now < self._known.get(mark, -math.inf):
            return self._users.role_of(name)
        if now < self._closed_until:
            return None
        role = self._users.verify(name, password)
        if role not in PEOPLE:
            self._closed_until = self._now() + PAUSE
            return None
        self._known = {each: until for each, until in self._known.items() if until > now}
        self._known[mark] = now + REMEMBERED
        return role


def judge(tag: Tag, value: Any, kind: Kind | None, who: Who) -> Value | Refusal:
    """Judge one write.

    Args:
        tag: What is written.
        value: As received; arrays as lists.
        kind: Type as received; None for one that no tag has.
        who: Who writes.

    Returns:
        The value to store, or why not.
    """
    if not may(who.role, tag.writer):
        needed = f"{tag.writer} may" if tag.writer else "no client may"
        return Refusal(
            status="BadUserAccessDenied", reason=f"{who.role} may not write it; {needed}"
        )
    if kind != tag.kind or value is None:
        return Refusal(
            status="BadTypeMismatch", reason=f"{kind or 'another type'} instead of {tag.kind}"
        )
    if not tag.kind.endswith("[]"):
        fault = _fault(tag, value)
        return Refusal(status="BadOutOfRange", reason=fault) if fault else value
    if not all(type(entry) is type(value[0]) for entry in value) or value[:1] == [None]:
        return Refusal(status="BadTypeMismatch", reason="entries of several types")
    if len(value) > MOST_ENTRIES:
        reason = f"{len(value)} entries, at most {MOST_ENTRIES} allowed"
        return Refusal(status="BadOutOfRange", reason=reason)
    for index, entry in enumerate(value):
        if fault := _fault(tag, entry):
            return Refusal(status="BadOutOfRange", reason=f"entry {index + 1}: {fault}")
    return tuple(value)


def _fault(tag: Tag, value: Any) -> str:
    """Say what is wrong with a value of the right type; nothing if nothing is."""
    if isinstance(value, str):
        if len(value) > MOST_CHARACTERS:
            return f"{len(value)} characters, at most {MOST_CHARACTERS} allowed"
        if tag.choices and value not in tag.choices:
            return f"{value[:40]!r} is none of {', '.join(tag.choices)}"
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is no finite number"
    low, high = tag.low, tag.high
    if (low is not None and value < low) or (high is not None and value > high):
        least = "-∞" if low is None else f"{low:g}"
        most = "∞" if high is None else f"{high:g}"
        return f"{value:g} {tag.unit} is outside {least} to {most} {tag.unit}".replace("  ", " ")
    return ""


def audit_entry(
    who: Who, what: str, old: Any, new: Any, *, accepted: bool, reason: str = ""
) -> dict[str, Any]:
    """Return an entry of the audit trail; the trail adds number, times and chain."""
    return {
        "user": who.name,
        "role": who.role,
        "source": "guard" if who.role == "guard" else "opcua",
        "what": what,
        "old": _told(old),
        "new": _told(new),
        "accepted": accepted,
        "reason": reason,
    }


def _told(value: Any) -> Any:
    """Return a value as JSON has it, shortened where it is long."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return value if len(value) <= 400 else f"{value[:400]}… ({len(value)} characters)"
    if isinstance(value, (list, tuple)):
        told = [_told(entry) for entry in value[:50]]
        return told if len(value) <= 50 else [*told, f"… ({len(value)} entries)"]
    return _told(repr(value))
