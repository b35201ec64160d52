from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from raffinate.chemistry.fit_map import Estimate, estimate
from raffinate.chemistry.fit_priors import P507_CHLORIDE_PRIORS, EffectPriors
from raffinate.chemistry.fit_problem import Problem, Scales, build_problem
from raffinate.chemistry.fit_rows import (
    Point,
    distances,
    expand,
    invert,
    locate,
    robust_weights,
    solve_scaled,
)
from raffinate.chemistry.fit_scales import (
    SCALE_BOUNDS,
    LinearTable,
    expand_surprise,
    linear_table,
    more_probable_scales,
    surprise_of,
)
from raffinate.errors import ConvergenceError
from raffinate.lab.shake_out import load_shake_outs

Floats = NDArray[np.float64]

SCALES = Scales(flask=0.05, series=0.17, laboratory=0.14, assay=(1.0, 1.2, 0.4, 2.4))


@pytest.fixture(scope="module")
def problem() -> Problem:
    table = load_shake_outs("pc88a_hcl_batch_tests")
    return build_problem(
        table,
        table.elements,
        keep=np.array([name != "Formiga (2016)" for name in table.laboratory]),
        separations=P507_CHLORIDE_PRIORS,
        loading=None,
        effects=EffectPriors(),
        log10_exchange_constant=-4.5,
    )


@pytest.fixture(scope="module")
def best(problem: Problem) -> Estimate:
    return estimate(problem)


@pytest.fixture(scope="module")
def point(problem: Problem, best: Estimate) -> Point:
    """Somewhere off the best fit, so that nothing vanishes by chance."""
    off = 0.05 * np.random.default_rng(1).normal(size=problem.size)
    return locate(problem, best.unknowns + off)


@pytest.fixture(scope="module")
def weight(problem: Problem) -> Floats:
    return np.random.default_rng(2).uniform(0.3, 1.5, len(problem.keep))


@pytest.fixture(scope="module")
def table(problem: Problem, point: Point, weight: Floats) -> LinearTable:
    """The smaller laboratories, so that a covariance can be written out quickly."""
    large = problem.own == problem.laboratories.index("Li (1987)")
    return linear_table(problem.using(~large), point, weight)


def covariance_of(problem: Problem, flask: int, scales: Scales) -> Floats:
    held = problem.present[flask]
    assay = scales.assay[problem.own[flask]] * problem.deviation[flask, held]
    return np.diag(assay**2) + scales.flask**2 * np.ones((len(assay), len(assay)))


def dense_surprise(table: LinearTable, logs: Floats) -> float:
    """-ln of the probability of the values, their covariance written out."""
    variances, rows = np.exp(2.0 * logs), len(table.laboratory)
    whole = np.eye(rows + len(table.known))
    same = (table.group[:, None] == table.group) * variances[0]
    assay = variances[3:][table.laboratory] * table.variance
    whole[:rows, :rows] = (same + np.diag(assay)) / table.weight[:, None]
    columns = np.vstack([table.columns, table.known])
    scaled = columns[:, :-1] * np.sqrt([1.0, variances[2], variances[1]])[table.kind]
    whole = whole + scaled @ scaled.T
    pulled = np.linalg.solve(whole, columns[:, -1])
    return float(0.5 * np.linalg.slogdet(whole)[1] + 0.5 * columns[:, -1] @ pulled)


def test_surprise_is_that_of_the_covariance_written_out(table: LinearTable) -> None:
    logs = np.log(SCALES.flat)
    # The part of the determinant that no scale changes, the weights of the rows, is left out.
    known = dense_surprise(table, logs + 0.3) - dense_surprise(table, logs)
    assert surprise_of(table, logs + 0.3) - surprise_of(table, logs) == pytest.approx(known)


def test_slopes_of_the_surprise_agree_with_differences(table: LinearTable) -> None:
    logs = np.log(SCALES.flat)
    surprise, slopes, information = expand_surprise(table, logs)
    assert surprise == surprise_of(table, logs)
    for place in range(len(logs)):
        step = 1e-4 * (np.arange(len(logs)) == place)
        rise = (dense_surprise(table, logs + step) - dense_surprise(table, logs - step)) / 2e-4
        assert slopes[place] == pytest.approx(rise, rel=1e-5, abs=1e-5)
    assert np.linalg.eigvalsh(information).min() > -1e-9


