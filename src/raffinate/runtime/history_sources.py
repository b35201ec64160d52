"""Where history gets records from: a server over OPC UA, or its ring on disk after its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence

from raffinate.errors import RaffinateError
from raffinate.runtime.nodemap import NodeMap
from raffinate.runtime.nodemap_file import load_nodemap
from raffinate.runtime.opcua_client import Mirror, TagClient
from raffinate.runtime.private_files import is_alive
from raffinate.runtime.process_status import read_status
from raffinate.runtime.records import Record, record_from_json
from raffinate.runtime.ring import Ring
from raffinate.runtime.run_directory import RunDirectory
from raffinate.runtime.tags import NAMESPACES, Space

LOOK_INTERVAL_MS = 200.0
"""How often the server looks whether there are new records, wall [ms]."""

RETRY = (0.2, 5.0)
"""First and longest wait before a server that does not answer is tried again, wall [s]."""

ANSWER_TIME = 20.0
"""Longest wait for an answer, wall [s]."""

PROCESS_OF = {"plant": "twin", "operate": "operate"}
"""Process that serves each source in a run with a virtual plant."""


class LinkSource:
    """Records of a server, over OPC UA.

    Args:
        name: "plant" or "operate".
        client: Of the server; connects and reconnects by itself.
        records: Its object with the method Pull.
        newest: Node with the number of its newest record; None where there is none.
    """

    def __init__(self, name: str, client: TagClient, records: str, newest: str | None) -> None:
        self._name = name
        self._client = client
        self._records = records
        self._newest_node = newest
        self._news = asyncio.Event()
        self._mirror: Mirror | None = None
        self._opening: asyncio.Task[None] | None = None
        self._error: RaffinateError | None = None

    @property
    def name(self) -> str:
        """Which server."""
        return self._name

    @property
    def connected(self) -> bool:
        """Whether it answers."""
        return self._client.connected and self._error is None

    @property
    def newest(self) -> int | None:
        """Number of its newest record, as far as it told."""
        if self._mirror is None or self._newest_node is None:
            return None
        found = self._mirror.value(self._newest_node)
        return found if isinstance(found, int) else None

    async def open(self) -> None:
        """Begin to listen; the connection comes about when the server does."""
        self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        wait, longest = RETRY
        while True:
            try:
                await self._client.connect()
                if self._newest_node is not None:
                    self._mirror = await self._client.mirror(
                        (self._newest_node,), LOOK_INTERVAL_MS, on_change=self._changed
                    )
            except RaffinateError as error:
                # A server that is still starting has no door, and its certificate may not be made.
                self._error = error
                await self._client.close()
            else:
                self._error = None
                self._news.set()
                return
            await asyncio.sleep(wait)
            wait = min(2.0 * wait, longest)

    async def close(self) -> None:
        """Stop listening."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        await self._client.close()

    def _changed(self, keys: Sequence[str]) -> None:
        self._news.set()

    async def pull(self, after: int, most: int) -> Sequence[Record]:
        """Return records after a number, the oldest first.

        Raises:
            RaffinateError, OSError, TimeoutError: The server does not answer.
        """
        if self._error is not None:
            raise self._error
        text = await asyncio.wait_for(
            self._client.call(self._records, "Pull", after, most), ANSWER_TIME
        )
        # Megabytes of JSON must not hold up the heartbeat of this process.
        return await asyncio.to_thread(_records_of, text)

    async def news(self, longest: float) -> None:
        """Wait until there are more records, [s] of wall time at most."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), longest)
        self._news.clear()


class DiskSource:
    """Records of a server that has ended, from its ring.

    Args:
        name: "plant" or "operate".
        ring: Its ring.
    """

    def __init__(self, name: str, ring: Ring) -> None:
        self._name = name
        self._ring = ring

    @property
    def name(self) -> str:
        """Which server."""
        return self._name

    @property
    def connected(self) -> bool:
        """Always: a disk answers."""
        return True

    @property
    def newest(self) -> int | None:
        """Number of its newest record."""
        return self._ring.last

    async def pull(self, after: int, most: int) -> Sequence[Record]:
        """Return records after a number, the oldest first."""
        return [record_from_json(line) for line in self._ring.pull(after, most)]

    async def news(self, longest: float) -> None:
        """Return at once: nothing comes any more."""

    def close(self) -> None:
        """Close the ring."""
        self._ring.close()


def link_sources(run: RunDirectory) -> list[LinkSource]:
    """Return the servers of a run that keep records, not yet listened to.

    Of a foreign plant operate keeps the values, unless its nodemap names an object with records.

    Raises:
        SpecificationError: The nodemap cannot be used.
    """
    operate = _own(run, "operate", run.settings.operate_endpoint)
    if run.settings.virtual:
        return [_own(run, "plant", run.settings.plant_endpoint), operate]
    nodemap = load_nodemap(run.settings.nodemap or "nodemap_twin")
    if nodemap.records_object is None:
        return [operate]
    client = _foreign_client(run, nodemap)
    return [LinkSource("plant", client, str(nodemap.records_object), None), operate]


def disk_source(run: RunDirectory, name: str) -> DiskSource | None:
    """Return what a server left on disk; None while it lives, and keeps its ring itself.

    Raises:
        DataError: The ring is damaged.
    """
    if name == "plant" and not run.settings.virtual:
        return None
    status = read_status(run, PROCESS_OF[name])
    if status is not None and status.state != "stopped" and is_alive(status.pid):
        return None
    return DiskSource(name, Ring(run.ring(name), sync=False))


def _own(run: RunDirectory, name: Space, endpoint: str) -> LinkSource:
    client = TagClient(
        endpoint,
        pki=run.pki,
        name="history",
        user="history",
        password=run.secrets()["history"],
    )
    space = f"nsu={NAMESPACES[name]};s=Records"
    return LinkSource(name, client, space, f"{space}/Last")


def _foreign_client(run: RunDirectory, nodemap: NodeMap) -> TagClient:
    trust = nodemap.trust
    return TagClient(
        nodemap.endpoint_or_error(run.settings.connect or ""),
        pki=run.pki,
        name="history",
        user=nodemap.user or None,
        password=os.environ.get("RAFFINATE_PLANT_PASSWORD"),
        security=nodemap.security,
        trust=None if trust is None else (trust.certificate or trust.fingerprint),
    )


def _records_of(text: str) -> list[Record]:
    return [record_from_json(line) for line in text.split("\n") if line]
