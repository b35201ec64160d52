"""Levers and plans."""

from __future__ import annotations

import math
import pickle

import pytest

from raffinate.control.plan import Lever, Plan
from raffinate.errors import SpecificationError

SOUND = {"name": "acid", "low": 0.0, "high": 2.0, "rate_limit": 0.1, "unit": "m³/s", "safe": 1.0}


@pytest.mark.parametrize(
    "changes",
    [
        {"low": 2.0},
        {"safe": 2.1},
        {"safe": -0.1},
        {"safe": math.nan},
        {"high": math.inf},
        {"rate_limit": 0.0},
        {"rate_limit": -1.0},
        {"rate_limit": math.nan},
    ],
)
def test_a_lever_that_cannot_be_kept_safe_is_refused(changes):
    Lever(**SOUND)
    with pytest.raises(SpecificationError, match="lever acid"):
        Lever(**(SOUND | changes))


@pytest.mark.parametrize(
    ("start", "target", "duration", "expected"),
    [(1.0, 2.0, 5.0, 1.5), (1.0, 0.0, 5.0, 0.5), (1.0, 1.2, 5.0, 1.2), (1.0, 2.0, 0.0, 1.0)],
)
def test_a_lever_moves_at_most_at_its_rate(start, target, duration, expected):
    assert Lever(**SOUND).moved(start, target, duration) == pytest.approx(expected, abs=1e-15)


def test_a_plan_keeps_its_own_setpoints_and_travels():
    setpoints = {"acid": 1.0}
    plan = Plan(
        setpoints=setpoints, issued_at=10.0, expires_at=20.0, sequence=1, author="me", mode="manual"
    )
    setpoints["acid"] = 5.0
    assert plan.setpoints == {"acid": 1.0}
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert [plan.holds_at(time) for time in (9.9, 10.0, 19.9, 20.0)] == [False, True, True, False]
