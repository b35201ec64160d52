"""`raffinate alarms`: table, JSON, CSV, and what it says about a file that is wrong."""

from __future__ import annotations

import csv
import io
import json
from importlib.resources import files
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from raffinate.cli.alarms import register


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    register(made)
    # With one command alone typer leaves out its name.
    made.callback()(lambda: None)
    return made


def run(app: typer.Typer, *arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["alarms", *arguments], env={"COLUMNS": "160"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_table_says_what_to_do_about_each_alarm(app: typer.Typer) -> None:
    code, out, err = run(app)
    assert (code, err) == (0, "")
    for words in ("plc.interlock.organic_lost", "10 min", "spare organic", "*.purity"):
        assert words in out
    assert "26 lines: high 8%, medium 23%, low 69%" in out


def test_json_holds_every_line_with_its_units_and_the_matrix(app: typer.Typer) -> None:
    code, out, _ = run(app, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["matrix"]["borders_min"] == [30, 240]
    assert found["matrix"]["severe"] == ["high", "medium", "low"]
    (lost,) = [each for each in found["alarms"] if each["tag"] == "plc.interlock.organic_lost"]
    assert (lost["priority"], lost["respond_min"], lost["realarm_h"]) == ("high", 10, 1)
    assert lost["evidence"] == "computed"
    assert found["shares"]["high"] == pytest.approx(2 / 26)


def test_csv_holds_the_same_lines_as_json(app: typer.Typer) -> None:
    _, text, _ = run(app, "--csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    lines = json.loads(run(app, "--json")[1])["alarms"]
    assert [row["tag"] for row in rows] == [line["tag"] for line in lines]
    (deviation,) = [row for row in rows if row["tag"] == "organic_flow.deviation"]
    assert deviation["suppressed_by"] == "link.plant plc.interlock.organic_lost"


def test_two_formats_at_once_are_refused(app: typer.Typer) -> None:
    code, _, err = run(app, "--json", "--csv")
    assert code == 2
    assert "exclude each other" in err


def test_an_unknown_list_is_told_the_nearest_name(app: typer.Typer) -> None:
    code, _, err = run(app, "alarms_ceprnd_p508")
    assert code == 2
    assert "alarms_ceprnd_p507" in err


def test_a_priority_against_the_matrix_is_refused(app: typer.Typer, tmp_path: Path) -> None:
    text = (files("raffinate.data") / "alarms_ceprnd_p507.yaml").read_text(encoding="utf-8")
    path = tmp_path / "own.yaml"
    path.write_text(text.replace("priority: low", "priority: high", 1), encoding="utf-8")
    code, _, err = run(app, str(path))
    assert code == 2
    assert "alarms.link.clock.priority" in err
    assert "low, by the matrix" in err
