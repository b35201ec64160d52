"""Twin and operate joined by nodes behave as the two in one process, and survive each other."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace

import pytest

from plant_over_nodes import JoinedPlant
from raffinate.runtime.records import record_from_json
from raffinate.units import HOUR
from running_plants import new_run


@pytest.fixture
def joined(tmp_path):
    plant = JoinedPlant(tmp_path / "run")
    yield plant
    plant.close()


def books(twin) -> dict[str, list[float]]:
    return {name: account.made.tolist() for name, account in twin.accounts.items()}


def test_over_nodes_the_plant_does_what_it_does_in_one_process(joined):
    direct = new_run(hours=24.0, mode="fuzzy")
    for _ in range(24):
        direct.step()
        joined.step()
    assert joined.twin.twin.time == direct.twin.time
    for lever in direct.plant.levers:
        assert joined.operate.operate.in_force[lever] == pytest.approx(
            direct.operate.in_force[lever], rel=1e-9
        )
    for name, made in books(direct.twin).items():
        assert books(joined.twin.twin)[name] == pytest.approx(made, rel=1e-9)


def test_a_resumed_twin_goes_on_bit_for_bit(joined, tmp_path):
    for _ in range(5):
        joined.step()
    shutil.copytree(joined.run.path, tmp_path / "killed")
    other = JoinedPlant(tmp_path / "killed")
    assert other.twin.plc == joined.twin.plc
    for plant in (joined, other):
        plant.step()
        plant.step()
    assert books(other.twin.twin) == books(joined.twin.twin)
    assert other.twin.ring.last == joined.twin.ring.last == 7
    other.close()


def test_a_kill_between_checkpoint_and_ring_loses_no_record(joined, tmp_path):
    for _ in range(3):
        joined.step()
    shutil.copytree(joined.run.path, tmp_path / "killed")
    file = next((tmp_path / "killed" / "ring" / "plant").glob("*.jsonl"))
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])
    other = JoinedPlant(tmp_path / "killed")
    found = [record_from_json(line).sequence for line in other.twin.ring.pull(0)]
    assert found == [1, 2, 3]
    other.close()


def test_without_operate_the_plant_holds_then_runs_the_safe_plan_and_comes_back(joined):
    operate = joined.operate.operate
    for _ in range(4):
        joined.step()
    operate.set_mode("manual")
    operate.request("organic_flow", 1.03 * operate.nominal["organic_flow"])
    for _ in range(4):
        joined.step()
    held = dict(joined.twin.plc.in_force)
    joined.twin.step(1)
    joined.twin.step(1)
    assert joined.twin.plc.mode == "hold"
    assert dict(joined.twin.plc.in_force) == held
    assert "plc.watchdog" in " ".join(joined.nodes.values["PLC/Alarms"])
    for _ in range(5):
        joined.twin.step(10)
    assert joined.twin.plc.mode == "safe"
    levers = {lever.name: lever for lever in joined.twin.levers}
    assert joined.twin.plc.in_force["organic_flow"] == pytest.approx(levers["organic_flow"].safe)
    before = dict(joined.twin.plc.in_force)
    joined.order(1)
    joined.twin.step(1)
    assert joined.twin.plc.mode == "remote"
    for name, lever in levers.items():
        bump = abs(joined.twin.plc.in_force[name] - before[name])
        assert bump < 0.01 * (lever.high - lever.low)
    assert "taken over" in " ".join(
        note.text for line in joined.operate.ring.pull(0) for note in record_from_json(line).notes
    )


def test_a_restarted_operate_keeps_mode_requests_and_samples(joined):
    operate = joined.operate.operate
    for _ in range(6):
        joined.step()
    operate.set_mode("manual")
    operate.request("organic_flow", 1.02 * operate.nominal["organic_flow"])
    for _ in range(3):
        joined.step()
    places = dict(operate.state.readings)
    joined.operate.ring.close()
    joined.start_operate()
    again = joined.operate.operate
    assert again is not operate
    assert again.mode == "manual"
    assert again.requests == operate.requests
    assert set(again.state.readings) == set(places)
    before = dict(joined.twin.plc.in_force)
    joined.step()
    levers = {lever.name: lever for lever in joined.twin.levers}
    for name, lever in levers.items():
        assert abs(joined.twin.plc.in_force[name] - before[name]) <= 1e-9 * lever.high
    joined.order()
    samples = [
        (s.instrument, s.place, s.sample_time)
        for line in joined.twin.ring.pull(0)
        for s in record_from_json(line).samples
    ]
    newest = joined.operate.gate.newest
    assert newest == {(i, p): t for i, p, t in sorted(samples, key=lambda each: each[2])}


def test_one_scan_at_a_time_is_the_same_plant_within_the_integration(joined, tmp_path):
    slow = JoinedPlant(tmp_path / "slow", speed=1.0)
    for _ in range(6):
        joined.step()
        for _ in range(10):
            slow.step(1)
    assert slow.twin.twin.time == joined.twin.twin.time == HOUR
    for name, made in books(joined.twin.twin).items():
        assert books(slow.twin.twin)[name] == pytest.approx(made, rel=1e-3)
    slow.close()


def test_a_request_that_comes_after_its_scan_was_run_is_not_forgotten(joined):
    joined.twin.speed = 60.0
    operate = joined.operate.operate
    joined.step(1)
    operate.set_mode("manual")
    joined.step(1)
    joined.order(1)
    joined.twin.step(1)
    wanted = 1.05 * operate.nominal["organic_flow"]
    operate.request("organic_flow", wanted)
    asyncio.run(joined.port.send(joined.operate.orders_again(1)))
    for _ in range(20):
        joined.step(1)
    assert operate.requests["organic_flow"] == wanted
    assert joined.twin.plc.in_force["organic_flow"] == pytest.approx(wanted)


@pytest.mark.parametrize("mode", ["manual", "ratio", "fuzzy"])
def test_a_plant_that_is_met_for_the_first_time_is_left_as_it_is_run(tmp_path, mode):
    plant = JoinedPlant(tmp_path / "run", mode=mode)
    levers = {lever.name: lever for lever in plant.twin.levers}
    run_so_far = {name: 0.97 * lever.safe for name, lever in levers.items()}
    plant.twin.plc = replace(plant.twin.plc, in_force=run_so_far)
    plant.twin.show_all()
    for _ in range(3):
        plant.step()
    for name, lever in levers.items():
        moved = abs(plant.twin.plc.in_force[name] - run_so_far[name])
        # Without a reading the fuzzy controller holds still, too.
        assert moved < 0.01 * (lever.high - lever.low), name
    plant.close()


def test_a_restart_within_a_period_asks_for_no_advice_twice(joined):
    for _ in range(30):
        joined.step()
    joined.order()
    advised = joined.operate.operate.advice
    state = joined.operate.operate.state
    joined.operate.ring.close()
    joined.start_operate()
    joined.order()
    assert joined.operate.operate.advice.setpoints == advised.setpoints
    assert joined.operate.operate.state.trim == state.trim


def test_an_interlock_counts_on_through_a_restart_of_the_twin(joined, tmp_path):
    joined.step()
    shutil.copytree(joined.run.path, tmp_path / "killed")
    other = JoinedPlant(tmp_path / "killed")
    assert other.twin._measured == joined.twin._measured != {}
    other.close()


def test_a_change_to_fuzzy_within_a_period_does_not_go_back_to_advice_of_long_ago(tmp_path):
    plant = JoinedPlant(tmp_path / "run", mode="fuzzy", speed=1.0)
    operate = plant.operate.operate
    for _ in range(10):
        plant.step(1)
    operate.set_mode("manual")
    operate.request("organic_flow", 1.1 * operate.nominal["organic_flow"])
    for _ in range(22):
        plant.step(1)
    operate.set_mode("fuzzy")
    before = dict(plant.twin.plc.in_force)
    for _ in range(8):
        plant.step(1)
        for lever in plant.twin.levers:
            moved = abs(plant.twin.plc.in_force[lever.name] - before[lever.name])
            assert moved < 0.01 * (lever.high - lever.low), lever.name
    plant.close()


def test_what_is_taken_over_within_a_period_stays_until_the_next_advice(tmp_path):
    plant = JoinedPlant(tmp_path / "run", mode="fuzzy", speed=1.0)
    for _ in range(12):
        plant.step(1)
    found = {lever.name: 0.95 * lever.safe for lever in plant.twin.levers}
    plant.twin.plc = replace(plant.twin.plc, in_force=found, mode="hold")
    plant.twin.show_all()
    for _ in range(8):
        plant.step(1)
    for lever in plant.twin.levers:
        moved = abs(plant.twin.plc.in_force[lever.name] - found[lever.name])
        assert moved < 0.01 * (lever.high - lever.low), lever.name
    plant.close()


def test_taking_the_pace_down_refuses_no_plan(joined):
    """Ten scans were ordered, and the plant now runs them one by one."""
    from raffinate.runtime.operate_link import PlantLink

    class Up:
        connected = True

    async def slow_down() -> None:
        pace = 10_800.0
        link = PlantLink(joined.operate, joined.port, Up(), pace=lambda: pace, stepped=True)
        await link._round()
        pace = 60.0
        for scan in range(1, 14):
            joined.twin.step(1)
            await link._round()
            assert joined.twin.plc.acknowledged == max(10, scan + 1)

    asyncio.run(slow_down())
    assert joined.twin.plc.mode == "remote"
