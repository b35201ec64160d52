"""`systems`, `isotherm` and `speciate` as a user types them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from raffinate.chemistry.system_file import load_system, shipped_systems
from raffinate.cli.main import app

FEED = ("isotherm", "p507_hcl", "--feed", "Nd=0.05,proton=0.01", "--extractant", "1.5")
STEPS = ("--mccabe-thiele", "--raffinate-target", "0.001", "--oa-ratio", "1.2")


def run(*arguments: str, columns: int = 100) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": str(columns)})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_systems_lists_every_system_with_marks_a_legend_and_what_is_missing():
    code, out, err = run("systems")
    assert (code, err) == (0, "")
    for name in ("p507_hcl", "d2ehpa_chloride", "cyanex272", "naphthenic_acid", "tbp_nitrate"):
        assert name in out
    for word in ("Nd*", "Nd~", "without", "interpolated", "assumed", "ceprnd_p507"):
        assert word in out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 100


@pytest.mark.parametrize("name", shipped_systems())
def test_one_system_shows_its_constants_gaps_and_sources(name):
    code, out, _ = run("systems", name)
    system = load_system(name)
    assert code == 0
    for symbol, constant in zip(system.elements, system.log10_extraction_constant, strict=True):
        row = next(line for line in out.splitlines() if line.startswith(f" {symbol} "))
        assert f"{constant:.3f}" in row
    assert ("Missing" in out) == bool(system.missing)
    found = json.loads(run("systems", name, "--json")[1])["systems"][system.name]
    assert found["missing"] == dict(system.missing)
    assert len(found["sources"]) == len(system.sources)
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 100


def test_isotherm_prints_a_table_that_fits_and_csv_with_every_point():
    code, out, _ = run(*FEED, "--points", "50")
    assert code == 0
    assert "p507_hcl, against O/A" in out
    assert "--csv prints all" in out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 100
    table = pd.read_csv(io.StringIO(run(*FEED, "--points", "50", "--csv")[1]))
    assert len(table) == 50
    assert {"oa_ratio", "pH", "loading", "D_Nd"} <= set(table)


def test_isotherm_takes_ranges_in_mol_per_litre():
    told = run(*FEED, "--vary", "acid", "--from", "0.1", "--to", "1", "--points", "3", "--json")[1]
    points = json.loads(told)["points"]
    assert points["feed_acid_mol_per_m3"] == pytest.approx([100.0, 316.227766, 1000.0])


def test_stages_are_stepped_told_and_drawn(tmp_path: Path):
    path = tmp_path / "steps.png"
    code, out, err = run(*FEED, *STEPS, "--output", str(path))
    assert code == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert "smallest O/A" in out
    assert f"wrote {path}" in err
    found = json.loads(run(*FEED, *STEPS, "--json")[1])["mccabe_thiele"]
    assert 8.0 < found["stages"] < 10.0
    assert found["raffinate"] == pytest.approx(1.0)
    slack = json.loads(run(*FEED, *STEPS, "--efficiency", "0.8", "--json")[1])["mccabe_thiele"]
    assert slack["stages"] > found["stages"]


def test_stepping_on_a_saponified_organic_is_called_an_estimate():
    _, _, err = run(*FEED, "--saponification", "0.05", *STEPS)
    assert "the count is an estimate" in err


def test_a_liquor_is_told_species_by_species():
    code, out, _ = run("speciate", "NdCl3=0.3", "pH=1")
    assert code == 0
    for word in ("Nd³⁺", "NdCl²⁺", "pH 1.000", "ionic strength", "water activity"):
        assert word in out
    found = json.loads(run("speciate", "NdCl3=0.3", "pH=1", "--json")[1])
    assert sum(found["share"]["Nd"].values()) == pytest.approx(1.0)
    table = pd.read_csv(io.StringIO(run("speciate", "NdCl3=0.3 HCl=0.1", "--csv")[1]))
    assert {"species", "concentration", "log10_activity"} <= set(table)


def test_a_liquor_is_swept_and_drawn(tmp_path: Path):
    path = tmp_path / "species.svg"
    arguments = ("speciate", "Nd2(SO4)3=0.01", "--points", "5", "--from", "1", "--to", "3")
    code, out, _ = run(*arguments, "--output", str(path))
    assert code == 0
    assert path.read_text(encoding="utf-8").startswith("<?xml")
    assert "NdSO₄⁺" in out
    table = pd.read_csv(io.StringIO(run(*arguments, "--against", "pH", "--csv")[1]))
    assert list(table["pH"]) == [1.0, 1.5, 2.0, 2.5, 3.0]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["systems", "p508"], "no shipped system"),
        ([*FEED, "--mccabe-thiele"], "needs to know where to stop"),
        ([*FEED, "--raffinate-target", "0.1"], "Add --mccabe-thiele"),
        ([*FEED, *STEPS, "--vary", "pH"], "cannot be stepped off"),
        ([*FEED, *STEPS, "--oa-ratio", "0.5"], "Raise O/A above"),
        ([*FEED, "--from", "2", "--to", "1"], "a range needs"),
        ([*FEED, "--element", "Dy"], "'Dy' is not in the liquor"),
        ([*FEED, "--output", "x.doc"], ".png, .svg, .pdf, .csv, .json"),
        (["speciate", "NdCl3"], "is no amount"),
        (["speciate", "NdCl2=1"], "carries a charge"),
        (["speciate", "pH=1"], "no amounts"),
        (["speciate", "NdCl3=-1"], "NdCl3 is -1"),
        (["speciate", "NdCl3=1", "pH=1", "pH=2"], "pH stands twice"),
        (["speciate", "NdCl3=1", "--against", "pH", "--from", "3", "--to", "1"], "range runs"),
    ],
)
def test_wrong_input_exits_2_with_the_mend_on_stderr(arguments: list[str], complaint: str):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert complaint in err
