"""The plant's own controller: limits, rates, watchdog, mode ladder, interlocks."""

from __future__ import annotations

import contextlib
import itertools
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raffinate.control.plan import Lever
from raffinate.control.plc import Plc, PlcState
from raffinate.errors import SpecificationError

NAMES = ("organic_flow", "acid_flow", "scrub_flow")


def plc() -> Plc:
    levers = tuple(
        Lever(name=name, low=low, high=high, rate_limit=rate, unit="m³/s", safe=safe)
        for name, low, high, rate, safe in (
            ("organic_flow", 2.0, 6.0, 0.001, 4.0),
            ("acid_flow", 0.5, 1.5, 0.001, 1.0),
            ("scrub_flow", 0.2, 1.2, 0.001, 0.5),
        )
    )
    return Plc(levers=levers, scan_time=60.0)


SAFE = {"organic_flow": 4.0, "acid_flow": 1.0, "scrub_flow": 0.5}


def row(organic: float, scans: int = 1, **others: float) -> dict[str, tuple[float, ...]]:
    wanted = {**SAFE, "organic_flow": organic, **others}
    return {name: (value,) * scans for name, value in wanted.items()}


def accepted(state: PlcState, organic: float, heartbeat: int, **changes: float) -> PlcState:
    return plc().accept(
        state, row(organic), heartbeat=heartbeat, sequence=heartbeat, expires_at=1200.0, **changes
    )


def test_a_plan_is_followed_no_faster_than_the_rate():
    state = accepted(plc().start(SAFE), 5.0, 1)
    state, plan = plc().step(state, 0.0, {})
    assert plan.mode == "remote"
    assert plan.setpoints["organic_flow"] == pytest.approx(4.06)


def test_a_trajectory_is_followed_scan_by_scan_to_the_last_bit():
    wanted = (4.01, 4.02, 4.05)
    plan = {**row(4.0, 3), "organic_flow": wanted}
    state = plc().accept(plc().start(SAFE), plan, heartbeat=3, sequence=1, expires_at=1200.0)
    given_ = []
    for scan in range(3):
        state, now = plc().step(state, 60.0 * scan, {})
        given_.append(now.setpoints["organic_flow"])
    assert tuple(given_) == wanted
    assert state.mode == "remote"


def test_two_missed_heartbeats_hold_the_last_setpoints_without_a_bump():
    state = accepted(plc().start(SAFE), 4.03, 1)
    state, first = plc().step(state, 0.0, {})
    state, missed = plc().step(state, 60.0, {})
    assert not state.watchdog
    state, held = plc().step(state, 120.0, {})
    assert state.watchdog
    assert held.mode == "hold"
    assert first.setpoints == missed.setpoints == held.setpoints


def test_an_expired_plan_walks_to_the_safe_plan_by_less_than_a_hundredth_of_the_span():
    state = accepted(plc().start(SAFE), 4.06, 1)
    flows = []
    for scan in range(25):
        state, plan = plc().step(state, 60.0 * scan, {})
        flows.append(plan.setpoints["organic_flow"])
    assert state.mode == "safe"
    assert flows[0] == pytest.approx(4.06)
    assert flows[19] == pytest.approx(4.06)
    assert flows[20:] == pytest.approx([4.024, 4.0, 4.0, 4.0, 4.0])
    steps = [abs(b - a) for a, b in itertools.pairwise(flows)]
    assert max(steps) < 0.01 * (6.0 - 2.0)


def test_a_new_plan_ends_hold_and_safe():
    state = accepted(plc().start(SAFE), 4.03, 1)
    for scan in range(25):
        state, _ = plc().step(state, 60.0 * scan, {})
    state = plc().accept(state, row(4.0), heartbeat=26, sequence=2, expires_at=9000.0)
    state, plan = plc().step(state, 1500.0, {})
    assert plan.mode == "remote"
    assert not state.watchdog


def test_before_the_first_plan_the_flows_it_found_stay():
    found = {**SAFE, "organic_flow": 4.4}
    state = plc().start(found)
    for scan in range(100):
        state, plan = plc().step(state, 60.0 * scan, {})
        assert plan.setpoints == found
    assert state.watchdog


