"""Fast subscriptions: asyncua's own cost some 0.1 ms per value, these some 2 µs.

asyncua copies and compares two `DataValue`s for every item and value, and encodes each through a
dozen function calls. An item that wants the newest value of a tag, which is what every display
asks for, needs none of this: the tag knows whether it changed, its bytes are made once for all
subscribers, and the message is their concatenation. Items that want more (a queue, a deadband, an
attribute other than the value) are left to asyncua.

This stands on asyncua's inner classes, so it is used with the versions it was written for only;
with others `subscription_service` returns asyncua's own, which does the same more slowly.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.monitored_item_service import MonitoredItemService
from asyncua.server.subscription_service import SubscriptionService
from asyncua.ua.ua_binary import struct_to_binary

from raffinate.runtime.opcua_cells import TagCell
from raffinate.runtime.opcua_types import NodeId, StatusCode, node_id, status_code, ua

VERSIONS = ("2.1.",)
"""Versions of asyncua whose inner classes have the shape used here."""

SHAPE = (
    (InternalSubscription, ("has_published_results", "_pop_triggered_datachanges")),
    (
        MonitoredItemService,
        (
            "_create_data_change_monitored_item",
            "_make_monitored_item_common",
            "_modify_monitored_item",
            "_set_monitoring_mode",
            "_delete_monitored_items",
        ),
    ),
    (SubscriptionService, ("create_subscription",)),
)
"""Methods that are overridden or called."""

FASTEST = 10.0
"""Shortest publishing interval, [ms]. Assumed; plant and guard in lock-step wait on it."""

SLOWEST = 3_600_000.0
"""Longest publishing interval, [ms]. Assumed."""

Find = Callable[[NodeId], TagCell | None]
"""Returns the cell of a tag's node; None for another node."""

_count = struct.Struct("<i").pack
_handle = struct.Struct("<I").pack


def applies() -> bool:
    """Return whether the asyncua installed has the shape expected."""
    return version("asyncua").startswith(VERSIONS) and all(
        hasattr(owner, name) for owner, names in SHAPE for name in names
    )


def subscription_service(space: Any, server: Any, find: Find) -> SubscriptionService:
    """Return the subscription service of a server, fast where it can be."""
    if not applies():
        return SubscriptionService(space, iserver=server)
    return FastSubscriptionService(space, server, find)


class FastItem:
    """An item that is sent the newest value of a tag.

    Args:
        cell: The tag's.
        client_handle: Number by which the client knows the item.
        pending: Items of the same subscription that have something to send.
    """

    __slots__ = ("cell", "handle", "pending", "reporting")

    def __init__(
        self, cell: TagCell, client_handle: int, pending: dict[FastItem, None], reporting: bool
    ) -> None:
        self.cell = cell
        self.handle = _handle(client_handle)
        self.pending = pending
        self.reporting = reporting

    def watch(self, reporting: bool) -> None:
        """Begin or end to report; the value that stands is sent at the beginning."""
        self.reporting = reporting
        if reporting:
            self.cell.watchers[self] = None
            self.pending[self] = None
        else:
            self.forget()

    def forget(self) -> None:
        """Report no longer."""
        self.cell.watchers.pop(self, None)
        self.pending.pop(self, None)


class FastSubscriptionService(SubscriptionService):
    """Makes fast subscriptions.

    Args:
        space: asyncua's table of nodes.
        server: asyncua's inner server.
        find: Returns the cell of a node.
    """

    def __init__(self, space: Any, server: Any, find: Find) -> None:
        super().__init__(space, iserver=server)
        self._find = find

    async def create_subscription(
        self,
        params: Any,
        callback: Callable[..., Any],
        session_id: NodeId,
        request_callback: Callable[..., Any] | None = None,
    ) -> Any:
        """Make a subscription: asyncua's, with the fast items put under it before it begins."""
        # "Not slower" is all that 0 asks for; NaN fails the comparison too.
        wanted = params.RequestedPublishingInterval
        given = min(wanted, SLOWEST) if wanted >= FASTEST else FASTEST
        if 0.0 < wanted < given:
            # Counts are of intervals: longer ones must not make the silences longer too.
            for name in ("RequestedMaxKeepAliveCount", "RequestedLifetimeCount"):
                count = round(getattr(params, name) * wanted / given)
                setattr(params, name, max(count, 3 if name == "RequestedLifetimeCount" else 1))
        params.RequestedPublishingInterval = given
        result = await super().create_subscription(params, callback, session_id, request_callback)
        made = self.subscriptions[result.SubscriptionId]
        # The loop of the subscription, begun by asyncua, has not run yet.
        made.__class__ = FastSubscription
        made.pending = {}  # type: ignore[attr-defined]
        made.monitored_item_srv = FastItems(made, self.aspace, self._find)
        return result


