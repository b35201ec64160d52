"""The server: what each role gets over an encrypted link, what is refused, what is audited."""

from __future__ import annotations

import asyncio
import math
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import Client, ua
from asyncua.crypto.permission_rules import UserRole

from opcua_links import PEOPLE, TAGS, People, client_of, logged_in, tag_server
from opcua_links import pki as pki
from opcua_links import runner as runner
from raffinate.errors import DataError, SpecificationError
from raffinate.runtime.opcua_access import AccessDenied, caller
from raffinate.runtime.opcua_client import CallRefused, LinkLost, WriteRefused
from raffinate.runtime.opcua_link import Door, secure
from raffinate.runtime.opcua_pki import identity, make_identity

AUDIT: list[dict] = []
TOLD: list[tuple] = []
PEOPLE_TABLE = People()


async def on_write(tag, value, who):
    assert caller() == who
    TOLD.append((tag.path, value, who.name))
    if value == 1.5:
        raise SpecificationError("1.5 is not to be had.")
    if value == 1.6:
        raise AccessDenied("1.6 is for others.")
    if value == 1.7:
        raise RuntimeError("a bug")


def told(who, text):
    if text == "wrong":
        raise SpecificationError("that is wrong.", where="here", allowed="right", mend="Try it.")
    if text == "bug":
        raise RuntimeError("a bug with /a/path in it")
    return f"{who.name} says {text}"


async def pair(who, after, most, row):
    await asyncio.sleep(0)
    return after + most, tuple(2.0 * each for each in row)


@pytest.fixture(scope="module")
def server(runner, pki):
    found = tag_server(pki, AUDIT, users=PEOPLE_TABLE, on_write=on_write)

    async def start():
        await found.start()
        await found.add_method(
            "Upsets",
            "Tell",
            told,
            [("text", "String")],
            [("Told", "String")],
            "operator",
            service=True,
        )
        await found.add_method(
            "Records",
            "Pair",
            pair,
            [("after", "Int64"), ("most", "Int32"), ("row", "Double[]")],
            [("Sum", "Int64"), ("Twice", "Double[]")],
            service=True,
        )

    runner.run(start())
    yield found
    runner.run(found.stop())


@pytest.fixture(autouse=True)
def _clean():
    AUDIT.clear()
    TOLD.clear()


async def refused(client, pairs):
    try:
        await client.write(pairs)
    except WriteRefused as error:
        return error.statuses
    return {}


async def raw_write(client, node, value, attribute=ua.AttributeIds.Value, **more):
    """Write past the client's own care; return the status."""
    item = ua.WriteValue(NodeId=node, AttributeId=attribute, Value=value, **more)
    params = ua.WriteParameters(NodesToWrite=[item])
    (found,) = await client._client.uaclient.session.write(params)
    return found.name


def test_values_of_every_kind_come_back_as_they_were_published(runner, server, pki):
    values = {
        "PLC/Time": 60.5,
        "PLC/Scan": 2**40,
        "PLC/Watchdog": True,
        "PLC/Alarms": ("a|ä", "b"),
        "Truth/pH": (1.0, 2.5),
        "Upsets/Table": "{}",
        "Analyzer/XRF/Channel1/stage 5/Values": (),
    }
    at = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

    async def run():
        server.publish(values, at)
        async with logged_in(server, pki, "vera") as client:
            found = await client.read_full(list(values))
            assert [each.value for each in found] == list(values.values())
            assert {each.quality for each in found} == {"good"}
            assert {each.source_time for each in found} == {at}
            server.publish({"PLC/Time": math.nan})
            ((value, quality, _),) = await client.read_full(["PLC/Time"])
            assert math.isnan(value)
            assert quality == "bad"
            ((_, never, time),) = await client.read_full(["Levers/acid/Measured"])
            assert (never, time) == ("bad", None)

    runner.run(run())


