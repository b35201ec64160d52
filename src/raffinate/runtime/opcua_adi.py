"""The analyzer in the form of OPC UA for Analyser Devices (OPC 10020), as far as it is modelled.

Device, channel and streams have the types of the standard, under its namespaces and numbers, and
each stream groups its variables as the standard does: a parameter set, the data acquired, and the
state of acquisition. State machines, methods and settings of the standard are not modelled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from asyncua.server.address_space import NodeData

from raffinate.runtime.opcua_nodes import NodeMaker
from raffinate.runtime.opcua_types import NodeId, node_id, ua

ADI = "http://opcfoundation.org/UA/ADI/"
DI = "http://opcfoundation.org/UA/DI/"

Part = Literal["device", "channel", "stream"]
"""What an object of the analyzer is."""

TYPE_NUMBERS = {
    ("DI", "TopologyElementType"): 1001,
    ("DI", "ComponentType"): 15063,
    ("DI", "DeviceType"): 1002,
    ("DI", "FunctionalGroupType"): 1005,
    ("DI", "DeviceSet"): 5001,
    ("ADI", "AnalyserDeviceType"): 1001,
    ("ADI", "SpectrometerDeviceType"): 1011,
    ("ADI", "AnalyserChannelType"): 1003,
    ("ADI", "StreamType"): 1010,
}
"""Numbers of the nodes. Source: OPC Foundation, node sets of DI 1.04 and ADI 1.01."""

PARTS: Mapping[Part, str] = {
    # AnalyserDeviceType is abstract; what measures X-ray spectra is one of its spectrometers.
    "device": "SpectrometerDeviceType",
    "channel": "AnalyserChannelType",
    "stream": "StreamType",
}

GROUPS = {
    "AcquisitionStatus": ("Sequence", "SampleTime", "ResultTime"),
    "AcquisitionData": (
        *("Values", "Covariance", "DetectionLimit", "Chi2PerDof", "Quality", "Flags"),
    ),
}
"""Functional groups of a stream, and the names of the variables in them."""

_PATH = re.compile(r"Analyzer/[^/]+(?P<channel>/Channel\d+(?P<stream>/[^/]+)?)?")


def type_of(path: str) -> Part | None:
    """Return what the object at a path is in the terms of the standard; None for another."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    if found["stream"]:
        return "stream"
    return "channel" if found["channel"] else "device"


def add_types(maker: NodeMaker, standards: Mapping[str, int]) -> dict[str, NodeData]:
    """Make the types with the types they descend from; return them by name."""
    made = {"BaseObjectType": maker.existing(ua.ObjectIds.BaseObjectType)}
    for space, name, parent, abstract in (
        ("DI", "TopologyElementType", "BaseObjectType", True),
        ("DI", "ComponentType", "TopologyElementType", True),
        ("DI", "DeviceType", "ComponentType", True),
        ("ADI", "AnalyserDeviceType", "DeviceType", True),
        ("ADI", "SpectrometerDeviceType", "AnalyserDeviceType", False),
        ("ADI", "AnalyserChannelType", "TopologyElementType", False),
        ("ADI", "StreamType", "TopologyElementType", False),
    ):
        number = node_id(TYPE_NUMBERS[space, name], standards[space])
        made[name] = maker.object_type(number, name, made[parent], abstract=abstract)
    folder = maker.existing(ua.ObjectIds.FolderType)
    number = node_id(TYPE_NUMBERS["DI", "FunctionalGroupType"], standards["DI"])
    made["FunctionalGroupType"] = maker.object_type(number, "FunctionalGroupType", folder)
    return made


class StreamGroups:
    """Puts devices into the device set and the variables of streams into their groups.

    Args:
        maker: Makes the nodes.
        standards: Index of the namespaces "DI" and "ADI".
        types: From `add_types`.
    """

    def __init__(
        self, maker: NodeMaker, standards: Mapping[str, int], types: Mapping[str, NodeData]
    ) -> None:
        self._maker = maker
        self._standards = standards
        self._types = types
        self._sets: dict[tuple[str, str], NodeData] = {}
        self._devices = maker.object(
            node_id(TYPE_NUMBERS["DI", "DeviceSet"], standards["DI"]),
            "DeviceSet",
            maker.existing(ua.ObjectIds.ObjectsFolder),
            reference=ua.ObjectIds.Organizes,
            definition=node_id(ua.ObjectIds.BaseObjectType),
            index=standards["DI"],
        )

    def type_id(self, part: Part) -> NodeId:
        """Return the type of a part of the analyzer."""
        return self._types[PARTS[part]].nodeid

    def entered(self, part: Part, node: NodeData) -> None:
        """Take a new object: a device joins the device set, a stream gets its groups."""
        if part == "device":
            self._maker.refer(self._devices, node, ua.ObjectIds.Organizes)
        if part != "stream":
            return
        path = str(node.nodeid.Identifier)
        group = self._types["FunctionalGroupType"].nodeid
        base = node_id(ua.ObjectIds.BaseObjectType)
        for name, space, definition in (
            ("ParameterSet", "DI", base),
            *((each, "ADI", group) for each in GROUPS),
        ):
            self._sets[path, name] = self._maker.object(
                node_id(f"{path}.{name}", node.nodeid.NamespaceIndex),
                name,
                node,
                reference=ua.ObjectIds.HasComponent,
                definition=definition,
                index=self._standards[space],
            )

    def measured(self, stream: str, name: str, node: NodeData) -> None:
        """Take a variable of a stream into the sets it belongs to."""
        self._maker.refer(self._sets[stream, "ParameterSet"], node, ua.ObjectIds.HasComponent)
        for group, names in GROUPS.items():
            if name in names:
                self._maker.refer(self._sets[stream, group], node, ua.ObjectIds.Organizes)
