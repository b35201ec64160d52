"""The plant of one case: what an input's name means, and what its number does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from raffinate.errors import SpecificationError
from raffinate.plant.events import Event, apply_events, event_names
from raffinate.plant.model import Circuit, Operation, Plant
from raffinate.studies.model import (
    CONSTANT,
    PURITY,
    STAGES,
    How,
    Study,
    hows,
    moved,
    whole_stages,
)
from raffinate.units import PER_LITRE

FRACTION = "_mass_fraction"
EFFICIENCY = "efficiency"
FREE_ACID = "feed.free_acid_mol_per_L"
EXTRACTANT = "organic.extractant_mol_per_L"

SOLVED_FLOWS = ("organic_flow", "acid_flow", "scrub_flow")
"""Inputs that purities fix."""

_SIGNS: dict[How, str] = {"value": "=", "factor": "*=", "change": "+="}


def input_names(plant: Plant) -> tuple[str, ...]:
    """Return the name of everything a study can vary in a plant.

    Flows in m³/h, `feed.reo_g_per_L`, concentrations in mol/L, fractions, degrees and
    efficiencies as fractions, `stages.<section>`, `log10_k.<symbol>`, `purity.<product>`.
    """
    sections = [section.name for section in plant.circuit.sections]
    return (
        *event_names(plant.circuit.elements),
        FREE_ACID,
        EXTRACTANT,
        EFFICIENCY,
        *(f"{EFFICIENCY}.{name}" for name in sections),
        *(f"{STAGES}{name}" for name in sections),
        *(f"{CONSTANT}{symbol}" for symbol in plant.circuit.elements),
        *(f"{PURITY}{name}" for name in plant.products),
    )


def is_operation(name: str) -> bool:
    """Return whether an input is among what events change: flows, feed, acid, saponification."""
    built = (FREE_ACID, EXTRACTANT, EFFICIENCY)
    return not name.startswith((STAGES, CONSTANT, PURITY, f"{EFFICIENCY}.")) and name not in built


def built_plant(study: Study, plant: Plant, numbers: Mapping[str, float]) -> Plant:
    """Return the plant with what is built differently in a case; its operation is as it was."""
    how_of = hows(study)
    operation = plant.operation()
    circuit = plant.circuit
    for name, number in numbers.items():
        how = how_of.get(name, "value")
        if name == FREE_ACID:
            acid = moved(operation.feed_acid / PER_LITRE, number, how)
            operation = replace(operation, feed_acid=acid * PER_LITRE)
        elif name == EXTRACTANT:
            now = circuit.extractant_concentration / PER_LITRE
            amount = moved(now, number, how) * PER_LITRE
            circuit = replace(circuit, extractant_concentration=amount)
        elif name.startswith(EFFICIENCY):
            circuit = _with_efficiency(circuit, name, number, how)
        elif name.startswith(STAGES):
            circuit = _with_stages(circuit, name.removeprefix(STAGES), number, how)
        elif name.startswith(CONSTANT):
            circuit = _with_constant(circuit, name.removeprefix(CONSTANT), number, how)
    return replace(plant, circuit=circuit).operated(operation)


def _with_efficiency(circuit: Circuit, name: str, number: float, how: How) -> Circuit:
    chosen = name.removeprefix(EFFICIENCY).removeprefix(".")
    sections = tuple(
        replace(section, efficiency=moved(section.efficiency, number, how))
        if chosen in ("", section.name)
        else section
        for section in circuit.sections
    )
    return replace(circuit, sections=sections)


def _with_stages(circuit: Circuit, chosen: str, number: float, how: How) -> Circuit:
    sections = []
    for section in circuit.sections:
        if section.name == chosen:
            stages = moved(float(section.stages), number, how)
            section = replace(section, stages=whole_stages(f"{STAGES}{chosen}", stages))
        sections.append(section)
    return replace(circuit, sections=tuple(sections))


def _with_constant(circuit: Circuit, symbol: str, number: float, how: How) -> Circuit:
    constants = np.array(circuit.system.log10_extraction_constant)
    place = circuit.system.index(symbol)
    constants[place] = moved(float(constants[place]), number, how)
    system = replace(circuit.system, log10_extraction_constant=constants)
    return replace(circuit, system=system)


def case_events(study: Study, numbers: Mapping[str, float]) -> tuple[Event, ...]:
    """Return a case's changes of the operation as events from the beginning on."""
    how_of = hows(study)
    return tuple(
        Event(name=name, how=_SIGNS[how_of.get(name, "value")], value=number, begin=0.0)
        for name, number in numbers.items()
        if is_operation(name)
    )


def case_operation(
    study: Study, base: Operation, elements: tuple[str, ...], numbers: Mapping[str, float]
) -> Operation:
    """Return the operation of a case.

    Mass fractions that a case gives are set together; the others share the rest in the
    proportions they had.

    Raises:
        SpecificationError: A flow below 0, or fractions that cannot be.
    """
    events = case_events(study, numbers)
    others = [event for event in events if not event.name.endswith(FRACTION)]
    changed = apply_events(base, others, 0.0, elements)
    how_of = hows(study)
    fixed = {}
    for place, symbol in enumerate(elements):
        name = fraction_name(symbol)
        if name in numbers:
            now = float(base.feed_mass_fraction[place])
            fixed[place] = moved(now, numbers[name], how_of.get(name, "value"))
    if not fixed:
        return changed
    return replace(changed, feed_mass_fraction=_fractions(base, fixed))


def fraction_name(symbol: str) -> str:
    """Return the input that is the mass fraction of an element in the feed."""
    return f"feed.{symbol.lower()}{FRACTION}"


def _fractions(base: Operation, fixed: Mapping[int, float]) -> Any:
    given = sum(fixed.values())
    if min(fixed.values()) < 0.0 or given > 1.0:
        raise SpecificationError(
            f"the mass fractions given are {', '.join(f'{v:g}' for v in fixed.values())}.",
            where="feed",
            allowed="0 or more, together at most 1",
        )
    fractions = np.array(base.feed_mass_fraction)
    free = np.array([place not in fixed for place in range(len(fractions))])
    rest = float(fractions[free].sum())
    if not rest > 0.0:
        raise SpecificationError(
            "no other element is left in the feed to make up the rest.", where="feed"
        )
    fractions[free] *= (1.0 - given) / rest
    for place, fraction in fixed.items():
        fractions[place] = fraction
    return fractions


def case_purities(study: Study, numbers: Mapping[str, float]) -> dict[str, float]:
    """Return the purities a case is solved for, by product, [-]."""
    how_of = hows(study)
    purities = dict(study.purities)
    for name, number in numbers.items():
        if name.startswith(PURITY):
            product = name.removeprefix(PURITY)
            purities[product] = moved(purities[product], number, how_of.get(name, "value"))
    return purities
