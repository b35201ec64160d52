from __future__ import annotations

import numpy as np
import pytest

from raffinate.cascade.mccabe_thiele_binary import (
    constant_separation,
    step_binary,
    varying_separation,
)
from raffinate.cascade.theory import flows_from, split_from
from raffinate.cascade.theory_binary import exact_stage_numbers
from raffinate.errors import SpecificationError


@pytest.mark.parametrize("beta", [1.5, 2.5, 5.0])
@pytest.mark.parametrize("feed", [0.2, 0.6])
@pytest.mark.parametrize("purity", [0.99, 0.9999])
def test_steps_at_constant_beta_are_those_of_the_closed_form(beta, feed, purity):
    split = split_from(feed, purity_a=purity, purity_b=0.999)
    flows = flows_from(split, 1.6 * beta / (beta - 1.0))
    exact = exact_stage_numbers(split, beta, flows)
    made = step_binary(constant_separation(beta), split, flows)
    assert made.extraction == pytest.approx(exact.extraction, abs=0.02)
    assert made.scrub == pytest.approx(exact.scrub, abs=0.02)


def test_a_beta_that_falls_needs_more_stages_than_its_highest_and_fewer_than_its_lowest():
    split = split_from(0.5, purity_a=0.999, purity_b=0.999)
    flows = flows_from(split, 5.0)
    x = np.linspace(0.0, 1.0, 11)
    falling = step_binary(varying_separation(x, 2.0 - 0.3 * x), split, flows)
    high = step_binary(constant_separation(2.0), split, flows)
    low = step_binary(constant_separation(1.7), split, flows)
    assert high.extraction < falling.extraction < low.extraction
    assert high.scrub < falling.scrub < low.scrub
    level = step_binary(varying_separation(x, np.full(11, 1.7)), split, flows)
    assert level.extraction == pytest.approx(low.extraction, rel=1e-12)


def test_flows_below_the_minimum_pinch():
    split = split_from(0.5, purity_a=0.999, purity_b=0.999)
    with pytest.raises(SpecificationError, match="a pinch"):
        step_binary(constant_separation(1.5), split, flows_from(split, 1.2))


def test_an_organic_feed_is_refused():
    split = split_from(0.5, purity_a=0.999, purity_b=0.999)
    with pytest.raises(SpecificationError, match="the feed is organic"):
        step_binary(constant_separation(2.0), split, flows_from(split, 5.0, "organic"))