class FastSubscription(InternalSubscription):
    """A subscription whose fast items are encoded in one go."""

    pending: dict[FastItem, None]

    def has_published_results(self) -> bool:
        """Return whether there is something to send."""
        return bool(self._publishing_enabled and self.pending) or super().has_published_results()

    def _pop_triggered_datachanges(self, result: Any) -> None:
        """Put what changed into a message, encoded already."""
        if not self.pending:
            super()._pop_triggered_datachanges(result)
            return
        parts: list[bytes] = [b""]
        for item in self.pending:
            parts += (item.handle, item.cell.body())
        number = len(self.pending)
        self.pending.clear()
        for queue in self._triggered_datachanges.values():
            parts += map(struct_to_binary, queue)
            number += len(queue)
        self._triggered_datachanges = {}
        parts[0] = _count(number)
        # No diagnostics follow.
        parts.append(_count(0))
        notification = ua.ExtensionObject(
            TypeId=node_id(ua.ObjectIds.DataChangeNotification_Encoding_DefaultBinary),
            Body=b"".join(parts),
        )
        result.NotificationMessage.NotificationData.append(notification)


class FastItems(MonitoredItemService):
    """The items of a subscription, fast where they can be.

    Args:
        subscription: Whose items.
        space: asyncua's table of nodes.
        find: Returns the cell of a node.
    """

    def __init__(self, subscription: Any, space: Any, find: Find) -> None:
        super().__init__(subscription, space)
        self._find = find
        self._fast: dict[int, FastItem] = {}

    async def _create_data_change_monitored_item(self, params: Any) -> Any:
        cell = self._fast_cell(params)
        if cell is None:
            return await super()._create_data_change_monitored_item(params)
        result, data = self._make_monitored_item_common(params)
        result.RevisedQueueSize = data.queue_size = 1
        result.StatusCode = status_code("Good")
        self._monitored_items[result.MonitoredItemId] = data
        pending = self.isub.pending  # type: ignore[attr-defined]
        handle = params.RequestedParameters.ClientHandle
        item = FastItem(cell, handle, pending, reporting=False)
        self._fast[result.MonitoredItemId] = item
        if params.MonitoringMode == ua.MonitoringMode.Reporting:
            item.watch(True)
        return result

    def _fast_cell(self, params: Any) -> TagCell | None:
        wanted, how = params.ItemToMonitor, params.RequestedParameters
        plain = (
            wanted.AttributeId == ua.AttributeIds.Value
            and not wanted.IndexRange
            # 0 asks for the least queue, which for values is 1 (OPC 10000-4, 5.12.1.5).
            and how.QueueSize <= 1
            and _no_filter(how.Filter)
        )
        return self._find(wanted.NodeId) if plain else None

    def _modify_monitored_item(self, params: Any) -> Any:
        item = self._fast.get(params.MonitoredItemId)
        if item is None:
            return super()._modify_monitored_item(params)
        result = ua.MonitoredItemModifyResult()
        result.RevisedSamplingInterval = self.isub.data.RevisedPublishingInterval
        result.RevisedQueueSize = 1
        if not _no_filter(params.RequestedParameters.Filter):
            result.StatusCode = status_code("BadMonitoredItemFilterUnsupported")
        return result

    async def _set_monitoring_mode(self, mode: Any, mid: int) -> StatusCode:
        item = self._fast.get(mid)
        if item is None:
            return await super()._set_monitoring_mode(mode, mid)
        reporting = mode == ua.MonitoringMode.Reporting
        if reporting != item.reporting:
            item.watch(reporting)
        self._monitored_items[mid].mode = mode
        return status_code("Good")

    def _delete_monitored_items(self, mid: int) -> StatusCode:
        item = self._fast.pop(mid, None)
        if item is None:
            return super()._delete_monitored_items(mid)
        item.forget()
        self._monitored_items.pop(mid, None)
        return status_code("Good")


def _no_filter(given: Any) -> bool:
    """Return whether a filter asks for nothing but the default: any change of value or status."""
    if isinstance(given, ua.DataChangeFilter):
        default = given.Trigger == ua.DataChangeTrigger.StatusValue
        return bool(default and given.DeadbandType == ua.DeadbandType.None_)
    # An empty extension object counts as false.
    return not given
