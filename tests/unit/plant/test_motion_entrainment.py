"""A plant in time whose settlers do not part the phases clean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant_variants import SMALL, restaged
from raffinate.errors import SpecificationError
from raffinate.plant.motion import PlantMotion
from raffinate.plant.settler_hydraulics import SettlerHydraulics
from raffinate.plant.steady import solve_steady
from raffinate.units import HOUR


@pytest.fixture(scope="module")
def plant(default_plant):
    small = restaged(default_plant, SMALL)
    sections = tuple(
        replace(section, entrained_organic=0.01, entrained_aqueous=0.02)
        for section in small.circuit.sections
    )
    return replace(small, circuit=replace(small.circuit, sections=sections))


@pytest.mark.slow
def test_an_entraining_plant_rests_at_its_steady_state_and_moves_to_the_next(plant):
    """The steady solver and the integration carry the same entrainment; all balances close."""
    rest = solve_steady(plant)
    still = PlantMotion(plant, rest)
    still.advance(plant.operation(), 24.0 * HOUR)
    np.testing.assert_allclose(still.snapshot().aqueous, rest.aqueous, rtol=1e-6, atol=1e-9)
    motion = PlantMotion(plant, rest)
    operation = replace(
        plant.operation(), saponification_degree=0.95 * plant.operation().saponification_degree
    )
    motion.advance(operation, 5000.0 * HOUR)
    there, now = solve_steady(plant.operated(operation)), motion.snapshot()
    assert np.abs(there.aqueous / rest.aqueous - 1.0).max() > 0.01
    np.testing.assert_allclose(now.aqueous, there.aqueous, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(now.organic, there.organic, rtol=1e-6, atol=1e-9)
    assert motion.check() < 1e-10


def test_entrainment_and_moving_volumes_are_not_carried_together(plant):
    design = SettlerHydraulics(
        area=8.0, overflow_time=60.0, density_ratio=0.8, flooding_flow=4.0 / HOUR
    )
    both = replace(plant, circuit=replace(plant.circuit, hydraulics=design))
    with pytest.raises(SpecificationError, match="entrain") as caught:
        PlantMotion(both, None)
    assert caught.value.where == "hydraulics"
