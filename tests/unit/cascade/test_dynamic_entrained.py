"""Moving volumes with entrainment, organic fed on the way and settlers given too much."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from raffinate.cascade.bank import Streams, Unknowns, Vessels, no_specification
from raffinate.cascade.dynamic import Span, begin, integrate
from raffinate.cascade.dynamic_cells import all_held
from raffinate.cascade.dynamic_entrained import wrong_shares
from raffinate.cascade.dynamic_record import interpolated
from raffinate.cascade.dynamic_volumes import overflows, weirs_that_hold
from raffinate.cascade.entrainment import Entrainment, OrganicFeeds
from raffinate.cascade.equations import Problem
from raffinate.cascade.volumes import Hydraulics, Weirs
from raffinate.numerics.jax_setup import jax, jnp
from tracer_chemistry import Tracer

SIZE, STAGES = 8, 3
FEED, RECYCLE, DRAWN, LOADED = 1.0e-3, 0.6e-3, 0.2e-3, 0.3e-3
MIXER, SETTLER_AQUEOUS, SETTLER_ORGANIC = 0.5, 0.7, 1.6
AREA, OVERFLOW, DENSITIES = 4.0, 90.0, 0.82
RATIO, DIMER, TANK = 0.7, 500.0, 3.0
ORGANIC_SHARE, AQUEOUS_SHARE = 0.02, 0.03
CAPACITY = 4.4e-3
PHASES = ("aqueous", "organic")
TIMES = np.array([30.0, 120.0, 400.0, 1200.0, 3600.0])


def shares():
    """Return the shares of three stages; the last washes its organic."""
    exists, stage = np.arange(SIZE) < STAGES, np.arange(SIZE)
    return Entrainment(organic=ORGANIC_SHARE * exists, aqueous=AQUEOUS_SHARE * (stage < STAGES - 1))


def bank(organic_flow, fed, loaded, weirs=None):
    """Return three stages with a draw from the middle one, which is fed organic as well."""
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
    streams = Streams(
        organic_flow=np.float64(organic_flow),
        organic_inlet=np.array([0.0, DIMER]),
        feed_flow=np.array([FEED]),
        feed_concentration=np.array([[fed, 0.0]]),
        feed_stage=np.array([STAGES - 1]),
        draw_flow=np.array([DRAWN]),
        draw_stage=np.array([1]),
        recycle=RECYCLE * column,
        entrainment=shares(),
        organic_feeds=OrganicFeeds(
            flow=np.array([loaded]),
            concentration=np.array([[RATIO, DIMER]]),
            stage=np.array([1]),
        ),
    )
    problem = Problem(vessels, streams, no_specification(2, 3), np.float64(RATIO))
    if weirs is None:
        unset = Weirs(AREA * column, column, column, OVERFLOW * column, DENSITIES * column)
        weirs = weirs_that_hold(unset, problem)
    hydraulics = Hydraulics(MIXER * column, weirs, CAPACITY * column)
    return problem._replace(vessels=vessels._replace(hydraulics=hydraulics)), weirs


def moved(fed, loaded=LOADED):
    """Return the bank before and after more organic, and what was seen at `TIMES`."""
    chemistry = Tracer()
    still, weirs = bank(2.0e-3, 1.0, LOADED)
    row = np.array([0.0, np.log(DIMER), RATIO / DIMER, 1.0])
    unknowns = Unknowns(jnp.array(np.tile(row, (SIZE, 1))), jnp.array([RATIO / DIMER]))
    motion = begin(chemistry, still, unknowns, np.float64(1.0))
    after, _ = bank(3.0e-3, fed, loaded, weirs)
    span = Span(
        until=np.float64(TIMES[-1]),
        changed=np.bool_(True),
        short=np.bool_(False),
        tolerance=np.float64(1e-8),
        longest=np.float64(1e9),
    )
    end, record = integrate(chemistry, after, motion, span, 2000)
    assert float(end.time) == TIMES[-1]
    return motion, end, interpolated(jax.device_get(record), TIMES), after


class Written:
    """The same bank in amounts, one line after the other; the organic volume is kept."""

    def __init__(self, problem, loaded):
        weirs = problem.vessels.hydraulics.weirs
        self.tops = [np.asarray(h)[:STAGES] for h in (weirs.organic_height, weirs.aqueous_height)]
        self.flow, self.loaded = float(problem.streams.organic_flow), loaded
        self.fed = float(problem.streams.feed_concentration[0, 0])

    def rates(self, _time, state):
        mixed, water, oil, aqueous, organic, below, above = state[:-2].reshape(7, STAGES)
        tank, held = state[-2:]
        pushed = (water + DENSITIES * oil) / AREA
        over = (
            AREA / OVERFLOW * np.array([pushed - self.tops[1], (water + oil) / AREA - self.tops[0]])
        )
        surplus = np.maximum(1.0 - CAPACITY / over.sum(axis=0), 0.0)
        back = ORGANIC_SHARE * (1.0 - surplus) + 0.5 * surplus
        lift = AQUEOUS_SHARE * (1.0 - surplus) + 0.5 * surplus
        lift[-1] = 0.0
        onward = over[0] - RECYCLE
        up, down = lift * onward, (1.0 - lift) * onward
        drawn = np.array([0.0, DRAWN, 0.0])
        sinking = back * over[1]
        rising, falling = over[1] - sinking, sinking * (down - drawn) / down
        lost = falling[0] + (sinking * drawn / down).sum()
        x, y = aqueous / mixed, organic / (MIXER - mixed)
        c, o = below / water, above / oil
        into = np.array([0.0, 0.0, FEED]) + RECYCLE
        into[:-1] += (down - drawn)[1:]
        into[1:] += up[:-1]
        brought = RECYCLE * c + np.array([0.0, 0.0, FEED * self.fed])
        brought[:-1] += ((down - drawn) * c)[1:]
        brought[1:] += (up * c)[:-1]
        oil_in = np.append(self.flow, rising[:-1]) + np.array([0.0, self.loaded, 0.0])
        loads = np.append(self.flow * tank / held, (rising * o)[:-1])
        loads[1] += self.loaded * RATIO
        oil_in[:-1] += falling[1:]
        loads[:-1] += (falling * o)[1:]
        through = into + oil_in
        sent = through * mixed / MIXER, through * (1.0 - mixed / MIXER)
        transfer = oil_in * 9.0 * (RATIO * x - y)
        bled = max(self.loaded - lost, 0.0)
        made_up = max(lost - self.loaded, 0.0)
        kept = rising[-1] - bled
        gains = [
            into - sent[0],
            sent[0] - over[0],
            sent[1] - over[1],
            brought - sent[0] * x - transfer,
            loads - sent[1] * y + transfer,
            sent[0] * x - over[0] * c,
            sent[1] * y - over[1] * o,
        ]
        ends = [kept * o[-1] - self.flow * tank / held, kept + made_up - self.flow]
        return np.concatenate([*gains, ends])


def reference(before, problem, loaded):
    """Return volumes, (time, stage, 3), and settled liquors, (time, stage), by SciPy's Radau."""
    held = before.held
    volumes = [np.asarray(each)[:STAGES] for each in held.volumes[:3]]
    organic = np.asarray(held.mixer_organic)[:STAGES, 0]
    amounts = [
        np.asarray(held.mixer)[:STAGES, 0] - organic,
        organic,
        np.asarray(held.settler_aqueous)[:STAGES, 0],
        np.asarray(held.settler_organic)[:STAGES, 0],
    ]
    start = np.concatenate([*volumes, *amounts, [float(held.tank[0]), float(held.volumes.tank)]])
    bank_as_written = Written(problem, loaded)
    found = solve_ivp(
        bank_as_written.rates, (0.0, TIMES[-1]), start, "Radau", t_eval=TIMES, rtol=1e-9, atol=1e-11
    )
    assert found.success
    rows = found.y.T[:, :-2].reshape(-1, 7, STAGES)
    return rows[:, :3].swapaxes(1, 2), rows[:, 5] / rows[:, 1]


