"""A mirror: the newest values of many nodes of a server, kept by a subscription."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from raffinate.runtime.opcua_names import NodeName, key_of
from raffinate.runtime.opcua_types import DataValue, NodeId, ua
from raffinate.runtime.tags import Value

log = logging.getLogger(__name__)

Quality = Literal["good", "uncertain", "bad", "stale"]
"""Stale: the link to the server is lost, or has not told anything yet."""

ITEMS_PER_REQUEST = 1000
"""Most items made with one request; small servers take no more."""

KEEP_ALIVE = 2.0
"""Longest silence of a server that has nothing to tell, [s]."""

PATIENCE = 10.0
"""Silence after which a subscription is taken for lost, beside two of its intervals, [s]."""

LIFETIME = 30.0
"""Time for which a server keeps the subscription of a silent client, [s]."""


class MirrorValue(NamedTuple):
    """One value as a server told it last.

    Attributes:
        value: NaN where there is none.
        quality: What it is worth.
        source_time: UTC; when it held. None where the server does not say.
    """

    value: Value
    quality: Quality
    source_time: datetime | None


NOTHING = MirrorValue(math.nan, "stale", None)

OnChange = Callable[[Sequence[str]], None]
"""Told of the keys whose value, quality or time is new."""


def plain(found: DataValue) -> Value:
    """Return a value as the project handles it; NaN for a bad or an empty one."""
    value = found.Value.Value if found.Value is not None else None
    if value is None or quality_of(found) == "bad":
        return math.nan
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return tuple(value)
    text = getattr(value, "Text", None)
    return text if isinstance(text, str) else str(value)


def quality_of(found: DataValue) -> Quality:
    """Return the quality a status stands for (OPC 10000-4, 7.39: its two highest bits)."""
    code = 0 if found.StatusCode is None else int(found.StatusCode.value)
    return ("good", "uncertain", "bad", "bad")[code >> 30]


class Mirror(Mapping[str, MirrorValue]):
    """The newest values of many nodes, by path or identifier as they were asked for.

    After a lost link every value keeps what it was but turns stale, until the server has told it
    anew.

    Args:
        names: The nodes.
        interval: Publishing interval, [s].
        on_change: Told of new values; on the event loop.

    Attributes:
        changed: Counts what has changed; compare it to see whether anything has.
        missing: What the server refused to watch, and why.
        connected: Whether the subscription stands.
    """

    def __init__(
        self, names: Sequence[NodeName], interval: float, on_change: OnChange | None = None
    ) -> None:
        self.names = {key_of(name): name for name in names}
        self.interval = interval
        self.on_change = on_change
        self.changed = 0
        self.missing: dict[str, str] = {}
        self.connected = False
        self._values = dict.fromkeys(self.names, NOTHING)
        self._keys = list(self.names)
        self._heard = -math.inf
        self._news = asyncio.Event()

    def __getitem__(self, key: str) -> MirrorValue:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def value(self, key: str) -> Value | None:
        """Return a value that is good or uncertain; None for any other and for an unknown key."""
        found = self._values.get(key)
        return found.value if found is not None and found.quality in ("good", "uncertain") else None

    async def wait(self, since: int, timeout: float) -> bool:
        """Wait until `changed` is above `since`; return whether it is.

        Args:
            since: As `changed` was when the caller looked.
            timeout: Longest wait, [s].
        """
        end = time.monotonic() + timeout
        while self.changed <= since:
            left = end - time.monotonic()
            if left <= 0.0:
                return False
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()
        return True

    @property
    def silent(self) -> bool:
        """Whether the server has told nothing for too long, not even that it is there."""
        limit = PATIENCE + 2.0 * self.interval
        return self.connected and time.monotonic() - self._heard > limit

    def lose(self) -> None:
        """Mark everything stale: the link is lost."""
        was, self.connected = self.connected, False
        if was:
            for key, old in self._values.items():
                self._values[key] = old._replace(quality="stale")
            self._tell(self._keys)

    async def subscribe(self, session: Any, nodes: Mapping[str, NodeId | None]) -> None:
        """Make the subscription at a new connection.

        Args:
            session: asyncua's, of the client.
            nodes: By key; None for those the server does not have.
        """
        milliseconds = self.interval * 1000.0
        params = ua.CreateSubscriptionParameters()
        params.RequestedPublishingInterval = milliseconds
        params.RequestedMaxKeepAliveCount = max(round(KEEP_ALIVE / self.interval), 1)
        params.RequestedLifetimeCount = max(
            round(LIFETIME / self.interval), 3 * params.RequestedMaxKeepAliveCount
        )
        params.PublishingEnabled = True
        self.missing = {key: "BadNodeIdUnknown" for key, node in nodes.items() if node is None}
        self._heard = time.monotonic()
        # The first values may come before the answer to the request that asked for them.
        self.connected = True
        made = await session.create_subscription(params, self._receive)
        present = [index for index, key in enumerate(self._keys) if nodes[key] is not None]
        for begin in range(0, len(present), ITEMS_PER_REQUEST):
            chosen = present[begin : begin + ITEMS_PER_REQUEST]
            request = ua.CreateMonitoredItemsParameters()
            request.SubscriptionId = made.SubscriptionId
            request.TimestampsToReturn = ua.TimestampsToReturn.Both
            request.ItemsToCreate = [
                _item(nodes[self._keys[index]], index, milliseconds) for index in chosen
            ]
            results = await session.create_monitored_items(request)
            for index, result in zip(chosen, results, strict=True):
                if not result.StatusCode.is_good():
                    self.missing[self._keys[index]] = result.StatusCode.name
        for key in self.missing:
            self._values[key] = MirrorValue(math.nan, "bad", None)
        if self.missing:
            self._tell(tuple(self.missing))

    def _receive(self, result: Any) -> None:
        """Take a message of the server."""
        self._heard = time.monotonic()
        fresh: list[str] = []
        for notification in result.NotificationMessage.NotificationData:
            for item in getattr(notification, "MonitoredItems", ()):
                key, found = self._keys[item.ClientHandle], item.Value
                self._values[key] = MirrorValue(
                    plain(found), quality_of(found), found.SourceTimestamp
                )
                fresh.append(key)
        if fresh and self.connected:
            self._tell(fresh)

    def _tell(self, keys: Sequence[str]) -> None:
        self.changed += 1
        self._news.set()
        if self.on_change is not None:
            try:
                self.on_change(keys)
            except Exception:
                # The link must not die of what somebody does with its news.
                log.exception("a watcher of a mirror failed")


def _item(node: NodeId | None, handle: int, milliseconds: float) -> Any:
    wanted = ua.ReadValueId()
    wanted.NodeId = node
    wanted.AttributeId = ua.AttributeIds.Value
    how = ua.MonitoringParameters()
    how.ClientHandle = handle
    how.SamplingInterval = milliseconds
    how.QueueSize = 1
    how.DiscardOldest = True
    item = ua.MonitoredItemCreateRequest()
    item.ItemToMonitor = wanted
    item.MonitoringMode = ua.MonitoringMode.Reporting
    item.RequestedParameters = how
    return item
