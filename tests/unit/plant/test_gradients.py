"""Derivatives of what a plant does, against solves at changed inputs; and its cost, twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradient_plants import PURITY, short_plant, short_point, short_state
from priced_plants import AS_WRITTEN, made_up_prices, without_oxide
from raffinate.cascade.steady import LONGEST_STEP, solve_pseudo_transient
from raffinate.errors import SpecificationError
from raffinate.numerics.jax_setup import jax, jnp
from raffinate.plant.arrays import problem_of, specification_of
from raffinate.plant.economics import plant_economics
from raffinate.plant.gradients import gradients_at, plant_gradients
from raffinate.plant.gradients_cost import cost_numbers
from raffinate.plant.gradients_inputs import (
    frame_of,
    input_values,
    layout_of,
    plant_at,
    problem_at,
)
from raffinate.plant.gradients_point import SolvedPoint, solved_point
from raffinate.plant.steady import solve_steady
from solved_plants import nominal_state, shipped_plant

STEP = 2e-5
"""Relative step of the wider of two central differences; extrapolated, their error falls with its
fourth power."""

TOLERANCE = 1e-6
"""Relative, against the slope or a thousandth of the largest of the same outcome."""


def polished(point: SolvedPoint) -> SolvedPoint:
    """Return the point with its residual as small as rounding lets it be."""
    problem = point.problem()
    found = solve_pseudo_transient(point.chemistry, problem, point.unknowns, LONGEST_STEP, 1e-15, 2)
    return replace(point, unknowns=found.unknowns)


def differences(point: SolvedPoint) -> np.ndarray:
    """Return relative changes of the inputs times slopes, by Richardson's central differences."""
    columns = []
    for place, value in enumerate(point.inputs):
        found = []
        for step in (STEP, STEP / 2.0):
            ends = []
            for sign in (1.0, -1.0):
                inputs = point.inputs.copy()
                inputs[place] = value + sign * step * abs(value)
                ends.append(polished(point.moved(inputs)).outcomes())
            found.append((ends[0] - ends[1]) / (2.0 * step))
        columns.append((4.0 * found[1] - found[0]) / 3.0)
    return np.stack(columns, axis=1)


def assert_slopes_agree(point: SolvedPoint, most: float = TOLERANCE) -> None:
    _, slopes = point.jacobian()
    relative = slopes * np.abs(point.inputs)
    expected = differences(point)
    size = np.abs(relative).max(axis=1, keepdims=True)
    error = np.abs(relative - expected) / np.maximum(np.abs(relative), 1e-3 * size)
    # Recoveries of met purities hang on the feed alone; the rest of their slopes is rounding.
    exact = [not name.startswith("recovery") for name in point.names]
    worst = np.unravel_index(error[exact].argmax(), error[exact].shape)
    names = [name for name, keep in zip(point.names, exact, strict=True) if keep]
    where = names[worst[0]], point.layout.names[worst[1]]
    assert error[exact].max() < 20 * TOLERANCE, where
    assert np.quantile(error[exact], 0.95) < most


@pytest.mark.parametrize("met", [False, True], ids=["free flows", "purities met"])
def test_slopes_are_those_of_solves_at_changed_inputs(met):
    assert_slopes_agree(polished(short_point(met)))


@pytest.mark.slow
def test_slopes_of_the_shipped_plant_are_those_of_solves_at_changed_inputs():
    plant = shipped_plant()
    meet = tuple(plant.nominal_purity)
    assert_slopes_agree(
        polished(solved_point(plant, nominal_state(), meet=meet, prices=made_up_prices())),
        # Rounding of the solves, divided by the step, grows with the 68 stages.
        5 * TOLERANCE,
    )


@pytest.mark.parametrize("met", [False, True], ids=["free flows", "purities met"])
def test_the_differentiable_bank_is_the_bank_itself(met):
    point = short_point(met)
    specification = None
    if met:
        specification = specification_of(point.plant, dict.fromkeys(PURITY, 0.5))._replace(
            log_impurity=point.inputs[[point.layout.place(f"log_impurity.{n}") for n in PURITY]]
        )
    expected = problem_of(point.plant.circuit, specification)
    made = point.problem()
    for one, other in zip(jax.tree.leaves(made), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-15, atol=0.0)


def counted(point: SolvedPoint) -> float:
    return point.outcome("cost")


@pytest.mark.parametrize("missing", [None, *AS_WRITTEN, "oxides"])
def test_cost_is_the_one_of_the_account_whatever_is_missing(missing):
    prices = made_up_prices() if missing in (None, "oxides") else made_up_prices(**{missing: None})
    if missing == "oxides":
        prices = without_oxide(prices, "Pr")
    account = plant_economics(short_plant(), short_state(), prices)
    numbers = cost_numbers(short_plant(), short_state(), prices)
    point = short_point(met=False)
    data = point.data._replace(cost=numbers)
    assert counted(replace(point, data=data)) == pytest.approx(
        (account.cost or 0.0) / account.reo_flow, rel=1e-12
    )


