"""The port to a plant without records: nodes of a stranger's server, its clock, its gaps."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from raffinate.control.plan import Plan
from raffinate.errors import DataError
from raffinate.plant.plant_file import load_plant
from raffinate.runtime import plant_port
from raffinate.runtime.messages import Orders
from raffinate.runtime.nodemap_file import load_nodemap
from raffinate.runtime.nodemap_nodes import NodeRef
from raffinate.runtime.plant_clock import PlantClock
from raffinate.runtime.plant_port import PlantPort
from raffinate.units import HOUR

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH_US = int(EPOCH.timestamp() * 1e6)
BEAT, CLOCK = (NodeRef(namespace="urn:x", identifier=f"s={name}") for name in ("beat", "clock"))


class Stranger:
    """A server whose nodes are a dictionary."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.written: list[list[tuple[str, Any]]] = []

    async def read_full(self, names):
        return [
            (self.values.get(name), "bad" if self.values.get(name) is None else "good", EPOCH)
            for name in names
        ]

    async def write(self, pairs):
        self.written.append(list(pairs))
        self.values.update(pairs)

    async def call(self, *_):
        raise AssertionError("a stranger keeps no records")


@pytest.fixture(scope="module")
def plant():
    return load_plant("ceprnd_p507")


@pytest.fixture
def nodemap():
    return load_nodemap("nodemap_example")


@pytest.fixture
def stranger(nodemap, plant):
    values: dict[str, Any] = {}
    for name, lever in nodemap.levers.items():
        flow = getattr(plant.operation(), name)
        values[str(lever.measured)] = lever.from_si(flow)
        values[str(lever.in_force or lever.setpoint)] = lever.from_si(flow)
    for stream in nodemap.streams:
        for node in stream.nodes:
            values[str(node)] = 0
        count = len(stream.elements)
        if len(stream.values) == 1:
            values[str(stream.values[0])] = tuple(float(k + 1) for k in range(count))
        else:
            values |= {str(node): float(k + 1) for k, node in enumerate(stream.values)}
        if stream.sequence is not None:
            values[str(stream.sequence)] = 1
        for node in (stream.sample_time, stream.result_time):
            if node is not None:
                values[str(node)] = EPOCH + timedelta(minutes=5)
        if stream.quality is not None:
            values[str(stream.quality)] = next(iter(stream.quality_words), "good")
    if nodemap.time is not None:
        values[str(nodemap.time)] = EPOCH + timedelta(minutes=20)
    for state in (*nodemap.alarms, *nodemap.interlocks):
        values[str(state.node)] = not state.when
    return Stranger(values)


@pytest.fixture
def ticking(monkeypatch):
    """The clock of this machine, [s], in a list of one."""
    now = [0.0]
    monkeypatch.setattr(plant_port, "PlantClock", lambda epoch: PlantClock(epoch, lambda: now[0]))
    return now


def port_of(stranger, nodemap, plant) -> PlantPort:
    return PlantPort(stranger, nodemap, plant, epoch_us=EPOCH_US)


def reported(port):
    return asyncio.run(port.report())


def test_flows_and_samples_come_in_si_and_each_sample_once(stranger, nodemap, plant):
    port = port_of(stranger, nodemap, plant)
    report = reported(port)
    for name in plant.levers:
        assert report.measured[name] == pytest.approx(getattr(plant.operation(), name))
    online = [s for s in nodemap.streams if s.instrument == "xrf"]
    assert len(report.readings) == len(online)
    stream = online[0]
    reading = next(r for r in report.readings if r.place == stream.place)
    order = [stream.elements.index(e) for e in plant.circuit.elements]
    assert reading.values == pytest.approx([(k + 1) * stream.scale[k] for k in order])
    again = reported(port)
    assert again.readings == again.assays == ()


def test_a_bad_flow_stops_the_report_with_its_name(stranger, nodemap, plant):
    lever = nodemap.levers["organic_flow"]
    stranger.values[str(lever.measured)] = None
    with pytest.raises(DataError, match="flow of organic_flow is bad"):
        reported(port_of(stranger, nodemap, plant))


