"""Alarms as OPC UA conditions: events for whoever subscribes, methods for whoever may answer.

What of OPC 10000-9 is covered stands in docs/reference/alarms.md. Whether a caller may do what it
asks, and the audit of it, is the business of `act`.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from asyncua.server.server import Server

from raffinate.errors import RaffinateError
from raffinate.runtime.alarms import ROLE_OF_ACTION, Action
from raffinate.runtime.opcua_access import AccessDenied, Who, caller
from raffinate.runtime.opcua_condition_nodes import (
    FIELDS,
    ConditionNodes,
    add_condition,
    add_folder,
    event_of,
    refresh_mark,
    values_of,
)
from raffinate.runtime.opcua_types import (
    NodeId,
    StatusCode,
    Variant,
    node_id,
    status_code,
    ua,
)
from raffinate.runtime.tags import Role
from raffinate.units import HOUR

log = logging.getLogger(__name__)

Act = Callable[[Action, str, Who, float | None, str], Awaitable[None]]
"""Does an action on an alarm for somebody: action, tag, who, hours, comment. It judges the role,
keeps the audit trail, and raises an error of the project where it refuses."""

MILLISECONDS_PER_HOUR = 1000.0 * HOUR

REMEMBERED_EVENTS = 32
"""Events of a condition that may still be answered; who answers an older one has not looked."""

_QUIET = ("since_h", "respond_within_min", "group", "collapsed", "chattering")
"""Keys of a snapshot whose change alone is no news of the condition."""

_ACTIONS: Mapping[str, Action] = {
    "AlarmConditionType_Suppress": "suppress",
    "AlarmConditionType_Suppress2": "suppress",
    "AlarmConditionType_Unsuppress": "unsuppress",
    "AlarmConditionType_Unsuppress2": "unsuppress",
    "AlarmConditionType_RemoveFromService": "out_of_service",
    "AlarmConditionType_RemoveFromService2": "out_of_service",
    "AlarmConditionType_PlaceInService": "in_service",
    "AlarmConditionType_PlaceInService2": "in_service",
    "ConditionType_AddComment": "comment",
    "AcknowledgeableConditionType_Acknowledge": "acknowledge",
    "ShelvedStateMachineType_TimedShelve": "shelve",
    "ShelvedStateMachineType_OneShotShelve": "shelve",
    "ShelvedStateMachineType_Unshelve": "unshelve",
    "AlarmConditionType_ShelvingState_TimedShelve": "shelve",
    "AlarmConditionType_ShelvingState_OneShotShelve": "shelve",
    "AlarmConditionType_ShelvingState_Unshelve": "unshelve",
}
"""Action of each method; clients call by the node of the type or of its instance declaration."""

_REFRESH = ("ConditionType_ConditionRefresh", "ConditionType_ConditionRefresh2")

_REFUSED: Mapping[Action, str] = {
    "acknowledge": "BadConditionBranchAlreadyAcked",
    "shelve": "BadShelvingTimeOutOfRange",
    "unshelve": "BadConditionNotShelved",
}
"""What a client is told when the alarm list refuses; else BadInvalidState."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Condition:
    """One condition as clients know it.

    Attributes:
        nodes: Where it stands.
        row: The alarm as last told.
        values: Of the last event.
        event_ids: Of the events that may still be answered.
    """

    nodes: ConditionNodes
    row: Mapping[str, Any]
    values: Mapping[str, Any]
    event_ids: deque[bytes] = field(default_factory=lambda: deque(maxlen=REMEMBERED_EVENTS))