@pytest.mark.parametrize(
    ("user", "allowed"),
    [
        ("vera", set()),
        ("otto", {"Levers/acid/Request", "Mode/Request"}),
        ("enid", {"Levers/acid/Request", "Mode/Request", "Tuning/Gain"}),
        ("operate", {"Guard/Heartbeat", "Levers/acid/Setpoint", "Levers/acid/Trajectory"}),
        ("web", set()),
    ],
)
def test_each_role_writes_its_own_tags_and_no_others(runner, server, pki, user, allowed):
    permitted = {
        "Levers/acid/Request": 2.0,
        "Mode/Request": "fuzzy",
        "Tuning/Gain": 0.5,
        "Guard/Heartbeat": 3,
        "Levers/acid/Setpoint": 2.0,
        "Levers/acid/Trajectory": (2.0, 2.5),
    }
    other = {tag.path: tag for tag in TAGS if tag.path not in permitted}
    example = {"Double": 1.0, "Int64": 1, "Boolean": True, "String": "x"}

    async def run():
        async with logged_in(server, pki, user) as client:
            for path, value in permitted.items():
                expected = {} if path in allowed else {path: "BadUserAccessDenied"}
                assert await refused(client, {path: value}) == expected
                levels = await client._attributes(
                    await client._nodes([path]), ua.AttributeIds.UserAccessLevel
                )
                writable = bool(levels[0].Value.Value & 1 << ua.AccessLevel.CurrentWrite)
                assert writable == (path in allowed)
            for path, tag in other.items():
                kind = tag.kind.removesuffix("[]")
                value = (example[kind],) if tag.kind.endswith("[]") else example[kind]
                assert await refused(client, {path: value}) == {path: "BadUserAccessDenied"}

    runner.run(run())
    assert {path for path, _, _ in TOLD} == allowed
    for path in allowed:
        assert server.value(path) == permitted[path]


def test_every_write_is_audited_but_what_the_guard_does_every_scan(runner, server, pki):
    server.publish({"Levers/acid/Request": 2.5})

    async def run():
        async with logged_in(server, pki, "otto") as otto:
            await otto.write({"Levers/acid/Request": 2.0})
            await refused(otto, {"Levers/acid/Request": 99.0})
            await refused(otto, {"PLC/Time": 0.0})
        async with logged_in(server, pki, "operate") as guard:
            await guard.write({"Levers/acid/Setpoint": 2.0, "Guard/Heartbeat": 4})
            await refused(guard, {"Levers/acid/Setpoint": 99.0})

    runner.run(run())
    rows = [(e["user"], e["what"], e["old"], e["new"], e["accepted"]) for e in AUDIT]
    assert rows == [
        ("otto", "Levers/acid/Request", 2.5, 2.0, True),
        ("otto", "Levers/acid/Request", 2.0, 99.0, False),
        ("otto", "PLC/Time", None, 0.0, False),
        ("operate", "Levers/acid/Setpoint", 2.0, 99.0, False),
    ]
    assert AUDIT[0]["role"] == "operator"
    assert "outside 1 to 3" in AUDIT[1]["reason"]
    assert AUDIT[-1]["source"] == "guard"


def test_what_cannot_be_audited_is_not_done(runner, server, pki, monkeypatch):
    def full(entry):
        raise OSError("no space left on device")

    server.publish({"Levers/acid/Request": 2.5})
    monkeypatch.setattr(server._gate, "_audit", full)

    async def run():
        async with logged_in(server, pki, "otto") as client:
            path = "Levers/acid/Request"
            assert await refused(client, {path: 2.0}) == {path: "BadInternalError"}
            assert await refused(client, {path: 99.0}) == {path: "BadOutOfRange"}

    runner.run(run())
    assert server.value("Levers/acid/Request") == 2.5


def test_refusals_have_the_status_of_their_reason(runner, server, pki):
    path = "Levers/acid/Request"

    async def run():
        async with logged_in(server, pki, "otto") as client:
            (node,) = await client._nodes([path])

            async def status(value, **more):
                return await raw_write(client, node, ua.DataValue(value), **more)

            assert await status(ua.Variant(3.5)) == "BadOutOfRange"
            assert await status(ua.Variant(math.nan)) == "BadOutOfRange"
            assert await status(ua.Variant(2, ua.VariantType.Int64)) == "BadTypeMismatch"
            assert await status(ua.Variant(2.0, ua.VariantType.Float)) == "BadTypeMismatch"
            assert await status(ua.Variant([2.0])) == "BadTypeMismatch"
            assert await status(ua.Variant([[2.0], [2.0]])) == "BadTypeMismatch"
            assert await status(ua.Variant()) == "BadTypeMismatch"
            assert await status(ua.Variant(2.0), IndexRange="0") == "BadWriteNotSupported"
            bad = ua.DataValue(ua.Variant(2.0), ua.StatusCode(ua.StatusCodes.Bad))
            assert await raw_write(client, node, bad) == "BadWriteNotSupported"
            assert await refused(client, {path: 1.5}) == {path: "BadOutOfRange"}
            assert await refused(client, {path: 1.6}) == {path: "BadUserAccessDenied"}
            assert await refused(client, {path: 1.7}) == {path: "BadInternalError"}
            unknown = ua.NodeId("no/such", node.NamespaceIndex)
            value = ua.DataValue(ua.Variant(1.0))
            assert await raw_write(client, unknown, value) == "BadNodeIdUnknown"

    server.publish({path: 1.25})
    runner.run(run())
    assert server.value(path) == 1.25
    assert len(AUDIT) == 13
    assert not any(entry["accepted"] for entry in AUDIT)


