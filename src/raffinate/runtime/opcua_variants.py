"""Values as a client sends them: in the type that the node at the other end has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from raffinate.errors import SpecificationError
from raffinate.runtime.opcua_cells import VARIANTS
from raffinate.runtime.opcua_names import NodeName, ReadAttributes, key_of
from raffinate.runtime.opcua_types import DataValue, NodeId, Variant, VariantType, ua
from raffinate.runtime.tags import Tag, Value

_INTEGERS = {"SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64"}
_REALS = {"Float", "Double"}

_BUILT_IN = range(1, 26)
"""Numbers of the built-in types (OPC 10000-6, 5.1.2)."""


class NodeTypes:
    """The types of the nodes of one server, each asked once.

    Args:
        read: Reads attributes.
    """

    def __init__(self, read: ReadAttributes) -> None:
        self._read = read
        self._types: dict[NodeId, tuple[VariantType, bool]] = {}

    async def learn(self, names: Sequence[NodeName], nodes: Sequence[NodeId]) -> dict[str, str]:
        """Find out the types of nodes; return the status of those the server does not tell."""
        for name, node in zip(names, nodes, strict=True):
            if isinstance(name, Tag):
                kind = name.kind
                self._types[node] = VARIANTS[kind.removesuffix("[]")], kind.endswith("[]")
        new = {node: name for name, node in zip(names, nodes, strict=True)}
        new = {node: name for node, name in new.items() if node not in self._types}
        if not new:
            return {}
        ids = ua.AttributeIds
        columns = [
            await self._read(list(new), each) for each in (ids.DataType, ids.ValueRank, ids.Value)
        ]
        unknown = {}
        for (node, name), kind, rank, value in zip(new.items(), *columns, strict=True):
            if kind.StatusCode is not None and not kind.StatusCode.is_good():
                unknown[key_of(name)] = kind.StatusCode.name
            else:
                self._types[node] = _type_of(kind, value), _ranked(rank)
        return unknown

    def variant(self, name: NodeName, node: NodeId, value: Value) -> Variant:
        """Return a value as its node takes it.

        Raises:
            SpecificationError: It does not fit.
        """
        kind, array = self._types[node]
        try:
            if array != isinstance(value, (tuple, list)):
                raise ValueError("it takes an array" if array else "it takes one value")
            entries: Any = (
                [_as(kind, each) for each in value]
                if isinstance(value, (tuple, list))
                else _as(kind, value)
            )
        except (ValueError, OverflowError, TypeError) as error:
            raise SpecificationError(
                f"{str(value)[:80]} does not fit {kind.name}: {error}.", where=key_of(name)
            ) from error
        return Variant(entries, kind, is_array=array)


def guessed(value: Value) -> Variant:
    """Return an argument of a method as the type that a plain value suggests."""
    if isinstance(value, (tuple, list)):
        text = bool(value) and isinstance(value[0], str)
        kind = VariantType.String if text else VariantType.Double
        return Variant(list(value), kind, is_array=True)
    return Variant(value)


def _type_of(kind: DataValue, value: DataValue) -> VariantType:
    """Return the type on the wire of a node: as declared, or as its value is for a derived type."""
    found = _content(kind)
    number = found.Identifier if found is not None and not found.NamespaceIndex else None
    if isinstance(number, int) and number in _BUILT_IN:
        return VariantType(number)
    assert value.Value is not None
    held: VariantType = value.Value.VariantType
    return held


def _ranked(rank: DataValue) -> bool:
    number = _content(rank)
    return number is not None and number >= 0


def _content(found: DataValue) -> Any:
    return found.Value.Value if found.Value is not None else None


def _as(kind: VariantType, value: Any) -> Any:
    """Return one value as a type of OPC UA."""
    if kind.name in _REALS:
        return float(value)
    if kind.name in _INTEGERS:
        if not math.isfinite(value) or int(value) != value:
            raise ValueError("no whole number")
        return int(value)
    if kind == VariantType.Boolean and not isinstance(value, bool):
        raise ValueError("neither true nor false")
    if kind == VariantType.String and not isinstance(value, str):
        raise ValueError("no text")
    return value
