from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from raffinate.chemistry.loading import LoadingModel
from raffinate.chemistry.species import Species
from raffinate.chemistry.system import (
    ApparentSlope,
    ExchangeCation,
    ExtractionSystem,
    TemperatureSlope,
)
from raffinate.chemistry.system_file import (
    load_system,
    parse_system,
    shipped_systems,
    write_system,
)
from raffinate.errors import DataError, SpecificationError
from raffinate.sources import Source

MEASURED = Source(title="Ours", reference="notebook 7", licence="CC0", note="25 °C: β, 'quoted'")
GUESSED = Source(title="Guess", evidence="assumed")


def small_system() -> ExtractionSystem:
    return ExtractionSystem(
        name="small",
        title="Two elements",
        extractant="P507",
        elements=("Nd", "Ce"),
        log10_extraction_constant=np.array([-2.1, -2.6 + 1e-15]),
        log10_covariance=np.array([[1e-2, 1e-20], [1e-20, 1.0 / 3.0]]),
        constant_sources=(MEASURED, GUESSED),
        log10_saponification_constant=-4.5,
        saponification_source=GUESSED,
        basis=(MEASURED,),
        validity=("Cold only.",),
    )


def full_system() -> ExtractionSystem:
    """Return a system in which no field has its default."""
    bisulfate = Species(
        name="HSO4-",
        phase="aqueous",
        charge=-1,
        composition=(("sulfate", 1.0), ("proton", 1.0)),
        log10_constant=1.987,
        source=MEASURED,
        ion_size=4e-10,
    )
    acid = Species(
        name="H2SO4(HA)",
        phase="organic",
        charge=0,
        composition=(("proton", 2.0), ("sulfate", 1.0), ("extractant", 1.0)),
        log10_constant=-1.0 / 3.0,
        source=GUESSED,
        water=1.0,
    )
    return ExtractionSystem(
        name="full",
        title="Everything",
        extractant="X",
        mechanism="exchange",
        medium="sulfate",
        extractant_form="monomer",
        activity="pitzer",
        temperature=308.15,
        elements=("Nd", "Th", "Ca"),
        log10_extraction_constant=np.array([-2.1, 0.1, -7.0]),
        log10_covariance=np.zeros((3, 3)),
        constant_sources=(MEASURED, GUESSED, MEASURED),
        charge=np.array([3.0, 4.0, 1.0]),
        extractant_number=np.array([2.5, 4.0, 1.0]),
        log10_saponification_constant=-4.5,
        saponification_source=GUESSED,
        exchange_cations=(ExchangeCation(name="sodium", log10_constant=-4.2, source=MEASURED),),
        complexes=(bisulfate,),
        organic_species=(acid,),
        loading=LoadingModel(level=0.5, spread=-0.1, reference=-2.0, source=MEASURED),
        apparent=(
            ApparentSlope(
                element="Th",
                slope=1.3,
                extractant_slope=0.7,
                slope_per_extractant=0.25,
                source=Source(title="Slopes"),
            ),
        ),
        temperature_slopes=(
            TemperatureSlope(element="Nd", slope=700.0, source=Source(title="Heats")),
        ),
        loading_limit=0.8,
        loading_limit_source=Source(title="Gel"),
        saponification_limit=0.4,
        saponification_limit_source=Source(title="Gel too"),
        missing=(("Lu", "nobody measured it"), ("magnesium", "nor that")),
        basis=(GUESSED,),
        validity=("Nowhere.",),
    )


TEXT = write_system(small_system())


def test_written_system_reads_back_exactly() -> None:
    system, back = small_system(), parse_system(TEXT)
    for name in ("name", "title", "extractant", "elements", "constant_sources", "basis"):
        assert getattr(back, name) == getattr(system, name)
    for name in ("saponifying_cation", "saponification_source", "validity", "sources", "evidence"):
        assert getattr(back, name) == getattr(system, name)
    assert back.log10_saponification_constant == system.log10_saponification_constant
    np.testing.assert_array_equal(back.log10_extraction_constant, system.log10_extraction_constant)
    np.testing.assert_array_equal(back.log10_covariance, system.log10_covariance)
    assert write_system(back) == TEXT
    assert TEXT.startswith("format: raffinate-system/1\n")


def test_every_field_reads_back_exactly() -> None:
    system, text = full_system(), write_system(full_system())
    back = parse_system(text)
    for field in fields(ExtractionSystem):
        np.testing.assert_array_equal(getattr(back, field.name), getattr(system, field.name))
    assert back.complexes == system.complexes
    assert back.organic_species == system.organic_species
    assert write_system(back) == text
    assert {"Slopes", "Heats", "Gel", "Gel too"} <= {source.title for source in back.sources}


def test_fields_left_out_have_their_defaults() -> None:
    system = small_system()
    assert (system.mechanism, system.medium, system.extractant_form) == (
        "exchange",
        "chloride",
        "dimer",
    )
    assert system.charge.tolist() == system.extractant_number.tolist() == [3.0, 3.0]
    assert (system.missing, system.interpolated, system.loading) == ((), (), None)
    for key in ("mechanism", "charge", "exchange_cations", "missing", "loading", "temperature"):
        assert key not in TEXT


