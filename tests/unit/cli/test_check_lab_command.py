from __future__ import annotations

import json
from pathlib import Path

import typer
from typer.testing import CliRunner

from raffinate.cli.fit import register

ROOT = Path(__file__).resolve().parents[3]
WIDE = str(ROOT / "examples" / "shake_outs_wide.xlsx")


def run(*arguments: str) -> tuple[int, str, str]:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    result = CliRunner().invoke(app, [*arguments], env={"COLUMNS": "100"})
    return result.exit_code, result.stdout, result.stderr


def test_what_is_left_out_is_told_with_its_reason() -> None:
    code, out, err = run("check-lab", "pc88a_hcl_batch_tests")
    assert (code, err) == (0, "")
    assert "left out: test 1 (Formiga (2016)): acidities do not close" in out


def test_json_holds_readings_and_findings() -> None:
    code, out, _ = run("check-lab", "pc88a_hcl_batch_tests", "--json")
    assert code == 0
    told = json.loads(out)
    assert {item["test"] for item in told["left_out"]} == {"1", "2", "3"}
    feed = [item for item in told["readings"] if item["acidity"] == "feed"]
    assert {item["laboratory"] for item in feed} >= {"Kim (2012)", "Li (1987)", "Lee (2005)"}
    assert {item["kind"] for item in told["findings"]} >= {"assumption", "imprecise"}


def test_a_sheet_must_be_named_where_there_are_several() -> None:
    code, _, err = run("check-lab", WIDE)
    assert code == 2
    assert "--sheet" in err
    code, out, _ = run("check-lab", WIDE, "--sheet", "Shake-outs")
    assert code == 0
    assert "6 tests, 24 distribution ratios" in out


def test_fit_reads_a_sheet_and_a_layout_file(tmp_path: Path) -> None:
    table, layout = tmp_path / "ours.csv", tmp_path / "layout.yaml"
    table.write_text(
        "Test,pH,HA (mol/L),Nd start,Nd end\n"
        "1,1.0,1.0,100,80\n2,1.2,1.0,100,76\n3,1.4,1.0,100,73\n",
        encoding="utf-8",
    )
    code, _, err = run("fit", str(table))
    assert code == 2
    layout.write_text(
        "format: raffinate-columns/1\nacidity: feed\nunit: mmol/L\n"
        "columns: {Nd start: Nd feed, Nd end: Nd aqueous}\n"
        "constants: {extractant: P507, medium: HCl/chloride, laboratory: ours}\n",
        encoding="utf-8",
    )
    code, out, err = run("check-lab", str(table), "--layout", str(layout))
    assert (code, err) == (0, "")
    assert "3 tests, 3 distribution ratios" in out
    code, out, err = run("fit", WIDE, "--sheet", "Shake-outs", "--csv")
    assert code == 0, err
    assert out.count("\n") == 25


def test_elements_that_were_never_shaken_without_others_are_refused() -> None:
    code, _, err = run("fit", WIDE, "--sheet", "Shake-outs", "--elements", "Pr,Nd")
    assert code == 2
    assert "6 tests are left out" in err
