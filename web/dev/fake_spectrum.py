"""A spectrum for the fake plant: of the simulated analyzer, physics and all."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from raffinate.instruments.xrf_chain import XrfChain
from raffinate.instruments.xrf_chain_build import ChainSpec
from raffinate.instruments.xrf_chain_view import spectrum_view

ELEMENTS = ("Ce", "Pr", "Nd")
LIQUORS = {
    "stage 10": ((480.0, 980.0, 36.0), 68.0),
    "stage 38": ((0.1, 187.0, 1617.0), 86.0),
    "nd": ((1e-6, 0.5, 861.0), 2900.0),
}


@cache
def spectra() -> list[dict[str, Any]]:
    """Return a spectrum of each liquor, as `runtime` sends them."""
    chain = XrfChain(spec=ChainSpec(elements=ELEMENTS, seed=1, matched=True), calibration=None)
    generator, state, found = np.random.default_rng(1), chain.start(0.0), []
    for number, (place, (metals, acid)) in enumerate(LIQUORS.items()):
        state, measured = chain.measure(state, metals, acid, 180.0 * number, generator, place=place)
        bias = [
            {"element": symbol, "percent": 0.11 - 0.07 * k, "sigma_percent": 0.17, "held": False}
            for k, symbol in enumerate(ELEMENTS)
        ]
        found.append({**spectrum_view(measured), "bias": bias, "assays": 12})
    return found


def spectrum_at(t_h: float, known: float | None) -> dict[str, Any]:
    """Return the answer to a page: another spectrum every three minutes of plant time."""
    slot = int(t_h * 20.0)
    shown = {**spectra()[slot % len(LIQUORS)], "sample_time": 180.0 * slot}
    same = known == shown["sample_time"]
    return {"type": "spectrum", "spectrum": None if same else shown, "same": same}
