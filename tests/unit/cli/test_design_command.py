"""`raffinate design` as a user types it."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from raffinate.cli.design import register
from raffinate.plant.plant_file import load_plant

TEXT = (files("raffinate.data") / "design_ceprnd.yaml").read_text(encoding="utf-8")


def run(*arguments: str) -> tuple[int, str, str]:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    result = CliRunner().invoke(app, ["design", *arguments], env={"COLUMNS": "100"})
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.slow
def test_a_design_prints_json_and_writes_a_plant_file(tmp_path: Path) -> None:
    text = TEXT.replace("name: ceprnd_designed", "name: mine") + "excess: 1.3\n"
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    plant = tmp_path / "plant.yaml"
    code, out, err = run(str(tmp_path / "mine.yaml"), "--json", "--output", str(plant))
    assert code == 0, err
    found = json.loads(out)
    assert found["theory"]["excess"] == pytest.approx(1.3)
    assert found["theory"]["extraction_amount"] > found["theory"]["minimum_extraction_amount"]
    assert found["products"]["nd"]["purity"] == pytest.approx(0.9994, abs=1e-9)
    stages = found["trials"][-1]["stages"]
    loaded = load_plant(plant)
    assert loaded.name == "mine"
    assert {s.name: s.stages for s in loaded.circuit.sections} == stages


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("purity: 0.9994}  ", "purity: 99.94}  ", "99.94"),
        ("system: p507_hcl", "system: p508_hcl", "p507_hcl"),
        ("elements: [Ce, Pr]", "elements: [Ce, Pm]", "Pm"),
    ],
)
def test_a_wrong_design_file_is_usage_of_the_wrong_kind(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert old in TEXT
    (tmp_path / "mine.yaml").write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    code, _, err = run(str(tmp_path / "mine.yaml"))
    assert code == 2
    assert words in err


def test_an_unknown_name_is_told_the_nearest() -> None:
    code, _, err = run("design_cepnd")
    assert code == 2
    assert "design_ceprnd" in err


@pytest.mark.slow
def test_a_third_outlet_is_designed_and_told_as_json(tmp_path: Path) -> None:
    result = tmp_path / "three.json"
    code, out, err = run("design_ce_pr_nd", "--output", str(result))
    assert code == 0, err
    assert "upper_scrub" in out
    found = json.loads(result.read_text(encoding="utf-8"))
    assert found["products"]["pr"]["purity"] == pytest.approx(0.60, abs=1e-8)
    assert found["theory"]["minimum_for_middle_purity"] > found["theory"]["minimum_for_cut"]
    assert list(found["trials"][-1]["stages"]) == ["extraction", "scrub", "upper_scrub", "strip"]


def test_no_plant_file_is_written_of_a_third_outlet(tmp_path: Path) -> None:
    code, _, err = run("design_ce_pr_nd", "--output", str(tmp_path / "plant.yaml"))
    assert code == 2
    assert ".json" in err
