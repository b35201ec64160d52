"""What a plant holds is the sum over its stages, and what the engine counts."""

from __future__ import annotations

import numpy as np
import pytest

from priced_plants import made_up_prices
from raffinate.chemistry.elements import oxide_molar_masses
from raffinate.plant.economics_inventory import TANK, inventory
from raffinate.plant.economics_money import money_locked
from raffinate.plant.motion import PlantMotion
from solved_plants import nominal_state, shipped_plant


def test_inventory_is_the_sum_over_stages() -> None:
    plant, state = shipped_plant(), nominal_state()
    operation = state.operation
    assert operation is not None
    oxide = np.array(oxide_molar_masses(state.elements))
    aqueous = {"extraction": operation.feed_flow + operation.scrub_flow}
    aqueous |= {"scrub": operation.scrub_flow, "strip": operation.acid_flow}
    recycle = {section.name: section.recycle for section in plant.circuit.sections}
    total = plant.circuit.organic_tank * state.organic[-1]
    for n, name in enumerate(state.sections):
        ratio = operation.organic_flow / (aqueous[name] + recycle[name])
        organic = 1.5 * ratio / (1.0 + ratio)
        total = total + (1.5 - organic + 1.5) * state.aqueous[n]
        total = total + (organic + 3.6) * state.organic[n]
    found = inventory(plant, state)
    assert found.oxide_masses == pytest.approx(total * oxide, rel=1e-12)
    parts = found.oxide_in("aqueous") + found.oxide_in("organic")
    assert parts == pytest.approx(found.oxide_masses, rel=1e-12)


def test_inventory_is_what_the_engine_holds_at_rest() -> None:
    plant, state = shipped_plant(), nominal_state()
    assert state.operation is not None
    moving = PlantMotion(plant.operated(state.operation), state)
    oxide = np.array(oxide_molar_masses(state.elements))
    held = moving._held()[: len(state.elements)] * oxide
    assert inventory(plant, state).oxide_masses == pytest.approx(held, rel=1e-6)


def test_volumes_are_those_of_the_vessels() -> None:
    found = inventory(shipped_plant(), nominal_state())
    assert found.volume("aqueous") + found.volume("organic") == pytest.approx(68 * 6.6 + 7.5)
    tank = next(each for each in found.vessels if each.section == TANK)
    assert tank.volume == 7.5
    assert found.extractant == pytest.approx(1500.0 * found.volume("organic"))


def test_days_of_feed_are_oxide_held_over_oxide_fed() -> None:
    state = nominal_state()
    operation = state.operation
    assert operation is not None
    found = inventory(shipped_plant(), state)
    fed = operation.feed_reo * operation.feed_flow
    assert found.feed_time == pytest.approx(found.oxide_mass / fed)


def test_money_locked_is_what_is_held_at_its_price() -> None:
    found = inventory(shipped_plant(), nominal_state())
    locked = money_locked(found, made_up_prices())
    solvent = found.volume("organic")
    oxides = float(found.oxide_masses @ np.array([1.0, 54.0, 56.0]))
    extractant = solvent * 1500.0 * 0.3064
    diluent = solvent - extractant / 950.0
    assert locked.value == pytest.approx(oxides + extractant * 9.0 + diluent * 900.0)
    assert locked.evidence == "assumed"
    part = money_locked(found, made_up_prices(extractant_per_kg=None))
    assert part.value is None
    assert part.counted == pytest.approx((locked.value or 0.0) - extractant * 9.0)
    assert part.missing == ("extractant_per_kg",)
