"""`raffinate sensitivity`, `optimise` and `solve --spec` of a plant of two circuits."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import typer
from tests.network_plants import TWO_BANKS
from typer.testing import CliRunner

from raffinate.cli import cost, optimise, probability, sensitivity
from raffinate.cli.network import solve_network_command
from raffinate.cli.network_optimise import stage_ranges
from raffinate.plant.network_file import load_network

app = typer.Typer()
optimise.register(app)
sensitivity.register(app)
cost.register(app)
probability.register(app)
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
  ammonium_bicarbonate_per_kg: {value: 0.2, date: "2026", source: ours}
"""


@pytest.fixture
def files(tmp_path):
    plant, prices = tmp_path / "two_banks.yaml", tmp_path / "prices.yaml"
    plant.write_text(TWO_BANKS, encoding="utf-8")
    prices.write_text(PRICES, encoding="utf-8")
    return str(plant), str(prices), tmp_path


def test_sensitivity_ranks_what_moves_the_products_of_a_network(files):
    plant, prices, folder = files
    picture = folder / "tornado.png"
    asked = ["sensitivity", plant, "--prices", prices, "--count", "4"]
    result = runner.invoke(app, [*asked, "-o", str(picture)])
    assert result.exit_code == 0, result.output
    assert "log_impurity.nd" in result.stdout
    assert "log10_K.p507_hcl" in result.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    told = json.loads(runner.invoke(app, [*asked, "--json"]).stdout)
    assert told["outcomes"]["cost"]["slope"]["second.organic_per_feed"] > 0.0


def test_the_account_of_a_network_is_printed_and_lists_what_is_missing(files):
    plant, prices, folder = files
    asked = ["cost", plant, "--prices", prices]
    result = runner.invoke(app, [*asked, "-o", str(folder / "costs.csv")])
    assert result.exit_code == 0, result.output
    assert "Ammonium bicarbonate" in result.stdout
    assert "missing" in result.stdout
    assert "not counted" in result.stderr
    told = json.loads(runner.invoke(app, [*asked, "--json"]).stdout)
    counted = [row["cost_per_kg_reo"] for row in told["costs"] if row["cost_per_kg_reo"]]
    assert told["cost_per_kg_reo"] == pytest.approx(sum(counted))
    assert len((folder / "costs.csv").read_text(encoding="utf-8").splitlines()) > 5


def test_the_probability_of_a_network_is_told_by_gradients_alone(files):
    plant, _, folder = files
    picture = folder / "chance.svg"
    asked = ["probability", plant, "--trials", "0", "--limit", "nd_purity=0.5"]
    result = runner.invoke(app, [*asked, "-o", str(picture)])
    assert result.exit_code == 0, result.output
    assert "by gradients alone" in result.stdout
    assert "log10_K.p507_hcl" in result.stdout
    assert "<svg" in picture.read_text(encoding="utf-8")
    told = json.loads(runner.invoke(app, [*asked, "--json"]).stdout)
    assert told["probability"] is None
    assert 0.0 <= told["linear_probability"] <= 1.0
    held = runner.invoke(app, [*asked, "--held", "purities"])
    assert held.exit_code == 2
    assert "many circuits" in held.stderr


def test_purities_of_products_are_asked_of_the_whole_plant(files, capsys):
    plant, _, _ = files
    solve_network_command(plant, spec=["nd_purity=0.94"], as_json=True, as_csv=False, output=None)
    told = json.loads(capsys.readouterr().out)
    assert told["products"]["nd"]["purity"] == pytest.approx(0.94, abs=1e-8)


@pytest.mark.slow
def test_the_cheapest_flows_of_a_network_are_printed_and_written(files):
    plant, prices, folder = files
    asked = ["optimise", plant, "--prices", prices, "--spec", "nd_purity=0.8"]
    asked += ["--free", "first.organic_per_feed=1.8..2.4"]
    table = folder / "flows.csv"
    result = runner.invoke(app, [*asked, "-o", str(table)])
    assert result.exit_code == 0, result.output
    assert "first.organic_per_feed" in result.stdout
    assert "Ammonium bicarbonate" in result.stdout
    assert table.read_text(encoding="utf-8").startswith("lever,low,high")
    told = json.loads(runner.invoke(app, [*asked, "--json"]).stdout)
    assert told["objective_value"] <= told["objective_before"]
    assert told["balance_error"] < 1e-9