def test_system_without_saponification_carries_no_ammonium() -> None:
    start, end = TEXT.index("saponification:"), TEXT.index("sources:")
    system = parse_system(TEXT[:start] + TEXT[end:])
    assert system.saponification_constant == 0.0
    assert system.saponification_source not in system.sources
    assert "saponification" not in write_system(system)
    assert write_system(parse_system(write_system(system))) == write_system(system)


def test_bytes_read_as_text_does() -> None:
    assert write_system(parse_system(TEXT.encode())) == TEXT


def test_shipped_systems_all_load() -> None:
    assert "p507_hcl" in shipped_systems()
    for name in shipped_systems():
        assert load_system(name).name == name


def test_system_loads_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT, encoding="utf-8")
    assert load_system(path).name == load_system(str(path)).name == "small"


def test_unknown_system_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(DataError, match="Did you mean 'p507_hcl'"):
        load_system("p507_hc")


def test_missing_covariance_means_zero() -> None:
    start, end = TEXT.index("log10_covariance"), TEXT.index("saponification:")
    assert parse_system(TEXT[:start] + TEXT[end:]).log10_covariance.tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("old", "new", "where", "complaint"),
    [
        ("extractant:", "extractent:", "extractent", "Did you mean 'extractant'"),
        ("  cation: NH4", "  cation: NH4\n  ph: 3", "saponification.ph", "unknown key"),
        ("    source: S1", "    source: S1\n    sauce: S1", "elements.Nd.sauce", "'source'"),
        ("title: Ours", "title: Ours\n    licens: x", "sources.S1.licens", "'licence'"),
        ("raffinate-system/1", "raffinate-plant/1", "format", "raffinate-system/1"),
        ("cation: NH4", "cation: Na", "saponification.cation", "NH4"),
        ("constant: -2.1", "constant: .nan", "elements.Nd.log10", "finite"),
        ("constant: -2.1", "constant: -21e-1", "elements.Nd.log10", "YAML reads"),
        ("constant: -2.1", "constant: true", "elements.Nd.log10", "a number"),
        ("  Nd:", "  Nn:", "elements", "not a rare earth"),
        ("name: small\n", "", "name", "missing"),
        ("name: small\n", "name: small\nname: big\n", "line 3", "stands twice"),
        ("  Ce:", "  Nd:", "line 9", "stands twice"),
        ("    source: S1", "    source: S7", "elements.Nd.source", "'S7'"),
        ("- S1", "- S3", "basis.0", "'S3'"),
        ("evidence: assumed", "evidence: rumoured", "sources.S2.evidence", "rumoured"),
        ("- [0.01, 1.0e-20]\n", "", "log10_covariance", "2 rows of 2"),
        ("- [0.01,", "- [-0.01,", "file.yaml", "no covariance"),
        ("- [0.01, 1.0e-20]", "- [0.01, 0.02]", "file.yaml", "no covariance"),
        ("title: Two elements", "title: [", "file.yaml, line", "not YAML"),
        ("elements:", "medum: nitrate\nelements:", "medum", "Did you mean 'medium'"),
        ("elements:", "mechanism: osmosis\nelements:", "mechanism", "exchange"),
        ("elements:", "exchange_cations: {K: 1}\nelements:", "exchange_cations", "sodium"),
    ],
)
def test_bad_file_is_refused_with_place_and_mend(
    old: str, new: str, where: str, complaint: str
) -> None:
    assert old in TEXT
    with pytest.raises(DataError) as caught:
        parse_system(TEXT.replace(old, new, 1), where="file.yaml")
    assert where in caught.value.where
    assert "file.yaml" in caught.value.where
    assert complaint in str(caught.value)


@pytest.mark.parametrize("text", ["", "- 1\n", "just words", b"\xff"])
def test_what_is_no_system_is_refused(text: str | bytes) -> None:
    with pytest.raises(DataError, match="system"):
        parse_system(text)


def test_unused_source_is_refused() -> None:
    text = TEXT.replace("basis:", "  S9:\n    title: Idle\n    evidence: sourced\nbasis:")
    with pytest.raises(DataError, match="nothing names S9"):
        parse_system(text)


def test_distribution_ratio_follows_mass_action() -> None:
    ratio = small_system().distribution_ratio(np.array([100.0, 50.0]), 300.0)
    assert ratio.shape == (2, 2)
    assert ratio[0] == pytest.approx([27.0 * 10**-2.1, 27.0 * 10**-2.6])
    assert ratio[1] == pytest.approx(8.0 * ratio[0])