def test_a_plan_is_one_write_whose_heartbeat_comes_last_and_rises(stranger, nodemap, plant):
    port = port_of(stranger, nodemap, plant)
    report = reported(port)
    flows = {name: 1.01 * flow for name, flow in report.setpoints.items()}
    plan = Plan(
        setpoints=flows,
        issued_at=1200.0,
        expires_at=2400.0,
        sequence=3,
        author="guard",
        mode="ratio",
    )
    beats = []
    for _ in range(2):
        asyncio.run(port.send(Orders(plans=(plan,), heartbeat=21)))
        path, beat = stranger.written[-1][-1]
        assert path == str(nodemap.heartbeat)
        beats.append(beat)
    assert beats[1] > beats[0]
    told = dict(stranger.written[-1])
    for name, lever in nodemap.levers.items():
        assert lever.to_si(told[str(lever.setpoint)]) == pytest.approx(flows[name])


def test_the_alarm_of_a_state_node_is_reported(stranger, nodemap, plant):
    states = (*nodemap.alarms, *nodemap.interlocks)
    stranger.values[str(states[0].node)] = states[0].when
    assert reported(port_of(stranger, nodemap, plant)).alarms == {states[0].tag: states[0].text}


def test_a_clock_jump_is_told_and_does_not_move_plant_time():
    ticking = [0.0]
    clock = PlantClock(EPOCH_US, monotonic=lambda: ticking[0])
    start = EPOCH.timestamp() + 2 * HOUR
    assert clock.plant_time(start) == (2 * HOUR, 0.0)
    for jump in (3600.0, -7200.0):
        ticking[0] += 60.0
        start += 60.0 + jump
        now, found = clock.plant_time(start)
        assert found == pytest.approx(jump)
        assert now == pytest.approx(2 * HOUR + ticking[0])
    ticking[0] += 60.0
    now, found = clock.plant_time(start + 60.0)
    assert (now, found) == (pytest.approx(2 * HOUR + ticking[0]), 0.0)


def test_plant_time_never_goes_back_by_a_clock_that_is_set_a_little():
    ticking = [0.0]
    clock = PlantClock(EPOCH_US, monotonic=lambda: ticking[0])
    first, _ = clock.plant_time(EPOCH.timestamp() + 100.0)
    ticking[0] += 1.0
    second, jump = clock.plant_time(EPOCH.timestamp() + 97.0)
    assert jump == 0.0
    assert second >= first


def later(stranger, nodemap, minutes: float, number: int) -> None:
    """Let the plant's clock go on, and every stream have a result stamped then."""
    moment = EPOCH + timedelta(minutes=minutes)
    stranger.values[str(CLOCK)] = moment
    for stream in nodemap.streams:
        for node in (stream.sample_time, stream.result_time):
            if node is not None:
                stranger.values[str(node)] = moment
        if stream.sequence is not None:
            stranger.values[str(stream.sequence)] = number


def test_a_result_that_comes_between_two_scans_waits_for_the_next(
    stranger, nodemap, plant, ticking
):
    later(stranger, nodemap, 20.0, 1)
    port = port_of(stranger, replace(nodemap, time=CLOCK), plant)
    reported(port)
    scan = port.scan
    ticking[0] = 20.0
    later(stranger, nodemap, 20.0 + 1.0 / 3.0, 2)
    assert asyncio.run(port.report_after(scan)) is None
    ticking[0] = 60.0
    stranger.values[str(CLOCK)] = EPOCH + timedelta(minutes=21)
    report = asyncio.run(port.report_after(scan))
    assert len((*report.readings, *report.assays)) == len(nodemap.streams)


def test_a_result_whose_reading_fails_is_read_again(stranger, nodemap, plant):
    class Cut(Stranger):
        reads = 0

        async def read_full(self, names):
            self.reads += 1
            if self.reads == 2:
                raise DataError("the link is cut.")
            return await super().read_full(names)

    port = port_of(Cut(stranger.values), nodemap, plant)
    with pytest.raises(DataError, match="cut"):
        reported(port)
    assert port.state().streams == {}
    report = reported(port)
    assert len((*report.readings, *report.assays)) == len(nodemap.streams)


