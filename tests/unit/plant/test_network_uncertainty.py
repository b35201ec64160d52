"""The probability that a plant of two circuits makes its specification."""

from __future__ import annotations

import numpy as np
import pytest

from network_plants import TWO_BANKS, bent
from raffinate.errors import SpecificationError
from raffinate.plant.network_inputs import with_inputs
from raffinate.plant.network_levers import lever_values
from raffinate.plant.network_outcomes import network_gradients
from raffinate.plant.network_solve import solve_network
from raffinate.plant.network_uncertainty import network_covariance, network_probability


@pytest.fixture(scope="module")
def network():
    return bent(TWO_BANKS)


@pytest.fixture(scope="module")
def state(network):
    return solve_network(network)


def test_a_plant_at_its_limit_makes_it_half_the_time_by_gradients(network, state):
    purities = {name: product.purity for name, product in state.products.items()}
    found = network_probability(network, state, purities=purities)
    for each in found.outcomes:
        assert each.linear_probability == pytest.approx(0.5, abs=1e-6)
        assert each.linear_deviation > 0.0
        assert sum(share for _, share in each.shares) == pytest.approx(1.0)
        assert all(name.startswith("log10_K.p507_hcl.") for name, _ in each.shares)
    assert np.isnan(found.probability)
    assert found.samples == 0
    assert found.agree


@pytest.mark.slow
def test_trials_spread_as_the_gradients_say_where_little_is_uncertain(network, state):
    value = lever_values(network)["first.organic_per_feed"]
    found = network_probability(
        network,
        state,
        deviations={"first.organic_per_feed": 1e-2 * value},
        purities={"nd": state.products["nd"].purity},
        samples=24,
        seed=5,
    )
    assert found.failed == 0
    outcome = {each.name: each for each in found.outcomes}["log_impurity.nd"]
    # Four standard errors of a deviation from 24 samples.
    assert outcome.deviation == pytest.approx(outcome.linear_deviation, rel=0.6)
    assert found.low <= found.probability <= found.high


def test_circuits_of_one_system_share_its_covariance(network, state):
    gradients = network_gradients(network, state)
    spread = network_covariance(network, gradients, {"second.extraction.efficiency": 0.03})
    system = network.circuits[0].system
    places = [gradients.inputs.index(f"log10_K.{system.name}.{e}") for e in system.elements]
    np.testing.assert_array_equal(spread[np.ix_(places, places)], system.log10_covariance)
    place = gradients.inputs.index("second.extraction.efficiency")
    assert spread[place, place] == pytest.approx(9e-4)


@pytest.mark.parametrize(
    "asked",
    [{"samples": 3}, {"deviations": {"colour": 1.0}}, {"purities": {"la": 0.9}}],
)
def test_what_cannot_be_asked_is_refused(network, state, asked):
    with pytest.raises(SpecificationError):
        network_probability(network, state, **asked)


def test_inputs_are_changed_by_name_and_constants_in_every_circuit(network):
    changed = with_inputs(
        network,
        {
            "feed.chloride.flow": 1e-3,
            "feed.chloride.Nd": 300.0,
            "first.strip.acid_concentration": 4000.0,
            "second.extraction.efficiency": 0.8,
            "second.extractant_concentration": 1400.0,
            "first.organic_per_feed": 2.2,
            "log10_K.p507_hcl.Nd": -1.0,
        },
    )
    (feed,) = changed.feeds
    assert (feed.flow, feed.concentration["Nd"]) == (1e-3, 300.0)
    first, second = changed.circuits
    assert first.sections[1].acid.proton == 4000.0
    assert [section.efficiency for section in second.sections] == [0.8, 0.9]
    assert second.organic.extractant_concentration == 1400.0
    assert first.organic_per_feed == 2.2
    place = first.system.index("Nd")
    assert {c.system.log10_extraction_constant[place] for c in changed.circuits} == {-1.0}
    with pytest.raises(SpecificationError, match="no input of two_banks"):
        with_inputs(network, {"third.organic_per_feed": 1.0})
