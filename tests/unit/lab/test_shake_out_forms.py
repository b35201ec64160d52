"""One set of flasks written in the ways of several laboratories is read as one table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from raffinate.lab.shake_out import ShakeOutTable, load_shake_outs, parse_shake_outs
from shake_out_tables import extraction_text, oxide_text, ppm_text, shake, wide_workbook

EXAMPLES = Path(__file__).parents[3] / "examples"

FORMS: dict[str, Callable[[ShakeOutTable], str | bytes]] = {
    "wide.xlsx": wide_workbook,
    "oxide.csv": oxide_text,
    "ppm.csv": ppm_text,
    "extraction.csv": extraction_text,
}


def sheet_of(form: str) -> str | None:
    return "Shake-outs" if form.endswith("xlsx") else None


def assert_same(one: ShakeOutTable, other: ShakeOutTable, rtol: float) -> None:
    assert one.test_id == other.test_id
    assert one.laboratory == other.laboratory
    assert one.extractant == other.extractant
    assert one.medium == other.medium
    assert one.acidity_reading == other.acidity_reading
    for name in ("acidity", "extractant_concentration", "oa_ratio", "saponification_degree"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol)
    mine, theirs = (
        {(table.test[row], table.element[row]): row for row in range(len(table.element))}
        for table in (one, other)
    )
    assert mine.keys() == theirs.keys()
    rows = [theirs[key] for key in mine]
    for name in ("aqueous_feed", "aqueous", "organic", "distribution_ratio"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name)[rows], rtol=rtol)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("laboratory", ["Kim (2012)", "Lee (2005)", "Formiga (2016)"])
def test_every_form_gives_the_same_table(form: str, laboratory: str) -> None:
    table = load_shake_outs("pc88a_hcl_batch_tests").from_laboratory(laboratory)
    read = parse_shake_outs(FORMS[form](table), name=form, sheet=sheet_of(form))
    # Six printed digits, which the difference of feed and raffinate loses two of at D = 0.007.
    assert_same(read, table, rtol=2e-3)


@pytest.mark.parametrize("form", FORMS)
def test_example_files_hold_the_tests_of_kim(form: str) -> None:
    table = load_shake_outs("pc88a_hcl_batch_tests").from_laboratory("Kim (2012)")
    read = load_shake_outs(EXAMPLES / f"shake_outs_{form}", sheet=sheet_of(form))
    assert_same(read, table, rtol=2e-4)


def test_grams_of_oxide_are_as_weighed() -> None:
    """168.2385 g Nd₂O₃/2 hold one mole of Nd, 170.2 g Pr₆O₁₁/6 one of Pr."""
    text = (
        "# extractant: P507\n# medium: HCl\n"
        "pH feed,HA (mol/L),Nd2O3 feed (g/L),Nd2O3 aq (g/L),Pr feed (mg/L),Pr aq (mg/L)\n"
        "2,1,16.82385,8.411925,1409.1,704.55\n"
    )
    table = parse_shake_outs(text)
    assert table.element == ("Nd", "Pr")
    np.testing.assert_allclose(table.aqueous_feed, [100.0, 10.0], rtol=1e-4)
    np.testing.assert_allclose(table.organic, [50.0, 5.0], rtol=1e-4)
    np.testing.assert_allclose(table.acidity, [10.0], rtol=1e-12)


def test_parts_per_million_need_the_density_they_are_multiplied_with() -> None:
    text = (
        "# extractant: P507\n# medium: HCl\n# density aqueous: 1.1 g/mL\n# dilution aqueous: 10\n"
        "pH feed,HA (mol/L),Nd feed (g/L),Nd aq (ppm)\n2,1,14.424,655.636\n"
    )
    table = parse_shake_outs(text)
    np.testing.assert_allclose(table.aqueous, [50.0], rtol=1e-5)


@pytest.mark.parametrize(
    ("heading", "cell"), [("O/A", "2"), ("O/A", "2:1"), ("A/O", "1:2"), ("A/O", "0.5")]
)
def test_organic_by_difference_is_thinner_at_twice_the_organic(heading: str, cell: str) -> None:
    text = (
        "# extractant: P507\n# medium: HCl\n"
        f"pH feed,HA (mol/L),{heading},Nd feed (mmol/L),Nd aq (mmol/L)\n2,1,{cell},100,60\n"
    )
    table = parse_shake_outs(text)
    assert table.oa_ratio.tolist() == [2.0]
    np.testing.assert_allclose(table.organic, [20.0])
    np.testing.assert_allclose(table.distribution_ratio, [1.0 / 3.0])


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        ("Nd feed (mM),Nd aq (mM)", "100,60"),
        ("Nd feed (mM),Nd org (mM)", "100,20"),
        ("Nd aq (mM),Nd org (mM)", "60,20"),
        ("Nd feed (mM),D Nd", "100,0.3333333333"),
        ("Nd aq (mM),D Nd", "60,0.3333333333"),
        ("Nd org (mM),D Nd", "20,0.3333333333"),
        ("Nd feed (mM),Nd extraction (%)", "100,40"),
        ("Nd aq (mM),%E Nd", "60,40"),
        ("Nd feed (mM),log D Nd", "100,-0.4771212547"),
    ],
)
def test_two_facts_of_an_element_give_all_phases(columns: str, cells: str) -> None:
    text = f"pH feed,HA (mol/L),O/A,{columns}\n2,1,2,{cells}\n"
    table = parse_shake_outs(text, constants={"extractant": "P507", "medium": "HCl"})
    np.testing.assert_allclose(table.aqueous_feed, [100.0], rtol=1e-8)
    np.testing.assert_allclose(table.aqueous, [60.0], rtol=1e-8)
    np.testing.assert_allclose(table.organic, [20.0], rtol=1e-8)
    np.testing.assert_allclose(table.distribution_ratio, [1.0 / 3.0], rtol=1e-8)


def test_salts_temperature_and_base_are_read() -> None:
    text = (
        "# extractant: D2EHPA\n# medium: HCl\n# saponified with: NaOH\n"
        "pH eq,HA (mol/L),T (°C),saponification (%),NH4Cl (M),(NH4)2SO4 (M),"
        "Nd feed (mM),Nd aq (mM)\n"
        "2,1,25,36,0.5,0.1,100,60\n2,1,40,0,0,0.2,100,60\n"
    )
    table = parse_shake_outs(text)
    np.testing.assert_allclose(table.temperature, [298.15, 313.15])
    np.testing.assert_allclose(table.saponification_degree, [0.36, 0.0])
    assert table.saponifying_cation == ("sodium", "sodium")
    np.testing.assert_allclose(table.background_of("ammonium"), [700.0, 400.0])
    np.testing.assert_allclose(table.background_of("chloride"), [500.0, 0.0])
    np.testing.assert_allclose(table.background_of("sulfate"), [100.0, 200.0])
    assert table.background_of("sodium").tolist() == [0.0, 0.0]
    part = table.select(np.array([False, True]))
    assert part.background_of("sulfate").tolist() == [200.0]
    assert part.temperature.tolist() == [313.15]


def test_acidities_before_and_after_are_both_kept() -> None:
    organic, proton = shake({"Nd": 0.05}, 0.01, 1.0, {"Nd": -2.1})
    left = 0.05 - organic["Nd"]
    text = (
        "# extractant: P507\n# medium: HCl\n"
        "[H+] feed (mol/L),[H+] eq (mol/L),HA (mol/L),Nd feed (mol/L),Nd aq (mol/L)\n"
        f"0.01,{proton!r},1,0.05,{left!r}\n"
    )
    table = parse_shake_outs(text)
    assert table.acidity_reading == "feed"
    np.testing.assert_allclose(table.acidity, [10.0])
    np.testing.assert_allclose(table.acidity_after, [1e3 * proton])
    other = parse_shake_outs(text, acidity="equilibrium")
    np.testing.assert_allclose(other.acidity, [1e3 * proton])
    assert np.isnan(other.acidity_after).all()
    assert other.assumptions == table.assumptions
