"""Runs of the default plant that several test files share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from raffinate.control.plan import Plan
from raffinate.plant.model import Plant
from raffinate.plant.steady import SteadyState
from raffinate.runtime.loop import PlantRun
from raffinate.runtime.messages import CONTROL_PERIOD, SCAN, Note, PlantReport
from raffinate.runtime.operate import Operate
from raffinate.units import HOUR
from solved_plants import nominal_state, shipped_plant


@cache
def nominal() -> tuple[Plant, SteadyState]:
    """Return the default plant at its nominal flows, and its nominal state."""
    state = nominal_state()
    assert state.operation is not None
    return shipped_plant().operated(state.operation), state


def new_run(hours: float = 48.0, **changes: Any) -> PlantRun:
    """Return a run without a story, unless one is given."""
    chosen: dict[str, Any] = {"seed": 104, "story": ()}
    return PlantRun(shipped_plant(), duration=hours * HOUR, **{**chosen, **changes})


def new_operate(mode: str = "manual") -> Operate:
    """Return the operating side alone; `report_to` stands in for a plant."""
    return Operate(*nominal(), mode)


def report_to(operate: Operate, **changes: Any) -> PlantReport:
    """Return what an obedient plant reports at the end of the next period."""
    quiet: dict[str, Any] = {
        "time": operate.time + CONTROL_PERIOD,
        "measured": dict(operate.in_force),
        "setpoints": dict(operate.in_force),
        "readings": (),
        "assays": (),
    }
    return PlantReport(**{**quiet, **changes})


def tags(run_or_operate: PlantRun | Operate) -> set[str]:
    """Return the tags of the alarms that stand."""
    operate = run_or_operate.operate if isinstance(run_or_operate, PlantRun) else run_or_operate
    return {alarm.tag for alarm in operate.alarms.standing}


def recording(run: PlantRun) -> list[Plan]:
    """Return a list that fills with every plan the plant is given."""
    given: list[Plan] = []
    advance = run.twin.advance

    def noted(plans: Sequence[Plan]) -> tuple[PlantReport, tuple[Note, ...]]:
        given.extend(plans)
        return advance(plans)

    run.twin.advance = noted  # type: ignore[method-assign]
    return given


def assert_inside_limits(run: PlantRun, given: Sequence[Plan]) -> None:
    """Every plan lies inside the limits, and no faster than the rates from the one before."""
    before = run.operate.nominal
    for plan in given:
        for lever in run.operate.guard.levers:
            value = plan.setpoints[lever.name]
            span = lever.high - lever.low
            assert lever.low - 1e-9 * span <= value <= lever.high + 1e-9 * span, plan
            reach = lever.rate_limit * SCAN + 1e-9 * span
            assert abs(value - before[lever.name]) <= reach, plan
        before = plan.setpoints
