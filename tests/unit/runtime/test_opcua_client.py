"""The client: mirrors that outlive their server, servers that are not ours, and trust."""

from __future__ import annotations

import asyncio
import logging
import math
import shutil
import time

import pytest
from asyncua import Client, Server, ua

from opcua_links import TAGS, client_of, logged_in, tag_server
from opcua_links import pki as pki
from opcua_links import runner as runner
from patience import PATIENCE
from raffinate.errors import DataError, SpecificationError
from raffinate.runtime.opcua_client import LinkLost, TagClient, WriteRefused
from raffinate.runtime.opcua_pki import fingerprint, identity, make_identity


@pytest.fixture(scope="module")
def server(runner, pki):
    found = tag_server(pki)
    runner.run(found.start())
    yield found
    runner.run(found.stop())


async def until(condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.02)


def port_of(server):
    return int(server.endpoint.split(":")[2].split("/")[0])


def test_a_mirror_has_its_first_values_and_then_the_new_ones(runner, server, pki):
    async def run():
        server.publish({"PLC/Time": 1.0, "PLC/Scan": 1, "Truth/pH": (1.0, 2.0)})
        heard = []
        async with logged_in(server, pki) as client:
            mirror = await client.mirror(TAGS, 50, heard.append)
            assert set(mirror) == {tag.path for tag in TAGS}
            assert (mirror.value("PLC/Time"), mirror["PLC/Scan"].value) == (1.0, 1)
            assert mirror.value("Truth/pH") == (1.0, 2.0)
            assert mirror["Levers/acid/Measured"].quality == "bad"
            assert mirror.value("Levers/acid/Measured") is None
            heard.clear()
            server.publish({"PLC/Time": math.nan, "PLC/Scan": 1})
            assert await mirror.wait(mirror.changed, 5.0)
            assert heard == [["PLC/Time"]], "what stays the same is not told again"
            assert mirror["PLC/Time"].quality == "bad"
            assert not await mirror.wait(mirror.changed, 0.0)
        assert not mirror.connected
        assert {each.quality for each in mirror.values()} == {"stale"}

    runner.run(run())


def test_names_are_tags_paths_spaces_and_identifiers(runner, server, pki):
    async def run():
        server.publish({"PLC/Scan": 7, "Upsets/Table": "[]"})
        plant, twin = "urn:raffinate:plant", "urn:raffinate:twin"
        async with logged_in(server, pki) as client:
            index = (await client._client.get_namespace_array()).index(plant)
            names = [
                "PLC/Scan",
                TAGS[1],
                ("plant", "PLC/Scan"),
                (plant, "PLC/Scan"),
                f"ns={index};s=PLC/Scan",
                f"nsu={plant};s=PLC/Scan",
            ]
            assert await client.read(names) == [7] * len(names)
            assert await client.read(["Upsets/Table", f"nsu={twin};s=Upsets/Table"]) == ["[]"] * 2
            mirror = await client.mirror([names[-1], "PLC/Nothing", "PLC/Scan"], 50)
            assert mirror[names[-1]].value == mirror["PLC/Scan"].value == 7
            assert mirror.missing == {"PLC/Nothing": "BadNodeIdUnknown"}
            assert mirror["PLC/Nothing"].quality == "bad"
            for wrong in ("PLC/Nothing", "nsu=urn:other;s=x", ("operate", "Time"), "i=x"):
                with pytest.raises(SpecificationError):
                    await client.read([wrong])
            with pytest.raises(SpecificationError, match="does not fit"):
                await client.write({"Levers/acid/Request": "much"})

    runner.run(run())


def test_a_mirror_is_stale_while_its_server_is_gone_and_lives_again_with_it(
    runner, pki, capfd, caplog
):
    async def run():
        links = []
        server = tag_server(pki)
        await server.start()
        server.publish({"PLC/Scan": 1, "PLC/Time": 5.0})
        client = client_of(server, pki, "operate", on_link=links.append)
        async with client:
            mirror = await client.mirror(["PLC/Scan", "PLC/Time"], 50)
            await server.stop()
            await until(lambda: not mirror.connected)
            assert not client.connected
            assert mirror["PLC/Scan"][:2] == (1, "stale")
            assert mirror.value("PLC/Scan") is None
            with pytest.raises(LinkLost):
                await client.read(["PLC/Scan"])
            again = tag_server(pki, port=port_of(server))
            again.publish({"PLC/Scan": 2})
            await again.start()
            try:
                await until(lambda: mirror["PLC/Scan"][:2] == (2, "good"))
                assert mirror["PLC/Time"].quality == "bad", "the new server has not said it yet"
                again.publish({"PLC/Scan": 3})
                await until(lambda: mirror["PLC/Scan"].value == 3)
                await client.write({"Levers/acid/Setpoint": 2.0})
                assert links == [True, False, True]
            finally:
                await again.stop()

    with caplog.at_level(logging.WARNING):
        runner.run(run())
    assert capfd.readouterr().err == ""
    assert [record for record in caplog.records if record.name.startswith("asyncua")] == []


