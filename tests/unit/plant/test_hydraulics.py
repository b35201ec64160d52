"""Phase volumes: where they rest, how they move when pumps change, what floods or inverts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant_variants import SMALL, restaged
from raffinate.errors import SpecificationError
from raffinate.plant.arrays import MIXER_RATIO, aqueous_leaving
from raffinate.plant.hydraulics import (
    Settler,
    check_continuity,
    check_flooding,
    volumes_in_time,
)
from raffinate.sources import Source

SETTLER = Settler(
    area=8.0,
    organic_weir=0.60,
    aqueous_weir=0.52,
    overflow_time=60.0,
    density_ratio=0.80,
    flooding_flow=4.0 / 3600.0,
    source=Source(title="made for this test", evidence="assumed"),
)


@pytest.fixture(scope="module")
def circuit(default_plant):
    return restaged(default_plant, SMALL).circuit


def test_at_rest_the_flows_pass_and_nothing_moves(circuit):
    path = volumes_in_time(circuit, SETTLER, np.linspace(0.0, 7200.0, 5))
    recycle = np.repeat([s.recycle for s in circuit.sections], SMALL)
    np.testing.assert_allclose(
        path.aqueous_leaving, np.tile(aqueous_leaving(circuit) + recycle, (5, 1)), rtol=1e-6
    )
    np.testing.assert_allclose(path.organic_leaving, circuit.organic_flow, rtol=1e-6)
    assert np.ptp(path.settler_organic, axis=0).max() < 1e-6
    assert path.balance_error < 1e-9


def test_more_organic_passes_from_stage_to_stage_and_lifts_every_depth(circuit):
    more = replace(circuit, organic_flow=1.2 * circuit.organic_flow)
    times = np.linspace(0.0, 6.0 * 3600.0, 361)
    path = volumes_in_time(more, SETTLER, times, before=circuit)
    half = 1.1 * circuit.organic_flow
    passed = [times[np.argmax(path.organic_leaving[:, n] > half)] for n in range(circuit.stages)]
    assert (np.diff(passed) >= 0.0).all()
    assert passed[-1] > passed[0]
    np.testing.assert_allclose(path.organic_leaving[-1], more.organic_flow, rtol=1e-3)
    depth = path.settler_aqueous + path.settler_organic
    lift = (depth[-1] - depth[0]) / SETTLER.area
    head = SETTLER.overflow_time * 0.2 * circuit.organic_flow / SETTLER.area
    np.testing.assert_allclose(lift, head, rtol=1e-2)
    assert (path.mixer_aqueous[-1] < path.mixer_aqueous[0]).all(), "organic pushes aqueous out"
    assert path.balance_error < 1e-8


def test_a_higher_aqueous_weir_lifts_the_interface():
    """At no flow the columns balance: r H_o of organic stands on h, H_a of aqueous beside it."""
    assert SETTLER.interface == pytest.approx((0.52 - 0.8 * 0.6) / 0.2)
    lifted = replace(SETTLER, aqueous_weir=0.54)
    assert lifted.interface - SETTLER.interface == pytest.approx(0.02 / 0.2)
    aqueous, organic = SETTLER.settled(np.array(1e-3), np.array(2e-3))
    back = SETTLER.overflows(aqueous, organic)
    assert back == (pytest.approx(1e-3), pytest.approx(2e-3))


def test_a_stopped_pump_leaves_its_phase_below_the_weir(circuit):
    extraction, scrub, strip = circuit.sections
    stopped = replace(
        circuit,
        sections=(
            replace(extraction, aqueous=replace(extraction.aqueous, flow=0.0)),
            scrub,
            strip,
        ),
    )
    path = volumes_in_time(stopped, SETTLER, np.linspace(0.0, 4.0 * 3600.0, 9), before=circuit)
    fed = extraction.aqueous.flow
    assert path.aqueous_leaving[0, 0] - path.aqueous_leaving[-1, 0] == pytest.approx(fed, rel=1e-2)
    assert path.balance_error < 1e-8


def test_a_settler_that_floods_is_named(circuit):
    check_flooding(circuit, SETTLER)
    with pytest.raises(SpecificationError, match=r"m³/m²/h") as caught:
        check_flooding(circuit, replace(SETTLER, flooding_flow=1.0 / 3600.0))
    assert caught.value.where.startswith("stage ")
    assert "m²" in caught.value.mend


def test_a_mixer_whose_phases_invert_is_named(circuit):
    times = np.linspace(0.0, 3600.0, 31)
    calm = volumes_in_time(circuit, SETTLER, times)
    check_continuity(circuit, calm, *MIXER_RATIO)
    flood = replace(circuit, organic_flow=2.5 * circuit.organic_flow)
    moved = volumes_in_time(flood, SETTLER, times, before=circuit)
    with pytest.raises(SpecificationError, match="organic to aqueous"):
        check_continuity(circuit, moved, *MIXER_RATIO)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"area": 0.0}, "area"),
        ({"density_ratio": 1.1}, "density_ratio"),
        ({"aqueous_weir": 0.40}, "interface"),
        ({"aqueous_weir": 0.70}, "interface"),
    ],
)
def test_a_settler_that_cannot_be_is_refused(change, said):
    with pytest.raises(SpecificationError, match=said):
        replace(SETTLER, **change)
