"""NaN, frozen or missing readings leave the plant inside its limits and raise an alarm."""

from __future__ import annotations

import pytest

from raffinate.plant.events import parse_event
from raffinate.runtime.loop import PlantRun
from raffinate.units import HOUR
from running_plants import assert_inside_limits, new_run, recording, tags

FAULTS = ("nan", "frozen", "missing")


def to_hour(run: PlantRun, hour: float) -> None:
    while run.twin.time < hour * HOUR - 1.0:
        run.step()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_analyzer_holds_the_flows_still_and_alarms(fault):
    run = new_run(48.0, seed=3)
    given = recording(run)
    to_hour(run, 6.0)
    assert not {tag for tag in tags(run) if tag.startswith("xrf.")}
    run.twin.inject_fault("xrf", fault)
    to_hour(run, 9.5)
    monitored = {f"xrf.{stage.place}" for stage in run.operate.supervisor.stages}
    assert monitored <= tags(run)
    assert "fuzzy.holding" in tags(run)
    held = dict(run.operate.in_force)
    to_hour(run, 16.0)
    assert dict(run.operate.in_force) == pytest.approx(held, rel=1e-12)
    assert_inside_limits(run, given)
    for outlet in run.twin.accounts.values():
        assert outlet.purity > 0.99
    run.twin.inject_fault("xrf", None)
    to_hour(run, 18.0)
    assert not {tag for tag in tags(run) if tag.startswith(("xrf.", "fuzzy."))}
    assert dict(run.operate.in_force) != held


@pytest.mark.parametrize("fault", FAULTS)
def test_one_failed_line_alarms_and_control_goes_on(fault):
    run = new_run(48.0, seed=3)
    given = recording(run)
    to_hour(run, 4.0)
    run.twin.inject_fault("stage 18", fault)
    to_hour(run, 8.0)
    before = dict(run.operate.in_force)
    to_hour(run, 9.0)
    assert {tag for tag in tags(run) if tag.startswith("xrf.")} == {"xrf.stage 18"}
    assert "fuzzy.holding" not in tags(run)
    assert dict(run.operate.in_force) != before
    assert_inside_limits(run, given)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_laboratory_alarms_and_moves_no_target(fault):
    run = new_run(48.0, seed=3)
    given = recording(run)
    to_hour(run, 14.0)
    assert set(run.operate.assays) == {"cepr", "nd"}
    trim = run.operate.state.trim
    assert trim != (0.0, 0.0)
    run.twin.inject_fault("assay", fault)
    to_hour(run, 25.0)
    assert {"lab.cepr", "lab.nd"} <= tags(run)
    assert run.operate.state.trim == trim
    assert_inside_limits(run, given)
    # With the flows still moved by the analyzer, a dead laboratory alone is no reason to hold.
    assert "fuzzy.holding" not in tags(run)


def test_a_flow_that_does_not_follow_stops_the_rules():
    elements = ("Ce", "Pr", "Nd")
    trip = parse_event("scrub_flow*=0@4h..6h", elements)
    run = new_run(12.0, seed=3, story=((trip, "trip"),))
    to_hour(run, 5.0)
    assert {"scrub_flow.deviation", "fuzzy.holding"} <= tags(run)
    held = dict(run.operate.in_force)
    to_hour(run, 6.0)
    assert dict(run.operate.in_force) == pytest.approx(held, rel=1e-12)
    to_hour(run, 7.0)
    assert not {"scrub_flow.deviation", "fuzzy.holding"} & tags(run)
