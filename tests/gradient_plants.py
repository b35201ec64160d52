"""A short bank solved once for every test of gradients, optima and probabilities."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from plant_variants import restaged
from priced_plants import made_up_prices
from raffinate.plant.gradients_point import SolvedPoint, solved_point
from raffinate.plant.model import Plant
from raffinate.plant.steady import SteadyState, solve_nominal
from solved_plants import shipped_plant

STAGES = (4, 4, 2)
"""Ten stages, padded to sixteen."""

PURITY = {"cepr": 0.8, "nd": 0.8}


@lru_cache(maxsize=1)
def short_plant() -> Plant:
    return replace(restaged(shipped_plant(), STAGES), nominal_purity=PURITY)


@lru_cache(maxsize=1)
def short_state() -> SteadyState:
    return solve_nominal(short_plant())


@lru_cache(maxsize=2)
def short_point(met: bool) -> SolvedPoint:
    """Return the short bank with its purities met, or at free flows."""
    meet = tuple(PURITY) if met else ()
    return solved_point(short_plant(), short_state(), meet=meet, prices=made_up_prices())
