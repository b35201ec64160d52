"""`raffinate xrf show` as a user types it."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

import spectrum_files as made
from raffinate.cli import xrf


@pytest.fixture
def run():
    app = typer.Typer(pretty_exceptions_enable=False)
    xrf.register(app)

    def call(*arguments):
        result = CliRunner().invoke(app, ["xrf", *map(str, arguments)], env={"COLUMNS": "100"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return call


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "spectrum.msa"
    path.write_text(made.emsa(LIVETIME="130"))
    return path


def test_show_prints_a_table_and_warns_on_stderr(run, file):
    code, out, err = run("show", file)
    assert code == 0
    for part in ("made for a test", "EMSA/MAS", "256", "100 eV", "-0.050 to 25.450 keV", "40 kV"):
        assert part in out
    assert "live_above_real" in out
    assert "live time 130 s is above real time 100 s" in err


def test_show_prints_json_with_null_for_what_is_not_known(run, file):
    code, out, _ = run("show", file, "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["channels"], found["gain_eV_per_channel"]) == (256, 100.0)
    assert found["total_counts"] == made.counts().sum()
    assert (found["dead_time_fraction"], found["tube_mA"]) == (None, None)
    assert found["flags"] == ["live_above_real"]
    assert found["header"]["VERSION"] == "1.0"


def test_show_writes_pictures_and_refuses_other_endings_before_reading(run, file, tmp_path):
    code, _, err = run("show", file, "--output", tmp_path / "spectrum.png")
    assert (code, "wrote" in err) == (0, True)
    assert (tmp_path / "spectrum.png").read_bytes().startswith(b"\x89PNG")
    code, out, err = run("show", tmp_path / "absent", "--output", tmp_path / "spectrum.doc")
    assert (code, out) == (2, "")
    assert "no ending known" in err


def test_a_bad_file_exits_with_two_and_says_why(run, file):
    file.write_text("")
    code, out, err = run("show", file, "--json")
    assert (code, out) == (2, "")
    assert json.loads(err)["error"] == {
        "where": "spectrum.msa",
        "what": "the file is empty.",
        "allowed": "",
        "mend": "Export it again.",
    }


def test_columns_of_a_table_can_be_named(run, file):
    file.write_text(made.table(head=("a,b",)))
    code, _, err = run("show", file)
    assert (code, "--counts-column" in err) == (2, True)
    arguments = ("--counts-column", "b", "--energy-column", "1", "--energy-unit", "keV")
    code, out, _ = run("show", file, *arguments, "--json")
    assert (code, json.loads(out)["gain_eV_per_channel"]) == (0, pytest.approx(100.0))
    code, _, err = run("show", file, "--energy-unit", "keV")
    assert (code, "--counts-column" in err) == (2, True)


def test_brackets_in_a_title_are_no_markup(run, file):
    file.write_text(made.emsa(TITLE="[bold]liquor[/x]"))
    assert "[bold]liquor[/x]" in run("show", file)[1]
