"""Fast subscriptions say the same as asyncua's own, and give way to them."""

from __future__ import annotations

import asyncio
import math

import pytest
from asyncua import ua
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

from opcua_links import TAGS, logged_in, tag_server
from opcua_links import pki as pki
from opcua_links import runner as runner
from patience import PATIENCE
from raffinate.runtime import opcua_speed
from raffinate.runtime.opcua_cells import TagCell
from raffinate.runtime.tags import Tag

TIMES = (133_000_000_000_000_000, 133_000_000_000_000_010)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Double", -1.5),
        ("Double", math.nan),
        ("Double", math.inf),
        ("Int64", -(2**62)),
        ("Boolean", True),
        ("String", ""),
        ("String", "Größe ≤ 1 µm"),
        ("Double[]", ()),
        ("Double[]", (1.0, -2.0)),
        ("String[]", ("a", "", "ß")),
    ],
)
def test_a_value_is_the_same_on_the_wire_as_asyncua_makes_it(kind, value):
    cell = TagCell(Tag(path="a", kind=kind))
    cell.put(value, TIMES)
    mine = struct_from_binary(ua.DataValue, ua.utils.Buffer(cell.body()))
    its_own = struct_to_binary(cell.data_value())
    assert mine == struct_from_binary(ua.DataValue, ua.utils.Buffer(its_own))


def test_a_value_never_set_says_that_it_waits():
    cell = TagCell(Tag(path="a", kind="Double"))
    found = struct_from_binary(ua.DataValue, ua.utils.Buffer(cell.body()))
    assert found.StatusCode.name == "BadWaitingForInitialData"
    assert found.SourceTimestamp is None
    assert cell.data_value().StatusCode == found.StatusCode


def test_only_a_new_value_counts_as_a_change():
    cell = TagCell(Tag(path="a", kind="Double"))
    changes = [cell.put(value, TIMES) for value in (1.0, 1.0, math.nan, math.nan, 1, 2)]
    assert changes == [True, False, True, False, True, True]


@pytest.mark.parametrize("versions", [("2.1.",), ("none",)], ids=["fast", "asyncuas"])
def test_mirrors_are_the_same_with_fast_and_with_asyncuas_subscriptions(
    runner, pki, monkeypatch, versions
):
    monkeypatch.setattr(opcua_speed, "VERSIONS", versions)

    async def run():
        async with tag_server(pki) as server, logged_in(server, pki) as client:
            server.publish({"PLC/Scan": 1, "PLC/Time": 1.0})
            mirror = await client.mirror(TAGS, 50)
            (made,) = server.server.iserver.subscription_service.subscriptions.values()
            assert (type(made) is InternalSubscription) == (versions == ("none",))
            for scan in range(2, 5):
                server.publish({"PLC/Scan": scan, "PLC/Alarms": (str(scan),)})
                while mirror["PLC/Scan"].value != scan:
                    assert await mirror.wait(mirror.changed, 5.0)
            await asyncio.sleep(0.1)
            return {path: each[:2] for path, each in mirror.items() if each.quality == "good"}

    assert runner.run(run()) == {
        "PLC/Scan": (4, "good"),
        "PLC/Time": (1.0, "good"),
        "PLC/Alarms": (("4",), "good"),
    }


class Heard:
    """What a generic client hears."""

    def __init__(self):
        self.values = []

    def datachange_notification(self, node, value, data):
        self.values.append(value)

    async def heard(self, value):
        async with asyncio.timeout(PATIENCE):
            while self.values[-1:] != [value]:
                await asyncio.sleep(0.02)


def test_a_generic_client_gets_queues_filters_modes_and_interval_0(runner, pki):
    async def run():
        async with tag_server(pki) as server, logged_in(server, pki) as client:
            server.publish({"PLC/Time": 1.0})
            inner = client._client
            node = inner.get_node(ua.NodeId("PLC/Time", 2))
            queued, newest = Heard(), Heard()
            many = await inner.create_subscription(0, queued)
            await many.subscribe_data_change(node, queuesize=10)
            one = await inner.create_subscription(100, newest)
            item = await one.subscribe_data_change(node, queuesize=1)
            await queued.heard(1.0)
            await newest.heard(1.0)
            for value in (2.0, 3.0, 3.0, 4.0):
                server.publish({"PLC/Time": value})
            await queued.heard(4.0)
            await newest.heard(4.0)
            assert queued.values == [1.0, 2.0, 3.0, 4.0]
            assert newest.values == [1.0, 4.0]
            await one.set_monitoring_mode(ua.MonitoringMode.Disabled)
            server.publish({"PLC/Time": 5.0})
            await queued.heard(5.0)
            await asyncio.sleep(0.3)
            assert newest.values == [1.0, 4.0]
            await one.set_monitoring_mode(ua.MonitoringMode.Reporting)
            await newest.heard(5.0)
            await one.unsubscribe(item)
            cell = server._cells["PLC/Time"]
            assert cell.watchers == {}
            await many.delete()
            await one.delete()
            assert cell.attribute.datachange_callbacks == {}

    runner.run(run())
