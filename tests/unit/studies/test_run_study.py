from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.plant.model import Plant
from raffinate.plant.steady import solve_steady
from raffinate.studies.model import Case, Study
from raffinate.studies.pool import run_here
from raffinate.studies.run_study import run_study
from raffinate.studies.sampling import make_cases
from raffinate.studies.solve_case import Row, prepare, solve_case
from study_files import DRAWN, SWEEP, small_study

PURITIES = """
method: list
flows: purities
prices: prices_example
cases:
  - {purity.nd: 0.61}
  - {purity.nd: 0.999999}
  - {stages.scrub: 4, stages.strip: 1}
"""

MOVED = """
method: list
simulate: {hours: 2, interval_h: 0.5, events: ["organic_flow*=0.9@1h"]}
cases:
  - {}
  - {acid_flow: 2.2, efficiency: 0.85}
"""


def study_of(folder: Path, body: str) -> Study:
    return small_study(folder, body).study


def test_a_case_is_the_plant_solved_by_hand(tmp_path: Path) -> None:
    study = study_of(tmp_path, SWEEP)
    prepared = prepare(study)
    assert prepared.nominal is not None
    assert prepared.nominal.operation is not None
    case = Case(index=4, seed=1, numbers={"organic_flow": 1.02, "feed.nd_mass_fraction": 0.36})
    row = solve_case(prepared, case)
    base = prepared.nominal.operation
    operation = replace(base.with_element(2, 0.36), organic_flow=base.organic_flow * 1.02)
    state = solve_steady(study.plant.operated(operation))
    assert row["error"] == ""
    assert row["input.organic_flow_factor"] == 1.02
    assert row["input.feed.nd_mass_fraction"] == 0.36
    for name, product in state.products.items():
        assert row[f"purity.{name}"] == pytest.approx(product.purity, rel=1e-9)
        assert row[f"recovery.{name}"] == pytest.approx(product.recovery, rel=1e-9)
        assert row[f"reo_kg_per_h.{name}"] == pytest.approx(product.reo_flow * 3600, rel=1e-9)
        impurity = math.log10(1 - product.purity)
        assert row[f"log10_impurity.{name}"] == pytest.approx(impurity, rel=1e-9)
        assert row[f"within_limit.{name}"] == 0.0
    for reagent, amount in state.reagents.items():
        assert row[f"reagent_t_per_t_reo.{reagent}"] == pytest.approx(amount, rel=1e-9)
    assert float(row["balance_error"]) < 1e-8


def test_purities_are_met_or_the_row_says_why_not(tmp_path: Path) -> None:
    study = study_of(tmp_path, PURITIES)
    rows = [row for rows in run_here(study, make_cases(study)) for row in rows]
    assert [row["error_kind"] for row in rows] == ["", "ConvergenceError", ""]
    assert rows[0]["purity.nd"] == pytest.approx(0.61, rel=1e-9)
    assert rows[2]["purity.nd"] == pytest.approx(0.6, rel=1e-9)
    assert "purity" in str(rows[1]["error"])
    assert "purity.nd" not in rows[1]
    assert rows[1]["input.purity.nd"] == 0.999999
    assert rows[0]["cost_is_complete"] == 0.0
    assert float(rows[0]["revenue_per_h"]) > 0.0
    assert math.isnan(float(rows[0]["margin_per_h"]))


def test_a_cheapest_case_is_what_the_optimiser_finds_for_its_plant_and_purities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = PURITIES.replace("flows: purities", "flows: cheapest")
    study = study_of(tmp_path, body.replace("purity.nd: 0.61", "efficiency: 0.95, purity.nd: 0.61"))
    prepared = prepare(study)
    asked = []

    def optimiser(plant: Plant, prices: object, *, purities: dict[str, float]) -> object:
        asked.append((plant, prices, purities))
        return SimpleNamespace(plant=plant, state=prepared.nominal, cost_before=9.0, cost=7.5)

    monkeypatch.setattr("raffinate.plant.optimise.optimise_plant", optimiser)
    row = solve_case(prepared, make_cases(study)[0])
    assert row["error"] == ""
    assert row["cost_saved_per_kg_reo"] == 1.5
    assert prepared.nominal is not None
    assert row["purity.nd"] == prepared.nominal.products["nd"].purity
    ((plant, prices, purities),) = asked
    assert purities == {"cepr": 0.76, "nd": 0.61}
    assert prices is study.prices
    assert [section.efficiency for section in plant.circuit.sections] == [0.95] * 3


