"""Plants of many circuits in time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.network_plants import CUTS, TWO_BANKS, bent

from plant_variants import SMALL, restaged
from raffinate.errors import DataError, SpecificationError
from raffinate.plant.events import Event
from raffinate.plant.network import CutFlows
from raffinate.plant.network_events import (
    door_unit,
    inputs_at,
    network_at,
    network_event_names,
    parse_network_event,
)
from raffinate.plant.network_levers import at_state
from raffinate.plant.network_simulate import simulate_network
from raffinate.plant.network_simulate_state import read_network_state, write_network_state
from raffinate.plant.network_solve import solve_network
from raffinate.plant.network_wrap import network_of_plant
from raffinate.plant.simulate import simulate
from raffinate.plant.steady import solve_steady

HOUR = 3600.0

STRONGER = "feed.chloride.Nd*=1.1@1h"


@pytest.fixture(scope="module")
def two():
    network = bent(TWO_BANKS, ("kind: tank,", "kind: tank, residence_h: 2.0,"))
    return network, solve_network(network)


@pytest.fixture(scope="module")
def iron():
    network = bent(CUTS)
    state = solve_network(network)
    return at_state(network, state), state


def events(network, *texts):
    return [parse_network_event(text, network) for text in texts]


def last(trajectory):
    return {name: rows[-1] for name, rows in trajectory.streams.items()}


def test_a_network_at_rest_stays_there(two):
    network, state = two
    moved = simulate_network(network, 100.0 * HOUR, nominal=state, interval=10.0 * HOUR)
    for name, rows in moved.streams.items():
        scale = np.abs(state.streams[name].amount).max()
        np.testing.assert_allclose(
            rows, np.tile(state.streams[name].amount, (11, 1)), atol=1e-8 * scale, err_msg=name
        )
    assert moved.balance_error < 1e-12
    assert set(moved.balance) >= {"Ce", "Nd", "ammonium", "chloride", "volume"}


def test_the_next_steady_state_is_met_through_tank_and_recycle(two):
    """What the integration ends at is what a steady solve of the changed plant finds."""
    network, state = two
    changes = events(network, STRONGER, "second.organic_per_feed*=1.05@30h")
    after = solve_network(network_at(network, inputs_at(network, changes, 31.0 * HOUR)))
    moved = simulate_network(network, 600.0 * HOUR, changes, nominal=state, interval=10.0 * HOUR)
    far = max(
        np.abs(rows[-1] - rows[0]).max() / np.abs(rows[0]).max() for rows in moved.streams.values()
    )
    assert far > 0.02, "else this would test nothing"
    for name, found in last(moved).items():
        wanted = after.streams[name].amount
        np.testing.assert_allclose(found, wanted, atol=1e-8 * np.abs(wanted).max(), err_msg=name)
    assert moved.balance_error < 1e-11


def test_the_course_does_not_depend_on_the_steps(two):
    """Default tolerance against a hundredth of it, through the first hours after an upset."""
    network, state = two
    changes = events(network, STRONGER)
    courses = [
        simulate_network(
            network,
            12.0 * HOUR,
            changes,
            nominal=state,
            interval=0.5 * HOUR,
            tolerance=tolerance,
        )
        for tolerance in (1e-3, 1e-5)
    ]
    assert courses[1].times > 3 * courses[0].times
    for name in network.products:
        rough, fine = (course.impurity[name] for course in courses)
        np.testing.assert_allclose(rough, fine, rtol=5e-4, err_msg=name)
        assert abs(fine[-1] / fine[0] - 1.0) > 1e-3


def test_one_circuit_moves_as_a_plant_of_one_circuit(default_plant):
    """Whose trajectories are held against SciPy: same vessels, same flows, same upset."""
    plant = restaged(default_plant, SMALL)
    operation = plant.operation()
    network = network_of_plant(plant)
    flows = CutFlows(
        organic=operation.organic_flow,
        acid=operation.acid_flow,
        draw=operation.acid_flow - operation.scrub_flow,
    )
    network = replace(network, units=(replace(network.circuits[0], flows=flows),))
    state = solve_network(network)
    sized = state.circuits["circuit"].circuit
    sections = tuple(
        replace(
            own,
            mixer=other.mixer,
            settler_organic=other.settler_organic,
            settler_aqueous=other.settler_aqueous,
            recycle=other.recycle,
        )
        for own, other in zip(plant.circuit.sections, sized.sections, strict=True)
    )
    circuit = replace(plant.circuit, sections=sections, organic_tank=sized.organic_tank)
    same = replace(plant, circuit=circuit)
    upset = Event(name="organic_flow", how="*=", value=0.97, begin=1.0 * HOUR)
    times = {"interval": 2.0 * HOUR, "tolerance": 1e-5}
    own = simulate(same, 30.0 * HOUR, [upset], nominal=solve_steady(same), **times)
    upset = replace(upset, name="circuit.organic_flow")
    moved = simulate_network(network, 30.0 * HOUR, [upset], nominal=state, **times)
    for name, impurity in own.impurity.items():
        np.testing.assert_allclose(moved.impurity[name], impurity, rtol=2e-5, err_msg=name)
        assert abs(impurity[-1] / impurity[0] - 1.0) > 1e-2


@pytest.mark.parametrize("split", [7.5, 10.0, 20.0])
def test_a_split_run_ends_in_the_same_bits(two, tmp_path, split):
    """Split where nothing happens, at an event, and within a lasting one, through a file."""
    network, state = two
    changes = events(network, "feed.chloride.Nd*=1.1@2h..5h", "feed.chloride.flow*=1.1@10h..30h")
    options = {"nominal": state, "interval": 0.5 * HOUR}
    whole = simulate_network(network, 26.0 * HOUR, changes, **options)
    first = simulate_network(network, split * HOUR, changes, **options)
    write_network_state(tmp_path / "half.npz", first.state)
    half = read_network_state(tmp_path / "half.npz", network, state)
    later = simulate_network(network, (26.0 - split) * HOUR, changes, start=half, **options)
    _, ours, theirs = np.intersect1d(later.time[1:], whole.time, return_indices=True)
    assert len(ours) > 5
    for name in network.products:
        again, once = later.impurity[name][1:][ours], whole.impurity[name][theirs]
        assert again.tobytes() == once.tobytes(), name
    assert later.steps == whole.steps
    assert later.balance_error < 1e-11


def test_a_state_of_another_plant_is_refused(two, iron, tmp_path):
    network, state = two
    moved = simulate_network(network, HOUR, nominal=state)
    write_network_state(tmp_path / "state.npz", moved.state)
    with pytest.raises(DataError, match="two_banks"):
        read_network_state(tmp_path / "state.npz", *iron)
    other = bent(TWO_BANKS, ("kind: tank,", "kind: tank, residence_h: 3.0,"))
    with pytest.raises(SpecificationError, match="vessels and constants"):
        simulate_network(other, HOUR, nominal=state, start=moved.state)


def test_iron_builds_up_as_its_equation_says_and_all_metals_balance(iron):
    """Twice the iron: the organic fills towards twice of it, with V/(b Q) as its time."""
    network, state = iron
    changes = events(network, "feed.chloride.Fe*=2@0h")
    moved = simulate_network(network, 40.0 * HOUR, changes, nominal=state, interval=HOUR)
    unit, rest = network.circuits[0], state.circuits["ce_nd"]
    course = moved.stuck["ce_nd.Fe"]
    before = rest.loop.concentration[0]
    assert course[0] == pytest.approx(before, rel=1e-12)
    circuit = rest.circuit
    organic = circuit.organic_tank
    organic += sum(section.stages * section.settler_organic for section in circuit.sections)
    organic += sum(
        section.stages * section.mixer * share / (1.0 + share)
        for section, share in zip(circuit.sections, _ratios(circuit), strict=True)
    )
    rate = unit.organic.bleed * circuit.organic_flow / organic
    wanted = before * (2.0 - np.exp(-rate * moved.time))
    np.testing.assert_allclose(course, wanted, rtol=2e-5)
    assert course[-1] == pytest.approx(wanted[-1], rel=1e-9)
    assert moved.balance["Fe"] < 1e-12
    assert moved.balance_error < 1e-11


def _ratios(circuit):
    """Organic to aqueous in the first mixer of every section; all of one section are alike."""
    from raffinate.plant.arrays import mixer_ratios

    firsts = np.cumsum([0, *(section.stages for section in circuit.sections)])[:-1]
    return mixer_ratios(circuit)[firsts]


def test_iron_that_fills_the_organic_is_refused(iron):
    network, state = iron
    with pytest.raises(SpecificationError, match="Fe reaches") as caught:
        simulate_network(
            network, 900.0 * HOUR, events(network, "feed.chloride.Fe*=8@0h"), nominal=state
        )
    assert "Bleed more" in caught.value.mend


def test_tanks_without_a_size_are_told(two):
    network = bent(TWO_BANKS)
    moved = simulate_network(network, HOUR)
    assert moved.assumed_tanks == ("tank",)
    assert simulate_network(two[0], HOUR, nominal=two[1]).assumed_tanks == ()


def test_a_larger_tank_is_slower(two):
    network, state = two
    large = bent(TWO_BANKS, ("kind: tank,", "kind: tank, residence_h: 20.0,"))
    moved = [
        simulate_network(each, 6.0 * HOUR, events(each, STRONGER), nominal=state, interval=HOUR)
        for each in (network, large)
    ]
    quick, slow = (course.streams["tank"][-1, 1] / course.streams["tank"][0, 1] for course in moved)
    assert quick > 1.03
    assert 1.0 < slow < 1.02


def test_events_are_read_in_the_units_of_the_door(two):
    network, _ = two
    changes = events(network, "feed.chloride.flow+=0.5@1h", "first.saponification_degree=0.3@2h")
    before, after = (inputs_at(network, changes, time * HOUR) for time in (1.5, 3.0))
    assert before == {"feed.chloride.flow": pytest.approx(2.5 / HOUR)}
    assert after["first.saponification_degree"] == 0.3
    assert door_unit("first.strip.acid_concentration") == ("mol/L", 1e3)
    assert door_unit("feed.chloride.Nd") == ("mol/L", 1e3)
    assert door_unit("first.organic_per_feed") == ("", 1.0)
    names = network_event_names(network)
    assert "feed.chloride.Nd" in names
    assert not any("efficiency" in name or "constant" in name for name in names)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("feed.chloride.Pr*=2@1h", "cannot be changed"),
        ("first.extraction.efficiency=0.5@1h", "cannot be changed"),
        ("feed.chloride.Nd*=2", "is no event"),
    ],
)
def test_what_cannot_change_is_refused(two, text, said):
    with pytest.raises(SpecificationError, match=said):
        parse_network_event(text, two[0])


def test_an_event_below_nothing_is_refused(two):
    network, state = two
    with pytest.raises(SpecificationError, match="would become -"):
        simulate_network(
            network, 2.0 * HOUR, events(network, "feed.chloride.Nd+=-9@1h"), nominal=state
        )


@pytest.mark.parametrize("duration", [0.0, -1.0, float("nan")])
def test_a_duration_of_nothing_is_refused(two, duration):
    with pytest.raises(SpecificationError, match="duration"):
        simulate_network(two[0], duration, nominal=two[1])


def test_the_table_has_every_product(two):
    network, state = two
    table = simulate_network(network, 2.0 * HOUR, nominal=state, interval=HOUR).to_dataframe()
    assert list(table["time_h"]) == [0.0, 1.0, 2.0]
    assert {"ce_impurity", "ce_reo_kg_per_h", "nd_impurity"} <= set(table.columns)
    assert table["nd_reo_kg_per_h"][0] == pytest.approx(state.products["nd"].reo_flow * HOUR)
