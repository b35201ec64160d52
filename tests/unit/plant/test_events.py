"""Events: how they are written, what they change, when."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.chemistry.elements import molar_masses, oxide_molar_masses
from raffinate.errors import SpecificationError
from raffinate.plant.events import apply_events, change_times, event_names, parse_event

ELEMENTS = ("Ce", "Pr", "Nd")
HOUR = 3600.0


@pytest.mark.parametrize(
    ("text", "how", "value", "begin", "end"),
    [
        ("scrub_flow=0@24h", "=", 0.0, 24.0, np.inf),
        ("scrub_flow=0@24h..28h", "=", 0.0, 24.0, 28.0),
        ("organic_flow+=0.5@30min", "+=", 0.5, 0.5, np.inf),
        ("organic_flow += -0.5 @ 30min .. 1.5h", "+=", -0.5, 0.5, 1.5),
        ("acid_flow*=1.1@1.5h..2.5h", "*=", 1.1, 1.5, 2.5),
        ("feed.flow*=9e-1@2d", "*=", 0.9, 48.0, np.inf),
        ("feed.nd_mass_fraction=0.4213@90s", "=", 0.4213, 0.025, np.inf),
    ],
)
def test_every_form_is_read(text, how, value, begin, end):
    event = parse_event(text, ELEMENTS)
    assert (event.how, event.value) == (how, value)
    assert event.begin / HOUR == pytest.approx(begin)
    assert event.end / HOUR == pytest.approx(end)


@pytest.mark.parametrize("name", event_names(ELEMENTS))
def test_an_event_is_written_as_it_is_read(name):
    event = parse_event(f"{name}*=1.25@3h..5h", ELEMENTS)
    assert parse_event(str(event), ELEMENTS) == event


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scrub_flow", "is no event"),
        ("scrub_flow=1", "is no event"),
        ("scrub_flow=1@3h..", "is no event"),
        ("scrub_flaw=1@3h", "Did you mean 'scrub_flow'"),
        ("feed.la_mass_fraction=0.1@3h", "cannot be changed"),
        ("scrub_flow=much@3h", "'much' is no number"),
        ("scrub_flow=nan@3h", "'nan' is no number"),
        ("scrub_flow=1e400@3h", "is no number"),
        ("scrub_flow=1@3", "'3' is no time"),
        ("scrub_flow=1@-3h", "'-3h' is no time"),
        ("scrub_flow=1@3h..2h", "an end after the beginning"),
        ("scrub_flow=1@3h..3h", "an end after the beginning"),
    ],
)
def test_what_is_no_event_is_refused(text, message):
    with pytest.raises(SpecificationError, match=message):
        parse_event(text, ELEMENTS)


@pytest.fixture
def operation(default_plant):
    return default_plant.operation()


def at(operation, time_h, *texts):
    events = [parse_event(text, ELEMENTS) for text in texts]
    return apply_events(operation, events, time_h * HOUR, ELEMENTS)


def test_an_event_acts_from_its_beginning_until_before_its_end(operation):
    flows = [at(operation, t, "scrub_flow=2@1h..3h").scrub_flow for t in (0.999, 1.0, 2.999, 3.0)]
    assert flows == [operation.scrub_flow, 2.0 / HOUR, 2.0 / HOUR, operation.scrub_flow]


def test_events_act_in_the_order_given(operation):
    changed = at(operation, 2.0, "organic_flow=10@1h", "organic_flow+=2@1h", "organic_flow*=0.5@1h")
    assert changed.organic_flow * HOUR == pytest.approx(6.0)


def test_units_of_the_door_become_si(operation):
    changed = at(operation, 1.0, "acid.hcl_mol_per_L=4@0h", "feed.reo_g_per_L=180@0h")
    assert changed.acid_concentration == pytest.approx(4000.0)
    assert changed.feed_reo == pytest.approx(180.0)


def test_a_feed_event_keeps_total_reo_and_rescales_the_others(operation):
    changed = at(operation, 1.0, "feed.nd_mass_fraction=0.4213@0h")
    before, after = operation.feed_mass_fraction, changed.feed_mass_fraction
    assert after[2] == pytest.approx(0.4213)
    assert after.sum() == pytest.approx(1.0)
    assert after[0] / after[1] == pytest.approx(before[0] / before[1])
    oxides = np.array(oxide_molar_masses(ELEMENTS))
    concentration = changed.feed_concentration(ELEMENTS)
    assert concentration @ oxides == pytest.approx(operation.feed_concentration(ELEMENTS) @ oxides)
    metal = concentration * np.array(molar_masses(ELEMENTS))
    np.testing.assert_allclose(metal / metal.sum(), after)


@pytest.mark.parametrize(
    "text",
    ["scrub_flow+=-100@0h", "feed.nd_mass_fraction=1.2@0h", "feed.nd_mass_fraction+=-1@0h"],
)
def test_an_impossible_value_is_refused_when_it_would_act(operation, text):
    with pytest.raises(SpecificationError, match="Allowed: 0"):
        at(operation, 1.0, text)


def test_a_feed_of_one_element_cannot_be_diluted_with_nothing(operation):
    with pytest.raises(SpecificationError, match="no other element"):
        at(operation, 1.0, "feed.nd_mass_fraction=1@0h", "feed.nd_mass_fraction=0.5@0h")


def test_change_times_are_sorted_and_inside(operation):
    texts = ["scrub_flow=0@5h..9h", "scrub_flow=0@0h..3h", "organic_flow=3@5h"]
    events = [parse_event(text, ELEMENTS) for text in texts]
    assert change_times(events, 8.0 * HOUR) == (3.0 * HOUR, 5.0 * HOUR)
