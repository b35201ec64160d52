"""Derivatives of a plant of two circuits and a recycle, against solves at changed inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from network_plants import CUTS, TWO_BANKS, bent
from priced_plants import made_up_prices
from raffinate.errors import SpecificationError
from raffinate.plant.network import (
    CircuitUnit,
    Conditioner,
    Precipitation,
    Redissolution,
    Splitter,
    Tank,
)
from raffinate.plant.network_gradients_layout import USES
from raffinate.plant.network_gradients_units import unit_slopes
from raffinate.plant.network_levers import at_state, lever_values, with_levers
from raffinate.plant.network_outcomes import network_gradients
from raffinate.plant.network_solve import solve_network
from raffinate.plant.network_stream import Stream, StreamAxis, liquor_stream
from raffinate.plant.network_units import (
    run_conditioner,
    run_precipitation,
    run_redissolution,
    run_splitter,
    run_tank,
)

STEP = 1e-4
"""Relative step of the differences; the error of central ones falls with its square."""

PRICES = made_up_prices(interest_per_year=800.0)
"""Interest as large as the feed, so that its part of the cost is seen in the slopes."""

AXIS = StreamAxis(("Nd", "Fe"), "chloride")


@pytest.fixture(scope="module")
def network():
    return bent(TWO_BANKS)


@pytest.fixture(scope="module")
def state(network):
    return solve_network(network)


@pytest.fixture(scope="module")
def gradients(network, state):
    return network_gradients(network, state, prices=PRICES)


def with_constant(network, value):
    units = []
    for unit in network.units:
        if isinstance(unit, CircuitUnit):
            constants = np.array(unit.system.log10_extraction_constant)
            constants[unit.system.index("Nd")] = value
            system = replace(unit.system, log10_extraction_constant=constants)
            unit = replace(unit, system=system)
        units.append(unit)
    return replace(network, units=tuple(units))


def with_feed(network, value):
    (feed,) = network.feeds
    return replace(
        network, feeds=(replace(feed, concentration={**feed.concentration, "Nd": value}),)
    )


CHANGED = {
    "first.organic_per_feed": lambda n, v: with_levers(n, {"first.organic_per_feed": v}),
    "second.strip.acid_per_feed": lambda n, v: with_levers(n, {"second.strip.acid_per_feed": v}),
    "feed.chloride.Nd": with_feed,
    "log10_K.p507_hcl.Nd": with_constant,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGED)
def test_slopes_are_those_of_solves_of_the_joined_plant(network, state, gradients, name):
    value = gradients.input_values[gradients.inputs.index(name)]
    ends = []
    for sign in (1.0, -1.0):
        changed = CHANGED[name](network, value * (1.0 + sign * STEP))
        there = solve_network(changed, start=state)
        ends.append(network_gradients(changed, there, prices=PRICES).outcome_values)
    expected = (ends[0] - ends[1]) / (2.0 * STEP)
    relative = gradients.slopes[:, gradients.inputs.index(name)] * value
    # The recycle is at rest to 1e-11, of which differences make 1e-7 of a value.
    noise = 1e-7 * np.abs(gradients.outcome_values)
    assert (np.abs(relative - expected) <= 1e-4 * np.abs(expected) + noise).all()
    assert (np.abs(relative) > 10.0 * noise).sum() >= len(noise) - 2


def test_more_of_the_same_feed_changes_amounts_and_no_purity(gradients):
    """Its flows follow the liquor fed, so that the whole plant grows in proportion."""
    place = gradients.inputs.index("feed.chloride.flow")
    flow = gradients.input_values[place]
    for name in ("log_impurity.ce", "log_impurity.nd", "recovery.nd", "reagent.NH3"):
        assert abs(gradients.slope(name, "feed.chloride.flow") * flow) < 1e-7
    assert gradients.slope("reo.nd", "feed.chloride.flow") * flow == pytest.approx(
        gradients.value("reo.nd"), rel=1e-7
    )


def test_a_recycle_carries_what_one_circuit_does_to_the_products_of_the_other(gradients):
    # The second bank makes no cerium product; what it returns reaches the first.
    assert gradients.slope("log_impurity.ce", "second.organic_per_feed") != 0.0


def test_outcomes_are_those_of_the_state_and_units_are_told(gradients, state):
    for name, product in state.products.items():
        assert gradients.value(f"purity.{name}") == pytest.approx(product.purity, rel=1e-9)
        assert gradients.value(f"recovery.{name}") == product.recovery
        assert gradients.value(f"reo.{name}") == pytest.approx(product.reo_flow, rel=1e-12)
    units = dict(zip(gradients.inputs, gradients.input_units, strict=True))
    assert units["feed.chloride.flow"] == "m³/s"
    assert units["feed.chloride.Nd"] == "mol/m³"
    assert units["first.extractant_concentration"] == "mol/m³"
    assert units["log10_K.p507_hcl.Nd"] == "-"


def test_purities_of_no_cut_cannot_be_kept(network, state):
    with pytest.raises(SpecificationError, match="no circuit has a cut"):
        network_gradients(network, state, meet=True)


def test_flows_are_read_by_name_and_turned(network):
    known = lever_values(network)
    assert known["first.strip.acid_per_feed"] == 0.4
    turned = with_levers(network, {"second.strip.draw_per_feed": 0.6})
    assert lever_values(turned) == {**known, "second.strip.draw_per_feed": 0.6}
    with pytest.raises(SpecificationError, match="no flow of two_banks"):
        with_levers(network, {"third.organic_per_feed": 1.0})
    with pytest.raises(SpecificationError, match="is -1"):
        with_levers(network, {"first.organic_per_feed": -1.0})
    with pytest.raises(SpecificationError, match="not known yet"):
        lever_values(bent(CUTS))


SHORT_CUTS = (
    ("{extraction: 14, scrub: 12, strip: 6}", "{extraction: 5, scrub: 5, strip: 4}"),
    ("{extraction: 13, scrub: 13, strip: 6}", "{extraction: 5, scrub: 5, strip: 4}"),
    (
        "[Nd], raffinate_purity: 0.999, extract_purity: 0.999",
        "[Nd], raffinate_purity: 0.97, extract_purity: 0.9",
    ),
    (
        "[Ce], raffinate_purity: 0.999, extract_purity: 0.999",
        "[Ce], raffinate_purity: 0.9, extract_purity: 0.95",
    ),
)


@pytest.mark.slow
def test_with_purities_kept_flows_answer_as_the_search_for_them_does():
    network = bent(CUTS, *SHORT_CUTS)
    state = solve_network(network, hold="purities")
    written = at_state(network, state)
    found = network_gradients(written, state, meet=True)
    assert found.met == ("ce_nd", "la_ce")
    assert not any(name.endswith("organic_flow") for name in found.inputs)
    (feed,) = network.feeds
    ends = []
    for sign in (1.0, -1.0):
        nd = feed.concentration["Nd"] * (1.0 + sign * 1e-3)
        there = solve_network(with_feed(network, nd), hold="purities", start=state)
        ends.append(there.circuits["la_ce"].flows.organic)
    expected = (ends[0] - ends[1]) / (2e-3 * feed.concentration["Nd"])
    slope = found.slope("la_ce.organic_flow", "feed.chloride.Nd")
    assert slope == pytest.approx(expected, rel=1e-3)
    # The cuts keep their purities, so what the products are of them hardly moves.
    moved = found.slope("log_impurity.nd", "ce_nd.strip.acid_concentration")
    assert abs(moved * 5000.0) < 1e-6


def liquor(nd: float = 2.0, fe: float = 0.1, acid: float = 0.3, flow: float = 4e-3) -> Stream:
    return liquor_stream(AXIS, flow, np.array([nd, fe]), acid)


def solid() -> Stream:
    precipitate = Precipitation(
        name="u", inlet="i", precipitant="carbonate", excess=0.0, solubility=1.0
    )
    return run_precipitation(AXIS, precipitate, liquor()).streams["u.solid"]


def of(run, unit):
    return lambda taken: run(AXIS, unit, taken[0])


def precipitation(kind: str, excess: float) -> Precipitation:
    return Precipitation(name="u", inlet="i", precipitant=kind, excess=excess, solubility=2.0)


TANK = Tank(name="u", inlets=("i", "j"))
SPLITTER = Splitter(name="u", inlet="i", fractions={"a": 0.3, "b": 0.7})
WEAKER = Conditioner(name="u", inlet="i", strength=200.0, proton=10.0)
SOURER = Conditioner(name="u", inlet="i", strength=900.0, proton=500.0)
OXALATE, CARBONATE = precipitation("oxalate", 0.2), precipitation("carbonate", 0.0)
DISSOLVED = Redissolution(name="u", inlet="i", strength=700.0, proton=20.0)
UNITS = {
    "tank": (TANK, lambda taken: run_tank(AXIS, TANK, taken), [liquor(), liquor(nd=1.0)]),
    "splitter": (SPLITTER, of(run_splitter, SPLITTER), [liquor()]),
    "ammonia and water": (WEAKER, of(run_conditioner, WEAKER), [liquor()]),
    "acid and evaporation": (SOURER, of(run_conditioner, SOURER), [liquor()]),
    "oxalate": (OXALATE, of(run_precipitation, OXALATE), [liquor()]),
    "carbonate": (CARBONATE, of(run_precipitation, CARBONATE), [liquor()]),
    "redissolution": (DISSOLVED, of(run_redissolution, DISSOLVED), [solid()]),
}


def packed(stream: Stream) -> np.ndarray:
    return np.append(stream.amount, stream.flow)


@pytest.mark.parametrize("name", UNITS)
def test_other_units_have_the_slopes_of_what_they_do(name):
    unit, run, taken = UNITS[name]
    made, uses = unit_slopes(AXIS, unit, taken)
    here = np.concatenate([packed(stream) for stream in taken])

    def outcome(values):
        streams = [
            Stream(flow=row[-1], amount=row[:-1], solid=each.solid)
            for row, each in zip(values.reshape(len(taken), -1), taken, strict=True)
        ]
        found = run(streams)
        outlets = np.concatenate([packed(stream) for stream in found.streams.values()])
        used = [max(found.reagents.get(use, 0.0), 0.0) for use in USES]
        return np.concatenate([outlets, used])

    slopes = np.concatenate([made, uses])
    for place in range(len(here)):
        if unit is DISSOLVED and place >= len(AXIS.elements):
            # The precipitate is dry and holds no oxalate; what else it holds follows its metals.
            continue
        step = 1e-6 * max(abs(here[place]), 1e-3)
        move = np.zeros(len(here))
        move[place] = step
        expected = (outcome(here + move) - outcome(here - move)) / (2.0 * step)
        np.testing.assert_allclose(slopes[:, place], expected, rtol=1e-6, atol=1e-6)
    # They are homogeneous, which the account of what they use rests on.
    np.testing.assert_allclose(slopes @ here, outcome(here), rtol=1e-9, atol=1e-12)