def test_a_cut_link_is_made_again_to_the_same_server(runner, server, pki):
    async def run():
        server.publish({"PLC/Scan": 1})
        async with logged_in(server, pki) as client:
            mirror = await client.mirror(["PLC/Scan"], 50)
            for scan in range(2, 6):
                for transport in list(server.server.iserver.asyncio_transports):
                    transport.abort()
                await until(lambda: not mirror.connected)
                server.publish({"PLC/Scan": scan})
                await until(lambda scan=scan: mirror["PLC/Scan"][:2] == (scan, "good"))

    runner.run(run())


def test_a_server_that_comes_late_is_waited_for(runner, pki):
    async def run():
        server = tag_server(pki)
        await server.start()
        await server.stop()
        client = client_of(server, pki)
        with pytest.raises(LinkLost, match="no connection"):
            await client.connect()
        late = tag_server(pki, port=port_of(server))
        starting = asyncio.create_task(late.start())
        await client.connect(patience=PATIENCE)
        assert client.connected
        await client.close()
        await starting
        await late.stop()

    runner.run(run())


def test_a_watcher_that_fails_does_not_cut_the_link(runner, server, pki, caplog):
    def fail(keys):
        raise RuntimeError("not today")

    async def run():
        server.publish({"PLC/Scan": 1})
        async with logged_in(server, pki) as client:
            mirror = await client.mirror(["PLC/Scan"], 50, fail)
            server.publish({"PLC/Scan": 2})
            await until(lambda: mirror["PLC/Scan"].value == 2)
            assert client.connected

    runner.run(run())
    assert "a watcher of a mirror failed" in caplog.text


def test_a_server_with_another_certificate_than_the_pinned_one_is_refused(
    runner, server, pki, tmp_path
):
    make_identity(tmp_path, "plant")
    right = fingerprint(identity(pki, "plant").certificate)

    async def connected(**more):
        async with TagClient(server.endpoint, name="client", **more) as client:
            return client.connected

    wrong = {"pki": pki, "trust": tmp_path / "plant.der"}
    for given in (wrong, {"pki": pki, "trust": "0" * 64}, {"pki": tmp_path}):
        with pytest.raises(DataError, match="which is not trusted") as caught:
            runner.run(connected(**given))
        assert right in caught.value.what
    shutil.copy(pki / "plant.der", tmp_path / "theirs.crt")
    for trust in (tmp_path / "theirs.crt", right):
        assert runner.run(connected(pki=tmp_path, trust=trust))


def test_a_foreign_server_is_read_and_written_in_its_own_types(runner, pki):
    async def run():
        server = Server()
        await server.init()
        server.set_endpoint("opc.tcp://127.0.0.1:0/")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        index = await server.register_namespace("urn:vendor:plc")
        kinds = {
            "FIC101.SP": (1.5, ua.VariantType.Float),
            "FIC101.Mode": (1, ua.VariantType.UInt16),
            "FIC101.Auto": (False, ua.VariantType.Boolean),
            "FIC101.Ramp": ([1.0, 2.0], ua.VariantType.Float),
        }
        for name, (value, kind) in kinds.items():
            node = await server.nodes.objects.add_variable(
                ua.NodeId(name, index), name, value, kind
            )
            await node.set_writable()
        await server.start()
        names = [f"nsu=urn:vendor:plc;s={name}" for name in kinds]
        endpoint = f"opc.tcp://127.0.0.1:{server.bserver.port}/"
        try:
            async with TagClient(endpoint, pki=pki, name="client", security="none") as client:
                assert await client.read(names) == [1.5, 1, False, (1.0, 2.0)]
                mirror = await client.mirror(names, 50)
                await client.write(list(zip(names, [2.5, 3.0, True, (0.5,)], strict=True)))
                assert await client.read(names) == [2.5, 3, True, (0.5,)]
                await until(lambda: mirror.value(names[0]) == 2.5)
                with pytest.raises(SpecificationError, match="no whole number"):
                    await client.write({names[1]: 1.5})
                with pytest.raises(WriteRefused, match="BadNodeIdUnknown"):
                    await client.write({"nsu=urn:vendor:plc;s=none": 1.0})
            with pytest.raises(SpecificationError, match="no encryption that is safe"):
                await TagClient(endpoint, pki=pki, name="client").connect()
        finally:
            await server.stop()

    runner.run(run())


def test_a_mirror_does_not_notice_that_the_key_of_its_channel_is_changed(
    runner, server, pki, monkeypatch
):
    made = Client.__init__

    def hurried(self, *args, **kwargs):
        made(self, *args, **kwargs)
        # An hour otherwise, [ms].
        self.secure_channel_timeout = 1500

    monkeypatch.setattr(Client, "__init__", hurried)

    async def run():
        links = []
        async with client_of(server, pki, on_link=links.append) as client:
            mirror = await client.mirror(["PLC/Scan"], 50)
            channel = client._client.uaclient.protocol._connection
            first = channel.security_token.TokenId
            end = time.monotonic() + PATIENCE
            while channel.security_token.TokenId == first:
                assert time.monotonic() < end
                await asyncio.sleep(0.05)
            for scan in range(101, 104):
                server.publish({"PLC/Scan": scan})
                await until(lambda scan=scan: mirror["PLC/Scan"].value == scan)
            assert links == [True]

    runner.run(run())