def test_distance_of_a_flask_is_that_of_its_covariance(problem: Problem, point: Point) -> None:
    found = distances(problem, point.predicted, SCALES)
    for flask in (0, 70, 150, 166):
        held = problem.present[flask]
        off = (point.predicted - problem.measured)[flask, held]
        expected = off @ np.linalg.solve(covariance_of(problem, flask, SCALES), off)
        assert found[flask] == pytest.approx(expected, rel=1e-9)


def test_precision_is_that_of_the_covariances_and_the_priors(
    problem: Problem, point: Point, weight: Floats
) -> None:
    expected = np.diag(problem.prior_deviations(SCALES) ** -2.0)
    _, known = problem.separation_rows(point.unknowns)
    expected = expected + known.T @ known
    for flask in np.flatnonzero(problem.keep).tolist():
        slopes = point.slopes[flask, problem.present[flask]]
        inverse = invert(covariance_of(problem, flask, SCALES))
        expected = expected + weight[flask] * slopes.T @ inverse @ slopes
    precision = expand(problem, point, SCALES, weight).precision
    np.testing.assert_allclose(precision, expected, rtol=1e-9, atol=1e-9 * expected.max())


def test_curvature_yields_as_robust_weights_follow(problem: Problem, point: Point) -> None:
    def pull(moved: Point) -> Floats:
        weight = robust_weights(problem, moved.predicted, SCALES)
        return expand(problem, moved, SCALES, weight).pull

    here = expand(problem, point, SCALES, robust_weights(problem, point.predicted, SCALES))
    for place in (0, 3, 9, 15):
        step = 1e-6 * (np.arange(problem.size) == place)
        above, below = (
            Point(
                unknowns=point.unknowns + side * step,
                predicted=point.predicted + point.slopes @ (side * step),
                slopes=point.slopes,
            )
            for side in (1.0, -1.0)
        )
        rise = (pull(above) - pull(below)) / 2e-6
        left = (here.precision - here.yielding)[:, place]
        # The loading terms are held at 0 by a precision in which the rise would be lost.
        free = np.diag(here.precision) < 1e12
        np.testing.assert_allclose(
            rise[free], left[free], rtol=1e-5, atol=1e-5 * np.abs(left).max()
        )


def test_nothing_pulls_at_the_estimate(problem: Problem, best: Estimate) -> None:
    point = locate(problem, best.unknowns)
    here = expand(problem, point, best.scales, best.weight)
    assert np.abs(solve_scaled(here.precision, here.pull)).max() < 1e-7
    further, shift = more_probable_scales(problem, point, best.weight, best.scales)
    assert shift < 1e-7
    np.testing.assert_allclose(further.flat, best.scales.flat, rtol=1e-7)
    np.testing.assert_allclose(best.covariance, invert(here.precision), rtol=1e-9, atol=1e-15)


def test_estimate_does_not_depend_on_where_it_starts(problem: Problem, best: Estimate) -> None:
    others = problem.using(problem.keep & (problem.own != 0))
    cold, warm = estimate(others), estimate(others, best)
    np.testing.assert_allclose(warm.unknowns, cold.unknowns, atol=2e-7)
    np.testing.assert_allclose(warm.scales.flat, cold.scales.flat, rtol=2e-7)


def test_a_scale_at_its_bound_does_not_hold_up_the_others(problem: Problem) -> None:
    """Assays stated far too well want a factor beyond the bound; all else has to settle still."""
    own = problem.laboratories.index("Kim (2012)")
    shrunk = np.where((problem.own == own)[:, None], 0.1 * problem.deviation, problem.deviation)
    found = estimate(replace(problem, deviation=shrunk))
    assert found.scales.assay[own] == pytest.approx(SCALE_BOUNDS[1])


def test_a_search_that_is_cut_short_says_so(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raffinate.chemistry.fit_map.OUTER_LIMIT", 3)
    with pytest.raises(ConvergenceError, match="did not settle") as error:
        estimate(problem)
    assert len(error.value.history) == 3