@pytest.mark.parametrize(
    ("trajectory", "changes"),
    [
        (row(6.5), {}),
        (row(math.nan), {}),
        ({"organic_flow": (4.0,)}, {}),
        ({**row(4.0), "fourth_flow": (1.0,)}, {}),
        ({**row(4.0), "acid_flow": (1.0, 1.0)}, {}),
        (row(4.0, 0), {}),
        (row(4.0), {"heartbeat": 4, "sequence": 5}),
        (row(4.0), {"heartbeat": -1}),
        (row(4.0), {"sequence": 4}),
        (row(4.0), {"expires_at": math.inf}),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_and_changes_nothing(trajectory, changes):
    state = plc().accept(plc().start(SAFE), row(4.1), heartbeat=5, sequence=5, expires_at=1200.0)
    with pytest.raises(SpecificationError):
        plc().accept(
            state, trajectory, **{"heartbeat": 6, "sequence": 6, "expires_at": 1800.0, **changes}
        )
    assert state.sequence == 5


def test_scrub_never_exceeds_the_acid_it_is_taken_from():
    state = plc().start({**SAFE, "acid_flow": 0.5, "scrub_flow": 0.5})
    state = plc().accept(
        state, row(4.0, acid_flow=0.5, scrub_flow=0.9), heartbeat=1, sequence=1, expires_at=900.0
    )
    state, plan = plc().step(state, 0.0, {})
    assert plan.setpoints["scrub_flow"] == pytest.approx(0.5)
    assert state.interlocks == ("scrub_within_acid",)


def test_lost_organic_takes_acid_and_scrub_down_only_after_three_scans():
    state = accepted(plc().start(SAFE), 4.0, 10)
    for scan in range(2):
        state, plan = plc().step(state, 60.0 * scan, {"organic_flow": 0.0})
        assert plan.setpoints["acid_flow"] == 1.0
    state, plan = plc().step(state, 120.0, {"organic_flow": 0.0})
    assert state.interlocks == ("organic_lost",)
    assert plan.setpoints["acid_flow"] == pytest.approx(0.94)
    state, plan = plc().step(state, 180.0, {"organic_flow": 4.0})
    assert state.interlocks == ()


@given(
    plans=st.lists(
        st.tuples(
            st.booleans(),
            st.floats(1.0, 7.0),
            st.floats(0.0, 2.0),
            st.floats(0.0, 2.0),
            st.floats(-100.0, 3000.0),
        ),
        max_size=40,
    ),
    measured=st.floats(0.0, 5.0),
)
def test_whatever_is_asked_setpoints_stay_inside_limits_and_rates(plans, measured):
    state = plc().start(SAFE)
    for scan, (comes, organic, acid, scrub, life) in enumerate(plans):
        if comes:
            trajectory = row(organic, acid_flow=acid, scrub_flow=scrub)
            with contextlib.suppress(SpecificationError):
                state = plc().accept(
                    state,
                    trajectory,
                    heartbeat=scan + 1,
                    sequence=scan,
                    expires_at=60.0 * scan + life,
                )
        before = state.in_force
        state, plan = plc().step(state, 60.0 * scan, {"organic_flow": measured})
        for lever in plc().levers:
            value = plan.setpoints[lever.name]
            assert lever.low <= value <= lever.high
            assert abs(value - before[lever.name]) <= lever.rate_limit * 60.0 + 1e-12


def test_guard_and_plc_load_no_numerics():
    code = (
        "import sys; import raffinate.control.plc, raffinate.control.guard; "
        "print([m for m in ('numpy', 'scipy', 'jax', 'pandas') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_a_heartbeat_far_ahead_cannot_switch_the_watchdog_off():
    state = plc().start(SAFE)
    with pytest.raises(SpecificationError, match="speaks up to scan 1000000"):
        plc().accept(state, row(4.1), heartbeat=10**6, sequence=1, expires_at=1e9)
    state = plc().accept(state, row(4.1), heartbeat=60, sequence=1, expires_at=1e9)
    for scan in range(62):
        state, _ = plc().step(state, 60.0 * scan, {})
    assert state.mode == "hold"
