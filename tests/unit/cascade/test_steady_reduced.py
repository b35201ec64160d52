"""Banks of ideal exchange from nothing, from a state, and many at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant_variants import SMALL, default_text, restaged
from raffinate.cascade.bank import Unknowns
from raffinate.cascade.steady_reduced import from_given, solve_from_given, solve_from_nothing
from raffinate.plant.arrays import chemistry_of, problem_of
from raffinate.plant.plant_file import parse_plant

RESIDUAL = 1e-11


@pytest.fixture
def plain(default_plant):
    circuit = default_plant.circuit
    return chemistry_of(circuit.system), circuit


def test_the_shipped_plant_is_solved_in_a_few_passes(plain):
    chemistry, circuit = plain
    result = solve_from_nothing(chemistry, problem_of(circuit))
    assert float(result.norm) <= RESIDUAL
    assert int(result.iterations) < 40, "all banks of the series counted"


@pytest.mark.parametrize("total", [7e-6, 1e-4, 0.003, 2.1])
def test_feeds_from_a_milligram_to_hundreds_of_grams_per_litre_need_no_guess(plain, total):
    """7e-6 mol/L is 1 mg/L and 2.1 mol/L 300 g/L of Nd; organic and acid follow the feed."""
    text = default_text().replace("total_mol_per_L: 1.2 ", f"total_mol_per_L: {total} ")
    result = solve_from_nothing(plain[0], problem_of(parse_plant(text).circuit))
    # What the reduced equations leave of the most dilute feeds the full Newton iteration ends.
    assert float(result.norm) <= (RESIDUAL if total > 1e-5 else 1e-9)


def test_ten_percent_more_organic_takes_few_passes_from_the_state_before(plain):
    chemistry, circuit = plain
    begin = solve_from_nothing(chemistry, problem_of(circuit))
    problem = problem_of(replace(circuit, organic_flow=1.1 * circuit.organic_flow))
    warm = solve_from_given(chemistry, problem, begin.unknowns, 1e-3)
    cold = solve_from_nothing(chemistry, problem)
    assert float(warm.norm) <= RESIDUAL
    assert int(warm.iterations) <= 8
    np.testing.assert_allclose(warm.unknowns.stage, cold.unknowns.stage, rtol=1e-7, atol=1e-9)


def test_a_start_from_which_newton_does_not_come_nearer_is_given_up_for_one_from_nothing(plain):
    """With an eighth less organic the fronts travel far: what was tried is what little it cost."""
    chemistry, circuit = plain
    begin = solve_from_nothing(chemistry, problem_of(circuit))
    problem = problem_of(replace(circuit, organic_flow=0.88 * circuit.organic_flow))
    tried = from_given(chemistry, problem, begin.unknowns)
    assert not float(tried.norm) <= RESIDUAL
    assert int(tried.iterations) <= 3
    found = solve_from_given(chemistry, problem, begin.unknowns, 1e-3)
    cold = solve_from_nothing(chemistry, problem)
    assert float(found.norm) <= RESIDUAL
    assert int(found.iterations) == int(tried.iterations) + int(cold.iterations)


@pytest.mark.parametrize(
    ("lever", "factor"),
    [
        ("organic_flow", 0.8),
        ("organic_flow", 0.9),
        ("organic_flow", 1.1),
        ("organic_flow", 1.2),
        ("organic_flow", 1.22),
        ("scrub_flow", 0.8),
        ("scrub_flow", 1.2),
        ("saponification_degree", 0.9),
        ("saponification_degree", 1.1),
        ("acid_flow", 0.82),
    ],
)
def test_no_lever_needs_more_than_the_reduced_equations(
    plain, default_plant, nominal_state, lever, factor
):
    """At 1.1 of the organic a plateau begins; at 1.22 and 0.82 of the acid the strip is spent."""
    operation = nominal_state.operation
    changed = replace(operation, **{lever: factor * getattr(operation, lever)})
    problem = problem_of(default_plant.operated(changed).circuit)
    cold = solve_from_nothing(plain[0], problem)
    warm = solve_from_given(plain[0], problem, nominal_state.unknowns, 1e-3)
    for found in (cold, warm):
        assert float(found.norm) <= RESIDUAL
        assert int(found.iterations) <= 60, "all banks of the series counted"
    np.testing.assert_allclose(warm.unknowns.stage, cold.unknowns.stage, rtol=1e-7, atol=1e-7)


def test_a_start_that_is_no_state_is_reported_by_its_residual(default_plant):
    circuit = restaged(default_plant, SMALL).circuit
    chemistry, problem = chemistry_of(circuit.system), problem_of(circuit)
    nonsense = Unknowns(np.full((8, 12), np.nan), np.zeros(3))
    assert not float(from_given(chemistry, problem, nonsense).norm) <= RESIDUAL
