"""`raffinate cost` as a user types it."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from priced_plants import AS_WRITTEN
from raffinate.cli.cost import register
from raffinate.plant.economics_prices import PRICES


def run(*arguments: str) -> tuple[int, str, str]:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    result = CliRunner().invoke(app, ["cost", *arguments], env={"COLUMNS": "160"})
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def price_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with every price and coefficient, all of them assumed."""
    dated = {"date": "2026", "source": "ours"}
    document = {
        "format": "raffinate-prices/1",
        "name": "mine",
        "currency": "USD",
        "sources": {"ours": {"title": "Guessed <here>", "evidence": "assumed"}},
        "oxides": {
            symbol: {"value": value, **dated}
            for symbol, value in (("Ce", 1.0), ("Pr", 54.0), ("Nd", 56.0))
        },
        "prices": {k: {"value": v, **dated} for k, v in AS_WRITTEN.items() if k in PRICES},
        "coefficients": {
            k: {"value": v, "source": "ours"} for k, v in AS_WRITTEN.items() if k not in PRICES
        },
    }
    path = tmp_path_factory.mktemp("prices") / "mine.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def test_the_account_is_printed_as_json_that_closes(price_file: Path) -> None:
    code, out, err = run("ceprnd_p507", "--prices", str(price_file), "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["complete"] is True
    shares = sum(row["cost_per_kg"] * row["kg_per_h"] for row in found["oxides"])
    assert shares == pytest.approx(found["cost_per_h"], rel=1e-9)
    assert sum(row["cost_per_h"] for row in found["costs"]) == pytest.approx(found["cost_per_h"])
    anion = found["effluent"]["anion_kmol_per_t_reo"]
    entered = anion["fed"] + anion["with_acid"]
    left = anion["out_with_metals"] + anion["out_as_salt"] + anion["out_as_acid"]
    assert entered == pytest.approx(left, rel=1e-8)


def test_tables_show_units_and_the_class_of_every_number(price_file: Path, tmp_path: Path) -> None:
    page = tmp_path / "account.html"
    code, out, err = run("ceprnd_p507", "--prices", str(price_file), "--output", str(page))
    assert code == 0, err
    for word in ("per t REO", "assumed", "NH4Cl", "days of feed", "m³/(m² h)", "Total"):
        assert word in out
    # At 100 columns no cost takes two lines, and nothing is cut off.
    assert "…" not in out
    assert any(line.startswith(" Interest on what the plant holds ") for line in out.splitlines())
    assert "Missing" not in out
    for key in AS_WRITTEN:
        assert key in out
    read = Texts()
    read.feed(page.read_text(encoding="utf-8"))
    assert read.open == []
    assert "Guessed <here>, 2026" in read.found
    assert {"Costs", "Oxides", "Held in the plant", "Mixer-settlers"} <= set(read.found)


class Texts(HTMLParser):
    """Collects the texts of a page and the tags left open."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def test_the_shipped_example_says_what_is_missing(tmp_path: Path) -> None:
    table = tmp_path / "costs.csv"
    code, out, err = run(
        "ceprnd_p507", "--prices", "prices_example", "--csv", "--output", str(table)
    )
    assert code == 0, err
    assert table.read_text(encoding="utf-8") == out
    rows = list(csv.DictReader(io.StringIO(out)))
    acid = next(row for row in rows if row["cost"].startswith("HCl"))
    assert acid["cost_per_h"] == ""
    assert acid["missing"] == "acid_per_kg"
    assert float(acid["amount_per_t_reo"]) > 1000.0
    code, out, _ = run("ceprnd_p507", "--prices", "prices_example")
    assert code == 0
    assert "no cost is counted" in out
    assert "each USD 1 per kg adds" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--prices", "none.yaml"), "prices_example"),
        (("--prices", "prices_example", "--allocation", "value"), "revenue, mass"),
        (("--prices", "prices_example", "--output", "account.png"), ".html"),
        (("--prices", "prices_example", "--json", "--csv"), "exclude"),
        (("--prices", "prices_example", "--spec", "nd=0.9"), "nd_purity"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_solved(
    arguments: tuple[str, ...], words: str
) -> None:
    code, _, err = run("ceprnd_p507", *arguments)
    assert code == 2
    assert words in err
