"""The two servers that are fuzzed: `runtime_fuzz_server.py FOLDER`, until a line comes on stdin."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raffinate.control.plc import Plc
from raffinate.instruments.sampling import Request
from raffinate.plant.plant_file import load_plant
from raffinate.runtime.audit import AuditTrail
from raffinate.runtime.messages import MODES, SCAN
from raffinate.runtime.opcua_access import Who
from raffinate.runtime.opcua_methods import Argument
from raffinate.runtime.opcua_server import TagServer
from raffinate.runtime.operate_setup import levers_of
from raffinate.runtime.plan_door import PlanDoor
from raffinate.runtime.run_directory import INTERNAL
from raffinate.runtime.tags import Role, Tag, Value, operate_tags, plant_tags, twin_tags
from raffinate.runtime.users import UserTable

PASSWORD = "a word of twelve and more"
PROGRAMS = ("operate", "history")
"""Accounts of processes that the fuzzer has: a guard on the plant's server, and a service."""

METHODS: tuple[tuple[str, str, tuple[Argument, ...], Role], ...] = (
    ("Records", "Pull", (("After", "Int64"), ("Most", "Int32")), "viewer"),
    ("Upsets", "Begin", (("Name", "String"),), "operator"),
    ("Pace", "SetSpeed", (("Speed", "Double"),), "operator"),
)


class PlcHost:
    """The PLC of a plant without the plant: every plan it accepts is run at once."""

    def __init__(self) -> None:
        plant = load_plant("ceprnd_p507")
        flows = {name: float(getattr(plant.operation(), name)) for name in plant.levers}
        self.levers = levers_of(plant, flows)
        self._plc = Plc(levers=self.levers, scan_time=SCAN)
        self.state = self._plc.start({lever.name: lever.safe for lever in self.levers})
        self.beyond = 0
        self.plans = 0
        self.asked = 0

    def accept(
        self,
        trajectory: Mapping[str, Sequence[float]],
        *,
        heartbeat: int,
        sequence: int,
        expires_at: float,
    ) -> None:
        """Take a plan and run a scan of it; count what leaves the limits."""
        self.state = self._plc.accept(
            self.state, trajectory, heartbeat=heartbeat, sequence=sequence, expires_at=expires_at
        )
        self.plans += 1
        self.state, plan = self._plc.step(self.state, self.state.scan * SCAN, {})
        for lever in self.levers:
            self.beyond += not lever.low <= plan.setpoints[lever.name] <= lever.high

    def ask(self, requests: Sequence[Request]) -> None:
        """Take what the analyzer is asked for; there is none here, so it is only counted."""
        self.asked += len(requests)


class Host:
    """One of the two servers with its audit trail and what it has published.

    Args:
        folder: For certificates, users and trail.
        name: "plant" or "operate".
        tags: What it offers.
    """

    def __init__(self, folder: Path, name: str, tags: Sequence[Tag]) -> None:
        self.tags = tuple(tags)
        self.plc = PlcHost()
        self._door = PlanDoor(self.plc) if name == "plant" else None
        self.trail = AuditTrail(folder / f"audit-{name}.jsonl")
        self.published: dict[str, Value] = {}
        self.calls: Counter[str] = Counter()
        self.server = TagServer(
            name=name,
            host="127.0.0.1",
            port=0,
            tags=self.tags,
            pki=folder / "pki",
            users=UserTable.load(folder / "users.json"),
            internal={each: (PASSWORD, INTERNAL[each]) for each in PROGRAMS},
            audit=lambda fields: self._kept(fields),
            on_write=None if self._door is None else self._door.write,
        )

    def _kept(self, fields: dict[str, Any]) -> None:
        self.trail.append(**fields)

    def publish(self, tick: int) -> None:
        """Give every tag that no client may write a new value."""
        values = {
            tag.path: measured(tag, tick + number) for number, tag in enumerate(self.tags)
            if tag.writer is None
        }  # fmt: skip
        self.published.update(values)
        self.server.publish(values)

    async def offer(self) -> None:
        """Offer methods like those of a run; each counts who called it."""

        async def counted(who: Who, *arguments: Any) -> str:
            self.calls[who.role] += 1
            return ""

        for owner, method, inputs, role in METHODS:
            await self.server.add_method(
                owner, method, counted, inputs, (("Result", "String"),), role=role, service=True
            )

    def verdict(self) -> dict[str, Any]:
        """Compare what the server holds with what it may hold."""
        held = {tag.path: self.server.value(tag.path) for tag in self.tags}
        return {
            "changed": [path for path, value in self.published.items() if held[path] != value],
            "beyond": [tag.path for tag in self.tags if beyond(tag, held[tag.path])],
            "plans": self.plc.plans,
            "plc_beyond": self.plc.beyond,
            "calls": dict(self.calls),
        }


def measured(tag: Tag, number: int) -> Value:
    """Return a value of a tag's kind."""
    made: dict[str, Value] = {
        "Double": 1.0 + number / 7.0,
        "Int64": number,
        "String": f"text {number}",
        "Boolean": bool(number % 2),
        "Double[]": tuple(number + k / 3.0 for k in range(5)),
        "String[]": (f"row {number}", "ö"),
    }
    return made[tag.kind]


def beyond(tag: Tag, value: Value | None) -> bool:
    """Return whether a value lies beyond what its tag permits."""
    if value is None:
        return False
    entries = value if isinstance(value, tuple) else (value,)
    for entry in entries:
        if isinstance(entry, float) and not math.isfinite(entry):
            return True
        if isinstance(entry, str):
            if tag.choices and entry not in tag.choices:
                return True
        elif (tag.low is not None and entry < tag.low) or (
            tag.high is not None and entry > tag.high
        ):
            return True
    return False


def tags_of(name: str) -> tuple[Tag, ...]:
    """Return the tags of a server of the default plant."""
    plant = load_plant("ceprnd_p507")
    if name == "plant":
        return (*plant_tags(plant), *twin_tags(plant))
    return operate_tags(plant, MODES)


async def serve(folder: Path) -> None:
    """Serve both until a line comes on stdin; then print what became of the tags."""
    hosts = {name: Host(folder, name, tags_of(name)) for name in ("plant", "operate")}
    for host in hosts.values():
        await host.server.start()
        await host.offer()
        host.publish(0)
    print(json.dumps({name: host.server.endpoint for name, host in hosts.items()}), flush=True)
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    tick = 0
    while not ended.done():
        tick += 1
        for host in hosts.values():
            host.publish(tick)
        await asyncio.wait([ended], timeout=1.0)
    print(json.dumps({name: host.verdict() for name, host in hosts.items()}), flush=True)
    for host in hosts.values():
        await host.server.stop()
        host.trail.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
