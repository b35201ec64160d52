"""`raffinate simulate` of a plant of many circuits."""

from __future__ import annotations

import csv
import io
import json

import pytest
from tests.network_plants import TWO_BANKS
from typer.testing import CliRunner

from raffinate.cli.main import app

STEP = ("--step", "feed.chloride.Nd*=1.1@2h")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("plants") / "two_banks.yaml"
    file.write_text(TWO_BANKS, encoding="utf-8")
    return str(file)


def called(*arguments: str):
    return CliRunner().invoke(app, ["simulate", *arguments], env={"COLUMNS": "100"})


def test_a_table_and_a_picture_are_made(path, tmp_path):
    picture = tmp_path / "course.svg"
    done = called(path, "--hours", "24", *STEP, "--output", str(picture))
    assert done.exit_code == 0, done.output
    assert "two_banks" in done.stdout
    assert "feed.chloride.Nd*=1.1@2h" in done.stdout
    assert "tank hold 1 h" in " ".join(done.stdout.split())
    assert "impurity / limit" in picture.read_text(encoding="utf-8")


def test_json_tells_of_every_product(path):
    done = called(path, "--hours", "24", *STEP, "--json")
    told = json.loads(done.stdout)
    assert set(told["products"]) == {"ce", "nd"}
    nd = told["products"]["nd"]
    assert nd["last_purity"] > nd["first_purity"]
    assert nd["last_reo_kg_per_h"] > nd["first_reo_kg_per_h"]
    assert told["balance_error"] < 1e-11
    assert told["assumed_tanks"] == ["tank"]


def test_a_run_goes_on_from_its_file(path, tmp_path):
    half = str(tmp_path / "half.npz")
    assert called(path, "--hours", "6", *STEP, "--save-state", half).exit_code == 0
    later = called(path, "--hours", "6", *STEP, "--from-state", half, "--csv")
    whole = called(path, "--hours", "12", *STEP, "--csv")
    rows = [list(csv.DictReader(io.StringIO(each.stdout))) for each in (later, whole)]
    assert rows[0][-1] == rows[1][-1]
    assert float(rows[0][0]["time_h"]) == 6.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--start", "startup"), "begins at rest"),
        (("--step", "feed.chloride.Dy*=2@1h"), "cannot be changed"),
        (("--step", "first.draw_per_feed=2@1h"), "cannot be changed"),
        (("--hours", "0"), "duration"),
    ],
)
def test_what_cannot_be_is_refused(path, arguments, said):
    done = called(path, *arguments)
    assert done.exit_code != 0
    assert said in " ".join(done.output.split())
