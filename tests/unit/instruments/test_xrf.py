"""The online XRF: statistics of the whole chain, and the physics of its templates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from raffinate.chemistry.elements import molar_masses
from raffinate.errors import SpecificationError
from raffinate.instruments.xrf import LINES, OnlineXRF

ELEMENTS = ("Ce", "Pr", "Nd")
MASSES = np.array(molar_masses(ELEMENTS))


def liquor(ce: float, pr: float, nd: float, total: float = 1200.0) -> np.ndarray:
    """(element,), [mol/m³], from mass fractions of metal."""
    moles = np.array([ce, pr, nd]) / MASSES
    return total * moles / moles.sum()


FEED = liquor(0.4445, 0.1842, 0.3713)
CEPR = liquor(0.7060, 0.2930, 0.0010)
ND = liquor(0.0005, 0.0005, 0.9990)
LIQUORS = pytest.mark.parametrize("true", [FEED, CEPR, ND], ids=["feed", "cepr", "nd"])


def chain(xrf: OnlineXRF, true: np.ndarray, runs: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    values, covariances = xrf.measure_many(
        np.tile(true, (runs, 1)), np.random.default_rng(seed), fast=False
    )
    return values, covariances


def test_a_feed_liquor_gives_about_1e5_counts_a_second():
    xrf = OnlineXRF(elements=ELEMENTS)
    rate = float((xrf.templates[:, :-1] @ FEED).sum())
    assert 0.8e5 < rate < 1.2e5
    assert xrf.templates[:, -1].sum() == pytest.approx(xrf.background_rate)


def test_templates_peak_at_their_lines():
    """Lα of Ce, Pr, Nd: X-Ray Data Booklet (2009), table 1-2; one channel is 20 eV."""
    xrf = OnlineXRF(elements=("La", *ELEMENTS))
    for k, symbol in enumerate(xrf.elements):
        peak = xrf.energies[np.argmax(xrf.templates[:, k])]
        assert peak == pytest.approx(LINES[symbol][0][0], abs=15.0)


def test_lines_are_as_wide_as_the_resolution_says():
    xrf = OnlineXRF(elements=("Nd",), resolution=150.0)
    assert xrf.line_width(5895.0) == pytest.approx(150.0, rel=1e-9)
    assert 140.0 < xrf.line_width(5000.0) < 150.0


@LIQUORS
def test_the_poisson_chain_is_unbiased_and_as_scattered_as_it_says(true):
    runs = 2000
    xrf = OnlineXRF(elements=ELEMENTS)
    values, covariances = chain(xrf, true, runs, seed=21)
    expected = xrf.analytic_covariance(true)
    sigma = np.sqrt(np.diag(expected))
    assert (np.abs(values.mean(axis=0) - true) < 4.0 * sigma / math.sqrt(runs)).all()
    assert values.std(axis=0) == pytest.approx(sigma, rel=0.06)
    scale = np.outer(sigma, sigma)
    assert np.cov(values.T) / scale == pytest.approx(expected / scale, abs=0.1)
    assert covariances.mean(axis=0) / scale == pytest.approx(expected / scale, abs=0.03)


@LIQUORS
def test_reported_covariances_cover_the_truth(true):
    """Mahalanobis distances follow chi-square with three degrees of freedom."""
    values, covariances = chain(OnlineXRF(elements=ELEMENTS), true, 1500, seed=22)
    error = values - true
    distance = np.einsum("bi,bij,bj->b", error, np.linalg.inv(covariances), error)
    assert stats.kstest(distance, stats.chi2(3).cdf).pvalue > 1e-3
    inside = np.mean(np.abs(error) < 1.96 * np.sqrt(np.diagonal(covariances, 0, 1, 2)), axis=0)
    assert inside == pytest.approx(0.95, abs=0.02)


def test_short_counts_are_not_pulled_low():
    """At some twenty counts a channel, weights from the counts themselves lose 3 %."""
    xrf = OnlineXRF(elements=ELEMENTS, count_time=0.02, repeatability=0.0)
    values, covariances = chain(xrf, FEED, 3000, seed=34)
    total = values.sum(axis=1).mean() / FEED.sum()
    error = math.sqrt(covariances.mean(axis=0).sum() / 3000) / FEED.sum()
    assert error < 1e-3
    assert total == pytest.approx(1.0, abs=4.0 * error)


def test_residuals_of_the_fit_follow_chi_square():
    xrf = OnlineXRF(elements=ELEMENTS)
    generator = np.random.default_rng(23)
    freedom = len(xrf.energies) - 4
    chi2 = [xrf.fit(*xrf.spectrum(FEED, generator))[2] * freedom for _ in range(600)]
    assert stats.kstest(chi2, stats.chi2(freedom).cdf).pvalue > 1e-3


def test_a_line_that_is_not_in_the_fit_shows_in_chi_square():
    blind = OnlineXRF(elements=("Ce", "Nd"))
    counts, live = OnlineXRF(elements=ELEMENTS).spectrum(FEED, np.random.default_rng(24))
    assert blind.fit(counts, live)[2] > 20.0


@LIQUORS
def test_the_fast_way_cannot_be_told_from_the_chain(true):
    xrf = OnlineXRF(elements=ELEMENTS)
    slow, _ = chain(xrf, true, 2000, seed=25)
    fast, covariances = xrf.measure_many(np.tile(true, (2000, 1)), np.random.default_rng(26))
    assert covariances.shape == (2000, 3, 3)
    for k in range(3):
        assert stats.ks_2samp(slow[:, k], fast[:, k]).pvalue > 1e-3
    logs = [np.log10(v[:, 2] / v[:, :2].sum(axis=1)) for v in (slow, fast)]
    assert stats.ks_2samp(*logs).pvalue > 1e-3


@LIQUORS
def test_the_log_ratio_scatters_as_its_sigma(true):
    xrf = OnlineXRF(elements=ELEMENTS)
    generator = np.random.default_rng(27)
    readings = [xrf.measure(true, 0.0, generator) for _ in range(600)]
    ratios = [reading.log_ratio(("Nd",), ("Ce", "Pr")) for reading in readings]
    pulls = np.array([r.value - math.log10(true[2] / true[:2].sum()) for r in ratios])
    sigma = float(np.median([r.sigma for r in ratios]))
    assert pulls.std() == pytest.approx(sigma, rel=0.12)
    assert abs(pulls.mean()) < 0.25 * sigma


def test_precision_is_of_the_published_order():
    """RSD < 0.4 % at 60 s on a cascade: Metall. Analysis 10.13228/j.boyuan.issn1000-7571.009805.

    Fractions, from which the shared error drops out, are better than the concentrations.
    """
    xrf = OnlineXRF(elements=ELEMENTS, count_time=60.0)
    reading = xrf.measure(FEED, 0.0, np.random.default_rng(28))
    relative = reading.sigma / reading.values
    assert (relative < 0.004).all()
    fractions, covariance = reading.fractions()
    assert (np.sqrt(np.diag(covariance)) / fractions < 0.5 * relative).all()


def test_neighbours_are_anticorrelated_through_their_overlap():
    """Ce Lβ1 lies 32 eV from Nd Lα1: what one gains the other loses."""
    xrf = OnlineXRF(elements=("Ce", "Nd"), repeatability=0.0)
    covariance = xrf.analytic_covariance(np.array([600.0, 600.0]))
    assert covariance[0, 1] < 0.0
    assert np.linalg.eigvalsh(covariance).min() > 0.0


def test_longer_counts_are_better_as_the_square_root():
    def sigma(time):
        xrf = OnlineXRF(elements=ELEMENTS, count_time=time, repeatability=0.0)
        return np.sqrt(np.diag(xrf.analytic_covariance(FEED)))

    assert sigma(100.0) / sigma(400.0) == pytest.approx(2.0, rel=1e-9)


def test_dead_time_costs_precision_but_no_bias():
    quick = OnlineXRF(elements=ELEMENTS, dead_time=0.0, repeatability=0.0)
    slow = OnlineXRF(elements=ELEMENTS, dead_time=1e-5, repeatability=0.0)
    rate = float((quick.templates @ np.append(FEED, 1.0)).sum())
    ratio = slow.analytic_covariance(FEED) / quick.analytic_covariance(FEED)
    assert ratio == pytest.approx(1.0 + 1e-5 * rate, rel=1e-9)
    values, covariances = chain(slow, FEED, 400, seed=29)
    sigma = np.sqrt(np.diag(covariances.mean(axis=0)))
    assert (np.abs(values.mean(axis=0) - FEED) < 4.0 * sigma / 20.0).all()


def test_a_trace_at_the_detection_limit_is_seen_19_times_in_20():
    """Currie (1968): at L_D the critical level 1.645 σ₀ is exceeded with probability 0.95."""
    xrf = OnlineXRF(elements=ELEMENTS, repeatability=0.0)
    matrix = np.array([850.0, 350.0, 0.0])
    limit = xrf.detection_limit(matrix)[2]
    critical = 1.645 * math.sqrt(xrf.analytic_covariance(matrix)[2, 2])
    with_trace, _ = chain(xrf, np.array([850.0, 350.0, limit]), 1500, seed=30)
    without, _ = chain(xrf, matrix, 1500, seed=31)
    assert np.mean(with_trace[:, 2] > critical) == pytest.approx(0.95, abs=0.02)
    assert np.mean(without[:, 2] > critical) == pytest.approx(0.05, abs=0.02)


def test_an_empty_cell_is_below_its_limit():
    reading = OnlineXRF(elements=ELEMENTS).measure(np.zeros(3), 0.0, np.random.default_rng(4))
    assert reading.quality == "below_limit"
    assert reading.below_limit == ELEMENTS


def test_the_reading_says_where_and_when():
    xrf = OnlineXRF(elements=ELEMENTS, count_time=100.0)
    reading = xrf.measure(FEED, 500.0, np.random.default_rng(3), place="stage 20")
    assert (reading.place, reading.sample_time, reading.result_time) == ("stage 20", 500.0, 600.0)
    assert reading.quality == "good"
    assert 0.4 < reading.chi2_per_dof < 1.8
    again = xrf.measure(FEED, 500.0, np.random.default_rng(3), place="stage 20")
    assert np.array_equal(again.values, reading.values)


@pytest.mark.parametrize("fast", [True, False])
def test_a_calibration_error_biases_and_is_not_in_the_covariance(fast):
    xrf = OnlineXRF(elements=ELEMENTS, gain=(1.02, 1.0, 0.97))
    values, covariances = xrf.measure_many(
        np.tile(FEED, (600, 1)), np.random.default_rng(32), fast=fast
    )
    assert values.mean(axis=0) / FEED == pytest.approx([1.02, 1.0, 0.97], abs=0.001)
    assert values.std(axis=0) == pytest.approx(np.sqrt(np.diag(covariances.mean(axis=0))), rel=0.1)


def test_calibration_errors_are_drawn_with_the_declared_sd():
    xrf = OnlineXRF(elements=ELEMENTS)
    generator = np.random.default_rng(33)
    gains = np.array([xrf.with_drawn_gain(generator, 0.005).gain for _ in range(500)])
    assert gains.mean() == pytest.approx(1.0, abs=0.0005)
    assert gains.std() == pytest.approx(0.005, rel=0.06)
    first = xrf.with_drawn_gain(np.random.default_rng(1)).gain
    assert first == xrf.with_drawn_gain(np.random.default_rng(1)).gain


@pytest.mark.parametrize(
    "wrong", [[-1.0, 1.0, 1.0], [math.nan, 1.0, 1.0], [math.inf, 1.0, 1.0], [1.0, 1.0], 1.0]
)
def test_liquors_that_cannot_be_are_refused(wrong):
    xrf = OnlineXRF(elements=ELEMENTS)
    with pytest.raises(SpecificationError, match="online XRF"):
        xrf.measure(wrong, 0.0, np.random.default_rng(0))


@pytest.mark.parametrize(
    "changes",
    [
        {"elements": ("Ce", "Fe")},
        {"elements": ("Ce", "Ce")},
        {"elements": ()},
        {"count_time": 0.0},
        {"sensitivity": math.nan},
        {"dead_time": -1e-6},
        {"resolution": 90.0},
        {"gain": (1.0,)},
        {"gain": (1.0, 0.0, 1.0)},
    ],
)
def test_instruments_that_cannot_be_are_refused(changes):
    with pytest.raises(SpecificationError, match="online XRF"):
        OnlineXRF(**({"elements": ELEMENTS} | changes))
