"""Operate's side of the link to the plant: reports in, orders out, and what if it is cut."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from typing import Protocol

from raffinate.errors import RaffinateError
from raffinate.runtime.alarms import Finding
from raffinate.runtime.opcua_client import WriteRefused
from raffinate.runtime.operate import PERIOD_SCANS
from raffinate.runtime.operate_host import OperateHost
from raffinate.runtime.plant_port import PlantPort

LOOK_AGAIN = 1.0
"""Longest wall time between two looks at the plant, [s], should a notification be lost."""

PASSWORD = "RAFFINATE_PLANT_PASSWORD"
"""Environment variable with the password for a real plant's server; never in a file of ours."""

FAST = 600.0
"""Pace above which a control period is ordered at a time, [plant s per wall s]."""


class Link(Protocol):
    """What is needed of the connection beside reading and writing."""

    @property
    def connected(self) -> bool:
        """Whether the server answers."""


class PlantLink:
    """Goes round: report, controller, orders.

    Args:
        host: The operating program.
        port: The plant.
        connection: The connection that `port` uses.
        pace: Returns the plant's pace, [plant s per wall s]; 1 of a real one.
        stepped: Whether the plant counts its scans and waits for their orders.
    """

    def __init__(
        self,
        host: OperateHost,
        port: PlantPort,
        connection: Link,
        *,
        pace: Callable[[], float],
        stepped: bool,
    ) -> None:
        self._host = host
        self._port = port
        self._connection = connection
        self._pace = pace
        self._stepped = stepped
        self._scan = -1
        self._ordered = 1
        self._covered = -1
        self._sent_at = 0.0
        self.news = asyncio.Event()
        self.round_trip_ms = 0.0
        self.reported_at: float | None = None
        self.findings: dict[str, Finding] = {}
        self.trouble = ""

    @property
    def age(self) -> float:
        """Wall time since the last report, [s]; infinite before the first."""
        if self.reported_at is None:
            return float("inf")
        return time.monotonic() - self.reported_at

    async def run(self, stopped: asyncio.Event, shown: Callable[[], None]) -> None:
        """Go round until stopped.

        Args:
            stopped: Ends it.
            shown: Called after each round, to publish.
        """
        while not stopped.is_set():
            try:
                await self._round()
                self.trouble = ""
            except (RaffinateError, OSError, TimeoutError) as error:
                # The plant waits for orders it has not got: the same scan is answered again.
                self._scan = self._covered = -1
                await self.lost(error)
            shown()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.news.wait(), LOOK_AGAIN)
            self.news.clear()

    async def _round(self) -> None:
        report = await self._port.report_after(self._scan)
        self.reported_at = time.monotonic()
        if report is not None:
            if self._sent_at and self._stepped:
                self.round_trip_ms = 1e3 * (self.reported_at - self._sent_at)
            self._scan = self._port.scan
            extra = {**self.findings, **self._port.findings}
            await asyncio.to_thread(self._host.take, report, extra)
            ahead = self._ahead()
            if ahead and not self._host.asked:
                # The pace was taken down: the plant still runs what was ordered for a faster one.
                await asyncio.to_thread(self._host.commit, self._port.state())
                return
            self._ordered = ahead or self._scans(self._scan)
            self._covered = self._scan + self._ordered
            orders = await asyncio.to_thread(self._host.orders, self._ordered)
        elif self._host.asked and self._pace() <= FAST:
            # At a pace that people can follow, what they ask for must not wait for the next scan.
            orders = await asyncio.to_thread(self._host.orders_again, self._ordered)
        else:
            await self._commit_news()
            return
        await self._port.send(orders)
        self._sent_at = time.monotonic()
        notes, self._port.notes = self._port.notes, []
        self._host.note(*notes)
        await asyncio.to_thread(self._host.commit, self._port.state())

    def _ahead(self) -> int:
        """Return how many scans the plant has orders for; 0 where it waits for some."""
        ahead = self._covered - self._scan
        return ahead if self._stepped and 0 < ahead <= PERIOD_SCANS else 0

    def _scans(self, scan: int) -> int:
        """Return how many scans to order: to the end of a control period where nobody watches."""
        if self._stepped and self._pace() > FAST:
            return PERIOD_SCANS - scan % PERIOD_SCANS
        return 1

    async def lost(self, error: Exception) -> None:
        """Raise the alarm of a link that does not stand."""
        self.trouble = str(error)
        what = "refuses the plan" if isinstance(error, WriteRefused) else "does not answer"
        text = f"The plant's server {what}: {error}"
        extra: dict[str, Finding] = {**self.findings, "link.plant": (text, "high")}
        await asyncio.to_thread(self._host.watch, extra)
        await self._commit_news()

    async def _commit_news(self) -> None:
        if self._host.has_news:
            await asyncio.to_thread(self._host.commit, self._port.state())


def plant_password() -> str | None:
    """Return the password for a real plant's server; None where none is set."""
    return os.environ.get(PASSWORD)
