"""Makes nodes in asyncua's table directly, each at the same cost."""

from __future__ import annotations

from functools import cache
from typing import Any

from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData

from raffinate.runtime.opcua_types import (
    DataValue,
    LocalizedText,
    NodeId,
    ReferenceDescription,
    Variant,
    VariantType,
    node_id,
    ua,
)

ids = ua.AttributeIds
kinds = VariantType


@cache
def text(value: str) -> LocalizedText:
    """Return a text as OPC UA shows it."""
    return LocalizedText(value)


@cache
def _shared(kind: VariantType, value: Any, array: bool = False) -> AttributeValue:
    """Return an attribute that many nodes have alike and nobody may write."""
    content = list(value) if array else value
    return AttributeValue(DataValue(Variant(content, kind, is_array=array)))


def _own(kind: VariantType, value: Any) -> AttributeValue:
    return AttributeValue(DataValue(Variant(value, kind)))


class NodeMaker:
    """Makes nodes and their references.

    Args:
        space: asyncua's table of nodes.
    """

    def __init__(self, space: AddressSpace) -> None:
        self._space = space

    def existing(self, number: int) -> NodeData:
        """Return a node of the standard's own namespace."""
        return self._space[node_id(number)]

    def object(
        self,
        identifier: NodeId,
        name: str,
        parent: NodeData,
        *,
        reference: int,
        definition: NodeId,
        index: int,
    ) -> NodeData:
        """Make an object below a parent; `index` is the namespace of its browse name."""
        node = self._node(identifier, ua.NodeClass.Object, name, index, "")
        node.attributes[ids.EventNotifier] = _shared(kinds.Byte, 0)
        self._define(node, definition)
        self.refer(parent, node, reference)
        return node

    def object_type(
        self, identifier: NodeId, name: str, parent: NodeData, *, abstract: bool = False
    ) -> NodeData:
        """Make a subtype of an object type."""
        node = self._node(identifier, ua.NodeClass.ObjectType, name, identifier.NamespaceIndex, "")
        node.attributes[ids.IsAbstract] = _shared(kinds.Boolean, abstract)
        self.refer(parent, node, ua.ObjectIds.HasSubtype)
        return node

    def variable(
        self,
        identifier: NodeId,
        name: str,
        parent: NodeData,
        *,
        value: AttributeValue,
        data_type: int,
        rank: int,
        access: int,
        definition: int,
        index: int,
        description: str = "",
        reference: int = ua.ObjectIds.HasComponent,
    ) -> NodeData:
        """Make a variable below a parent."""
        node = self._node(identifier, ua.NodeClass.Variable, name, index, description)
        attributes = node.attributes
        attributes[ids.Value] = value
        attributes[ids.DataType] = _shared(kinds.NodeId, node_id(data_type))
        attributes[ids.ValueRank] = _shared(kinds.Int32, rank)
        if rank == 1:
            attributes[ids.ArrayDimensions] = _shared(kinds.UInt32, (0,), array=True)
        attributes[ids.AccessLevel] = _shared(kinds.Byte, access)
        attributes[ids.UserAccessLevel] = _shared(kinds.Byte, access)
        attributes[ids.MinimumSamplingInterval] = _shared(kinds.Double, 0.0)
        attributes[ids.Historizing] = _shared(kinds.Boolean, False)
        self._define(node, node_id(definition))
        self.refer(parent, node, reference)
        return node

    def property(
        self,
        identifier: NodeId,
        name: str,
        parent: NodeData,
        value: Variant,
        *,
        data_type: int,
        rank: int = -1,
    ) -> NodeData:
        """Make a property with a value that stays."""
        return self.variable(
            identifier,
            name,
            parent,
            value=AttributeValue(DataValue(value)),
            data_type=data_type,
            rank=rank,
            access=1 << ua.AccessLevel.CurrentRead,
            definition=ua.ObjectIds.PropertyType,
            index=0,
            reference=ua.ObjectIds.HasProperty,
        )

    def method(self, identifier: NodeId, name: str, parent: NodeData, *, index: int) -> NodeData:
        """Make a method of an object."""
        node = self._node(identifier, ua.NodeClass.Method, name, index, "")
        node.attributes[ids.Executable] = _shared(kinds.Boolean, True)
        node.attributes[ids.UserExecutable] = _shared(kinds.Boolean, True)
        self.refer(parent, node, ua.ObjectIds.HasComponent)
        return node

    def refer(self, source: NodeData, target: NodeData, reference: int) -> None:
        """Let one node refer to another, and back."""
        source.references.append(_described(target, reference, forward=True))
        target.references.append(_described(source, reference, forward=False))

    def _define(self, node: NodeData, definition: NodeId) -> None:
        target = self._space[definition]
        reference = _described(target, ua.ObjectIds.HasTypeDefinition, forward=True)
        node.references.append(reference)

    def _node(
        self, identifier: NodeId, node_class: ua.NodeClass, name: str, index: int, title: str
    ) -> NodeData:
        node = NodeData(identifier)
        node.attributes = {
            ids.NodeId: _own(kinds.NodeId, identifier),
            ids.NodeClass: _shared(kinds.Int32, node_class),
            ids.BrowseName: _own(kinds.QualifiedName, ua.QualifiedName(name, index)),
            ids.DisplayName: _own(kinds.LocalizedText, text(title or name)),
            ids.Description: _own(kinds.LocalizedText, text(title)),
            ids.WriteMask: _shared(kinds.UInt32, 0),
            ids.UserWriteMask: _shared(kinds.UInt32, 0),
        }
        self._space[identifier] = node
        return node


def _described(node: NodeData, reference: int, *, forward: bool) -> ReferenceDescription:
    found = ReferenceDescription()
    found.ReferenceTypeId = node_id(reference)
    found.IsForward = forward
    found.NodeId = node.nodeid
    found.NodeClass = _value(node, ids.NodeClass)
    found.BrowseName = _value(node, ids.BrowseName)
    found.DisplayName = _value(node, ids.DisplayName)
    for known in node.references:
        if known.ReferenceTypeId.Identifier == ua.ObjectIds.HasTypeDefinition:
            found.TypeDefinition = known.NodeId
            break
    return found


def _value(node: NodeData, attribute: ua.AttributeIds) -> Any:
    content = node.attributes[attribute].value
    assert content is not None
    assert content.Value is not None
    return content.Value.Value
