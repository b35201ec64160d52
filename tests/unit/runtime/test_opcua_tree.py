"""The address space: folders, units, ranges, the analyzer, and its cost."""

from __future__ import annotations

import pytest
from asyncua import ua
from asyncua.server.address_space import AddressSpace, NodeData

from opcua_links import TAGS, logged_in, tag_server
from opcua_links import pki as pki
from opcua_links import runner as runner
from raffinate.plant.plant_file import load_plant
from raffinate.runtime.opcua_nodes import NodeMaker
from raffinate.runtime.opcua_tree import Tree
from raffinate.runtime.opcua_units import UNECE, unit_id, unit_information
from raffinate.runtime.tags import Tag, operate_tags, plant_tags, twin_tags

ADI = "http://opcfoundation.org/UA/ADI/"
DI = "http://opcfoundation.org/UA/DI/"


@pytest.fixture(scope="module")
def server(runner, pki):
    found = tag_server(pki)
    runner.run(found.start())
    yield found
    runner.run(found.stop())


def test_codes_of_units_are_numbers_of_their_letters():
    """Source: OPC 10000-8, 5.6.3: "MMT" is 5066068."""
    assert unit_id("MMT") == 5066068
    found = unit_information("m³/h")
    assert (found.NamespaceUri, found.UnitId) == (UNECE, unit_id("MQH"))
    assert found.DisplayName.Text == "m³/h"
    odd = unit_information("decades")
    assert (odd.UnitId, odd.DisplayName.Text) == (-1, "decades")


def test_a_generic_client_finds_tags_by_browsing_and_sees_unit_range_and_title(runner, server, pki):
    async def run():
        async with logged_in(server, pki) as client:
            inner = client._client
            names = ["Plant", "Levers", "acid", "Setpoint"]
            node = await inner.nodes.objects.get_child([f"2:{name}" for name in names])
            assert node.nodeid == ua.NodeId("Levers/acid/Setpoint", 2)
            properties = {
                (await each.read_browse_name()).Name: await each.read_value()
                for each in await node.get_properties()
            }
            assert properties["EngineeringUnits"].DisplayName.Text == "m³/h"
            assert (properties["EURange"].Low, properties["EURange"].High) == (1.0, 3.0)
            assert (await node.read_display_name()).Text == "Acid: setpoint"
            assert await node.read_data_type_as_variant_type() == ua.VariantType.Double
            definition = await node.read_type_definition()
            assert definition == ua.NodeId(ua.ObjectIds.AnalogUnitRangeType)
            mode = await inner.nodes.objects.get_child(["2:Plant", "2:Mode", "2:Request"])
            (choices,) = await mode.get_properties()
            assert [each.Text for each in await choices.read_value()] == ["manual", "fuzzy"]
            writable = 1 << ua.AccessLevel.CurrentWrite
            for tag in TAGS:
                index = 2 if tag.space == "plant" else 3
                found = inner.get_node(ua.NodeId(tag.path, index))
                level = await found.read_attribute(ua.AttributeIds.AccessLevel)
                assert bool(level.Value.Value & writable) == (tag.writer is not None)
                rank = await found.read_attribute(ua.AttributeIds.ValueRank)
                assert rank.Value.Value == (1 if tag.kind.endswith("[]") else -1)

    runner.run(run())


