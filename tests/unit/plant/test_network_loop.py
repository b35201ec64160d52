"""Metals that the strip leaves on the organic."""

from __future__ import annotations

import re

import numpy as np
import pytest
from tests.network_plants import CUTS, bent

from raffinate.errors import SpecificationError
from raffinate.plant.network import CircuitUnit
from raffinate.plant.network_loop import settle_loop
from raffinate.plant.network_stream import Stream, StreamAxis, liquor_stream

ORGANIC_FLOW = 2.0e-3


def circuit(bleed: float, stripped: float) -> tuple[StreamAxis, CircuitUnit, Stream]:
    network = bent(
        CUTS,
        ("bleed_fraction: 0.1", f"bleed_fraction: {bleed}"),
        ("stripped: 0.0", f"stripped: {stripped}"),
    )
    metals = np.array([0.2, 0.3, 0.1, 1.0e-3])
    return network.axis, network.circuits[0], liquor_stream(network.axis, 1e-3, metals, 0.01)


def test_what_enters_the_loop_leaves_with_strip_and_bleed():
    loop = settle_loop(*circuit(bleed=0.08, stripped=0.05), ORGANIC_FLOW)
    assert loop.extracted == pytest.approx(loop.stripped + loop.regenerated, rel=1e-12)
    assert loop.extracted == pytest.approx([1.0e-3])
    taken = 3.0 * loop.concentration[0]
    assert loop.extractant_concentration == pytest.approx(1500.0 - taken, rel=1e-12)


@pytest.mark.parametrize("stripped", [0.0, 0.01])
def test_a_loop_without_bleed_is_refused_with_the_smallest_bleed_that_works(stripped):
    with pytest.raises(SpecificationError) as caught:
        settle_loop(*circuit(bleed=0.0, stripped=stripped), ORGANIC_FLOW)
    if stripped == 0.0:
        assert "must accumulate" in caught.value.what
    found = re.search(r"([0-9.e-]+) would do at the first flows", caught.value.mend)
    assert found
    least = float(found[1])
    loop = settle_loop(*circuit(bleed=least * 1.001, stripped=stripped), ORGANIC_FLOW)
    assert loop.concentration[0] == pytest.approx(20.0, rel=2e-2)
    with pytest.raises(SpecificationError):
        settle_loop(*circuit(bleed=least * 0.98, stripped=stripped), ORGANIC_FLOW)


def test_more_iron_than_all_the_organic_may_carry_is_refused():
    axis, unit, stream = circuit(bleed=1.0, stripped=0.0)
    with pytest.raises(SpecificationError, match="before the circuit"):
        settle_loop(axis, unit, stream, 1e-6)
