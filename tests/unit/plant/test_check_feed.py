"""Slips of newcomers in feeds and products of a plant file: refused with a mend that works."""

from __future__ import annotations

import re

import pytest

from network_plants import CUTS, bent
from raffinate.data_files import read_named
from raffinate.errors import DataError, SpecificationError
from raffinate.plant.network_solve import solve_network
from raffinate.plant.plant_file import parse_plant

SHARES = "{Ce: 0.4445, Pr: 0.1842, Nd: 0.3713}"


def shipped(*changes: tuple[str, str]) -> str:
    content, _ = read_named("ceprnd_p507", "plant", ("ceprnd_p507",))
    text = content.decode("utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def refused(text: str) -> DataError:
    with pytest.raises(DataError) as caught:
        parse_plant(text, where="mine.yaml")
    return caught.value


def test_percentages_are_refused_with_the_shares_to_write():
    error = refused(shipped((SHARES, "{Ce: 44.45, Pr: 18.42, Nd: 37.13}")))
    assert error.where == "mine.yaml: feed.mass_fraction"
    assert error.what == "mass fractions add up to 100."
    shares = re.search(r"\{.*\}", error.mend)
    assert shares
    parse_plant(shipped((SHARES, shares[0])))


def test_products_against_the_order_of_extraction_are_refused_with_what_to_strip():
    turned = (
        ("elements: [Ce, Pr]", "elements: [x]"),
        ("elements: [Nd]", "elements: [Ce, Pr]"),
        ("elements: [x]", "elements: [Nd]"),
    )
    error = refused(shipped(*turned))
    assert "Ce is to be extracted and Nd" in error.what
    assert "Nd > Pr > Ce" in error.allowed
    assert error.mend.startswith("Strip Nd,")


def test_an_element_of_both_products_is_refused():
    error = refused(shipped(("elements: [Ce, Pr]", "elements: [Ce, Pr, Nd]")))
    assert error.what == "Nd counts in both products."


def test_an_element_the_system_does_not_know_is_refused_in_the_file():
    error = refused(shipped((SHARES, "{Ce: 0.4445, Pr: 0.1842, Nd: 0.3613, Lu: 0.01}")))
    assert error.where == "mine.yaml: feed.mass_fraction"
    assert "p507_hcl: no extraction constant for 'Lu'" in error.what
    with pytest.raises(DataError, match="no extraction constant for 'Al'") as caught:
        bent(CUTS, ("metals_mol_per_L: {Fe: 0.001}", "metals_mol_per_L: {Fe: 0.001, Al: 0.001}"))
    assert caught.value.where == "test: feeds"
    assert "among `stuck` of the organic p507" in caught.value.mend


def test_iron_without_a_bleed_is_refused_with_one_that_runs():
    """Flows are searched for, so that the bleed told has something to spare."""
    with pytest.raises(SpecificationError, match="must accumulate") as caught:
        solve_network(bent(CUTS, ("bleed_fraction: 0.1", "bleed_fraction: 0.0")))
    told = re.search(r"Bleed at least ([0-9.]+)", caught.value.mend)
    assert told
    state = solve_network(bent(CUTS, ("bleed_fraction: 0.1", f"bleed_fraction: {told[1]}")))
    assert state.balance_error < 1e-9


def test_a_mixer_ratio_no_mixer_runs_is_refused_with_one_that_runs():
    with pytest.raises(SpecificationError, match="O/A in the mixer is 5") as caught:
        solve_network(bent(CUTS, ("mixer_ratio: 1.8", "mixer_ratio: 5")))
    assert caught.value.mend.startswith("Take a mixer_ratio of 3 at most")


def test_a_product_of_the_wrong_stream_is_told_apart_from_one_of_too_little_purity():
    wrong = ("stream: la_ce.raffinate, elements: [La]", "stream: la_ce.raffinate, elements: [Nd]")
    nd = "stream: ce_nd.strip_liquor, elements: [Nd], purity_limit: 0.99"
    state = solve_network(bent(CUTS, wrong, (nd, f"{nd}95")))
    told = {sentence.split()[0]: sentence for sentence in state.warnings if "limit" in sentence}
    assert "La is most of it. Check its stream and its elements." in told["la"]
    assert "--spec nd_purity=0.9995 looks for flows" in told["nd"]
