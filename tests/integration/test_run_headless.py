"""`raffinate run --headless` reports what the contract says, and repeats itself from its seed."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from raffinate.cli.main import app
from raffinate.plant.events import parse_event
from running_plants import new_run

CONTRACT = {
    "plant",
    "seed",
    "plant_hours",
    "products",
    "reagents_per_t_reo",
    "modes",
    "alarms",
    "wall_s",
}
PRODUCT = {"off_spec_t", "lots_off_spec", "mean_purity", "recovery"}


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["run", *arguments], env={"COLUMNS": "100"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_summary_has_the_keys_of_the_contract(tmp_path: Path):
    path = tmp_path / "history.csv"
    code, out, err = run(
        "ceprnd_p507",
        "--hours",
        "6",
        "--speed",
        "max",
        "--headless",
        "--json",
        "--output",
        str(path),
        "--seed",
        "5",
    )
    assert code == 0
    summary = json.loads(out)
    assert set(summary) >= CONTRACT
    assert set(summary["products"]) == {"cepr", "nd"}
    for product in summary["products"].values():
        assert set(product) >= PRODUCT
        assert 0.0 <= product["recovery"] <= 1.0
        assert product["mean_purity"] > 0.99
    assert summary["seed"] == 5
    assert summary["plant_hours"] == 6.0
    assert summary["modes"] == [{"from_h": 0.0, "mode": "fuzzy"}]
    assert set(summary["reagents_per_t_reo"]) == {"NH3", "HCl"}
    assert summary["balance_error"] < 1e-6
    assert "compiling" in err
    history = pd.read_csv(path)
    assert len(history) == 36
    assert {"t_h", "nd_impurity", "organic_flow", "organic_flow_sp"} <= set(history.columns)


def test_the_summary_is_a_table_for_people():
    code, out, _ = run("--hours", "2", "--headless", "--mode", "manual", "--matched")
    assert code == 0
    assert "recovery, %" in out
    assert "manual from 0 h" in out


@pytest.mark.slow
def test_the_same_seed_gives_the_same_summary():
    elements = ("Ce", "Pr", "Nd")
    dip = parse_event("organic.saponification_degree*=0.9@6h..30h", elements)

    def summary(seed: int) -> dict:
        return new_run(48.0, seed=seed, story=((dip, "dip"),)).run_to_end()

    first = summary(7)
    assert summary(7) == first
    assert summary(8) != first


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("--mode", "fuzy"), "Did you mean 'fuzzy'"),
        (("--speed", "fast"), "a number above 0, or max"),
        (("--speed", "0"), "a number above 0, or max"),
        (("--headless", "--speed", "600"), "max with --headless"),
        (("--json",), "Add --headless"),
        (("--headless", "--output", "history.xls"), ".csv"),
        (("nosuch",), "ceprnd_p507"),
        (("--step", "feed.flo=1@3h"), "feed.flow"),
        (("--host", "0.0.0.0"), "127.0.0.1"),
    ],
)
def test_wrong_usage_says_what_is_allowed(arguments, part):
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert part in err


def test_a_port_in_use_is_an_error_and_no_traceback():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = run("--port", str(taken.getsockname()[1]), "--no-browser")
    assert code == 2
    assert "cannot be used" in err
