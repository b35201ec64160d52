"""`raffinate optimise` and `raffinate sensitivity` on a short bank: tables, JSON, pictures."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from plant_variants import default_text
from raffinate.cli import optimise, sensitivity
from raffinate.cli.ranges import parse_ranges
from raffinate.errors import SpecificationError

app = typer.Typer()
optimise.register(app)
sensitivity.register(app)
runner = CliRunner()

PRICES = """
format: raffinate-prices/1
name: made_up
currency: USD
sources:
  ours: {title: Made up for tests, evidence: assumed}
prices:
  acid_per_kg: {value: 0.3, date: "2026", source: ours}
  base_per_kg: {value: 0.5, date: "2026", source: ours}
"""


@pytest.fixture
def files(tmp_path):
    text = default_text()
    for before, after in (
        ("stages: 26", "stages: 4"),
        ("stages: 34", "stages: 4"),
        ("stages: 8", "stages: 2"),
        ("purity: {cepr: 0.9994, nd: 0.9994}", "purity: {cepr: 0.8, nd: 0.8}"),
        ("monitored_stages: [5, 10, 18, 38, 46, 55]", "monitored_stages: [2, 6]"),
    ):
        assert before in text
        text = text.replace(before, after)
    plant, prices = tmp_path / "short.yaml", tmp_path / "prices.yaml"
    plant.write_text(text, encoding="utf-8")
    prices.write_text(PRICES, encoding="utf-8")
    return str(plant), str(prices), tmp_path


def test_the_optimum_is_printed_as_json_and_tells_what_is_missing(files):
    plant, prices, _ = files
    result = runner.invoke(app, ["optimise", plant, "--prices", prices, "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["cost_per_kg_reo"] < told["cost_before_per_kg_reo"]
    assert told["purity"]["nd"] == pytest.approx(0.8, abs=1e-8)
    assert told["cost_complete"] is False
    assert "not every cost is counted" in result.stderr


def test_a_front_is_printed_and_drawn(files):
    plant, prices, folder = files
    picture = folder / "front.png"
    asked = ["optimise", plant, "--prices", prices, "--pareto", "purity", "--points", "2"]
    result = runner.invoke(app, [*asked, "-o", str(picture)])
    assert result.exit_code == 0, result.output
    assert "least cost" in result.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_search_over_stages_prints_every_trial(files):
    plant, prices, folder = files
    picture = folder / "stages.svg"
    asked = ["optimise", plant, "--prices", prices, "--stages", "extraction=4..5"]
    result = runner.invoke(app, [*asked, "-o", str(picture)])
    assert result.exit_code == 0, result.output
    assert "Levers" in result.stdout
    assert "<svg" in picture.read_text(encoding="utf-8")


def test_sensitivity_ranks_what_moves_the_purities_and_draws_it(files):
    plant, _, folder = files
    picture = folder / "tornado.png"
    result = runner.invoke(app, ["sensitivity", plant, "--count", "4", "-o", str(picture)])
    assert result.exit_code == 0, result.output
    assert "log_impurity.nd" in result.stdout
    assert "log10_K" in result.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_sensitivity_prints_every_slope_as_json_and_csv(files):
    plant, prices, _ = files
    told = runner.invoke(app, ["sensitivity", plant, "--meet", "--prices", prices, "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert found["purities_met"] == ["cepr", "nd"]
    assert found["outcomes"]["cost"]["slope"]["log_impurity.nd"] < 0.0
    table = runner.invoke(app, ["sensitivity", plant, "--meet", "--prices", prices, "--csv"])
    assert table.stdout.startswith("outcome,outcome_unit")


@pytest.mark.parametrize(
    "asked",
    [
        ["--free", "saponification_degree=0.3"],
        ["--free", "colour=1..2"],
        ["--pareto", "beauty"],
        ["--pareto", "purity", "--stages", "strip=1..2"],
        ["-o", "picture.png"],
    ],
)
def test_what_cannot_be_asked_exits_with_two(files, asked):
    plant, prices, _ = files
    result = runner.invoke(app, ["optimise", plant, "--prices", prices, *asked])
    assert result.exit_code == 2
    assert "error:" in result.stderr


def test_an_unknown_outcome_is_refused_with_the_nearest(files):
    plant, _, _ = files
    result = runner.invoke(app, ["sensitivity", plant, "--outcome", "log_impurity.dn"])
    assert result.exit_code == 2
    assert "log_impurity.nd" in result.stderr


def test_ranges_are_read_and_a_name_twice_is_refused():
    assert parse_ranges(["a=1..2", " b = 0.3 .. 0.4 "], "--free") == {
        "a": (1.0, 2.0),
        "b": (0.3, 0.4),
    }
    with pytest.raises(SpecificationError):
        parse_ranges(["a=1..2", "a=1..3"], "--free")
