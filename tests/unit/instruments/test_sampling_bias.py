"""The bias of the analyzer against the laboratory."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.instruments.reading import Reading
from raffinate.instruments.sampling_bias import BEYOND, BiasFilter, bias_rows
from raffinate.units import HOUR

ELEMENTS = ("Ce", "Nd")
FILTER = BiasFilter(elements=ELEMENTS)


def reading(values, relative=0.001, time=0.0, instrument="xrf", place="nd", limit=0.5):
    values = np.asarray(values, dtype=float)
    return Reading(
        place=place,
        sample_time=time,
        result_time=time + 100.0,
        elements=ELEMENTS,
        values=values,
        covariance=np.diag((relative * values) ** 2),
        detection_limit=np.full(2, limit),
        quality="good",
        instrument=instrument,
    )


def test_a_constant_bias_is_learned_and_the_stated_doubt_is_the_error():
    generator, errors = np.random.default_rng(3), []
    for _ in range(200):
        true, state = 0.01 * generator.standard_normal(2), FILTER.start(0.0)
        for shift in range(30):
            liquor = np.array([400.0, 50.0])
            read = reading(liquor * (1.0 + 0.001 * generator.standard_normal(2)))
            assay = reading(liquor * np.exp(true + 0.02 * generator.standard_normal(2)), 0.02)
            state = FILTER.learned(state, read, assay)
            assert state.assays == shift + 1
        errors.append((state.factor - true) / state.sigma)
    np.testing.assert_allclose(np.std(errors, axis=0), 1.0, atol=0.15)
    assert np.all(state.sigma < 0.5 * FILTER.first_sd)


def test_doubt_grows_again_while_no_assay_comes():
    state = FILTER.learned(FILTER.start(0.0), reading([400.0, 50.0]), reading([404.0, 50.0], 0.02))
    soon = FILTER.corrected(state, reading([400.0, 50.0], time=1.0 * HOUR))
    late = FILTER.corrected(state, reading([400.0, 50.0], time=2000.0 * HOUR))
    assert np.all(late.sigma > soon.sigma)


def test_an_element_that_is_not_seen_says_nothing():
    state = FILTER.learned(
        FILTER.start(0.0), reading([0.1, 50.0]), reading([0.3, 55.0], 0.02, instrument="assay")
    )
    assert state.factor[0] == 0.0
    assert state.factor[1] > 0.0
    unseen = FILTER.learned(FILTER.start(0.0), reading([0.1, 0.1]), reading([0.1, 0.2]))
    assert unseen.assays == 0


def test_a_pair_sampled_too_far_apart_is_left_out():
    first = FILTER.start(0.0)
    late = reading([440.0, 55.0], 0.02, time=FILTER.window + 1.0)
    assert FILTER.learned(first, reading([400.0, 50.0]), late) is first


def test_the_correction_is_held_within_its_limit_and_says_so():
    state = FILTER.start(0.0)
    for _ in range(400):
        state = FILTER.learned(state, reading([400.0, 50.0]), reading([480.0, 50.0], 0.02))
    assert state.factor[0] == pytest.approx(np.log(1.2), rel=0.05)
    corrected = FILTER.corrected(state, reading([400.0, 50.0]))
    assert corrected.values[0] == pytest.approx(400.0 * np.exp(FILTER.limit))
    assert BEYOND in corrected.flags
    row = bias_rows(FILTER, state)[0]
    assert row["held"]
    assert row["percent"] > 15.0


def test_what_is_not_known_of_the_bias_widens_what_it_corrects():
    plain = reading([400.0, 50.0], 0.0)
    corrected = FILTER.corrected(FILTER.start(0.0), plain)
    np.testing.assert_array_equal(corrected.values, plain.values)
    np.testing.assert_allclose(corrected.sigma, FILTER.first_sd * plain.values)


def test_two_places_are_never_compared():
    with pytest.raises(SpecificationError, match="one place"):
        FILTER.learned(FILTER.start(0.0), reading([1.0, 2.0]), reading([1.0, 2.0], place="cepr"))
