"""`raffinate solve --all-solutions`: what it prints, and what it refuses."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from plant_variants import SMALL, restaged
from raffinate.cli.main import app
from raffinate.cli.solve_solutions import print_solutions
from raffinate.plant.steady import solve_steady
from solved_plants import NAME


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--csv"], "it gives no CSV and no file"),
        (["--output", "x.png"], "it gives no CSV and no file"),
    ],
)
def test_what_a_search_does_not_give_is_refused(more, said):
    result = CliRunner().invoke(app, ["solve", NAME, "--all-solutions", *more])
    assert result.exit_code == 2
    assert said in result.stderr
    assert "with --json" in result.stderr


def test_a_plant_of_several_circuits_is_not_searched():
    result = CliRunner().invoke(app, ["solve", "lree_baotou", "--all-solutions"])
    assert result.exit_code == 2
    assert "it is asked of a plant of several circuits" in result.stderr


@pytest.mark.slow
def test_every_solution_is_told_with_its_stability(default_plant, capsys):
    plant = restaged(default_plant, SMALL)
    state = solve_steady(plant)
    print_solutions(plant, state, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["plant"] == NAME
    (only,) = told["solutions"]
    assert only["stable"] is True
    assert only["leading_rate_per_h"] < 0.0
    assert only["found_from"][0] == "nothing"
    assert only["products"]["nd"]["purity"] == pytest.approx(state.products["nd"].purity)
    print_solutions(plant, state, as_json=False)
    out = capsys.readouterr().out
    for word in ("Steady states at these flows", "yes", "One steady state was found"):
        assert word in out
