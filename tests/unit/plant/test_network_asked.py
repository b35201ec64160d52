"""Purities asked of a network: fronts, banks with nothing left to run with, and refusals."""

from __future__ import annotations

import re

import numpy as np
import pytest

from network_plants import TWO_BANKS, bent
from raffinate.errors import SpecificationError
from raffinate.plant.network_asked import solve_network_for
from raffinate.plant.network_levers import lever_values, with_levers
from raffinate.plant.network_oxides import near_impurities
from raffinate.plant.network_room import room_of
from raffinate.plant.network_solve import solve_network


@pytest.fixture(scope="module")
def network():
    return bent(TWO_BANKS)


@pytest.fixture(scope="module")
def state(network):
    return solve_network(network)


def test_what_is_left_to_draw_is_what_arrives_over_what_is_drawn(network, state):
    room = room_of(network, state, tuple(lever_values(network)))
    left = dict(zip(room.ends, room.left, strict=True))
    # 0.4 and 1.0 volumes of acid arrive, 0.3 and 0.5 are drawn.
    assert left["all the liquor that arrives at first, section strip is drawn"] == pytest.approx(
        np.log(0.4 / 0.3)
    )
    assert left["all the liquor that arrives at second, section strip is drawn"] == pytest.approx(
        np.log(1.0 / 0.5)
    )


def test_slopes_of_what_is_left_are_those_of_the_logarithms(network, state):
    names = tuple(lever_values(network))
    room = room_of(network, state, names)
    row = room.slopes[
        room.ends.index("all the liquor that arrives at first, section strip is drawn")
    ]
    slopes = dict(zip(names, row.tolist(), strict=True))
    assert slopes["first.strip.acid_per_feed"] == pytest.approx(1.0, abs=1e-5)
    assert slopes["first.strip.draw_per_feed"] == pytest.approx(-1.0, abs=1e-5)
    assert slopes["second.organic_per_feed"] == 0.0


def test_acid_that_just_strips_leaves_nothing(network, state):
    """Protons of 5 mol/L of acid and 0.01 of feed to base of 1.5 · 0.36 mol/L of organic."""
    room = room_of(network, state, tuple(lever_values(network)))
    left = dict(zip(room.ends, room.left, strict=True))
    brought = 1.0 * 5.0 + 0.02
    assert left["the acids of second bring no more protons than strip its organic"] == (
        pytest.approx(np.log(brought / (4.0 * 1.5 * 0.36)), abs=1e-3)
    )


def test_impurities_foretold_of_a_small_turn_come(network, state):
    names = tuple(lever_values(network))
    near = near_impurities(network, state, ("ce", "nd"), names)
    turn = np.full(len(names), 1e-4) * np.arange(1, len(names) + 1)
    values = lever_values(network)
    turned = {name: values[name] * np.exp(by) for name, by in zip(names, turn, strict=True)}
    after = solve_network(with_levers(network, turned), start=state)
    foretold = near.values(turn)
    for value, product in zip(foretold, ("ce", "nd"), strict=True):
        found = np.log10(1.0 - after.products[product].purity)
        begin = np.log10(1.0 - state.products[product].purity)
        assert value - begin == pytest.approx(found - begin, rel=1e-2)


def test_purities_out_of_reach_are_refused_with_ones_that_flows_are_found_for(network):
    with pytest.raises(SpecificationError, match="no flows near these") as refused:
        solve_network_for(network, {"nd": 0.9999999})
    told = re.search(r"Ask for nd ([0-9.]+), which flows were found for", refused.value.mend)
    assert told is not None
    _, state = solve_network_for(network, {"nd": float(told[1])})
    assert state.products["nd"].purity == pytest.approx(float(told[1]), abs=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plant", "asked"),
    [
        # Less pure than the plant: the front is to come to the end of the bank and not out of it.
        ("y_naphthenic", {"y": 0.9999}),
        # La and Nd both spoil Ce: where one leaves, the other comes.
        ("lree_baotou", {"ce": 0.99999}),
        ("lree_baotou", {"la": 0.99999}),
        # The whole liquor would be drawn before La is so pure by the draw alone.
        ("lree_baotou", {"la": 0.9999999}),
    ],
)
def test_purities_on_a_front_are_found(plant, asked):
    from raffinate.plant.network_file import load_network

    _, state = solve_network_for(load_network(plant), asked)
    for name, purity in asked.items():
        assert np.log10(1.0 - state.products[name].purity) == pytest.approx(
            np.log10(1.0 - purity), abs=1e-6
        )
    assert state.balance_error < 1e-9