def test_writes_of_one_request_are_done_in_their_order(runner, server, pki):
    async def run():
        async with logged_in(server, pki, "operate") as client:
            await client.write(
                [
                    ("Levers/acid/Setpoint", 2.0),
                    ("Levers/acid/Trajectory", (1.0, 2.0)),
                    ("Levers/acid/Setpoint", 3.0),
                    ("Guard/Heartbeat", 9),
                ]
            )

    runner.run(run())
    assert [path.rpartition("/")[2] for path, _, _ in TOLD] == [
        "Setpoint",
        "Trajectory",
        "Setpoint",
        "Heartbeat",
    ]
    assert server.value("Levers/acid/Setpoint") == 3.0


def test_a_plan_of_which_a_part_is_refused_gets_no_heartbeat(runner, server, pki):
    async def run():
        async with logged_in(server, pki, "operate") as client:
            return await refused(
                client,
                [
                    ("Levers/acid/Trajectory", (2.0,)),
                    ("Levers/acid/Setpoint", 9.0),
                    ("Guard/Heartbeat", 10),
                ],
            )

    assert runner.run(run()) == {
        "Levers/acid/Setpoint": "BadOutOfRange",
        "Guard/Heartbeat": "BadInvalidState",
    }
    assert server.value("Guard/Heartbeat") != 10


def test_nobody_from_outside_is_ever_asyncuas_admin(runner, server, pki):
    """Its Admin overwrites measurements, attributes and the address space itself."""

    async def run():
        async with logged_in(server, pki, "enid") as client:
            session = client._client.uaclient.session
            (node,) = await client._nodes(["PLC/Time"])
            sessions = server.server.iserver._external_sessions.values()
            assert {each.user.role for each in sessions} == {UserRole.User}
            statuses = {
                await raw_write(client, node, ua.DataValue(ua.Variant(1.0))),
                await raw_write(
                    client,
                    node,
                    ua.DataValue(ua.Variant(3, ua.VariantType.Byte)),
                    ua.AttributeIds.UserAccessLevel,
                ),
                await raw_write(
                    client,
                    ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime),
                    ua.DataValue(ua.Variant(datetime.now(UTC))),
                ),
            }
            assert statuses == {"BadUserAccessDenied"}
            item = ua.AddNodesItem(
                ParentNodeId=node,
                ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasComponent),
                RequestedNewNodeId=ua.NodeId("mine", 2),
                BrowseName=ua.QualifiedName("mine", 2),
                NodeClass=ua.NodeClass.Object,
                NodeAttributes=ua.ObjectAttributes(),
            )
            with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                await session.add_nodes([item])
            gone = ua.DeleteNodesParameters(NodesToDelete=[ua.DeleteNodesItem(NodeId=node)])
            with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                await session.delete_nodes(gone)

    runner.run(run())
    assert server.value("PLC/Time") != 1.0
    assert [entry["what"] for entry in AUDIT][-2:] == ["AddNodes", "DeleteNodes"]


def test_someone_removed_from_the_table_may_do_nothing_more(runner, server, pki):
    async def run():
        async with logged_in(server, pki, "otto") as client:
            await client.write({"Levers/acid/Request": 2.0})
            del PEOPLE_TABLE.people["otto"]
            with pytest.raises(LinkLost, match=r"AccessDenied|not have permission"):
                await client.write({"Levers/acid/Request": 2.5})
            with pytest.raises(LinkLost):
                await client.read(["PLC/Time"])

    try:
        runner.run(run())
    finally:
        PEOPLE_TABLE.people["otto"] = PEOPLE["otto"]
    assert server.value("Levers/acid/Request") == 2.0


@pytest.mark.parametrize(("user", "password"), [("otto", "wrong"), ("nobody", "x"), (None, None)])
def test_who_cannot_prove_a_name_does_not_get_in_and_that_is_audited(
    runner, server, pki, user, password
):
    async def run():
        client = client_of(server, pki, user, password=password)
        with pytest.raises(SpecificationError, match="does not let in"):
            await client.connect()

    runner.run(run())
    assert [(e["user"], e["what"], e["accepted"]) for e in AUDIT] == [
        (user or "anonymous", "log-in", False)
    ]


