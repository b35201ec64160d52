"""`raffinate probability` on a short bank: tables, JSON, a picture, and what it refuses."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from plant_variants import default_text
from raffinate.cli import probability
from raffinate.cli.probability import parse_deviations
from raffinate.errors import SpecificationError

app = typer.Typer()
probability.register(app)


@app.command()
def _other() -> None:
    """Keep the command a named one."""


runner = CliRunner()
FEW = ["--trials", "20", "--seed", "3"]


@pytest.fixture
def plant(tmp_path):
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
    path = tmp_path / "short.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_limits_asked_for_take_the_place_of_those_of_the_file(plant):
    asked = ["probability", plant, *FEW, "--json"]
    strict = runner.invoke(app, asked)
    assert strict.exit_code == 0, strict.output
    loose = runner.invoke(app, [*asked, "--limit", "nd_purity=0.01", "--limit", "cepr_purity=0.01"])
    told, easy = json.loads(strict.stdout), json.loads(loose.stdout)
    # A plant at 80 % never makes 99.9 %, and always makes 1 %.
    assert told["probability"] == 0.0
    assert easy["probability"] == 1.0
    assert easy["linear_probability"] == pytest.approx(1.0, abs=1e-6)
    assert told["samples"] == 20
    assert told["interval_95"][0] <= told["probability"] <= told["interval_95"][1]


def test_the_table_names_trials_and_what_the_variance_is_made_of_and_a_picture_is_drawn(
    plant, tmp_path
):
    picture = tmp_path / "probability.png"
    asked = ["probability", plant, *FEW, "--uncertain", "extraction.efficiency=0.05"]
    result = runner.invoke(app, [*asked, "-o", str(picture)])
    assert result.exit_code == 0, result.output
    assert "log_impurity.nd" in result.stdout
    assert "log10_K" in result.stdout
    assert "of 20 trials" in result.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "asked",
    [
        ["--trials", "3"],
        ["--held", "breath"],
        ["--uncertain", "colour=1"],
        ["--uncertain", "feed_flow"],
        ["--limit", "la_purity=0.9"],
        ["-o", "table.html"],
    ],
)
def test_what_cannot_be_asked_exits_with_two(plant, asked):
    result = runner.invoke(app, ["probability", plant, *asked])
    assert result.exit_code == 2
    assert "error:" in result.stderr


def test_deviations_are_read_and_an_input_twice_is_refused():
    assert parse_deviations(["feed_flow = 1e-6"]) == {"feed_flow": 1e-6}
    with pytest.raises(SpecificationError):
        parse_deviations(["a=1", "a=2"])
