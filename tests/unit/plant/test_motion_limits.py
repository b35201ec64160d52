"""Inversion and flooding as events that a plant goes on through."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml

from plant_variants import SMALL, default_text, restaged
from raffinate.cascade.dynamic_record import Record
from raffinate.errors import DataError, SpecificationError
from raffinate.plant.arrays import MIXER_RATIO, problem_of, streams_of, vessels_of
from raffinate.plant.events import Event
from raffinate.plant.motion import PlantMotion
from raffinate.plant.motion_hydraulics import moving_vessels
from raffinate.plant.motion_limits import (
    LimitWatch,
    continuous_at_rest,
    not_yet,
    standing_after,
    with_shares,
)
from raffinate.plant.plant_file import parse_plant
from raffinate.plant.settler_hydraulics import InvertedShares, SettlerHydraulics
from raffinate.plant.simulate import simulate
from raffinate.plant.simulate_state import read_state, write_state
from raffinate.plant.steady import solve_steady
from raffinate.units import HOUR

DESIGN = SettlerHydraulics(
    area=8.0,
    overflow_time=60.0,
    density_ratio=0.80,
    flooding_flow=4.0 / HOUR,
    at_limits="go_on",
    continuous_phase="aqueous",
    inverted=InvertedShares(entrained_organic=0.02, entrained_aqueous=0.01),
)
COUNT = sum(SMALL)


def designed(plant, **changed):
    circuit = replace(plant.circuit, hydraulics=replace(DESIGN, **changed))
    return replace(plant, circuit=circuit)


@pytest.fixture(scope="module")
def plant(default_plant):
    return designed(restaged(default_plant, SMALL))


@pytest.fixture(scope="module")
def watch(plant):
    vessels = moving_vessels(plant.circuit, problem_of(plant.circuit))
    return LimitWatch(plant.circuit, vessels), vessels


def record_of(vessels, ratios, depths):
    """Return a record of one stage's ratio and depth in time, the others at rest, a row an hour."""
    size, rows = len(vessels.active), len(ratios)
    mixer = np.asarray(vessels.hydraulics.mixer)
    at_rest = np.stack(
        [
            np.asarray(vessels.mixer_aqueous),
            *np.asarray([vessels.settler_aqueous, vessels.settler_organic]),
        ],
        axis=-1,
    )
    table = np.zeros((33, size, 3))
    table[:rows] = at_rest
    table[:rows, 2, 0] = mixer[2] / (1.0 + np.asarray(ratios))
    table[:rows, 2, 2] *= np.asarray(depths)
    nothing = np.zeros((33, size, 1))
    return Record(
        filled=np.int64(rows - 1),
        time=HOUR * np.arange(33.0),
        aqueous=nothing,
        organic=nothing,
        aqueous_rate=nothing,
        organic_rate=nothing,
        acidity=nothing,
        middle=nothing,
        volumes=table,
        volume_rate=np.zeros_like(table),
    )


def told(watch, ratios, depths=None, *, organic=False):
    finds, vessels = watch
    record = record_of(vessels, ratios, np.ones(len(ratios)) if depths is None else depths)
    size = len(vessels.active)
    return finds.events(record, np.full(size, organic), not_yet(size), begins=True)


def test_a_mixer_inverts_where_its_continuous_phase_becomes_the_rare_one(watch):
    (event,) = told(watch, [1.5, 2.0, 4.0, 4.0])
    assert (event.what, event.stage, event.section) == ("inversion", 3, "extraction")
    assert HOUR < event.time < 2.0 * HOUR
    assert event.limit == MIXER_RATIO[1]
    assert event.value == pytest.approx(3.0, rel=1e-3)
    (event,) = told(watch, [1.5, 0.5, 0.2], organic=True)
    assert (event.what, event.limit) == ("inversion", MIXER_RATIO[0])
    assert event.value == pytest.approx(1.0 / 3.0, rel=1e-3)


