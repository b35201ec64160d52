"""Metrics: text that Prometheus' own parser reads, in base units."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fake_page import FLOWS, HOURS, FakeRun
from raffinate.runtime.metrics import Family, render, render_histogram, run_metrics
from raffinate.runtime.page_hub import PushTimes


def families(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the value of each sample by name and label values."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.type in ("gauge", "counter", "histogram")
        for sample in family.samples:
            values = found.setdefault(sample.name, {})
            key = tuple(sample.labels.values())
            assert key not in values, "a sample stands once"
            values[key] = sample.value
    return found


def told(run: FakeRun, lag: float | None = 2.0) -> dict[str, dict[tuple[str, ...], float]]:
    state = run.state() if run.source.ready else None
    around = run.source.surroundings()
    return families(run_metrics(state, around, lag=lag, pages=3, states=9, events=4))


def test_the_plant_is_told_in_base_units():
    found = told(FakeRun())
    assert found["raffinate_plant_time_seconds"][()] == HOURS * 3600.0
    assert found["raffinate_product_purity_ratio"][("nd",)] == 0.9995
    assert found["raffinate_product_off_spec_seconds"][("nd",)] == 1800.0
    assert found["raffinate_product_off_spec_kilograms"][("nd",)] == 10.0
    setpoint = found["raffinate_flow_setpoint_cubic_metres_per_second"][("organic_flow",)]
    assert setpoint == pytest.approx(FLOWS["organic_flow"] / 3600.0)
    assert found["raffinate_control_mode"] == {("fuzzy",): 1.0}


def test_alarms_are_counted_by_priority_and_state():
    found = told(FakeRun())["raffinate_alarms"]
    assert found[("medium", "unacknowledged")] == 1.0
    assert found[("high", "unacknowledged")] == 0.0


def test_processes_and_links_are_told():
    run = FakeRun()
    run.processes[0]["state"] = "restarting"
    run.processes[1]["memory_MB"] = None
    run.links[0]["connected"] = False
    found = told(run)
    assert found["raffinate_process_running"] == {
        ("twin",): 0.0, ("operate",): 1.0, ("history",): 1.0, ("web",): 1.0,
    }  # fmt: skip
    assert found["raffinate_process_cpu_ratio"][("twin",)] == 0.025
    assert found["raffinate_process_resident_memory_bytes"][("web",)] == 80e6
    assert ("operate",) not in found["raffinate_process_resident_memory_bytes"]
    assert found["raffinate_process_restarts_total"][("web",)] == 3.0
    assert found["raffinate_link_connected"][("operate → plant",)] == 0.0
    assert found["raffinate_link_round_trip_seconds"] == {("operate → plant",): 0.012}
    assert found["raffinate_history_lag_seconds"][()] == 2.0
    assert found["raffinate_web_states_total"][()] == 9.0


def test_what_is_not_known_is_left_out():
    run = FakeRun()
    run.of_operate.clear()
    found = told(run, lag=None)
    assert "raffinate_product_purity_ratio" not in found
    assert "raffinate_history_lag_seconds" not in found
    assert found["raffinate_process_running"][("twin",)] == 1.0


def test_labels_are_escaped():
    text = render([Family(name="x", kind="gauge", text="a\nb", samples=(({"l": 'q"\\\n'}, 1.0),))])
    assert families(text)["raffinate_x"] == {('q"\\\n',): 1.0}


def test_a_histogram_adds_up():
    times = PushTimes()
    for seconds in (0.001, 0.015, 0.015, 3.0):
        times.observe(seconds)
    found = families(render_histogram("push_seconds", "Delay.", times))
    buckets = found["raffinate_push_seconds_bucket"]
    assert buckets[("0.002",)] == 1.0
    assert buckets[("0.02",)] == 3.0
    assert buckets[("+Inf",)] == found["raffinate_push_seconds_count"][()] == 4.0
    assert found["raffinate_push_seconds_sum"][()] == pytest.approx(3.031)
