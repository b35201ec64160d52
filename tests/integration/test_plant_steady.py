"""Steady states of whole plants from nothing: solved, balanced, and refused where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant_variants import SMALL, default_text, restaged, with_cation_constant
from raffinate.cascade import equations, transport
from raffinate.cascade.steady import solve_pseudo_transient
from raffinate.chemistry.elements import molar_masses
from raffinate.errors import BalanceError, ConvergenceError, SpecificationError
from raffinate.plant.motion import PlantMotion
from raffinate.plant.plant_file import parse_plant
from raffinate.plant.steady import solve_steady

RESIDUAL, BALANCE = 1e-11, 1e-9


def balanced(state):
    """Check the result by its own streams, not by the numbers it reports about itself."""
    assert state.residual <= RESIDUAL
    assert state.balance_error <= BALANCE
    for values in (state.aqueous, state.organic, state.proton, state.free_extractant):
        assert (values > 0.0).all()
        assert np.isfinite(values).all()


def test_nominal_state_meets_its_purities_and_balances(default_plant, nominal_state):
    balanced(nominal_state)
    for name, wanted in default_plant.nominal_purity.items():
        reached = 1.0 - nominal_state.products[name].purity
        assert reached == pytest.approx(1.0 - wanted, rel=1e-8)
    operation = nominal_state.operation
    fed = operation.feed_flow * operation.feed_concentration(nominal_state.elements)
    left = nominal_state.raffinate + nominal_state.drawn
    np.testing.assert_allclose(left, fed, rtol=1e-9)
    charge = 3.0 * nominal_state.aqueous.sum(axis=1) + nominal_state.ammonium + nominal_state.proton
    anion = np.exp(np.asarray(nominal_state.unknowns.stage)[: len(charge), 4])
    np.testing.assert_allclose(charge, anion, rtol=1e-10)
    barren = nominal_state.barren_organic * np.array(molar_masses(nominal_state.elements))
    assert (barren < 5e-3).all(), "kg/m³, 5 mg/L"


@pytest.mark.parametrize(("more_organic", "spared"), [(1.000001, 5), (1.01, -2)])
def test_warm_start_ends_where_the_cold_start_does(
    default_plant, nominal_state, more_organic, spared
):
    """A start too far off is given up after an iteration or two, and costs no more than those."""
    operation = nominal_state.operation
    flow = more_organic * operation.organic_flow
    plant = default_plant.operated(replace(operation, organic_flow=flow))
    cold, warm = solve_steady(plant), solve_steady(plant, start=nominal_state)
    assert warm.iterations <= cold.iterations - spared
    np.testing.assert_allclose(warm.aqueous, cold.aqueous, rtol=1e-7)
    np.testing.assert_allclose(warm.organic, cold.organic, rtol=1e-7)


@pytest.mark.parametrize("total", [0.02, 0.05, 0.2, 0.6, 1.5])
def test_dilute_and_strong_feeds_are_solved_from_nothing(total):
    """Organic and acid follow the feed; mixers out of ratio are another matter."""
    text = default_text().replace("total_mol_per_L: 1.2 ", f"total_mol_per_L: {total} ")
    balanced(solve_steady(parse_plant(text), check_mixers=False))


@pytest.mark.parametrize(
    "fractions",
    [
        "{Ce: 0.98, Pr: 0.01, Nd: 0.01}",
        "{Ce: 0.01, Pr: 0.01, Nd: 0.98}",
        "{Ce: 0.333, Pr: 0.333, Nd: 0.334}",
        "{Ce: 0.0005, Pr: 0.9990, Nd: 0.0005}",
    ],
)
def test_other_feeds_are_solved_from_nothing(fractions):
    text = default_text().replace("{Ce: 0.4445, Pr: 0.1842, Nd: 0.3713}", fractions)
    balanced(solve_steady(parse_plant(text)))


@pytest.mark.parametrize("efficiency", [0.8, 0.97, 1.0])
def test_any_efficiency_is_solved_from_nothing(default_plant, efficiency):
    balanced(solve_steady(restaged(default_plant, (26, 34, 8), efficiency=efficiency)))


@pytest.mark.parametrize("stages", [(1, 1, 1), SMALL, (10, 12, 4), (40, 50, 8)])
def test_other_stage_counts_are_solved_from_nothing(default_plant, stages):
    state = solve_steady(restaged(default_plant, stages))
    balanced(state)
    assert state.aqueous.shape == (sum(stages), 3)


def test_more_efficient_stages_separate_better(default_plant, nominal_state):
    plant = restaged(default_plant.operated(nominal_state.operation), (26, 34, 8), efficiency=0.95)
    better = solve_steady(plant)
    product = [
        state.products["cepr"].purity + state.products["nd"].purity
        for state in (better, nominal_state)
    ]
    assert product[0] > product[1]


def test_stage_counts_within_a_bucket_share_one_compilation(default_plant):
    solve_steady(restaged(default_plant, (10, 12, 4)))
    before = solve_pseudo_transient._cache_size()
    solve_steady(restaged(default_plant, (11, 13, 4)))
    assert solve_pseudo_transient._cache_size() == before


def test_the_assumed_ammonium_constant_hardly_moves_the_flows(default_plant, nominal_state):
    """Measured for the scrub flow, which moves most: -2 decades 3e-6, +2 decades 4e-4."""
    operation = nominal_state.operation
    for decades in (-2.0, 2.0):
        plant = with_cation_constant(default_plant, decades)
        state = solve_steady(plant, purities=default_plant.nominal_purity)
        moved = state.operation
        assert moved.organic_flow == pytest.approx(operation.organic_flow, rel=2e-4)
        assert moved.scrub_flow == pytest.approx(operation.scrub_flow, rel=1e-3)


def test_the_assumed_ammonium_constant_changes_impurities_as_the_docs_say(
    default_plant, nominal_state
):
    """At fixed flows: -2 decades 1.2 %, +1 decade 10 %; a window as narrow as the scrub flow's."""
    operated = default_plant.operated(nominal_state.operation)
    for decades, most in ((-2.0, 0.02), (-1.0, 0.02), (1.0, 0.15)):
        state = solve_steady(with_cation_constant(operated, decades))
        for name, product in state.products.items():
            nominal = 1.0 - nominal_state.products[name].purity
            assert abs((1.0 - product.purity) / nominal - 1.0) < most


