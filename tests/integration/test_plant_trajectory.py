"""The shipped plant in time: at rest, through upsets, from start-up; always balanced."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.plant.events import parse_event
from raffinate.plant.motion import PlantMotion
from raffinate.plant.simulate import simulate

HOUR = 3600.0


def events(plant, *texts):
    return [parse_event(text, plant.circuit.elements) for text in texts]


@pytest.mark.slow
def test_a_plant_at_rest_stays_there(default_plant, nominal_state):
    plant = default_plant.operated(nominal_state.operation)
    motion = PlantMotion(plant, nominal_state)
    for _ in range(4):
        motion.advance(nominal_state.operation, 60.0 * HOUR)
    now = motion.snapshot()
    assert np.abs(now.aqueous / nominal_state.aqueous - 1.0).max() < 1e-6
    assert np.abs(now.organic / nominal_state.organic - 1.0).max() < 1e-6
    assert motion.check() < 1e-6


@pytest.mark.slow
def test_thirty_days_with_upsets_balance(default_plant):
    """The upsets of the default story; balance reached: about 1e-11."""
    story = events(
        default_plant,
        "organic.saponification_degree*=0.9@48h..96h",
        "feed.nd_mass_fraction=0.4213@240h..480h",
        "scrub_flow=0@600h..604h",
    )
    path = simulate(default_plant, 720.0 * HOUR, story, interval=6.0 * HOUR)
    assert path.balance_error < 1e-8
    assert path.time[-1] == 720.0 * HOUR
    assert len(path.time) == 121
    assert (path.aqueous > 0.0).all()
    assert (path.organic > 0.0).all()
    assert path.hours_to_off_spec("cepr") < 100.0
    at = {hour: int(np.searchsorted(path.time, hour * HOUR)) for hour in (0, 66, 300, 606)}
    base = path.saponification_degree[at[0]]
    assert path.saponification_degree[at[66]] == pytest.approx(0.9 * base)
    assert path.feed_mass_fraction[at[300], 2] == pytest.approx(0.4213)
    assert path.scrub_flow[at[606]] == path.scrub_flow[at[0]] > 0.0


def test_a_tripped_scrub_pump_runs_and_balances(default_plant):
    """Without scrub the scrub section has no aqueous but what it recycles."""
    path = simulate(
        default_plant,
        12.0 * HOUR,
        events(default_plant, "scrub_flow=0@2h..6h"),
        interval=1.0 * HOUR,
    )
    assert path.balance_error < 1e-8
    tripped = (path.time > 2.0 * HOUR) & (path.time <= 6.0 * HOUR)
    assert (path.scrub_flow[tripped] == 0.0).all()
    assert (path.scrub_flow[~tripped] > 0.0).all()
    assert np.abs(path.aqueous[-1] / path.aqueous[0] - 1.0).max() > 1e-3


@pytest.mark.slow
def test_start_up_runs_and_balances(default_plant):
    path = simulate(default_plant, 24.0 * HOUR, start="startup", interval=2.0 * HOUR)
    assert path.balance_error < 1e-8
    assert (path.aqueous > 0.0).all()
    assert path.impurity["nd"][-1] > 0.01, "a bank filled with feed takes weeks to separate"


def test_rows_and_events_need_not_coincide(default_plant):
    path = simulate(
        default_plant,
        5.0 * HOUR,
        events(default_plant, "feed.flow*=1.05@100min..170min"),
        interval=2.0 * HOUR,
    )
    np.testing.assert_allclose(path.time / HOUR, [0.0, 2.0, 4.0, 5.0])
    table = path.to_dataframe()
    assert list(table["time_h"]) == [0.0, 2.0, 4.0, 5.0]
    assert {"cepr_impurity", "nd_impurity", "scrub_flow_m3_per_h"} <= set(table.columns)


@pytest.mark.parametrize(
    "wrong", [{"duration": 0.0}, {"duration": float("nan")}, {"interval": -1.0}]
)
def test_a_time_that_does_not_pass_is_refused(default_plant, wrong):
    with pytest.raises(SpecificationError, match=next(iter(wrong))):
        simulate(default_plant, **{"duration": HOUR, **wrong})