class ConditionServer:
    """Shows an alarm list as conditions of an OPC UA server.

    Args:
        server: asyncua's, initialised.
        namespace_index: Namespace of the nodes.
        act: Does what clients ask.
        who: Names the caller inside a method; None where nobody is known, who may do nothing.

    Attributes:
        roles: Lowest role that may call each method, by the method's node, for a server that
            refuses calls of what it does not know.
    """

    def __init__(
        self,
        server: Server,
        namespace_index: int,
        act: Act,
        who: Callable[[], Who | None] = caller,
    ) -> None:
        self.roles: dict[NodeId, Role] = {_method_node(name): "viewer" for name in _REFRESH}
        for name, action in _ACTIONS.items():
            self.roles[_method_node(name)] = ROLE_OF_ACTION[action]
        self._server = server
        self._index = namespace_index
        self._act = act
        self._who = who
        self._folder = NodeId()
        self._conditions: dict[str, _Condition] = {}
        self._by_node: dict[NodeId, str] = {}
        self._telling = asyncio.Lock()

    async def start(self) -> None:
        """Make the notifier and put the methods into service; once."""
        space = self._server.iserver.aspace
        self._folder = add_folder(space, self._index)
        for name, action in _ACTIONS.items():
            self._link(name, self._method(name, action))
        for name in _REFRESH:
            self._link(name, self._refresh)
        for name in ("ConditionType_Enable", "ConditionType_Disable"):
            self._link(name, _not_supported)

    def _link(self, name: str, function: Callable[..., Awaitable[StatusCode]]) -> None:
        self._server.iserver.aspace.add_method_callback(_method_node(name), function)

    async def show(
        self,
        snapshot: Sequence[Mapping[str, Any]],
        plant_time: float = 0.0,
        time: datetime | None = None,
    ) -> None:
        """Tell clients what has changed since the last snapshot.

        Args:
            snapshot: From the alarm list.
            plant_time: Plant time, [s]; from it the time left on the shelf follows.
            time: Of the events, UTC; now if not given.
        """
        at = time if time is not None else datetime.now(UTC)
        # One snapshot is told to its end before the next, or clients would see them mixed.
        async with self._telling:
            for tag, row in self._changed(snapshot).items():
                known = self._conditions.get(tag)
                values = values_of(
                    row,
                    None if known is None else known.row,
                    folder=self._folder,
                    event_id=uuid.uuid4().bytes,
                    time=at,
                    plant_time_h=plant_time / HOUR,
                )
                if known is None:
                    known = self._conditions[tag] = self._added(tag, row, values)
                await self._tell(known, row, values, at)
                # asyncua does all of this without a pause; a flood must not hold up the others.
                await asyncio.sleep(0.0)

    def _changed(self, snapshot: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
        """Return the rows that are news, and those of alarms that are listed no more."""
        rows = {str(row["tag"]): row for row in snapshot}
        for tag, condition in self._conditions.items():
            if tag not in rows and condition.row["state"] != "normal":
                rows[tag] = _normal(condition.row)
        known = {tag: _news(each.row) for tag, each in self._conditions.items()}
        return {tag: row for tag, row in rows.items() if known.get(tag) != _news(row)}

    def _added(self, tag: str, row: Mapping[str, Any], values: Mapping[str, Any]) -> _Condition:
        nodes = add_condition(self._server.iserver.aspace, self._folder, tag, values)
        self._by_node[nodes.node] = self._by_node[nodes.shelving] = tag
        return _Condition(nodes=nodes, row=row, values=values)

    async def _tell(
        self, condition: _Condition, row: Mapping[str, Any], values: Mapping[str, Any], at: datetime
    ) -> None:
        """Send one event, which from now on is the one to answer."""
        if condition.row["acknowledged"] and not row["acknowledged"]:
            # Who answers an earlier event has not seen that the alarm came back.
            condition.event_ids.clear()
        condition.event_ids.append(values["EventId"])
        condition.row, condition.values = row, values
        space = self._server.iserver.aspace
        for path, value in values.items():
            content = ua.DataValue(Variant(value, FIELDS[path][0]), SourceTimestamp=at)
            node = condition.nodes.variables[path]
            await space.write_attribute_value(node, ua.AttributeIds.Value, content)
        for emitting in self._notifiers():
            event = event_of(values, condition.nodes.node, emitting)
            await self._server.iserver.subscription_service.trigger_event(event)

    def _notifiers(self) -> tuple[NodeId, NodeId]:
        return self._folder, node_id(ua.ObjectIds.Server)

    def _method(self, name: str, action: Action) -> Callable[..., Awaitable[StatusCode]]:
        """Return what runs when a client calls a method of a condition."""

        async def called(parent: NodeId, *given: Variant) -> StatusCode:
            tag, who = self._by_node.get(parent), self._who()
            if tag is None:
                return status_code("BadNodeIdUnknown")
            if who is None:
                return status_code("BadUserAccessDenied")
            arguments = [variant.Value for variant in given]
            if len(arguments) != _argument_count(name):
                few = len(arguments) < _argument_count(name)
                return status_code("BadArgumentsMissing" if few else "BadTooManyArguments")
            fault = self._fault(action, tag, name, arguments)
            if fault:
                return status_code(fault)
            hours = arguments[0] / MILLISECONDS_PER_HOUR if name.endswith("TimedShelve") else None
            return await self._do(action, tag, who, hours, _comment(name, arguments))

        return called

    def _fault(self, action: Action, tag: str, name: str, arguments: list[Any]) -> str:
        """Name what is wrong with a call, apart from who makes it; nothing if nothing is."""
        condition = self._conditions[tag]
        if action in ("acknowledge", "comment"):
            if arguments[0] not in condition.event_ids:
                return "BadEventIdUnknown"
            if action == "acknowledge" and condition.row["acknowledged"]:
                return "BadConditionBranchAlreadyAcked"
        if name.endswith("TimedShelve") and not isinstance(arguments[0], (int, float)):
            return "BadTypeMismatch"
        if action == "shelve" and condition.row["shelved_until_h"] is not None:
            return "BadConditionAlreadyShelved"
        return ""

    async def _do(
        self, action: Action, tag: str, who: Who, hours: float | None, comment: str
    ) -> StatusCode:
        try:
            await self._act(action, tag, who, hours, comment)
        except AccessDenied:
            return status_code("BadUserAccessDenied")
        except RaffinateError as error:
            log.info("%s of %s refused: %s", action, tag, error)
            return status_code(_REFUSED.get(action, "BadInvalidState"))
        return status_code("Good")

    async def _refresh(self, parent: NodeId, *given: Variant) -> StatusCode:
        """Send the retained conditions to one subscription again, between two marks."""
        service = self._server.iserver.subscription_service
        subscription = service.subscriptions.get(given[0].Value) if given else None
        if subscription is None:
            return status_code("BadSubscriptionIdInvalid")
        item = given[1].Value if len(given) > 1 else None
        for emitting in self._notifiers():
            found = False
            for event in self._retained(emitting):
                found = await subscription.monitored_item_srv.trigger_event(event, item)
            if found and item is not None:
                break
        return status_code("Good")

    def _retained(self, emitting: NodeId) -> list[Any]:
        now = datetime.now(UTC)
        begin, end = (
            refresh_mark(name, uuid.uuid4().bytes, now, emitting)
            for name in ("RefreshStartEvent", "RefreshEndEvent")
        )
        told = [
            event_of(each.values, each.nodes.node, emitting)
            for each in self._conditions.values()
            if each.values["Retain"]
        ]
        return [begin, *told, end]


def _method_node(name: str) -> NodeId:
    return node_id(getattr(ua.ObjectIds, name))


async def _not_supported(parent: NodeId, *given: Variant) -> StatusCode:
    """Answer Enable and Disable: taking an alarm out of service says who did it, and why."""
    return status_code("BadNotSupported")


def _normal(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of an alarm that no snapshot lists any more."""
    return {
        **row,
        "state": "normal",
        "active": False,
        "acknowledged": True,
        "first_out": False,
        "shelved_until_h": None,
        "one_shot": False,
    }


def _news(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in _QUIET}


def _argument_count(name: str) -> int:
    if name.endswith(("_Acknowledge", "_AddComment")):
        return 2
    return 1 if name.endswith(("TimedShelve", "2")) else 0


def _comment(name: str, arguments: list[Any]) -> str:
    if not arguments or name.endswith("TimedShelve"):
        return ""
    text = getattr(arguments[-1], "Text", arguments[-1])
    return str(text or "")
