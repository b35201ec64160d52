"""A plant in time that entrains and is fed organic on the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant_variants import SMALL, restaged
from raffinate.plant.arrays import organic_feeds_of, settled_flows, streams_of
from raffinate.plant.model import OrganicFeed
from raffinate.plant.motion import PlantMotion
from raffinate.plant.steady import solve_steady
from raffinate.units import HOUR


def entraining(plant):
    sections = tuple(
        replace(section, entrained_organic=0.01, entrained_aqueous=0.02)
        for section in plant.circuit.sections
    )
    return replace(plant, circuit=replace(plant.circuit, sections=sections))


def fed_organic(plant):
    """Return the plant with a tenth of its organic flow fed, loaded, to its scrub as well."""
    feed = OrganicFeed(
        name="loaded",
        flow=0.1 * plant.circuit.organic_flow,
        concentration={"Pr": 20.0, "Nd": 60.0},
        cation=20.0,
    )
    first, second, third = plant.circuit.sections
    sections = (first, replace(second, organic=feed), third)
    return replace(plant, circuit=replace(plant.circuit, sections=sections))


def upset(plant):
    operation = plant.operation()
    return replace(operation, saponification_degree=0.95 * operation.saponification_degree)


def assert_near(snapshot, state):
    np.testing.assert_allclose(snapshot.aqueous, state.aqueous, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(snapshot.organic, state.organic, rtol=1e-8, atol=1e-9)


@pytest.fixture(scope="module")
def plant(default_plant):
    return fed_organic(entraining(restaged(default_plant, SMALL)))


@pytest.fixture(scope="module")
def rest(plant):
    return solve_steady(plant)


@pytest.mark.slow
def test_an_entraining_plant_rests_at_its_steady_state_and_moves_to_the_next(plant, rest):
    """The steady solver and the integration carry the same flows; all balances close."""
    still = PlantMotion(plant, rest)
    still.advance(plant.operation(), 24.0 * HOUR)
    assert_near(still.snapshot(), rest)
    motion, operation = PlantMotion(plant, rest), upset(plant)
    motion.advance(operation, 2500.0 * HOUR)
    there = solve_steady(plant.operated(operation))
    assert np.abs(there.aqueous / rest.aqueous - 1.0).max() > 0.01
    assert_near(motion.snapshot(), there)
    assert motion.check() < 1e-12


@pytest.mark.slow
def test_ammonia_is_what_saponification_takes_whatever_else_is_fed(plant, rest):
    passage = PlantMotion(plant, rest).advance(plant.operation(), HOUR)
    feeds = organic_feeds_of(plant.circuit)
    assert float(feeds.flow[0]) == pytest.approx(0.1 * plant.circuit.organic_flow)
    elements = len(plant.circuit.elements)
    dimer = plant.circuit.extractant_concentration / 2.0
    returned = float(np.asarray(rest.unknowns.stage)[plant.circuit.stages - 1, -2]) * dimer
    cation = plant.circuit.saponification_degree * plant.circuit.extractant_concentration
    flows = settled_flows(streams_of(plant.circuit)).entrained.organic_passed
    kept = min(float(flows[plant.circuit.stages - 1]), plant.circuit.organic_flow)
    taken = (plant.circuit.organic_flow * cation - kept * returned) * HOUR
    assert passage.ammonia == pytest.approx(taken, rel=1e-6)
    left = passage.raffinate + passage.drawn
    brought = float(feeds.flow[0]) * HOUR * np.asarray(feeds.concentration)[0, :elements]
    assert left[-1] > passage.fed[-1], "the loaded organic is stripped"
    assert left[-1] < passage.fed[-1] + brought[-1], "some Nd leaves with the organic bled"
