"""The thread that moves the virtual plant: lock-step, pace, patience."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from patience import PATIENCE
from plant_over_nodes import JoinedPlant
from raffinate.errors import SpecificationError
from raffinate.runtime import twin_host as module
from raffinate.runtime.records import record_from_json


@pytest.fixture
def joined(tmp_path):
    plant = JoinedPlant(tmp_path / "run", hours=2.0, speed=1e9)
    yield plant
    plant.close()


@pytest.fixture
def moving(joined):
    """The plant's own thread, and what to call at the end."""
    thread = threading.Thread(target=joined.twin.run_until_stopped)
    yield thread
    joined.twin.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def until(true, seconds: float = PATIENCE) -> None:
    for _ in range(int(seconds / 0.01)):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it never came true")


def test_the_plant_waits_for_the_guard_and_runs_only_what_it_acknowledged(
    joined, moving, monkeypatch
):
    monkeypatch.setattr(module, "PATIENCE", 3600.0)
    moving.start()
    time.sleep(0.2)
    assert joined.twin.plc.scan == 0
    joined.order(10)
    until(lambda: joined.twin.plc.scan == 10)
    time.sleep(0.2)
    assert joined.twin.plc.scan == 10
    assert not joined.twin.alone


def test_a_watched_plant_goes_on_alone_after_its_patience_and_says_so(joined, moving, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    moving.start()
    until(lambda: joined.twin.finished)
    assert joined.twin.twin.time == pytest.approx(7200.0)
    alarms = " ".join(joined.nodes.values["PLC/Alarms"])
    assert "twin.alone" in alarms
    assert "plc.watchdog" in alarms


def test_a_paused_plant_holds_plant_time_and_a_slow_one_goes_scan_by_scan(joined, moving):
    joined.twin.set_speed(0.0)
    joined.order(10)
    moving.start()
    until(lambda: joined.nodes.values.get("Pace/Phase") == "paused")
    assert joined.twin.plc.scan == 0
    joined.twin.set_speed(600.0)
    until(lambda: joined.twin.ring.last >= 2)
    joined.twin.set_speed(0.0)
    lines = [record_from_json(line) for line in joined.twin.ring.pull(0)]
    assert [record.time for record in lines[:2]] == [60.0, 120.0]


def test_upsets_and_faults_are_noted_with_the_next_record(joined):
    with pytest.raises(SpecificationError, match="no upset"):
        joined.twin.begin_upset("earthquake")
    joined.twin.begin_upset("saponification_low")
    joined.twin.inject_fault("xrf", "missing")
    joined.step()
    joined.twin.end_upset("saponification_low")
    joined.twin.inject_fault("xrf", None)
    joined.step()
    texts = [
        note.text for line in joined.twin.ring.pull(0) for note in record_from_json(line).notes
    ]
    assert [text.split(" ")[0] for text in texts] == ["Fault", "Upset:", "Ended:", "xrf"]


def test_what_the_plant_shows_is_what_it_is(joined):
    for _ in range(3):
        joined.step()
    shown, twin = joined.nodes.values, joined.twin.twin
    assert shown["PLC/Time"] == twin.time == 1800.0
    assert shown["PLC/Scan"] == 30
    assert shown["Records/Last"] == 3
    for name, lever in ((each.name, each) for each in joined.twin.levers):
        assert shown[f"Levers/{name}/InForce"] == joined.twin.plc.in_force[name] * 3600.0
        assert shown[f"Levers/{name}/Low"] == lever.low * 3600.0
        assert 0.0 < shown[f"Levers/{name}/Output"] < 100.0
    assert shown["Truth/Products/nd/Purity"] == twin.accounts["nd"].purity
    assert len(shown["Truth/Aqueous/Nd"]) == twin.plant.circuit.stages
    newest = max(
        (k for k in shown if k.endswith("/Sequence") and k.startswith("Analyzer")),
        key=lambda k: shown[k.replace("/Sequence", "/SampleTime")],
    )
    assert shown[newest] >= 1
    assert len(shown[newest.replace("/Sequence", "/Values")]) == 3


def test_a_plant_that_is_made_fast_does_not_wait_out_its_slow_step(joined, moving):
    joined.twin.set_speed(1.0)
    joined.order(10)
    moving.start()
    until(lambda: joined.twin.plc.scan == 1)
    joined.twin.set_speed(1e9)
    until(lambda: joined.twin.plc.scan == 10)
    joined.order(10)
    until(lambda: joined.twin.plc.scan == 20)


def test_the_slowest_of_paces_is_a_pace(joined, moving):
    joined.twin.set_speed(1e-9)
    joined.order(1)
    moving.start()
    until(lambda: joined.twin.ring.last == 1)
    time.sleep(0.1)
    assert moving.is_alive()


def test_what_people_do_to_a_paused_plant_is_recorded_in_records_of_bounded_size(joined, moving):
    joined.twin.set_speed(0.0)
    count = 2 * module.MOST_CHANGES + 1
    for number in range(count):
        joined.twin.keep({"n": number})
    moving.start()

    def kept():
        return [record_from_json(line).changes for line in joined.twin.ring.pull(0)]

    until(lambda: sum(len(changes) for changes in kept()) == count)
    assert [change["n"] for changes in kept() for change in changes] == list(range(count))
    assert max(len(changes) for changes in kept()) == module.MOST_CHANGES
    assert joined.twin.twin.time == 0.0


def test_a_guard_that_comes_back_is_in_step_again_however_fast_the_plant_is(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    plant = JoinedPlant(tmp_path / "run", hours=1e5, speed=1e9)
    thread = threading.Thread(target=plant.twin.run_until_stopped)
    thread.start()
    try:
        until(lambda: plant.twin.alone and plant.twin.plc.scan > 20)
        monkeypatch.setattr(module, "PATIENCE", 3600.0)

        async def answered() -> bool:
            report = await plant.port.report()
            plant.operate.take(report, {})
            orders = plant.operate.orders(10)
            await asyncio.sleep(0.1)
            try:
                await plant.port.send(orders)
            except SpecificationError:
                return False
            return True

        until(lambda: asyncio.run(answered()) and not plant.twin.alone)
    finally:
        plant.twin.stop()
        thread.join(PATIENCE)
        plant.close()
