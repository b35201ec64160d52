"""The statistical stand-in of the analyzer, against readings of the whole chain."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp

from raffinate.errors import DataError, SpecificationError
from raffinate.instruments.xrf_standin import StandInXRF, features
from raffinate.instruments.xrf_standin_file import load_standin, parse_standin, shipped_standins

JUDGE = Path(__file__).parents[3] / "benchmarks" / "xrf_cases" / "standin_judge.jsonl"
"""520 readings of the chain by analyzers whose seeds the fit has not seen."""

NAME = "online_rh_40kv_ceprnd"
KIND = load_standin(NAME)
PERFECT = StandInXRF(standin=KIND, bias=np.zeros((3, 3)))
LIQUOR = np.array([450.0, 780.0, 270.0])


@cache
def judge():
    rows = [json.loads(line) for line in JUDGE.read_text(encoding="utf-8").splitlines()]
    return {
        name: np.array([row[name] for row in rows])
        for name in ("seed", "metals", "acid", "values", "covariance", "detection_limit")
    }


def stated():
    return np.sqrt(np.diagonal(judge()["covariance"], axis1=1, axis2=2))


def test_the_fit_has_not_seen_the_analyzers_that_judge_it():
    assert len(judge()["seed"]) >= 500
    for seed in np.unique(judge()["seed"]):
        assert f" {seed}," not in KIND.source.note


def test_stated_uncertainties_are_those_of_the_chain():
    covariance = [
        KIND.covariance(metals, acid, 100.0)
        for metals, acid in zip(judge()["metals"], judge()["acid"], strict=True)
    ]
    sigma = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    ratio = sigma / stated()
    np.testing.assert_allclose(np.median(ratio, axis=0), 1.0, atol=0.06)
    assert np.quantile(ratio, 0.05) > 0.6
    assert np.quantile(ratio, 0.95) < 1.4


def test_limits_are_those_of_the_chain():
    limits = [
        KIND.detection_limit(metals, acid)
        for metals, acid in zip(judge()["metals"], judge()["acid"], strict=True)
    ]
    ratio = np.median(np.array(limits) / judge()["detection_limit"], axis=0)
    np.testing.assert_allclose(ratio, 1.0, atol=0.1)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_errors_are_distributed_as_those_of_the_chain(place):
    data, generator = judge(), np.random.default_rng(3)
    away, drawn, sigma = data["values"] - data["metals"], [], []
    for seed in np.unique(data["seed"]):
        own = data["seed"] == seed
        weight = 1.0 / stated()[own]
        bias = [
            np.linalg.lstsq(
                data["metals"][own] * weight[:, [k]], away[own, k] * weight[:, k], rcond=None
            )[0]
            for k in range(3)
        ]
        one = StandInXRF(standin=KIND, bias=np.array(bias))
        for metals, acid in zip(data["metals"][own], data["acid"][own], strict=True):
            reading = one.measure(metals, acid, 0.0, generator)
            drawn.append(reading.values[place] - metals[place])
            sigma.append(reading.sigma[place])
    chain = away[:, place] / stated()[:, place]
    standin = np.array(drawn) / np.array(sigma)
    assert np.sqrt(np.mean(standin**2)) == pytest.approx(np.sqrt(np.mean(chain**2)), rel=0.2)
    assert ks_2samp(chain, standin).pvalue > 0.01


def test_one_analyzer_keeps_its_bias_and_two_differ():
    first, second = (
        KIND.drawn_bias(generator) for generator in (np.random.default_rng(k) for k in (1, 2))
    )
    assert not np.allclose(first, second)
    generator = np.random.default_rng(4)
    one = StandInXRF(standin=KIND, bias=np.diag([0.01, 0.0, 0.0]))
    read = [one.measure(LIQUOR, 70.0, 0.0, generator).values for _ in range(200)]
    shift = np.mean(read, axis=0) / LIQUOR - 1.0
    np.testing.assert_allclose(shift, [0.01, 0.0, 0.0], atol=4e-4)


def test_the_covariance_of_drawn_readings_is_the_stated_one_times_the_scatter():
    generator = np.random.default_rng(5)
    read = np.array([PERFECT.measure(LIQUOR, 70.0, 0.0, generator).values for _ in range(4000)])
    wanted = KIND.covariance(LIQUOR, 70.0, 100.0) * np.outer(KIND.scatter, KIND.scatter)
    np.testing.assert_allclose(np.cov(read.T), wanted, rtol=0.15, atol=0.02)


@pytest.mark.parametrize("seed", range(20))
def test_any_composition_has_a_covariance(seed):
    generator = np.random.default_rng(seed)
    metals = 2000.0 * 10.0 ** generator.uniform(-8.0, 0.0, 3)
    covariance = KIND.covariance(metals, 3000.0, 100.0)
    assert np.linalg.eigvalsh(covariance)[0] > 0.0


def test_a_longer_count_is_surer_but_not_without_end():
    short, long, endless = (
        np.sqrt(np.diag(KIND.covariance(LIQUOR, 70.0, time))) for time in (10.0, 100.0, 1e9)
    )
    assert np.all(long < short)
    assert np.all(endless > 0.5 * long)


def test_next_to_no_metals_is_below_the_limit():
    reading = PERFECT.measure(np.full(3, 1e-6), 500.0, 0.0, np.random.default_rng(6))
    assert reading.quality in ("below_limit", "good")
    assert np.all(np.abs(reading.values) < 0.1)


def test_features_are_one_metals_acid_and_products():
    row = features(np.array([1000.0, 2000.0]), np.asarray(500.0))
    np.testing.assert_allclose(row, [1.0, 1.0, 2.0, 0.5, 1.0, 2.0, 4.0])


def test_a_damaged_file_is_refused_with_its_place():
    assert NAME in shipped_standins()
    with pytest.raises(DataError, match="no shipped stand-in"):
        load_standin("nothing")
    text = (
        "format: raffinate-standin/1\nname: x\nsource: {title: t}\nelements: [Ce]\ncount_s: 100\n"
        "variance: [[1, 1]]\ncorrelation: []\nlimit: [[1, 1, 1, 1]]\nbias_sd: [[0]]\n"
        "scatter: [1]\nchi2_sd: 0.1\n"
    )
    with pytest.raises(DataError, match="variance"):
        parse_standin(text)


def test_impossible_liquors_and_times_are_refused():
    with pytest.raises(SpecificationError, match="concentration is"):
        PERFECT.measure([-1.0, 1.0, 1.0], 70.0, 0.0, np.random.default_rng(1))
    with pytest.raises(SpecificationError, match="count_time"):
        StandInXRF(standin=KIND, bias=np.zeros((3, 3)), count_time=0.0)