def test_a_session_without_encryption_is_refused_though_endpoints_may_be_asked(runner, server, pki):
    async def run():
        plain = client_of(server, pki, "otto", security="none")
        with pytest.raises((DataError, LinkLost, SpecificationError)):
            await plain.connect()
        endpoints = await Client(server.endpoint).connect_and_get_server_endpoints()
        return {(e.SecurityPolicyUri.rpartition("#")[2], e.SecurityMode.name) for e in endpoints}

    assert runner.run(run()) == {("Basic256Sha256", "SignAndEncrypt")}


@pytest.mark.parametrize(("name", "taken"), [("client", True), ("thief", False)])
def test_a_session_goes_on_over_a_new_link_with_its_own_certificate_only(
    runner, server, pki, tmp_path, name, taken
):
    """A thief who knows token and nonce would wait in the session for an engineer's return."""
    shutil.copytree(pki, tmp_path, dirs_exist_ok=True)
    identity(tmp_path, name)
    door = Door(
        endpoint=server.endpoint,
        pki=tmp_path,
        name=name,
        user=None,
        password=None,
        trust=pki / "plant.der",
        security="sign_and_encrypt",
    )

    async def run():
        async with logged_in(server, pki, "enid") as enid:
            token = enid._client.uaclient.session.authentication_token
            assert (token.NodeIdType, len(token.Identifier)) == (ua.NodeIdType.ByteString, 32)
            other = Client(server.endpoint)
            await secure(other, door)
            await other.connect_sessionless()
            try:
                other._server_nonce = enid._client._server_nonce
                other.uaclient.session.restore_authentication_token(token)
                await other.activate_session("vera", PEOPLE["vera"][0])
                return True
            except ua.uaerrors.BadSecurityChecksFailed:
                await enid.write({"Tuning/Gain": 0.25})
                return False
            finally:
                await other.disconnect_sessionless()

    assert runner.run(run()) == taken


def test_a_subscription_is_its_sessions_own(runner, server, pki):
    async def run():
        server.publish({"PLC/Scan": 1})
        async with logged_in(server, pki, "otto") as otto, logged_in(server, pki, "vera") as vera:
            mirror = await otto.mirror(["PLC/Scan"], 50)
            (number,) = server.server.iserver.subscription_service.subscriptions
            session = vera._client.uaclient.session
            (status,) = await session.delete_subscriptions([number])
            assert status.name == "BadSubscriptionIdInvalid"
            params = ua.TransferSubscriptionsParameters(SubscriptionIds=[number])
            with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                await session.transfer_subscriptions(params)
            server.publish({"PLC/Scan": 2})
            assert await mirror.wait(mirror.changed, 2.0)
            assert mirror["PLC/Scan"].value == 2

    runner.run(run())


def test_methods_are_called_by_those_who_may_and_tell_errors_in_words(runner, server, pki):
    async def run():
        async with logged_in(server, pki, "otto") as otto:
            assert await otto.call("Upsets", "Tell", "hello") == "otto says hello"
            with pytest.raises(SpecificationError, match="that is wrong") as caught:
                await otto.call("Upsets", "Tell", "wrong")
            assert (caught.value.where, caught.value.mend) == ("here", "Try it.")
            for arguments, status in (
                ((), "BadArgumentsMissing"),
                (("a", "b"), "BadTooManyArguments"),
                ((1,), "BadInvalidArgument"),
                (("bug",), "BadInternalError"),
            ):
                with pytest.raises(CallRefused) as failed:
                    await otto.call("Upsets", "Tell", *arguments)
                assert failed.value.status == status
            with pytest.raises(CallRefused, match="BadUserAccessDenied"):
                await otto.call("Records", "Pair", 1, 2, (1.0,))
        async with logged_in(server, pki, "web") as web:
            assert await web.call("Upsets", "Tell", "x") == "web says x"
            assert await web.call("Records", "Pair", 1, 2, (1.0, 2.0)) == (3, (2.0, 4.0))
        async with logged_in(server, pki, "vera") as vera:
            with pytest.raises(CallRefused, match="BadUserAccessDenied"):
                await vera.call("Upsets", "Tell", "x")
            objects = "i=2253"
            with pytest.raises(CallRefused, match="BadUserAccessDenied"):
                await vera.call(objects, "i=11492", 1)

    runner.run(run())
    assert [(e["user"], e["what"]) for e in AUDIT] == [
        ("otto", "Records/Pair()"),
        ("vera", "Upsets/Tell()"),
        ("vera", "i=11492()"),
    ]


def test_a_thread_publishes_in_the_order_of_its_calls(runner, server):
    async def run():
        def work():
            for scan in range(200):
                server.publish_threadsafe({"PLC/Scan": scan})

        await asyncio.to_thread(work)
        await asyncio.sleep(0)

    runner.run(run())
    assert server.value("PLC/Scan") == 199


