"""The port to a plant without records: nodes of a stranger's server, its clock, its gaps."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from raffinate.control.plan import Plan
from raffinate.errors import DataError
from raffinate.plant.plant_file import load_plant
from raffinate.runtime.messages import Orders
from raffinate.runtime.nodemap_file import load_nodemap
from raffinate.runtime.plant_port import PlantClock, PlantPort
from raffinate.units import HOUR

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
EPOCH_US = int(EPOCH.timestamp() * 1e6)


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
