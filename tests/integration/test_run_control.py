"""Modes change without a bump, and every plan of a run keeps limits and rates."""

from __future__ import annotations

import random

import pytest

from raffinate.runtime.loop import PlantRun
from raffinate.runtime.messages import MODES
from raffinate.runtime.upsets import UPSETS
from running_plants import assert_inside_limits, new_run, recording


def steps(run: PlantRun, count: int) -> None:
    for _ in range(count):
        run.step()


@pytest.mark.slow
def test_no_change_of_mode_moves_a_setpoint_by_more_than_a_hundredth_of_its_span():
    run = new_run(48.0, seed=2, mode="manual")
    spans = {lever.name: lever.high - lever.low for lever in run.operate.guard.levers}
    run.operate.request("acid_flow", 1.05 * run.operate.nominal["acid_flow"])
    steps(run, 24)
    for mode in ("fuzzy", "ratio", "manual", "ratio", "fuzzy", "manual", "fuzzy"):
        before = dict(run.operate.in_force)
        run.operate.set_mode(mode)
        run.step()
        for name, span in spans.items():
            assert abs(run.operate.in_force[name] - before[name]) <= 0.01 * span, (mode, name)
        if mode == "ratio":
            run.operate.request("organic_flow", 1.01 * run.operate.in_force["organic_flow"])
        steps(run, 6)


@pytest.mark.parametrize("script", range(3))
def test_whatever_is_asked_every_plan_keeps_limits_and_rates(script):
    chance = random.Random(script)
    run = new_run(30.0, seed=script, mode=chance.choice(MODES))
    given = recording(run)
    while not run.finished:
        draw = chance.random()
        if draw < 0.06:
            run.operate.set_mode(chance.choice(MODES))
        elif draw < 0.09:
            run.twin.begin_upset(chance.choice(tuple(UPSETS)))
        elif draw < 0.25:
            lever = chance.choice(run.operate.guard.levers)
            if run.operate.held_by(lever.name) == "operator":
                run.operate.request(lever.name, chance.uniform(lever.low, lever.high))
        run.step()
    assert len(given) == 30 * 60
    assert_inside_limits(run, given)
    assert run.summary()["balance_error"] < 1e-6
