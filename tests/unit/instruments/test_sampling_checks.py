"""Scheduled checks with a blank and a standard."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.instruments.reading import Reading
from raffinate.instruments.sampling_checks import (
    CheckHistory,
    Standard,
    after_check,
    judge_check,
    recalibrated,
)

STANDARD = Standard(name="standard", concentration=np.array([500.0, 100.0]))
BLANK = Standard(name="blank", concentration=np.zeros(2))


def reading(values, time=0.0):
    return Reading(
        place="check",
        sample_time=time,
        result_time=time + 100.0,
        elements=("Ce", "Nd"),
        values=np.asarray(values, dtype=float),
        covariance=np.eye(2),
        detection_limit=np.ones(2),
        quality="good",
        instrument="xrf",
    )


def test_a_check_tells_the_worst_element_with_its_sign():
    result = judge_check(reading([500.5, 97.0]), STANDARD)
    assert (result.element, result.worst) == ("Nd", pytest.approx(-3.0))


def test_the_doubt_of_the_certificate_counts():
    vague = Standard(name="s", concentration=np.array([500.0, 100.0]), relative_sd=0.03)
    assert abs(judge_check(reading([500.0, 97.0]), vague).worst) < 1.0


def test_one_far_check_asks_for_recalibration_and_a_close_one_does_not():
    far = after_check(CheckHistory(), judge_check(reading([0.0, 3.5]), BLANK))
    assert "blank: Nd" in far.recalibrate
    near = after_check(CheckHistory(), judge_check(reading([0.0, 2.5]), BLANK))
    assert near.recalibrate == ""


def test_two_off_to_the_same_side_ask_and_to_both_sides_do_not():
    one = after_check(CheckHistory(), judge_check(reading([502.5, 100.0]), STANDARD))
    assert "twice" in after_check(one, judge_check(reading([502.5, 100.0]), STANDARD)).recalibrate
    assert after_check(one, judge_check(reading([497.5, 100.0]), STANDARD)).recalibrate == ""


def test_a_recalibration_forgets_the_checks_before_it():
    due = after_check(CheckHistory(), judge_check(reading([0.0, 9.0]), BLANK))
    assert not recalibrated(due).last
    assert recalibrated(due).recalibrate == ""


def test_a_reading_that_is_no_number_asks_for_recalibration():
    assert after_check(CheckHistory(), judge_check(reading([np.nan, 1.0]), BLANK)).recalibrate


def test_a_standard_of_other_elements_is_refused():
    with pytest.raises(SpecificationError, match="check standard"):
        judge_check(reading([1.0, 2.0]), Standard(name="standard", concentration=np.ones(3)))


def test_sound_checks_rarely_ask_for_recalibration():
    """Two elements, 2 limits: by chance one of 1-3s in 185 checks and of 2-2s in some 1000."""
    generator, asked, history = np.random.default_rng(5), 0, CheckHistory()
    for _ in range(4000):
        found = judge_check(
            reading(STANDARD.concentration + generator.standard_normal(2)), STANDARD
        )
        history = after_check(history, found)
        if history.recalibrate:
            asked, history = asked + 1, recalibrated(history)
    assert 8 <= asked <= 60