@pytest.mark.slow
def test_purities_out_of_reach_raise_with_what_was_reached(default_plant):
    with pytest.raises(ConvergenceError, match="no flows give these purities") as caught:
        solve_steady(default_plant, purities={"nd": 1.0 - 1e-9, "cepr": 1.0 - 1e-9})
    assert caught.value.history
    assert caught.value.worst_stage is not None
    assert "Ask for less purity" in str(caught.value)


def test_no_convergence_names_stage_component_and_history(default_plant):
    """A bank whose organic brings far more ammonium than the liquors have chloride for."""
    operation = replace(default_plant.operation(), scrub_flow=0.0)
    with pytest.raises(ConvergenceError, match="steady solve: no steady state") as caught:
        solve_steady(default_plant.operated(operation))
    error = caught.value
    assert len(error.history) > 10
    assert error.history[-1] > RESIDUAL
    assert 1 <= error.worst_stage <= 68
    assert error.worst_element
    assert f"stage {error.worst_stage}, {error.worst_element}" in str(error)


def test_a_start_from_another_bank_is_refused(default_plant, nominal_state):
    with pytest.raises(SpecificationError, match="padded to 72 stages"):
        solve_steady(restaged(default_plant, SMALL), start=nominal_state)


def test_purities_of_a_circuit_are_refused(default_plant):
    with pytest.raises(SpecificationError, match="a circuit has no products"):
        solve_steady(default_plant.circuit, purities={"nd": 0.99, "cepr": 0.99})


def test_a_circuit_alone_is_solved_like_its_plant(default_plant):
    plant = restaged(default_plant, SMALL)
    alone, whole = solve_steady(plant.circuit), solve_steady(plant)
    np.testing.assert_array_equal(alone.aqueous, whole.aqueous)
    assert not alone.products
    assert alone.operation is None


@pytest.fixture
def leaking(monkeypatch, default_plant):
    """A plant in whose equations a tenth of a percent of the aqueous appears between two stages.

    The cation has a name of its own, so that kernels compiled with the leak are used nowhere else.
    """
    real = equations.aqueous_flows

    def leak(streams, stage_count):
        flows = real(streams, stage_count)
        return flows._replace(passed=flows.passed.at[4].multiply(1.001))

    monkeypatch.setattr(equations, "aqueous_flows", leak)
    monkeypatch.setattr(transport, "aqueous_flows", leak)
    return with_cation_constant(restaged(default_plant, SMALL), 0.0, cation="leak")


def test_a_broken_flux_fails_the_balance_of_a_steady_state(leaking):
    with pytest.raises(BalanceError, match=r"steady state: .* entered"):
        solve_steady(leaking)


def test_a_broken_flux_fails_the_balance_of_a_trajectory(leaking):
    motion = PlantMotion(leaking, None)
    motion.advance(leaking.operation(), 6 * 3600.0)
    with pytest.raises(BalanceError, match=r"trajectory: .* entered"):
        motion.check()


def test_results_are_told_by_stage(default_plant):
    state = solve_steady(restaged(default_plant, SMALL))
    table = state.to_dataframe()
    assert list(table["stage"]) == list(range(1, 9))
    assert list(table["section"]) == ["extraction"] * 3 + ["scrub"] * 3 + ["strip"] * 2
    np.testing.assert_array_equal(table["aqueous_Nd_mol_per_m3"], state.aqueous[:, 2])
    told = state.to_dict()
    assert told["stages"][0]["pH"] == pytest.approx(-np.log10(state.proton[0] / 1e3))
    assert told["flows_m3_per_h"]["feed_flow"] == pytest.approx(1.22)
