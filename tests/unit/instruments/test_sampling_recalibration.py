"""Zero and span follow from checks that were confirmed."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.instruments.reading import Reading
from raffinate.instruments.sampling_checks import Standard
from raffinate.instruments.sampling_recalibration import (
    FAILED,
    CheckBook,
    as_calibrated,
    mean_reading,
)

CONTENT = np.array([500.0, 100.0])
SIGMA = np.array([1.0, 0.4])


def book(repeats=3):
    return CheckBook(
        standards={
            "blank": Standard(name="blank", concentration=np.zeros(2)),
            "standard": Standard(name="standard", concentration=CONTENT, relative_sd=0.002),
        },
        repeats=repeats,
        correction=as_calibrated(2),
    )


def reading(values, place="standard", time=0.0):
    return Reading(
        place=place,
        sample_time=time,
        result_time=time + 100.0,
        elements=("Ce", "Nd"),
        values=np.asarray(values, dtype=float),
        covariance=np.diag(SIGMA**2),
        detection_limit=3.29 * SIGMA,
        quality="good",
        instrument="check",
    )


def taken(start, values, place="standard"):
    for each in values:
        start = start.taken(reading(each, place))
    return start


def verdicts(found):
    return [outcome.verdict for outcome in found.outcomes]


def test_sound_checks_change_nothing():
    found = taken(book(), [CONTENT, CONTENT + SIGMA])
    assert verdicts(found) == ["passed", "passed"]
    one = reading([10.0, 20.0], "stage 5")
    assert found.corrected(one) is one


def test_a_bad_check_is_repeated_and_its_readings_are_flagged_meanwhile():
    found = taken(book(), [0.98 * CONTENT])
    assert found.confirming == "standard"
    assert FAILED in found.corrected(reading([10.0, 20.0], "stage 5")).flags


def test_a_bubble_is_not_confirmed_and_changes_nothing():
    found = taken(book(), [0.9 * CONTENT, CONTENT, CONTENT, CONTENT])
    assert verdicts(found) == ["failed", "repeated", "repeated", "not_confirmed"]
    assert found.correction.never_set
    assert not found.failed


def test_the_span_is_the_mean_of_the_repeats_and_not_of_the_check_that_failed():
    found = taken(book(), [0.9 * CONTENT, 0.98 * CONTENT, 0.98 * CONTENT, 0.98 * CONTENT])
    assert verdicts(found)[-1] == "recalibrated"
    stream = reading([50.0, 80.0], "stage 5")
    corrected = found.corrected(stream)
    np.testing.assert_allclose(corrected.values, stream.values / 0.98)
    assert np.all(corrected.sigma > stream.sigma / 0.98)
    assert corrected.flags == ()
    assert found.recalibrations == 1


def test_a_confirmed_blank_sets_the_zero():
    dirt = np.array([8.0, 0.0])
    found = taken(book(), [dirt] * 4, "blank")
    assert verdicts(found)[-1] == "recalibrated"
    corrected = found.corrected(reading([50.0, 80.0], "stage 5"))
    np.testing.assert_allclose(corrected.values, [42.0, 80.0])
    assert np.all(corrected.detection_limit > 3.29 * SIGMA)


def test_what_is_too_far_off_is_not_corrected_and_stays_failed():
    found = taken(book(), [0.9 * CONTENT] * 4)
    assert verdicts(found)[-1] == "beyond_range"
    assert found.correction.never_set
    assert "too far off" in found.failed["standard"]
    assert not taken(found, [CONTENT]).failed


@pytest.mark.parametrize("values", [[np.nan, 1.0], [-5.0, 100.0]])
def test_a_check_without_a_sensible_number_is_beyond_range(values):
    found = taken(book(), [values] * 4)
    assert verdicts(found)[-1] == "beyond_range"
    assert found.correction.never_set


def test_a_good_blank_does_not_end_the_repeats_of_the_standard():
    found = taken(book(), [0.98 * CONTENT])
    found = taken(found, [np.zeros(2)], "blank")
    assert verdicts(found) == ["failed", "passed"]
    assert (found.confirming, list(found.failed)) == ("standard", ["standard"])


def test_of_an_element_that_the_standard_lacks_the_span_stays():
    only = Standard(name="standard", concentration=np.array([500.0, 0.0]))
    start = CheckBook(standards={"standard": only}, repeats=1, correction=as_calibrated(2))
    found = taken(start, [[490.0, 0.0], [490.0, 0.0]])
    np.testing.assert_allclose(found.correction.span, [np.log(500.0 / 490.0), 0.0])


def test_the_mean_of_readings_is_known_better_by_the_root_of_their_number():
    found = mean_reading([reading(CONTENT)] * 4)
    np.testing.assert_allclose(found.sigma, SIGMA / 2.0)


def test_stated_uncertainty_after_recalibration_covers_what_the_analyzer_reads():
    """Three repeats of a reading 2 % low; the certificate itself is drawn."""
    generator, away = np.random.default_rng(4), []
    stream = np.array([300.0, 60.0])
    for _ in range(300):
        held = CONTENT * (1.0 + 0.002 * generator.standard_normal(2))
        noise = SIGMA * generator.standard_normal((4, 2))
        found = taken(book(), 0.98 * held + noise)
        if not found.recalibrations:
            continue
        read = reading(0.98 * stream + SIGMA * generator.standard_normal(2), "stage 5")
        corrected = found.corrected(read)
        away.append((corrected.values - stream) / corrected.sigma)
    assert len(away) > 250
    assert np.all(np.abs(np.std(away, axis=0) - 1.0) < 0.15)
