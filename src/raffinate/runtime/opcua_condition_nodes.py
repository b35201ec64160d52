"""Alarm conditions in an address space, after OPC 10000-9: nodes, fields and the events' values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from asyncua.common import event_objects
from asyncua.server.address_space import AddressSpace, AttributeValue

from raffinate.runtime.opcua_nodes import NodeMaker
from raffinate.runtime.opcua_types import (
    DataValue,
    LocalizedText,
    NodeId,
    Variant,
    VariantType,
    node_id,
    status_code,
    ua,
)

ids = ua.ObjectIds
kinds = VariantType

SEVERITY: Mapping[str, int] = {"low": 200, "medium": 500, "high": 800}
"""Severity of an event by priority: the middle of the low, medium and high thirds of 1 to 1000, as
OPC 10000-9 divides them in its mapping of classic alarms; rounded."""

FOLDER = "Conditions"
"""Name, and identifier, of the object below which the conditions stand and which notifies them."""

_SYSTEM = ("link.", "process.", "history.", "archive.", "twin.", "samples.")
"""Beginnings of the tags that concern the programs, not the plant."""

_READ = 1 << ua.AccessLevel.CurrentRead

_TEXT = (kinds.LocalizedText, ids.LocalizedText)
_FLAG = (kinds.Boolean, ids.Boolean, ids.PropertyType)
_NODE = (kinds.NodeId, ids.NodeId, ids.PropertyType)
_WORD = (kinds.String, ids.String, ids.PropertyType)
_TIME = (kinds.DateTime, ids.UtcTime, ids.PropertyType)
_SPAN = (kinds.Double, ids.Duration, ids.PropertyType)
_TWO_STATE = (*_TEXT, ids.TwoStateVariableType)

FIELDS: Mapping[str, tuple[VariantType, int, int]] = {
    "EventId": (kinds.ByteString, ids.ByteString, ids.PropertyType),
    "EventType": _NODE,
    "SourceNode": _NODE,
    "SourceName": _WORD,
    "Time": _TIME,
    "ReceiveTime": _TIME,
    "Message": (*_TEXT, ids.PropertyType),
    "Severity": (kinds.UInt16, ids.UInt16, ids.PropertyType),
    "ConditionClassId": _NODE,
    "ConditionClassName": (*_TEXT, ids.PropertyType),
    "ConditionName": _WORD,
    "BranchId": _NODE,
    "Retain": _FLAG,
    "EnabledState": _TWO_STATE,
    "EnabledState/Id": _FLAG,
    "Quality": (kinds.StatusCode, ids.StatusCode, ids.ConditionVariableType),
    "Quality/SourceTimestamp": _TIME,
    "LastSeverity": (kinds.UInt16, ids.UInt16, ids.ConditionVariableType),
    "LastSeverity/SourceTimestamp": _TIME,
    "Comment": (*_TEXT, ids.ConditionVariableType),
    "Comment/SourceTimestamp": _TIME,
    "ClientUserId": _WORD,
    "AckedState": _TWO_STATE,
    "AckedState/Id": _FLAG,
    "ActiveState": _TWO_STATE,
    "ActiveState/Id": _FLAG,
    "InputNode": _NODE,
    "NormalState": _NODE,
    "SuppressedState": _TWO_STATE,
    "SuppressedState/Id": _FLAG,
    "OutOfServiceState": _TWO_STATE,
    "OutOfServiceState/Id": _FLAG,
    "ShelvingState/CurrentState": (*_TEXT, ids.FiniteStateVariableType),
    "ShelvingState/CurrentState/Id": _NODE,
    "ShelvingState/UnshelveTime": _SPAN,
    "SuppressedOrShelved": _FLAG,
    "MaxTimeShelved": _SPAN,
    "FirstInGroupFlag": (kinds.Boolean, ids.Boolean, ids.BaseDataVariableType),
}
"""Fields of a condition by path: type of the value, its data type, and type of the variable."""

METHODS = (
    "ConditionType_Enable",
    "ConditionType_Disable",
    "ConditionType_AddComment",
    "AcknowledgeableConditionType_Acknowledge",
    "AlarmConditionType_Suppress",
    "AlarmConditionType_Suppress2",
    "AlarmConditionType_Unsuppress",
    "AlarmConditionType_Unsuppress2",
    "AlarmConditionType_RemoveFromService",
    "AlarmConditionType_RemoveFromService2",
    "AlarmConditionType_PlaceInService",
    "AlarmConditionType_PlaceInService2",
)
"""Methods of a condition; the nodes of the types serve all instances (OPC 10000-3, 6.4.4)."""

SHELVING_METHODS = (
    "ShelvedStateMachineType_TimedShelve",
    "ShelvedStateMachineType_OneShotShelve",
    "ShelvedStateMachineType_Unshelve",
)
"""Methods of the shelving state of a condition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionNodes:
    """Where a condition stands.

    Attributes:
        node: The condition, whose identifier is its ConditionId.
        shelving: Its shelving state.
        variables: Variables by path of their field.
    """

    node: NodeId
    shelving: NodeId
    variables: Mapping[str, NodeId]


