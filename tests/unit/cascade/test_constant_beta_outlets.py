"""Constant-β banks with side draws and entrainment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import root

from raffinate.cascade.constant_beta import solve_constant_beta
from raffinate.cascade.constant_beta_outlets import solve_outlets
from raffinate.cascade.constant_beta_traffic import BankPlan, SideDraw
from raffinate.errors import SpecificationError

FEED = {"A": 0.3, "B": 0.4, "C": 0.3}
BETA = {"A": 4.0, "B": 2.0, "C": 1.0}
PLAN = BankPlan(extraction_stages=10, scrub_stages=8, extraction_amount=2.0, scrub_amount=1.6)


def draw(stage, amount, phase="aqueous", name="third"):
    return SideDraw(name=name, stage=stage, phase=phase, amount=amount)


def test_a_plan_without_draws_is_the_plain_cascade():
    plain = solve_constant_beta(
        FEED,
        BETA,
        extraction_stages=10,
        scrub_stages=8,
        extraction_amount=2.0,
        scrub_amount=1.6,
    )
    found = solve_outlets(FEED, BETA, PLAN)
    assert found.aqueous == pytest.approx(plain.aqueous, rel=1e-12)
    assert found.products["loaded_organic"] == pytest.approx(plain.organic[-1], rel=1e-12)


@pytest.mark.parametrize(("phase", "stage"), [("aqueous", 13), ("organic", 5)])
def test_a_draw_takes_its_amount_at_the_composition_of_its_stage(phase, stage):
    scrub = 1.7 if phase == "aqueous" else 1.45
    plan = replace(PLAN, scrub_amount=scrub, draws=(draw(stage, 0.25, phase),))
    found = solve_outlets(FEED, BETA, plan)
    third = found.products["third"]
    tapped = (found.aqueous if phase == "aqueous" else found.organic)[stage - 1]
    assert third.sum() == pytest.approx(0.25, rel=1e-11)
    assert third / third.sum() == pytest.approx(tapped / tapped.sum(), rel=1e-11)
    assert sum(found.products.values()) == pytest.approx(found.feed, rel=1e-11)
    # The middle element is richer there than in the feed, which is what the outlet is for.
    assert found.purity("third", "B") > 0.5


def test_two_draws_from_one_stream_share_it():
    both = replace(PLAN, scrub_amount=1.7, draws=(draw(13, 0.1), draw(13, 0.15, name="fourth")))
    one = replace(PLAN, scrub_amount=1.7, draws=(draw(13, 0.25),))
    shared, single = solve_outlets(FEED, BETA, both), solve_outlets(FEED, BETA, one)
    assert shared.aqueous == pytest.approx(single.aqueous, rel=1e-10)
    assert shared.products["third"] == pytest.approx(0.4 * single.products["third"], rel=1e-10)


def test_entrainment_is_what_a_solve_of_its_own_equations_says():
    """Every amount and total of 4 stages as unknowns of a general root finder."""
    e_o, e_a, s, w, n = 0.03, 0.05, 1.3, 1.0, 2
    beta, feed, stages = np.array([3.0, 1.0]), np.array([0.45, 0.55]), 4

    def imbalance(u):
        x, y = np.exp(u).reshape(2, stages, 2)
        up, down = (1 - e_o) * y + e_a * x, (1 - e_a) * x + e_o * y
        stage = -(up + down)
        stage[1:] += up[:-1]
        stage[:-1] += down[1:]
        stage[n - 1] += feed
        organic = y.sum(axis=1)
        phase = -organic
        phase[1:] += (1 - e_o) * organic[:-1]
        phase[:-1] += e_o * organic[1:]
        phase[0] += s
        phase[-1] -= w
        parted = y[:, 0] * x[:, 1] - beta[0] / beta[1] * y[:, 1] * x[:, 0]
        return np.concatenate([stage.ravel(), phase, parted])

    guess = root(imbalance, np.zeros(4 * stages), tol=1e-13)
    assert guess.success
    aqueous, organic = np.exp(guess.x).reshape(2, stages, 2)
    found = solve_outlets(
        {"A": 0.45, "B": 0.55},
        {"A": 3.0, "B": 1.0},
        BankPlan(
            extraction_stages=n,
            scrub_stages=2,
            extraction_amount=s,
            scrub_amount=w,
            entrained_organic=e_o,
            entrained_aqueous=e_a,
        ),
    )
    assert found.aqueous == pytest.approx(aqueous, rel=1e-8)
    assert found.organic == pytest.approx(organic, rel=1e-8)


def test_a_bank_mirrored_with_its_entrainment_is_the_same_bank():
    plan = replace(PLAN, entrained_organic=0.01, entrained_aqueous=0.03)
    found = solve_outlets(FEED, BETA, plan)
    mirrored = solve_outlets(
        {"C": 0.3, "B": 0.4, "A": 0.3},
        {"C": 1.0, "B": 0.5, "A": 0.25},
        BankPlan(
            extraction_stages=9,
            scrub_stages=9,
            extraction_amount=1.6,
            scrub_amount=2.0,
            feed_phase="organic",
            entrained_organic=0.03,
            entrained_aqueous=0.01,
        ),
    )
    assert mirrored.organic[::-1, ::-1] == pytest.approx(found.aqueous, rel=1e-9)


def test_entrainment_either_way_takes_separating_power():
    def power(plan):
        """Odds of A in the organic times those of B in the raffinate."""
        found = solve_outlets({"A": 0.4, "B": 0.6}, {"A": 2.0, "B": 1.0}, plan)
        a, b = found.purity("loaded_organic", "A"), found.purity("raffinate", "B")
        return a / (1.0 - a) * b / (1.0 - b)

    clean = power(PLAN)
    once = [power(replace(PLAN, **{f"entrained_{p}": 0.01})) for p in ("organic", "aqueous")]
    assert max(once) < 0.95 * clean
    assert power(replace(PLAN, entrained_organic=0.02)) < once[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"draws": (draw(19, 0.1),)}, "1 to 18"),
        ({"draws": (draw(13, 0.0),)}, "nobody draws"),
        ({"draws": (draw(13, 1.65),)}, "less than what passes"),
        ({"draws": (draw(13, 0.1), draw(14, 0.1))}, "name is taken"),
        ({"draws": (draw(13, 0.1), draw(13, 0.1, "organic", "other"))}, "both phases"),
        ({"draws": (draw(13, 0.1, "gas"),)}, "not a phase"),
        ({"entrained_organic": 0.5}, "more backward than forward"),
        ({"entrained_aqueous": -0.1}, "0 to below 0.5"),
        ({"extraction_stages": 0}, "too few"),
        ({"scrub_amount": 0.5}, "every product is positive"),
    ],
)
def test_a_plan_that_is_no_bank_is_refused(change, words):
    with pytest.raises(SpecificationError, match=words):
        solve_outlets(FEED, BETA, replace(PLAN, **change))


def test_a_product_or_element_that_is_not_there_is_named():
    found = solve_outlets(FEED, BETA, PLAN)
    with pytest.raises(SpecificationError, match="raffinate"):
        found.purity("rafinate", "C")
    with pytest.raises(SpecificationError, match="'D' is not in the feed"):
        found.purity("raffinate", "D")
