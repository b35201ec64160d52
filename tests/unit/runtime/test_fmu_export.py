from __future__ import annotations

import json
import math
import re
import zipfile
from pathlib import Path
from types import SimpleNamespace

import fmpy
import numpy as np
import pytest

from raffinate.control.plan import Plan
from raffinate.errors import DataError, SpecificationError
from raffinate.plant.events import Event, apply_events
from raffinate.runtime.fmu_export import export_fmu
from raffinate.runtime.fmu_model import (
    PLANT_FILE,
    SETTINGS_FILE,
    TwinModel,
    _fraction_events,
    load_model,
    settings_text,
)
from raffinate.runtime.messages import CONTROL_PERIOD, SCAN
from raffinate.runtime.twin import Twin
from raffinate.units import HOUR
from running_plants import nominal
from solved_plants import shipped_plant

PERIODS = 6
MOVES = {"organic_flow_m3_per_h": 1.04, "scrub_flow_m3_per_h": 0.9}
OUTPUTS = (
    "cepr_purity",
    "nd_log10_impurity",
    "organic_flow_true_m3_per_h",
    "scrub_flow_measured_m3_per_h",
    "stage_18_aqueous_nd_mol_per_L",
    "stage_46_organic_ce_mol_per_L",
)


def at_rest() -> TwinModel:
    """A model whose twin is never built: names and values only."""
    return TwinModel(shipped_plant())


def direct(seed: int) -> list[dict[str, float]]:
    """The same six periods on the twin itself, a row per period."""
    plant, _ = nominal()
    twin = Twin(plant, seed, matched=True)
    operation = plant.operation()
    setpoints = {
        name: getattr(operation, name) * MOVES.get(f"{name}_m3_per_h", 1.0) for name in plant.levers
    }
    # The saponification falls for the second half.
    low = Event(
        name="organic.saponification_degree",
        how="=",
        value=0.33,
        begin=3 * CONTROL_PERIOD,
        end=math.inf,
    )
    twin.add_event(low, "low")
    rows = []
    for _ in range(PERIODS):
        plan = Plan(
            setpoints=setpoints,
            issued_at=twin.time,
            expires_at=twin.time + CONTROL_PERIOD,
            sequence=1,
            author="test",
            mode="test",
        )
        report, _ = twin.advance([plan] * round(CONTROL_PERIOD / SCAN))
        profile = twin.profile()
        rows.append(
            {
                "cepr_purity": twin.accounts["cepr"].purity,
                "nd_log10_impurity": math.log10(1.0 - twin.accounts["nd"].purity),
                "organic_flow_true_m3_per_h": twin.operation.organic_flow * HOUR,
                "scrub_flow_measured_m3_per_h": report.measured["scrub_flow"] * HOUR,
                "stage_18_aqueous_nd_mol_per_L": profile.aqueous[17, 2] / 1000.0,
                "stage_46_organic_ce_mol_per_L": profile.organic[45, 0] / 1000.0,
            }
        )
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("version", [2, 3])
def test_the_fmu_run_by_fmpy_is_the_twin_to_the_ninth_digit(version, tmp_path):
    fmu = export_fmu("ceprnd_p507", tmp_path / "twin.fmu", version=version)
    starts = {
        variable.name: float(variable.start)
        for variable in fmpy.read_model_description(str(fmu)).modelVariables
        if variable.causality == "input"
    }
    times = np.arange(PERIODS + 1) * CONTROL_PERIOD
    names = [*MOVES, "saponification_degree"]
    given = np.zeros(PERIODS + 1, dtype=[("time", float), *((name, float) for name in names)])
    given["time"] = times
    for name, factor in MOVES.items():
        given[name] = starts[name] * factor
    degree = starts["saponification_degree"]
    given["saponification_degree"] = np.where(times < 3 * CONTROL_PERIOD, degree, 0.33)
    found = fmpy.simulate_fmu(
        str(fmu),
        stop_time=float(times[-1]),
        step_size=CONTROL_PERIOD,
        output_interval=CONTROL_PERIOD,
        start_values={"matched": True, "seed": 5},
        input=_stepped(given),
        output=list(OUTPUTS),
    )
    assert len(found) == PERIODS + 1
    for row, expected in zip(found[1:], direct(5), strict=True):
        for name in OUTPUTS:
            assert row[name] == pytest.approx(expected[name], rel=1e-9), name


def _stepped(given: np.ndarray) -> np.ndarray:
    """FMPy interpolates inputs between rows; a second row just before each keeps them steps."""
    before = given[:-1].copy()
    before["time"] = given["time"][1:] - 1e-3
    return np.sort(np.concatenate([given, before]), order="time")


