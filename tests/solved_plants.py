"""The shipped plant solved and moved once for every test file that looks at the results."""

from __future__ import annotations

from functools import lru_cache

from raffinate.plant.events import parse_event
from raffinate.plant.model import Plant
from raffinate.plant.plant_file import load_plant
from raffinate.plant.simulate import Trajectory, simulate
from raffinate.plant.steady import SteadyState, solve_nominal

NAME = "ceprnd_p507"


@lru_cache(maxsize=1)
def shipped_plant() -> Plant:
    return load_plant(NAME)


@lru_cache(maxsize=1)
def nominal_state() -> SteadyState:
    return solve_nominal(shipped_plant())


@lru_cache(maxsize=1)
def short_trajectory() -> Trajectory:
    """Three hours with two upsets, a row every ten minutes."""
    plant = shipped_plant()
    texts = ("scrub_flow=0@1h..2h", "feed.nd_mass_fraction=0.4213@2h")
    events = [parse_event(text, plant.circuit.elements) for text in texts]
    return simulate(plant, 3 * 3600.0, events)
