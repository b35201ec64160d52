from __future__ import annotations

import pytest

from raffinate.lab.shake_out_columns import element_of, recognise
from raffinate.lab.shake_out_units import find_unit

OF_ELEMENTS = [
    ("C_aq Nd (ppm)", "aqueous", "Nd", "ppm", "metal"),
    ("Nd feed g/L", "aqueous_feed", "Nd", "g/L", "metal"),
    ("Feed (g/L) Nd", "aqueous_feed", "Nd", "g/L", "metal"),
    ("Feed (g/L REO) Nd", "aqueous_feed", "Nd", "g/L", "oxide"),
    ("Nd2O3 feed, g/L", "aqueous_feed", "Nd", "g/L", "oxide"),
    ("CeO2 raffinate mg/L", "aqueous", "Ce", "mg/L", "oxide"),
    ("[Nd]aq,eq (M)", "aqueous", "Nd", "M", "metal"),
    ("[Nd]0 mmol/L", "aqueous_feed", "Nd", "mmol/L", "metal"),
    ("c(Nd)aq / mol/L", "aqueous", "Nd", "mol/L", "metal"),
    ("Nd(III) in raffinate, g/L", "aqueous", "Nd", "g/L", "metal"),
    ("Nd³⁺ org (mg·L⁻¹)", "organic", "Nd", "mg.L-1", "metal"),
    ("Loaded organic Y g/L", "organic", "Y", "g/L", "metal"),
    ("y Nd mol/L", "organic", "Nd", "mol/L", "metal"),
    ("Initial Nd concentration (mg/L)", "aqueous_feed", "Nd", "mg/L", "metal"),
    ("feed_Pr_mol_L", "aqueous_feed", "Pr", "mol/L", "metal"),
    ("Nd_aq_g_per_L", "aqueous", "Nd", "g/L", "metal"),
    ("D_Nd", "distribution_ratio", "Nd", "", "metal"),
    ("DNd", "distribution_ratio", "Nd", "", "metal"),
    ("log D (Nd)", "log10_distribution_ratio", "Nd", "", "metal"),
    ("%E Nd", "extraction", "Nd", "%", "metal"),
    ("Extraction of Nd, %", "extraction", "Nd", "%", "metal"),
    ("sd Nd aq g/L", "deviation_aqueous", "Nd", "g/L", "metal"),
    ("RSD %", "assay_deviation", "", "%", "metal"),
    ("Fe aq mg/L", "aqueous", "Fe", "mg/L", "metal"),
]

OF_FLASKS = [
    ("pH eq", "acidity_equilibrium", "pH"),
    ("equilibrium pH", "acidity_equilibrium", "pH"),
    ("pH of raffinate", "acidity_equilibrium", "pH"),
    ("pHe", "acidity_equilibrium", "pH"),
    ("initial pH", "acidity_feed", "pH"),
    ("pH0", "acidity_feed", "pH"),
    ("pH", "acidity", "pH"),
    ("[H+] (mol/L)", "acidity", ""),
    ("[H+]eq, mol/L", "acidity_equilibrium", ""),
    ("H⁺ feed (mol/L)", "acidity_feed", ""),
    ("HCl M", "acidity", ""),
    ("[HA]0 mol/L", "extractant_concentration", ""),
    ("(HA)2 (M)", "extractant_concentration", "dimer"),
    ("P507, mol/L", "extractant_concentration", ""),
    ("Extractant", "extractant", ""),
    ("O/A", "oa_ratio", ""),
    ("A/O ratio", "ao_ratio", ""),
    ("V_org (mL)", "volume_organic", ""),
    ("Vaq mL", "volume_aqueous", ""),
    ("T (C)", "temperature", ""),
    ("Temperature/K", "temperature", ""),
    ("Saponification %", "saponification_degree", ""),
    ("NH4Cl, mol/L", "salt", "NH4Cl"),
    ("(NH4)2SO4 added (M)", "salt", "(NH4)2SO4"),
    ("dilution factor org", "dilution_organic", ""),
    ("density feed g/mL", "density_feed", ""),
    ("Run no.", "test_id", ""),
    ("#", "test_id", ""),
    ("Remarks", "ignored", ""),
    ("β Nd/Pr", "ignored", ""),
]


@pytest.mark.parametrize(("heading", "role", "element", "unit", "basis"), OF_ELEMENTS)
def test_heading_of_an_element_is_understood(
    heading: str, role: str, element: str, unit: str, basis: str
) -> None:
    column = recognise(heading)
    assert column is not None
    assert (column.role, column.element, column.basis) == (role, element, basis)
    assert (column.unit.written if column.unit else "") == unit


@pytest.mark.parametrize(("heading", "role", "note"), OF_FLASKS)
def test_heading_of_a_flask_is_understood(heading: str, role: str, note: str) -> None:
    column = recognise(heading)
    assert column is not None
    assert (column.role, column.note, column.element) == (role, note, "")


@pytest.mark.parametrize(
    "heading",
    [
        "Nd, g/L",
        "Nd raffinate of feed 2 g/L",
        "Nd organic before, g/L",
        "Nd aq wash g/L",
        "phase ratio",
        "[H2SO4] M",
        "D_reportd",
        "photo",
        "pHf",
        "Pm aq g/L",
        "Nd g",
    ],
)
def test_heading_that_may_mean_several_things_or_nothing_is_not_guessed(heading: str) -> None:
    assert recognise(heading) is None


def test_default_unit_serves_concentrations_only() -> None:
    grams = find_unit("g/L")
    feed, ratio = (recognise(text, default_unit=grams) for text in ("Nd feed", "D Nd"))
    assert feed is not None
    assert ratio is not None
    assert feed.unit == grams
    assert ratio.unit is None


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("Nd", ("Nd", False)),
        ("Nd3+", ("Nd", False)),
        ("Fe(III)", ("Fe", False)),
        ("Pr6O11", ("Pr", True)),
        ("Ce2O3", ("", False)),
        ("nd", ("", False)),
        ("Xx", ("", False)),
    ],
)
def test_word_is_an_element_its_oxide_or_neither(word: str, answer: tuple[str, bool]) -> None:
    assert element_of(word) == answer