def test_apparent_slopes_replace_mass_action() -> None:
    proton, free = 10.0, 400.0
    ratio = full_system().distribution_ratio(proton, free)
    assert ratio[1] == pytest.approx(10.0 ** (0.1 + (1.3 + 0.25 * 0.4) * 2.0) * 0.4**0.7)
    # Free units need not be as many as protons, so that mol/L matters.
    assert ratio[0] == pytest.approx(10.0**-2.1 * 0.4**2.5 / 0.01**3)
    assert ratio[2] == pytest.approx(10.0**-7.0 * 0.4 / 0.01)
    with pytest.raises(SpecificationError, match="depend differently"):
        full_system().separation_factor("Nd", "Th")


def test_solvation_is_driven_by_the_anion() -> None:
    system = replace(small_system(), mechanism="solvation", medium="nitrate")
    ratio = system.distribution_ratio(np.array([1.0, 500.0]), 1100.0, 3000.0)
    assert ratio[0] == pytest.approx(ratio[1])
    assert ratio[0, 0] == pytest.approx(10.0**-2.1 * 1.1**3 * 3.0**3)


def test_constants_move_with_temperature_only_where_measured() -> None:
    system = full_system()
    warm = system.subset(("Nd",)).at_temperature(298.15)
    assert warm.temperature == 298.15
    assert warm.log10_extraction_constant[0] == pytest.approx(
        -2.1 + 700.0 * (1.0 / 298.15 - 1.0 / 308.15)
    )
    with pytest.raises(SpecificationError, match="Th, Ca"):
        system.at_temperature(298.15)
    with pytest.raises(SpecificationError, match="-5 K"):
        system.subset(("Nd",)).at_temperature(-5.0)


def test_missing_element_is_refused_with_its_reason() -> None:
    with pytest.raises(SpecificationError, match="'Lu': nobody measured it"):
        full_system().index("Lu")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"charge": np.array([3.0, 4.0])}, "charge"),
        ({"charge": np.array([3.0, 0.0, 2.0])}, "positive numbers"),
        ({"extractant_number": np.array([3.0, np.nan, 2.0])}, "extractant_number"),
        ({"log10_saponification_constant": np.inf}, "saponification"),
        ({"missing": (("Nd", "why"),)}, "missing lists Nd"),
        ({"missing": (("sodium", "why"),)}, "missing lists sodium"),
        ({"loading_limit": 1.5}, "at most 1"),
        ({"elements": ("Nd", "Lu", "Ca")}, "slopes are given for Th"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(SpecificationError, match=complaint):
        replace(full_system(), **changes)


def test_ammonium_has_its_own_place_among_the_cations() -> None:
    ammonium = ExchangeCation(name="ammonium", log10_constant=-4.5, source=GUESSED)
    with pytest.raises(SpecificationError, match="log10_saponification_constant"):
        replace(full_system(), exchange_cations=(ammonium,))


def test_separation_factor_is_the_ratio_of_distribution_ratios() -> None:
    system = small_system()
    neodymium, cerium = system.distribution_ratio(40.0, 200.0)
    assert system.separation_factor("Nd", "Ce") == pytest.approx(neodymium / cerium)
    assert system.separation_factor("Ce", "Nd") == pytest.approx(cerium / neodymium)


def test_subset_restricts_and_reorders() -> None:
    whole = load_system("p507_hcl")
    part = whole.subset(("Nd", "Ce"))
    assert part.elements == ("Nd", "Ce")
    assert part.extraction_constant == pytest.approx(whole.extraction_constant[[3, 1]])
    assert part.log10_covariance[0, 1] == whole.log10_covariance[3, 1]
    assert part.separation_factor("Nd", "Ce") == whole.separation_factor("Nd", "Ce")
    with pytest.raises(SpecificationError, match="Did you mean 'Nd'"):
        whole.subset(("Nd2",))
    with pytest.raises(SpecificationError, match="each once"):
        whole.subset(("Nd", "Nd"))


def test_arrays_of_a_system_cannot_be_changed() -> None:
    system = small_system()
    with pytest.raises(ValueError, match="read-only"):
        system.log10_extraction_constant[0] = 0.0


@pytest.mark.parametrize("name", shipped_systems())
def test_ranges_come_back_as_written(name: str) -> None:
    system = load_system(name)
    again = parse_system(write_system(system))
    assert again.ranges == system.ranges
    if system.ranges is not None:
        assert system.ranges.source in system.sources


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("pH: [2.0, 1.0]", "range of pH is 2 to 1"),
        ("loading: [-0.1, 0.5]", "range of loading is -0.1 to 0.5"),
        ("pH: [1.0]", "ranges.pH"),
        ("acid: [1.0, 2.0]", "acid"),
    ],
)
def test_ranges_that_are_none_are_refused(entry: str, complaint: str) -> None:
    text = write_system(load_system("pc88a_nitrate"))
    start, end = text.index("ranges:\n"), text.index("missing:\n")
    source = text[start:].split("source: ")[1].split("\n")[0]
    broken = f"{text[:start]}ranges:\n  source: {source}\n  {entry}\n{text[end:]}"
    with pytest.raises(DataError, match=complaint):
        parse_system(broken)
