"""The commands as a user types them: tables, JSON, CSV, files, exit codes."""

from __future__ import annotations

import io
import json
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from raffinate.cli.main import app
from solved_plants import NAME

FEED = "Ce=0.533,Pr=0.219,Nd=0.433,proton=0.01"
FRESH = "extractant=1.5,saponification_degree=0.36"


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "100"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_every_command_has_help() -> None:
    code, out, _ = run("--help")
    assert code == 0
    for name in ("check", "systems", "fit", "equilibrate", "solve", "simulate"):
        assert name in out
        code, text, _ = run(name, "--help")
        assert code == 0
        assert "--json" in text


def test_version_is_that_of_the_package() -> None:
    code, out, _ = run("--version")
    assert (code, out) == (0, f"raffinate {version('raffinate')}\n")


def test_check_reads_without_solving() -> None:
    code, out, err = run("check", NAME)
    assert code == 0
    assert err == ""
    for word in ("extraction", "scrub", "strip", "68 stages", "mixer", "Yang et al."):
        assert word in out


def test_check_as_json_gives_ratios_and_residences_that_settlers_run() -> None:
    code, out, _ = run("check", NAME, "--json")
    assert code == 0
    found = json.loads(out)
    assert [row["stages"] for row in found["sections"]] == [26, 34, 8]
    for row in found["sections"]:
        assert 1 / 3 <= row["mixer_oa_ratio"] <= 3
        assert 3 <= row["mixer_min"] <= 6
        assert 10 <= row["settler_organic_min"] <= 20
        assert 10 <= row["settler_aqueous_min"] <= 20
    assert found["warnings"] == []


