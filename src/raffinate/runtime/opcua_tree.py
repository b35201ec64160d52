"""The address space of a server: tags in folders, with units, ranges and access levels.

Nodes are put straight into asyncua's table. Its own service looks through all children of a folder
for every child it adds, so n tags in one folder cost n² comparisons; here each costs the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asyncua.server.address_space import AddressSpace, NodeData

from raffinate.errors import SpecificationError
from raffinate.runtime.opcua_adi import StreamGroups, add_types, type_of
from raffinate.runtime.opcua_cells import VARIANTS, TagCell
from raffinate.runtime.opcua_nodes import NodeMaker, text
from raffinate.runtime.opcua_types import NodeId, Variant, VariantType, node_id, ua
from raffinate.runtime.opcua_units import unit_information
from raffinate.runtime.tags import Space, Tag

ROOTS: dict[Space, str] = {"plant": "Plant", "twin": "Twin", "operate": "Operate"}
"""Top folder of each space."""

READ = 1 << ua.AccessLevel.CurrentRead
WRITE = 1 << ua.AccessLevel.CurrentWrite


class Tree:
    """The nodes of a server.

    Args:
        tags: What stands in it.
        indices: Index of each of the project's namespaces.

    Attributes:
        cells: Values by path.
        by_node: Values by node, after `build`.

    Raises:
        SpecificationError: Two tags share a path.
    """

    def __init__(self, tags: Sequence[Tag], indices: Mapping[Space, int]) -> None:
        self.indices = dict(indices)
        self.cells = {tag.path: TagCell(tag) for tag in tags}
        if len(self.cells) < len(tags):
            paths = [tag.path for tag in tags]
            twice = next(path for path in paths if paths.count(path) > 1)
            raise SpecificationError(f"{twice} stands twice.", where="tags")
        self.by_node: dict[NodeId, TagCell] = {}
        self._maker: NodeMaker
        self._folders: dict[tuple[Space, str], NodeData] = {}
        self._groups: StreamGroups | None = None

    def build(self, space: AddressSpace, standards: Mapping[str, int]) -> None:
        """Make a variable for every tag, with the folders that lead to it.

        Args:
            space: asyncua's table of nodes.
            standards: Index of the namespaces of the companion standards, "DI" and "ADI".
        """
        self._maker = NodeMaker(space)
        if any(type_of(path.rpartition("/")[0]) for path in self.cells):
            types = add_types(self._maker, standards)
            self._groups = StreamGroups(self._maker, standards, types)
        for cell in self.cells.values():
            self._add(cell)

    def node_id(self, space: Space, path: str) -> NodeId:
        """Return the identifier of a path."""
        return node_id(path, self.indices[space])

    def folder(self, space: Space, path: str) -> NodeData:
        """Return the folder of a path, made with those above it at its first use."""
        found = self._folders.get((space, path))
        if found is not None:
            return found
        if not path:
            parent, name = self._maker.existing(ua.ObjectIds.ObjectsFolder), ROOTS[space]
        else:
            above, _, name = path.rpartition("/")
            parent = self.folder(space, above)
        kind = type_of(path)
        standard = self._groups.type_id(kind) if self._groups and kind else None
        made = self._maker.object(
            self.node_id(space, path or name),
            name,
            parent,
            reference=ua.ObjectIds.HasComponent if standard else ua.ObjectIds.Organizes,
            definition=standard or node_id(ua.ObjectIds.FolderType),
            index=self.indices[space],
        )
        self._folders[space, path] = made
        if self._groups and kind:
            self._groups.entered(kind, made)
        return made

    def object_of(self, path: str) -> Space | None:
        """Return the space of a folder that exists."""
        return next((space for space, known in self._folders if known == path), None)

    def add_method(
        self, space: Space, path: str, name: str, *, inputs: Sequence[Any], outputs: Sequence[Any]
    ) -> tuple[NodeId, NodeData]:
        """Make a method of the object at `path`; return the object's identifier and the method."""
        owner = self.folder(space, path)
        method = self._maker.method(
            self.node_id(space, f"{path}/{name}"), name, owner, index=self.indices[space]
        )
        for title, arguments in (("InputArguments", inputs), ("OutputArguments", outputs)):
            if arguments:
                identifier = self.node_id(space, f"{path}/{name}.{title}")
                value = Variant(list(arguments), VariantType.ExtensionObject, is_array=True)
                self._maker.property(
                    identifier, title, method, value, data_type=ua.ObjectIds.Argument, rank=1
                )
        return owner.nodeid, method

    def _add(self, cell: TagCell) -> None:
        tag = cell.tag
        above, _, name = tag.path.rpartition("/")
        parent = self.folder(tag.space, above)
        identifier = self.node_id(tag.space, tag.path)
        array = tag.kind.endswith("[]")
        node = self._maker.variable(
            identifier,
            name,
            parent,
            value=cell.attribute,
            data_type=VARIANTS[tag.kind.removesuffix("[]")].value,
            rank=1 if array else -1,
            access=READ | (WRITE if tag.writer else 0),
            definition=_variable_type(tag),
            index=self.indices[tag.space],
            description=tag.title,
        )
        self._add_properties(tag, node)
        if self._groups and type_of(above) == "stream":
            self._groups.measured(above, name, node)
        self.by_node[identifier] = cell

    def _add_properties(self, tag: Tag, node: NodeData) -> None:
        if tag.unit:
            self._maker.property(
                self.node_id(tag.space, f"{tag.path}.EngineeringUnits"),
                "EngineeringUnits",
                node,
                Variant(unit_information(tag.unit), VariantType.ExtensionObject),
                data_type=ua.ObjectIds.EUInformation,
            )
        if tag.low is not None and tag.high is not None:
            limits = ua.Range(Low=ua.Double(tag.low), High=ua.Double(tag.high))
            self._maker.property(
                self.node_id(tag.space, f"{tag.path}.EURange"),
                "EURange",
                node,
                Variant(limits, VariantType.ExtensionObject),
                data_type=ua.ObjectIds.Range,
            )
        if tag.choices:
            choices = [text(choice) for choice in tag.choices]
            self._maker.property(
                self.node_id(tag.space, f"{tag.path}.Choices"),
                "Choices",
                node,
                Variant(choices, VariantType.LocalizedText, is_array=True),
                data_type=ua.ObjectIds.LocalizedText,
                rank=1,
            )


def _variable_type(tag: Tag) -> int:
    ranged = tag.low is not None and tag.high is not None
    if tag.unit:
        return int(ua.ObjectIds.AnalogUnitRangeType if ranged else ua.ObjectIds.AnalogUnitType)
    return int(ua.ObjectIds.AnalogItemType if ranged else ua.ObjectIds.BaseDataVariableType)
