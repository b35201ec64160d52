"""Exchange with activities around the reduced equations, proved on the full ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant_variants import SMALL, restaged
from raffinate.cascade.steady_activity import (
    is_exchange,
    solve_exchange_from_given,
    solve_exchange_from_nothing,
)
from raffinate.cascade.steady_activity_constants import (
    Liquors,
    constants_of,
    constants_with_slopes,
    is_plain,
)
from raffinate.cascade.steady_activity_passes import solve_by_passes
from raffinate.chemistry.complexes import load_complexes
from raffinate.numerics.jax_setup import jax, jnp
from raffinate.plant.arrays import chemistry_of, parameters_of, problem_of
from raffinate.plant.steady import solve_steady

RESIDUAL = 1e-11
PITZER_OVER_IDEAL = (2.6, 0.9)
"""Added to log₁₀ K of rare earths and ammonium, so that the plant separates as the ideal one."""


def with_activities(circuit):
    system = circuit.system
    metals, ammonium = PITZER_OVER_IDEAL
    nonideal = replace(
        system,
        activity="pitzer",
        log10_extraction_constant=np.asarray(system.log10_extraction_constant) + metals,
        log10_saponification_constant=system.log10_saponification_constant + ammonium,
    )
    return replace(circuit, system=nonideal)


@pytest.fixture
def circuit(default_plant):
    return with_activities(restaged(default_plant, SMALL).circuit)


def test_exchange_with_activities_is_told_from_other_chemistries(default_plant, circuit):
    assert is_exchange(chemistry_of(circuit.system))
    assert not is_exchange(chemistry_of(default_plant.circuit.system)), "ideal has its own way"
    slope = replace(circuit.system, extractant_number=np.full(len(circuit.elements), 2.5))
    assert not is_exchange(chemistry_of(slope))


@pytest.mark.slow
@pytest.mark.parametrize("activity", ["pitzer", "bdot"])
def test_constants_change_with_the_liquor_as_their_derivatives_say(circuit, activity):
    """By differences; with B-dot the metals form chloride complexes, which are solved for."""
    system = replace(circuit.system, activity=activity)
    if activity == "bdot":
        found = load_complexes((*system.elements, "chloride"))
        system = replace(system, complexes=tuple(one for one in found if one.charge == 2))
    chemistry, parameters = chemistry_of(system), parameters_of(system)
    assert is_exchange(chemistry)
    assert is_plain(chemistry) == (activity == "pitzer")
    count = len(system.elements) + 1
    aqueous = np.array([[500.0, 200.0, 400.0], [30.0, 0.02, 90.0]])[:, : count - 1]
    aqueous = np.hstack([aqueous, [[300.0, 30.0], [100.0, 900.0]]])
    anion = aqueous @ np.array([3.0] * (count - 1) + [1.0, 1.0])
    active, log_q = jnp.array([True, True]), np.array([-1.0, 0.5])

    @jax.jit
    def value(at):
        return constants_of(chemistry, parameters, Liquors(log_q, at, anion, active))

    liquors = Liquors(log_q, aqueous, anion, active)
    found = jax.jit(lambda: constants_with_slopes(chemistry, parameters, liquors))()
    np.testing.assert_allclose(found.value, value(aqueous), rtol=1e-12)
    for place in range(count + 1):
        step = np.zeros_like(aqueous)
        step[:, place] = 1e-4 * aqueous[:, place]
        change = np.asarray(value(aqueous + step)) - np.asarray(value(aqueous - step))
        slope = change / (2.0 * step[:, place])[:, None]
        wanted = np.asarray(found.by_aqueous)[:, :, place]
        np.testing.assert_allclose(wanted, slope, rtol=1e-5, atol=1e-9)


@pytest.mark.slow
def test_a_bank_with_pitzer_activities_is_solved_from_nothing_and_from_a_state(circuit):
    """The full equations leave nothing; from another state the same one is found.

    Near it every iteration squares the miss, as all that returns is in the matrix.
    """
    chemistry, problem = chemistry_of(circuit.system), problem_of(circuit)
    cold = solve_exchange_from_nothing(chemistry, problem)
    assert float(cold.norm) <= RESIDUAL
    more = problem_of(replace(circuit, organic_flow=1.03 * circuit.organic_flow))
    other = solve_exchange_from_given(chemistry, more, cold.unknowns, RESIDUAL)
    assert float(other.norm) <= RESIDUAL
    back = solve_exchange_from_given(chemistry, problem, other.unknowns, RESIDUAL)
    assert float(back.norm) <= RESIDUAL
    for found in (cold, back):
        misses = np.asarray(found.history)[: int(found.iterations) + 1]
        near = np.flatnonzero(misses[:-1] < 1e-2)
        assert near.size
        assert (misses[near + 1] <= np.maximum(10.0 * misses[near] ** 2, 1e-11)).all()
    stages = slice(0, circuit.stages)
    moved = np.asarray(other.unknowns.stage)[stages] - np.asarray(cold.unknowns.stage)[stages]
    assert np.abs(moved).max() > 1e-3
    np.testing.assert_allclose(
        np.asarray(back.unknowns.stage)[stages],
        np.asarray(cold.unknowns.stage)[stages],
        rtol=1e-9,
        atol=1e-9,
    )


@pytest.mark.slow
def test_constants_found_in_turns_give_the_same_bank(circuit):
    """Boston and Sullivan's two loops are the independent solve, and what is left as fallback."""
    chemistry, problem = chemistry_of(circuit.system), problem_of(circuit)
    cold = solve_exchange_from_nothing(chemistry, problem)
    turns = solve_by_passes(chemistry, problem)
    assert float(turns.norm) <= RESIDUAL
    stages = slice(0, circuit.stages)
    np.testing.assert_allclose(
        np.asarray(turns.unknowns.stage)[stages],
        np.asarray(cold.unknowns.stage)[stages],
        rtol=1e-10,
        atol=1e-10,
    )


@pytest.mark.slow
@pytest.mark.parametrize("strength", [0.7, 1.2])
def test_a_bank_with_activities_balances_whatever_its_feed(circuit, strength):
    """The plant solve raises where it does not; few iterations tell that it was not the march."""
    first = circuit.sections[0]
    concentration = {k: strength * value for k, value in first.aqueous.concentration.items()}
    liquor = replace(first.aqueous, concentration=concentration)
    sections = (replace(first, aqueous=liquor), *circuit.sections[1:])
    state = solve_steady(replace(circuit, sections=sections), check_mixers=False)
    assert state.residual <= RESIDUAL
    assert state.balance_error <= 1e-10
    assert state.iterations <= 40