@pytest.mark.slow
def test_a_plant_of_ones_own_travels_inside_the_fmu(tmp_path):
    from importlib.resources import files

    text = (files("raffinate.data") / "ceprnd_p507.yaml").read_text(encoding="utf-8")
    own = tmp_path / "own.yaml"
    own.write_text(text.replace("name: ceprnd_p507", "name: own_plant"), encoding="utf-8")
    fmu = export_fmu(str(own), tmp_path / "deep" / "own.fmu")
    own.unlink()
    with zipfile.ZipFile(fmu) as archive:
        archive.extractall(tmp_path / "out")
    model = load_model(tmp_path / "out" / "resources")
    assert model.plant.name == "own_plant"
    operation, expected = model.plant.operation(), nominal()[0].operation()
    for name in ("organic_flow", "acid_flow", "scrub_flow"):
        assert getattr(operation, name) == pytest.approx(getattr(expected, name), rel=1e-9)


def test_settings_bring_back_the_nominal_flows_to_the_last_bit(tmp_path):
    operation = shipped_plant().operation()
    changed = SimpleNamespace(
        organic_flow=operation.organic_flow * 1.1,
        acid_flow=operation.acid_flow * 0.9,
        scrub_flow=operation.scrub_flow * 0.7,
    )
    (tmp_path / SETTINGS_FILE).write_text(settings_text("ceprnd_p507", changed), "utf-8")
    found = load_model(tmp_path).plant.operation()
    assert found.organic_flow == changed.organic_flow
    assert found.acid_flow == changed.acid_flow
    assert found.scrub_flow == pytest.approx(changed.scrub_flow, rel=1e-14)


@pytest.mark.parametrize("text", ["", "{}", "[]", json.dumps({"plant": "x", "operation": 1})])
def test_resources_of_something_else_are_refused(text, tmp_path):
    (tmp_path / SETTINGS_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="settings"):
        load_model(tmp_path)
    assert PLANT_FILE != SETTINGS_FILE


def test_variables_wear_their_units_and_start_at_the_plant_file():
    model = at_rest()
    operation = shipped_plant().operation()
    starts = {v.name: v.start for v in model.variables}
    assert starts["organic_flow_m3_per_h"] == pytest.approx(operation.organic_flow * HOUR)
    assert starts["feed_flow_m3_per_h"] == pytest.approx(1.22)
    assert starts["acid_hcl_mol_per_L"] == pytest.approx(5.5)
    assert starts["feed_nd_mass_fraction"] == pytest.approx(0.3713)
    assert starts["saponification_degree"] == pytest.approx(0.36)
    names = [variable.name for variable in model.variables]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in names)


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("organic_flow", 1.0, "organic_flow_m3_per_h"),
        ("organic_flow_m3_per_h", math.nan, "finite"),
        ("feed_flow_m3_per_h", -1.0, "0 or above"),
        ("nd_purity", 0.9, "nd_purity"),
    ],
)
def test_what_cannot_be_set_is_refused(name, value, hint):
    with pytest.raises(SpecificationError) as caught:
        at_rest().set(name, value)
    assert hint in str(caught.value)


def test_a_variable_nobody_has_is_refused_with_the_nearest():
    with pytest.raises(SpecificationError, match="nd_purity"):
        at_rest().get("nd_puritty")
    assert math.isnan(at_rest().get("nd_purity"))


def test_a_step_needs_a_twin_and_whole_periods():
    model = at_rest()
    with pytest.raises(SpecificationError, match="initialization"):
        model.step(CONTROL_PERIOD)
    model.twin = SimpleNamespace()  # type: ignore[assignment]
    for duration in (0.0, 60.0, 900.0):
        with pytest.raises(SpecificationError, match="600 s"):
            model.step(duration)
    with pytest.raises(SpecificationError, match="fixed"):
        model.set("seed", 3)


@pytest.mark.parametrize(
    "wanted", [(0.5, 0.3, 0.2), (0.0, 0.5, 0.5), (2.0, 1.0, 1.0), (0.1, 0.1, 0.8)]
)
def test_feed_shares_set_one_after_another_end_as_asked(wanted):
    operation, elements = shipped_plant().operation(), ("Ce", "Pr", "Nd")
    steps = _fraction_events(operation, elements, np.array(wanted))
    events = [Event(name=name, how="=", value=value, begin=0.0) for name, value in steps]
    found = apply_events(operation, events, 0.0, elements)
    assert found.feed_mass_fraction == pytest.approx(np.array(wanted) / sum(wanted), abs=1e-14)
    assert found.feed_reo == operation.feed_reo


def test_a_feed_of_nothing_is_refused():
    with pytest.raises(SpecificationError, match="nothing"):
        _fraction_events(shipped_plant().operation(), ("Ce", "Pr", "Nd"), np.zeros(3))


def test_a_wrong_ending_is_refused_before_anything_is_solved():
    with pytest.raises(SpecificationError, match=r"\.fmu"):
        export_fmu("ceprnd_p507", Path("twin.zip"))


def test_a_missing_package_is_named_with_its_extra(monkeypatch, tmp_path):
    import raffinate.runtime.fmu_export as module

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name, name="pythonfmu3")

    monkeypatch.setattr(module, "import_module", missing)
    with pytest.raises(SpecificationError, match=r"raffinate\[fmi\]"):
        export_fmu("ceprnd_p507", tmp_path / "x.fmu", version=3)
