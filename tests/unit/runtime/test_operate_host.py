"""The operating program's door: roles, audit, alarms, and a memory that outlives it."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.errors import RaffinateError
from raffinate.instruments.reading import Reading
from raffinate.runtime.alarms import AlarmList
from raffinate.runtime.opcua_access import AccessDenied, Who
from raffinate.runtime.operate_host import OperateHost
from raffinate.runtime.plant_port import PortState
from raffinate.runtime.records import record_from_json
from raffinate.runtime.run_directory import RunDirectory, RunSettings
from running_plants import nominal, report_to

OPERATOR = Who(name="ana", role="operator")
VIEWER = Who(name="vi", role="viewer")
PORT = PortState(records=0, streams={})


@pytest.fixture
def run(tmp_path):
    settings = RunSettings(plant="ceprnd_p507", epoch_us=0, mode="manual")
    return RunDirectory.create(tmp_path / "run", settings)


@pytest.fixture
def audit():
    return []


@pytest.fixture
def host(run, audit):
    found = host_of(run, audit)
    yield found
    found.ring.close()


def host_of(run, audit, keeps_plant=False) -> OperateHost:
    def written(entry):
        audit.append(entry)
        return entry

    plant, state = nominal()
    return OperateHost(run, plant, state, written, AlarmList(), keeps_plant=keeps_plant)


def records(host):
    return [record_from_json(line) for line in host.ring.pull(0)]


def test_a_request_is_carried_out_audited_and_recorded(host, audit):
    wanted = round(1.02 * host.operate.nominal["organic_flow"] * 3600.0, 3)
    host.ask({"type": "setpoint", "lever": "organic_flow", "value": wanted}, OPERATOR, "web")
    assert host.operate.requests["organic_flow"] == pytest.approx(wanted / 3600.0)
    (entry,) = audit
    assert entry["accepted"]
    assert (entry["user"], entry["role"], entry["source"]) == ("ana", "operator", "web")
    assert (entry["what"], entry["new"]) == ("Levers/organic_flow/Request", wanted)
    # As soon as it was done, whatever happens to the program then.
    assert any("(ana)" in note.text for note in records(host)[-1].notes)
    host.commit(PORT)
    assert records(host)[-1].changes[0]["user"] == "ana"


@pytest.mark.parametrize(
    ("request_", "who", "error"),
    [
        ({"type": "mode", "mode": "fuzzy"}, VIEWER, AccessDenied),
        ({"type": "mode", "mode": "fuzy"}, OPERATOR, RaffinateError),
        ({"type": "setpoint", "lever": "organic_flow", "value": 1e9}, OPERATOR, RaffinateError),
        ({"type": "setpoint", "lever": "organic_flow", "value": "9"}, OPERATOR, RaffinateError),
        ({"type": "setpoint", "lever": "x", "value": 9.0}, OPERATOR, RaffinateError),
        ({"type": "alarm", "action": "suppress", "tag": "a"}, OPERATOR, AccessDenied),
        ({"type": "alarm", "action": "polish", "tag": "a"}, OPERATOR, RaffinateError),
        ({"type": "alarm", "action": ["comment"], "tag": "a"}, OPERATOR, RaffinateError),
        ({"type": "open the valve"}, OPERATOR, RaffinateError),
        ({}, OPERATOR, RaffinateError),
    ],
)
def test_what_is_refused_changes_nothing_and_is_audited(host, audit, request_, who, error):
    before = (host.operate.mode, dict(host.operate.requests))
    with pytest.raises(error):
        host.ask(request_, who)
    assert (host.operate.mode, dict(host.operate.requests)) == before
    (entry,) = audit
    assert not entry["accepted"]
    assert entry["reason"]


def test_a_killed_program_resumes_with_mode_requests_and_alarms(run, audit):
    first = host_of(run, audit)
    first.take(report_to(first.operate, alarms={"plc.watchdog": "heartbeat lost"}), {})
    first.ask({"type": "mode", "mode": "ratio"}, OPERATOR)
    first.ask({"type": "alarm", "action": "acknowledge", "tag": "plc.watchdog"}, OPERATOR)
    first.commit(PortState(records=17, streams={("xrf", "nd"): 3.0}))
    first.ask({"type": "mode", "mode": "manual"}, OPERATOR)
    first.ring.close()
    second = host_of(run, audit)
    assert second.operate.mode == "manual"
    assert second.port == PortState(records=17, streams={("xrf", "nd"): 3.0})
    (row,) = second.operate.alarms.snapshot(second.operate.time)
    assert (row["tag"], row["state"]) == ("plc.watchdog", "acknowledged")
    second.commit(PORT)
    assert [r.sequence for r in records(second)] == [1, 2, 3, 4, 5]
    second.ring.close()


def test_a_sample_that_comes_twice_is_kept_once_and_raises_an_alarm(run, audit):
    host = host_of(run, audit, keeps_plant=True)
    elements = host.operate.plant.circuit.elements
    count = len(elements)
    reading = Reading(
        place="stage 12",
        sample_time=100.0,
        result_time=300.0,
        elements=elements,
        values=np.full(count, 100.0),
        covariance=np.eye(count),
        detection_limit=np.full(count, 0.1),
        quality="good",
        instrument="xrf",
    )
    host.take(report_to(host.operate, readings=(reading,)), {})
    host.commit(PORT)
    host.take(report_to(host.operate, readings=(reading,)), {})
    assert {alarm.tag for alarm in host.operate.alarms.standing} == {"samples.order"}
    host.commit(PORT)
    assert host.gate.refused == 1
    first = records(host)[0]
    assert first.samples[0].place == "stage 12"
    assert first.values["Levers/organic_flow/Measured"] > 0.0
    host.ring.close()


def test_a_remark_keeps_only_what_every_database_and_client_can_hold(host):
    host.take(report_to(host.operate, alarms={"plc.watchdog": "heartbeat lost"}), {})
    remark = "gland\u2028leaks\x00 \ud800at P-12, 30 °C"
    host.ask(
        {"type": "alarm", "action": "comment", "tag": "plc.watchdog", "comment": remark}, OPERATOR
    )
    assert "(gland leaks   at P-12, 30 °C)" in records(host)[-1].notes[-1].text
