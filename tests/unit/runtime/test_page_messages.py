"""What the page is told: complete, plain JSON, as docs/reference/page-messages.md says."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fake_page import FLOWS, HOURS, FakeRun, alarm_row
from raffinate.runtime import page_messages
from raffinate.runtime.page_history import PageNews
from raffinate.runtime.page_messages import clean, encode, event, speeds
from raffinate.runtime.page_readings import margin
from raffinate.runtime.page_tags import TagView
from raffinate.runtime.page_trend import TrendText, number_text
from raffinate.runtime.web_sessions import LOCAL

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs/reference/page-messages.md").read_text(encoding="utf-8")


@pytest.fixture
def run() -> FakeRun:
    return FakeRun()


def documented(heading: str) -> set[str]:
    """Return the keys in the tables under a heading, but those of a single alarm."""
    part = DOCUMENT.split(f"### `{heading}`", 1)[1].split("\n### ", 1)[0]
    part = part.split("| key of an alarm |", 1)[0]
    rows = re.findall(r"^\| ((?:`[^`]+`(?:, )?)+) \|", part, flags=re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`([^`]+)`", row)}


def test_a_state_has_the_documented_keys(run):
    assert set(run.state()) - {"type"} == documented("state")


def test_hello_has_the_documented_keys(run):
    hello = json.loads(run.source.hello(LOCAL))
    assert set(hello) - {"type"} | set(hello["plant"]) == documented("hello")


def test_nothing_of_the_page_loads_a_solver():
    """Importing JAX costs seconds and hundreds of MB in a process that solves nothing."""
    code = (
        "import sys; import raffinate.runtime.web_process; "
        "print([m for m in ('jax', 'scipy', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert found.stdout.strip() == "[]"


def test_a_product_shows_its_margin_with_its_uncertainty(run):
    product = run.state()["products"]["cepr"]
    assert product["purity"] == 0.9995
    assert product["margin_decades"] == pytest.approx(math.log10(2.0))
    assert product["lab"]["age_h"] == pytest.approx(6.0)
    assert product["sigma"] == product["lab"]["sigma"] > 0.0
    assert product["margin_sigma"] == pytest.approx(0.0005 / product["sigma"])
    assert product["in_spec"] is True
    assert product["reo_kg_per_h"] == pytest.approx(2000.0 / HOURS)


@pytest.mark.parametrize(("purity", "decades"), [(0.999, 0.0), (0.99, -1.0), (0.9999, 1.0)])
def test_margins_are_decades_of_impurity_inside_the_limit(purity, decades):
    assert margin(purity, 1e-4, 0.999)["margin_decades"] == pytest.approx(decades)


def test_a_product_without_purity_has_no_margin():
    assert margin(None, 1e-4, 0.999) == {"margin_decades": None, "margin_sigma": None}
    assert margin(1.0, 1e-4, 0.999)["margin_decades"] is None


def test_off_spec_shows(run):
    run.of_plant["Truth/Products/nd/Purity"] = 0.998
    product = run.state()["products"]["nd"]
    assert product["in_spec"] is False
    assert product["margin_decades"] < 0.0


def test_levers_show_setpoint_flow_output_and_limits(run):
    lever = run.state()["levers"]["organic_flow"]
    flow = FLOWS["organic_flow"]
    assert lever["setpoint"] == flow
    assert lever["measured"] == pytest.approx(1.01 * flow)
    assert lever["held_by"] == "fuzzy"
    assert (lever["low"], lever["high"]) == (0.5 * flow, 1.6 * flow)
    assert lever["plan_expires_h"] == pytest.approx(HOURS + 1.0)
    (told,) = [
        each
        for each in json.loads(run.source.hello(LOCAL))["plant"]["levers"]
        if each["name"] == "organic_flow"
    ]
    assert told["nominal"] == told["safe"] == flow
    assert told["rate"] == pytest.approx(0.5 * flow)


def test_the_watchdog_is_told_as_heard(run):
    assert run.state()["plc"]["watchdog"] is True
    run.of_plant["PLC/Watchdog"] = True
    plc = run.state()["plc"]
    assert plc["watchdog"] is False
    assert [i["name"] for i in plc["interlocks"] if i["active"]] == ["scrub_within_acid"]


def test_readings_are_fractions_that_age_with_plant_time(run):
    readings = {reading["place"]: reading for reading in run.state()["readings"]}
    assert readings["stage 5"]["stage"] == 5
    assert readings["stage 5"]["age_h"] == pytest.approx(0.5)
    assert readings["cepr"]["stage"] is None
    assert readings["cepr"]["quality"] == "stale"
    for reading in readings.values():
        assert sum(reading["fraction"].values()) == pytest.approx(1.0, abs=1e-5)
        assert set(reading["sigma"]) == {"Ce", "Pr", "Nd"}
    run.of_plant["PLC/Time"] = (HOURS + 1.0) * 3600.0
    assert run.state()["readings"][0]["age_h"] == pytest.approx(1.5)
    assert run.state()["analyzer"]["place"] == "cepr"


def test_the_profile_has_an_entry_per_stage(run):
    profile = run.state()["profile"]
    for phase in ("aqueous", "organic"):
        assert set(profile[phase]) == set(run.plant.circuit.elements)
        assert all(len(row) == run.plant.circuit.stages for row in profile[phase].values())
    assert len(profile["pH"]) == len(profile["free_extractant"]) == run.plant.circuit.stages


def test_upsets_that_have_begun_are_listed(run):
    upsets = {upset["name"]: upset for upset in run.state()["upsets"]}
    assert set(upsets) == {"feed_nd_high", "acid_weak"}
    assert upsets["feed_nd_high"]["active"] is True
    assert upsets["feed_nd_high"]["to_h"] is None
    assert upsets["acid_weak"]["active"] is False


def test_alarms_pass_as_operate_tells_them(run):
    state = run.state()
    assert state["alarms"] == [alarm_row()]
    assert state["alarm_figures"]["standing"] == 1


def test_what_the_servers_do_not_tell_is_a_dash(run):
    for path in list(run.of_plant):
        run.of_plant[path] = math.nan
    run.of_operate.clear()
    state = run.state()
    assert state["profile"] is None
    assert state["alarm_figures"] is None
    assert state["plc"] is None
    assert state["levers"]["organic_flow"]["setpoint"] is None
    assert state["products"]["nd"]["margin_decades"] is None


def test_a_real_plant_shows_what_its_analyzer_sees():
    run = FakeRun(virtual=False)
    hello = json.loads(run.source.hello(LOCAL))
    assert hello["plant"]["virtual"] is False
    assert hello["plant"]["upsets"] == hello["plant"]["speeds"] == []
    state = run.state()
    assert (state["run"], state["speed"], state["profile"]) == ("running", 1.0, None)
    cepr = state["products"]["cepr"]
    assert cepr["purity"] == cepr["lab"]["purity"], "its only reading is stale, its assay is not"
    run.of_operate["Readings"] = run.of_operate["Readings"].replace('"stale"', '"good"')
    assert 0.99 < run.state()["products"]["cepr"]["purity"] < 1.0


def test_a_nonsense_text_of_json_is_no_crash(run):
    for path in ("Readings", "Assays", "Targets", "Alarms/Standing", "Alarms/Figures"):
        run.of_operate[path] = "{"
    run.of_plant["Upsets/Table"] = '[1, {"name": "x"}]'
    assert run.state()["readings"] == []
    assert run.state()["upsets"] == []


def test_hello_names_the_visitor_and_carries_the_trend(run):
    rows = {"t_h": [1.0, 2.0], "cepr_impurity": [1e-4, None], "organic_flow": [14.0, 14.1]}
    run.source.take(PageNews(rows=rows, events=(), span=(0.0, 7200.0)))
    hello = json.loads(run.source.hello(LOCAL))
    assert hello["session"]["user"] == "local"
    assert "alarm_suppress" in hello["session"]["can"]
    assert hello["session"]["login"] is False
    assert hello["trend"]["t_h"] == [1.0, 2.0]
    assert hello["trend"]["cepr_impurity"] == [1e-4, None]
    assert hello["trend"]["nd_lab_impurity"] == [None, None]
    assert hello["history"] == {"from_h": 0.0, "to_h": 2.0}
    assert hello["nominal_profile"] == {"aqueous": {"Ce": [1.0]}, "organic": {}}
    assert hello["plant"]["nominal_reagents_per_t_reo"] == {"NH3": 0.5}
    assert hello["horizon_h"] == 720.0


def test_news_become_messages_once(run):
    note = event("mode", "Mode: manual", "info", 3600.0)
    news = PageNews(rows={"t_h": [1.0]}, events=(note,), span=(0.0, 3600.0))
    trend, told = (json.loads(text) for text in run.source.take(news))
    assert trend["type"] == "trend"
    assert trend["columns"]["t_h"] == [1.0]
    assert told == note
    assert [json.loads(t)["type"] for t in run.source.take(news)] == ["event"], "rows are known"


def test_there_is_a_plant_once_both_servers_have_told(run):
    assert run.source.ready
    for tags, path in (
        (run.of_operate, "Mode/Current"),
        (run.of_operate, "Levers/acid_flow/Nominal"),
    ):
        kept = tags.pop(path)
        assert not run.source.ready
        tags[path] = kept
    run.processes[1]["state"] = "restarting"
    assert "operate" in json.loads(run.source.waiting())["text"]


def test_a_trend_keeps_its_last_rows_and_passes_over_old_ones():
    trend = TrendText(("a",), most=3)
    assert trend.append({"t_h": [1.0, 2.0], "a": [1.0, math.nan]}) == '{"t_h":[1,2],"a":[1,null]}'
    assert trend.append({"t_h": [2.0, 3.0], "a": [9.0, 3.0]}) == '{"t_h":[3],"a":[3]}'
    assert trend.append({"t_h": [3.0]}) is None
    trend.append({"t_h": [4.0]})
    assert json.loads(trend.text()) == {"t_h": [2, 3, 4], "a": [None, 3, None]}


@pytest.mark.parametrize("value", [0.0, -1.5, 1e-12, 123456.789, 1e22, 1 / 3])
def test_numbers_of_the_trend_are_json(value):
    assert json.loads(number_text(value)) == pytest.approx(value, rel=1e-7)


def test_a_view_tells_numbers_from_what_is_none():
    view = TagView({"a": 1, "b": True, "c": "x", "d": math.inf, "e": (1.0, math.nan)}.get)
    assert view.number("a") == 1.0
    assert view.number("b") is view.number("c") is view.number("d") is view.number("z") is None
    assert view.flag("b") is True
    assert view.numbers("e") == [1.0, None]
    assert view.numbers("a") is None


def test_what_json_cannot_carry_becomes_null():
    message = {"a": [math.nan, 1.0], "b": math.inf}
    assert clean(message) == {"a": [None, 1.0], "b": None}
    assert json.loads(encode(message, c="[1]")) == {"a": [None, 1.0], "b": None, "c": [1]}


def test_the_speed_a_run_began_with_is_offered():
    assert 1234.0 in speeds(1234.0)
    assert speeds(600.0) == sorted(page_messages.SPEEDS)
