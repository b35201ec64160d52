"""What the page is told: complete, plain JSON, as docs/reference/page-messages.md says."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from raffinate.runtime import page_messages
from raffinate.runtime.loop import PlantRun
from raffinate.runtime.messages import Note
from running_plants import new_run

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs/reference/page-messages.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def run() -> PlantRun:
    found = new_run(14.0)
    found.twin.begin_upset("feed_nd_high")
    found.run_to_end()
    return found


def documented(heading: str) -> set[str]:
    """Return the keys in the tables under a heading."""
    part = DOCUMENT.split(f"### `{heading}`", 1)[1].split("\n### ", 1)[0]
    rows = re.findall(r"^\| ((?:`[^`]+`(?:, )?)+) \|", part, flags=re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`([^`]+)`", row)}


def test_messages_are_plain_json(run):
    messages = (
        page_messages.starting(),
        page_messages.hello(run, 600.0),
        page_messages.state(run, 600.0, "running"),
        page_messages.trend(run, 3),
        page_messages.event(run.history.notes[-1]),
    )
    for message in messages:
        assert json.loads(json.dumps(message, allow_nan=False)) == message


def test_a_state_has_the_documented_keys(run):
    state = page_messages.state(run, 600.0, "running")
    assert set(state) - {"type"} == documented("state")


def test_hello_has_the_documented_keys(run):
    hello = page_messages.hello(run, 600.0)
    assert set(hello) - {"type"} | set(hello["plant"]) == documented("hello")


def test_a_first_state_has_dashes_and_no_crash():
    early = new_run(1.0)
    state = page_messages.state(early, 0.0, "paused")
    json.dumps(state, allow_nan=False)
    for product in state["products"].values():
        assert product["purity"] is None
        assert product["lab"] is None
        assert product["recovery"] is None
        assert product["in_spec"] is True
    assert all(lever["measured"] is None for lever in state["levers"].values())
    assert state["analyzer"] is None


def test_rules_read_as_sentences(run):
    state = page_messages.state(run, 600.0, "running")
    assert state["rules"]
    for rule in state["rules"]:
        assert "_" not in rule["text"]
        assert re.match(r"if (inventory|bluntness) is .* and trend is .* then", rule["text"])


def test_the_profile_has_an_entry_per_stage(run):
    profile = page_messages.state(run, 600.0, "running")["profile"]
    count = run.plant.circuit.stages
    for phase in ("aqueous", "organic"):
        assert set(profile[phase]) == set(run.plant.circuit.elements)
        assert all(len(values) == count for values in profile[phase].values())
    assert len(profile["pH"]) == len(profile["free_extractant"]) == count


def test_readings_are_fractions_at_monitored_stages_and_products(run):
    readings = page_messages.state(run, 600.0, "running")["readings"]
    stages = {reading["stage"] for reading in readings}
    assert stages == {stage + 1 for stage in run.plant.analyzer.monitored_stages} | {None}
    for reading in readings:
        assert sum(reading["fraction"].values()) == pytest.approx(1.0)
        assert 0.0 <= reading["age_h"] < 1.0


def test_the_speed_a_run_began_with_is_offered(run):
    assert 1234.0 in page_messages.hello(run, 1234.0)["plant"]["speeds"]


def test_an_active_upset_is_listed_without_an_end(run):
    (upset,) = page_messages.state(run, 600.0, "running")["upsets"]
    assert upset["name"] == "feed_nd_high"
    assert upset["active"] is True
    assert upset["to_h"] is None


def test_recovery_is_a_share(run):
    shares = [
        page_messages.state(run, 0.0, "paused")["products"][n]["recovery"]
        for n in run.plant.products
    ]
    assert all(0.99 < share <= 1.0 for share in shares)


def test_what_json_cannot_carry_becomes_null():
    assert page_messages.clean({"a": [math.nan, 1.0], "b": math.inf}) == {
        "a": [None, 1.0],
        "b": None,
    }


def test_a_note_becomes_an_event():
    note = Note(time=5400.0, kind="alarm", text="x", priority="high")
    assert page_messages.event(note) == {
        "type": "event",
        "t_h": 1.5,
        "kind": "alarm",
        "text": "x",
        "priority": "high",
    }