def test_with_the_abundant_phase_continuous_a_mixer_only_leaves_its_range_and_comes_back(watch):
    left, back = told(watch, [1.5, 4.0, 4.0, 2.0], organic=True)
    assert (left.what, back.what) == ("out_of_range", "back_in_range")
    assert left.time < HOUR
    assert 2.0 * HOUR < back.time < 3.0 * HOUR
    assert left.limit == back.limit == MIXER_RATIO[1]
    assert back.value == pytest.approx(0.99 * MIXER_RATIO[1], rel=1e-3)


def test_a_ratio_that_trembles_about_its_limit_is_one_event(watch):
    (left,) = told(watch, [1.5, 3.01, 2.98, 3.01, 2.99], organic=True)
    assert left.what == "out_of_range"


def test_a_ratio_that_leaps_over_the_whole_range_inverts(watch):
    left, turned = told(watch, [1.5, 4.0, 0.2], organic=True)
    assert (left.what, turned.what) == ("out_of_range", "inversion")
    assert turned.limit == MIXER_RATIO[0]


def test_a_settler_floods_and_recovers(watch):
    begun, over = told(watch, [1.5, 1.5, 1.5, 1.5], [1.0, 1.2, 1.2, 1.0])
    assert (begun.what, over.what) == ("flooding", "flooding_over")
    assert begun.value == pytest.approx(DESIGN.flooding_flow, rel=1e-3)
    assert "flooding of stage 3, extraction, at" in str(begun)
    assert "4 m³/m²/h, limit 4" in str(begun)
    standing = standing_after(not_yet(8), [begun])
    assert standing.flooded[2]
    assert not standing_after(standing, [over]).flooded.any()


def test_what_is_beyond_a_limit_from_the_start_is_said_at_once(watch):
    (event,) = told(watch, [4.0, 4.0], organic=True)
    assert (event.what, event.time) == ("out_of_range", 0.0)


def test_inverted_stages_entrain_their_own_shares_but_the_last_washes_its_organic(plant):
    streams = streams_of(plant.circuit)
    clean = with_shares(streams, plant.circuit, np.zeros(8, dtype=bool))
    assert not np.any(clean.entrainment)
    turned = np.zeros(8, dtype=bool)
    turned[[1, COUNT - 1]] = True
    shares = with_shares(streams, plant.circuit, turned).entrainment
    np.testing.assert_array_equal(np.flatnonzero(shares.organic), [1, COUNT - 1])
    np.testing.assert_array_equal(np.flatnonzero(shares.aqueous), [1])
    assert (shares.organic[1], shares.aqueous[1]) == (0.02, 0.01)


def test_the_abundant_phase_is_continuous_unless_the_plant_says(plant):
    vessels = vessels_of(plant.circuit)
    unsaid = designed(plant, continuous_phase=None).circuit
    organic = np.asarray(vessels.mixer_organic) > np.asarray(vessels.mixer_aqueous)
    np.testing.assert_array_equal(continuous_at_rest(unsaid, vessels), organic)
    assert not continuous_at_rest(plant.circuit, vessels).any()


@pytest.mark.parametrize("given", [{"continuous_phase": "organic"}, {"inverted": DESIGN.inverted}])
def test_what_belongs_to_inversion_is_refused_where_inversion_is(given):
    unsaid = {"continuous_phase": None, "inverted": None}
    with pytest.raises(SpecificationError, match="inversion is refused"):
        replace(DESIGN, at_limits="refuse", **{**unsaid, **given})


def test_a_share_that_is_none_is_refused():
    with pytest.raises(SpecificationError, match=r"entrained_aqueous is 0\.5"):
        InvertedShares(entrained_organic=0.0, entrained_aqueous=0.5)