def add_folder(space: AddressSpace, index: int) -> NodeId:
    """Make the object below which conditions stand, a notifier of the server; return it."""
    maker = NodeMaker(space)
    objects, server = maker.existing(ids.ObjectsFolder), maker.existing(ids.Server)
    made = maker.object(
        node_id(FOLDER, index),
        FOLDER,
        objects,
        reference=ids.Organizes,
        definition=node_id(ids.FolderType),
        index=index,
    )
    notifies = 1 << ua.EventNotifier.SubscribeToEvents
    for node in (made, server):
        content = DataValue(Variant(notifies, kinds.Byte))
        node.attributes[ua.AttributeIds.EventNotifier] = AttributeValue(content)
    maker.refer(server, made, ids.HasNotifier)
    return made.nodeid


def add_condition(
    space: AddressSpace, folder: NodeId, tag: str, values: Mapping[str, Any]
) -> ConditionNodes:
    """Make the nodes of one condition, of OffNormalAlarmType, with the values of its fields."""
    maker, index = NodeMaker(space), folder.NamespaceIndex
    above = space[folder]
    condition = maker.object(
        node_id(f"{FOLDER}/{tag}", index),
        tag,
        above,
        reference=ids.HasComponent,
        definition=node_id(ids.OffNormalAlarmType),
        index=index,
    )
    maker.refer(above, condition, ids.HasCondition)
    shelving = maker.object(
        node_id(f"{FOLDER}/{tag}/ShelvingState", index),
        "ShelvingState",
        condition,
        reference=ids.HasComponent,
        definition=node_id(ids.ShelvedStateMachineType),
        index=0,
    )
    nodes = {"": condition, "ShelvingState": shelving}
    for path, (kind, data_type, definition) in FIELDS.items():
        parent, _, name = path.rpartition("/")
        is_property = definition == ids.PropertyType
        nodes[path] = maker.variable(
            node_id(f"{FOLDER}/{tag}/{path}", index),
            name,
            nodes[parent],
            value=AttributeValue(DataValue(Variant(values[path], kind))),
            data_type=data_type,
            rank=-1,
            access=_READ,
            definition=definition,
            index=0,
            reference=ids.HasProperty if is_property else ids.HasComponent,
        )
    for owner, names in ((condition, METHODS), (shelving, SHELVING_METHODS)):
        for name in names:
            maker.refer(owner, maker.existing(getattr(ids, name)), ids.HasComponent)
    return ConditionNodes(
        node=condition.nodeid,
        shelving=shelving.nodeid,
        variables={path: nodes[path].nodeid for path in FIELDS},
    )


