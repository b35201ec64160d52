from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from raffinate.errors import SpecificationError
from raffinate.studies.distributions import Lognormal, Normal, Uniform

PROBABILITIES = np.linspace(0.001, 0.999, 37)


def test_quantiles_are_those_of_the_textbook_distributions() -> None:
    for ours, theirs in (
        (Uniform(low=-2.0, high=5.0), stats.uniform(-2.0, 7.0)),
        (Normal(mean=3.0, deviation=0.2), stats.norm(3.0, 0.2)),
        (
            Normal(mean=3.0, deviation=2.0, low=2.0, high=4.5),
            stats.truncnorm(-0.5, 0.75, loc=3.0, scale=2.0),
        ),
        (Lognormal(median=4.0, geometric_deviation=1.3), stats.lognorm(math.log(1.3), scale=4.0)),
    ):
        found = [ours.quantile(float(p)) for p in PROBABILITIES]
        np.testing.assert_allclose(found, theirs.ppf(PROBABILITIES), rtol=1e-9)


@given(st.floats(1e-15, 1.0 - 1e-15))
def test_a_limited_distribution_stays_within_its_limits(probability: float) -> None:
    assert 0.8 <= Normal(mean=0.9, deviation=0.2, low=0.8, high=1.0).quantile(probability) <= 1.0
    drawn = Lognormal(median=1.0, geometric_deviation=2.0, low=0.5, high=1.5).quantile(probability)
    assert 0.5 * (1 - 1e-12) <= drawn <= 1.5 * (1 + 1e-12)


def test_what_is_no_distribution_is_refused() -> None:
    with pytest.raises(SpecificationError, match="low below high"):
        Uniform(low=1.0, high=1.0)
    with pytest.raises(SpecificationError, match="deviation above 0"):
        Normal(mean=1.0, deviation=0.0)
    with pytest.raises(SpecificationError, match="nothing of it lies"):
        Normal(mean=0.0, deviation=1.0, low=9.0, high=10.0)
    with pytest.raises(SpecificationError, match="above 1"):
        Lognormal(median=1.0, geometric_deviation=0.9)
    with pytest.raises(SpecificationError, match="nothing of it lies"):
        Lognormal(median=1.0, geometric_deviation=1.1, high=0.0)