def organic_volume(held):
    volumes = held.volumes
    mixers = (MIXER - volumes.mixer_aqueous[:STAGES]).sum()
    return float(mixers + volumes.settler_organic[:STAGES].sum() + volumes.tank)


@pytest.mark.slow
@pytest.mark.parametrize("loaded", [LOADED, 0.0])
def test_volumes_and_composition_follow_the_flows_as_scipy_says(loaded):
    """To 1e-5 with settlers that flood; without loaded organic what is lost is made up."""
    before, after, rows, problem = moved(2.0, loaded)
    volumes, liquor = reference(before, problem, loaded)
    assert np.ptp(volumes[:, :, 2], axis=0).min() > 0.001, "the organic rises"
    weirs = problem.vessels.hydraulics.weirs
    over = overflows(weirs, *(getattr(after.held.volumes, f"settler_{p}") for p in PHASES))
    assert (np.asarray(over[0] + over[1])[:STAGES] > CAPACITY).all(), "settlers flood"
    np.testing.assert_allclose(np.asarray(rows.volumes)[:, :STAGES], volumes, rtol=1e-5)
    np.testing.assert_allclose(rows.aqueous[:, :STAGES, 0], liquor, rtol=1e-5)
    held = [float(all_held(Tracer(), problem, m.held)[0]) for m in (before, after)]
    crossed = jax.device_get(after.crossed)
    entered = float(crossed.fed[0] + crossed.organic_in[0])
    left = float(crossed.raffinate[0] + crossed.drawn[0, 0] + crossed.organic_out[0])
    assert abs(entered - left - held[1] + held[0]) < 1e-12 * held[1]
    ends = [organic_volume(m.held) for m in (before, after)]
    assert abs(ends[1] - ends[0]) < 1e-12 * ends[0], "organic only moves about"


