"""Tables of complexes: naming, neutrality, what is overridden, and how broken ones are refused."""

from __future__ import annotations

import pytest

from raffinate.chemistry.complexes import (
    COLUMNS,
    DATABASES,
    load_complexes,
    load_entries,
    load_free_ions,
    missing_complexes,
    overridden,
)
from raffinate.chemistry.complexes_file import parse_formula, parse_table
from raffinate.chemistry.elements import RARE_EARTHS
from raffinate.chemistry.species import FREE_SPECIES
from raffinate.chemistry.tableau import build_tableau
from raffinate.errors import DataError, SpecificationError

EVERYTHING = tuple(name for name, free in FREE_SPECIES.items() if free.phase == "aqueous")


@pytest.mark.parametrize("database", DATABASES)
def test_every_complex_carries_the_charge_of_its_parts_and_is_named_once(database):
    species = (
        *load_free_ions(EVERYTHING, database=database),
        *load_complexes(EVERYTHING, database=database, polynuclear=True),
    )
    tableau = build_tableau(EVERYTHING, species)
    assert len(tableau.species) > 200


@pytest.mark.parametrize("database", DATABASES)
def test_free_ions_are_named_as_everywhere_and_have_an_ion_size(database):
    for ion in load_free_ions(EVERYTHING, database=database):
        component = ion.composition[0][0]
        assert ion.name == FREE_SPECIES[component].name
        assert 2e-10 <= ion.ion_size <= 12e-10
        assert ion.log10_constant == 0.0


def test_only_complexes_of_the_given_components_are_returned():
    names = {one.name for one in load_complexes(("Nd", "proton", "sulfate"))}
    assert {"NdSO4+", "Nd(SO4)2-", "HSO4-", "OH-", "NdOH+2"} <= names
    assert "NdCl+2" not in names
    assert "Nd2(OH)2+4" not in names


def test_species_with_several_metal_ions_come_when_asked_for():
    names = {one.name for one in load_complexes(("Nd", "proton"), polynuclear=True)}
    assert "Nd2(OH)2+4" in names


def test_acetates_are_formed_from_the_acetate_ion():
    acid = next(one for one in load_complexes(("proton", "acetate")) if one.name == "CH3COOH")
    assert dict(acid.composition) == {"proton": 1.0, "acetate": 1.0}
    assert acid.log10_constant == pytest.approx(4.7572)


def test_hydrolysis_takes_up_water():
    hydroxide = next(one for one in load_complexes(("Nd", "proton")) if one.name == "NdOH+2")
    assert hydroxide.water == 1.0
    assert dict(hydroxide.composition) == {"Nd": 1.0, "proton": -1.0}


def test_what_is_overridden_says_who_and_why():
    entries = {entry.species.name: entry for entry in overridden("llnl")}
    assert entries["Nd(SO4)2-"].database_log10_constant == pytest.approx(-255.748)
    assert entries["Nd(SO4)2-"].species.log10_constant == pytest.approx(5.15)
    assert "Migdisov" in entries["Nd(SO4)2-"].species.source.reference
    assert set(entries) == {
        "CeSO4+",
        "PrSO4+",
        "GdSO4+",
        "Nd(SO4)2-",
        "NH4SO4-",
        "FeSO4+",
        "Fe(SO4)2-",
        "FeCl+2",
    }
    for entry in entries.values():
        assert entry.species.source != load_entries("llnl")[1].species.source
        assert entry.species.source.note == entry.reason


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("ligand", ["chloride", "sulfate"])
def test_no_first_complex_of_a_rare_earth_strays_from_the_series(database, ligand):
    components = (*RARE_EARTHS, ligand)
    constants = [
        one.log10_constant
        for one in load_complexes(components, database=database)
        if dict(one.composition).get(ligand) == 1.0 and len(one.composition) == 2
    ]
    assert len(constants) >= 13
    assert max(constants) - min(constants) < 0.6


def test_a_pair_without_constant_is_reported_missing():
    missing = missing_complexes(("Sc", "Nd", "proton", "sulfate", "chloride"))
    assert set(missing) == {("Sc", "sulfate"), ("Sc", "chloride"), ("Sc", "hydroxide")}


def test_thermoddem_has_no_acetates():
    assert ("Y", "acetate") in missing_complexes(("Y", "acetate"), database="thermoddem")


def test_an_unknown_component_is_refused_with_the_nearest_name():
    with pytest.raises(SpecificationError, match="sulfate"):
        load_complexes(("Nd", "sulphate"))


def test_an_unknown_database_is_refused():
    with pytest.raises(SpecificationError, match="llnl"):
        load_complexes(("Nd",), database="lnll")


HEADER = "# title: T\n# source A (computed): who; where\n" + ",".join(COLUMNS) + "\n"


def test_a_row_takes_the_source_its_key_names():
    table = parse_table(HEADER + "NdCl+2,2,Nd:1 chloride:1,0,0.3,4,,0.3,A,why\n", "x.csv", COLUMNS)
    source = table.row_source("A", "why", "x.csv")
    assert (source.title, source.reference, source.evidence, source.note) == (
        "who",
        "where",
        "computed",
        "why",
    )
    assert table.row_source("", "", "x.csv") == table.source


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# note: n\n" + ",".join(COLUMNS) + "\n", "no title"),
        ("# title: T\nspecies,charge\n", "columns are"),
        (HEADER + "NdCl+2,2\n", "2 cells"),
        ("# title\n" + ",".join(COLUMNS) + "\n", "no colon"),
        ("# title: T\n# evidence: hearsay\n" + ",".join(COLUMNS) + "\n", "hearsay"),
    ],
)
def test_a_broken_table_is_refused(content, message):
    with pytest.raises(DataError, match=message):
        parse_table(content, "x.csv", COLUMNS)


def test_an_unknown_source_key_is_refused():
    table = parse_table(HEADER, "x.csv", COLUMNS)
    with pytest.raises(DataError, match="no source 'B'"):
        table.row_source("B", "", "x.csv")


@pytest.mark.parametrize("text", ["Nd", "Nd:one", "Nd:nan", "Xx:1"])
def test_a_broken_formula_is_refused(text):
    with pytest.raises(DataError):
        parse_formula(text, "x.csv")
