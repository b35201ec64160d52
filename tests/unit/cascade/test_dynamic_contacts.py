"""A bank of constant separation factor in time, counted in contacts, against SciPy.

The organic is always full and exchanges one element for the other: y = S β x/(β·x). Fresh organic
comes loaded with the lighter element, and a liquor of the heavier one enters the last stage, so
that the slow mode is the inventory between the two ends and the fast one that of a mixer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from raffinate.cascade.bank import Streams, Unknowns, Vessels, no_specification
from raffinate.cascade.boundary import total_held
from raffinate.cascade.dynamic import Span, begin, integrate
from raffinate.cascade.dynamic_record import interpolated
from raffinate.cascade.equations import Problem
from raffinate.numerics.jax_setup import jax, jnp

BETA = np.array([2.0, 1.0])
CAPACITY = 200.0
STAGES, SIZE, FEED_STAGE = 7, 8, 3
ORGANIC, FEED, REFLUX = 2e-3, 4e-4, 1e-3
LIQUOR = np.array([[200.0, 200.0, 0.0], [400.0, 1e-9, 0.0]])
MIXER_AQUEOUS, MIXER_ORGANIC, SETTLER_AQUEOUS, SETTLER_ORGANIC = 0.4, 0.6, 0.5, 1.2
ENDLESS = 1e15
"""A tank that never changes, [m³]: fresh organic."""


@dataclass(frozen=True)
class ConstantBeta:
    """Two elements that exchange for each other in an organic that is always full."""

    components = ("A", "B", "extractant")
    element_count = 2
    organic_components = (0, 1, 2)
    unknown_count = 3
    acidity = (2, 2)

    def phases(self, unknowns, parameters):
        aqueous, full = jnp.exp(unknowns[:2]), jnp.exp(unknowns[2])
        share = parameters * aqueous / (parameters @ aqueous)
        organic = jnp.append(full * share, full)
        return jnp.append(aqueous, 0.0), organic

    def residual(self, unknowns, totals, organic_fraction, parameters):
        aqueous, organic = self.phases(unknowns, parameters)
        held = (1.0 - organic_fraction) * aqueous + organic_fraction * organic
        return (held - totals) / held

    def moved(self, unknowns, step, bound):
        return unknowns + jnp.clip(step, -bound, bound)


def problem():
    column = np.ones(SIZE)
    stage = np.arange(SIZE)
    vessels = Vessels(
        mixer_aqueous=MIXER_AQUEOUS * column,
        mixer_organic=MIXER_ORGANIC * column,
        settler_aqueous=SETTLER_AQUEOUS * column,
        settler_organic=SETTLER_ORGANIC * column,
        efficiency=column,
        active=stage < STAGES,
        last=np.int64(STAGES - 1),
        tank=np.float64(ENDLESS),
    )
    streams = Streams(
        organic_flow=np.float64(ORGANIC),
        organic_inlet=np.array([0.0, 0.0, CAPACITY]),
        feed_flow=np.array([FEED, REFLUX]),
        feed_concentration=LIQUOR,
        feed_stage=np.array([FEED_STAGE, STAGES - 1]),
        draw_flow=np.zeros(1),
        draw_stage=np.zeros(1, dtype=np.int64),
        recycle=np.zeros(SIZE),
    )
    return Problem(vessels, streams, no_specification(3, 4), BETA)


def filled():
    """Return a bank full of equal liquor and the organic in equilibrium with it."""
    aqueous = np.array([200.0, 200.0])
    organic = BETA * aqueous / (BETA @ aqueous)
    row = np.array([*np.log(aqueous), np.log(CAPACITY), *organic, 1.0])
    return Unknowns(jnp.array(np.tile(row, (SIZE, 1))), jnp.array([1e-12, 1.0]))


def reference(times):
    """Return the settled aqueous, (time, stage, 2), from equations written again."""
    leaving = np.where(np.arange(STAGES) <= FEED_STAGE, FEED + REFLUX, REFLUX)
    fed = np.zeros((STAGES, 2))
    fed[FEED_STAGE] += FEED * LIQUOR[0, :2]
    fed[-1] += REFLUX * LIQUOR[1, :2]

    def contents(mixed):
        """Return x and y of a mixer: what is left of a quadratic when the organic is full."""
        total = (mixed.sum(axis=1) - MIXER_ORGANIC * CAPACITY) / MIXER_AQUEOUS
        a, ratio = mixed[:, 0], BETA[0] / BETA[1]
        # V_a x ((ratio - 1) x + X) + V_o S ratio x = a ((ratio - 1) x + X)
        two = MIXER_AQUEOUS * (ratio - 1.0)
        one = MIXER_AQUEOUS * total + MIXER_ORGANIC * CAPACITY * ratio - a * (ratio - 1.0)
        first = (np.sqrt(one**2 + 4.0 * two * a * total) - one) / (2.0 * two)
        aqueous = np.column_stack([first, total - first])
        weighted = BETA * aqueous
        return aqueous, CAPACITY * weighted / weighted.sum(axis=1, keepdims=True)

    def rates(_time, state):
        mixed, settled, organic = state.reshape(3, STAGES, 2)
        x, y = contents(mixed)
        above = np.vstack([settled[1:], np.zeros(2)]) * np.append(leaving[1:], 0.0)[:, None]
        before = np.vstack([np.array([0.0, CAPACITY]), organic[:-1]])
        gained = fed + above - leaving[:, None] * x + ORGANIC * (before - y)
        return np.concatenate(
            [
                gained,
                leaving[:, None] * (x - settled) / SETTLER_AQUEOUS,
                ORGANIC * (y - organic) / SETTLER_ORGANIC,
            ]
        ).ravel()

    x = np.tile([200.0, 200.0], (STAGES, 1))
    y = CAPACITY * BETA * x / (BETA * x).sum(axis=1, keepdims=True)
    start = np.concatenate([MIXER_AQUEOUS * x + MIXER_ORGANIC * y, x, y]).ravel()
    found = solve_ivp(rates, (0.0, times[-1]), start, "Radau", t_eval=times, rtol=1e-10, atol=1e-10)
    assert found.success
    return found.y.T.reshape(len(times), 3, STAGES, 2)[:, 1]


@pytest.fixture(scope="module")
def run():
    """Return the motion before and after 400 contacts, at a tight tolerance, with its record."""
    chemistry, bank = ConstantBeta(), problem()
    motion = begin(chemistry, bank, filled(), np.float64(1.0))
    contact = (MIXER_AQUEOUS + MIXER_ORGANIC) / (ORGANIC + FEED + REFLUX)
    span = Span(
        until=np.float64(400.0 * contact),
        changed=np.bool_(False),
        short=np.bool_(False),
        tolerance=np.float64(1e-7),
        longest=np.float64(1e9),
    )
    after, record = integrate(chemistry, bank, motion, span, 2000)
    assert float(after.time) == 400.0 * contact
    return contact, motion, after, jax.device_get(record), chemistry, bank


CONTACTS = np.array([0.5, 2.0, 10.0, 40.0, 150.0, 400.0])


def test_every_profile_from_the_first_contact_to_the_last_agrees(run):
    """The mixer mode in the first contacts, the inventory in the last: both to 1e-5."""
    contact, _, _, record, *_ = run
    ours = interpolated(record, CONTACTS * contact).aqueous[:, :STAGES]
    np.testing.assert_allclose(ours, reference(CONTACTS * contact), rtol=1e-5, atol=1e-4)


def test_contacts_to_come_within_a_hundredth_of_rest(run):
    """The count is that of the reference to a thousandth."""
    contact, _, _, record, *_ = run
    counted = np.linspace(1.0, 400.0, 400)
    counts = []
    for rows in (
        interpolated(record, counted * contact).aqueous[:, 0],
        reference(counted * contact)[:, 0],
    ):
        impurity = rows[:, 0] / rows.sum(axis=1)
        away = np.abs(impurity / impurity[-1] - 1.0)
        last = int(np.flatnonzero(away > 0.01)[-1])
        share = (away[last] - 0.01) / (away[last] - away[last + 1])
        counts.append(counted[last] + share)
    assert 10.0 < counts[1] < 300.0
    assert counts[0] == pytest.approx(counts[1], rel=1e-3)


def test_both_elements_balance_to_rounding(run):
    """The endless tank is left out: it would hide anything."""
    _, before, after, _, chemistry, bank = run
    bank = bank._replace(vessels=bank.vessels._replace(tank=0.0))
    held = [np.asarray(total_held(chemistry, bank, m.held))[:2] for m in (before, after)]
    crossed = jax.device_get(after.crossed)
    entered = crossed.fed[:2] + crossed.organic_in[:2]
    left = crossed.raffinate[:2] + crossed.organic_out[:2]
    assert (np.abs(entered - left - held[1] + held[0]) / entered).max() < 1e-12