def test_publishing_what_is_no_tag_or_of_another_type_is_an_error(server):
    with pytest.raises(SpecificationError, match="PLC/Time"):
        server.publish({"PLC/Tyme": 1.0})
    with pytest.raises(TypeError):
        server.publish({"PLC/Alarms": "one text"})
    with pytest.raises(SpecificationError, match="twice"):
        tag_server(None, tags=[TAGS[0], TAGS[0]])


def test_beyond_loopback_nothing_starts_without_users(runner, pki):
    for users in (None, People({})):
        with pytest.raises(SpecificationError, match="no users are entered"):
            runner.run(tag_server(pki, users=users, host="0.0.0.0").start())


def test_a_port_in_use_is_told(runner, server, pki):
    port = int(server.endpoint.split(":")[2].split("/")[0])
    with pytest.raises(SpecificationError, match="cannot be listened at"):
        runner.run(tag_server(pki, port=port).start())


def test_an_expired_certificate_stops_server_and_client_by_name(runner, server, pki, tmp_path):
    past = datetime.now(UTC) - timedelta(days=1)
    shutil.copytree(pki, tmp_path, dirs_exist_ok=True)
    make_identity(tmp_path, "client", not_after=past)
    with pytest.raises(DataError, match=r"raffinate client expired on") as caught:
        runner.run(client_of(server, tmp_path, "vera").connect())
    assert caught.value.where == str(tmp_path / "client.der")
    make_identity(tmp_path, "plant", not_after=past)
    with pytest.raises(DataError, match=r"raffinate plant expired on"):
        runner.run(tag_server(tmp_path).start())


def test_the_server_refuses_a_client_whose_certificate_has_expired(
    runner, server, pki, tmp_path, monkeypatch
):
    shutil.copytree(pki, tmp_path, dirs_exist_ok=True)
    make_identity(tmp_path, "client", not_after=datetime.now(UTC) - timedelta(days=1))
    # A client that does not look at its own clock.
    monkeypatch.setattr(
        "raffinate.runtime.opcua_pki.check_validity", lambda *given: None, raising=True
    )
    monkeypatch.setattr("raffinate.runtime.opcua_link.check_validity", lambda *given: None)
    with pytest.raises(DataError, match="BadCertificateTimeInvalid"):
        runner.run(client_of(server, tmp_path, "vera").connect())
    assert "expired on" in AUDIT[0]["reason"]


def test_a_list_of_clients_keeps_others_out(runner, server, pki, tmp_path):
    shutil.copytree(pki, tmp_path, dirs_exist_ok=True)
    make_identity(tmp_path, "client")
    (pki / "trusted").mkdir()
    try:
        with pytest.raises(DataError, match="BadCertificateUntrusted"):
            runner.run(client_of(server, tmp_path, "vera").connect())
        shutil.copy(tmp_path / "client.der", pki / "trusted" / "visitor.der")

        async def run():
            async with client_of(server, tmp_path, "vera"):
                pass

        runner.run(run())
    finally:
        shutil.rmtree(pki / "trusted")


def test_without_users_a_nameless_visitor_reads_and_writes_nothing(runner, pki):
    async def run():
        async with tag_server(pki) as server, logged_in(server, pki) as client:
            server.publish({"PLC/Scan": 5})
            assert await client.read(["PLC/Scan"]) == [5]
            for tag in TAGS:
                if tag.kind == "Double":
                    assert await refused(client, {tag.path: 2.0}) == {
                        tag.path: "BadUserAccessDenied"
                    }

    runner.run(run())


def test_nothing_is_left_behind_when_a_server_stops_under_its_clients(runner, pki):
    async def run():
        before = asyncio.all_tasks()
        server = tag_server(pki)
        await server.start()
        client = client_of(server, pki)
        await client.connect()
        await client.mirror(["PLC/Scan"], 50)
        await server.stop()
        await client.close()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() <= before

    runner.run(run())


def test_nobody_fills_the_server_with_the_addresses_of_others(runner, server):
    async def run():
        client = Client(server.endpoint)
        await client.connect_sessionless()
        try:
            known = ua.RegisteredServer(ServerUri="urn:evil", ServerNames=[ua.LocalizedText("x")])
            with pytest.raises(ua.uaerrors.BadServiceUnsupported):
                await client.uaclient.register_server(known)
        finally:
            await client.disconnect_sessionless()

    runner.run(run())
    assert "urn:evil" not in server.server.iserver._known_servers
