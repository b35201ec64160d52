"""Shorter banks with the same flows, and profiles spread over longer ones."""

from __future__ import annotations

import numpy as np
import pytest

from plant_variants import restaged
from raffinate.cascade.start import levels, refinement, section_bounds, shortened
from raffinate.plant.arrays import problem_of


@pytest.fixture
def problem(default_plant):
    return problem_of(default_plant.circuit)


def test_runs_end_where_liquors_enter_and_leave(problem):
    np.testing.assert_array_equal(section_bounds(problem), [0, 26, 60, 68])


def test_a_change_of_efficiency_ends_a_run(problem):
    efficiency = np.array(problem.vessels.efficiency)
    efficiency[:10] = 0.5
    changed = problem._replace(vessels=problem.vessels._replace(efficiency=efficiency))
    np.testing.assert_array_equal(section_bounds(changed), [0, 10, 26, 60, 68])


def test_the_last_bank_of_a_series_is_the_bank_itself(problem):
    series = levels(problem)
    assert series[-1].problem is problem
    counts = [int(level.problem.vessels.last) + 1 for level in series]
    assert counts == sorted(counts)
    assert counts[0] <= 30


def test_a_short_bank_is_a_series_of_its_own(default_plant):
    series = levels(problem_of(restaged(default_plant, (3, 3, 2)).circuit))
    assert len(series) == 1


def test_feeds_and_draws_keep_their_places_between_sections(problem):
    first = levels(problem)[0].problem
    lengths = shortened(np.array([26, 34, 8]), 4)
    np.testing.assert_array_equal(lengths, [7, 9, 3])
    np.testing.assert_array_equal(first.streams.feed_stage, [6, 18])
    np.testing.assert_array_equal(first.streams.draw_stage, [16])
    np.testing.assert_array_equal(first.streams.feed_flow, problem.streams.feed_flow)
    assert int(np.sum(first.vessels.active)) == 19


def test_a_section_is_never_lost():
    np.testing.assert_array_equal(shortened(np.array([1, 2, 100]), 64), [1, 2, 3])


def test_a_straight_profile_stays_straight_within_a_section():
    spread = refinement(np.array([4, 2]), np.array([8, 4]), 16)
    profile = np.array([0.5, 1.5, 2.5, 3.5, 10.0, 30.0])
    found = profile[spread.below] * (1.0 - spread.share) + profile[spread.above] * spread.share
    np.testing.assert_allclose(found[1:7], 0.25 + 0.5 * np.arange(1, 7))
    np.testing.assert_allclose(found[8:12], [10.0, 15.0, 25.0, 30.0])
    assert (spread.above[:8] <= 3).all(), "nothing is mixed across sections"
