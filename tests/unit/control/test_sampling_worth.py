"""Which stage a reading would tell most of."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.control.sampling_worth import SamplingWorth
from raffinate.instruments.reading import Reading
from raffinate.units import HOUR

JUDGE = SamplingWorth(
    heavy=("Nd",), light=("Ce",), group={"stage 5": 2, "stage 9": 2, "stage 30": 1}
)


def reading(place, time, ratio=0.0, sigma=0.01, limit=0.0):
    light = 500.0
    heavy = light * 10.0**ratio
    spread = np.array([0.0, sigma * np.log(10.0) * heavy])
    return Reading(
        place=place,
        sample_time=time,
        result_time=time + 100.0,
        elements=("Ce", "Nd"),
        values=np.array([light, heavy]),
        covariance=np.diag(spread**2),
        detection_limit=np.array([0.0, limit]),
        quality="good",
        instrument="xrf",
    )


def test_the_worth_is_the_fall_of_the_variance_of_the_front():
    known = JUDGE.learned({}, [reading("stage 5", 0.0)])
    time = 2.0 * HOUR
    prior = 0.01**2 + 2.0 * 0.01**2
    fall = prior - prior * 0.01**2 / (prior + 0.01**2)
    (asked,) = JUDGE.requests(known, time)
    assert asked.worth == pytest.approx(fall / 4.0)


def test_the_stage_that_was_not_looked_at_is_asked_for():
    known = JUDGE.learned({}, [reading("stage 5", 0.0), reading("stage 9", HOUR)])
    assert JUDGE.requests(known, HOUR)[0].stream == "stage 5"
    known = JUDGE.learned(known, [reading("stage 5", 2.0 * HOUR)])
    assert JUDGE.requests(known, 2.0 * HOUR)[0].stream == "stage 9"
    assert JUDGE.told(known, 2.0 * HOUR).startswith("stage 9: ")


def test_a_stage_that_moves_is_asked_for_before_one_that_stands():
    known = {}
    for turn in range(30):
        moving = 0.05 * (-1) ** turn
        known = JUDGE.learned(
            known,
            [reading("stage 5", turn * HOUR, moving), reading("stage 9", turn * HOUR, 0.0)],
        )
    first, second = JUDGE.requests(known, 30.0 * HOUR)
    assert first.stream == "stage 5"
    assert first.worth > 2.0 * second.worth


def test_a_stage_with_few_beside_it_counts_more():
    known = JUDGE.learned({}, [reading("stage 5", 0.0), reading("stage 30", 0.0)])
    worth = {each.stream: each.worth for each in JUDGE.requests(known, HOUR)}
    assert worth["stage 30"] == pytest.approx(4.0 * worth["stage 5"])


def test_a_reading_counts_once_and_one_below_its_limit_not_at_all():
    known = JUDGE.learned({}, [reading("stage 5", HOUR)])
    assert JUDGE.learned(known, [reading("stage 5", HOUR, 1.0)]) == known
    assert not JUDGE.learned(known, [reading("stage 5", 2.0 * HOUR, limit=1e4)])
    assert JUDGE.told({}, HOUR) == ""


def test_readings_of_places_that_are_not_monitored_are_passed_over():
    assert not JUDGE.learned({}, [reading("cepr", 0.0)])


def test_the_uncertainty_follows_a_random_walk():
    """Readings of a walk of known drift: the learned growth is within a factor of two of it."""
    generator, ratio, known = np.random.default_rng(2), 0.0, {}
    learned = []
    for turn in range(400):
        ratio += 0.03 * generator.standard_normal()
        seen = ratio + 0.01 * generator.standard_normal()
        known = JUDGE.learned(known, [reading("stage 5", turn * HOUR, seen)])
        learned.append(known["stage 5"].walk * HOUR)
    assert 0.5 * 0.03**2 < np.mean(learned[50:]) < 2.0 * 0.03**2
