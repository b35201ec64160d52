"""Operate the virtual plant as a Gymnasium environment: a rule of thumb against doing nothing.

Needs the extra `gym`. One step is ten minutes of plant time; a learning agent takes the place of
`rule_of_thumb`.
"""

from __future__ import annotations

import numpy as np

from raffinate.runtime.gym_environment import PlantEnv

HOURS = 24.0
UPSET = "organic.saponification_degree*=0.93@2h"


def stand_still(env: PlantEnv, observation: np.ndarray) -> np.ndarray:
    """Leave every lever where it is."""
    return np.zeros(len(env.levers), dtype=np.float32)


def rule_of_thumb(env: PlantEnv, observation: np.ndarray) -> np.ndarray:
    """Send less scrub back when heavy metal collects in the bank, and more when it runs out."""
    seen = dict(zip(env.observation_names, observation, strict=True))
    errors = [value for name, value in seen.items() if name.endswith("log ratio")]
    wanted = -0.4 * np.mean(errors) - seen["scrub_flow log setpoint"]
    moves = dict.fromkeys(env.levers, 0.0)
    moves["scrub_flow"] = np.clip(5.0 * wanted, -1.0, 1.0)
    return np.array(list(moves.values()), dtype=np.float32)


env = PlantEnv(horizon_h=HOURS, story=(UPSET,), matched=True)
for agent in (stand_still, rule_of_thumb):
    observation, info = env.reset(seed=11)
    total, truncated = 0.0, False
    while not truncated:
        observation, reward, _, truncated, info = env.step(agent(env, observation))
        total += reward
    purity = {name: f"{value:.4%}" for name, value in info["truth"]["purity"].items()}
    scrub = info["setpoints_m3_per_h"]["scrub_flow"]
    print(f"{agent.__name__:14} return {total:6.3f}  scrub {scrub:.3f} m³/h  purity {purity}")