@pytest.mark.slow
def test_where_all_liquors_are_alike_they_stay_alike_while_volumes_move():
    """Both phases balance in every vessel: a volume that leaked would change a concentration."""
    _, after, rows, _ = moved(1.0)
    assert np.ptp(np.asarray(rows.volumes)[:, :STAGES, 2], axis=0).min() > 0.001
    np.testing.assert_allclose(rows.aqueous[:, :STAGES, 0], 1.0, rtol=1e-11)
    np.testing.assert_allclose(rows.organic[:, :STAGES, 0], RATIO, rtol=1e-11)
    extractant = (
        after.held.settler_organic[:STAGES, 1] / after.held.volumes.settler_organic[:STAGES]
    )
    np.testing.assert_allclose(extractant, DIMER, rtol=1e-11)
    assert float(after.held.tank[0] / after.held.volumes.tank) == pytest.approx(RATIO, rel=1e-11)


def test_a_settler_given_too_much_sends_half_of_the_surplus_the_wrong_way():
    problem, _ = bank(2.0e-3, 1.0, LOADED)
    calm = wrong_shares(problem, np.full(SIZE, 1e-3), np.full(SIZE, 3e-3))
    np.testing.assert_allclose(calm.organic, shares().organic)
    np.testing.assert_allclose(calm.aqueous, shares().aqueous)
    twice = wrong_shares(problem, np.full(SIZE, 0.5 * CAPACITY), np.full(SIZE, 1.5 * CAPACITY))
    np.testing.assert_allclose(twice.organic[:STAGES], 0.5 * (ORGANIC_SHARE + 0.5))
    np.testing.assert_allclose(twice.aqueous[: STAGES - 1], 0.5 * (AQUEOUS_SHARE + 0.5))
    assert float(twice.aqueous[STAGES - 1]) == 0.0, "the last one washes its organic"
    assert not np.asarray(twice.organic)[STAGES:].any()