@pytest.mark.parametrize("changes", [(1,), (1, 2), (1, 2, 3, 4, 5, 6)])
def test_a_result_that_comes_between_two_requests_is_taken_once_and_whole(
    stranger, nodemap, plant, changes
):
    class Busy(Stranger):
        """Has a new result of every stream just after some requests."""

        reads = 0

        async def read_full(self, names):
            answers = await super().read_full(names)
            self.reads += 1
            if self.reads in changes:
                later(self, nodemap, 5.0 + self.reads, 1 + self.reads)
            return answers

    port = port_of(Busy(stranger.values), nodemap, plant)
    seen = []
    for _ in range(6):
        report = reported(port)
        seen += [(r.instrument, r.place, r.sample_time) for r in (*report.readings, *report.assays)]
    assert len(seen) >= len(nodemap.streams)
    assert len(seen) == len(set(seen))
    last = max(moment for *_, moment in seen)
    assert last == pytest.approx((5.0 + changes[-1]) * 60.0)


@pytest.mark.parametrize("jump_h", [1.0, -1.0])
def test_after_a_clock_jump_samples_and_expiries_keep_their_time(
    stranger, nodemap, plant, ticking, jump_h
):
    port = PlantPort(
        stranger,
        replace(nodemap, time=CLOCK, expiry_form="utc", expires=nodemap.heartbeat, heartbeat=BEAT),
        plant,
        epoch_us=EPOCH_US,
    )
    later(stranger, nodemap, 180.0, 2)
    reported(port)
    ticking[0] = 600.0
    later(stranger, nodemap, 185.0, 3)
    stranger.values[str(CLOCK)] = EPOCH + timedelta(minutes=190.0, hours=jump_h)
    report = reported(port)
    assert port.findings["link.clock"]
    stamped = {r.sample_time for r in report.readings}
    assert stamped == {185.0 * 60.0}
    ticking[0] = 1200.0
    later(stranger, nodemap, 195.0 + 60.0 * jump_h, 4)
    stranger.values[str(CLOCK)] = EPOCH + timedelta(minutes=200.0, hours=jump_h)
    again = port_of(stranger, port._map, plant)
    again.restore(port.state())
    for each in (port, again):
        report = reported(each)
        assert report.time == pytest.approx(200.0 * 60.0)
        assert [r.sample_time for r in report.readings] == pytest.approx([195.0 * 60.0] * 6)
    plan = Plan(
        setpoints=report.setpoints,
        issued_at=report.time,
        expires_at=report.time + 1200.0,
        sequence=1,
        author="guard",
        mode="manual",
    )
    asyncio.run(port.send(Orders(plans=(plan,), heartbeat=201)))
    expires = dict(stranger.written[-1])[str(nodemap.heartbeat)]
    assert expires == EPOCH + timedelta(minutes=220.0, hours=jump_h)


def test_a_restarted_port_goes_on_with_its_heartbeat(stranger, nodemap, plant):
    port = port_of(stranger, nodemap, plant)
    flows = reported(port).setpoints
    plan = Plan(
        setpoints=flows, issued_at=0.0, expires_at=1.0, sequence=1, author="guard", mode="manual"
    )
    for _ in range(5):
        asyncio.run(port.send(Orders(plans=(plan,), heartbeat=21)))
    again = port_of(stranger, nodemap, plant)
    again.restore(port.state())
    asyncio.run(again.send(Orders(plans=(plan,), heartbeat=22)))
    assert [write[-1][1] for write in stranger.written] == [21, 22, 23, 24, 25, 26]


def test_a_clock_jump_is_told_until_the_next_scan_has_taken_it_up(
    stranger, nodemap, plant, monkeypatch
):
    port = port_of(stranger, nodemap, plant)
    ticking, clock = [0.0], [EPOCH.timestamp() + 3600.0]
    port._clock = PlantClock(EPOCH_US, monotonic=lambda: ticking[0])
    # This server tells no time, so that of this machine counts.
    monkeypatch.setattr(plant_port.time, "time", lambda: clock[0])
    reported(port)
    for seconds, jump, told in ((1.0, 3600.0, True), (1.0, 0.0, True), (1300.0, 0.0, False)):
        ticking[0] += seconds
        clock[0] += seconds + jump
        reported(port)
        assert ("link.clock" in port.findings) is told
