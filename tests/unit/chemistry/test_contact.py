"""One contact: what goes in comes out, whatever goes in."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from raffinate.chemistry import contact_solve
from raffinate.chemistry.contact import equilibrate
from raffinate.chemistry.species import Species
from raffinate.chemistry.system import ExchangeCation, ExtractionSystem
from raffinate.chemistry.system_file import load_system
from raffinate.errors import BalanceError, ConvergenceError, SpecificationError
from raffinate.plant.arrays import chemistry_of, parameters_of
from raffinate.sources import Source

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
        assert after == pytest.approx(before, rel=1e-12, abs=1e-190)
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
        (
            {"Nd": 1e-3, "chloride": 2000.0, "ammonium": 1999.99},
            FRESH,
            1.0,
            "Hydrolysis is not modelled",
        ),
        ({"Nd": 1.0, "proton": 5000.0}, {"extractant": 1500.0}, 1.0, "Free H⁺ is 5 mol/L"),
        (FEED, {"extractant": 1500.0, "saponification_degree": 0.5}, 1.0, "gel"),
    ],
)
def test_what_lies_outside_the_ranges_of_the_system_is_said(aqueous, organic, oa_ratio, word):
    found = equilibrate(SYSTEM, aqueous, organic, oa_ratio)
    assert any(
        word in warning and "for which p507_hcl is stated" in warning for warning in found.warnings
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


@pytest.mark.parametrize("leak", ["Nd+3", "NH4(HA2)", "H+", "(HA)2", "Cl-"])
def test_a_leak_is_noticed(monkeypatch, leak):
    sound = contact_solve.closed

    def leaking(tableau, *arguments):
        concentration, moved = sound(tableau, *arguments)
        concentration[tableau.index(leak)] *= 1.0 + 1e-4
        return concentration, moved

    monkeypatch.setattr(contact_solve, "closed", leaking)
    with pytest.raises(BalanceError):
        equilibrate(SYSTEM, FEED, FRESH)


def test_contacts_that_do_not_converge_are_not_results(monkeypatch):
    sound = contact_solve.solved

    def stuck(*arguments):
        return sound(*arguments)._replace(converged=np.array([False]))

    monkeypatch.setattr(contact_solve, "solved", stuck)
    with pytest.raises(ConvergenceError, match="no equilibrium"):
        equilibrate(SYSTEM, FEED, FRESH)


def test_the_numbers_are_those_of_the_closed_form_the_engine_uses():
    found = equilibrate(SYSTEM, FEED, FRESH, 6.0)
    totals = np.array([533.0, 219.0, 433.0, 0.0, 3565.0, 0.0]) / 7.0
    totals += np.array([0.0, 0.0, 0.0, 540.0, 0.0, 750.0]) * 6.0 / 7.0
    unknowns = np.asarray(
        chemistry_of(SYSTEM).contact(totals, np.float64(6.0 / 7.0), parameters_of(SYSTEM))
    )
    for place, symbol in enumerate(ELEMENTS):
        assert found.aqueous[symbol] == pytest.approx(np.exp(unknowns[place]), rel=1e-9)
    assert found.free_proton == pytest.approx(np.exp(unknowns[-1]), rel=1e-9)
    assert found.free_extractant == pytest.approx(np.exp(unknowns[-2]), rel=1e-9)


def source(note=""):
    return Source(title="made up for a test", evidence="assumed", note=note)


def species(name, phase, charge, log10_constant, **composition):
    return Species(
        name=name,
        phase=phase,
        charge=charge,
        composition=tuple(composition.items()),
        log10_constant=log10_constant,
        source=source(),
    )


WITH_CATIONS = replace(
    SYSTEM,
    exchange_cations=(
        ExchangeCation(name="sodium", log10_constant=-4.2, source=source()),
        ExchangeCation(name="calcium", log10_constant=-5.0, source=source()),
    ),
)


@pytest.mark.parametrize(
    ("cation", "component", "charge"),
    [(None, "ammonium", 1.0), ("sodium", "sodium", 1.0), ("calcium", "Ca", 2.0)],
)
def test_any_cation_of_the_system_saponifies(cation, component, charge):
    found = equilibrate(WITH_CATIONS, FEED, FRESH, 6.0, cation=cation)
    given_as_amount = {"extractant": 1500.0, component: 540.0 / charge}
    same = equilibrate(WITH_CATIONS, FEED, given_as_amount, 6.0)
    held = found.aqueous[component] + 6.0 * found.organic[component]
    assert held == pytest.approx(6.0 * 540.0 / charge, rel=1e-12)
    assert same.pH == pytest.approx(found.pH, abs=1e-12)
    constants = {"ammonium": -4.5, "sodium": -4.2, "Ca": -5.0}
    drive = found.free_extractant / found.free_proton
    ratio = found.organic[component] / found.aqueous[component]
    assert np.log10(ratio / drive**charge) == pytest.approx(constants[component], abs=1e-9)


def test_what_saponifies_is_refused_unless_it_has_a_constant():
    with pytest.raises(SpecificationError, match="no cation that saponifies"):
        equilibrate(SYSTEM, FEED, FRESH, cation="sodium")


def test_a_salt_the_extractant_does_not_take_up_stays_in_the_liquor_and_is_said():
    found = equilibrate(SYSTEM, {**FEED, "sodium": 500.0}, FRESH, 6.0)
    assert found.aqueous["sodium"] == pytest.approx(500.0, rel=1e-12)
    assert found.aqueous["chloride"] == pytest.approx(3.0 * 1185.0 + 510.0)
    assert any("sodium has no exchange constant" in sentence for sentence in found.warnings)


def test_sulfate_binds_acid_and_metal_where_it_is_put_into_a_chloride_liquor():
    found = equilibrate(SYSTEM, {**FEED, "sulfate": 300.0}, FRESH, 6.0)
    assert found.species["NdSO4+"] > 0.0
    assert found.species["HSO4-"] > 0.0
    held = found.species["H+"] + found.species["HSO4-"] + 2.0 * found.species["H2SO4"]
    assert found.aqueous["proton"] == pytest.approx(held, rel=1e-12)
    assert found.pH == pytest.approx(-np.log10(found.free_proton / 1e3), abs=1e-12)
    without = equilibrate(SYSTEM, FEED, FRESH, 6.0)
    assert found.organic["Nd"] < without.organic["Nd"]


TBP = ExtractionSystem(
    name="tbp_test",
    title="Solvation, made up for a test",
    extractant="TBP",
    elements=("La", "Nd", "Y"),
    log10_extraction_constant=np.array([-0.5, 0.1, 0.3]),
    log10_covariance=np.zeros((3, 3)),
    constant_sources=(source(),) * 3,
    mechanism="solvation",
    medium="nitrate",
    extractant_form="monomer",
    organic_species=(
        species("HNO3(TBP)", "organic", 0, -0.7, proton=1.0, nitrate=1.0, extractant=1.0),
    ),
)
NITRATE = {"La": 300.0, "Nd": 200.0, "Y": 100.0, "proton": 1000.0, "ammonium": 2000.0}


def test_a_solvating_extractant_takes_up_salt_and_acid_together():
    found = equilibrate(TBP, NITRATE, {"extractant": 1800.0}, 2.0)
    metals = 3.0 * sum(found.organic[symbol] for symbol in TBP.elements)
    assert found.organic["nitrate"] == pytest.approx(metals + found.organic["proton"], rel=1e-12)
    assert found.organic["proton"] == pytest.approx(found.species["HNO3(TBP)"], rel=1e-9)
    bound = metals + found.organic["proton"]
    assert bound + found.free_extractant == pytest.approx(1800.0, rel=1e-12)
    nitrate, free = found.aqueous["nitrate"] / 1e3, found.free_extractant / 1e3
    ratio = found.distribution_ratio["Nd"]
    assert np.log10(ratio) == pytest.approx(0.1 + 3.0 * np.log10(nitrate * free), abs=1e-9)
    again = equilibrate(TBP, found.aqueous, found.organic, 0.3)
    assert again.organic == pytest.approx(dict(found.organic), rel=1e-9)
    without_anion = {name: v for name, v in found.organic.items() if name != "nitrate"}
    same = equilibrate(TBP, found.aqueous, without_anion, 0.3)
    assert same.pH == pytest.approx(found.pH, abs=1e-9)
    without_acid = {name: v for name, v in found.organic.items() if name != "proton"}
    same = equilibrate(TBP, found.aqueous, without_acid, 0.3)
    assert same.pH == pytest.approx(found.pH, abs=1e-9)


def test_a_solvating_extractant_is_not_saponified_and_keeps_charges():
    with pytest.raises(SpecificationError, match="no constant of a saponifying cation"):
        equilibrate(TBP, NITRATE, {"extractant": 1800.0, "saponification_degree": 0.3})
    unbalanced = {"extractant": 1800.0, "Nd": 10.0, "nitrate": 60.0, "proton": 5.0}
    with pytest.raises(SpecificationError, match="anions carry 60 mol/m³"):
        equilibrate(TBP, NITRATE, unbalanced)


def test_a_monomer_may_be_saponified_wholly_and_a_dimer_by_half():
    monomer = replace(SYSTEM, extractant_form="monomer")
    found = equilibrate(monomer, FEED, {"extractant": 1000.0, "saponification_degree": 0.9}, 3.0)
    assert found.loading <= 1.0
    bound = 3.0 * sum(found.organic[s] for s in ELEMENTS) + found.organic["ammonium"]
    assert bound + found.free_extractant == pytest.approx(1000.0, rel=1e-12)


def test_a_missing_constant_is_said_with_its_reason():
    reasoned = replace(SYSTEM, missing=(("Fe", "nobody has measured it in this diluent"),))
    for phase in ({**FEED, "Fe": 1.0}, {**FEED, "Th": 1.0}):
        with pytest.raises(SpecificationError, match="has no constant in p507_hcl") as caught:
            equilibrate(reasoned, phase, FRESH)
        assert ("nobody has measured it" in str(caught.value)) == ("Fe" in phase)


def test_interpolated_constants_apparent_slopes_and_limits_are_sentences():
    doubted = replace(
        SYSTEM,
        constant_sources=(
            *SYSTEM.constant_sources[:2],
            Source(title="read off between neighbours", evidence="interpolated"),
        ),
        loading_limit=0.6,
        loading_limit_source=source(),
        saponification_limit=0.3,
        saponification_limit_source=source(),
    )
    said = equilibrate(doubted, FEED, FRESH, 6.0).warnings
    for word in (
        "constant of Nd is interpolated",
        "above the 60% at which the organic gels",
        "saponified to 36%, above the 30%",
    ):
        assert any(word in sentence for sentence in said)
    light = {"Ce": 10.0, "proton": 100.0}
    assert equilibrate(doubted, light, {"extractant": 1500.0}).warnings == ()


def test_an_organic_saponified_beyond_what_the_liquor_takes_up_is_flagged():
    liquor = {"Nd": 20.0, "chloride": 60.0}
    found = equilibrate(SYSTEM, liquor, {"extractant": 1500.0, "saponification_degree": 0.4}, 5.0)
    assert found.pH > 4.0
    assert any("more than the metals and the acid" in sentence for sentence in found.warnings)
    assert any("Hydrolysis is not modelled" in sentence for sentence in found.warnings)


def test_a_liquor_from_which_hydroxide_would_fall_is_flagged():
    liquor = {"Nd": 1000.0, "chloride": 3000.0}
    most = {"extractant": 1500.0, "saponification_degree": 0.4999999}
    found = equilibrate(SYSTEM, liquor, most)
    assert found.saturation["Nd(OH)3(am)"] > 0.0
    assert any("saponify the organic less" in sentence for sentence in found.warnings)
    less = equilibrate(SYSTEM, liquor, {**most, "saponification_degree": 0.4})
    assert less.saturation["Nd(OH)3(am)"] < 0.0
    assert not any("saponify" in sentence for sentence in less.warnings)


@pytest.mark.parametrize(
    ("aqueous", "complaint"),
    [
        ({**FEED, "chloride": 3565.0, "sulfate": 10.0}, "Leave out proton or chloride"),
        ({**FEED, "sulfate": 2000.0}, "without any chloride"),
        ({**FEED, "hydroxide": 1.0}, "'hydroxide' is not known"),
        ({"Nd": 100.0, "sulfate": 100.0}, "charge of chloride and other anions"),
    ],
)
def test_anions_that_cannot_balance_are_refused(aqueous, complaint):
    with pytest.raises(SpecificationError, match=r"equilibrate: aqueous") as caught:
        equilibrate(SYSTEM, aqueous, FRESH)
    assert complaint in str(caught.value)


BASIC = replace(SYSTEM, complexes=(species("OH-", "aqueous", -1, -14.0, proton=-1.0),))


def test_where_hydroxide_is_modelled_a_basic_liquor_can_be_given_and_given_again():
    found = equilibrate(
        BASIC, {"ammonium": 1000.0, "hydroxide": 200.0}, {"extractant": 100.0, "Nd": 1.0}
    )
    assert found.pH > 7.0
    assert found.aqueous["hydroxide"] > 0.0
    assert "proton" not in found.aqueous
    again = equilibrate(BASIC, found.aqueous, found.organic)
    assert again.pH == pytest.approx(found.pH, abs=1e-9)


@pytest.mark.parametrize("name", ["tbp_nitrate", "pc88a_nitrate", "naphthenic_acid"])
def test_every_range_of_a_system_is_watched_at_both_ends(name):
    system = load_system(name)
    aqueous = {"Nd": 1.0, "proton": 30.0, system.medium: 2000.0, "sodium": 1967.0}
    organic = {"extractant": 1000.0}
    found = equilibrate(system, aqueous, organic)
    values = {
        "pH": found.pH,
        "proton": found.free_proton,
        "anion": found.aqueous[system.medium],
        "extractant": 1000.0,
        "loading": found.loading,
    }
    assert system.ranges.spans
    for key in system.ranges.spans:
        for low, high, inside in ((0.9, 1.1, True), (1.1, 1.2, False), (0.8, 0.9, False)):
            span = tuple(sorted((low * values[key], high * values[key])))
            narrow = replace(system, ranges=replace(system.ranges, **{key: span}))
            said = equilibrate(narrow, aqueous, organic).warnings
            shown = "Free H⁺" if key == "proton" else "Nitrate" if key == "anion" else key
            flagged = any(
                sentence.lower().startswith(f"{shown.lower()} is") and "is stated" in sentence
                for sentence in said
            )
            assert flagged is not inside


def test_saturation_under_ideal_activities_says_that_it_overstates():
    system = load_system("d2ehpa_tbp_sulfate")
    liquor = {"Ca": 50.0, "Al": 200.0, "proton": 100.0}
    ideal = equilibrate(system, liquor, {"extractant": 150.0})
    assert any("indices are overstated" in sentence for sentence in ideal.warnings)
    better = equilibrate(system, liquor, {"extractant": 150.0}, activity="bdot")
    assert not any("indices are overstated" in sentence for sentence in better.warnings)
    assert better.saturation["gypsum"] < ideal.saturation["gypsum"]


def test_much_metal_beside_hardly_any_acid_and_extractant_balances():
    found = equilibrate(SYSTEM, {"Nd": 3162.28, "proton": 1e-4}, {"extractant": 1e-3})
    assert found.balance_error <= 1e-12
