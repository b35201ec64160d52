"""Flows of elements between the parts of a plant, as links that a Sankey picture draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raffinate.errors import BalanceError, SpecificationError
from raffinate.plant.arrays import aqueous_leaving
from raffinate.plant.model import Plant
from raffinate.plant.steady import SteadyState

FEED, RAFFINATE, LIQUOR = "feed", "raffinate", "strip liquor"
"""Ends of a circuit as pictures name them."""

BALANCE_TOLERANCE = 1e-6
"""Largest imbalance of a part over what passes it, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowLink:
    """What flows of one element from one part to another.

    Attributes:
        source: Where it leaves.
        target: Where it enters.
        element: Symbol.
        flow: [mol/s].
    """

    source: str
    target: str
    element: str
    flow: float


def circuit_links(plant: Plant, state: SteadyState) -> list[FlowLink]:
    """Return the flows of every element between the sections of a plant with one circuit.

    Organic runs from section to section and, barren, back to the first; liquor the other way:
    scrub liquor joins the feed, and the strip liquor that is not drawn is the reflux.

    Args:
        plant: The plant as loaded.
        state: Its steady state; its flows are taken.

    Raises:
        SpecificationError: A circuit alone, or another plant's state.
        BalanceError: What enters a section is not what leaves it.
    """
    if state.operation is None or state.plant_name != plant.name:
        raise SpecificationError(
            f"the state is of {state.plant_name}, the plant is {plant.name}.",
            where="flows",
            mend="Give the plant that was solved.",
        )
    circuit = plant.operated(state.operation).circuit
    leaving = aqueous_leaving(circuit)
    names = [section.name for section in circuit.sections]
    ends = np.cumsum([section.stages for section in circuit.sections])
    found = []
    for place, section in enumerate(circuit.sections):
        first, last = int(ends[place]) - section.stages, int(ends[place]) - 1
        onward = names[(place + 1) % len(names)]
        organic = state.organic_flow * state.organic[last]
        if len(names) > 1:
            found += _links(section.name, onward, state.elements, organic)
        if section.draw:
            drawn = section.draw_flow * state.aqueous[first]
            found += _links(section.name, LIQUOR, state.elements, drawn)
        passed = (leaving[first] - section.draw_flow) * state.aqueous[first]
        below = names[place - 1] if place else RAFFINATE
        found += _links(section.name, below, state.elements, passed)
        if section.aqueous is not None and section.aqueous.concentration:
            fed = [section.aqueous.concentration.get(e, 0.0) for e in state.elements]
            supplied = section.aqueous.flow * np.array(fed)
            # Acid brings none, and needs no arrow.
            if supplied.any():
                source = section.aqueous.name
                found += _links(source, section.name, state.elements, supplied)
    check_links(found)
    return found


def _links(source: str, target: str, elements: Sequence[str], flows: np.ndarray) -> list[FlowLink]:
    return [
        FlowLink(source=source, target=target, element=element, flow=float(flow))
        for element, flow in zip(elements, flows, strict=True)
    ]


def check_links(links: Sequence[FlowLink]) -> None:
    """Check that flows are flows, and that what enters a part leaves it.

    Parts that only supply or only receive are ends of the plant.

    Raises:
        SpecificationError: No flow at all, one that is negative or not finite, or one from a part
            to itself.
        BalanceError: An element enters a part and does not leave it, or the other way round.
    """
    entering: dict[tuple[str, str], float] = {}
    leaving: dict[tuple[str, str], float] = {}
    for link in links:
        if not (np.isfinite(link.flow) and link.flow >= 0.0) or link.source == link.target:
            raise SpecificationError(
                f"{link.flow:g} mol/s of {link.element} from {link.source} to {link.target}.",
                where="flows",
                allowed="0 or more, between two parts",
            )
        into, out = (link.target, link.element), (link.source, link.element)
        entering[into] = entering.get(into, 0.0) + link.flow
        leaving[out] = leaving.get(out, 0.0) + link.flow
    if not sum(entering.values()) > 0.0:
        raise SpecificationError("nothing flows.", where="flows")
    inner = {part for part, _ in entering} & {part for part, _ in leaving}
    through = {part: sum(v for (p, _), v in entering.items() if p == part) for part in inner}
    for part, element in sorted({*entering, *leaving}):
        if part in inner:
            gain = entering.get((part, element), 0.0) - leaving.get((part, element), 0.0)
            if abs(gain) > BALANCE_TOLERANCE * through[part]:
                raise BalanceError(
                    f"{entering.get((part, element), 0.0):.6g} mol/s of {element} enters and "
                    f"{leaving.get((part, element), 0.0):.6g} mol/s leaves.",
                    where=f"flows: {part}",
                    allowed=f"equal within {BALANCE_TOLERANCE:g} of all that passes",
                )