def test_a_case_can_be_a_simulation(tmp_path: Path) -> None:
    study = study_of(tmp_path, MOVED)
    quiet, upset = [row for rows in run_here(study, make_cases(study)) for row in rows]
    assert quiet["error"] == upset["error"] == ""
    for name in study.plant.products:
        assert float(quiet[f"log10_impurity_worst.{name}"]) >= float(
            quiet[f"log10_impurity.{name}"]
        )
        assert quiet[f"hours_to_off_spec.{name}"] == 0.0
        assert quiet[f"purity.{name}"] != upset[f"purity.{name}"]


def test_neither_order_nor_company_changes_a_row(tmp_path: Path) -> None:
    study = study_of(tmp_path, DRAWN)
    cases = make_cases(study)
    prepared = prepare(study)
    forward = {case.index: solve_case(prepared, case) for case in cases}
    random.Random(5).shuffle(cases)
    shuffled = {case.index: solve_case(prepared, case) for case in cases}
    assert forward == shuffled
    (alone,) = next(run_here(study, [cases[0]]))
    assert alone == forward[cases[0].index]


def test_the_same_study_twice_gives_the_same_file(tmp_path: Path) -> None:
    text = small_study(tmp_path, DRAWN)
    first = run_study(text, tmp_path / "a")
    again = run_study(text, tmp_path / "b")
    assert first.equals(again)
    files = [(tmp_path / name / "results.parquet").read_bytes() for name in "ab"]
    assert files[0] == files[1]
    assert first["case"].tolist() == list(range(6))


def test_what_is_stopped_goes_on_and_does_only_what_is_missing(tmp_path: Path) -> None:
    text = small_study(tmp_path, SWEEP)

    def stop(rows: Sequence[Row]) -> None:
        if rows[0]["case"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(text, tmp_path / "out", done=stop)
    begun: list[tuple[int, int]] = []
    came: list[object] = []
    table = run_study(
        text,
        tmp_path / "out",
        begun=lambda cases, there: begun.append((cases, there)),
        done=lambda rows: came.extend(row["case"] for row in rows),
    )
    assert begun == [(6, 3)]
    assert came == [3, 4, 5]
    assert table["case"].tolist() == list(range(6))
    assert table.equals(run_study(text, tmp_path / "whole"))
    run_study(text, tmp_path / "out", done=lambda rows: pytest.fail("it was all there"))


def test_failed_cases_are_done_again_only_if_asked_for(tmp_path: Path) -> None:
    text = small_study(tmp_path, PURITIES)
    run_study(text, tmp_path / "out")
    came: list[object] = []
    again = run_study(
        text,
        tmp_path / "out",
        retry_failed=True,
        done=lambda rows: came.extend(row["case"] for row in rows),
    )
    assert came == [1]
    assert again["error_kind"].tolist() == ["", "ConvergenceError", ""]


def test_a_changed_study_is_refused_before_anything_is_solved(tmp_path: Path) -> None:
    run_study(small_study(tmp_path, SWEEP), tmp_path / "out")
    changed = small_study(tmp_path, SWEEP.replace("1.02", "1.03"))
    with pytest.raises(SpecificationError, match="another study"):
        run_study(changed, tmp_path / "out", done=lambda rows: pytest.fail("it was solved"))


def test_a_plant_that_cannot_make_its_purities_ends_the_study(tmp_path: Path) -> None:
    text = small_study(tmp_path, SWEEP + "purity: {nd: 0.9999999}\n")
    with pytest.raises(ConvergenceError):
        run_study(text, tmp_path / "out")


def test_a_number_nobody_foresaw_is_a_row_and_not_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_of(tmp_path, SWEEP)
    prepared = prepare(study)

    def broken(*_: object, **__: object) -> None:
        raise np.linalg.LinAlgError("singular")

    monkeypatch.setattr("raffinate.studies.solve_case.solve_steady", broken)
    row = solve_case(prepared, make_cases(study)[0])
    assert (row["error_kind"], row["error"]) == ("LinAlgError", "singular")
