"""Whether a bank stays in a steady state: eigenvalues of linear banks written out by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from raffinate.cascade.bank import Streams, Unknowns, Vessels, no_specification
from raffinate.cascade.equations import Problem
from raffinate.cascade.solutions import apart, distinct, leading_rate
from raffinate.cascade.steady import LONGEST_STEP, solve_pseudo_transient
from raffinate.numerics.jax_setup import jnp
from tracer_chemistry import Tracer

SIZE, STAGES = 8, 2
AQUEOUS_FLOW, ORGANIC_FLOW = 1e-3, 2e-3
MIXER, SETTLER_AQUEOUS, SETTLER_ORGANIC, TANK = 1.0, 0.5, 1.5, 20.0
DIMER = 500.0


@dataclass(frozen=True)
class Repelled(Tracer):
    """A solute of which the organic holds the less the more there is in the liquor."""

    def phases(self, unknowns, parameters):
        solute, dimer = jnp.exp(unknowns)
        return jnp.array([solute, 0.0]), jnp.array([parameters / solute, dimer])

    def distribution(self, unknowns, parameters):
        return jnp.array([parameters / jnp.exp(2.0 * unknowns[0]), 1.0])

    def contact(self, totals, organic_fraction, parameters):
        """None: a state is reached by Newton's step and the balances alone."""
        return jnp.full(2, jnp.nan)


def bank(organic):
    """Return a closed loop at rest, every liquor 1 mol/m³, and its state."""
    column = np.ones(SIZE)
    vessels = Vessels(
        mixer_aqueous=MIXER * column,
        mixer_organic=MIXER * column,
        settler_aqueous=SETTLER_AQUEOUS * column,
        settler_organic=SETTLER_ORGANIC * column,
        efficiency=column,
        active=np.arange(SIZE) < STAGES,
        last=np.int64(STAGES - 1),
        tank=np.float64(TANK),
    )
    streams = Streams(
        organic_flow=np.float64(ORGANIC_FLOW),
        organic_inlet=np.array([0.0, DIMER]),
        feed_flow=np.array([AQUEOUS_FLOW]),
        feed_concentration=np.array([[1.0, 0.0]]),
        feed_stage=np.array([STAGES - 1]),
        draw_flow=np.zeros(1),
        draw_stage=np.zeros(1, dtype=np.int64),
        recycle=np.zeros(SIZE),
    )
    row = np.array([0.0, np.log(DIMER), organic / DIMER, 1.0])
    state = Unknowns(jnp.array(np.tile(row, (SIZE, 1))), jnp.array([organic / DIMER]))
    return Problem(vessels, streams, no_specification(2, 3), np.float64(organic)), state


def nearest_to_zero(slope):
    """Return the eigenvalue nearest to zero of the loop, written out, [1/s].

    States are x of each mixer, what its settlers hold, and the tank; y follows x by `slope`.
    """
    size = 3 * STAGES + 1
    held, flows = np.zeros(size), np.zeros((size, size))
    for n in range(STAGES):
        x, aqueous, organic = 3 * n, 3 * n + 1, 3 * n + 2
        held[[x, aqueous, organic]] = MIXER * (1.0 + slope), SETTLER_AQUEOUS, SETTLER_ORGANIC
        flows[x, x] = -AQUEOUS_FLOW - ORGANIC_FLOW * slope
        flows[x, organic - 3 if n > 0 else size - 1] = ORGANIC_FLOW
        if n + 1 < STAGES:
            flows[x, aqueous + 3] = AQUEOUS_FLOW
        flows[aqueous, [x, aqueous]] = AQUEOUS_FLOW, -AQUEOUS_FLOW
        flows[organic, [x, organic]] = ORGANIC_FLOW * slope, -ORGANIC_FLOW
    held[-1] = TANK
    flows[-1, [size - 2, size - 1]] = ORGANIC_FLOW, -ORGANIC_FLOW
    found = np.linalg.eigvals(flows / held[:, None])
    return found[np.argmin(np.abs(found))]


@pytest.mark.parametrize(
    ("chemistry", "organic", "slope"),
    [(Tracer(), 0.8, 0.8), (Repelled(), 0.3, -0.3), (Repelled(), 0.7, -0.7)],
)
def test_the_slowest_disturbance_is_that_of_the_loop_written_out(chemistry, organic, slope):
    problem, state = bank(organic)
    wanted = nearest_to_zero(slope)
    assert wanted.imag == 0.0
    assert (wanted.real > 0.0) == (slope == -0.7)
    assert float(leading_rate(chemistry, problem, state)) == pytest.approx(wanted.real, rel=1e-4)


def test_both_states_of_a_loop_that_has_two_are_found_and_one_does_not_last():
    """Over the bank the raffinate is the feed, x = 1; in stage 2 (1 - x)(A - O k/x) = 0."""
    amount = 0.7
    problem, state = bank(amount)
    other = ORGANIC_FLOW * amount / AQUEOUS_FLOW
    results = []
    for begin in (0.8, 1.1, 1.3, 1.6):
        stage = np.array(state.stage)
        stage[1, 0], stage[1, 2] = np.log(begin), amount / begin / DIMER
        start = Unknowns(jnp.array(stage), state.border)
        results.append(solve_pseudo_transient(Repelled(), problem, start, LONGEST_STEP, 1e-12, 30))
    groups = distinct(problem, results, 1e-12)
    found = {
        round(float(np.exp(results[group[0]].unknowns.stage[1, 0])), 9): float(
            leading_rate(Repelled(), problem, results[group[0]].unknowns)
        )
        for group in groups
    }
    assert sorted(found) == pytest.approx([1.0, other])
    assert found[1.0] > 0.0
    assert found[max(found)] < 0.0
    assert sum(map(len, groups)) == len(results)


def test_states_are_told_apart_by_what_the_organic_carries():
    problem, state = bank(0.8)
    stage = np.array(state.stage)
    stage[:, 0] += 5.0
    traces = Unknowns(stage, state.border)
    assert apart(state, traces, problem) == 0.0
    stage[1, 2] += 0.01
    assert apart(state, Unknowns(stage, state.border), problem) == pytest.approx(0.01)
    stage[SIZE - 1, 2] += 5.0
    padding = Unknowns(stage, state.border)
    assert apart(state, padding, problem) == pytest.approx(0.01)
    assert apart(state, Unknowns(state.stage, state.border + 0.2), problem) == pytest.approx(0.2)
