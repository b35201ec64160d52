"""The default plant with an analyzer that is checked and asked for streams."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from raffinate.plant.analyzer_plan import CheckPlan
from raffinate.plant.model import Plant
from raffinate.plant.steady import SteadyState
from raffinate.units import HOUR
from running_plants import nominal

CHECKS = CheckPlan(
    blank_interval=6.0 * HOUR,
    standard_interval=3.0 * HOUR,
    standard=(400.0, 200.0, 400.0),
    acid=500.0,
    relative_sd=0.002,
    count_time=300.0,
    purge_time=120.0,
    repeats=2,
)


def checked(**changes: Any) -> tuple[Plant, SteadyState]:
    """Return the plant at its nominal flows, and its nominal state."""
    plant, state = nominal()
    chosen = {
        "checks": CHECKS,
        "choice": "worth",
        "longest_interval": 3600.0,
        "shortest_interval": 540.0,
        **changes,
    }
    return replace(plant, analyzer=replace(plant.analyzer, **chosen)), state
