"""What a plant file must say, and how it complains."""

from __future__ import annotations

import pytest

from plant_variants import default_text
from raffinate.errors import DataError, RaffinateError, SpecificationError
from raffinate.plant.analyzer_file import MODEL_VARIABLE
from raffinate.plant.plant_file import load_plant, parse_plant, shipped_plants


@pytest.fixture(autouse=True)
def as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file alone say which analyzer it has."""
    monkeypatch.delenv(MODEL_VARIABLE, raising=False)


def changed(old: str, new: str) -> str:
    text = default_text()
    assert text.count(old) >= 1, old
    return text.replace(old, new, 1)


def test_shipped_plant_is_what_its_file_says():
    plant = load_plant("ceprnd_p507")
    assert "ceprnd_p507" in shipped_plants()
    assert [section.stages for section in plant.circuit.sections] == [26, 34, 8]
    assert plant.circuit.elements == ("Ce", "Pr", "Nd")
    assert plant.circuit.extractant_concentration == pytest.approx(1500.0)
    operation = plant.operation()
    assert operation.feed_flow * 3600.0 == pytest.approx(1.22)
    assert operation.feed_concentration(plant.circuit.elements).sum() == pytest.approx(1200.0)
    assert operation.feed_mass_fraction == pytest.approx([0.4445, 0.1842, 0.3713])
    assert plant.sources


def test_a_path_is_read_like_a_shipped_name(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(default_text(), encoding="utf-8")
    assert load_plant(path).circuit.stages == load_plant("ceprnd_p507").circuit.stages


def test_an_unknown_plant_is_answered_with_the_nearest_name():
    with pytest.raises(DataError, match="Did you mean 'ceprnd_p507'"):
        load_plant("ceprnd_p508")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format: raffinate-plant/1", "format: raffinate-system/1", "format"),
        (
            "total_mol_per_L:",
            "totl_mol_per_L:",
            "feed.*unknown key.*Did you mean 'total_mol_per_L'",
        ),
        (
            "  saponification_degree: 0.36\n",
            "",
            "organic.saponification_degree: the key is missing",
        ),
        ("saponification_degree: 0.36", "saponification_degree: 36", "saponification_degree.*36"),
        ("flow_m3_per_h: 1.22", "flow_m3_per_h: plenty", "feed.flow_m3_per_h.*plenty"),
        ("stages: 26", "stages: 2.5", "stages.*2.5"),
        ("stages: 26", "stages: 0", "stages.*0"),
        ("efficiency: 0.90", "efficiency: 1.2", "efficiency.*1.2"),
        ("name: scrub", "name: wash", "sections.*wash"),
        ("name: scrub", "name: strip", "sections are extraction, strip, strip"),
        ("outlet: strip_liquor", "outlet: raffinate", "A product nobody draws cannot be made"),
        ("elements: [Ce, Pr]", "elements: [Ce, Px]", "products.cepr.elements.*Did you mean 'Pr'"),
        ("elements: [Nd]", "elements: []", "no element counts as product"),
        ("cepr: 0.9994, nd: 0.9994", "cepr: 0.9994, nb: 0.9994", "Did you mean 'nd'"),
        ("cepr: 0.9994, nd: 0.9994", "cepr: 0.9994", "one for each of cepr, nd"),
        ("Nd: 0.3713}", "Nd: 0.5}", "mass fractions add up to 1.129"),
        ("  source: p507_lab", "  source: p507_lib", "organic.source.*Did you mean 'p507_lab'"),
        ("[5, 10, 18, 38, 46, 55]", "[5, 69]", "stage 69 is monitored.*1 to 68"),
        ("low: 0.5, high: 1.6", "low: 1.1, high: 1.6", "levers.organic_flow.*1.1"),
        ("name: ceprnd_p507", "name: ceprnd_p507\nname: again", "stands twice"),
    ],
)
def test_a_wrong_file_is_refused_with_place_and_mend(old, new, message):
    with pytest.raises(DataError, match=message) as caught:
        parse_plant(changed(old, new), where="mine.yaml")
    assert "mine.yaml" in str(caught.value)


@pytest.mark.parametrize("new", ["Xx: 0.1842", "Sc: 0.1842"])
def test_an_element_without_constants_is_refused(new):
    with pytest.raises(RaffinateError, match=new[:2]):
        parse_plant(changed("Pr: 0.1842", new).replace("[Ce, Pr]", "[Ce]"))


def test_no_product_at_all_is_refused():
    text = default_text()
    begin, end = text.index("products:"), text.index("nominal:")
    with pytest.raises(DataError, match="outlets are none"):
        parse_plant(text[:begin] + "products: {}\n\n" + text[end:])


def test_an_analyzer_without_a_sample_line_holds_nothing_back():
    text = default_text()
    for key in ("model:", "sample_line:"):
        text = "\n".join(line for line in text.splitlines() if not line.strip().startswith(key))
    plan = parse_plant(text).analyzer
    assert (plan.model, plan.sample_flow) == ("statistical", 0.0)


def test_the_sample_line_and_the_model_of_the_analyzer_are_read():
    line = "{flow_L_per_min: 1.2, line_L: 0.3, cell_L: 0.2, source: trial}"
    old = "{flow_L_per_min: 1.2, line_L: 0.3, cell_L: 0.1, source: trial}"
    plan = parse_plant(changed(old, line)).analyzer
    assert plan.model == "chain"
    assert plan.sample_flow == pytest.approx(2e-5)
    assert (plan.line_volume, plan.cell_volume) == pytest.approx((3e-4, 2e-4))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("model: chain", "model: magic", "analyzer.model.*magic"),
        ("purge_s: 80", "purge_s: 14", "purge of 14 s does not reach"),
        ("cell_L: 0.1, source: trial", "cell_L: 0.1, source: trail", "analyzer.sample_line.source"),
        ("cell_L: 0.1", "cell_L: 0", "cell_L.*0"),
    ],
)
def test_an_impossible_analyzer_is_refused_with_its_place(old, new, message):
    with pytest.raises(DataError, match=message):
        parse_plant(changed(old, new))


CHECKS = """  checks:
    blank_every_h: 24
    standard_every_h: 8
    standard_mol_per_L: {Ce: 0.4, Nd: 0.4}
    acid_mol_per_L: 0.5
    certificate_relative_sd: 0.002
    count_s: 300
    purge_s: 120
    source: trial
  laboratory_bias: true
  next_stream: {by: worth, longest_interval_min: 60, shortest_interval_min: 9}
