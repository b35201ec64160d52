"""Alarms as OPC UA conditions, seen by a generic client: events, methods, refusals, refresh."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from asyncua import Client, Server, ua

from patience import PATIENCE
from raffinate.errors import SpecificationError
from raffinate.runtime.alarm_list_file import load_alarm_list
from raffinate.runtime.alarms import ROLE_OF_ACTION, AlarmList, may
from raffinate.runtime.opcua_access import AccessDenied, Who
from raffinate.runtime.opcua_conditions import ConditionServer

LOST = {"plc.interlock.organic_lost": ("Organic lost", "high")}
DEVIATION = {"organic_flow.deviation": ("Organic flow is off", "medium")}


class Collector:
    """Takes the events of a subscription."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Any] = asyncio.Queue()

    def event_notification(self, event: Any) -> None:
        self.queue.put_nowait(event)

    def status_change_notification(self, status: Any) -> None:
        raise AssertionError(status)

    async def take(self, count: int = 1) -> list[Any]:
        return [await asyncio.wait_for(self.queue.get(), PATIENCE) for _ in range(count)]


@dataclass
class Bench:
    """A server with conditions, an alarm list behind it, and a client in front."""

    server: Server
    client: Client
    conditions: ConditionServer
    index: int
    alarms: AlarmList = field(default_factory=lambda: AlarmList(load_alarm_list()))
    who: Who | None = field(default_factory=lambda: Who(name="anna", role="operator"))
    time: float = 0.0
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    async def act(self, action: Any, tag: str, who: Who, hours: float | None, comment: str) -> None:
        self.asked.append((action, tag, who.name, hours, comment))
        if not may(who.role, action):
            raise AccessDenied(f"{who.role} may not.")
        self.alarms.act(action, tag, self.time, who.name, hours=hours, comment=comment)
        await self.show()

    async def update(self, found: dict[str, Any], time: float) -> None:
        self.time = time
        self.alarms.update(found, time)
        await self.show()

    async def show(self) -> None:
        await self.conditions.show(self.alarms.snapshot(self.time), self.time)

    @asynccontextmanager
    async def listening(self, source: Any = ua.ObjectIds.Server) -> AsyncIterator[Any]:
        collector = Collector()
        subscription = await self.client.create_subscription(20, collector)
        await subscription.subscribe_alarms_and_conditions(
            source, evtypes=[ua.ObjectIds.AlarmConditionType, ua.ObjectIds.SystemEventType]
        )
        try:
            yield subscription, collector
        finally:
            await subscription.delete()

    def condition(self, tag: str) -> Any:
        return self.client.get_node(ua.NodeId(f"Conditions/{tag}", self.index))

    async def call(self, node: Any, method: str, *arguments: Any) -> str:
        """Call a method of a type on an instance; return the name of the status."""
        identifier = ua.NodeId(getattr(ua.ObjectIds, method))
        try:
            await node.call_method(identifier, *arguments)
        except ua.UaStatusCodeError as error:
            return ua.status_codes.get_name_and_doc(error.code)[0]
        return "Good"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


OnBench = Callable[[Callable[[Bench], Awaitable[None]]], None]


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Server, Client]]:
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{free_port()}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    async with server, Client(server.endpoint.geturl()) as client:
        yield server, client


@pytest.fixture(scope="module")
def line() -> Iterator[tuple[asyncio.Runner, Server, Client]]:
    """One server for all tests, as building its address space takes seconds."""
    with asyncio.Runner() as runner:
        opened = connected()
        server, client = runner.run(opened.__aenter__())
        yield runner, server, client
        runner.run(opened.__aexit__(None, None, None))


@pytest.fixture
def on_bench(
    line: tuple[asyncio.Runner, Server, Client],
) -> OnBench:
    """Run a test with conditions of its own, in a namespace of their own."""
    runner, server, client = line

    async def body(run: Callable[[Bench], Awaitable[None]]) -> None:
        index = await server.register_namespace(f"urn:test:{uuid4()}")
        benches: list[Bench] = []
        conditions = ConditionServer(
            server, index, lambda *given: benches[0].act(*given), who=lambda: benches[0].who
        )
        bench = Bench(server=server, client=client, conditions=conditions, index=index)
        benches.append(bench)
        await conditions.start()
        await run(bench)

    return lambda run: runner.run(body(run))


def test_a_generic_client_follows_an_alarm_from_its_coming_to_its_acknowledgment(
    on_bench: OnBench,
) -> None:
    async def run(bench: Bench) -> None:
        async with bench.listening() as (_, collector):
            await bench.update(LOST, 60.0)
            (raised,) = await collector.take()
            assert raised.EventType == ua.NodeId(ua.ObjectIds.OffNormalAlarmType)
            assert raised.ConditionName == "plc.interlock.organic_lost"
            assert raised.Message.Text == "Organic lost"
            assert raised.Severity == 800
            assert (raised.Retain, getattr(raised, "ActiveState/Id")) == (True, True)
            assert getattr(raised, "AckedState/Id") is False
            assert raised.NodeId == bench.condition("plc.interlock.organic_lost").nodeid

            node = bench.client.get_node(raised.NodeId)
            said = ua.LocalizedText("pump 2 started")
            method = "AcknowledgeableConditionType_Acknowledge"
            assert await bench.call(node, method, raised.EventId, said) == "Good"
            (answered,) = await collector.take()
            assert getattr(answered, "AckedState/Id") is True
            assert (answered.Comment.Text, answered.ClientUserId) == ("pump 2 started", "anna")
            assert bench.alarms.standing[0].state == "acknowledged"

            await bench.update({}, 120.0)
            (cleared,) = await collector.take()
            assert (cleared.Retain, getattr(cleared, "ActiveState/Id")) == (False, False)

    on_bench(run)


