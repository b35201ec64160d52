"""The guard: limits, rates, expiry, refusals."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raffinate.control.guard import Guard, GuardState
from raffinate.control.plan import Lever, Plan
from raffinate.errors import SpecificationError

GUARD = Guard(
    levers=(
        Lever(name="acid", low=0.0, high=2.0, rate_limit=0.001, unit="m³/s", safe=1.0),
        Lever(name="organic", low=5.0, high=15.0, rate_limit=0.01, unit="m³/s", safe=10.0),
    ),
    plan_life=1800.0,
    longest_step=600.0,
)
NOW = {"acid": 1.2, "organic": 11.0}


def start(time: float = 0.0) -> GuardState:
    return GUARD.start(NOW, time)


def ask(acid: float = 1.2, organic: float = 11.0, **changes) -> Plan:
    settings = {
        "issued_at": 0.0,
        "expires_at": 1200.0,
        "sequence": 1,
        "author": "fuzzy",
        "mode": "fuzzy",
    }
    return Plan(setpoints={"acid": acid, "organic": organic}, **(settings | changes))


def kinds(refusals) -> list[str]:
    return [refusal.kind for refusal in refusals]


def test_a_sound_proposal_is_reached_at_the_rate_and_kept():
    state = start()
    state, plan, refusals = GUARD.step(state, ask(acid=1.3), 60.0)
    assert refusals == ()
    assert plan.setpoints == pytest.approx({"acid": 1.26, "organic": 11.0})
    assert (plan.author, plan.mode, plan.expires_at) == ("guard", "fuzzy", 1200.0)
    state, plan, _ = GUARD.step(state, None, 120.0)
    assert plan.setpoints == pytest.approx({"acid": 1.3, "organic": 11.0})
    assert plan.sequence == 2


def test_what_is_out_of_range_is_limited_and_told():
    state, _, refusals = GUARD.step(start(), ask(acid=9.0, organic=-math.pi), 60.0)
    assert [(r.kind, r.lever, r.granted) for r in refusals] == [
        ("out_of_range", "acid", 2.0),
        ("out_of_range", "organic", 5.0),
    ]
    assert "9 m³/s is outside 0 to 2 m³/s" in refusals[0].message
    assert state.accepted is not None
    assert state.accepted.setpoints == {"acid": 2.0, "organic": 5.0}


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_one_value_that_is_no_number_refuses_the_whole_proposal(wrong):
    state, before, _ = GUARD.step(start(), ask(acid=1.21), 60.0)
    state, after, refusals = GUARD.step(state, ask(acid=1.5, organic=wrong, sequence=2), 120.0)
    assert kinds(refusals) == ["not_finite"]
    assert refusals[0].lever == "organic"
    assert after.setpoints == pytest.approx(before.setpoints)
    assert state.mode == "fuzzy"


@pytest.mark.parametrize(
    ("proposal", "kind"),
    [
        (ask(sequence=1), "stale"),
        (ask(sequence=2, expires_at=120.0), "stale"),
        (ask(sequence=2, issued_at=-5.0), "stale"),
        (ask(sequence=1, author="ratio", issued_at=-5.0), "stale"),
        (ask(sequence=2, issued_at=121.0), "from_the_future"),
        (ask(sequence=2, expires_at=math.nan), "not_finite"),
        (ask(sequence=2, issued_at=math.inf), "not_finite"),
    ],
)
def test_proposals_out_of_their_time_or_order_are_refused(proposal, kind):
    state, _, _ = GUARD.step(start(), ask(), 60.0)
    after, plan, refusals = GUARD.step(state, proposal, 120.0)
    assert kinds(refusals) == [kind]
    assert after.accepted == state.accepted
    assert plan.setpoints == pytest.approx(NOW)


def test_authors_count_for_themselves():
    state, _, _ = GUARD.step(start(), ask(sequence=40), 60.0)
    _, plan, refusals = GUARD.step(
        state, ask(sequence=1, author="operator", mode="manual", issued_at=60.0), 120.0
    )
    assert refusals == ()
    assert plan.mode == "manual"


def test_proposals_that_leave_out_or_invent_levers_are_refused():
    odd = Plan(
        setpoints={"acid": 1.0, "orgamic": 9.0},
        issued_at=0.0,
        expires_at=900.0,
        sequence=1,
        author="x",
        mode="fuzzy",
    )
    state, _, refusals = GUARD.step(start(), odd, 60.0)
    assert sorted(kinds(refusals)) == ["incomplete", "unknown_lever"]
    assert any("Did you mean 'organic'?" in refusal.message for refusal in refusals)
    assert state.accepted is None


def test_the_last_plan_holds_to_its_expiry_then_the_safe_plan_takes_over_at_the_rate():
    state, _, _ = GUARD.step(start(), ask(acid=1.3, organic=12.0), 0.0)
    told = []
    for minute in range(1, 25):
        state, plan, refusals = GUARD.step(state, None, 60.0 * minute)
        told += [(minute, refusal.kind) for refusal in refusals]
        if minute == 19:
            assert plan.setpoints == pytest.approx({"acid": 1.3, "organic": 12.0})
            assert plan.mode == "fuzzy"
        if minute == 20:
            assert plan.setpoints == pytest.approx({"acid": 1.24, "organic": 11.4})
            assert plan.mode == "safe"
            assert plan.expires_at == 1200.0 + 1800.0
    assert told == [(20, "plan_expired")]
    assert plan.setpoints == GUARD.safe_setpoints()


def test_a_mode_change_starts_from_the_values_in_force():
    state, before, _ = GUARD.step(start(), ask(acid=1.3, organic=12.0), 60.0)
    jump = ask(
        acid=0.2, organic=6.0, author="operator", mode="manual", issued_at=120.0, expires_at=9e3
    )
    _, after, refusals = GUARD.step(state, jump, 120.0)
    assert refusals == ()
    assert after.mode == "manual"
    assert after.setpoints["acid"] == pytest.approx(before.setpoints["acid"] - 0.06)
    assert after.setpoints["organic"] == pytest.approx(before.setpoints["organic"] - 0.6)


def test_starting_moves_nothing_and_walks_an_outlier_back():
    outside = GUARD.start({"acid": 2.5, "organic": 11.0}, 100.0, sequence=7)
    state, plan, _ = GUARD.step(outside, None, 100.0)
    assert plan.setpoints == {"acid": 2.5, "organic": 11.0}
    assert plan.sequence == 8
    _, plan, _ = GUARD.step(state, None, 160.0)
    assert plan.setpoints["acid"] == pytest.approx(2.44)


@pytest.mark.parametrize(
    "in_force", [{"acid": 1.0}, {"acid": 1.0, "organic": math.nan}, {**NOW, "acidd": 1.0}]
)
def test_starting_needs_every_lever(in_force):
    with pytest.raises(SpecificationError, match="guard"):
        GUARD.start(in_force, 0.0)


def test_a_long_pause_does_not_become_a_jump():
    asked = ask(acid=0.0, expires_at=1e9)
    state, _, _ = GUARD.step(start(), asked, 0.0)
    _, plan, _ = GUARD.step(state, None, 36000.0)
    assert plan.setpoints["acid"] == pytest.approx(1.2 - 0.6)


def test_time_that_goes_back_moves_nothing_and_is_told():
    state, before, _ = GUARD.step(start(), ask(acid=1.9), 60.0)
    _, after, refusals = GUARD.step(state, None, 30.0)
    assert kinds(refusals) == ["time_went_back"]
    assert after.setpoints == before.setpoints
    with pytest.raises(SpecificationError, match="plant time"):
        GUARD.step(state, None, math.nan)


def test_a_step_is_pure():
    state = start()
    proposal = ask(acid=1.9)
    assert GUARD.step(state, proposal, 60.0) == GUARD.step(state, proposal, 60.0)
    assert state == start()


anything = st.floats(allow_nan=True, allow_infinity=True)
proposals = st.none() | st.builds(
    lambda a, o, issued, life, n: ask(a, o, issued_at=issued, expires_at=issued + life, sequence=n),
    anything,
    anything,
    anything,
    anything,
    st.integers(0, 50),
)


@given(st.lists(st.tuples(st.floats(-100, 3000), proposals), max_size=20))
def test_whatever_is_asked_the_plant_gets_limits_and_rates(history):
    state, time = start(), 0.0
    for pause, proposal in history:
        time += pause
        duration = max(time - state.time, 0.0)
        before = state.in_force
        state, plan, _ = GUARD.step(state, proposal, time)
        for lever in GUARD.levers:
            value = plan.setpoints[lever.name]
            assert lever.low <= value <= lever.high
            moved = abs(value - before[lever.name])
            assert moved <= lever.rate_limit * min(duration, GUARD.longest_step) + 1e-12


@pytest.mark.parametrize(
    "build",
    [
        lambda: Guard(levers=()),
        lambda: Guard(levers=GUARD.levers + GUARD.levers[:1]),
        lambda: Guard(levers=GUARD.levers, plan_life=0.0),
        lambda: Guard(levers=GUARD.levers, longest_step=math.inf),
    ],
)
def test_guards_that_cannot_work_are_refused(build):
    with pytest.raises(SpecificationError, match="guard"):
        build()


def test_the_guard_loads_no_numerics():
    code = (
        "import sys, raffinate.control.guard\n"
        "heavy = {'numpy', 'scipy', 'jax', 'pandas', 'pydantic', 'pint'} & set(sys.modules)\n"
        "sys.exit(f'loaded {sorted(heavy)}' if heavy else 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
