"""`raffinate history` as a user types it."""

from __future__ import annotations

import io
import json
from contextlib import closing

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from historian_records import EPOCH, reading, record
from raffinate.cli import history
from raffinate.runtime.historian import open_historian
from raffinate.runtime.messages import Note

FLOW = "Levers/organic_flow/Measured"
APP = typer.Typer()
history.register(APP)


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(
        APP, ["history", *(str(a) for a in arguments)], env={"COLUMNS": "100"}
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def folder(tmp_path):
    """The run directory of two days, a record an hour."""
    with closing(open_historian(tmp_path)) as opened:
        records = [
            record(
                n, time=3600.0 * n,
                values={FLOW: float(n), "Truth/Products/nd/Purity": 0.9995},
                samples=(reading(time=3600.0 * n - 60.0),),
                notes=(Note(time=3600.0 * n, kind="lot", text="nd lot 1 closed at 99.9500%"),)
                if n == 20 else (),
            )
            for n in range(1, 49)
        ]  # fmt: skip
        opened.take("plant", records, EPOCH)
    (tmp_path / "run.json").write_text('{"plant": "ceprnd_p507", "history_url": null}')
    return tmp_path


def test_export_prints_the_rows_of_the_chosen_tags_as_csv(folder):
    code, out, _ = run("export", folder, "--tags", "Levers/*", "--from", 2, "--to", 4)
    assert code == 0
    rows = pd.read_csv(io.StringIO(out))
    assert rows["value"].tolist() == [2.0, 3.0, 4.0]
    assert rows["plant_h"].tolist() == [2.0, 3.0, 4.0]
    assert rows["time_utc"].tolist()[0] == "2026-01-02T02:00:00.000000Z"
    assert set(rows["tag"]) == {"Levers/organic_flow/Measured"}


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_export_writes_every_tag_to_a_file(folder, ending):
    import duckdb

    path = folder / f"rows{ending}"
    code, out, err = run("export", folder, "--output", path)
    assert (code, out) == (0, "")
    assert f"wrote {path}" in err
    with duckdb.connect() as connection:
        query = f"SELECT tag, count(*), min(quality) FROM '{path}' GROUP BY tag ORDER BY tag"
        found = connection.execute(query).fetchall()
    assert [(tag, count) for tag, count, _ in found] == [
        ("Levers/organic_flow/Measured", 48),
        ("Truth/Products/nd/Purity", 48),
        ("xrf/nd/Ce", 48),
        ("xrf/nd/Nd", 48),
        ("xrf/nd/Pr", 48),
    ]


def test_export_of_tags_that_are_not_there_names_the_nearest(folder):
    code, _, err = run("export", folder, "--tags", "Levers/organic_flow/Measurd")
    assert code == 2
    assert "Levers/organic_flow/Measured" in err
    assert run("export", folder, "--output", "rows.xlsx")[0] == 2
    assert run("export", folder, "--from", 5, "--to", 4)[0] == 2


def test_trend_prints_stretches(folder):
    tag = FLOW
    code, out, _ = run("trend", folder, tag, "--from", 1, "--to", 24, "--points", 4, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["tag"] == tag
    assert sum(row["count"] for row in found["rows"]) == 24
    assert len(found["rows"]) <= 4
    assert (found["rows"][0]["low"], found["rows"][-1]["last"]) == (1.0, 24.0)
    code, out, _ = run("trend", folder, tag, "--csv")
    assert pd.read_csv(io.StringIO(out))["high"].max() == 48.0
    code, out, _ = run("trend", folder, tag)
    assert code == 0
    assert "greatest" in out


def test_trend_of_an_unknown_tag_names_the_nearest(folder):
    code, _, err = run("trend", folder, "Levers/organic/Measured", "--json")
    assert code == 2
    assert "organic_flow" in json.loads(err)["error"]["mend"]
    code, _, err = run("trend", folder, "Levers/organic_flow/Measured", "--from", 90, "--to", 99)
    assert code == 2
    assert "Widen" in err


def test_report_writes_a_page_of_the_last_shift(folder):
    path = folder / "report.html"
    code, _, err = run("report", folder, "--output", path)
    assert code == 0
    assert f"wrote {path}" in err
    page = path.read_text(encoding="utf-8")
    assert "Shift 6, 8 h" in page
    assert page.endswith("</html>\n")


@pytest.mark.parametrize(
    ("options", "title"),
    [
        (("--shift", "12h", "--at", 30), "Shift 3, 12 h"),
        (("--lot", 1, "--product", "nd"), "Lot 1 of nd"),
        (("--from", 3, "--to", 7.5), "Plant hours 3 to 7.5"),
    ],
)
def test_report_is_about_the_period_asked_for(folder, options, title):
    code, out, _ = run("report", folder, *options, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["period"]["title"] == title
    assert found["products"]["nd"]["mean_purity"] == pytest.approx(0.9995)
    assert found["products"]["cepr"]["mean_purity"] is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--output"),
        (("--json", "--lot", 1), "its product"),
        (("--json", "--lot", 9, "--product", "nd"), "lots closed: 1"),
        (("--json", "--lot", 1, "--product", "nd", "--at", 3), "exclude each other"),
        (("--json", "--at", 4000), "not in the history"),
        (("--json", "--shift", "8 m³"), "quantity"),
        (("--json", "--plant", "ceprnd"), "ceprnd_p507"),
        (("--output", "report.pdf"), ".html"),
    ],
)
def test_a_report_that_cannot_be_made_says_why(folder, options, said):
    code, _, err = run("report", folder, *options)
    assert code == 2
    assert said in err


def test_a_database_without_settings_needs_the_name_of_the_plant(folder):
    (folder / "run.json").unlink()
    database = folder / "history.sqlite"
    code, _, err = run("report", database, "--json")
    assert code == 2
    assert "--plant" in err
    assert run("report", database, "--json", "--plant", "ceprnd_p507")[0] == 0
    assert run("archive", database)[0] == 2


def test_archive_writes_each_complete_day_once(folder):
    code, out, _ = run("archive", folder, "--json")
    assert code == 0
    days = json.loads(out)["days"]
    # The sample of 01:00 is a minute earlier; the last hour begins the third day.
    assert [(day["day"], day["rows"]) for day in days] == [("2026-01-02", 118), ("2026-01-03", 120)]
    assert (folder / "archive" / "2026-01-02.parquet").is_file()
    code, out, err = run("archive", folder)
    assert (code, out) == (0, "")
    assert "already" in err


def test_the_latest_run_may_be_meant(folder, tmp_path, monkeypatch):
    from raffinate.runtime import run_directory

    class Found:
        path = folder

    monkeypatch.setattr(run_directory, "find_run", lambda _: Found)
    assert run("trend", "latest", "xrf/nd/Nd")[0] == 0


def test_a_run_that_is_not_there_is_an_error(tmp_path):
    code, _, err = run("trend", tmp_path / "none", "A")
    assert code == 2
    assert "a run directory" in err
    code, _, err = run("export", tmp_path)
    assert code == 2
    assert "no history yet" in err
