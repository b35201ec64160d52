"""`raffinate xrf quantify`, `simulate` and `limits` as a user types them."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

import spectrum_files as made
from raffinate.cli import xrf


def run(*arguments):
    app = typer.Typer(pretty_exceptions_enable=False)
    xrf.register(app)
    result = CliRunner().invoke(app, ["xrf", *map(str, arguments)], env={"COLUMNS": "100"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("xrf") / "liquor.msa"
    mixture = ("Ce=0.7,Nd=0.3", "--reo-g-per-L", 100, "--acid-mol-per-L", 1)
    code, out, err = run("simulate", *mixture, "--seconds", 30, "-o", path)
    assert (code, "counts/s" in out, "wrote" in err) == (0, True, True)
    return path


def test_quantify_prints_the_agreed_keys_and_draws(file, tmp_path):
    picture = tmp_path / "fit.png"
    code, out, _ = run("quantify", file, "--elements", "Ce,Nd,Sm", "--json", "-o", picture)
    found = json.loads(out)
    assert code == 0
    assert {"g_per_L", "sigma", "reo_fraction", "below_limit"} <= set(found["elements"]["Ce"])
    assert found["elements"]["Ce"]["reo_fraction"] == pytest.approx(0.7, abs=0.01)
    assert found["elements"]["Sm"]["below_limit"] is True
    assert found["elements"]["Sm"]["g_per_L"] is None
    assert found["flags"] == []
    assert found["chi2_per_dof"] == pytest.approx(1.0, abs=0.2)
    assert found["total_reo_g_per_L"] == pytest.approx(100.0, abs=1.5)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_quantify_prints_a_table_that_says_below_limit(file):
    code, out, _ = run("quantify", file, "--elements", "Ce,Nd,Sm")
    assert code == 0
    assert "below limit" in out
    assert "total REO" in out


def test_limits_name_every_fitted_parameter(tmp_path):
    code, out, _ = run("limits", "Ce=60,Nd=20", "--json", "-o", tmp_path / "limits.svg")
    found = json.loads(out)
    assert code == 0
    fitted = ["Ce", "Nd", "acid_mol_per_L", "flux", "zero_eV", "gain", "width_eV2"]
    assert found["fitted"] == fitted
    assert 0.0 < found["elements"]["Ce"]["relative_sigma"] < 0.01
    assert found["elements"]["Nd"]["limit_g_per_L"] > 0.0
    assert (tmp_path / "limits.svg").stat().st_size > 10_000
    code, out, _ = run("limits", "Ce=60,Nd=0")
    assert (code, "limit g/L" in out) == (0, True)


def test_a_spectrum_of_another_analyzer_exits_with_two(tmp_path):
    path = tmp_path / "other.msa"
    path.write_text(made.emsa())
    code, out, err = run("quantify", path, "--json")
    assert (code, out) == (2, "")
    assert "2048" in json.loads(err)["error"]["allowed"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("limits", "Ce"),
        ("limits", "Ce=-1"),
        ("limits", "Ce=1,Ce=2"),
        ("limits", "Xx=1"),
        ("limits", "Ce=0", "--reo-g-per-L", "100"),
        ("limits", "Ce=1", "--extractant-fraction", "0.3"),
        ("limits", "Ce=1", "--acid-mol-per-L", "-1"),
        ("simulate", "Ce=1", "--seconds", "0"),
        ("simulate", "Ce=1", "--seed", "-1"),
        ("simulate", "Ce=1", "-o", "x.doc"),
        ("limits", "Ce=5000"),
    ],
)
def test_mixtures_that_are_none_exit_with_two(arguments):
    assert run(*arguments)[0] == 2


def test_a_copy_of_a_shipped_analyzer_is_an_analyzer(tmp_path):
    path = tmp_path / "mine.yaml"
    code, out, _ = run("instrument", "--copy", path)
    assert (code, "Sources" in out) == (0, True)
    code, out, _ = run("instrument", path, "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["anode"], found["voltage_kV"], found["channels"]) == ("Rh", 40.0, 2048)
    path.write_text(path.read_text(encoding="utf-8").replace("anode: Rh", "anode: Xx"), "utf-8")
    code, _, err = run("instrument", path)
    assert code == 2
    assert "Xx" in err


def test_quantify_takes_a_table_with_foreign_headings(file, tmp_path):
    from raffinate.instruments.spectrum_file import load_spectrum

    spectrum = load_spectrum(file)
    rows = [
        f"{0.001 * (spectrum.zero + spectrum.gain * place):.3f};{counts:.0f}"
        for place, counts in enumerate(spectrum.counts)
    ]
    head = [f"live time: {spectrum.live_time} s", "Energie;Impulse"]
    path = tmp_path / "spektrum.csv"
    path.write_text("\n".join([*head, *rows]), encoding="utf-8")
    code, _, err = run("quantify", path, "--elements", "Ce,Nd")
    assert (code, "--counts-column" in err) == (2, True)
    named = ("--counts-column", "Impulse", "--energy-column", "Energie", "--energy-unit", "keV")
    code, out, _ = run("quantify", path, "--elements", "Ce,Nd", "--json", *named)
    assert code == 0
    share = json.loads(out)["elements"]["Ce"]["reo_fraction"]
    assert share == pytest.approx(0.7, abs=0.01)