def changed_plant(tmp_path: Path, old: str, new: str) -> str:
    from importlib.resources import files

    text = (files("raffinate.data") / f"{NAME}.yaml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "changed.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return str(path)


def test_check_warns_of_a_short_residence_and_refuses_a_ratio_no_mixer_runs(
    tmp_path: Path,
) -> None:
    code, _, err = run("check", changed_plant(tmp_path, "mixer_m3: 1.5", "mixer_m3: 0.5"))
    assert code == 0
    assert "residence of the mixer is" in err
    code, out, err = run(
        "check", changed_plant(tmp_path, "flow_m3_per_h: 1.22", "flow_m3_per_h: 9.0")
    )
    assert code == 2
    assert "O/A in the mixer" in err
    assert "extraction" in out


def test_systems_lists_constants_with_their_evidence() -> None:
    code, out, _ = run("systems")
    assert code == 0
    for word in ("p507_hcl", NAME, "fitted", "assumed"):
        assert word in out
    found = json.loads(run("systems", "--json")[1])
    nd = found["systems"]["p507_hcl"]["elements"]["Nd"]
    assert nd["evidence"] == "fitted"
    assert nd["log10_deviation"] > 0.0
    assert NAME in found["plants"]


def test_equilibrate_prints_both_phases() -> None:
    code, out, err = run("equilibrate", "p507_hcl", "-a", FEED, "-o", FRESH, "-r", "6")
    assert code == 0
    assert err == ""
    assert "pH 1.5" in out
    found = json.loads(run("equilibrate", "p507_hcl", "-a", FEED, "-o", FRESH, "--json")[1])
    assert found["aqueous"]["Nd"] + found["organic"]["Nd"] == pytest.approx(433.0)
    code, out, _ = run("equilibrate", "p507_hcl", "-a", FEED, "-o", FRESH, "--csv")
    assert list(pd.read_csv(io.StringIO(out))["element"]) == ["Ce", "Pr", "Nd"]


def test_equilibrate_warns_on_stderr() -> None:
    _, out, err = run("equilibrate", "p507_hcl", "-a", "Nd=0.01,proton=5", "-o", FRESH)
    assert "for which p507_hcl is stated" in err
    assert "outside" not in out


def test_solve_gives_stable_json() -> None:
    code, out, err = run("solve", NAME, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert set(found) >= {
        "plant",
        "products",
        "reagents_per_t_reo",
        "stages",
        "balance_error",
        "residual",
        "warnings",
    }
    assert found["plant"] == NAME
    assert len(found["stages"]) == 68
    assert set(found["stages"][0]) == {"section", "aqueous", "organic", "pH", "free_extractant"}
    for name in ("cepr", "nd"):
        product = found["products"][name]
        assert set(product) == {"purity", "recovery", "reo_kg_per_h", "reo_fraction"}
        assert product["purity"] >= 0.999
    assert found["balance_error"] <= 1e-9


def test_solve_meets_the_purities_asked_for_and_keeps_the_nominal_one_of_the_other() -> None:
    code, out, _ = run("solve", NAME, "--spec", "nd_purity=0.9992", "--json")
    assert code == 0
    products = json.loads(out)["products"]
    assert products["nd"]["purity"] == pytest.approx(0.9992, abs=1e-9)
    assert products["cepr"]["purity"] == pytest.approx(0.9994, abs=1e-9)


def test_solve_prints_tables_and_writes_by_ending(tmp_path: Path) -> None:
    for ending, begin in ((".png", b"\x89PNG"), (".csv", b"stage,section"), (".json", b"{")):
        path = tmp_path / f"profile{ending}"
        code, out, err = run("solve", NAME, "--output", str(path))
        assert code == 0
        assert path.read_bytes().startswith(begin)
        assert f"wrote {path}" in err
        assert "wrote" not in out
    for word in ("Products", "99.9400", "NH3", "extraction", "strip", "Balance error"):
        assert word in out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 100


def test_solve_as_csv_has_a_row_per_stage() -> None:
    code, out, _ = run("solve", NAME, "--csv")
    assert code == 0
    assert len(pd.read_csv(io.StringIO(out))) == 68


def test_simulate_prints_summary_rows_and_picture(tmp_path: Path) -> None:
    upset = ("--hours", "2", "--step", "organic.saponification_degree*=0.9@0.5h..1h")
    path = tmp_path / "run.png"
    code, out, _ = run("simulate", NAME, *upset, "--output", str(path))
    assert code == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert "organic.saponification_degree*=0.9@0.5h..1h" in out
    assert "never" in out
    found = json.loads(run("simulate", NAME, *upset, "--json")[1])
    assert found["plant_hours"] == 2.0
    assert found["products"]["nd"]["hours_to_off_spec"] is None
    assert found["balance_error"] <= 1e-6
    rows = pd.read_csv(
        io.StringIO(run("simulate", NAME, *upset, "--csv", "--interval-min", "30")[1])
    )
    assert list(rows["time_h"]) == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert rows["saponification_degree"].min() == pytest.approx(0.324)


def test_start_up_begins_off_specification() -> None:
    code, out, _ = run("simulate", NAME, "--hours", "1", "--start", "startup", "--json")
    assert code == 0
    product = json.loads(out)["products"]["nd"]
    assert product["hours_to_off_spec"] == 0.0
    assert product["hours_off_spec"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["solve", "no_such_plant"], "no shipped plant"),
        (["solve", NAME, "--spec", "md_purity=0.99"], "Did you mean 'nd_purity'"),
        (["solve", NAME, "--spec", "nd_purity=high"], "'high' is no number"),
        (["solve", NAME, "--spec", "nd_purity=1.5"], "purity is 1.5"),
        (["solve", NAME, "--spec", "nd_purity=.99", "--spec", "nd_purity=.9"], "given twice"),
        (["solve", NAME, "--output", "x.doc"], ".png, .svg, .pdf, .csv, .json"),
        (["solve", NAME, "--json", "--csv"], "Ask for one of them"),
        (["simulate", NAME, "--hours", "0"], "duration is 0 s"),
        (["simulate", NAME, "--hours", "nan"], "duration is nan s"),
        (["simulate", NAME, "--hours", "1", "--interval-min", "0"], "interval is 0 s"),
        (["simulate", NAME, "--step", "feed.nd=1@2h"], "cannot be changed"),
        (["simulate", NAME, "--step", "scrub_flow"], "is no event"),
        (["check", "absent.yaml"], "no shipped plant"),
        (["equilibrate", "p507_hcl", "-a", "Nd", "-o", FRESH], "'Nd' is no amount"),
        (["equilibrate", "p507_hcl", "-a", "Nd=1,Nd=2", "-o", FRESH], "Nd stands twice"),
        (["equilibrate", "p507_hcl", "-a", FEED, "-o", "extractant=0"], "extractant is 0"),
        (["equilibrate", "nothing", "-a", FEED, "-o", FRESH], "no shipped system"),
    ],
)
def test_wrong_input_exits_2_with_the_mend_on_stderr(arguments: list[str], complaint: str) -> None:
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert complaint in err
    code, out, err = run(*(word for word in arguments if word != "--csv"), "--json")
    if "--csv" not in arguments:
        assert (code, out) == (2, "")
        error = json.loads(err)["error"]
        assert set(error) >= {"where", "what", "allowed", "mend"}


@pytest.mark.parametrize(
    "arguments", [["solve"], ["no_such_command"], ["simulate", NAME, "--start", "x"]]
)
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    assert run(*arguments)[0] == 2


def test_purities_no_flows_can_give_exit_1() -> None:
    code, out, err = run("solve", NAME, "--spec", "nd_purity=0.999999999999", "--json")
    assert (code, out) == (1, "")
    error = json.loads(err)["error"]
    assert error["history"]
    assert "no flows give these purities" in error["what"]


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    target = str(tmp_path / "absent" / "x.json")
    code, _, err = run("solve", NAME, "--output", target)
    assert code == 2
    assert "cannot be written" in err


def test_a_real_plant_is_not_knocked_at_without_a_password(monkeypatch, tmp_path: Path):
    monkeypatch.delenv("RAFFINATE_PLANT_PASSWORD", raising=False)
    made = tmp_path / "run"
    code, _, err = run(
        *("run", "--connect", "opc.tcp://127.0.0.1:4855", "--nodemap", "nodemap_example"),
        *("--run-dir", str(made), "--no-browser"),
    )
    assert code == 2
    assert "RAFFINATE_PLANT_PASSWORD" in err
    assert not made.exists()