def test_the_analyzer_is_a_device_with_channels_and_streams_of_the_standard(runner, server, pki):
    async def run():
        async with logged_in(server, pki) as client:
            inner = client._client
            spaces = await inner.get_namespace_array()
            adi, di = spaces.index(ADI), spaces.index(DI)
            path = "Analyzer/XRF"
            for part, number in (("", 1011), ("/Channel1", 1003), ("/Channel1/stage 5", 1010)):
                path_of_part = ua.NodeId(path + part, 2)
                node = inner.get_node(path_of_part)
                assert await node.read_type_definition() == ua.NodeId(number, adi)
            device_type = inner.get_node(ua.NodeId(1011, adi))
            (parent,) = await device_type.get_referenced_nodes(
                ua.ObjectIds.HasSubtype, ua.BrowseDirection.Inverse
            )
            assert parent.nodeid == ua.NodeId(1001, adi)
            devices = await inner.get_node(ua.NodeId(5001, di)).get_children()
            assert [each.nodeid for each in devices] == [ua.NodeId(path, 2)]
            stream = inner.get_node(ua.NodeId(f"{path}/Channel1/stage 5", 2))
            for names, expected in (
                ([f"{adi}:AcquisitionData", "2:Values"], "Values"),
                ([f"{adi}:AcquisitionStatus", "2:SampleTime"], "SampleTime"),
                ([f"{di}:ParameterSet", "2:Values"], "Values"),
                (["2:Values"], "Values"),
            ):
                found = await stream.get_child(names)
                assert found.nodeid == ua.NodeId(f"{path}/Channel1/stage 5/{expected}", 2)

    runner.run(run())


class Counted(dict):
    """A table of nodes that counts how often it is asked."""

    asked = 0

    def get(self, *given):
        type(self).asked += 1
        return super().get(*given)

    def __getitem__(self, key):
        type(self).asked += 1
        return super().__getitem__(key)


def built(tags):
    """Build tags over a table of the few nodes needed; return the nodes made and the look-ups."""
    space = AddressSpace()
    space._nodes = Counted()
    for number in (
        *(ua.ObjectIds.ObjectsFolder, ua.ObjectIds.FolderType, ua.ObjectIds.PropertyType),
        *(ua.ObjectIds.BaseDataVariableType, ua.ObjectIds.AnalogUnitType),
    ):
        made = NodeMaker(space)._node(ua.NodeId(number), ua.NodeClass.Object, "x", 0, "")
        assert isinstance(made, NodeData)
    before, Counted.asked = len(space._nodes), 0
    tree = Tree(tags, {"plant": 2})
    tree.build(space, {"DI": 3, "ADI": 4})
    return len(space._nodes) - before, Counted.asked


def flat(number):
    return tuple(Tag(path=f"All/T{i}", kind="Double", unit="s") for i in range(number))


def test_building_costs_the_same_for_each_tag_even_in_one_folder():
    few, many = built(flat(200)), built(flat(2000))
    # Two nodes for each tag, one more for its unit; two folders.
    assert few[0] == 2 * 200 + 2
    assert many[0] == 2 * 2000 + 2
    assert many[1] <= 10 * few[1]


def test_the_nodes_of_a_folder_refer_to_each_other_once():
    space = AddressSpace()
    space._nodes = {}
    maker = NodeMaker(space)
    for number in (
        ua.ObjectIds.ObjectsFolder,
        ua.ObjectIds.FolderType,
        ua.ObjectIds.BaseDataVariableType,
    ):
        maker._node(ua.NodeId(number), ua.NodeClass.Object, "x", 0, "")
    tree = Tree([Tag(path=f"A/{i}", kind="Double") for i in range(50)], {"plant": 2})
    tree.build(space, {"DI": 3, "ADI": 4})
    children = [each.NodeId for each in space[ua.NodeId("A", 2)].references if each.IsForward]
    assert len(children) == len(set(children)) == 50 + 1


def test_the_plants_own_folders_have_no_more_than_some_twenty_children():
    plant = load_plant("ceprnd_p507")
    for tags in ((*plant_tags(plant), *twin_tags(plant)), operate_tags(plant, ("manual",))):
        children: dict[str, set[str]] = {}
        for tag in tags:
            parts = tag.path.split("/")
            for depth in range(len(parts)):
                above = f"{tag.space}:{'/'.join(parts[:depth])}"
                children.setdefault(above, set()).add(parts[depth])
        assert max(map(len, children.values())) <= 25
