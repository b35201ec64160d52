"""Stages stepped off, against closed forms, simultaneous solves and the project's own banks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import brentq, root

from raffinate.cascade.mccabe_thiele import curve_through, step_stages
from raffinate.chemistry.isotherm import compute_isotherm
from raffinate.chemistry.system_file import load_system
from raffinate.errors import SpecificationError
from raffinate.plant.model import Circuit, Liquor, Section
from raffinate.plant.steady import solve_steady


def unextracted(factor: float, stages: float) -> float:
    if factor == 1.0:
        return 1.0 / (stages + 1.0)
    return (factor - 1.0) / (factor ** (stages + 1.0) - 1.0)


@pytest.mark.literature
@pytest.mark.parametrize(
    ("factor", "stages"),
    [
        # Beyond two stages a factor of 0.3 is within rounding of the pinch.
        *((0.3, stages) for stages in (0.4, 1.0, 1.9)),
        *itertools.product((0.999, 1.0, 1.5, 4.0), (0.4, 1.0, 1.9, 2.35, 7.77, 12.0)),
    ],
)
def test_stages_on_a_straight_line_follow_kremser_with_their_fraction(factor, stages):
    """Source: A. Kremser, Natl. Pet. News 22 (1930) 42; closed form for constant D."""
    made = step_stages(
        lambda x: 2.0 * x,
        feed=100.0,
        raffinate=100.0 * unextracted(factor, stages),
        oa_ratio=factor / 2.0,
    )
    assert made.stages == pytest.approx(stages, abs=1e-9)


@pytest.mark.literature
@pytest.mark.parametrize("efficiency", [0.5, 0.85, 1.0])
def test_murphree_stages_on_a_straight_line_follow_lewis(efficiency):
    """Source: W. K. Lewis, Ind. Eng. Chem. 28 (1936) 399: ideal stages over real ones is
    ln(1 + η(E - 1))/ln E."""
    factor, ideal = 1.8, 4.0
    made = step_stages(
        lambda x: 3.0 * x,
        feed=200.0,
        raffinate=200.0 * unextracted(factor, ideal),
        oa_ratio=factor / 3.0,
        efficiency=efficiency,
    )
    real = ideal * math.log(factor) / math.log(1.0 + efficiency * (factor - 1.0))
    assert made.stages == pytest.approx(real, abs=1e-9)


def langmuir(x: float) -> float:
    return 400.0 * x / (30.0 + x)


@pytest.mark.parametrize("stages", [1, 2, 5, 9])
@pytest.mark.parametrize("barren", [0.0, 1.0])
@pytest.mark.parametrize("efficiency", [1.0, 0.8])
def test_stages_on_a_curve_are_those_of_all_balances_solved_together(stages, barren, efficiency):
    feed, ratio = 120.0, 0.45

    def balances(x):
        entering = np.append(x[1:], feed)
        y, before = np.empty(stages), barren
        for n in range(stages):
            y[n] = before + efficiency * (langmuir(x[n]) - before)
            before = y[n]
        return entering - x - ratio * (y - np.append(barren, y[:-1]))

    # Sweeps of single stages come near enough for all of them together.
    x = np.full(stages, 0.5 * feed)
    for _ in range(60):
        for n in range(stages):
            x[n] = brentq(lambda v, n=n: balances(np.r_[x[:n], v, x[n + 1 :]])[n], 0.0, feed)
    solved = root(balances, x, tol=1e-13)
    assert np.abs(balances(solved.x)).max() < 1e-9
    made = step_stages(
        langmuir,
        feed=feed,
        raffinate=float(solved.x[0]),
        oa_ratio=ratio,
        barren=barren,
        efficiency=efficiency,
    )
    assert made.stages == pytest.approx(stages, abs=1e-6)
    np.testing.assert_allclose(made.aqueous[:stages], solved.x, rtol=1e-6)


def test_metal_in_is_metal_out():
    made = step_stages(langmuir, feed=120.0, raffinate=2.0, oa_ratio=0.6, barren=0.5)
    assert made.feed + 0.6 * 0.5 == pytest.approx(made.raffinate + 0.6 * made.loaded, rel=1e-12)
    np.testing.assert_allclose(made.organic, made.operating_line(made.aqueous), rtol=1e-12)


def test_more_organic_or_a_better_stage_needs_fewer_stages():
    def count(ratio, efficiency):
        return step_stages(
            langmuir, feed=120.0, raffinate=1.0, oa_ratio=ratio, efficiency=efficiency
        ).stages

    assert count(0.7, 1.0) < count(0.5, 1.0) < count(0.5, 0.7)


def test_a_pinch_names_the_smallest_oa_ratio_and_the_lowest_raffinate_which_both_help():
    wish = {"feed": 120.0, "raffinate": 1.0}
    with pytest.raises(SpecificationError, match="pinch") as caught:
        step_stages(langmuir, **wish, oa_ratio=0.3)
    # The Langmuir curve is concave: the operating line first touches it at the feed.
    smallest = (120.0 - 1.0) / langmuir(120.0)
    assert f"O/A above {smallest:.4g}" in caught.value.allowed
    assert step_stages(langmuir, **wish, oa_ratio=1.01 * smallest).stages > 1.0
    lowest = 120.0 - 0.3 * langmuir(120.0)
    assert f"{lowest:.4g} mol/m³" in caught.value.mend
    step_stages(langmuir, feed=120.0, raffinate=1.01 * lowest, oa_ratio=0.3)


def test_the_smallest_oa_ratio_of_an_s_shaped_curve_lies_between_the_ends():
    def s_shaped(x):
        return 300.0 * x**2 / (40.0**2 + x**2)

    made = step_stages(s_shaped, feed=100.0, raffinate=2.0, oa_ratio=3.0)
    x = np.linspace(2.0, 100.0, 200_001)
    exact = float(((x - 2.0) / (300.0 * x**2 / (1600.0 + x**2))).max())
    assert made.smallest_oa_ratio == pytest.approx(exact, rel=1e-4)


def test_an_organic_that_is_not_barren_enough_is_refused_with_both_mends():
    with pytest.raises(SpecificationError, match="would take metal up") as caught:
        step_stages(langmuir, feed=60.0, raffinate=0.1, oa_ratio=1.0, barren=20.0)
    assert f"{langmuir(0.1):.4g} mol/m³" in caught.value.allowed
    lowest = float(caught.value.mend.split("above ")[1].split(" ")[0])
    assert lowest == pytest.approx(brentq(lambda x: langmuir(x) - 20.0, 0.0, 100.0), rel=1e-3)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"raffinate": 0.0}, "raffinate above 0"),
        ({"raffinate": 200.0}, "below the feed"),
        ({"feed": math.nan}, "below the feed"),
        ({"oa_ratio": -1.0}, "oa_ratio is -1"),
        ({"oa_ratio": math.nan}, "oa_ratio is nan"),
        ({"barren": -1.0}, "brings -1"),
        ({"efficiency": 0.0}, "efficiency is 0"),
        ({"efficiency": 1.2}, "efficiency is 1.2"),
    ],
)
def test_what_cannot_be_stepped_is_refused(change, complaint):
    wish = {"feed": 120.0, "raffinate": 1.0, "oa_ratio": 1.0, **change}
    with pytest.raises(SpecificationError, match=complaint):
        step_stages(langmuir, **wish)


def test_a_curve_passes_its_points_and_the_origin_and_rises_everywhere():
    x = np.array([80.0, 5.0, 20.0, 1.0])
    curve = curve_through(x, langmuir(x))
    for each in x:
        assert curve(each) == pytest.approx(langmuir(each), rel=1e-14)
    assert curve(0.0) == 0.0
    assert curve(500.0) == curve(80.0)
    assert (np.diff([curve(v) for v in np.linspace(0.0, 80.0, 500)]) > 0.0).all()


@pytest.mark.parametrize(
    ("x", "y", "complaint"),
    [([1.0], [2.0], "1 different"), ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0], "the organic falls")],
)
def test_points_that_are_no_isotherm_are_refused(x, y, complaint):
    with pytest.raises(SpecificationError, match=complaint):
        curve_through(x, y)


@pytest.mark.parametrize("stages", [6, 24])
def test_stages_of_one_element_are_those_of_the_steady_bank(stages):
    """Without saponification the liquor's chloride fixes its acid, so the curve is the bank's."""
    system = load_system("p507_hcl").subset(("Nd",))
    feed, acid, flow, ratio = 50.0, 10.0, 1e-3, 1.05
    state = solve_steady(
        Circuit(
            system=system,
            organic_flow=ratio * flow,
            extractant_concentration=1500.0,
            saponification_degree=0.0,
            sections=(
                Section(
                    name="extraction",
                    stages=stages,
                    aqueous=Liquor(name="feed", flow=flow, concentration={"Nd": feed}, proton=acid),
                ),
                Section(
                    name="strip",
                    stages=8,
                    aqueous=Liquor(name="acid", flow=0.5 * flow, proton=4000.0),
                    draw="strip_liquor",
                    draw_flow=0.5 * flow,
                ),
            ),
        )
    )
    isotherm = compute_isotherm(
        system,
        {"Nd": feed, "proton": acid},
        {"extractant": 1500.0},
        vary="oa",
        values=np.geomspace(0.001, 300.0, 241),
    )
    made = step_stages(
        curve_through(*isotherm.phases("Nd")),
        feed=feed,
        raffinate=float(state.aqueous[0, 0]),
        oa_ratio=ratio,
        barren=float(state.barren_organic[0]),
    )
    assert made.stages == pytest.approx(stages, abs=0.01)
    np.testing.assert_allclose(made.aqueous[:stages], state.aqueous[:stages, 0], rtol=2e-3)
