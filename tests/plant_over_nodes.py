"""A twin and an operating program joined node by node as over a network, but without one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from raffinate.runtime.alarms import AlarmList
from raffinate.runtime.nodemap_file import load_nodemap
from raffinate.runtime.opcua_access import Who
from raffinate.runtime.operate_host import OperateHost
from raffinate.runtime.plan_door import PlanDoor
from raffinate.runtime.plant_port import PlantPort
from raffinate.runtime.run_directory import RunDirectory, RunSettings
from raffinate.runtime.tags import Tag, plant_tags
from raffinate.runtime.twin import Twin
from raffinate.runtime.twin_host import TwinHost
from running_plants import nominal

GUARD = Who(name="operate", role="guard")


class NodesOf:
    """A client that reads and writes the nodes of a twin host directly."""

    def __init__(self, host: TwinHost, tags: Sequence[Tag]) -> None:
        self.values: dict[str, Any] = {}
        self._host = host
        self._door = PlanDoor(host)
        self._tags = {tag.path: tag for tag in tags}

    async def read_full(self, names: Sequence[str]) -> list[tuple[Any, str, None]]:
        return [(self.values.get(name.partition(";s=")[2]), "good", None) for name in names]

    async def write(self, pairs: Sequence[tuple[str, Any]]) -> None:
        for node, value in pairs:
            await self._door.write(self._tags[node.partition(";s=")[2]], value, GUARD)

    async def call(self, object_node: str, method: str, *arguments: Any) -> Any:
        assert method == "Pull"
        return "\n".join(self._host.ring.pull(*arguments))


class JoinedPlant:
    """One run; `step` is what both processes do in a control period.

    Args:
        path: For the run directory.
        changes: Of the settings.
    """

    def __init__(self, path: Path, **changes: Any) -> None:
        chosen = {"plant": "ceprnd_p507", "epoch_us": 0, "seed": 104, "story": "none", **changes}
        if (path / "run.json").exists():
            self.run = RunDirectory.open(path)
        else:
            self.run = RunDirectory.create(path, RunSettings(**chosen))
        self.start_twin()
        self.start_operate()

    def start_twin(self) -> None:
        plant, _ = nominal()
        shown: dict[str, Any] = {}
        fresh = None
        if not self.run.checkpoint("twin").exists():
            fresh = Twin(plant, self.run.settings.seed, matched=self.run.settings.matched)
        self.twin = TwinHost(self.run, fresh, shown.update)
        self.nodes = NodesOf(self.twin, plant_tags(plant))
        self.nodes.values = shown
        self.twin.show_all()

    def start_operate(self) -> None:
        plant, state = nominal()
        self.operate = OperateHost(
            self.run,
            plant,
            state,
            lambda entry: entry,
            AlarmList(),
            keeps_plant=False,
        )
        nodemap = load_nodemap("nodemap_twin")
        self.port = PlantPort(self.nodes, nodemap, plant, epoch_us=0)
        if self.operate.port is not None:
            self.port.restore(self.operate.port)

    def order(self, scans: int = 10) -> None:
        async def round_trip() -> None:
            report = await self.port.report()
            self.operate.take(report, self.port.findings)
            await self.port.send(self.operate.orders(scans))
            self.operate.commit(self.port.state())

        asyncio.run(round_trip())

    def step(self, scans: int = 10) -> None:
        self.order(scans)
        self.twin.step(scans)

    def close(self) -> None:
        self.twin.close()
        self.operate.ring.close()
