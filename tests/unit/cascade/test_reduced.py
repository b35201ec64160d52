"""The reduced equations of ideal exchange: positive, balanced, and with the right Newton step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant_variants import restaged
from raffinate.cascade.reduced import (
    at_rest,
    distributed,
    reduced_bank,
)
from raffinate.cascade.reduced_march import feed_everywhere, march
from raffinate.cascade.reduced_newton import newton_step
from raffinate.numerics.jax_setup import jax, jnp
from raffinate.plant.arrays import chemistry_of, problem_of


@pytest.fixture
def bank(default_plant):
    circuit = restaged(default_plant, (4, 4, 8)).circuit
    return jax.jit(reduced_bank, static_argnums=0)(
        chemistry_of(circuit.system), problem_of(circuit)
    )


def test_any_q_gives_positive_species_in_balance(bank):
    rng = np.random.default_rng(4)
    for spread in (0.1, 1.0):
        log_q = jnp.asarray(2.0 + spread * rng.normal(size=bank.active.shape))
        state = distributed(bank, log_q, at_rest(bank))
        assert (np.asarray(state.organic) > 0.0).all()
        last = int(bank.last)
        entered = np.asarray(bank.fed).sum(axis=0)
        drawn = np.asarray(bank.leaving - bank.passed)[:, None] * np.asarray(state.aqueous)
        left = bank.passed[0] * np.asarray(state.aqueous)[0] + drawn[: last + 1].sum(axis=0)
        np.testing.assert_allclose(left[:3], entered[:3], rtol=1e-10)


def test_equivalents_of_the_organic_add_up_once_the_charges_do(bank):
    """Balances of all species are the balance of the equivalents: S = c makes Σ ν y = F."""
    found = jax.jit(lambda b: march(b, *feed_everywhere(b), 1e-12, 100))(bank)
    assert float(found.held.rate) == 0.0
    assert float(found.excess) <= 1e-12
    organic = np.asarray(found.state.organic @ bank.valence)[np.asarray(bank.active)]
    np.testing.assert_allclose(organic, float(bank.dimer), rtol=1e-11)


@pytest.mark.parametrize("more_organic", [1.0, 1.22])
def test_newton_step_leads_back_to_the_solution(default_plant, more_organic):
    """What it leaves is of second order, also at 1.22: the strip is spent and much comes back."""
    circuit = restaged(default_plant, (4, 4, 8)).circuit
    circuit = replace(circuit, organic_flow=more_organic * circuit.organic_flow)
    bank = jax.jit(reduced_bank, static_argnums=0)(
        chemistry_of(circuit.system), problem_of(circuit)
    )
    noise = np.random.default_rng(7).uniform(-1.0, 1.0, bank.active.shape)
    noise = np.where(np.asarray(bank.active), noise, 0.0)

    @jax.jit
    def stepped(b, moved):
        found = march(b, *feed_everywhere(b), 1e-12, 100)
        log_q = found.log_q + moved
        return newton_step(b, log_q, distributed(b, log_q, at_rest(b))), found.state.organic[b.last]

    left = []
    for scale in (1e-3, 1e-4):
        step, barren = stepped(bank, scale * noise)
        left.append(np.abs(np.asarray(step) + scale * noise).max())
    assert (float(barren[2]) > 20.0) == (more_organic > 1.0)
    assert left[0] < 2e-5
    assert left[1] < 0.02 * left[0]
