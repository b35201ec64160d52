"""One contact: what goes in comes out, whatever goes in."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from raffinate.chemistry import contact as contact_module
from raffinate.chemistry.contact import equilibrate
from raffinate.chemistry.system_file import load_system
from raffinate.errors import BalanceError, SpecificationError

ELEMENTS = ("Ce", "Pr", "Nd")
SYSTEM = load_system("p507_hcl").subset(ELEMENTS)
FEED = {"Ce": 533.0, "Pr": 219.0, "Nd": 433.0, "proton": 10.0}
FRESH = {"extractant": 1500.0, "saponification_degree": 0.36}

# 1e-9 to 6 mol/L, evenly in the logarithm.
concentrations = st.floats(-6.0, np.log10(6000.0)).map(lambda power: 10.0**power)
ratios = st.floats(-2.0, 2.0).map(lambda power: 10.0**power)


@st.composite
def contacts(draw: st.DrawFn) -> tuple[dict[str, float], dict[str, float], float]:
    """A liquor with some acid, and an organic holding no more than it can."""
    aqueous = {symbol: draw(concentrations) for symbol in ELEMENTS}
    aqueous["proton"] = draw(concentrations)
    extractant = 10.0 ** draw(st.floats(-3.0, 3.5))
    load = draw(st.floats(0.0, 1.0))
    shares = np.array([draw(st.floats(0.0, 1.0)) for _ in range(4)]) + 1e-12
    bound = 0.5 * extractant * load * shares / shares.sum()
    organic = dict(zip(ELEMENTS, bound[:3] / 3.0, strict=True))
    return aqueous, {**organic, "ammonium": bound[3], "extractant": extractant}, draw(ratios)


@given(contacts())
@settings(max_examples=200)
def test_what_goes_in_comes_out_and_nothing_is_negative(case):
    aqueous, organic, oa_ratio = case
    found = equilibrate(SYSTEM, *case)
    for name in (*ELEMENTS, "ammonium"):
        before = aqueous.get(name, 0.0) + oa_ratio * organic[name]
        after = found.aqueous[name] + oa_ratio * found.organic[name]
        assert after == pytest.approx(before, rel=1e-12, abs=1e-300)
    bound = 3.0 * sum(found.organic[symbol] for symbol in ELEMENTS) + found.organic["ammonium"]
    assert bound + found.free_extractant == pytest.approx(0.5 * organic["extractant"], rel=1e-11)
    cations = 3.0 * sum(found.aqueous[symbol] for symbol in ELEMENTS)
    cations += found.aqueous["ammonium"] + found.aqueous["proton"]
    assert cations == pytest.approx(found.aqueous["chloride"], rel=1e-11)
    assert min(found.aqueous[symbol] for symbol in (*ELEMENTS, "proton")) > 0.0
    assert min(found.organic[symbol] for symbol in ELEMENTS) > 0.0
    assert found.free_extractant > 0.0
    assert found.loading <= 1.0
    assert found.balance_error <= 1e-9


@given(contacts())
def test_mass_action_holds(case):
    found = equilibrate(SYSTEM, *case)
    drive = found.free_extractant / found.aqueous["proton"]
    expected = SYSTEM.extraction_constant * drive**3
    for symbol, ratio in zip(ELEMENTS, expected, strict=True):
        assert found.distribution_ratio[symbol] == pytest.approx(ratio, rel=1e-9)
    carried = SYSTEM.saponification_constant * drive * found.aqueous["ammonium"]
    assert found.organic["ammonium"] == pytest.approx(carried, rel=1e-9, abs=1e-300)


@given(contacts(), ratios)
def test_shaking_settled_phases_again_changes_nothing(case, oa_ratio):
    once = equilibrate(SYSTEM, *case)
    # Acid that is a trace of the chloride is lost among the digits of the charge balance.
    assume(min(once.aqueous["proton"] / once.aqueous["chloride"], 1.0) > 1e-6)
    assume(once.free_extractant / once.organic["extractant"] > 1e-6)
    again = equilibrate(SYSTEM, once.aqueous, once.organic, oa_ratio)
    for name, value in once.aqueous.items():
        assert again.aqueous[name] == pytest.approx(value, rel=1e-7, abs=1e-300)
    for name, value in once.organic.items():
        assert again.organic[name] == pytest.approx(value, rel=1e-7, abs=1e-300)


@given(contacts())
@settings(max_examples=30)
def test_the_order_of_the_elements_does_not_matter(case):
    found = equilibrate(SYSTEM, *case)
    turned = equilibrate(SYSTEM.subset(("Nd", "Ce", "Pr")), *case)
    assert set(turned.elements) == set(found.elements)
    for name, value in found.aqueous.items():
        assert turned.aqueous[name] == pytest.approx(value, rel=1e-6, abs=1e-300)


@given(st.lists(st.floats(0.0, 3000.0), min_size=2, max_size=6, unique=True))
@settings(max_examples=20)
def test_more_acid_in_the_liquor_means_lower_pH_and_lower_D(acids):
    found = [equilibrate(SYSTEM, {**FEED, "proton": acid}, FRESH) for acid in sorted(acids)]
    for less, more in pairwise(found):
        assert more.pH <= less.pH
        for symbol in ELEMENTS:
            assert more.distribution_ratio[symbol] <= less.distribution_ratio[symbol]


def test_chloride_or_proton_may_be_left_out():
    by_proton = equilibrate(SYSTEM, FEED, FRESH, 6.0)
    given_chloride = {symbol: FEED[symbol] for symbol in ELEMENTS}
    given_chloride["chloride"] = 3.0 * sum(given_chloride.values()) + 10.0
    by_chloride = equilibrate(SYSTEM, given_chloride, FRESH, 6.0)
    both = equilibrate(SYSTEM, {**given_chloride, "proton": 10.0}, FRESH, 6.0)
    for found in (by_chloride, both):
        assert found.pH == pytest.approx(by_proton.pH, rel=1e-12)


def test_saponified_extractant_gives_its_ammonium_for_rare_earths():
    found = equilibrate(SYSTEM, FEED, FRESH, 6.0)
    assert found.organic["ammonium"] < 0.01 * found.aqueous["ammonium"]
    # Three ammonium, not protons, leave for each rare earth, so the liquor stays weakly acid.
    assert 1.0 < found.pH < 2.0
    assert found.organic["Nd"] / found.aqueous["Nd"] > found.organic["Ce"] / found.aqueous["Ce"]


def test_an_element_of_which_there_is_none_stays_at_none():
    found = equilibrate(SYSTEM, {"Nd": 100.0, "Ce": 0.0, "proton": 10.0}, {"extractant": 1000.0})
    assert found.elements == ("Ce", "Nd")
    assert found.aqueous["Ce"] == found.organic["Ce"] == 0.0
    assert np.isnan(found.distribution_ratio["Ce"])
    frame = found.to_dataframe()
    assert list(frame["element"]) == ["Ce", "Nd"]
    assert frame["extracted_fraction"].isna().tolist() == [True, False]


def test_every_result_names_its_sources():
    assert equilibrate(SYSTEM, FEED, FRESH).sources == SYSTEM.sources


@pytest.mark.parametrize(
    ("aqueous", "organic", "oa_ratio", "word"),
    [
        ({"Nd": 1e-3, "chloride": 2000.0, "ammonium": 1999.99}, FRESH, 1.0, "hydrolysis"),
        ({"Nd": 1.0, "proton": 5000.0}, {"extractant": 1500.0}, 1.0, "Acid is 5 mol/L"),
        (FEED, {"extractant": 1500.0, "saponification_degree": 0.5}, 1.0, "gel"),
    ],
)
def test_what_lies_outside_the_fitted_range_is_said(aqueous, organic, oa_ratio, word):
    found = equilibrate(SYSTEM, aqueous, organic, oa_ratio)
    assert any(
        word in warning and "outside the fitted range" in warning for warning in found.warnings
    )
    assert equilibrate(SYSTEM, FEED, FRESH, 6.0).warnings == ()


@pytest.mark.parametrize(
    ("aqueous", "organic", "oa_ratio", "complaint"),
    [
        ({**FEED, "Ce": -1.0}, FRESH, 1.0, "Ce is -1.0 mol/m³"),
        ({**FEED, "proton": np.nan}, FRESH, 1.0, "proton is nan mol/m³"),
        ({**FEED, "Nd": "much"}, FRESH, 1.0, "Nd is much mol/m³"),
        ({**FEED, "nd": 1.0}, FRESH, 1.0, "Did you mean 'Nd'"),
        ({**FEED, "chloride": 100.0}, FRESH, 1.0, "Leave out proton or chloride"),
        ({"Nd": 100.0}, FRESH, 1.0, "neither proton nor chloride"),
        ({"Nd": 100.0, "chloride": 299.0}, FRESH, 1.0, "at least 300 mol/m³ of chloride"),
        (FEED, {}, 1.0, "no extractant"),
        (FEED, {"extractant": 0.0}, 1.0, "extractant is 0 mol/m³"),
        (FEED, {"extractant": np.inf}, 1.0, "extractant is inf mol/m³"),
        (FEED, {**FRESH, "saponification_degree": 0.6}, 1.0, "0 to 0.5"),
        (FEED, {**FRESH, "saponification_degree": -0.1}, 1.0, "saponification_degree is -0.1."),
        (FEED, {**FRESH, "ammonium": 10.0}, 1.0, "both saponification_degree and ammonium"),
        (FEED, {"extractant": 1500.0, "Nd": 251.0}, 1.0, "at most 750 mol/m³"),
        ({"proton": 0.0}, FRESH, 1.0, "pure water"),
        ({"Nd": 7.7, "proton": 0.0}, {"extractant": 6.0, "Nd": 1.0}, 1.0, "complete loading"),
        (FEED, FRESH, 0.0, "oa_ratio is 0"),
        (FEED, FRESH, np.nan, "oa_ratio is nan"),
    ],
)
def test_what_cannot_be_is_refused_with_the_mend(aqueous, organic, oa_ratio, complaint):
    with pytest.raises(SpecificationError, match=r"equilibrate") as caught:
        equilibrate(SYSTEM, aqueous, organic, oa_ratio)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("leak", ["aqueous", "organic_ammonium", "proton", "free"])
def test_a_leak_is_noticed(monkeypatch, leak):
    sound = contact_module._shake

    def leaking(*arguments):
        shaken = sound(*arguments)
        object.__setattr__(shaken, leak, getattr(shaken, leak) * (1.0 + 1e-4))
        return shaken

    monkeypatch.setattr(contact_module, "_shake", leaking)
    with pytest.raises(BalanceError):
        equilibrate(SYSTEM, FEED, FRESH)
