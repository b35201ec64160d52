from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raffinate.chemistry.system import ExtractionSystem
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
        ("constant: -2.1", "constant: true", "elements.Nd.log10", "valid number"),
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
