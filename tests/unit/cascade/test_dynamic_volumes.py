"""Composition that follows moving volumes, against the same balances written in amounts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from raffinate.cascade.bank import Streams, Unknowns, Vessels, no_specification
from raffinate.cascade.dynamic import Span, begin, integrate
from raffinate.cascade.dynamic_cells import all_held, with_cells
from raffinate.cascade.dynamic_record import interpolated
from raffinate.cascade.dynamic_volumes import weirs_that_hold
from raffinate.cascade.equations import Problem
from raffinate.cascade.volumes import Hydraulics, Weirs
from raffinate.numerics.jax_setup import jax, jnp
from tracer_chemistry import Tracer

SIZE, STAGES, CELLS = 8, 3, 2
FEED, RECYCLE, DRAWN = 1.0e-3, 0.6e-3, 0.2e-3
MIXER, SETTLER_AQUEOUS, SETTLER_ORGANIC = 0.5, 0.7, 1.6
AREA, OVERFLOW, DENSITIES = 4.0, 90.0, 0.82
RATIO, DIMER, TANK = 0.7, 500.0, 3.0


def bank(organic_flow, fed, weirs=None):
    """Return three stages with a draw from the middle one."""
    column = np.ones(SIZE)
    vessels = Vessels(
        mixer_aqueous=0.5 * MIXER * column,
        mixer_organic=0.5 * MIXER * column,
        settler_aqueous=SETTLER_AQUEOUS * column,
        settler_organic=SETTLER_ORGANIC * column,
        efficiency=0.9 * column,
        active=np.arange(SIZE) < STAGES,
        last=np.int64(STAGES - 1),
        tank=np.float64(TANK),
    )
    cells = np.where(np.arange(SIZE) < STAGES, CELLS, 1)
    streams = Streams(
        organic_flow=np.float64(organic_flow),
        organic_inlet=np.array([0.0, DIMER]),
        feed_flow=np.array([FEED]),
        feed_concentration=np.array([[fed, 0.0]]),
        feed_stage=np.array([STAGES - 1]),
        draw_flow=np.array([DRAWN]),
        draw_stage=np.array([1]),
        recycle=RECYCLE * column,
    )
    nothing = no_specification(2, 3)
    problem = Problem(with_cells(vessels, cells), streams, nothing, np.float64(RATIO))
    if weirs is None:
        unset = Weirs(AREA * column, column, column, OVERFLOW * column, DENSITIES * column)
        weirs = weirs_that_hold(unset, problem)
    hydraulics = Hydraulics(MIXER * column, weirs)
    return problem._replace(vessels=problem.vessels._replace(hydraulics=hydraulics)), weirs


def moved(times):
    """Return the bank before and after more organic and a richer feed, and what was seen."""
    chemistry = Tracer()
    still, weirs = bank(2.0e-3, 1.0)
    row = np.array([0.0, np.log(DIMER), RATIO / DIMER, 1.0])
    unknowns = Unknowns(jnp.array(np.tile(row, (SIZE, 1))), jnp.array([RATIO / DIMER]))
    motion = begin(chemistry, still, unknowns, np.float64(1.0))
    after, _ = bank(2.5e-3, 2.0, weirs)
    span = Span(
        until=np.float64(times[-1]),
        changed=np.bool_(True),
        short=np.bool_(False),
        tolerance=np.float64(1e-8),
        longest=np.float64(1e9),
    )
    end, record = integrate(chemistry, after, motion, span, 2000)
    assert float(end.time) == times[-1]
    return motion, end, interpolated(jax.device_get(record), times), after


def reference(times, problem):
    """Return volumes, (time, stage, 3), and settled liquors, (time, stage), by SciPy's Radau."""
    weirs = problem.vessels.hydraulics.weirs
    tops = [np.asarray(h)[:STAGES] for h in (weirs.organic_height, weirs.aqueous_height)]
    flow, fed = float(problem.streams.organic_flow), 2.0
    shape = (STAGES, CELLS)

    def rates(_time, state):
        volumes, rest = state[: 3 * STAGES].reshape(3, STAGES), state[3 * STAGES :]
        aqueous, organic, below, above, (tank, held) = np.split(
            rest, np.cumsum([STAGES, STAGES, STAGES * CELLS, STAGES * CELLS])
        )
        mixed, water, oil = volumes
        depth = (water + oil) / AREA
        pushed = water / AREA + DENSITIES * oil / AREA
        over = AREA / OVERFLOW * np.array([pushed - tops[1], depth - tops[0]])
        drawn = np.array([0.0, DRAWN, 0.0])
        arriving = np.append((over[0] - RECYCLE - drawn)[1:], 0.0)
        rising = np.append(flow, over[1][:-1])
        through = arriving + RECYCLE + rising + np.array([0.0, 0.0, FEED])
        sent = through * mixed / MIXER, through * (1.0 - mixed / MIXER)
        x, y = aqueous / mixed, organic / (MIXER - mixed)
        below, above = below.reshape(shape), above.reshape(shape)
        c = below / (water / CELLS)[:, None], above / (oil / CELLS)[:, None]
        transfer = rising * 9.0 * (RATIO * x - y)
        brought = arriving * np.append(c[0][1:, -1], 0.0) + RECYCLE * c[0][:, -1]
        brought[-1] += FEED * fed
        loads = rising * np.append(tank / held, c[1][:-1, -1])
        cells = []
        for into, out, before, row in ((sent[0], over[0], x, c[0]), (sent[1], over[1], y, c[1])):
            middle = 0.5 * (into + out)
            cells.append(
                np.column_stack(
                    [into * before - middle * row[:, 0], middle * row[:, 0] - out * row[:, 1]]
                )
            )
        entering = arriving + RECYCLE + np.array([0.0, 0.0, FEED])
        gained = [entering - sent[0], sent[0] - over[0], sent[1] - over[1]]
        return np.concatenate(
            [
                *gained,
                brought - sent[0] * x - transfer,
                loads - sent[1] * y + transfer,
                cells[0].ravel(),
                cells[1].ravel(),
                [over[1][-1] * c[1][-1, -1] - flow * tank / held, over[1][-1] - flow],
            ]
        )

    resting = np.array([FEED - DRAWN, FEED - DRAWN, FEED]) + RECYCLE
    resting[1] += DRAWN
    share = resting / (resting + 2.0e-3)
    start = np.concatenate(
        [
            MIXER * share,
            np.full(STAGES, SETTLER_AQUEOUS),
            np.full(STAGES, SETTLER_ORGANIC),
            MIXER * share,
            MIXER * (1.0 - share) * RATIO,
            np.full(STAGES * CELLS, SETTLER_AQUEOUS / CELLS),
            np.full(STAGES * CELLS, SETTLER_ORGANIC / CELLS * RATIO),
            [TANK * RATIO, TANK],
        ]
    )
    found = solve_ivp(rates, (0.0, times[-1]), start, "Radau", t_eval=times, rtol=1e-10, atol=1e-12)
    assert found.success
    volumes = found.y.T[:, : 3 * STAGES].reshape(-1, 3, STAGES)
    cells = found.y.T[:, 5 * STAGES : (5 + CELLS) * STAGES].reshape(-1, *shape)
    return volumes.swapaxes(1, 2), cells[..., -1] / (volumes[:, 1] / CELLS)


