"""What every shipped extraction system keeps to, and the page that lists them."""

from __future__ import annotations

import numpy as np
import pytest

import system_tables
from raffinate.chemistry.contact import equilibrate
from raffinate.chemistry.elements import IMPURITIES, RARE_EARTHS
from raffinate.chemistry.separation_factors import load_separation_factors
from raffinate.chemistry.series import interpolate_series
from raffinate.chemistry.species import FREE_SPECIES
from raffinate.chemistry.system_file import load_system, parse_system, shipped_systems, write_system
from raffinate.errors import DataError, SpecificationError

NAMES = shipped_systems()
ASSUMED = {"p507_series": ("Er", "Tm", "Yb", "Lu")}
"""The systems that may hold assumed constants, and which; every other holds none."""

OTHERS = tuple(name for name in NAMES if name != "p507_hcl")


def test_every_common_extractant_has_a_system() -> None:
    assert set(NAMES) >= {
        "p507_hcl",
        "pc88a_nitrate",
        "d2ehpa_chloride",
        "d2ehpa_tbp_sulfate",
        "cyanex272",
        "naphthenic_acid",
        "tbp_nitrate",
    }


@pytest.mark.parametrize("name", NAMES)
def test_shipped_system_is_written_back_exactly(name: str) -> None:
    system = load_system(name)
    text = write_system(system)
    assert write_system(parse_system(text)) == text
    assert system.name == name
    assert system.validity


@pytest.mark.parametrize("name", OTHERS)
def test_every_element_and_impurity_has_a_constant_or_a_reason(name: str) -> None:
    system = load_system(name)
    missing = dict(system.missing)
    assert set(system.elements).isdisjoint(missing)
    for symbol in (*RARE_EARTHS, *IMPURITIES):
        assert symbol in system.elements or missing[symbol]


@pytest.mark.parametrize("name", OTHERS)
def test_asking_for_what_is_missing_gives_the_reason(name: str) -> None:
    system = load_system(name)
    element, reason = system.missing[0]
    with pytest.raises(SpecificationError) as caught:
        system.subset((element,))
    assert reason in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_no_extraction_constant_is_assumed_unless_listed_and_every_source_is_cited(
    name: str,
) -> None:
    system = load_system(name)
    assert system.assumed == ASSUMED.get(name, ())
    for source in system.constant_sources:
        assert source.reference
    for source in system.sources:
        assert source.note or source.reference
        assert "memory" not in str(source).lower()


def test_the_systems_of_chloride_and_p507_that_examples_use_hold_no_assumed_constant() -> None:
    assert "p507_hcl" in NAMES
    assert not load_system("p507_hcl").assumed


def test_assumed_constants_are_told_by_the_file_and_by_every_contact() -> None:
    text = write_system(load_system("p507_series"))
    assert "assumed_constants:\n- Er\n- Tm\n- Yb\n- Lu\n" in text
    for wrong in ("assumed_constants:\n- Er\n- Tm\n- Yb\n", "assumed_constants:\n- Dy\n- Er\n"):
        with pytest.raises(DataError) as caught:
            parse_system(text.replace("assumed_constants:\n- Er\n- Tm\n- Yb\n- Lu\n", wrong))
        assert "assumed_constants" in caught.value.where
    system = load_system("p507_series")
    liquor = {"Dy": 10.0, "Er": 10.0, "proton": 100.0}
    said = equilibrate(system, liquor, {"extractant": 1000.0}).warnings
    assert any("Er in p507_series is assumed" in sentence for sentence in said)
    sourced = equilibrate(system, {"Dy": 10.0, "proton": 100.0}, {"extractant": 1000.0}).warnings
    assert not any("is assumed" in sentence for sentence in sourced)


def test_the_series_of_p507_keeps_the_constants_of_p507_hcl_and_the_order_of_extraction() -> None:
    series, fitted = load_system("p507_series"), load_system("p507_hcl")
    shared = series.subset(fitted.elements)
    assert shared.log10_extraction_constant == pytest.approx(fitted.log10_extraction_constant)
    assert shared.log10_covariance == pytest.approx(fitted.log10_covariance, abs=1e-8)
    assert (np.diff(series.log10_extraction_constant) > 0.0).all()
    assert series.elements[9:12] == ("Ho", "Y", "Er")


@pytest.mark.parametrize("name", NAMES)
def test_charges_are_those_of_the_ions_and_the_medium_is_an_ion(name: str) -> None:
    system = load_system(name)
    assert FREE_SPECIES[system.medium].charge < 0
    for symbol, charge in zip(system.elements, system.charge, strict=True):
        assert FREE_SPECIES[symbol].charge == charge


@pytest.mark.parametrize("name", NAMES)
def test_extraction_grows_with_its_drivers(name: str) -> None:
    system = load_system(name)
    dilute = system.distribution_ratio(30.0, 300.0, 3000.0)
    more_extractant = system.distribution_ratio(30.0, 310.0, 3000.0)
    less_acid_or_more_salt = system.distribution_ratio(29.0, 300.0, 3100.0)
    report = name == "d2ehpa_tbp_sulfate"
    assert (less_acid_or_more_salt >= dilute).all()
    assert report or (more_extractant > dilute).all()


@pytest.mark.parametrize(
    ("name", "interpolated"),
    [
        ("pc88a_nitrate", "Ce Pr Eu Gd Tb"),
        ("d2ehpa_chloride", "Nd Sm Gd Dy Ho Er Yb"),
        ("tbp_nitrate", "Tb"),
        ("cyanex272", ""),
        ("naphthenic_acid", ""),
        ("d2ehpa_tbp_sulfate", ""),
        ("p507_series", "Eu Gd"),
    ],
)
def test_interpolated_elements_are_told(name: str, interpolated: str) -> None:
    assert load_system(name).interpolated == tuple(interpolated.split())


def test_yttrium_lies_between_holmium_and_erbium() -> None:
    """Source: Zhang, Zhao, Schreiner (2016), for D2EHPA and Cyanex 272 alike."""
    for name in ("d2ehpa_chloride", "cyanex272"):
        system = load_system(name)
        absent = [symbol for symbol in ("Ho", "Er") if symbol not in system.elements]
        whole = interpolate_series(system, absent)
        constant = dict(zip(whole.elements, whole.log10_extraction_constant, strict=True))
        assert constant["Ho"] < constant["Y"] < constant["Er"]


def test_yttrium_is_extracted_least_by_naphthenic_acid() -> None:
    system = load_system("naphthenic_acid")
    assert system.elements[int(np.argmin(system.log10_extraction_constant))] == "Y"


def test_separation_factors_hold_no_row_without_a_reference() -> None:
    rows = load_separation_factors()
    assert len(rows) > 60
    for row in rows:
        assert row.beta > 0.0
        assert row.source.reference
        assert row.conditions
    assert {row.extractant for row in load_separation_factors("TBP")} == {"TBP"}


def test_the_page_of_systems_is_what_the_data_files_say() -> None:
    assert system_tables.PAGE.read_text(encoding="utf-8") == system_tables.page(), (
        "run: python tests/system_tables.py"
    )
