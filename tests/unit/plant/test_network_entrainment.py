"""Networks whose settlers entrain, or whose banks are fed organic on the way: balances close."""

from __future__ import annotations

from dataclasses import replace

import pytest

from network_plants import TWO_BANKS, bent
from plant_variants import SMALL, restaged
from raffinate.errors import DataError
from raffinate.plant.network_asked import solve_network_for
from raffinate.plant.network_levers import lever_values
from raffinate.plant.network_solve import solve_network
from raffinate.plant.network_wrap import network_of_plant
from solved_plants import shipped_plant

LOSS = (
    "saponification_degree: 0.36, source: made_up}",
    "saponification_degree: 0.36, source: made_up,\n"
    "         loss: {extractant_mg_per_L: 0, extractant_g_per_mol: 306.4, source: made_up}}",
)
ENTRAINED = ("mixer_ratio: 1.8,", "mixer_ratio: 1.8, entrained_organic: 0.002,\n   ")
LITTLE = ("mixer_ratio: 1.8,", "mixer_ratio: 1.8, entrained_organic: 0.0001,\n   ")


def fed(end: str, nd: float) -> tuple[str, str]:
    organic = (
        f"         organic_feed: {{flow_m3_per_h: 1.0, metals_mol_per_L: {{Nd: {nd}}},\n"
        "                        saponified_mol_per_L: 0.02, source: made_up}}"
    )
    return end, f"{end[:-1]},\n{organic}"


FED = (fed("draw_per_feed: 0.3}", 0.01), fed("draw_per_feed: 0.5}", 0.05))


@pytest.fixture(scope="module")
def little():
    return solve_network(bent(TWO_BANKS, LOSS, LITTLE, *FED))


@pytest.fixture(scope="module")
def entraining():
    return solve_network(bent(TWO_BANKS, LOSS, ENTRAINED, *FED))


@pytest.mark.slow
def test_a_network_that_entrains_closes_and_pays_for_what_it_loses(little, entraining):
    for state in (little, entraining):
        assert state.balance_error < 1e-9
    lost = entraining.reagents["extractant"]
    assert lost > 15.0 * little.reagents["extractant"] > 0.0
    flows = sum(state.circuit.organic_flow for state in entraining.circuits.values())
    # Both ends of a bank carry about this share of its organic, of 1,500 mol/m³ at 306.4 g/mol.
    whole = (flows + 2.0 / 3600.0) * 2.0 * 0.002 * 1500.0 * 0.3064
    assert 0.1 * whole < lost < 1.5 * whole


@pytest.mark.slow
def test_a_purity_is_asked_of_a_network_that_entrains(entraining):
    impurity = 1.0 - entraining.products["nd"].purity
    wanted = 1.0 - 0.95 * impurity
    changed, state = solve_network_for(entraining.network, {"nd": wanted})
    assert 1.0 - state.products["nd"].purity == pytest.approx(0.95 * impurity, rel=1e-7)
    assert state.balance_error < 1e-9
    assert lever_values(changed) != lever_values(entraining.network)


@pytest.mark.slow
def test_entrained_organic_spoils_the_raffinate(little, entraining):
    assert entraining.products["ce"].purity < little.products["ce"].purity


@pytest.mark.slow
def test_organic_fed_on_the_way_is_metal_of_the_plant(little):
    # A cubic metre an hour with 10 and one with 50 mol/m³ of Nd, beside what the liquors bring.
    network = little.network
    brought = (10.0 + 50.0) / 3600.0
    enters = network.feeds[0].flow * network.feeds[0].concentration["Nd"]
    place = network.elements.index("Nd")
    leaves = little.streams["second.nd"].amount[place]
    recovery = little.products["nd"].recovery
    assert recovery == pytest.approx(leaves / (enters + brought), rel=1e-12)
    assert sum(feed.flow for feed in network.organic_feeds) == pytest.approx(2.0 / 3600.0)


def test_entrainment_without_the_mass_of_the_extractant_is_refused():
    with pytest.raises(DataError, match="cannot be told") as refused:
        bent(TWO_BANKS, ENTRAINED)
    assert "extractant_g_per_mol" in refused.value.mend


def test_organic_feed_of_a_metal_nobody_knows_is_refused():
    with pytest.raises(DataError, match="not in the plant"):
        bent(TWO_BANKS, LOSS, *FED, ("{Nd: 0.05}", "{Dy: 0.05}"))


def test_a_section_may_say_otherwise_than_the_plant():
    own = ("draw_per_feed: 0.3}", "draw_per_feed: 0.3, entrained_organic: 0}")
    network = bent(TWO_BANKS, LOSS, ENTRAINED, own)
    found = [s.entrained_organic for c in network.circuits for s in c.sections]
    assert found == [0.002, 0.0, 0.002, 0.002]


def test_a_plant_of_one_circuit_keeps_its_entrainment_as_a_network():
    plant = restaged(shipped_plant(), SMALL)
    sections = tuple(replace(s, entrained_organic=1e-3) for s in plant.circuit.sections)
    plant = replace(plant, circuit=replace(plant.circuit, sections=sections))
    (circuit,) = network_of_plant(plant).circuits
    assert {section.entrained_organic for section in circuit.sections} == {1e-3}
