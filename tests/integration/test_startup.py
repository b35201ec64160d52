"""Start-up by total reflux, shut-down, and the film strip of a start-up."""

from __future__ import annotations

import numpy as np
import pytest

from plant_variants import SMALL, restaged
from raffinate.errors import SpecificationError
from raffinate.plant.simulate import simulate
from raffinate.plant.startup import (
    BRACKET,
    film_strip,
    hours_until_on_specification,
    shut_down,
    total_reflux_start_up,
)
from raffinate.plant.steady import solve_steady

DAY = 24 * 3600.0


@pytest.mark.slow
def test_total_reflux_reaches_specification_months_earlier(default_plant, nominal_state):
    """At its flows alone the plant is still off at forty days; with total reflux in under 30."""
    chosen = total_reflux_start_up(default_plant, nominal_state)
    assert BRACKET[0] < chosen.reflux_time / chosen.estimate < BRACKET[1]
    common = {"start": "startup", "nominal": nominal_state, "interval": 3600.0}
    quick = simulate(default_plant, 40 * DAY, chosen.events, **common)
    slow = simulate(default_plant, 40 * DAY, **common)
    assert hours_until_on_specification(slow) == np.inf
    assert hours_until_on_specification(quick) < 30 * 24.0
    assert quick.balance_error < 1e-10
    strip = film_strip(quick, [0.0, 0.5 * chosen.reflux_time, chosen.reflux_time, 40 * DAY])
    neodymium = strip.organic_share[:, 30, strip.elements.index("Nd")]
    assert (np.diff(neodymium) > 0.0).any()
    np.testing.assert_allclose(strip.aqueous_share.sum(axis=2), 1.0)


def test_a_plant_shut_down_stands_still_and_goes_on(default_plant):
    plant = restaged(default_plant, SMALL)
    rest = solve_steady(plant)
    events = shut_down(1.0 * 3600.0, 13.0 * 3600.0)
    path = simulate(plant, 48.0 * 3600.0, events, nominal=rest, interval=3600.0)
    stood, end = path.aqueous[13], path.aqueous[-1]
    np.testing.assert_allclose(stood, path.aqueous[0], rtol=0.05)
    np.testing.assert_allclose(end, path.aqueous[0], rtol=0.02)
    assert path.organic_flow[6] == pytest.approx(1e-3 * path.organic_flow[0])
    assert path.balance_error < 1e-10


def test_what_is_no_procedure_is_refused(default_plant):
    with pytest.raises(SpecificationError, match="share"):
        shut_down(0.0, share=0.0)
    with pytest.raises(SpecificationError, match="ends"):
        shut_down(3600.0, 1800.0)
    plant = restaged(default_plant, SMALL)
    path = simulate(plant, 3600.0, nominal=solve_steady(plant))
    with pytest.raises(SpecificationError, match="not in the trajectory"):
        film_strip(path, [7200.0])
    assert film_strip(path, [0.0]).proton.shape == (1, sum(SMALL))