@pytest.mark.slow
def test_what_more_purity_costs_a_network_is_a_front(files):
    plant, prices, folder = files
    table = folder / "front.csv"
    asked = ["optimise", plant, "--prices", prices, "--pareto", "purity", "--points", "2"]
    asked += ["--spec", "nd_purity=0.8", "--free", "first.organic_per_feed=1.8..2.4"]
    asked += ["--free", "second.organic_per_feed=3.5..5"]
    result = runner.invoke(app, [*asked, "-o", str(table)])
    assert result.exit_code == 0, result.output
    assert "least cost" in result.stdout
    rows = pd.read_csv(table)
    assert rows["margin_decades"].is_monotonic_increasing
    assert rows["cost_per_kg_reo"].is_monotonic_increasing
    for name, impure in (("ce", 0.4), ("nd", 0.2)):
        most = impure * 10.0 ** -rows["margin_decades"]
        assert (1.0 - rows[f"{name}_purity"] <= most * (1.0 + 1e-5)).all()
    assert rows["balance_error"].max() < 1e-9
    assert "first.organic_per_feed" in rows


@pytest.mark.slow
def test_what_less_metal_in_a_network_costs_is_a_front_with_a_picture(files):
    plant, prices, folder = files
    picture = folder / "front.png"
    asked = ["optimise", plant, "--prices", prices, "--pareto", "inventory", "--points", "2"]
    asked += ["--spec", "nd_purity=0.8", "--free", "first.organic_per_feed=1.8..2.4"]
    asked += ["--free", "second.organic_per_feed=3.5..5"]
    result = runner.invoke(app, [*asked, "-o", str(picture)])
    assert result.exit_code == 0, result.output
    assert "oxide in the plant, kg" in result.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_cheapest_stages_of_a_network_are_printed_written_and_drawn(files):
    plant, prices, folder = files
    trials, picture = folder / "trials.csv", folder / "stages.svg"
    asked = ["optimise", plant, "--prices", prices, "--spec", "nd_purity=0.8"]
    asked += ["--free", "first.organic_per_feed=1.8..2.4", "--stages", "first.strip=3..4"]
    result = runner.invoke(app, [*asked, "-o", str(trials)])
    assert result.exit_code == 0, result.output
    assert "no neighbour is cheaper" in result.stdout
    assert "first.strip" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100
    rows = pd.read_csv(trials)
    assert set(rows["first.strip"]) == {3, 4}
    assert set(rows["second.strip"]) == {4}
    result = runner.invoke(app, [*asked, "-o", str(picture), "--json"])
    told = json.loads(result.stdout)
    assert told["stages"]["first.strip"]["value"] in (3, 4)
    assert told["objective_value"] == pytest.approx(rows["cost"].min(), rel=1e-9)
    assert "<svg" in picture.read_text(encoding="utf-8")


def test_all_stages_of_a_network_have_their_usual_ranges_unless_named(files):
    network = load_network(files[0])
    found = stage_ranges(["all", "first.strip=3..5"], network)
    assert found["first.strip"] == (3, 5)
    assert found["second.strip"] == (2, 8)
    assert stage_ranges(["first.strip=3..5"], network) == {"first.strip": (3, 5)}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--stages", "extraction=4..5"], "no section"),
        (["--stages", "first.strip"], "is no range"),
        (["--stages", "all", "--pareto", "inventory"], "exclude each other"),
        (["--pareto", "beauty"], "not traded"),
        (["--pareto", "purity", "--points", "1"], "2 points or more"),
        (["--free", "third.organic_per_feed=1..2"], "no flow"),
        (["--spec", "dy_purity=0.9"], "no purity"),
        (["-o", "picture.png"], "no ending"),
    ],
)
def test_what_cannot_be_asked_of_a_network_exits_with_two(files, asked, words):
    plant, prices, _ = files
    result = runner.invoke(app, ["optimise", plant, "--prices", prices, *asked])
    assert result.exit_code == 2
    assert words in result.stderr
