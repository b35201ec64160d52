"""Alarm lists: the shipped one covers every alarm by its matrix; wrong ones are refused."""

from __future__ import annotations

import re
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from raffinate.errors import DataError
from raffinate.plant.plant_file import load_plant
from raffinate.runtime.alarm_definitions import alarm_tags
from raffinate.runtime.alarm_list_file import (
    load_alarm_list,
    parse_alarm_list,
    shipped_alarm_lists,
)

NAME = "alarms_ceprnd_p507"
TEXT = (files("raffinate.data") / f"{NAME}.yaml").read_text(encoding="utf-8")
DOCS = Path(__file__).parents[3] / "docs" / "reference" / "alarms.md"


def test_every_alarm_that_can_be_raised_is_rationalised() -> None:
    listed = load_alarm_list()
    tags = alarm_tags(load_plant("ceprnd_p507"))
    assert len(tags) == len(set(tags)) == 44
    assert [tag for tag in tags if not listed.of(tag).rationalised] == []
    used = {listed.of(tag).tag for tag in tags}
    assert [each.tag for each in listed.definitions if each.tag not in used] == []


def test_priorities_follow_from_the_matrix_and_are_spread_as_the_standard_advises() -> None:
    """Source: ISA-18.2-2016 and IEC 62682, about 5 % high, 15 % medium, 80 % low."""
    listed = load_alarm_list()
    for each in listed.definitions:
        assert each.priority == listed.matrix.priority(each.severity, each.respond_within)
    tags = alarm_tags(load_plant("ceprnd_p507"))
    counts = Counter(listed.of(tag).priority for tag in tags)
    assert counts == {"high": 2, "medium": 7, "low": 35}


def test_the_exact_name_wins_and_then_the_longest_pattern() -> None:
    listed = load_alarm_list()
    assert listed.of("guard.plan_expired").tag == "guard.plan_expired"
    assert listed.of("guard.acid_flow").tag == "guard.*_flow"
    assert listed.of("guard.not_finite").tag == "guard.*"
    assert listed.of("xrf").tag == "xrf"
    assert listed.of("xrf.stage 5").tag == "xrf.*"
    unknown = listed.of("something.else")
    assert (unknown.rationalised, unknown.priority) == (False, "medium")


def test_the_times_to_respond_leave_time_before_the_simulated_harm() -> None:
    """Source: hours to off-spec as simulated, in the sources of the list."""
    listed = load_alarm_list()
    for tag, hours in (
        ("plc.interlock.organic_lost", 0.5),
        ("link.plant", 0.5),
        ("organic_flow.deviation", 9.0),
        ("scrub_flow.deviation", 5.2),
        ("plc.safe", 9.0),
    ):
        assert listed.of(tag).respond_within <= 0.5 * hours * 3600.0


def test_a_list_is_read_by_name_and_by_path(tmp_path: Path) -> None:
    assert NAME in shipped_alarm_lists()
    path = tmp_path / "own.yaml"
    path.write_text(TEXT.replace("name: ceprnd_p507", "name: own"), encoding="utf-8")
    own = load_alarm_list(path)
    assert own.name == "own"
    assert own.definitions == load_alarm_list(NAME).definitions


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("    group: link\n", "    gruop: link\n", "unknown key 'gruop'"),
        ("priority: high\n", "priority: low\n", "high, by the matrix"),
        ("respond_min: 15", "respond_min: 0", "more than 0"),
        ("borders_min: [30, 240]", "borders_min: [240, 30]", "rising"),
        ("minor: [low, low, low]", "minor: [low, low]", "3, one more than there are borders"),
        ("source: simulated\n", "source: simulatd\n", "Did you mean 'simulated'"),
        ("suppressed_by: [link.plant]", "suppressed_by: [link.plnat]", "Did you mean 'link.plant'"),
        ("suppressed_by: [link.plant]", "suppressed_by: [lab.*]", "defines exactly"),
        (
            "    group: link\n    latching: true\n    longest_shelving_h: 1\n",
            "    group: link\n    longest_shelving_h: 1\n    suppressed_by: [xrf]\n",
            "suppresses itself",
        ),
        ("deadband_fraction: 0.2", "deadband_fraction: 1.0", "less than 1"),
        ("format: raffinate-alarms/1", "format: raffinate-plant/1", "raffinate-alarms/1"),
    ],
)
def test_a_list_that_is_wrong_is_refused_with_the_place(old: str, new: str, words: str) -> None:
    assert old in TEXT
    with pytest.raises(DataError, match=re.escape(words)) as refused:
        parse_alarm_list(TEXT.replace(old, new, 1), where="own.yaml")
    assert refused.value.where.startswith("own.yaml")


def test_an_unknown_name_is_told_the_nearest_one() -> None:
    with pytest.raises(DataError, match=NAME):
        load_alarm_list("alarms_ceprnd")


def test_the_documented_table_is_the_shipped_list() -> None:
    text = DOCS.read_text(encoding="utf-8")
    rows = [
        line for line in text.splitlines() if re.match(r"\| `[^`]+` \| (high|medium|low) ", line)
    ]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    documented = [(row[0].strip("`"), *row[1:]) for row in cells]
    expected = [
        (
            each.tag,
            each.priority,
            each.severity,
            f"{each.respond_within / 60.0:g}",
            each.cause,
            each.consequence,
            each.action,
        )
        for each in load_alarm_list().definitions
    ]
    assert documented == expected


def test_the_example_of_ones_own_list_can_be_read() -> None:
    text = DOCS.read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    (only,) = parse_alarm_list(example).definitions
    assert (only.tag, only.priority, only.deadband) == ("organic_flow.deviation", "medium", 0.2)
