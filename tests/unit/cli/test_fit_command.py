from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from raffinate.chemistry.system_file import load_system
from raffinate.cli.fit import register

TABLE = "pc88a_hcl_batch_tests"


def run(*arguments: str) -> tuple[int, str, str]:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    result = CliRunner().invoke(app, ["fit", *arguments], env={"COLUMNS": "120"})
    return result.exit_code, result.stdout, result.stderr


def test_report_system_and_picture_come_out_of_one_call(tmp_path: Path) -> None:
    system, picture = tmp_path / "mine.yaml", tmp_path / "mine.png"
    code, out, err = run(TABLE, "--output", str(system), "--plot", str(picture))
    assert code == 0
    assert "Nd/Pr" in out
    assert "1.55" in out
    assert "Formiga (2016)" in out
    assert str(system) in err
    assert load_system(system).name == "mine"
    shipped = load_system("p507_hcl").log10_extraction_constant
    assert load_system(system).log10_extraction_constant == pytest.approx(shipped, abs=1e-6)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_report_is_written_by_its_ending(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    code, _, err = run(TABLE, "--elements", "Ce,Pr,Nd,La", "--output", str(report))
    assert code == 0
    assert str(report) in err
    assert report.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_json_and_csv_have_stdout_to_themselves() -> None:
    code, out, _ = run(TABLE, "--json", "--no-priors")
    assert code == 0
    report = json.loads(out)
    assert report["separation_factors"]["Nd/Pr"]["prior"] is None
    assert report["left_out"]["scores"]["all"]["rms"] < 0.35
    assert not report["left_out"]["scores"]["Formiga (2016)"]["pooled"]
    code, out, _ = run(TABLE, "--csv", "--elements", "Ce,Pr,Nd")
    assert code == 0
    frame = pd.read_csv(io.StringIO(out))
    assert set(frame["element"]) == {"Ce", "Pr", "Nd"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["absent.csv"], "cannot be read"),
        ([TABLE, "--acidity", "equilibrium"], "acidities as feed"),
        ([TABLE, "--output", "x.pdf"], "no ending known here"),
        ([TABLE, "--plot", "x.doc"], ".png or .svg"),
        ([TABLE, "--elements", "Xx"], "no test of Xx"),
        ([TABLE, "--json", "--csv"], "one of them"),
    ],
)
def test_wrong_use_exits_2_and_says_what_to_do(arguments: list[str], complaint: str) -> None:
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert complaint in " ".join(err.split())