def test_an_acknowledgment_of_what_was_never_sent_or_is_answered_already_is_refused(
    on_bench: OnBench,
) -> None:
    async def run(bench: Bench) -> None:
        method = "AcknowledgeableConditionType_Acknowledge"
        async with bench.listening() as (_, collector):
            await bench.update(LOST, 60.0)
            (raised,) = await collector.take()
            node, nothing = bench.client.get_node(raised.NodeId), ua.LocalizedText("")
            assert await bench.call(node, method, b"no such event", nothing) == "BadEventIdUnknown"
            assert bench.asked == []
            assert await bench.call(node, method, raised.EventId, nothing) == "Good"
            again = await bench.call(node, method, raised.EventId, nothing)
            assert again == "BadConditionBranchAlreadyAcked"

    on_bench(run)


def test_an_event_from_before_the_alarm_came_back_no_longer_acknowledges_it(
    on_bench: OnBench,
) -> None:
    async def run(bench: Bench) -> None:
        method = "AcknowledgeableConditionType_Acknowledge"
        async with bench.listening() as (_, collector):
            for found, time in ((LOST, 60.0), ({}, 120.0)):
                await bench.update(found, time)
            bench.alarms.act("acknowledge", "plc.interlock.organic_lost", 120.0, "bert")
            await bench.show()
            await bench.update(LOST, 180.0)
            old, *_, new = await collector.take(4)
            node, nothing = bench.client.get_node(old.NodeId), ua.LocalizedText("")
            assert await bench.call(node, method, old.EventId, nothing) == "BadEventIdUnknown"
            assert await bench.call(node, method, new.EventId, nothing) == "Good"

    on_bench(run)


def test_shelving_keeps_to_the_longest_time_of_the_list_and_says_how_long_is_left(
    on_bench: OnBench,
) -> None:
    async def run(bench: Bench) -> None:
        await bench.update(DEVIATION, 60.0)
        await bench.update(DEVIATION, 660.0)
        node = bench.condition("organic_flow.deviation")
        shelving = await node.get_child(["0:ShelvingState"])
        timed, off = "ShelvedStateMachineType_TimedShelve", "ShelvedStateMachineType_Unshelve"
        too_long = await bench.call(shelving, timed, 3 * 3.6e6)
        assert too_long == "BadShelvingTimeOutOfRange"
        assert await bench.call(shelving, off) == "BadConditionNotShelved"
        assert await bench.call(shelving, timed, 1.5 * 3.6e6) == "Good"
        assert bench.asked[-1][:4] == ("shelve", "organic_flow.deviation", "anna", 1.5)
        assert await bench.call(shelving, timed, 3.6e6) == "BadConditionAlreadyShelved"
        state = await shelving.get_child(["0:CurrentState", "0:Id"])
        assert await state.read_value() == ua.NodeId(2932)
        left = await shelving.get_child(["0:UnshelveTime"])
        assert await left.read_value() == pytest.approx(1.5 * 3.6e6)
        # The same by the instance declaration of the alarm type, on the condition itself.
        declared = "AlarmConditionType_ShelvingState_Unshelve"
        assert await bench.call(node, declared) == "Good"
        assert bench.alarms.standing[0].state == "unacknowledged"
        one_shot = "ShelvedStateMachineType_OneShotShelve"
        assert await bench.call(node, one_shot) == "Good"
        assert await state.read_value() == ua.NodeId(2933)

    on_bench(run)


def test_roles_decide_who_may_suppress_and_nobody_unknown_may_do_anything(
    on_bench: OnBench,
) -> None:
    async def run(bench: Bench) -> None:
        await bench.update(LOST, 60.0)
        node = bench.condition("plc.interlock.organic_lost")
        suppress = "AlarmConditionType_Suppress2"
        why = ua.LocalizedText("pump is being changed")
        assert await bench.call(node, suppress, why) == "BadUserAccessDenied"
        bench.who = None
        assert await bench.call(node, suppress, why) == "BadUserAccessDenied"
        assert len(bench.asked) == 1
        bench.who = Who(name="eva", role="engineer")
        assert await bench.call(node, suppress, why) == "Good"
        (row,) = bench.alarms.snapshot(60.0)
        assert (row["state"], row["comment"]) == ("suppressed", "pump is being changed")
        flag = await node.get_child(["0:SuppressedState", "0:Id"])
        assert await flag.read_value() is True
        back = "AlarmConditionType_Unsuppress"
        assert await bench.call(node, back) == "Good"
        assert await bench.call(node, back) == "BadInvalidState"
        out = "AlarmConditionType_RemoveFromService"
        assert await bench.call(node, out) == "Good"
        gone = await node.get_child(["0:OutOfServiceState", "0:Id"])
        assert await gone.read_value() is True

    on_bench(run)


