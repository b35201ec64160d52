"""Who looks at the page: sessions of those who logged in, and which site may ask."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from raffinate.runtime.run_directory import is_loopback
from raffinate.runtime.tags import Role
from raffinate.runtime.users import UserTable
from raffinate.units import HOUR

COOKIE = "raffinate_session"
"""Name of the cookie that carries a session."""

SESSION_LIFE = 12.0 * HOUR
"""Wall time after which a session ends, a shift and its handover, [s]."""

MOST_SESSIONS = 1000
"""Sessions kept at a time; the oldest ends for the next."""

OPERATOR_RIGHTS = (
    "mode", "setpoint", "alarm_acknowledge", "alarm_shelve", "upset", "speed", "what_if",
)  # fmt: skip
"""What an operator may ask for; looking at the past is everybody's."""

RIGHTS: Mapping[str, tuple[str, ...]] = {
    "viewer": (),
    "operator": OPERATOR_RIGHTS,
    "engineer": (*OPERATOR_RIGHTS, "alarm_suppress", "alarm_service"),
}
"""Rights by role, the same as at the OPC UA servers. Suppressing alarms and taking them out of
service changes what everyone is warned of, so it is an engineer's."""

SECURITY_HEADERS: Mapping[str, str] = {
    # Styles: the plotting library sets sizes as style attributes. Images: the icon is a data URL.
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
"""Sent with every answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One visitor's permission.

    Attributes:
        user: Name.
        role: Role at the time of the log-in.
        key: What the store knows it by; empty for the local visitor, who never logged in.
        expires: End of it on the store's clock, [s].
    """

    user: str
    role: Role
    key: str = ""
    expires: float = float("inf")

    def can(self, right: str) -> bool:
        """Return whether the role carries a right."""
        return right in RIGHTS.get(self.role, ())

    def to_dict(self) -> dict[str, Any]:
        """Return the session as `hello` tells it."""
        return {
            "user": self.user,
            "role": self.role,
            "can": list(RIGHTS.get(self.role, ())),
            "login": bool(self.key),
        }


LOCAL = Session(user="local", role="engineer")
"""Everyone on this machine, where there is no user table."""


class SessionStore:
    """Sessions of those who logged in, on the server alone; the cookie holds a random token.

    Args:
        users: Who may log in now; while the table is empty, everyone is the local visitor.
        clock: Wall clock, [s].
    """

    def __init__(self, users: UserTable, clock: Callable[[], float] = time.time) -> None:
        self._users = users
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def open(self, user: str, role: Role) -> tuple[str, Session]:
        """Begin a session and return its token, which only the visitor keeps."""
        token = secrets.token_urlsafe(32)
        session = Session(
            user=user, role=role, key=_digest(token), expires=self._clock() + SESSION_LIFE
        )
        while len(self._sessions) >= MOST_SESSIONS:
            self._sessions.pop(next(iter(self._sessions)))
        self._sessions[session.key] = session
        return token, session

    def find(self, token: str | None) -> Session | None:
        """Return the session of a token, or None if there is none that still holds."""
        session = self._sessions.get(_digest(token)) if token else None
        return session if session is not None and self.holds(session) else None

    def holds(self, session: Session) -> bool:
        """Return whether a session is still open, its user known and its role unchanged."""
        if not session.key:
            return self._users.empty
        if session.key not in self._sessions:
            return False
        over = self._clock() >= session.expires or self._users.role_of(session.user) != session.role
        if over:
            self.close(session)
        return not over

    def close(self, session: Session) -> None:
        """End a session."""
        self._sessions.pop(session.key, None)


def _digest(token: str) -> str:
    # Whoever reads the memory of the server finds no token that opens a session.
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def same_origin(headers: Mapping[str, str]) -> bool:
    """Return whether the page that asks was served from here: any site may open a local socket.

    What is no browser sends no origin.
    """
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    return urlsplit(origin).netloc == headers.get("host", "")


def local_name(headers: Mapping[str, str]) -> bool:
    """Return whether the address asked for names this machine.

    Without log-ins a foreign name that points here, as in DNS rebinding, must not open the plant
    to the site that owns the name.
    """
    try:
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return False
    return is_loopback(host)


def is_local(address: str | None, headers: Mapping[str, str]) -> bool:
    """Return whether a request comes from this machine itself, not through a proxy on it."""
    forwarded = any(name in headers for name in ("forwarded", "x-forwarded-for", "x-real-ip"))
    return address is not None and is_loopback(address) and not forwarded


def is_secure(scheme: str, headers: Mapping[str, str]) -> bool:
    """Return whether the visitor came by TLS, to this server or to a proxy before it."""
    return scheme in ("https", "wss") or headers.get("x-forwarded-proto") == "https"
