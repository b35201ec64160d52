from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from patience import PATIENCE
from raffinate.errors import SpecificationError
from raffinate.runtime.gym_environment import (
    AGE_SPAN,
    ENVIRONMENT_ID,
    PlantEnv,
    RewardWeights,
    register_environment,
)
from raffinate.runtime.messages import CONTROL_PERIOD, SCAN
from raffinate.units import HOUR

STILL = np.zeros(3, dtype=np.float32)


@pytest.fixture(scope="module")
def env() -> PlantEnv:
    return PlantEnv(horizon_h=5.0)


def named(env: PlantEnv, observation: np.ndarray) -> dict[str, float]:
    return dict(zip(env.observation_names, observation.tolist(), strict=True))


def moved(env: PlantEnv, steps: int, action: np.ndarray = STILL) -> list[tuple]:
    return [env.step(action) for _ in range(steps)]


@pytest.mark.slow
def test_gymnasium_finds_nothing_to_complain_about():
    register_environment()
    # Any warning of the checker is an error under pytest.
    check_env(gymnasium.make(ENVIRONMENT_ID, horizon_h=2.0).unwrapped)


def test_importing_registers_nothing():
    code = (
        "import gymnasium, raffinate.runtime.gym_environment as g;"
        "assert g.ENVIRONMENT_ID not in gymnasium.registry;"
        "g.register_environment(); g.register_environment();"
        "assert g.ENVIRONMENT_ID in gymnasium.registry"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)


def test_the_same_seed_gives_the_same_episode_and_another_seed_another_plant(env):
    def episode(seed: int) -> np.ndarray:
        first, _ = env.reset(seed=seed)
        action = np.array([0.3, -0.2, 0.1], dtype=np.float32)
        return np.array([first, *(step[0] for step in moved(env, 6, action))])

    assert np.array_equal(episode(7), episode(7))
    assert not np.array_equal(episode(7), episode(8))


def test_an_observation_begins_with_nothing_known(env):
    observation, info = env.reset(seed=1)
    found = named(env, observation)
    assert found["stage 18 log ratio"] == 0.0
    assert found["stage 18 log age"] == pytest.approx(AGE_SPAN)
    assert found["organic_flow log setpoint"] == 0.0
    assert info["plant_hours"] == 0.0


def test_what_the_analyzer_saw_appears_with_its_age(env):
    env.reset(seed=1)
    found = named(env, moved(env, 12)[-1][0])
    episode = env._episode
    reading = episode.watches["xrf", "stage 18"].believed
    stage = next(s for s in env._supervisor.stages if s.place == "stage 18")
    ratio = reading.log_ratio(("Nd",), ("Ce", "Pr")).value - stage.target
    assert found["stage 18 log ratio"] == pytest.approx(ratio, rel=1e-5)
    hours = (2.0 * HOUR - reading.sample_time) / HOUR
    assert found["stage 18 log age"] == pytest.approx(math.log10(hours), rel=1e-5)


def test_an_analyzer_that_fails_ages_and_says_no_more(env):
    env.reset(seed=1)
    before = named(env, moved(env, 12)[-1][0])
    env._episode.twin.inject_fault("xrf", "nan")
    after = named(env, moved(env, 12)[-1][0])
    for stage in ("stage 5", "stage 55"):
        assert after[f"{stage} log ratio"] == before[f"{stage} log ratio"]
        assert after[f"{stage} log age"] > before[f"{stage} log age"]


def test_nothing_of_the_truth_reaches_the_observation(env):
    env.reset(seed=1)
    moved(env, 6)
    episode = env._episode
    before = env._observed(episode)
    episode.twin.accounts = {
        name: replace(account, purity=0.5, made=account.made * 2.0)
        for name, account in episode.twin.accounts.items()
    }
    episode.twin._snapshot = None
    episode.twin.operation = None
    assert np.array_equal(env._observed(episode), before)


def test_a_full_action_moves_a_lever_at_its_rate_and_not_beyond_its_limit(env):
    env.reset(seed=1)
    organic = env._guard.levers[0]
    assert env.levers[0] == organic.name
    push = np.array([1.0, 0.0, 0.0], dtype=np.float32)
    start = env._nominal[organic.name]
    _, _, _, _, info = env.step(push)
    # The first scan lies at the moment of taking over, when nothing has moved yet.
    reach = organic.rate_limit * (CONTROL_PERIOD - SCAN)
    assert info["setpoints_m3_per_h"][organic.name] == pytest.approx((start + reach) * HOUR)
    *_, info = moved(env, 12, push)[-1]
    assert info["setpoints_m3_per_h"][organic.name] == pytest.approx(organic.high * HOUR)
    assert any("limited" in message for message in info["refusals"])


def test_the_setpoint_in_force_is_observed(env):
    env.reset(seed=1)
    observation, _, _, _, info = moved(env, 3, np.array([1, -1, 0], dtype=np.float32))[-1]
    for name in env.levers:
        ratio = info["setpoints_m3_per_h"][name] / (env._nominal[name] * HOUR)
        assert named(env, observation)[f"{name} log setpoint"] == pytest.approx(
            math.log10(ratio), abs=1e-6
        )


def test_the_reward_is_the_books_of_the_period_priced_by_the_weights():
    weights = RewardWeights(on_spec=2.0, off_spec=3.0, ammonia=0.5, acid=0.25, move=0.125)
    env = PlantEnv(weights=weights, horizon_h=5.0)
    _, info = env.reset(seed=1)
    before = info["truth"]["books_t"]
    _, reward, _, _, info = env.step(np.array([0.5, -1.0, 0.0], dtype=np.float32))
    made = {name: value - before[name] for name, value in info["truth"]["books_t"].items()}
    assert made["on_spec"] + made["off_spec"] > 0.0
    assert min(made["ammonia"], made["acid"]) > 0.0
    priced = 2.0 * made["on_spec"] - 3.0 * made["off_spec"]
    priced -= 0.5 * made["ammonia"] + 0.25 * made["acid"] + 0.125 * 1.25
    assert reward == pytest.approx(priced)


def test_an_episode_is_truncated_at_its_horizon_and_never_terminated():
    env = PlantEnv(horizon_h=0.5)
    env.reset(seed=1)
    steps = moved(env, 3)
    assert [step[3] for step in steps] == [False, False, True]
    assert not any(step[2] for step in steps)


def test_a_story_befalls_the_plant():
    env = PlantEnv(horizon_h=2.0, story=("scrub_flow*=0@20min..2h",))
    env.reset(seed=1)
    first, *_, last = moved(env, 6)
    assert named(env, first[0])["scrub_flow log measured"] == pytest.approx(0.0, abs=0.05)
    assert named(env, last[0])["scrub_flow log measured"] == -3.0


@pytest.mark.parametrize("action", [np.zeros(2), np.array([0.0, math.nan, 0.0]), np.zeros((1, 3))])
def test_what_is_no_action_is_refused(env, action):
    env.reset(seed=1)
    with pytest.raises(SpecificationError, match="finite numbers"):
        env.step(action)


def test_a_step_before_reset_is_refused():
    with pytest.raises(SpecificationError, match="reset"):
        PlantEnv().step(STILL)


def test_a_horizon_of_nothing_is_refused():
    with pytest.raises(SpecificationError, match="horizon"):
        PlantEnv(horizon_h=0.1)
