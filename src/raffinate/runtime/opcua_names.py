"""Names of nodes as the project writes them, and the nodes of a server they stand for."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from raffinate.errors import SpecificationError, nearest_name
from raffinate.runtime.opcua_types import DataValue, NodeId, node_id, ua
from raffinate.runtime.tags import NAMESPACES, Tag

NodeName = Any
"""A tag; its path; a namespace (or its space) and a path; or an OPC UA identifier as text, such as
"ns=4;s=FIC101.PV" or "nsu=urn:vendor:plc;s=FIC101.PV". Anything else counts as its `str`."""

ReadAttributes = Callable[[Sequence[NodeId], int], Awaitable[list[DataValue]]]
"""Reads one attribute of many nodes in one request."""

_IDENTIFIER = re.compile(r"(?:ns=(?P<index>\d+);|nsu=(?P<uri>[^;]+);)?(?P<rest>[isgb]=.+)", re.S)


def key_of(name: NodeName) -> str:
    """Return what a node is called in mappings: the path, or the identifier as it was given."""
    if isinstance(name, Tag):
        return name.path
    if isinstance(name, tuple):
        return str(name[1])
    return str(name)


class NodeNames:
    """The nodes behind names, for one connection.

    A path alone may lie in any of the project's namespaces that the server has; which one is asked
    once.

    Args:
        namespaces: Of the server, by index.
        read: Reads attributes.
    """

    def __init__(self, namespaces: Sequence[str], read: ReadAttributes) -> None:
        self._namespaces = list(namespaces)
        self._read = read
        self._found: dict[str, NodeId | None] = {}
        self._own = [i for i, uri in enumerate(namespaces) if uri in NAMESPACES.values()]

    def is_own(self, node: NodeId) -> bool:
        """Return whether a node lies in one of the project's namespaces."""
        return node.NamespaceIndex in self._own

    async def find(self, names: Sequence[NodeName]) -> list[NodeId | None]:
        """Return the nodes; None for a path the server does not have.

        Raises:
            SpecificationError: The server has no such namespace.
        """
        nodes = [self._direct(name) for name in names]
        asked = {str(name) for name, node in zip(names, nodes, strict=True) if node is None}
        await self._ask([path for path in asked if path not in self._found])
        return [
            node if node is not None else self._found[str(name)]
            for name, node in zip(names, nodes, strict=True)
        ]

    def _direct(self, name: NodeName) -> NodeId | None:
        """Return the node of a name that tells it; None for a path alone."""
        if isinstance(name, Tag):
            return node_id(name.path, self._index(NAMESPACES[name.space]))
        if isinstance(name, tuple):
            space, path = name
            uris = {str(own): uri for own, uri in NAMESPACES.items()}
            return node_id(path, self._index(uris.get(space, space)))
        found = _IDENTIFIER.fullmatch(str(name))
        if found is None:
            return None
        index = self._index(found["uri"]) if found["uri"] else int(found["index"] or 0)
        try:
            node: NodeId = ua.NodeId.from_string(f"ns={index};{found['rest']}")
        except (ValueError, ua.UaError) as error:
            raise SpecificationError(
                f"{name} is no identifier of a node.", where="OPC UA", allowed="ns=4;s=FIC101.PV"
            ) from error
        return node

    def _index(self, uri: str | None) -> int:
        if uri is None or uri not in self._namespaces:
            raise SpecificationError(
                f"the server has no namespace {uri}.",
                where="OPC UA",
                mend=nearest_name(str(uri), self._namespaces),
            )
        return self._namespaces.index(uri)

    async def _ask(self, paths: Sequence[str]) -> None:
        if not paths:
            return
        if len(self._own) == 1:
            # A read or write of it will tell whether it exists.
            self._found |= {path: node_id(path, self._own[0]) for path in paths}
            return
        nodes = [node_id(path, index) for path in paths for index in self._own]
        answers = await self._read(nodes, ua.AttributeIds.NodeClass) if nodes else []
        for path in paths:
            self._found[path] = None
        for node, answer in zip(nodes, answers, strict=True):
            if answer.StatusCode is None or answer.StatusCode.is_good():
                self._found[str(node.Identifier)] = node