def test_cost_is_the_one_of_the_account_at_other_inputs():
    point = short_point(met=True)
    changes = {
        "organic_to_acid_ratio": 7.5,
        "saponification_degree": 0.33,
        "acid_concentration": 5000.0,
        "extractant_concentration": 1400.0,
        "scrub.mixer": 2.0,
        "strip.settler_organic": 4.0,
        "organic_tank": 9.0,
        "feed_acid": 30.0,
    }
    moved = point.moved(point.with_inputs(changes))
    plant = plant_at(point.plant, moved.layout, moved.inputs, moved.flows())
    state = solve_steady(plant, check_mixers=False)
    account = plant_economics(plant, state, made_up_prices())
    assert account.cost is not None
    assert counted(moved) == pytest.approx(account.cost / account.reo_flow, rel=1e-8)
    for name, product in state.products.items():
        assert moved.outcome(f"recovery.{name}") == pytest.approx(product.recovery, rel=1e-8)
        assert moved.outcome(f"reo.{name}") == pytest.approx(product.reo_flow, rel=1e-8)
    assert moved.outcome("reagent.NH3") == pytest.approx(state.reagents["NH3"], rel=1e-8)
    assert moved.outcome("reagent.HCl") == pytest.approx(state.reagents["HCl"], rel=1e-8)
    assert moved.outcome("reo_held") == pytest.approx(account.held.oxide_mass, rel=1e-8)


def test_prices_that_count_no_cost_are_refused():
    empty = made_up_prices(**dict.fromkeys(AS_WRITTEN))
    with pytest.raises(SpecificationError, match="no cost can be counted"):
        cost_numbers(short_plant(), short_state(), empty)


def test_a_state_of_another_plant_is_refused():
    other = replace(short_state(), plant_name="another")
    with pytest.raises(SpecificationError, match="another"):
        plant_gradients(short_plant(), other)


def test_purity_falls_as_its_impurity_rises_and_unknown_names_are_refused():
    found = gradients_at(short_point(met=True))
    assert found.met == tuple(PURITY)
    for name, purity in PURITY.items():
        assert found.value(f"purity.{name}") == pytest.approx(purity)
        assert found.slope(f"log_impurity.{name}", f"log_impurity.{name}") == pytest.approx(1.0)
        slope = found.slope(f"purity.{name}", f"log_impurity.{name}")
        assert slope == pytest.approx(-np.log(10.0) * (1.0 - purity), rel=1e-6)
    with pytest.raises(SpecificationError, match="organic_tank"):
        found.slope("cost", "organic_tnk")


def test_a_step_of_feed_composition_keeps_total_oxide():
    """Slopes by mass fractions are those of the operation that an event would set."""
    point = short_point(met=False)
    found = gradients_at(point)
    operation = point.plant.operation()
    step = 1e-6
    for place, element in enumerate(point.layout.elements):
        fraction = float(operation.feed_mass_fraction[place])
        ends = []
        for sign in (1.0, -1.0):
            feed = operation.with_element(place, fraction + sign * step).feed_concentration(
                point.layout.elements
            )
            changes = {f"feed.{e}": c for e, c in zip(point.layout.elements, feed, strict=True)}
            ends.append(point.moved(point.with_inputs(changes)).outcome("log_impurity.nd"))
        slope = found.slope("log_impurity.nd", f"feed.{element}_mass_fraction")
        assert (ends[0] - ends[1]) / (2.0 * step) == pytest.approx(slope, rel=1e-5)


def test_tables_hold_every_slope_and_a_tornado_the_largest_first():
    found = gradients_at(short_point(met=True))
    table = found.to_dataframe()
    assert len(table) == len(found.inputs) * len(found.outcomes)
    told = found.to_dict()
    assert told["outcomes"]["cost"]["slope"]["feed_acid"] == found.slope("cost", "feed_acid")
    rows = found.tornado("cost", 5)
    effects = [abs(effect) for _, _, effect in rows]
    assert effects == sorted(effects, reverse=True)
    steps = dict(zip(found.inputs, found.steps(), strict=True))
    assert steps["log10_K.Nd"] == 0.01
    assert steps["feed_flow"] == pytest.approx(0.01 * found.input_values[0])


def test_a_tableau_chemistry_has_its_constants_as_inputs_and_makes_the_same_bank():
    """With activities the closed form does not hold, so that the bank runs on a tableau."""
    plant = short_plant()
    system = replace(plant.circuit.system, activity="davies")
    plant = replace(plant, circuit=replace(plant.circuit, system=system))
    layout = layout_of(plant)
    assert not layout.simple
    inputs = input_values(plant, layout)
    values = dict(zip(layout.names, inputs, strict=True))
    for element, constant in zip(system.elements, system.log10_extraction_constant, strict=True):
        assert values[f"log10_K.{element}"] == constant
    made = problem_at(layout, frame_of(plant), jnp.asarray(inputs))
    for one, other in zip(
        jax.tree.leaves(made), jax.tree.leaves(problem_of(plant.circuit)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-14, atol=0.0)
