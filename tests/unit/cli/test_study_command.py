"""`raffinate study` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from raffinate.cli import study
from study_files import DRAWN, SWEEP, write_study


def run(*arguments: str) -> tuple[int, str, str]:
    app = typer.Typer()
    study.register(app)
    app.command(name="other")(lambda: None)
    result = CliRunner().invoke(app, ("study", *arguments), env={"COLUMNS": "100"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_a_study_goes_into_a_folder_and_its_summary_to_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = str(write_study(tmp_path, DRAWN))
    code, out, err = run(file, "--jobs", "0", "--picture", "picture.png")
    assert code == 0
    assert "wrote picture.png" in err
    assert Path("picture.png").stat().st_size > 10_000
    for text in ("log10_impurity.nd", "within the purity limit", "6 cases"):
        assert text in out
    table = pd.read_parquet("small-results/results.parquet")
    assert len(table) == 6

    code, out, err = run(file, "--jobs", "0", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert (found["study"], found["cases"], found["done"]) == ("small", 6, 6)
    assert found["failed"] == {}
    assert found["results"] == "small-results/results.parquet"
    purity = found["outcomes"]["purity.nd"]
    assert purity["mean"] == pytest.approx(table["purity.nd"].mean())
    assert set(found["within_limit"]) == {"all", "cepr", "nd"}
    assert any("made up for tests" in source for source in found["sources"])


def test_wrong_usage_ends_with_2_and_says_what_to_do(tmp_path: Path) -> None:
    file = str(write_study(tmp_path, SWEEP))
    code, _, err = run(file, "--jobs", "2", "--scheduler", "tcp://127.0.0.1:1")
    assert (code, "exclude each other" in err) == (2, True)
    code, _, err = run("ceprnd_fead", "--json")
    assert code == 2
    assert "ceprnd_feed" in json.loads(err)["error"]["mend"]
    code, _, err = run(file, "--picture", "picture.txt")
    assert (code, "--picture picture.txt" in err) == (2, True)
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").write_text("mine")
    code, _, err = run(file, "--jobs", "0", "--output", str(full))
    assert (code, "holds something" in err) == (2, True)


def test_a_study_stopped_by_hand_says_that_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("raffinate.studies.run_study.run_study", stopped)
    file = str(write_study(tmp_path, SWEEP))
    code, _, err = run(file, "--output", str(tmp_path / "out"))
    assert code == 1
    assert "goes on from there" in err