def test_a_plant_file_says_what_happens_at_the_limits():
    document = yaml.safe_load(default_text())
    document["hydraulics"] = {
        "settler_area_m2": 8.0,
        "overflow_s": 60.0,
        "density_ratio": 0.8,
        "flooding_m3_per_m2_h": 4.0,
        "at_limits": "go_on",
        "continuous_phase": "aqueous",
        "inverted": {"entrained_organic": 0.02, "entrained_aqueous": 0.01},
        "source": next(iter(document["sources"])),
    }
    assert parse_plant(yaml.safe_dump(document)).circuit.hydraulics == DESIGN
    document["hydraulics"]["at_limits"] = "ignore"
    with pytest.raises(DataError, match="at_limits"):
        parse_plant(yaml.safe_dump(document))


@pytest.mark.slow
def test_a_plant_goes_on_through_inversion_and_flooding(plant, tmp_path):
    """Twice the organic for an hour: stages invert and stay so, settlers flood and recover."""
    rest = solve_steady(plant)
    events = [Event(name="organic_flow", how="*=", value=1.9, begin=0.25 * HOUR, end=1.25 * HOUR)]
    path = simulate(plant, 2.5 * HOUR, events, nominal=rest, interval=0.25 * HOUR)
    seen = {
        what: sorted(event.stage for event in path.state.limits if event.what == what)
        for what in ("inversion", "flooding", "flooding_over")
    }
    assert seen["inversion"], "some mixer inverts"
    assert seen["flooding"], "some settler floods"
    assert seen["flooding_over"] == seen["flooding"]
    times = [event.time for event in path.state.limits]
    assert times == sorted(times)
    assert times[0] > 0.25 * HOUR
    turned = [event for event in path.state.limits if event.what == "inversion"]
    assert all(event.value == pytest.approx(3.0, rel=1e-3) for event in turned)
    continuous = np.asarray(path.state.end.motion.organic_continuous)
    stands = (np.flatnonzero(continuous) + 1).tolist()
    assert stands == seen["inversion"], "between 1:3 and 3:1 it stays what it has become"
    entrained = np.asarray(path.state.streams.entrainment.organic)
    np.testing.assert_array_equal(entrained, np.where(continuous, 0.02, 0.0))
    assert path.balance_error < 1e-12
    write_state(tmp_path / "state.npz", path.state)
    state = read_state(tmp_path / "state.npz", plant)
    np.testing.assert_array_equal(state.end.motion.organic_continuous, continuous)
    motion = PlantMotion(plant, state)
    motion.advance(plant.operation(), 0.25 * HOUR)
    assert motion.check() < 1e-12


@pytest.mark.slow
def test_an_organic_tank_that_runs_dry_is_refused_with_the_moment(plant):
    """The pump takes 13 m³/h more than returns; no organic may come from nowhere."""
    small = replace(plant, circuit=replace(plant.circuit, organic_tank=1.0))
    rise = Event(name="organic_flow", how="*=", value=1.9, begin=0.25 * HOUR)
    with pytest.raises(SpecificationError, match=r"ran dry before 0\.\d+ h") as caught:
        simulate(small, HOUR, [rise], nominal=solve_steady(small), interval=HOUR)
    assert caught.value.where == "hydraulics: organic tank"
    assert "larger than 1 m³" in caught.value.mend


@pytest.mark.slow
def test_an_entraining_plant_whose_volumes_move_rests_at_its_steady_state(plant):
    """Within its limits throughout; the composition is that of the steady solver to 1e-8."""
    sections = tuple(
        replace(section, entrained_organic=0.01, entrained_aqueous=0.02)
        for section in plant.circuit.sections
    )
    plant = designed(replace(plant, circuit=replace(plant.circuit, sections=sections)))
    rest = solve_steady(plant)
    motion = PlantMotion(plant, rest)
    motion.advance(plant.operation(), 24.0 * HOUR)
    now = motion.snapshot()
    np.testing.assert_allclose(now.aqueous, rest.aqueous, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(now.organic, rest.organic, rtol=1e-8, atol=1e-9)
    assert motion.limits == ()
    assert motion.check() < 1e-12
