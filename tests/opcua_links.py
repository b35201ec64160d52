"""OPC UA servers and clients for tests: quick to start, on one loop for a whole file."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asyncua.server.internal_server import InternalServer

from raffinate.runtime.opcua_client import TagClient
from raffinate.runtime.opcua_pki import identity
from raffinate.runtime.opcua_server import TagServer
from raffinate.runtime.tags import Role, Tag

ACCOUNTS: Mapping[str, tuple[str, Role]] = {
    "operate": ("guards", "guard"),
    "web": ("serves", "service"),
}

PEOPLE: Mapping[str, tuple[str, Role]] = {
    "vera": ("a viewer's word", "viewer"),
    "otto": ("an operator's word", "operator"),
    "enid": ("an engineer's word", "engineer"),
}

TAGS: tuple[Tag, ...] = (
    Tag(path="PLC/Time", kind="Double", unit="s", title="Plant time"),
    Tag(path="PLC/Scan", kind="Int64"),
    Tag(path="PLC/Watchdog", kind="Boolean"),
    Tag(path="PLC/Alarms", kind="String[]"),
    Tag(path="Guard/Heartbeat", kind="Int64", writer="guard"),
    Tag(path="Levers/acid/Measured", kind="Double", unit="m³/h"),
    Tag(
        path="Levers/acid/Setpoint",
        kind="Double",
        unit="m³/h",
        title="Acid: setpoint",
        writer="guard",
        low=1.0,
        high=3.0,
    ),
    Tag(path="Levers/acid/Trajectory", kind="Double[]", writer="guard", low=1.0, high=3.0),
    Tag(path="Levers/acid/Request", kind="Double", writer="operator", low=1.0, high=3.0),
    Tag(path="Mode/Request", kind="String", writer="operator", choices=("manual", "fuzzy")),
    Tag(path="Tuning/Gain", kind="Double", writer="engineer", low=0.0, high=1.0),
    Tag(path="Analyzer/XRF/Channel1/stage 5/Values", kind="Double[]", unit="mol/m³"),
    Tag(path="Analyzer/XRF/Channel1/stage 5/SampleTime", kind="Double", unit="s"),
    Tag(path="Truth/pH", kind="Double[]", space="twin"),
    Tag(path="Upsets/Table", kind="String", space="twin"),
)


class People:
    """A user table in memory."""

    def __init__(self, people: Mapping[str, tuple[str, Role]] = PEOPLE) -> None:
        self.people = dict(people)
        self.hashed = 0

    @property
    def empty(self) -> bool:
        return not self.people

    def role_of(self, name: str) -> Role | None:
        return self.people[name][1] if name in self.people else None

    def verify(self, name: str, password: str) -> Role | None:
        self.hashed += 1
        found = self.people.get(name)
        return found[1] if found is not None and found[0] == password else None


_loaded = InternalServer.load_standard_address_space
_standard: list[bytes] = []


async def _load(self: InternalServer, shelf_file: Path | None = None) -> None:
    """Load the nodes of the standard, from memory after the first time."""
    if _standard:
        self.aspace._nodes = pickle.loads(_standard[0])
        return
    await _loaded(self, shelf_file)
    _standard.append(pickle.dumps(self.aspace._nodes))


@pytest.fixture(scope="module")
def runner():
    """A loop that a whole file shares; servers move on while a test runs in it."""
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as found:
        patch.setattr(InternalServer, "load_standard_address_space", _load)
        yield found


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    """A folder of certificates, made once: keys take their time."""
    folder = tmp_path_factory.mktemp("opcua") / "pki"
    for name in ("plant", "client"):
        identity(folder, name)
    return folder


def tag_server(
    pki: Path,
    audit: list[dict[str, Any]] | None = None,
    *,
    tags: Sequence[Tag] = TAGS,
    users: People | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    on_write: Any = None,
) -> TagServer:
    """Return a server that is not started."""
    return TagServer(
        name="plant",
        host=host,
        port=port,
        tags=tags,
        pki=pki,
        users=users,
        internal=ACCOUNTS,
        audit=(audit if audit is not None else []).append,
        on_write=on_write,
    )


def client_of(server: TagServer, pki: Path, user: str | None = None, **more: Any) -> TagClient:
    """Return a client that is not connected; its password is that of the user."""
    known = {**ACCOUNTS, **PEOPLE}
    password = known[user][0] if user in known else None
    return TagClient(
        server.endpoint, pki=pki, name="client", user=user, **{"password": password, **more}
    )


@asynccontextmanager
async def logged_in(
    server: TagServer, pki: Path, user: str | None = None
) -> AsyncIterator[TagClient]:
    """Give a connected client."""
    async with client_of(server, pki, user) as client:
        yield client
