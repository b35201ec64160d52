"""Which circuits of a network rest on extraction constants that nobody measured."""

from __future__ import annotations

import numpy as np

from raffinate.plant.network import CircuitUnit, Network
from raffinate.plant.network_theory import cut_group
from raffinate.sources import Evidence

DOUBTFUL: dict[Evidence, str] = {
    "assumed": "assumed",
    "interpolated": "interpolated along the series",
}
"""Evidence of a constant that a result must tell of, and how."""


def assumed_constants(network: Network) -> dict[str, list[str]]:
    """Return the elements whose constant is assumed, by extraction system; none is left out."""
    return {
        unit.system.name: list(unit.system.assumed)
        for unit in network.circuits
        if unit.system.assumed
    }


def doubtful_constants(network: Network) -> list[str]:
    """Return a sentence on each kind of constant that was not measured, and what rests on it."""
    found = []
    for evidence, words in DOUBTFUL.items():
        for name in dict.fromkeys(unit.system.name for unit in network.circuits):
            elements = _elements(network, name, evidence)
            if not elements:
                continue
            resting = [
                unit.name
                for unit in network.circuits
                if unit.system.name == name and rests_on(unit, elements)
            ]
            held = (
                f"what {', '.join(resting)} part rests on them" if resting else "no cut is theirs"
            )
            found.append(f"{name}: constants of {', '.join(elements)} are {words}; {held}.")
    return found


def _elements(network: Network, name: str, evidence: Evidence) -> tuple[str, ...]:
    found = dict.fromkeys(
        symbol
        for unit in network.circuits
        if unit.system.name == name
        for symbol, own in zip(unit.system.elements, unit.system.evidence, strict=True)
        if own == evidence
    )
    return tuple(found)


def rests_on(unit: CircuitUnit, elements: tuple[str, ...]) -> bool:
    """Return whether a circuit parts one of these elements from its neighbour.

    With a cut that is the least extracted of what it extracts or the most extracted of what it
    leaves; a circuit without a cut rests on the constant of every element.
    """
    if unit.cut is None:
        return any(symbol in unit.system.elements for symbol in elements)
    order = np.argsort(unit.system.log10_extraction_constant, kind="stable")
    ranked = [unit.system.elements[place] for place in order]
    group = cut_group(unit, unit.cut)
    ends = [symbol for symbol in ranked if symbol in group][:1]
    ends += [symbol for symbol in ranked if symbol not in group][-1:]
    return any(symbol in elements for symbol in ends)
