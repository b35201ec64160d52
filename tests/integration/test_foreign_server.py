"""A plant's server that this project did not write: node-opcua under .ci/foreign-plant.

Needs the folder with its packages installed (`npm ci`), named by RAFFINATE_FOREIGN_SERVER.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import pytest

from patience import PATIENCE
from raffinate.control.plan import Plan
from raffinate.errors import DataError, SpecificationError
from raffinate.plant.plant_file import load_plant
from raffinate.runtime.messages import Orders, PlantReport
from raffinate.runtime.nodemap_file import load_nodemap
from raffinate.runtime.opcua_client import LinkLost, TagClient, WriteRefused
from raffinate.runtime.plant_port import PlantPort
from raffinate.units import HOUR

FOLDER = os.environ.get("RAFFINATE_FOREIGN_SERVER")
USER, PASSWORD = "raffinate", "a password of this test"
DCS = "nsu=urn:example:rare-earth-plant:dcs"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(FOLDER is None, reason="RAFFINATE_FOREIGN_SERVER is not set"),
]


@dataclass(frozen=True)
class Foreign:
    """A running server."""

    endpoint: str
    fingerprint: str
    process: subprocess.Popen[str]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def serving(pki: Path, port: int, watchdog_s: float = 2.0) -> Iterator[Foreign]:
    """Start the server and stop it again; its certificate stays in `pki`."""
    process = subprocess.Popen(
        [os.environ.get("RAFFINATE_NODE", "node"), str(Path(FOLDER or "") / "server.mjs")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            "FOREIGN_USER": USER,
            "FOREIGN_PASSWORD": PASSWORD,
            "FOREIGN_PKI": str(pki),
            "FOREIGN_PORT": str(port),
            "FOREIGN_WATCHDOG_S": str(watchdog_s),
            "FOREIGN_SAMPLE_S": "0.25",
        },
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("READY "):
                yield Foreign(process=process, **json.loads(line.removeprefix("READY ")))
                break
        else:
            raise AssertionError("the server did not start:\n" + "".join(said[-20:]))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    with serving(tmp_path_factory.mktemp("foreign"), free_port()) as server:
        yield server


def client_of(server: Foreign, pki: Path, **changes: object) -> TagClient:
    given = {
        "pki": pki,
        "name": "operate",
        "user": USER,
        "password": PASSWORD,
        "trust": server.fingerprint,
    }
    return TagClient(server.endpoint, **{**given, **changes})  # type: ignore[arg-type]


@asynccontextmanager
async def port_to(
    server: Foreign, pki: Path, endpoint: str = ""
) -> AsyncIterator[tuple[PlantPort, TagClient]]:
    plant = load_plant("ceprnd_p507")
    nodemap = load_nodemap("nodemap_example")
    nodemap.check(plant)
    pki.mkdir(exist_ok=True)
    reached = replace(server, endpoint=endpoint or server.endpoint)
    async with client_of(reached, pki) as client:
        # An hour ago, so that every sample lies in plant time.
        epoch = time.time_ns() // 1000 - 3_600_000_000
        yield PlantPort(client, nodemap, plant, epoch_us=epoch), client


def plan_of(report: PlantReport, number: int, **flows_m3_per_h: float) -> Orders:
    setpoints = dict(report.setpoints)
    setpoints |= {name: flow / HOUR for name, flow in flows_m3_per_h.items()}
    plan = Plan(
        setpoints=setpoints,
        issued_at=report.time,
        expires_at=report.time + 1200.0,
        sequence=number,
        author="guard",
        mode="manual",
    )
    return Orders(plans=(plan,), heartbeat=number)


async def value(client: TagClient, name: str) -> object:
    (found,) = await client.read([f"{DCS};s={name}"])
    return found


async def until(client: TagClient, name: str, wanted: object, patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while (found := await value(client, name)) != wanted:
        assert time.monotonic() < end, f"{name} stays {found!r}, not {wanted!r}"
        await asyncio.sleep(0.1)


async def report_again(port: PlantPort, patience: float = PATIENCE) -> PlantReport:
    """Return the first report after a lost link."""
    end = time.monotonic() + patience
    while True:
        try:
            return await port.report()
        except LinkLost:
            assert time.monotonic() < end, "the link was not made again"
            await asyncio.sleep(0.1)


async def readings_of(port: PlantPort, stages: int) -> dict[str, object]:
    """Take reports until so many places have been sampled and the laboratory has spoken."""
    found: dict[str, object] = {}
    end = time.monotonic() + PATIENCE
    while len(found) < stages + 2:
        assert time.monotonic() < end, f"only {sorted(found)} came"
        report = await port.report()
        for reading in (*report.readings, *report.assays):
            if reading.quality == "good":
                found[reading.place] = reading
        await asyncio.sleep(0.2)
    return found


def test_a_report_of_another_servers_nodes_is_in_si(foreign, tmp_path):
    async def ask() -> tuple[PlantReport, dict]:
        async with port_to(foreign, tmp_path / "pki") as (port, _):
            return await port.report(), await readings_of(port, 6)

    report, readings = asyncio.run(ask())
    assert report.setpoints["organic_flow"] == pytest.approx(14.0 / HOUR)
    # This transmitter counts litres a minute.
    assert report.setpoints["scrub_flow"] == pytest.approx(19.5e-3 / 60.0)
    assert report.measured["acid_flow"] == pytest.approx(1.7 / HOUR, rel=0.02)
    assert 3500.0 < report.time < 3800.0
    stage = readings["stage 46"]
    # 165 g/L of metal, 95 % of it neodymium at 144.24 g/mol.
    assert stage.values[2] == pytest.approx(165.0 * 0.95 / 144.24e-3, rel=0.05)
    assert stage.elements == ("Ce", "Pr", "Nd")
    # 200 g/L of Nd2O3, 168.24 g per mole of neodymium.
    assert readings["nd"].values[2] == pytest.approx(200.0 / 168.24e-3, rel=0.15)
    assert 3500.0 < stage.sample_time <= stage.result_time < 3900.0


def test_a_plan_moves_the_plant_and_every_heartbeat_is_counted(foreign, tmp_path):
    async def act() -> tuple[PlantReport, int, int, object]:
        async with port_to(foreign, tmp_path / "pki") as (port, client):
            report = await port.report()
            before = await value(client, "SUP.BEATS")
            for number in range(1, 4):
                await port.send(plan_of(report, number, organic_flow=16.0, scrub_flow=0.9))
            await until(client, "SYS.MODE", "REMOTE")
            number = await value(client, "SUP.PLANNO")
            end = time.monotonic() + PATIENCE
            while abs((await port.report()).measured["organic_flow"] * HOUR - 16.0) > 0.2:
                assert time.monotonic() < end
                await port.send(plan_of(report, number + 1, organic_flow=16.0, scrub_flow=0.9))
                number += 1
                await asyncio.sleep(0.2)
            beats = await value(client, "SUP.BEATS")
            return await port.report(), beats - before, number, await value(client, "FIC102.SP")

    report, beats, number, scrub = asyncio.run(act())
    assert beats == number
    assert report.setpoints["organic_flow"] == pytest.approx(16.0 / HOUR)
    assert scrub == pytest.approx(0.9 * 1000.0 / 60.0)


def test_a_heartbeat_that_stops_sends_the_plant_to_its_safe_setpoints(foreign, tmp_path):
    async def act() -> PlantReport:
        async with port_to(foreign, tmp_path / "pki") as (port, client):
            report = await port.report()
            await port.send(plan_of(report, 100, organic_flow=17.0))
            await until(client, "SYS.MODE", "REMOTE")
            await until(client, "SYS.MODE", "SAFE")
            return await port.report()

    report = asyncio.run(act())
    assert "plc.watchdog" in report.alarms
    assert report.setpoints["organic_flow"] == pytest.approx(14.0 / HOUR)


def test_a_setpoint_beyond_the_servers_limits_is_refused_by_name(foreign, tmp_path):
    async def act() -> None:
        async with port_to(foreign, tmp_path / "pki") as (port, _):
            report = await port.report()
            await port.send(plan_of(report, 1, organic_flow=40.0))

    with pytest.raises(WriteRefused) as caught:
        asyncio.run(act())
    assert caught.value.statuses == {f"{DCS};s=FIC101.SP": "BadOutOfRange"}


def test_a_measured_value_cannot_be_written(foreign, tmp_path):
    async def act() -> None:
        async with port_to(foreign, tmp_path / "pki") as (_, client):
            await client.write([(f"{DCS};s=FIC101.PV", 1.0)])

    with pytest.raises(WriteRefused, match=r"FIC101\.PV"):
        asyncio.run(act())


def test_a_wrong_password_is_refused(foreign, tmp_path):
    async def act() -> None:
        async with client_of(foreign, tmp_path, password="wrong"):
            pass

    with pytest.raises(SpecificationError):
        asyncio.run(act())


def test_a_server_with_another_certificate_is_not_trusted(foreign, tmp_path):
    async def act() -> None:
        async with client_of(foreign, tmp_path, trust="00" * 32):
            pass

    with pytest.raises(DataError, match=foreign.fingerprint):
        asyncio.run(act())


class Cable:
    """A TCP connection to the server that can be cut."""

    def __init__(self, endpoint: str) -> None:
        self._target = int(endpoint.rpartition(":")[2].strip("/"))
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = free_port()

    async def plug(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._writers.clear()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, back}
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while block := await reader.read(65536):
                writer.write(block)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


def test_a_cut_link_is_made_again_and_no_result_comes_twice(foreign, tmp_path):
    async def act() -> list[tuple[str, float]]:
        cable = Cable(foreign.endpoint)
        await cable.plug()
        seen: list[tuple[str, float]] = []

        def look(report: PlantReport) -> PlantReport:
            seen.extend((r.place, r.sample_time) for r in (*report.readings, *report.assays))
            return report

        endpoint = f"opc.tcp://127.0.0.1:{cable.port}"
        async with port_to(foreign, tmp_path / "pki", endpoint) as (port, client):
            for _ in range(3):
                look(await port.report())
                await cable.cut()
                with pytest.raises(LinkLost):
                    await port.report()
                await cable.plug()
                report = look(await report_again(port))
                assert client.connected
                await port.send(plan_of(report, 1))
                look(await port.report())
        await cable.cut()
        return seen

    seen = asyncio.run(act())
    assert len(seen) > 6
    assert len(seen) == len(set(seen))


def test_a_server_that_died_and_came_back_is_found_again(tmp_path):
    pki, number = tmp_path / "foreign", free_port()

    async def act() -> float:
        with serving(pki, number) as first:
            async with port_to(first, tmp_path / "pki") as (port, _):
                await port.report()
                first.process.kill()
                first.process.wait(timeout=PATIENCE)
                with pytest.raises(LinkLost):
                    await port.report()
                with serving(pki, number):
                    return (await report_again(port)).setpoints["organic_flow"]

    assert asyncio.run(act()) == pytest.approx(14.0 / HOUR)


def test_a_whole_run_operates_it_and_stops_without_moving_anything(tmp_path):
    """`raffinate run --connect`: every program but the twin, at another maker's server."""
    state = tmp_path / "state"
    state.mkdir()

    async def watched(server: Foreign) -> tuple[object, object]:
        async with client_of(server, tmp_path / "eyes") as client:
            end = time.monotonic() + PATIENCE
            while await value(client, "SUP.BEATS") < 2:
                assert time.monotonic() < end, "no two heartbeats came"
                await asyncio.sleep(0.5)
            return await value(client, "SYS.MODE"), await value(client, "FIC101.SP")

    (tmp_path / "eyes").mkdir()
    with serving(tmp_path / "foreign", free_port(), watchdog_s=130.0) as server:
        nodemap = tmp_path / "nodemap.yaml"
        text = (files("raffinate.data") / "nodemap_example.yaml").read_text(encoding="utf-8")
        trust = f"trust: {{fingerprint: {server.fingerprint}}}\n"
        nodemap.write_text(text + trust, encoding="utf-8")
        arguments = [
            *("run", "ceprnd_p507", "--connect", server.endpoint, "--nodemap", str(nodemap)),
            *("--mode", "manual", "--no-browser", "--port", str(free_port())),
            *("--run-dir", str(tmp_path / "run")),
        ]
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("raffinate")), *arguments],
            env={
                **os.environ,
                "RAFFINATE_PLANT_PASSWORD": PASSWORD,
                "RAFFINATE_STATE_DIR": str(state),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            mode, setpoint = asyncio.run(watched(server))
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            process.communicate(timeout=PATIENCE)
    assert (mode, setpoint) == ("REMOTE", 14.0)
    assert process.returncode == 0, told
