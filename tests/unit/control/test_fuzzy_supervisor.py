"""The fuzzy supervisor: what its rules answer, and when it holds still."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raffinate.control.fuzzy_supervisor import (
    FuzzySupervisor,
    Monitored,
    Outlet,
    SupervisorState,
    rule_base,
)
from raffinate.instruments.reading import Reading
from raffinate.units import HOUR

ELEMENTS = ("Ce", "Pr", "Nd")
NOMINAL = {"organic_flow": 4.0e-3, "acid_flow": 4.6e-4, "scrub_flow": 3.4e-4}
PERIOD = 600.0
BASE = rule_base("inventory", "draw", 0.35, 0.01)
SUPERVISOR = FuzzySupervisor(
    heavy=("Nd",),
    light=("Ce", "Pr"),
    stages=(
        Monitored(place="stage 10", side=-1, target=-1.0),
        Monitored(place="stage 46", side=1, target=1.0),
    ),
    outlets=(
        Outlet(name="cepr", side=-1, elements=("Ce", "Pr"), aim=-3.35),
        Outlet(name="nd", side=1, elements=("Nd",), aim=-3.35),
    ),
    nominal=NOMINAL,
)


def answer(error: float, trend: float) -> float:
    return float(BASE.evaluate({"inventory": error, "trend": trend})["draw"])


def reading(place: str, log_ratio: float, time: float, **changes) -> Reading:
    """Return a reading whose log₁₀ Nd/(Ce + Pr) is given."""
    heavy = 1000.0 * 10.0**log_ratio / (1.0 + 10.0**log_ratio)
    # The last bits move with time, as they do in an instrument that lives.
    values = np.array([0.7, 0.3, 0.0]) * (1000.0 - heavy) + np.array([0.0, 0.0, heavy])
    made = {
        "place": place,
        "sample_time": time,
        "result_time": time,
        "elements": ELEMENTS,
        "values": values * (1.0 + 1e-9 * time),
        "covariance": np.eye(3),
        "detection_limit": np.full(3, 1e-3),
        "quality": "good",
        "instrument": "xrf",
    }
    return Reading(**{**made, **changes})


def watched(extraction: float, scrub: float, hours: float = 24.0) -> SupervisorState:
    """Return the state after hours of constant errors of the two fronts, [decades]."""
    state, time = SUPERVISOR.start(0.0, NOMINAL), 0.0
    while time < hours * HOUR:
        time += PERIOD
        readings = (
            reading("stage 10", -1.0 + extraction, time),
            reading("stage 46", 1.0 + scrub, time),
        )
        state = SUPERVISOR.observe(state, readings, (), time)
    return state


def test_the_rule_table_is_an_even_plane_between_its_ends():
    """In the middle the rules are error and trend in equal parts, two thirds of each span."""
    for error in np.linspace(-0.35, 0.35, 15):
        for trend in np.linspace(-0.01, 0.01, 15):
            plane = 2.0 / 3.0 * (error / 0.35 + trend / 0.01)
            if abs(plane) <= 1.0 / 3.0:
                assert answer(error, trend) == pytest.approx(plane, abs=1e-4)
            elif abs(plane) <= 2.0 / 3.0:
                assert answer(error, trend) == pytest.approx(plane, abs=0.07)


@given(st.floats(-1.0, 1.0), st.floats(-0.03, 0.03), st.floats(0.0, 0.5))
def test_rules_are_odd_bounded_and_never_fall_with_the_error(error, trend, more):
    here = answer(error, trend)
    assert abs(here) <= 1.0
    assert answer(-error, -trend) == pytest.approx(-here, abs=1e-9)
    assert answer(error + more, trend) >= here - 1e-9


def test_a_start_moves_nothing():
    in_force = {"organic_flow": 4.4e-3, "acid_flow": 4.5e-4, "scrub_flow": 3.0e-4}
    state = SUPERVISOR.start(0.0, in_force)
    _, advice = SUPERVISOR.advise(state, in_force, in_force, PERIOD)
    assert advice.setpoints == pytest.approx(in_force, rel=1e-12)
    assert "no fresh readings" in advice.holding


def test_too_much_heavy_on_both_sides_draws_more_of_it():
    state = watched(0.3, 0.3)
    after, advice = SUPERVISOR.advise(state, NOMINAL, NOMINAL, PERIOD)
    assert after.draw > state.draw
    assert after.organic == pytest.approx(state.organic, abs=1e-6)
    assert advice.setpoints["scrub_flow"] < NOMINAL["scrub_flow"]
    moving = [text for text, _ in advice.rules if "draw is" in text and "hold" not in text]
    assert moving
    assert all("inventory is high" in text or "strongly_high" in text for text in moving)


def test_blunt_fronts_take_more_organic_and_acid_with_it():
    state = watched(0.3, -0.3)
    after, advice = SUPERVISOR.advise(state, NOMINAL, NOMINAL, PERIOD)
    assert after.organic > state.organic
    assert after.draw == pytest.approx(state.draw, abs=1e-6)
    ratio = NOMINAL["acid_flow"] / NOMINAL["organic_flow"]
    found = advice.setpoints["acid_flow"] / advice.setpoints["organic_flow"]
    assert found == pytest.approx(ratio)


def test_on_target_nothing_moves():
    state = watched(0.0, 0.0)
    _, advice = SUPERVISOR.advise(state, NOMINAL, NOMINAL, PERIOD)
    assert advice.setpoints == pytest.approx(NOMINAL, rel=1e-6)
    assert advice.holding == ""


def test_a_constant_error_is_integrated_until_the_reach():
    state = watched(0.35, 0.35)
    for _ in range(2000):
        state, _ = SUPERVISOR.advise(state, NOMINAL, NOMINAL, PERIOD)
    assert state.draw == pytest.approx(SUPERVISOR.reach[1])


def test_an_acid_ratio_set_by_hand_fades_over_a_day():
    in_force = {**NOMINAL, "acid_flow": 1.1 * NOMINAL["acid_flow"]}
    state = replace(watched(0.0, 0.0), acid=SUPERVISOR.start(0.0, in_force).acid)
    begun = state.acid
    for _ in range(144):
        state, _ = SUPERVISOR.advise(state, NOMINAL, NOMINAL, PERIOD)
    assert state.acid == pytest.approx(begun * math.exp(-1.0))


def test_readings_age_until_it_holds():
    state = watched(0.3, 0.3)
    late = state.time + SUPERVISOR.longest_age + PERIOD
    state = SUPERVISOR.observe(state, (), (), late)
    after, advice = SUPERVISOR.advise(state, NOMINAL, NOMINAL, PERIOD)
    assert set(state.quality.values()) == {"stale"}
    assert "no fresh readings" in advice.holding
    assert (after.draw, after.organic) == (state.draw, state.organic)


def test_one_side_alone_is_not_enough():
    state = watched(0.3, 0.3)
    late = state.time + SUPERVISOR.longest_age + PERIOD
    state = SUPERVISOR.observe(state, (reading("stage 10", -0.7, late),), (), late)
    assert SUPERVISOR.advise(state, NOMINAL, NOMINAL, PERIOD)[1].holding


@pytest.mark.parametrize(
    ("flow", "part"), [(math.nan, "is not measured"), (0.0, "does not follow its setpoint")]
)
def test_a_flow_that_fails_is_a_reason_to_hold(flow, part):
    state = watched(0.3, 0.3)
    measured = {**NOMINAL, "scrub_flow": flow}
    after, advice = SUPERVISOR.advise(state, measured, NOMINAL, PERIOD)
    assert advice.holding == f"scrub_flow {part}"
    assert after == state


@pytest.mark.parametrize("broken", ["nan", "frozen"])
def test_a_reading_that_is_not_sound_is_not_believed(broken):
    state = watched(0.0, 0.0)
    before = state.readings["stage 10"]
    values = np.full(3, math.nan) if broken == "nan" else before.values.copy()
    later = reading("stage 10", 0.0, state.time + PERIOD, values=values)
    after = SUPERVISOR.observe(state, (later,), (), state.time + PERIOD)
    assert after.quality["stage 10"] == "bad"
    assert after.readings["stage 10"] is before


@pytest.mark.parametrize(("place", "index"), [("cepr", 0), ("nd", 1)])
def test_an_impure_assay_moves_the_target_of_its_own_side_only(place, index):
    wanted = ("Ce", "Pr") if place == "cepr" else ("Nd",)
    share = np.array([e in wanted for e in ELEMENTS])
    values = np.where(share, 900.0, 900.0 * 2e-3)
    impure = reading(place, 0.0, 3600.0, values=values, instrument="assay")
    state = SUPERVISOR.observe(SUPERVISOR.start(0.0, NOMINAL), (), (impure,), 3600.0)
    # Less Nd is wanted in the extraction, more of it in the scrub.
    expected = [0.0, 0.0]
    expected[index] = (-1.0, 1.0)[index] * SUPERVISOR.lab_gain * 0.3
    assert state.trim == pytest.approx(tuple(expected))


def test_trims_stop_at_their_bounds():
    state = SUPERVISOR.start(0.0, NOMINAL)
    for k in range(100):
        impure = reading("nd", 0.0, float(k), instrument="assay")
        state = SUPERVISOR.observe(state, (), (impure,), float(k))
    assert state.trim == (0.0, 0.8)


def test_a_step_replays():
    one, two = watched(0.2, -0.1), watched(0.2, -0.1)
    assert one.error == two.error
    assert (
        SUPERVISOR.advise(one, NOMINAL, NOMINAL, PERIOD)[1]
        == (SUPERVISOR.advise(two, NOMINAL, NOMINAL, PERIOD)[1])
    )
