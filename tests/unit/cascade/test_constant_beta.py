"""The constant-β cascade: balances, symmetry, closed forms, and what it refuses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raffinate.cascade import constant_beta_stages
from raffinate.cascade.constant_beta import (
    check_constant_beta,
    minimum_extraction_amount,
    solve_constant_beta,
)
from raffinate.cascade.constant_beta_stages import solve_element_balances
from raffinate.errors import BalanceError, ConvergenceError, SpecificationError

HALF = {"A": 0.5, "B": 0.5}
TWO = {"A": 2.0, "B": 1.0}


def solve(feed=HALF, beta=TWO, n=10, m=8, s=2.0, w=1.5, phase="aqueous"):
    return solve_constant_beta(
        feed,
        beta,
        extraction_stages=n,
        scrub_stages=m,
        extraction_amount=s,
        scrub_amount=w,
        feed_phase=phase,
    )


@pytest.mark.parametrize("phase", ["aqueous", "organic"])
def test_every_total_is_the_one_asked_for(phase):
    s, w = (2.0, 1.5) if phase == "aqueous" else (1.5, 2.0)
    cascade = solve(s=s, w=w, phase=phase)
    aqueous, organic = cascade.aqueous.sum(axis=1), cascade.organic.sum(axis=1)
    extra_aqueous, extra_organic = (1.0, 0.0) if phase == "aqueous" else (0.0, 1.0)
    assert aqueous[0] == pytest.approx(0.5, rel=1e-11)
    assert aqueous[1:10] == pytest.approx(w + extra_aqueous, rel=1e-11)
    assert aqueous[10:] == pytest.approx(w, rel=1e-11)
    assert organic[:9] == pytest.approx(s, rel=1e-11)
    assert organic[9:-1] == pytest.approx(s + extra_organic, rel=1e-11)
    assert organic[-1] == pytest.approx(0.5, rel=1e-11)
    assert cascade.residual <= 1e-12


def test_every_stage_is_in_equilibrium():
    cascade = solve({"A": 0.2, "B": 0.5, "C": 0.3}, {"A": 3.1, "B": 2.0, "C": 1.0}, w=1.8)
    ratio = cascade.organic / cascade.aqueous
    assert ratio[:, 0] / ratio[:, 2] == pytest.approx(3.1, rel=1e-12)
    assert ratio[:, 1] / ratio[:, 2] == pytest.approx(2.0, rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0.05, 1.0), min_size=2, max_size=5),
    st.lists(st.floats(1.05, 3.0), min_size=5, max_size=5),
    st.integers(1, 12),
    st.integers(0, 12),
    st.floats(0.1, 0.9),
    st.floats(0.05, 4.0),
)
def test_the_mirrored_cascade_has_the_mirrored_solution(parts, steps, n, m, extracted, w):
    """Swap the phases, the ends and the order of extractability, and nothing else changes."""
    names = [f"E{i}" for i in range(len(parts))]
    factors = np.cumprod(steps)[: len(parts)]
    feed = {name: part / sum(parts) for name, part in zip(names, parts, strict=True)}
    beta = dict(zip(names, factors, strict=True))
    inverse = dict(zip(names, 1.0 / factors, strict=True))
    here = solve(feed, beta, n, m, w + extracted, w)
    there = solve(feed, inverse, m + 1, n - 1, w, w + extracted, "organic")
    assert there.aqueous[::-1] == pytest.approx(here.organic, rel=1e-6)
    assert there.organic[::-1] == pytest.approx(here.aqueous, rel=1e-6)


@pytest.mark.parametrize("stages", [1, 5, 40])
@pytest.mark.parametrize("factor", [0.3, 0.999, 3.0])
def test_element_balances_follow_kremser(stages, factor):
    """A constant ratio in every stage is the absorption limit."""
    source = np.zeros((stages, 1))
    source[-1] = 1.0
    amount = solve_element_balances(np.full((stages, 1), factor), source)
    unextracted = (factor - 1) / (factor ** (stages + 1) - 1)
    assert amount[0, 0] == pytest.approx(unextracted, rel=1e-12)


@pytest.mark.parametrize("stages", [1, 2, 7, 30])
@pytest.mark.parametrize("s", [0.2, 0.49, 0.9])
def test_a_trace_in_the_whole_bank_follows_kremser(stages, s):
    """Without scrub a trace meets E = βS, but in stage 1, where less aqueous leaves."""
    trace, factor, first = 1e-9, 2.0 * s, 2.0 * s / (1.0 - s)
    cascade = solve({"A": trace, "B": 1.0 - trace}, TWO, stages, 0, s, 0.0)
    growth = factor ** (stages - 1)
    entering = growth * (1.0 + first) + (growth - 1.0) / (factor - 1.0)
    assert cascade.raffinate["A"] / trace == pytest.approx(1.0 / entering, rel=1e-7)


def test_the_extraction_section_follows_smoker():
    """E. H. Smoker, Trans. AIChE 34 (1938) 165: the operating line steps as a Möbius map."""
    n, s, w, beta = 12, 1.9, 1.45, 2.0
    cascade = solve(n=n, m=9, s=s, w=w)
    x = cascade.aqueous[:n, 0] / cascade.aqueous[:n].sum(axis=1)
    raffinate = cascade.raffinate["A"]
    fixed = np.roots(
        [
            (w + 1.0) * (beta - 1.0),
            w + 1.0 - s * beta - raffinate * (beta - 1.0),
            -raffinate,
        ]
    )
    multiplier = s * beta / (w + 1.0) / (1.0 + (beta - 1.0) * fixed[0]) ** 2
    place = (x - fixed[0]) / (x - fixed[1])
    assert place == pytest.approx(place[0] * multiplier ** np.arange(n), rel=1e-8)


def test_total_reflux_follows_fenske():
    """M. R. Fenske, Ind. Eng. Chem. 24 (1932) 482: N stages part by β to the N."""

    def logarithmic_separation(s):
        cascade = solve(n=7, m=5, s=s, w=s - 0.5)
        a, b = cascade.organic_purity("A"), cascade.raffinate_purity("B")
        return np.log(a / (1.0 - a) * b / (1.0 - b))

    near, nearer = logarithmic_separation(500.0), logarithmic_separation(1000.0)
    ideal = 12.0 * np.log(2.0)
    assert near < nearer < ideal
    assert 2.0 * nearer - near == pytest.approx(ideal, abs=1e-4)


@pytest.mark.parametrize(
    ("phase", "least"), [("aqueous", 0.5 + 1.0), ("organic", 1.0)], ids=["aqueous", "organic"]
)
def test_long_cascades_approach_the_minimum(phase, least):
    def impurity(stages, s):
        w = s - 0.5 if phase == "aqueous" else s + 0.5
        return 1.0 - solve(n=stages, m=stages, s=s, w=w, phase=phase).raffinate_purity("B")

    assert impurity(60, 1.03 * least) < 1e-6
    short, long = impurity(60, 0.97 * least), impurity(90, 0.97 * least)
    assert short > 0.005
    assert long == pytest.approx(short, rel=1e-3)


def test_below_the_minimum_the_feed_stage_pinches():
    """With x = 1/2 and y = 2/3 at the feed, A left in the raffinate is 1/4 - S/6."""
    cascade = solve(n=120, m=120, s=1.45, w=0.95)
    assert cascade.raffinate["A"] == pytest.approx(0.25 - 1.45 / 6.0, rel=1e-9)


@pytest.mark.parametrize("fraction", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("beta", [1.2, 2.0, 10.0])
def test_two_elements_have_closed_minimum_amounts(beta, fraction):
    feed, factors = {"A": fraction, "B": 1.0 - fraction}, {"A": beta, "B": 1.0}
    aqueous = minimum_extraction_amount(feed, factors, extracted=["A"])
    organic = minimum_extraction_amount(feed, factors, extracted=["A"], feed_phase="organic")
    assert aqueous.extraction_amount == pytest.approx(fraction + 1 / (beta - 1), rel=1e-12)
    assert aqueous.scrub_amount == pytest.approx(1 / (beta - 1), rel=1e-12)
    assert organic.extraction_amount == pytest.approx(1 / (beta - 1), rel=1e-12)
    assert organic.scrub_amount == pytest.approx(1 - fraction + 1 / (beta - 1), rel=1e-12)


def test_elements_that_are_absent_do_not_move_the_minimum():
    feed, factors = {"A": 0.5, "Z": 0.0, "B": 0.5}, {"A": 2.0, "Z": 1.5, "B": 1.0}
    least = minimum_extraction_amount(feed, factors, extracted=["A"])
    assert least.extraction_amount == pytest.approx(1.5, rel=1e-12)


def test_three_elements_need_the_minimum_in_full_and_no_more():
    feed, factors = {"A": 0.3, "B": 0.2, "C": 0.5}, {"A": 3.0, "B": 2.0, "C": 1.0}
    least = minimum_extraction_amount(feed, factors, extracted=["A", "B"])

    def purity(share):
        s = share * least.extraction_amount
        return solve(feed, factors, 60, 60, s, s - 0.5).raffinate_purity("C")

    assert purity(1.05) > 1.0 - 1e-6
    assert purity(0.95) < 0.99


def test_long_and_very_pure_cascades_converge():
    cascade = solve(n=60, m=60, s=2.0, w=1.5)
    assert cascade.residual <= 1e-12
    assert 1.0 - cascade.raffinate_purity("B") < 1e-9


def test_huge_separation_factors_leave_only_traces():
    cascade = solve(HALF, {"A": 1e6, "B": 1.0}, 30, 30, 2.0, 1.5)
    assert cascade.aqueous.min() >= 0.0
    assert 1.0 - cascade.organic_purity("A") < 1e-9


def test_a_profile_has_a_row_for_each_stage():
    table = solve().to_dataframe()
    assert list(table.index) == list(range(1, 19))
    assert table["aqueous"].sum(axis=1).to_numpy() == pytest.approx(1.0, rel=1e-12)
    assert table["organic", "A"].is_monotonic_increasing


@pytest.mark.parametrize("phase", ["aqueous", "organic"])
@pytest.mark.parametrize(("stage", "element"), [(0, 0), (9, 1), (17, 0)])
def test_a_broken_flux_is_seen(phase, stage, element):
    cascade = solve()
    amounts = getattr(cascade, phase).copy()
    amounts[stage, element] *= 1.0 + 1e-7
    with pytest.raises(BalanceError, match=r"stage \d+|feed"):
        check_constant_beta(dataclasses.replace(cascade, **{phase: amounts}))


def test_a_feed_that_does_not_reach_the_products_is_seen():
    cascade = solve()
    other = np.array([0.5 + 1e-6, 0.5 - 1e-6])
    with pytest.raises(BalanceError, match="stage 10"):
        check_constant_beta(dataclasses.replace(cascade, feed=other))


def test_flows_that_were_not_asked_for_are_seen():
    cascade = solve()
    with pytest.raises(BalanceError, match="not"):
        check_constant_beta(dataclasses.replace(cascade, extraction_amount=2.00001))


@pytest.mark.parametrize("wrong", [-1e-3, np.nan])
def test_a_negative_or_missing_amount_is_seen(wrong):
    cascade = solve()
    amounts = cascade.aqueous.copy()
    amounts[3, 0] = wrong
    with pytest.raises(BalanceError, match="negative or not a number"):
        check_constant_beta(dataclasses.replace(cascade, aqueous=amounts))


def test_a_solve_that_is_cut_short_is_reported_with_its_history(monkeypatch):
    monkeypatch.setattr(constant_beta_stages, "MAX_TIME_STEPS", 2)
    monkeypatch.setattr(constant_beta_stages, "MAX_NEWTON_STEPS", 1)
    with pytest.raises(ConvergenceError, match="no definite place") as caught:
        solve()
    assert len(caught.value.history) == 2
    assert 1 <= caught.value.worst_stage <= 18
    assert caught.value.worst_element in HALF


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n": 0}, "extraction_stages"),
        ({"m": -1}, "scrub_stages"),
        ({"s": 3.0}, "raffinate|aqueous of stage 1"),
        ({"w": 2.5}, "organic of stage 18"),
        ({"w": 0.0, "s": 0.5}, "aqueous of stage 11"),
        ({"s": float("nan")}, "nan"),
        ({"phase": "oil"}, "aqueous, organic"),
        ({"feed": {"A": 0.5, "B": 0.4}}, "sum to 0.9"),
        ({"feed": {"A": 1.5, "B": -0.5}}, "feed, B"),
        ({"beta": {"A": 2.0, "B": 0.0}}, "separation_factor, B"),
        ({"beta": {"A": 2.0, "b": 1.0}}, "missing"),
    ],
)
def test_what_is_no_cascade_is_refused(changes, words):
    with pytest.raises(SpecificationError, match=words):
        solve(**changes)


@pytest.mark.parametrize(
    ("extracted", "words"),
    [(["B"], "left of A > B"), (["A", "B"], "empty"), ([], "empty"), (["a"], "not in the feed")],
)
def test_splits_that_no_cascade_makes_are_refused(extracted, words):
    with pytest.raises(SpecificationError, match=words):
        minimum_extraction_amount(HALF, TWO, extracted=extracted)


def test_purity_of_an_unknown_element_names_the_near_one():
    with pytest.raises(SpecificationError, match=r"Known: A, B"):
        solve().raffinate_purity("Nd")
