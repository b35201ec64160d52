from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from network_plants import TWO_BANKS
from raffinate.errors import SpecificationError
from raffinate.plant.network import Network
from raffinate.plant.network_levers import with_levers
from raffinate.plant.network_solve import solve_network
from raffinate.studies.case_network import (
    network_case,
    network_input_names,
    network_purities,
    prepare_network,
)
from raffinate.studies.model import Case, Study
from raffinate.studies.run_study import run_study
from raffinate.studies.sampling import make_cases
from raffinate.studies.solve_case import prepare, solve_case
from raffinate.studies.study_file import StudyText, load_study

SWEEP = """
method: grid
inputs:
  first.organic_per_feed: {how: factor, values: [0.98, 1.0]}
  feed.chloride.flow: {values: [0.0005, 0.0006]}
"""

DRAWN = """
method: monte_carlo
count: 4
seed: 2
sources: {us: {title: made up for tests, evidence: assumed}}
inputs:
  second.saponification_degree: {distribution: normal, mean: 0.36, deviation: 0.01, source: us}
constants: {log10_covariance: fitted}
"""

PRICES = """
format: raffinate-prices/1
name: made_up
currency: USD
sources: {us: {title: made up for tests, evidence: assumed}}
prices:
  acid_per_kg: {value: 0.3, date: "2024", source: us}
  base_per_kg: {value: 0.5, date: "2024", source: us}
"""

SEARCHED = """
method: list
flows: FLOWS
prices: FOLDER/prices.yaml
cases:
  - {purity.nd: 0.9}
"""


def study_text(folder: Path, body: str) -> StudyText:
    (folder / "plant.yaml").write_text(TWO_BANKS, encoding="utf-8")
    path = folder / "study.yaml"
    head = f"format: raffinate-study/1\nname: joined\nplant: {folder / 'plant.yaml'}\n"
    path.write_text(head + body.lstrip(), encoding="utf-8")
    return load_study(path)


def network_of(study: Study) -> Network:
    assert isinstance(study.plant, Network)
    return study.plant


def test_a_case_is_the_network_solved_by_hand(tmp_path: Path) -> None:
    study = study_text(tmp_path, SWEEP).study
    case = Case(
        index=0, seed=1, numbers={"first.organic_per_feed": 0.98, "feed.chloride.flow": 6e-4}
    )
    row = solve_case(prepare(study), case)
    network = network_of(study)
    feed = replace(network.feeds[0], flow=6e-4)
    turned = with_levers(replace(network, feeds=(feed,)), {"first.organic_per_feed": 0.98 * 2.0})
    state = solve_network(turned)
    assert row["error"] == ""
    assert row["input.first.organic_per_feed_factor"] == 0.98
    for name, product in state.products.items():
        assert row[f"purity.{name}"] == pytest.approx(product.purity, rel=1e-8)
        assert row[f"recovery.{name}"] == pytest.approx(product.recovery, rel=1e-8)
    assert row["first.organic_per_feed"] == pytest.approx(1.96)
    assert row["balance_error"] <= 1e-9


def test_every_input_changes_the_network_and_stages_are_whole(tmp_path: Path) -> None:
    study = study_text(tmp_path, "method: list\ncases: [{}]\n").study
    network = network_of(study)
    nominal = prepare_network(study, network)
    for name in network_input_names(network):
        number = 3.0 if name.startswith("stages") else 0.31
        if name.startswith("purity"):
            assert network_purities(study, network, {name: number}) == {name[7:]: number}
        else:
            changed = network_case(study, nominal, {name: number})
            assert (changed.feeds, changed.units) != (network.feeds, network.units), name
    with pytest.raises(SpecificationError, match="whole numbers"):
        network_case(study, nominal, {"stages.first.strip": 3.5})


def test_constants_of_the_system_are_drawn_as_their_covariance_says(tmp_path: Path) -> None:
    study = study_text(tmp_path, DRAWN.replace("count: 4", "count: 4000")).study
    system = network_of(study).circuits[0].system
    names = [f"log10_K.{system.name}.{symbol}" for symbol in system.elements]
    drawn = np.array([[case.numbers[name] for name in names] for case in make_cases(study)])
    expected = np.asarray(system.log10_covariance)
    assert np.abs(np.cov(drawn.T) - expected).max() < 0.1 * np.abs(expected).max()
    np.testing.assert_allclose(
        drawn.mean(axis=0), system.log10_extraction_constant, atol=0.1 * expected.max() ** 0.5
    )


def test_a_study_of_a_network_runs_from_its_file_to_its_table(tmp_path: Path) -> None:
    table = run_study(study_text(tmp_path, DRAWN), tmp_path / "results")
    assert list(table["error"]) == [""] * 4
    assert table["purity.nd"].nunique() == 4
    assert table["balance_error"].max() <= 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("flows", ["purities", "cheapest"])
def test_flows_are_searched_for_where_purities_are_asked(tmp_path: Path, flows: str) -> None:
    (tmp_path / "prices.yaml").write_text(PRICES, encoding="utf-8")
    body = SEARCHED.replace("FLOWS", flows).replace("FOLDER", str(tmp_path))
    study = study_text(tmp_path, body).study
    row = solve_case(prepare(study), make_cases(study)[0])
    assert row["error"] == ""
    assert row["within_limit"] == 1.0
    assert float(row["cost_per_kg_reo"]) > 0.0
    if flows == "purities":
        assert row["purity.nd"] == pytest.approx(0.9, abs=1e-8)
    else:
        assert float(row["purity.nd"]) >= 0.9 - 1e-6
        assert float(row["cost_saved_per_kg_reo"]) > 0.0
        assert row["first.organic_per_feed"] != pytest.approx(2.0, rel=1e-6)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("method: list\ncases: [{organic_flow: 3.0}]\n", "cannot be varied"),
        ("method: list\nflows: purities\ncases: [{first.organic_per_feed: 2.0}]\n", "at once"),
        ("method: list\nsimulate: {hours: 2}\ncases: [{}]\n", "not moved in time"),
        ("method: list\npurity: {pr: 0.9}\ncases: [{}]\n", "no product of two_banks"),
        ("method: list\ncases: [{purity.nd: 0.9}]\n", "follows from the flows"),
    ],
)
def test_what_cannot_be_studied_is_refused(tmp_path: Path, body: str, told: str) -> None:
    with pytest.raises(SpecificationError, match=told):
        study_text(tmp_path, body)
