"""Settlers by cells: residence times of tanks in series, a bank against SciPy, balances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import gamma

from raffinate.cascade.bank import Streams, Unknowns, Vessels, no_specification
from raffinate.cascade.dynamic import Span, begin, integrate
from raffinate.cascade.dynamic_cells import all_held, with_cells
from raffinate.cascade.dynamic_record import interpolated
from raffinate.cascade.equations import Problem
from raffinate.numerics.jax_setup import jax, jnp
from tracer_chemistry import Tracer

SIZE = 8
AQUEOUS_FLOW, ORGANIC_FLOW = 1e-3, 2e-3
SETTLING = 600.0
"""Residence time of either layer of a settler, [s]."""

SETTLER_AQUEOUS, SETTLER_ORGANIC = SETTLING * AQUEOUS_FLOW, SETTLING * ORGANIC_FLOW
DIMER = 500.0
ENDLESS = 1e15
"""A tank that never changes, [m³]: fresh organic."""


def bank(stages, cells, ratio, mixer, fed):
    """Return a bank of equal stages that liquor of `fed` mol/m³ enters at its last stage."""
    column = np.ones(SIZE)
    active = np.arange(SIZE) < stages
    vessels = Vessels(
        mixer_aqueous=mixer * column,
        mixer_organic=mixer * column,
        settler_aqueous=SETTLER_AQUEOUS * column,
        settler_organic=SETTLER_ORGANIC * column,
        efficiency=column,
        active=active,
        last=np.int64(stages - 1),
        tank=np.float64(ENDLESS),
    )
    every = np.ones(SIZE, dtype=np.int64)
    every[:stages] = cells
    streams = Streams(
        organic_flow=np.float64(ORGANIC_FLOW),
        organic_inlet=np.array([0.0, DIMER]),
        feed_flow=np.array([AQUEOUS_FLOW]),
        feed_concentration=np.array([[fed, 0.0]]),
        feed_stage=np.array([stages - 1]),
        draw_flow=np.zeros(1),
        draw_stage=np.zeros(1, dtype=np.int64),
        recycle=np.zeros(SIZE),
    )
    return Problem(with_cells(vessels, every), streams, no_specification(2, 3), np.float64(ratio))


def moved(stages, cells, ratio, mixer, times):
    """Return motion before and after a feed that rises from 1 to 2 mol/m³, and what was seen."""
    chemistry = Tracer()
    still = bank(stages, cells, ratio, mixer, 1.0)
    # At rest with organic that comes loaded as it leaves: every liquor is the feed.
    row = np.array([0.0, np.log(DIMER), ratio / DIMER, 1.0])
    unknowns = Unknowns(jnp.array(np.tile(row, (SIZE, 1))), jnp.array([ratio / DIMER]))
    motion = begin(chemistry, still, unknowns, np.float64(1.0))
    risen = bank(stages, cells, ratio, mixer, 2.0)
    span = Span(
        until=np.float64(times[-1]),
        changed=np.bool_(True),
        short=np.bool_(False),
        tolerance=np.float64(1e-8),
        longest=np.float64(1e9),
    )
    after, record = integrate(chemistry, risen, motion, span, 2000)
    assert float(after.time) == times[-1]
    rows = interpolated(jax.device_get(record), times)
    return motion, after, rows, risen


@pytest.mark.slow
@pytest.mark.parametrize("cells", [4])
def test_a_step_leaves_both_layers_as_tanks_in_series_pass_it(cells):
    """Behind a mixer that holds as long as a cell, what leaves is Erlang's distribution."""
    ratio = 0.5
    times = np.linspace(60.0, 2400.0, 20)
    through = AQUEOUS_FLOW + ratio * ORGANIC_FLOW
    mixer = SETTLING / cells * through / (1.0 + ratio)
    _, _, rows, _ = moved(1, cells, ratio, mixer, times)
    step = AQUEOUS_FLOW / through
    passed = 1.0 + step * gamma.cdf(times, cells + 1, scale=SETTLING / cells)
    np.testing.assert_allclose(rows.aqueous[:, 0, 0], passed, rtol=1e-6)
    np.testing.assert_allclose(rows.organic[:, 0, 0] / ratio, passed, rtol=1e-6)


CELLS = (1, 3, 2, 4)
MIXER = 0.3


def reference(ratio, times):
    """Return both outlets of four stages of different cells, by SciPy's Radau."""
    count = len(CELLS)

    def rates(_time, state):
        mixers, cells = state[:count], np.split(state[count:], np.cumsum(np.repeat(CELLS, 2))[:-1])
        aqueous, organic = cells[::2], cells[1::2]
        found, moved_cells = np.zeros(count), []
        for stage, x in enumerate(mixers):
            above = 2.0 if stage == count - 1 else aqueous[stage + 1][-1]
            before = ratio if stage == 0 else organic[stage - 1][-1]
            gained = AQUEOUS_FLOW * (above - x) + ORGANIC_FLOW * (before - ratio * x)
            found[stage] = gained / (MIXER * (1.0 + ratio))
            for row, sent, flow, volume in (
                (aqueous[stage], x, AQUEOUS_FLOW, SETTLER_AQUEOUS),
                (organic[stage], ratio * x, ORGANIC_FLOW, SETTLER_ORGANIC),
            ):
                entering = np.append(sent, row[:-1])
                moved_cells.append(flow * (entering - row) / (volume / len(row)))
        return np.concatenate([found, *moved_cells])

    start = [np.ones(count)]
    for cells in CELLS:
        start += [np.ones(cells), ratio * np.ones(cells)]
    found = solve_ivp(
        rates,
        (0.0, times[-1]),
        np.concatenate(start),
        "Radau",
        t_eval=times,
        rtol=1e-10,
        atol=1e-11,
    )
    assert found.success
    ends = count + np.cumsum(np.repeat(CELLS, 2)) - 1
    return found.y.T[:, ends[::2]], found.y.T[:, ends[1::2]]


@pytest.mark.slow
def test_stages_of_different_cells_agree_with_scipy():
    ratio, times = 0.7, np.array([120.0, 600.0, 1800.0, 5400.0, 14400.0])
    before, after, rows, problem = moved(4, CELLS, ratio, MIXER, times)
    aqueous, organic = reference(ratio, times)
    np.testing.assert_allclose(rows.aqueous[:, :4, 0], aqueous, rtol=1e-6)
    np.testing.assert_allclose(rows.organic[:, :4, 0], organic, rtol=1e-6)
    # The endless tank is left out of the balance: it would hide anything.
    problem = problem._replace(vessels=problem.vessels._replace(tank=0.0))
    held = [float(all_held(Tracer(), problem, m.held)[0]) for m in (before, after)]
    crossed = jax.device_get(after.crossed)
    entered = crossed.fed[0] + crossed.organic_in[0]
    left = crossed.raffinate[0] + crossed.organic_out[0]
    assert held[1] - held[0] > 1.0
    assert abs(entered - left - held[1] + held[0]) < 1e-13 * entered


def test_a_settler_of_one_cell_is_the_settler_it_was():
    vessels = bank(2, 1, 1.0, MIXER, 1.0).vessels
    assert vessels.cells_aqueous is None
    assert vessels.cells_organic is None
    assert (vessels.settler_aqueous == SETTLER_AQUEOUS).all()
