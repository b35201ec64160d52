"""The operating side: modes, requests, alarms, and a guard that has the last word."""

from __future__ import annotations

import math

import numpy as np
import pytest

from raffinate.control.fuzzy_supervisor import Advice
from raffinate.errors import SpecificationError
from raffinate.instruments.assay import LaboratoryAssay
from raffinate.instruments.reading import Reading
from raffinate.runtime.messages import CONTROL_PERIOD
from raffinate.runtime.operate import Operate
from raffinate.runtime.operate_findings import LAB_SILENCE
from raffinate.units import HOUR
from running_plants import new_operate, nominal, report_to, tags


def period(operate: Operate, **changes):
    """Run one control period against an obedient plant."""
    plans = operate.orders().plans
    return plans, operate.take(report_to(operate, **changes))


def assay(place: str, time: float, seed: int = 0, impurity: float = 6e-4) -> Reading:
    elements = nominal()[0].circuit.elements
    product = nominal()[0].products[place]
    wanted = np.array([e in product.elements for e in elements])
    liquor = np.where(wanted, 800.0, 800.0 * impurity)
    generator = np.random.default_rng(seed)
    return LaboratoryAssay(elements=elements).take(liquor, time, generator, place=place)


class Proposer:
    """Stands in for a supervisor whose advice is given."""

    stages = ()

    def __init__(self, **setpoints: float) -> None:
        self.setpoints = setpoints

    def start(self, time, in_force, before=None):
        return before

    def observe(self, state, readings, assays, time):
        return state

    def advise(self, state, measured, setpoints, duration):
        return state, Advice(setpoints={**setpoints, **self.setpoints}, rules=())


@pytest.mark.parametrize(
    ("mode", "call", "part"),
    [
        ("manual", lambda o: o.set_mode("fuzy"), "'fuzy' is no mode"),
        ("manual", lambda o: o.request("organic", 1.0), "'organic' is no lever"),
        ("manual", lambda o: o.request("organic_flow", 1e3), "3.6e+06 m³/h"),
        ("manual", lambda o: o.request("organic_flow", math.nan), "nan m³/h"),
        ("manual", lambda o: o.request("organic_flow", math.inf), "inf m³/h"),
        ("fuzzy", lambda o: o.request("organic_flow", 0.004), "held by fuzzy"),
        ("ratio", lambda o: o.request("acid_flow", 0.0005), "held by ratio"),
    ],
)
def test_requests_that_cannot_be_met_say_why(mode, call, part):
    operate = new_operate(mode)
    with pytest.raises(SpecificationError) as caught:
        call(operate)
    assert part in caught.value.what
    assert caught.value.mend or caught.value.allowed
    assert dict(operate.in_force) == operate.nominal
    assert operate.mode == mode


def test_a_manual_setpoint_is_reached_at_its_rate():
    operate = new_operate()
    lever = next(each for each in operate.guard.levers if each.name == "organic_flow")
    wanted = 1.3 * operate.nominal["organic_flow"]
    operate.request("organic_flow", wanted)
    first, _ = period(operate)
    moved = first[-1].setpoints["organic_flow"] - operate.nominal["organic_flow"]
    assert 0.0 < moved <= lever.rate_limit * CONTROL_PERIOD
    for _ in range(6):
        period(operate)
    assert operate.in_force["organic_flow"] == pytest.approx(wanted)
    assert operate.in_force["acid_flow"] == operate.nominal["acid_flow"]


def test_in_ratio_acid_and_scrub_follow_the_organic():
    operate = new_operate("ratio")
    operate.request("organic_flow", 1.2 * operate.nominal["organic_flow"])
    for _ in range(4):
        period(operate)
    # Asked again half-way, the ratios are still those at the change of mode.
    operate.request("organic_flow", 1.1 * operate.nominal["organic_flow"])
    for _ in range(6):
        period(operate)
    for name, flow in operate.in_force.items():
        assert flow == pytest.approx(1.1 * operate.nominal[name])
    assert operate.held_by("organic_flow") == "operator"
    assert operate.held_by("scrub_flow") == "ratio"


def test_the_mode_history_holds_changes_only():
    operate = new_operate("manual")
    operate.set_mode("manual")
    period(operate)
    operate.set_mode("fuzzy")
    assert operate.mode_history == [(0.0, "manual"), (CONTROL_PERIOD, "fuzzy")]
    assert operate.held_by("organic_flow") == "fuzzy"