"""


def checked_text(old="", new=""):
    text = default_text()
    assert text.endswith("\n")
    checks = CHECKS.replace(old, new) if old else CHECKS
    lines = text.splitlines(keepends=True)
    place = next(k for k, line in enumerate(lines) if line.startswith("  sample_line:"))
    return "".join((*lines[: place + 1], checks, *lines[place + 1 :]))


def test_checks_and_the_choice_of_the_next_stream_are_read_in_si():
    plan = parse_plant(checked_text()).analyzer
    assert plan.checks is not None
    assert plan.checks.standard == pytest.approx((400.0, 0.0, 400.0))
    assert (plan.checks.blank_interval, plan.checks.standard_interval) == (86400.0, 28800.0)
    assert (plan.checks.acid, plan.checks.repeats) == (pytest.approx(500.0), 3)
    assert (plan.longest_interval, plan.shortest_interval) == (3600.0, 540.0)
    assert plan.planned
    assert plan.corrected_by_laboratory


def test_an_analyzer_without_checks_keeps_to_its_rota_and_only_a_chain_is_corrected():
    chain = parse_plant(default_text()).analyzer
    assert chain.checks is None
    assert not chain.planned
    assert chain.corrected_by_laboratory
    drawn = parse_plant(changed("model: chain", "model: statistical")).analyzer
    assert not drawn.corrected_by_laboratory


def test_the_environment_chooses_the_analyzer_of_every_plant_or_is_refused(monkeypatch):
    assert parse_plant(default_text()).analyzer.model == "chain"
    monkeypatch.setenv(MODEL_VARIABLE, "statistical")
    assert parse_plant(default_text()).analyzer.model == "statistical"
    monkeypatch.setenv(MODEL_VARIABLE, "statistic")
    with pytest.raises(SpecificationError, match=r"statistic'.*statistical"):
        parse_plant(default_text())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Ce: 0.4, Nd: 0.4", "Ce: 0.4, Nb: 0.4", "'Nb'.*standard_mol_per_L|standard_mol_per_L.*Nb"),
        ("Ce: 0.4, Nd: 0.4", "Ce: 0.0", "standard holds nothing"),
        ("purge_s: 120", "purge_s: 12", "checks.purge_s.*12 s does not reach"),
        ("source: trial", "source: trail", "analyzer.checks.source"),
        ("longest_interval_min: 60", "longest_interval_min: 20", "analyzer would have to measure"),
        ("shortest_interval_min: 9", "shortest_interval_min: 60", "shortest_interval_min is 60"),
        ("by: worth", "by: whim", "next_stream.by"),
        ("standard_every_h: 8", "standard_every_hour: 8", "standard_every_h"),
    ],
)
def test_impossible_checks_are_refused_with_their_place(old, new, message):
    with pytest.raises(DataError, match=message):
        parse_plant(checked_text(old, new))
