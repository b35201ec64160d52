"""The page's links to the OPC UA servers: mirrored tags in, calls out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from raffinate.errors import RaffinateError, SpecificationError
from raffinate.runtime.opcua_client import Mirror, TagClient
from raffinate.runtime.run_directory import RunDirectory
from raffinate.runtime.tags import Tag, Value

log = logging.getLogger(__name__)

INTERVAL = 100.0
"""Publishing interval of the mirrors, [ms]: faster than states are sent."""

LONGEST_DELAY = 2.0
"""Longest wait between two attempts at the first connection, [s]."""

NOT_SHOWN = ("Analyzer/", "Laboratory/", "Guard/", "Records/")
"""Folders the page shows nothing of; operate tells what it makes of readings."""


class ServerLink:
    """A link to one server of the run.

    Args:
        run: Run directory.
        server: "plant" or "operate".
        tags: What the server offers.
        changed: Called when anything has changed, the link itself included.
    """

    def __init__(
        self, run: RunDirectory, server: str, tags: Sequence[Tag], changed: Callable[[], None]
    ) -> None:
        settings = run.settings
        self._server = server
        self._tags = [tag for tag in tags if not tag.path.startswith(NOT_SHOWN)]
        self._changed = changed
        self._heard: float | None = None
        self._mirror: Mirror | None = None
        self._client = TagClient(
            settings.plant_endpoint if server == "plant" else settings.operate_endpoint,
            pki=run.pki,
            name="web",
            user="web",
            password=run.secrets()["web"],
            on_link=lambda _: changed(),
        )

    @property
    def connected(self) -> bool:
        """Whether values come."""
        return self._mirror is not None and self._mirror.connected and self._client.connected

    def value(self, path: str) -> Value | None:
        """Return the last value of a tag, of a lost link too; None where it is bad or unknown."""
        found = None if self._mirror is None else self._mirror.get(path)
        return None if found is None or found.quality == "bad" else found.value

    def rows(self) -> list[dict[str, Any]]:
        """Return the link as the page lists it."""
        age = None if self._heard is None else round(time.monotonic() - self._heard, 1)
        name = f"web → {self._server}"
        return [{"name": name, "connected": self.connected, "age_s": age, "round_trip_ms": None}]

    async def call(self, place: str, name: str, *arguments: Any) -> object:
        """Call a method of an object.

        Raises:
            RaffinateError: The server refuses, or does not answer.
        """
        return await self._client.call(place, name, *arguments)

    async def keep(self) -> None:
        """Connect as soon as the server is there; from then on the client keeps the link."""
        delay = 0.1
        while self._mirror is None:
            try:
                await self._client.connect(patience=LONGEST_DELAY)
                self._mirror = await self._client.mirror(self._tags, INTERVAL, self._take)
            except RaffinateError as error:
                log.info("%s", error)
                await self._client.close()
                await asyncio.sleep(delay)
                delay = min(2.0 * delay, LONGEST_DELAY)
        self._take(())

    def _take(self, _: Sequence[str]) -> None:
        self._heard = time.monotonic()
        self._changed()

    async def close(self) -> None:
        """End the link."""
        await self._client.close()


class NoServer:
    """In the place of a real plant's server: the page knows that plant through operate alone.

    So nothing that people reach from outside has a connection to the plant's own network.
    """

    connected = True

    def value(self, path: str) -> Value | None:
        """Return None."""
        return None

    def rows(self) -> list[dict[str, Any]]:
        """Return no rows."""
        return []

    async def call(self, place: str, name: str, *arguments: Any) -> object:
        """Refuse.

        Raises:
            SpecificationError: Always.
        """
        raise SpecificationError(
            f"{name} is for virtual plants.", where=place, mend="Nothing can be done to a real one."
        )

    async def keep(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""
