"""A copy of the plant run ahead: it answers, and the run knows nothing of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raffinate.control.plc import Plc
from raffinate.plant.events import Event
from raffinate.runtime.checkpoint import save_checkpoint
from raffinate.runtime.messages import SCAN
from raffinate.runtime.operate_setup import levers_of
from raffinate.runtime.records import Record
from raffinate.runtime.run_directory import RunDirectory, RunSettings
from raffinate.runtime.twin import Twin
from raffinate.runtime.twin_checkpoint import TwinCheckpoint, nominal_flows
from raffinate.runtime.what_if import main
from raffinate.units import HOUR
from running_plants import nominal

HOURS = 3.0

Ask = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def kept() -> TwinCheckpoint:
    """A matched plant as a run leaves it at its begin, with an upset to come in half an hour."""
    plant, _ = nominal()
    twin = Twin(plant, 1, matched=True)
    event = Event(name="scrub_flow", how="*=", value=0.2, begin=0.5 * HOUR, end=40.0 * HOUR)
    twin.add_event(event, "to come")
    levers = levers_of(twin.model, nominal_flows(twin))
    plc = Plc(levers=levers, scan_time=SCAN).start({each.name: each.safe for each in levers})
    record = Record(sequence=1, time=0.0, wall=0)
    return TwinCheckpoint(twin=twin, plc=plc, record=record, speed=600.0, streams={}, measured={})


@pytest.fixture
def run(tmp_path: Path, kept: TwinCheckpoint) -> RunDirectory:
    found = RunDirectory.create(tmp_path / "run", RunSettings(plant="ceprnd_p507", epoch_us=0))
    save_checkpoint(found.checkpoint("twin"), kept)
    return found


@pytest.fixture
def ask(run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> Ask:
    def asked(levers: dict[str, float], hours: float = HOURS) -> tuple[int, list[dict[str, Any]]]:
        code = main([str(run.path), "--levers", json.dumps(levers), "--hours", str(hours)])
        lines = capsys.readouterr().out.splitlines()
        return code, [json.loads(line) for line in lines]

    return asked


def contents(folder: Path) -> dict[str, str]:
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_a_copy_shows_what_comes_and_writes_nothing(run, ask):
    before = contents(run.path)
    code, lines = ask({})
    assert code == 0
    assert contents(run.path) == before
    assert all(line["live"] is False for line in lines)
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert [line["progress"] for line in lines] == sorted(line["progress"] for line in lines)
    last = lines[-1]
    assert last["columns"]["t_h"] == pytest.approx([n / 6 for n in range(1, 19)])
    assert len(last["columns"]["nd_impurity"]) == 18
    assert len(last["profile"]["aqueous"]["Nd"]) == 68
    for product in last["products"].values():
        assert product["in_spec"] is True
        assert product["hours_to_off_spec"] is None
    impurity = last["columns"]["nd_impurity"][-1]
    assert last["products"]["nd"]["purity"] == pytest.approx(1.0 - impurity)
    assert impurity == pytest.approx(last["columns"]["nd_impurity"][0], rel=0.05), (
        "nothing was changed, and the upset still to come is left out"
    )


def test_other_setpoints_give_another_plant(run, ask, kept):
    flow = nominal_flows(kept.twin)["scrub_flow"] * HOUR
    _, usual = ask({})
    code, lines = ask({"scrub_flow": 0.35 * flow}, 12.0)
    assert code == 0
    changed = lines[-1]["products"]["nd"]["purity"]
    assert changed < usual[-1]["products"]["nd"]["purity"] - 1e-5


def test_an_upset_that_acts_now_goes_on(tmp_path, ask, run, kept):
    acting = kept.twin.upsets[0]
    now = replace(acting, event=replace(acting.event, begin=0.0))
    kept.twin.upsets[0] = now
    save_checkpoint(run.checkpoint("twin"), kept)
    kept.twin.upsets[0] = acting
    _, lines = ask({}, 12.0)
    impurities = lines[-1]["columns"]["nd_impurity"]
    assert impurities[-1] > 1.05 * impurities[0]


@pytest.mark.parametrize(
    ("levers", "hours", "part"),
    [
        ({"organic_flow": 1e4}, 10.0, "organic_flow is to be"),
        ({"organic": 14.0}, 10.0, "no lever"),
        ({}, 1e4, "hours is"),
        ({"organic_flow": "x"}, 10.0, "no object"),
        ([1], 10.0, "no object"),
    ],
)
def test_what_cannot_be_tried_is_told(ask, levers, hours, part):
    code, lines = ask(levers, hours)
    assert code == 2
    assert lines[-1]["done"] is True
    assert part in lines[-1]["text"]
    assert lines[-1]["columns"] is None


def test_a_run_that_has_not_moved_has_nothing_to_copy(tmp_path, capsys):
    run = RunDirectory.create(tmp_path / "new", RunSettings(plant="ceprnd_p507", epoch_us=0))
    assert main([str(run.path)]) == 2
    assert "not moved" in json.loads(capsys.readouterr().out)["text"]
