from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from raffinate.studies.model import CONSTANT
from raffinate.studies.sampling import latin_hypercube, make_cases
from study_files import DRAWN, SWEEP, small_study

LISTED = """
method: list
inputs: {organic_flow: {how: factor}}
cases:
  - {organic_flow: 1.01, efficiency: 0.95}
  - {stages.scrub: 4}
"""


def test_a_grid_has_every_combination_once(tmp_path: Path) -> None:
    cases = make_cases(small_study(tmp_path, SWEEP).study)
    found = [tuple(case.numbers.values()) for case in cases]
    assert sorted(found) == [(f, nd) for f in (0.98, 1.0, 1.02) for nd in (0.36, 0.38)]
    assert [case.index for case in cases] == list(range(6))


def test_a_list_is_taken_as_it_stands(tmp_path: Path) -> None:
    cases = make_cases(small_study(tmp_path, LISTED).study)
    assert [dict(case.numbers) for case in cases] == [
        {"organic_flow": 1.01, "efficiency": 0.95},
        {"stages.scrub": 4.0},
    ]


def test_a_case_depends_on_the_seed_and_its_number_alone(tmp_path: Path) -> None:
    study = small_study(tmp_path, DRAWN).study
    few = make_cases(study)
    many = make_cases(replace(study, count=50))
    assert [(c.seed, dict(c.numbers)) for c in few] == [(c.seed, dict(c.numbers)) for c in many[:6]]
    assert len({case.seed for case in many}) == 50
    other = make_cases(replace(study, seed=4))
    assert all(a.seed != b.seed for a, b in zip(few, other, strict=True))
    assert few[0].numbers != other[0].numbers


@pytest.mark.parametrize("method", ["monte_carlo", "latin_hypercube"])
def test_constants_are_drawn_with_their_fitted_covariance(tmp_path: Path, method: str) -> None:
    study = replace(small_study(tmp_path, DRAWN).study, count=4000, method=method)
    system = study.plant.circuit.system
    drawn = np.array(
        [
            [case.numbers[f"{CONSTANT}{symbol}"] for symbol in system.elements]
            for case in make_cases(study)
        ]
    )
    expected = np.array(system.log10_covariance)
    deviation = np.sqrt(np.diag(expected))
    # Five standard errors of a mean and of a variance of 4,000 draws.
    np.testing.assert_allclose(
        drawn.mean(axis=0), system.log10_extraction_constant, atol=5 * deviation.max() / 63.2
    )
    np.testing.assert_allclose(np.cov(drawn.T), expected, rtol=5 * np.sqrt(2.0 / 4000))
    # What separates is known far better than the constants themselves; that must survive.
    beta = drawn[:, 1] - drawn[:, 2]
    known = expected[1, 1] + expected[2, 2] - 2 * expected[1, 2]
    assert known < 0.01 * expected[1, 1]
    assert np.var(beta) == pytest.approx(known, rel=5 * np.sqrt(2.0 / 4000))


def test_every_slice_of_a_latin_hypercube_holds_one_point() -> None:
    points = latin_hypercube(64, 5, seed=9)
    assert points.shape == (64, 5)
    slices = np.sort(np.floor(points * 64).astype(int), axis=0)
    np.testing.assert_array_equal(slices, np.tile(np.arange(64)[:, None], (1, 5)))
    assert abs(np.corrcoef(points.T)[0, 1]) < 0.5
    np.testing.assert_array_equal(points, latin_hypercube(64, 5, seed=9))
