"""Species of a liquor: balances, pH and who is added for it, what is warned of, what is refused."""

from __future__ import annotations

import math

import pytest

from raffinate.chemistry.complexes import load_complexes
from raffinate.chemistry.speciation import Speciation, speciate
from raffinate.chemistry.species import FREE_SPECIES
from raffinate.errors import SpecificationError

SULFATE = {"Nd": 50.0, "sulfate": 275.0, "sodium": 400.0}


@pytest.fixture(scope="module")
def sulfate() -> Speciation:
    return speciate(SULFATE, activity="ideal")


@pytest.fixture(scope="module")
def acidified() -> Speciation:
    return speciate(SULFATE, activity="ideal", pH=2.0, titrant="sulfate")


@pytest.mark.parametrize("state", ["sulfate", "acidified"])
def test_the_species_hold_the_totals(state, request):
    result = request.getfixturevalue(state)
    complexes = {one.name: one for one in load_complexes(SULFATE | {"proton": 0.0})}
    for component, total in result.total.items():
        found = sum(
            result.species[name] * dict(one.composition).get(component, 0.0)
            for name, one in complexes.items()
            if name in result.species
        )
        found += result.species[FREE_SPECIES[component].name]
        assert found == pytest.approx(total, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("state", ["sulfate", "acidified"])
def test_the_liquor_is_neutral(state, request):
    result = request.getfixturevalue(state)
    charge = sum(result.charge[name] * amount for name, amount in result.species.items())
    assert abs(charge) <= 1e-9 * result.ionic_strength


def test_the_shares_of_a_component_sum_to_one(sulfate):
    for shares in sulfate.share.values():
        assert sum(shares.values()) == pytest.approx(1.0)
    assert "proton" not in sulfate.share


def test_mass_action_holds_for_every_complex(sulfate):
    for one in load_complexes(("Nd", "sulfate", "sodium", "proton")):
        product = sum(
            moles * sulfate.log_activity[FREE_SPECIES[component].name]
            for component, moles in one.composition
        )
        product += one.water * math.log10(sulfate.water_activity)
        assert sulfate.log_activity[one.name] == pytest.approx(one.log10_constant + product)


def test_the_wanted_ph_is_reached_with_the_named_acid(acidified):
    assert acidified.pH == pytest.approx(2.0, abs=1e-9)
    name, added = acidified.titrant
    assert name == "sulfate"
    assert acidified.total["sulfate"] == pytest.approx(SULFATE["sulfate"] + added)
    assert acidified.total["proton"] == pytest.approx(2.0 * added)


def test_what_a_titration_ends_with_speciates_to_the_same_ph(acidified):
    again = speciate(acidified.total, activity="ideal")
    assert again.pH == pytest.approx(2.0, abs=1e-8)
    assert again.titrant is None


def test_without_a_name_the_main_anion_is_the_acid_and_soda_the_base():
    liquor = {"Nd": 100.0, "chloride": 300.0}
    assert speciate(liquor, activity="ideal", pH=1.0).titrant[0] == "chloride"
    assert speciate(liquor, activity="ideal", pH=6.5).titrant[0] == "sodium"


def test_an_acid_cannot_raise_the_ph():
    with pytest.raises(SpecificationError, match="needs a base"):
        speciate({"Nd": 100.0, "chloride": 300.0}, activity="ideal", pH=6.5, titrant="chloride")


def test_amounts_per_kilogram_and_per_cubic_metre_agree_when_ideal(sulfate):
    molal = speciate(
        {name: value / 1000.0 for name, value in SULFATE.items()}, activity="ideal", molal=True
    )
    assert molal.pH == pytest.approx(sulfate.pH)
    assert molal.species["NdSO4+"] == pytest.approx(sulfate.species["NdSO4+"] / 1000.0)
    assert molal.ionic_strength == pytest.approx(sulfate.ionic_strength / 1000.0)


def test_the_order_of_the_components_changes_nothing(sulfate):
    turned = speciate(dict(reversed(SULFATE.items())), activity="ideal")
    for name, amount in sulfate.species.items():
        assert turned.species[name] == pytest.approx(amount, rel=1e-9)


def test_a_proton_total_that_leaves_a_charge_is_told():
    result = speciate({"Nd": 100.0, "chloride": 300.0, "proton": 50.0}, activity="ideal")
    assert result.total["proton"] == 50.0
    assert any("net charge of +50" in warning for warning in result.warnings)


def test_a_supersaturated_liquor_is_warned_of(sulfate):
    assert sulfate.saturation["NaNd(SO4)2·H2O"] > 0.0
    assert any("NaNd(SO4)2·H2O" in warning for warning in sulfate.warnings)


def test_what_was_left_out_and_what_is_missing_is_listed(sulfate):
    assert sulfate.left_out == ("Nd2(OH)2+4",)
    scandium = speciate({"Sc": 1.0, "chloride": 3.0}, activity="ideal", complexes=())
    assert "llnl has no complex of Sc with chloride." in scandium.missing
    assert "No constant of the hydroxide of Sc." in scandium.missing


def test_species_with_several_metal_ions_come_when_asked_for():
    result = speciate({"Nd": 100.0, "chloride": 300.0}, activity="ideal", polynuclear=True)
    assert result.species["Nd2(OH)2+4"] > 0.0
    assert result.left_out == ()


def test_beyond_the_range_of_a_model_it_is_told():
    strong = speciate({"sodium": 3000.0, "chloride": 3000.0}, activity="davies", complexes=())
    assert any("is above 0.5" in warning for warning in strong.warnings)
    weak = speciate({"sodium": 30.0, "chloride": 30.0}, activity="davies", complexes=())
    assert not any("is above" in warning for warning in weak.warnings)


def test_given_complexes_take_the_place_of_the_database():
    result = speciate({"Nd": 100.0, "chloride": 300.0}, activity="ideal", complexes=())
    assert set(result.species) == {"Nd+3", "Cl-", "H+"}


def test_the_table_has_a_row_for_each_species_most_first(sulfate):
    frame = sulfate.to_dataframe()
    assert list(frame.columns) == ["concentration", "activity", "log10_activity", "charge"]
    assert len(frame) == len(sulfate.species)
    assert frame["concentration"].is_monotonic_decreasing


def test_sources_name_the_database_and_the_overriding_paper(sulfate):
    references = " ".join(source.reference for source in sulfate.sources)
    assert "llnl.dat" in references
    assert "Migdisov" in references


@pytest.mark.parametrize(
    ("aqueous", "options", "message"),
    [
        ({"Nd": -1.0, "chloride": 3.0}, {}, "amount is -1"),
        ({"Nd": math.nan}, {}, "amount is nan"),
        ({"neodymium": 1.0}, {}, "no component"),
        ({"extractant": 1.0}, {}, "no component"),
        ({"Nd": 1.0, "proton": 1.0}, {"pH": 1.0}, "both given"),
        ({"Nd": 1.0, "chloride": 3.0}, {"pH": math.inf}, "pH is inf"),
        ({"Nd": 1.0, "chloride": 3.0}, {"titrant": "sulfate"}, "no pH to reach"),
        ({"Nd": 1.0, "chloride": 3.0}, {"pH": 1.0, "titrant": "sulphate"}, "sulfate"),
        ({"Nd": 1.0, "chloride": 3.0}, {"activity": "sit"}, "no activity model"),
        ({"Nd": 1.0, "chloride": 3.0}, {"database": "wateq"}, "no database"),
    ],
)
def test_bad_input_is_refused(aqueous, options, message):
    with pytest.raises(SpecificationError, match=message):
        speciate(aqueous, **options)
