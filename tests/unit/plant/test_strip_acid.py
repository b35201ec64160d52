"""Acid that cannot strip what the organic loads: refused, with a mend that makes the plant run."""

from __future__ import annotations

import re

import pytest

from network_plants import TWO_BANKS, bent
from raffinate.data_files import read_named
from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.plant.network_solve import solve_network
from raffinate.plant.plant_file import parse_plant
from raffinate.plant.search_refusals import purity_mend
from raffinate.plant.steady import solve_nominal, solve_steady
from raffinate.plant.strip_acid import ENOUGH, acid_need

FIRST_STRIP = "acid_per_feed: 0.4, draw: nd, draw_per_feed: 0.3"


def named(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    assert found, text
    return float(found[1])


def shipped(**changed: str) -> str:
    content, _ = read_named("ceprnd_p507", "plant", ("ceprnd_p507",))
    text = content.decode("utf-8")
    for key, value in changed.items():
        text, count = re.subn(rf"{key}: [0-9.]+", f"{key}: {value}", text)
        assert count == 1, key
    return text


def test_protons_needed_are_those_of_the_saponified_organic(default_plant):
    need = acid_need(default_plant.circuit)
    assert need is not None
    operation = default_plant.operation()
    base = default_plant.circuit.saponification_degree
    base *= default_plant.circuit.extractant_concentration
    assert need.needed == pytest.approx(base * operation.organic_flow)
    assert need.brought == pytest.approx(operation.acid_flow * operation.acid_concentration)
    assert not need.short
    assert not need.scarce


@pytest.mark.parametrize("changed", [{"organic_to_acid_ratio": "40"}, {"hcl_mol_per_L": "1.0"}])
def test_a_plant_short_of_acid_is_refused_unsolved_and_runs_as_told(changed):
    with pytest.raises(SpecificationError, match="nothing is left to draw") as caught:
        parse_plant(shipped(**changed), where="mine.yaml")
    error = caught.value
    assert error.where == "mine.yaml: acid"
    ratio = named(error.mend, r"1 volume for ([0-9.]+) of organic")
    assert ratio * ENOUGH == pytest.approx(named(error.allowed, r"below ([0-9.]+)"), rel=0.02)
    plant = parse_plant(shipped(**changed | {"organic_to_acid_ratio": f"{ratio}"}))
    state = solve_nominal(plant)
    assert state.products["nd"].purity == pytest.approx(0.9994, abs=1e-8)


def test_stated_flows_short_of_acid_say_how_many_times_the_acid_runs():
    less = "acid_per_feed: {}, draw: nd, draw_per_feed: 0.1"
    with pytest.raises(ConvergenceError) as caught:
        solve_network(bent(TWO_BANKS, (FIRST_STRIP, less.format(0.15))))
    assert "mol/h of protons" in caught.value.mend
    factor = named(caught.value.mend, r"Give ([0-9.]+) times the acid strip")
    state = solve_network(bent(TWO_BANKS, (FIRST_STRIP, less.format(0.15 * factor))))
    assert state.balance_error < 1e-9
    assert not state.warnings


def test_purities_out_of_reach_for_want_of_acid_say_so(default_plant):
    """At exactly the least acid the strip does not end clean, and no flows give the purities."""
    assert (
        purity_mend(default_plant.circuit) == "Ask for less purity, or give the plant more stages."
    )
    plant = parse_plant(shipped(organic_to_acid_ratio=f"{5.5 / 0.5404}"))
    assert "mol/h of protons" in purity_mend(plant.circuit)


def test_a_solve_says_what_it_does(default_plant):
    steps: list[str] = []
    solve_steady(default_plant, purities=default_plant.nominal_purity, advance=steps.append)
    assert steps[0] == "68 stages at the first flows"
    assert "flows for the purities" in steps
    assert steps[-1] == "the plant at the flows found"
