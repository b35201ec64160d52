"""Checks and requests in the running plant: what is measured when, and what follows from it."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import plant_over_nodes
from checked_plants import CHECKS, checked
from plant_over_nodes import JoinedPlant
from raffinate.instruments.sampling import Request
from raffinate.instruments.sampling_recalibration import FAILED
from raffinate.runtime import twin_host
from raffinate.runtime.loop import PlantRun
from raffinate.runtime.messages import CHECK, CHECK_ALARM
from raffinate.runtime.tags import plant_tags
from raffinate.runtime.twin import Twin
from raffinate.runtime.twin_analyzer_rounds import REQUEST_LIFE, AnalyzerRounds
from raffinate.units import HOUR
from running_plants import shipped_plant

STAGES, PRODUCTS = ("stage 5", "stage 10", "stage 18"), ("cepr", "nd")


def rounds(**changes):
    return AnalyzerRounds(checked(**changes)[0].analyzer, STAGES, PRODUCTS)


def period(one, number, requests=()):
    one.ask(requests, 600.0 * number)
    return list(one.samples(600.0 * number, 600.0 * (number + 1)))


def test_an_analyzer_without_checks_and_requests_keeps_to_its_rota():
    one = AnalyzerRounds(shipped_plant().analyzer, STAGES, PRODUCTS)
    found = [slot.stream for k in range(3) for slot in period(one, k)]
    assert found == [*STAGES, "cepr", *STAGES, "nd", *STAGES[:2]]
    assert one.shown() is None


def test_what_an_estimator_asks_for_is_measured_next_within_the_intervals():
    """An estimator that only ever wants one stage."""
    one, seen = rounds(), {}
    slots = [s for k in range(36) for s in period(one, k, (Request(stream="stage 18", worth=1.0),))]
    for slot in slots:
        seen.setdefault(slot.stream, []).append(slot.sample_time)
    assert {slot.why for slot in slots} == {"check", "asked", "rota"}
    wanted = [s.sample_time for s in slots if s.stream == "stage 18"]
    assert len(wanted) > 1.5 * len(seen["stage 5"])
    assert min(b - a for a, b in pairwise(wanted)) >= 540.0
    # One check may come between a stream and its turn.
    longest = 3600.0 + CHECKS.count_time + CHECKS.purge_time
    for name in (*STAGES, *PRODUCTS):
        assert max(b - a for a, b in pairwise(seen[name])) <= longest
    assert one.shown()["asked"] == [{"stream": "stage 18", "worth": 1.0}]


def test_an_estimator_that_always_asks_does_not_starve_the_other_streams():
    one, seen = rounds(shortest_interval=0.0), {}
    slots = [s for k in range(36) for s in period(one, k, (Request(stream="stage 18", worth=1.0),))]
    for slot in slots:
        seen.setdefault(slot.stream, []).append(slot)
    assert {slot.why for slot in seen["stage 5"][1:]} == {"late"}
    gaps = [b.sample_time - a.sample_time for a, b in pairwise(seen["cepr"])]
    assert len(gaps) >= 5
    assert max(gaps) <= 3600.0 + CHECKS.count_time + CHECKS.purge_time


def test_checks_come_on_their_schedule():
    one = rounds()
    slots = [slot for k in range(72) for slot in period(one, k)]
    for name, interval in (("blank", 6.0 * HOUR), ("standard", 3.0 * HOUR)):
        times = [slot.sample_time for slot in slots if slot.stream == name]
        assert len(times) == round(12.0 * HOUR / interval)
        # What is in the cell is measured first.
        gaps = [b - a for a, b in pairwise(times)]
        assert all(interval <= gap <= interval + 600.0 for gap in gaps)


def test_a_request_that_nobody_renews_lapses():
    one = rounds(shortest_interval=0.0, checks=None)
    one.ask((Request(stream="stage 18", worth=1.0),), 0.0)
    before = list(one.samples(0.0, REQUEST_LIFE))
    assert "asked" in {slot.why for slot in before}
    after = list(one.samples(REQUEST_LIFE + 1.0, 3.0 * REQUEST_LIFE))
    assert "asked" not in {slot.why for slot in after}


def test_requests_that_cannot_be_met_are_left_out():
    one = rounds()
    bad = (("stage 99", 1.0), ("stage 5", float("nan")), ("stage 5", -1.0), ("standard", 1.0))
    one.ask([Request(stream=name, worth=worth) for name, worth in bad], 0.0)
    assert one.requests == ()


@pytest.fixture(scope="module")
def told():
    """A real short run in fuzzy: the estimation asks, the analyzer is checked."""
    run = PlantRun(checked()[0], seed=5, duration=9.0 * HOUR, story=())
    reports, slots = [], []
    taken, measured = run.operate.take, run.twin.analyzer.measure

    def take(report, extra=None):
        reports.append(report)
        return taken(report, extra)

    def measure(slot, *rest):
        slots.append(slot)
        return measured(slot, *rest)

    run.operate.take, run.twin.analyzer.measure = take, measure
    run.run_to_end()
    return run, reports, slots


def test_a_running_plant_is_checked_and_measures_what_its_estimation_asks_for(told):
    run, reports, slots = told
    asked = [slot for slot in slots if slot.why == "asked"]
    assert len(asked) > 0.25 * len(slots)
    assert {slot.stream for slot in asked} <= set(run.operate.worth.group)
    checks = [check for report in reports for check in report.checks]
    assert [c.place for c in checks][:2] == ["blank", "standard"]
    assert all(c.result_time - c.sample_time == CHECKS.count_time for c in checks)
    assert all(reading.instrument == "xrf" for r in reports for reading in r.readings)
    outcomes = run.twin.analyzer.checks.book.outcomes
    assert [outcome.result.time for outcome in outcomes] == [c.sample_time for c in checks]


def test_the_estimation_knows_the_fronts_better_for_asking(told):
    run, _, slots = told
    counts = {name: sum(s.stream == name for s in slots) for name in run.operate.worth.group}
    assert max(counts.values()) > 1.5 * min(counts.values())
    known = run.operate.stages
    assert set(known) <= set(counts)
    assert all(np.isfinite(stage.variance) and stage.variance > 0.0 for stage in known.values())


def test_a_deposit_raises_the_alarm_and_is_zeroed_away():
    """Blanks come every hour; from the second on the window holds neodymium."""
    plans = _plans()
    checks = replace(CHECKS, blank_interval=HOUR, standard_interval=1000.0 * HOUR)
    twin = Twin(checked(checks=checks)[0], 7, matched=True)
    genuine = twin.analyzer.measure

    def fouled(slot, metals, acid, generator):
        dirt = np.array([0.0, 0.0, 20.0 if slot.sample_time > HOUR else 0.0])
        return genuine(slot, metals + dirt, acid, generator)

    twin.analyzer.measure = fouled
    alarms, notes, flags, after = [], [], set(), []
    for _ in range(18):
        report, told = twin.advance(plans)
        alarms.append(CHECK_ALARM in report.alarms)
        notes += [note for note in told if note.text.startswith("Analyzer check")]
        flags |= {flag for reading in report.readings for flag in reading.flags}
        after += [r for r in report.readings if r.place == "stage 5"]
    assert any(alarms)
    assert not alarms[0]
    assert not alarms[-1]
    assert FAILED in flags
    texts = [note.text for note in notes]
    assert "repeated" in texts[0]
    assert "zero set by blank" in texts[1]
    book = twin.analyzer.checks.book
    assert book.correction.zero[2] == pytest.approx(20.0, abs=1.0)
    true = twin.profile().aqueous[4]
    assert abs(after[-1].values[2] - true[2]) < 5.0 * after[-1].sigma[2]
    shown = twin.analyzer.shown_checks()
    json.dumps(shown, allow_nan=False)
    assert shown["recalibrations"] == 1


def _plans():
    from raffinate.control.plan import Plan

    plant, state = checked()
    flows = {name: getattr(state.operation, name) for name in plant.levers}
    one = Plan(
        setpoints=flows, issued_at=0.0, expires_at=1e9, sequence=1, author="guard", mode="manual"
    )
    return [one] * 10


def test_requests_and_checks_travel_over_the_nodes(tmp_path, monkeypatch):
    monkeypatch.setattr(plant_over_nodes, "nominal", checked)
    # What is shown is shown at every step, however fast steps are.
    monkeypatch.setattr(twin_host, "PROFILE_INTERVAL", 0.0)
    joined = JoinedPlant(tmp_path / "run", hours=4.0, speed=1e9)
    for _ in range(12):
        joined.step()
    wanted = json.loads(joined.operate.values()["Sampling/Wanted"])
    assert wanted["why"].startswith(wanted["requests"][0]["stream"])
    assert joined.twin.twin.rounds.requests
    values = joined.nodes.values
    assert values["Analyzer/XRF/Channel1/standard/Sequence"] >= 1
    assert json.loads(values["Spectrum/Checks"])["outcomes"]
    assert json.loads(values["Spectrum/Next"])["asked"]
    # Neither the controller nor its lists take a check for a reading of the plant.
    assert not {"blank", "standard"} & set(joined.operate.operate.state.readings)
    joined.close()


def test_tags_of_checks_are_served_only_where_there_are_checks():
    paths = {tag.path for tag in plant_tags(checked()[0])}
    without = {tag.path for tag in plant_tags(shipped_plant())}
    assert {path.split("/")[3] for path in paths - without} == {"blank", "standard"}


def test_a_check_of_a_perfect_analyzer_passes_whatever_is_drawn():
    twin = Twin(checked()[0], 3, matched=True)
    for _ in range(6):
        report, _ = twin.advance(_plans())
    assert all(check.instrument == CHECK for check in report.checks)
    assert not twin.analyzer.checks.book.failed