def values_of(
    row: Mapping[str, Any],
    last: Mapping[str, Any] | None,
    *,
    folder: NodeId,
    event_id: bytes,
    time: datetime,
    plant_time_h: float,
) -> dict[str, Any]:
    """Return the value of each field of a condition.

    Args:
        row: The alarm, as a snapshot of the alarm list has it.
        last: The same before; None at first.
        folder: Node that notifies.
        event_id: Of the event that tells of it.
        time: Of the event, UTC.
        plant_time_h: Plant time, [h].
    """
    state, until = row["state"], row["shelved_until_h"]
    left = 0.0 if until is None else max(until - plant_time_h, 0.0)
    shelved, suppressed = until is not None, state == "suppressed"
    system = str(row["tag"]).startswith(_SYSTEM)
    kind = "SystemConditionClassType" if system else "ProcessConditionClassType"
    people = row["put_aside_by"] or row["acknowledged_by"]
    return {
        "EventId": event_id,
        "EventType": node_id(ids.OffNormalAlarmType),
        "SourceNode": folder,
        "SourceName": row["tag"],
        "Time": time,
        "ReceiveTime": time,
        "Message": LocalizedText(row["text"] or row["tag"]),
        "Severity": SEVERITY[row["priority"]],
        "ConditionClassId": node_id(getattr(ids, kind)),
        "ConditionClassName": LocalizedText(kind),
        "ConditionName": row["tag"],
        "BranchId": NodeId(),
        "Retain": state != "normal",
        **_two_state("EnabledState", True, "Enabled", "Disabled"),
        "Quality": status_code("Good"),
        "Quality/SourceTimestamp": time,
        "LastSeverity": SEVERITY[(last or row)["priority"]],
        "LastSeverity/SourceTimestamp": time,
        "Comment": LocalizedText(row["comment"]),
        "Comment/SourceTimestamp": time,
        "ClientUserId": people,
        **_two_state("AckedState", row["acknowledged"], "Acknowledged", "Unacknowledged"),
        **_two_state("ActiveState", row["active"], "Active", "Inactive"),
        "InputNode": NodeId(),
        "NormalState": NodeId(),
        **_two_state("SuppressedState", suppressed, "Suppressed", "Unsuppressed"),
        **_two_state(
            "OutOfServiceState", state == "out_of_service", "Out of Service", "In Service"
        ),
        **_shelving(shelved, row["one_shot"]),
        "ShelvingState/UnshelveTime": timedelta(hours=left) / timedelta(milliseconds=1),
        "SuppressedOrShelved": shelved or suppressed or state == "out_of_service",
        "MaxTimeShelved": row["longest_shelving_h"] * 3.6e6,
        "FirstInGroupFlag": row["first_out"],
    }


def _two_state(name: str, on: bool, yes: str, no: str) -> dict[str, Any]:
    return {name: LocalizedText(yes if on else no), f"{name}/Id": on}


def _shelving(shelved: bool, one_shot: bool) -> dict[str, Any]:
    name = "Unshelved"
    if shelved:
        name = "OneShotShelved" if one_shot else "TimedShelved"
    return {
        "ShelvingState/CurrentState": LocalizedText(name),
        "ShelvingState/CurrentState/Id": node_id(getattr(ids, f"ShelvedStateMachineType_{name}")),
    }


def event_of(values: Mapping[str, Any], condition: NodeId, emitting: NodeId) -> Any:
    """Return asyncua's event that carries these values from one notifier."""
    event = _made("OffNormalAlarm", emitting)
    for path, value in values.items():
        event.add_property(path, value, FIELDS[path][0])
    # Clients select the ConditionId as attribute NodeId of the condition.
    event.add_property("NodeId", condition, kinds.NodeId)
    return event


def refresh_mark(name: str, event_id: bytes, time: datetime, emitting: NodeId) -> Any:
    """Return the event that begins or ends a refresh: RefreshStartEvent or RefreshEndEvent."""
    event = _made(name, emitting)
    event.EventId, event.Time, event.ReceiveTime = event_id, time, time
    event.SourceNode, event.SourceName = node_id(ids.Server), "Server"
    return event


def _made(name: str, emitting: NodeId) -> Any:
    event = getattr(event_objects, name)()
    event.emitting_node = emitting
    return event