@pytest.mark.slow
def test_volumes_and_composition_follow_a_change_of_flow_as_scipy_says():
    """To 1e-6; the tracer, the aqueous and the organic balance to rounding."""
    times = np.array([30.0, 120.0, 400.0, 1200.0, 3600.0, 14400.0])
    before, after, rows, problem = moved(times)
    volumes, liquor = reference(times, problem)
    ours = np.asarray(rows.volumes)[:, :STAGES] * np.array([1.0, CELLS, CELLS])
    assert np.ptp(volumes[:, :, 2], axis=0).min() > 0.001, "the organic rises"
    np.testing.assert_allclose(ours, volumes, rtol=1e-6)
    np.testing.assert_allclose(rows.aqueous[:, :STAGES, 0], liquor, rtol=1e-6)

    held = [float(all_held(Tracer(), problem, m.held)[0]) for m in (before, after)]
    crossed = jax.device_get(after.crossed)
    # What the organic brings back comes from the tank, which is counted as held.
    left = float(crossed.raffinate[0] + crossed.drawn[0, 0])
    assert abs(float(crossed.fed[0]) - left - held[1] + held[0]) < 1e-12 * held[1]
    ends = [m.held.volumes for m in (before, after)]
    organic = [
        float(
            (MIXER - v.mixer_aqueous[:STAGES]).sum()
            + CELLS * v.settler_organic[:STAGES].sum()
            + v.tank
        )
        for v in ends
    ]
    # The tank feeds and takes back the organic, so that all of it only moves about.
    assert abs(organic[1] - organic[0]) < 1e-12 * organic[0]
