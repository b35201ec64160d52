"""The probability of making specification: by gradients and by samples."""

from __future__ import annotations

import numpy as np
import pytest

from gradient_plants import PURITY, short_plant, short_point, short_state
from raffinate.errors import SpecificationError
from raffinate.plant.uncertainty import (
    input_covariance,
    specification_probability,
    wilson,
)

SMALL = 1e-4
"""Factor on the covariance at which the plant is as good as linear."""


def fitted() -> np.ndarray:
    return short_plant().circuit.system.log10_covariance


def probability(scale: float, **asked):
    return specification_probability(
        short_plant(), short_state(), covariance=fitted() * scale, purities=PURITY, **asked
    )


def test_a_plant_at_its_limit_makes_each_purity_half_the_time():
    found = probability(SMALL, samples=200)
    for each in found.outcomes:
        assert each.linear_probability == pytest.approx(0.5, abs=1e-6)
        low, high = wilson(each.probability, found.samples)
        assert low - 0.05 < 0.5 < high + 0.05
    assert found.agree
    assert found.failed == 0


def test_samples_spread_as_the_gradients_say_where_little_is_uncertain():
    found = probability(SMALL, samples=200, seed=4)
    for each in found.outcomes:
        # Four standard errors of a deviation from 200 samples.
        assert each.deviation == pytest.approx(each.linear_deviation, rel=0.2)
        assert abs(each.mean - each.value) < 4.0 * each.linear_deviation / np.sqrt(200)
        assert sum(share for _, share in each.shares) == pytest.approx(1.0)


def test_the_same_seed_gives_the_same_answer_and_another_does_not():
    one, again, other = (probability(1.0, samples=20, seed=seed).to_dict() for seed in (1, 1, 2))
    assert one == again
    assert one["outcomes"][0]["mean"] != other["outcomes"][0]["mean"]


def test_held_purities_ask_whether_the_flows_stay_within_their_levers():
    found = probability(SMALL, samples=20, held="purities")
    assert {each.name for each in found.outcomes} == {"organic_flow", "scrub_flow", "acid_flow"}
    assert found.probability == 1.0
    assert found.linear_probability == pytest.approx(1.0)
    assert found.agree


def test_what_the_user_is_unsure_of_is_added_and_told_apart():
    found = probability(
        SMALL, samples=20, deviations={"extraction.efficiency": 0.1, "feed.Nd": 5.0}
    )
    named = {name for name, _ in found.outcomes[0].shares}
    assert {"extraction.efficiency", "feed.Nd"} <= named
    assert found.clipped > 0


def test_the_covariance_of_the_inputs_holds_the_fitted_one_and_the_deviations():
    layout = short_point(met=False).layout
    spread = input_covariance(layout, short_plant(), {"feed_flow": 2e-6})
    places = [layout.place(f"log10_K.{element}") for element in layout.elements]
    np.testing.assert_array_equal(spread[np.ix_(places, places)], fitted())
    assert spread[layout.place("feed_flow"), layout.place("feed_flow")] == 4e-12


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ({"deviations": {"feed_flw": 1.0}}, "no input"),
        ({"deviations": {"feed_flow": -1.0}}, "deviation is -1"),
        ({"covariance": np.zeros((3, 3))}, "nothing is uncertain"),
        ({"covariance": np.zeros((2, 2))}, "shape"),
        ({"samples": 3}, "samples is 3"),
        ({"held": "breath"}, "cannot be held"),
        ({"purities": {"dn": 0.9}}, "no product"),
    ],
)
def test_what_cannot_be_asked_is_refused(asked, match):
    with pytest.raises(SpecificationError, match=match):
        specification_probability(short_plant(), short_state(), **asked)


def test_the_interval_of_a_share_never_leaves_zero_to_one():
    for share in (0.0, 0.3, 1.0):
        low, high = wilson(share, 50)
        assert 0.0 <= low <= share + 1e-12
        assert share - 1e-12 <= high <= 1.0