def test_a_client_that_comes_late_is_told_of_what_stands(on_bench: OnBench) -> None:
    async def run(bench: Bench) -> None:
        await bench.update(LOST | {"xrf": ("No reading", "low")}, 60.0)
        await bench.update(LOST, 3000.0)
        async with bench.listening() as (subscription, collector):
            kind = bench.client.get_node(ua.ObjectIds.ConditionType)
            number = ua.Variant(subscription.subscription_id, ua.VariantType.UInt32)
            refresh = "ConditionType_ConditionRefresh"
            assert await bench.call(kind, refresh, number) == "Good"
            types = [event.EventType.Identifier for event in await collector.take(4)]
            assert types[0] == ua.ObjectIds.RefreshStartEventType
            assert types[1:3] == [ua.ObjectIds.OffNormalAlarmType] * 2
            assert types[3] == ua.ObjectIds.RefreshEndEventType
            wrong = ua.Variant(4711, ua.VariantType.UInt32)
            assert await bench.call(kind, refresh, wrong) == "BadSubscriptionIdInvalid"

    on_bench(run)


def test_events_also_come_from_the_folder_and_the_same_alarm_makes_no_second_event(
    on_bench: OnBench,
) -> None:
    async def run(bench: Bench) -> None:
        folder = ua.NodeId("Conditions", bench.index)
        async with bench.listening(folder) as (subscription, collector):
            await bench.update(LOST, 60.0)
            await bench.update(LOST, 120.0)
            await bench.update(LOST | {"lab.nd": ("No assay", "low")}, 180.0)
            first, second = await collector.take(2)
            assert [first.ConditionName, second.ConditionName] == [*LOST, "lab.nd"]
            kind = bench.client.get_node(ua.ObjectIds.ConditionType)
            number = ua.Variant(subscription.subscription_id, ua.VariantType.UInt32)
            await bench.call(kind, "ConditionType_ConditionRefresh", number)
            assert len(await collector.take(4)) == 4
            assert collector.queue.empty()

    on_bench(run)


def test_the_nodes_of_a_condition_are_readable_and_no_client_overwrites_them(
    on_bench: OnBench,
) -> None:
    async def run(bench: Bench) -> None:
        await bench.update(LOST, 60.0)
        node = bench.condition("plc.interlock.organic_lost")
        definition = await node.read_type_definition()
        assert definition == ua.NodeId(ua.ObjectIds.OffNormalAlarmType)
        message = await node.get_child(["0:Message"])
        assert (await message.read_value()).Text == "Organic lost"
        assert await (await node.get_child(["0:Severity"])).read_value() == 800
        level = await message.read_attribute(ua.AttributeIds.AccessLevel)
        assert not level.Value.Value & (1 << ua.AccessLevel.CurrentWrite)
        methods = {(await each.read_browse_name()).Name for each in await node.get_methods()}
        assert {"Acknowledge", "AddComment", "Suppress", "PlaceInService"} <= methods

    on_bench(run)


def test_every_method_has_a_role_and_enabling_is_not_offered(on_bench: OnBench) -> None:
    async def run(bench: Bench) -> None:
        roles = bench.conditions.roles
        acknowledge = ua.NodeId(ua.ObjectIds.AcknowledgeableConditionType_Acknowledge)
        assert roles[acknowledge] == "operator"
        assert roles[ua.NodeId(ua.ObjectIds.AlarmConditionType_Suppress)] == "engineer"
        assert set(roles.values()) == {"viewer", *ROLE_OF_ACTION.values()}
        await bench.update(LOST, 60.0)
        node = bench.condition("plc.interlock.organic_lost")
        assert await bench.call(node, "ConditionType_Disable") == "BadNotSupported"
        short = await bench.call(node, "AcknowledgeableConditionType_Acknowledge", b"x")
        assert short == "BadArgumentsMissing"

    on_bench(run)


def test_a_remark_is_kept_and_told_without_acknowledging(on_bench: OnBench) -> None:
    async def run(bench: Bench) -> None:
        async with bench.listening() as (_, collector):
            await bench.update(LOST, 60.0)
            (raised,) = await collector.take()
            node, said = bench.client.get_node(raised.NodeId), ua.LocalizedText("on my way")
            method = "ConditionType_AddComment"
            assert await bench.call(node, method, raised.EventId, said) == "Good"
            (told,) = await collector.take()
            assert told.Comment.Text == "on my way"
            assert getattr(told, "AckedState/Id") is False

    on_bench(run)


def test_the_alarm_list_refuses_by_itself_what_no_client_should_ask() -> None:
    alarms = AlarmList(load_alarm_list())
    with pytest.raises(SpecificationError, match="may not be shelved"):
        alarms.act("shelve", "plc.interlock.organic_lost", 0.0, "anna", hours=1.0)
