"""The page's process against servers of its own kind: first values, calls, a link that is cut."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from websockets.asyncio.client import ClientConnection, connect

from fake_page import FLOWS, FakeRun
from patience import PATIENCE
from raffinate.errors import SpecificationError
from raffinate.runtime.audit import verify_audit
from raffinate.runtime.historian import open_historian
from raffinate.runtime.messages import MODES, Note
from raffinate.runtime.opcua_server import TagServer, Who
from raffinate.runtime.process_status import ProcessStatus, StatusWriter, StopRequest, read_status
from raffinate.runtime.records import Record
from raffinate.runtime.run_directory import RunDirectory, RunSettings
from raffinate.runtime.tags import Tag, operate_tags, plant_tags, twin_tags
from raffinate.runtime.web_process import serve
from raffinate.runtime.web_rows import NominalFile, link_rows, process_rows, told_states

Good = Callable[[dict[str, Any]], bool]


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    settings = RunSettings(
        plant="ceprnd_p507", epoch_us=1_000_000, web_port=0, users=str(tmp_path / "users.json")
    )
    found = RunDirectory.create(tmp_path / "run", settings)
    (found.path / "nominal.json").write_text('{"aqueous": {"Nd": [1.0]}, "organic": {}}')
    historian = open_historian(found.history_url)
    notes = (Note(time=600.0, kind="run", text="Run begins"),)
    values = {f"Levers/{name}/Measured": flow for name, flow in FLOWS.items()}
    record = Record(sequence=1, time=600.0, wall=0, values=values, notes=notes)
    historian.take("plant", [record], settings.epoch_us)
    historian.close()
    return found


def server_of(run: RunDirectory, name: str, tags: tuple[Tag, ...]) -> TagServer:
    settings = run.settings
    return TagServer(
        name=name,
        host=settings.host,
        port=settings.plant_port if name == "plant" else settings.operate_port,
        tags=tags,
        pki=run.pki,
        users=None,
        internal=run.internal_accounts(),
        audit=lambda entry: None,
    )


@asynccontextmanager
async def operate_server(run: RunDirectory, fake: FakeRun, asked: list[Any]) -> AsyncIterator[None]:
    def ask(who: Who, text: str, on_behalf_of: str) -> str:
        asked.append((who.name, json.loads(text), on_behalf_of))
        if "nonsense" in text:
            raise SpecificationError("no mode.", where="operate")
        return ""

    text = ("request", "String"), ("on_behalf_of", "String")
    async with server_of(run, "operate", operate_tags(fake.plant, MODES)) as server:
        await server.add_method(
            "Requests", "Ask", ask, text, (("reply", "String"),), role=None, service=True
        )
        known = {tag.path for tag in operate_tags(fake.plant, MODES)}
        server.publish({p: v for p, v in fake.of_operate.items() if p in known})
        yield


async def until(page: ClientConnection, kind: str, good: Good = lambda _: True) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = json.loads(await page.recv())
        if message["type"] == kind and good(message):
            return message


async def play(run: RunDirectory) -> None:
    """Start page, servers, cut one link and mend it, and look at it all through one page."""
    fake, stop, asked = FakeRun(), StopRequest(), []
    serving = asyncio.create_task(serve(run, fake.plant, StatusWriter(run, "web"), stop))
    address = f"127.0.0.1:{run.settings.web_port}"
    while True:
        try:
            page = await connect(f"ws://{address}/ws", proxy=None, max_size=None, max_queue=None)
            break
        except OSError:
            assert not serving.done(), serving.result()
            await asyncio.sleep(0.05)
    assert (await until(page, "starting"))["text"]
    tags = (*plant_tags(fake.plant), *twin_tags(fake.plant))
    async with server_of(run, "plant", tags) as plant:
        plant.publish(fake.of_plant)
        async with operate_server(run, fake, asked):
            hello = await until(page, "hello", lambda m: bool(m["trend"]["t_h"]))
            assert hello["events"][0]["text"] == "Run begins"
            assert hello["nominal_profile"]["aqueous"] == {"Nd": [1.0]}
            assert hello["plant"]["levers"][0]["nominal"] == FLOWS["organic_flow"]
            state = await until(page, "state")
            assert state["products"]["nd"]["purity"] == 0.9995
            plant.publish({"PLC/Time": 90_000.0, "Truth/Products/nd/Purity": math.nan})
            state = await until(page, "state", lambda m: m["t_h"] == 25.0)
            assert state["products"]["nd"]["purity"] is None
            await page.send(json.dumps({"type": "mode", "mode": "manual"}))
            await page.send(json.dumps({"type": "mode", "mode": "nonsense"}))
            assert (await until(page, "error"))["error"]["what"] == "no mode."
            assert asked[0] == ("web", {"type": "mode", "mode": "manual"}, "local")
            text = await asyncio.to_thread(read, f"http://{address}/metrics")
            assert "raffinate_web_push_seconds_count" in text
            assert "raffinate_history_lag_seconds 89400.0" in text
        cut = await until(page, "state", lambda m: not linked(m, "web → operate"))
        assert cut["mode"] == "fuzzy", "the last values stay"
        await page.send(json.dumps({"type": "mode", "mode": "manual"}))
        assert (await until(page, "error"))["error"]["what"]
        async with operate_server(run, fake, asked):
            await until(page, "state", lambda m: linked(m, "web → operate"))
    await page.close()
    stop.set()
    await serving


def linked(state: dict[str, Any], name: str) -> bool:
    return any(link["name"] == name and link["connected"] for link in state["links"])


def read(address: str) -> str:
    with urlopen(address, timeout=PATIENCE) as answer:
        found: str = answer.read().decode()
    return found


@pytest.mark.slow
def test_a_page_sees_both_servers_and_outlives_a_cut_link(run):
    async def main() -> None:
        async with asyncio.timeout(PATIENCE):
            await play(run)

    asyncio.run(main())
    status = read_status(run, "web")
    assert status is not None
    assert "web → plant" in status.detail["links"]
    assert verify_audit(run.audit_file("web")).sound


def test_what_processes_tell_becomes_rows():
    now = time.time_ns() // 1000
    link = {"connected": True, "age_s": 0.1, "round_trip_ms": 3.0}
    told = ProcessStatus(
        name="operate",
        state="running",
        pid=7,
        since_us=now - 60_000_000,
        heartbeat_us=now - 500_000,
        memory_bytes=50_000_000,
        detail={"links": {"operate → plant": link, "odd": 3}},
    )
    lost = ProcessStatus(name="history", state="failed", detail={"links": {"a": link}})
    (row, other) = process_rows([told, lost])
    assert row["memory_MB"] == 50.0
    assert row["since_s"] == pytest.approx(60.0, abs=5.0)
    assert other["pid"] is other["age_s"] is other["memory_MB"] is None
    links = link_rows([told, lost])
    assert [(each["name"], each["connected"]) for each in links] == [
        ("operate → plant", True),
        ("a", False),
    ]
    assert link_rows([told], leave_out="operate") == []
    older = {**row, "age_s": 9.0, "cpu_percent": 50.0}
    assert told_states([row], links) == told_states([older], links)
    assert told_states([row], links) != told_states([{**row, "restarts": 1}], links)


def test_the_nominal_profile_is_read_when_it_comes(tmp_path):
    file = NominalFile(tmp_path / "nominal.json")
    assert file.read() is None
    (tmp_path / "nominal.json").write_text('{"aqueous": {}}')
    assert file.read() == {"aqueous": {}}
    (tmp_path / "nominal.json").write_text("{")
    assert file.read() is None
