"""The round of report, controller and orders at a plant that runs in real time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from raffinate.runtime.messages import PlantReport
from raffinate.runtime.operate_link import PlantLink
from raffinate.runtime.plant_port import PortState


@dataclass
class Plant:
    """A plant whose samples are handed out once, with the next report that is taken."""

    scan: int = 0
    samples: tuple[Any, ...] = ()
    sent: list[Any] = field(default_factory=list)
    findings: dict[str, Any] = field(default_factory=dict)
    notes: list[Any] = field(default_factory=list)

    async def report_after(self, scan: int) -> PlantReport | None:
        if scan == self.scan:
            return None
        given, self.samples = self.samples, ()
        return PlantReport(
            time=60.0 * self.scan, measured={}, setpoints={}, readings=given, assays=()
        )

    async def send(self, orders: Any) -> None:
        self.sent.append(orders)

    def state(self) -> PortState:
        return PortState(records=0, streams={})


@dataclass
class Host:
    """Takes reports and gives orders."""

    asked: bool = False
    has_news: bool = False
    taken: list[Any] = field(default_factory=list)
    commits: int = 0

    def take(self, report: PlantReport, extra: Any) -> None:
        self.taken.extend(report.readings)

    def orders(self, scans: int) -> str:
        return "orders"

    def orders_again(self, scans: int) -> str:
        self.asked = False
        return "orders again"

    def note(self, *notes: Any) -> None: ...

    def commit(self, port: PortState) -> None:
        self.commits += 1


class Standing:
    connected = True


def test_a_sample_between_two_scans_is_taken_with_the_next_whatever_is_asked_meanwhile():
    plant, host = Plant(), Host()
    link = PlantLink(host, plant, Standing(), pace=lambda: 1.0, stepped=False)  # type: ignore[arg-type]

    async def rounds() -> None:
        await link._round()
        plant.samples = ("a sample",)
        await link._round()
        host.asked = True
        await link._round()
        assert host.taken == []
        plant.scan = 1
        await link._round()

    asyncio.run(rounds())
    assert host.taken == ["a sample"]
    assert plant.sent == ["orders", "orders again", "orders"]
    assert host.commits == 3
