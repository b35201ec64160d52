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
from raffinate.plant.arrays import chemistry_of, problem_of

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
def test_a_bank_with_pitzer_activities_is_solved_from_nothing_and_from_a_state(circuit):
    """The full equations leave nothing; from another state the same one is found."""
    chemistry, problem = chemistry_of(circuit.system), problem_of(circuit)
    cold = solve_exchange_from_nothing(chemistry, problem)
    assert float(cold.norm) <= RESIDUAL
    more = problem_of(replace(circuit, organic_flow=1.03 * circuit.organic_flow))
    other = solve_exchange_from_given(chemistry, more, cold.unknowns, RESIDUAL)
    assert float(other.norm) <= RESIDUAL
    back = solve_exchange_from_given(chemistry, problem, other.unknowns, RESIDUAL)
    assert float(back.norm) <= RESIDUAL
    stages = slice(0, circuit.stages)
    moved = np.asarray(other.unknowns.stage)[stages] - np.asarray(cold.unknowns.stage)[stages]
    assert np.abs(moved).max() > 1e-3
    np.testing.assert_allclose(
        np.asarray(back.unknowns.stage)[stages],
        np.asarray(cold.unknowns.stage)[stages],
        rtol=1e-8,
        atol=1e-8,
    )