def test_a_limited_setpoint_is_one_alarm_however_long_it_lasts():
    operate = new_operate("fuzzy")
    operate.supervisor = Proposer(organic_flow=10.0 * operate.nominal["organic_flow"])
    notes = []
    for _ in range(12):
        notes += period(operate)[1]
    high = next(each for each in operate.guard.levers if each.name == "organic_flow").high
    assert operate.in_force["organic_flow"] == pytest.approx(high)
    assert "guard.organic_flow" in tags(operate)
    assert sum("Guard" in note.text for note in notes) == 1
    operate.supervisor = Proposer()
    assert any("Cleared: Guard" in note.text for note in period(operate)[1])


def test_a_proposal_of_nan_never_reaches_the_plant():
    operate = new_operate("fuzzy")
    period(operate)
    operate.supervisor = Proposer(scrub_flow=math.nan)
    for _ in range(6):
        plans, _ = period(operate)
        for plan in plans:
            assert all(math.isfinite(value) for value in plan.setpoints.values())
    assert "guard.not_finite" in tags(operate)
    assert plans[-1].mode == "safe"
    assert dict(operate.in_force) == pytest.approx(operate.nominal)


def test_a_silent_laboratory_is_an_alarm_after_sixteen_hours():
    operate = new_operate()
    while operate.time < LAB_SILENCE:
        period(operate)
    assert not {tag for tag in tags(operate) if tag.startswith("lab.")}
    period(operate)
    assert {"lab.cepr", "lab.nd"} <= tags(operate)
    fresh = assay("nd", operate.time - 4.0 * HOUR)
    period(operate, assays=(fresh,))
    assert "lab.nd" not in tags(operate)
    assert "lab.cepr" in tags(operate)


@pytest.mark.parametrize("fault", ["nan", "frozen"])
def test_an_assay_that_is_not_sound_moves_nothing(fault):
    operate = new_operate("fuzzy")
    period(operate, assays=(assay("nd", 300.0),))
    believed, trim = operate.assays["nd"], operate.state.trim
    wrong = assay("nd", 400.0)
    values = believed.values if fault == "frozen" else np.full(3, math.nan)
    wrong = Reading(
        place="nd",
        sample_time=400.0,
        result_time=400.0 + 4 * HOUR,
        elements=wrong.elements,
        values=values.copy(),
        covariance=wrong.covariance,
        detection_limit=wrong.detection_limit,
        quality="good",
        instrument="assay",
    )
    _, notes = period(operate, assays=(wrong,))
    assert operate.assays["nd"] is believed
    assert operate.state.trim == trim
    assert operate.fresh_assays == ()
    assert "lab.nd" in tags(operate)
    assert any("not believed" in note.text for note in notes)


def test_an_assay_below_the_limit_is_an_alarm_until_one_is_above():
    operate = new_operate()
    period(operate, assays=(assay("nd", 300.0, impurity=2e-2),))
    assert "nd.purity" in tags(operate)
    period(operate, assays=(assay("nd", 400.0, seed=1, impurity=1e-4),))
    assert "nd.purity" not in tags(operate)


def test_a_sample_without_rare_earths_has_no_purity():
    operate = new_operate()
    elements = nominal()[0].circuit.elements
    empty = LaboratoryAssay(elements=elements).take(
        np.zeros(len(elements)), 300.0, np.random.default_rng(2), place="nd"
    )
    _, notes = period(operate, assays=(empty,))
    assert any("next to no rare earths" in note.text for note in notes)
    assert math.isnan(operate.impurity(empty))


def test_an_analyzer_that_never_reads_is_an_alarm():
    operate = new_operate("fuzzy")
    while operate.time < 2.0 * HOUR:
        assert not tags(operate)
        period(operate)
    period(operate)
    missing = {tag for tag in tags(operate) if tag.startswith("xrf.")}
    assert len(missing) == len(operate.supervisor.stages) + len(operate.plant.products)
    assert "fuzzy.holding" in tags(operate)
    assert dict(operate.in_force) == pytest.approx(operate.nominal)


def test_orders_carry_one_plan_per_scan_with_rising_sequence():
    operate = new_operate()
    plans, _ = period(operate)
    more, _ = period(operate)
    sequences = [plan.sequence for plan in (*plans, *more)]
    assert len(plans) == 10
    assert sequences == sorted(set(sequences))
    assert {plan.author for plan in plans} == {"guard"}
