"""A circuit of a network as the bank the engine solves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Specification
from raffinate.cascade.equations import Problem
from raffinate.chemistry.elements import RARE_EARTHS
from raffinate.chemistry.exchange import FLOOR
from raffinate.errors import SpecificationError
from raffinate.numerics.jax_setup import given
from raffinate.plant.arrays import (
    MIXER_RATIO,
    aqueous_leaving,
    mixer_ratios,
    problem_of,
    settling,
)
from raffinate.plant.mixer_mends import mixer_mend
from raffinate.plant.model import Circuit, Liquor, Section
from raffinate.plant.network import CircuitUnit, CutFlows, NetworkSection
from raffinate.plant.network_stream import AMMONIUM, Stream, StreamAxis
from raffinate.plant.network_theory import cut_group

Array = NDArray[np.float64]


def bank_of(
    axis: StreamAxis,
    unit: CircuitUnit,
    liquors: Mapping[str, Stream],
    flows: CutFlows | None,
    extractant_concentration: float,
) -> Circuit:
    """Return the circuit at these flows, phase ratios of its mixers checked.

    Args:
        axis: Components of the streams.
        unit: The circuit.
        liquors: What enters each section that takes a stream, by section name.
        flows: Of a circuit with a cut; None takes the stated ratios.
        extractant_concentration: HA not taken by stuck metals, [mol/m³].

    Raises:
        SpecificationError: A mixer outside its phase ratio, or more drawn than arrives.
    """
    fed = sum(stream.flow for stream in liquors.values())
    organic = flows.organic if flows is not None else unit.organic_per_feed * fed
    sections = tuple(
        Section(
            name=section.name,
            stages=section.stages,
            efficiency=section.efficiency,
            aqueous=_liquor(axis, unit, section, liquors, flows, fed),
            draw=section.draw,
            draw_flow=_drawn(section, flows, fed),
            recycle=section.recycle or 0.0,
            entrained_organic=section.entrained_organic,
            entrained_aqueous=section.entrained_aqueous,
            organic=section.organic,
        )
        for section in unit.sections
    )
    circuit = Circuit(
        system=unit.system,
        sections=sections,
        organic_flow=organic,
        extractant_concentration=extractant_concentration,
        saponification_degree=unit.organic.saponification_degree,
    )
    _check_draws(unit, circuit)
    sized = _sized(unit, circuit)
    _check_mixers(unit, sized)
    return sized


def _liquor(
    axis: StreamAxis,
    unit: CircuitUnit,
    section: NetworkSection,
    liquors: Mapping[str, Stream],
    flows: CutFlows | None,
    fed: float,
) -> Liquor | None:
    if section.name in liquors:
        stream = liquors[section.name]
        metals = dict(zip(axis.elements, stream.metals(axis).tolist(), strict=True))
        return Liquor(
            name=section.liquor,
            flow=stream.flow,
            concentration={
                symbol: max(metals[symbol], 0.0) / stream.flow for symbol in unit.system.elements
            },
            proton=max(axis.acid(stream.amount), 0.0) / stream.flow,
        )
    if section.acid is None:
        return None
    flow = flows.acid if flows is not None else section.acid.per_feed * fed
    return Liquor(name=section.acid.name, flow=flow, proton=section.acid.proton)


def _drawn(section: NetworkSection, flows: CutFlows | None, fed: float) -> float:
    if not section.draw:
        return 0.0
    return flows.draw if flows is not None else section.draw_per_feed * fed


def _check_draws(unit: CircuitUnit, circuit: Circuit) -> None:
    """Refuse a draw of nothing, or of more liquor than arrives there."""
    leaving = aqueous_leaving(circuit)
    begin = 0
    for section in circuit.sections:
        arrives = float(leaving[begin])
        if section.draw and not 0.0 < section.draw_flow <= arrives * (1.0 + 1e-12):
            raise SpecificationError(
                f"{section.draw} draws {section.draw_flow * 3600.0:.4g} m³/h.",
                where=f"{unit.name}, section {section.name}",
                allowed=f"above 0, to the {arrives * 3600.0:.4g} m³/h that arrive there",
                mend="A product nobody draws cannot be made."
                if section.draw_flow <= 0.0
                else "Draw less, or give the section more liquor.",
            )
        begin += section.stages


def _sized(unit: CircuitUnit, circuit: Circuit) -> Circuit:
    """Return the circuit with vessels for its flows, and the recycle of mixers that state none."""
    leaving = aqueous_leaving(circuit)
    vessels, organic, begin, made = unit.vessels, circuit.organic_flow, 0, []
    for section, stated in zip(circuit.sections, unit.sections, strict=True):
        aqueous = float(leaving[begin])
        recycle = stated.recycle
        if recycle is None:
            recycle = max(0.0, organic / vessels.mixer_ratio - aqueous)
        through = aqueous + recycle
        made.append(
            replace(
                section,
                recycle=recycle,
                mixer=(organic + through) * vessels.mixer_residence,
                settler_organic=organic * vessels.settler_residence,
                settler_aqueous=max(through, 1e-12) * vessels.settler_residence,
            )
        )
        begin += section.stages
    return replace(circuit, sections=tuple(made), organic_tank=organic * vessels.settler_residence)


def _check_mixers(unit: CircuitUnit, circuit: Circuit) -> None:
    """Refuse a phase ratio no mixer runs, with the smallest recycle or organic that mends it."""
    low, high = MIXER_RATIO
    ratios, names = mixer_ratios(circuit), circuit.section_names
    organic, aqueous = settling(circuit)
    sections = {section.name: section for section in circuit.sections}
    for place, (name, ratio) in enumerate(zip(names, ratios.tolist(), strict=True)):
        if not low <= ratio <= high:
            mend = mixer_mend(
                sections[name],
                organic=float(organic[place]),
                aqueous=float(aqueous[place]),
                organic_flow=circuit.organic_flow,
                limits=MIXER_RATIO,
            )
            if ratio > high and unit.vessels.mixer_ratio > high:
                mend = f"Take a mixer_ratio of {high:g} at most: recycle makes it."
            raise SpecificationError(
                f"O/A in the mixer is {ratio:.3g}.",
                where=f"{unit.name}, section {name}",
                allowed=f"{low:.3g} to {high:.3g}, the range in which it disperses",
                mend=mend,
            )


def network_problem(circuit: Circuit, axis: StreamAxis, liquors: Mapping[str, Stream]) -> Problem:
    """Return the arrays of the engine, with the ammonium that liquors bring along."""
    problem = problem_of(circuit)
    concentration = np.array(problem.streams.feed_concentration)
    count, row = len(circuit.elements), 0
    for section in circuit.sections:
        if section.aqueous is None:
            continue
        if section.name in liquors:
            stream = liquors[section.name]
            ammonium = float(stream.amount[axis.place(AMMONIUM)]) / stream.flow
            concentration[row, count] = max(ammonium, FLOOR)
            concentration[row, count + 1] += max(ammonium, 0.0) / axis.anion_charge
        row += 1
    streams = problem.streams._replace(feed_concentration=given(concentration))
    return problem._replace(streams=streams)


def cut_specification(unit: CircuitUnit, circuit: Circuit) -> Specification:
    """Return the purities of a cut as equations; organic, with the acid, and draw become free."""
    assert unit.cut is not None
    group = cut_group(unit, unit.cut)
    elements = circuit.elements
    oxide = [
        RARE_EARTHS[symbol].oxide_molar_mass if symbol in RARE_EARTHS else 0.0
        for symbol in elements
    ]
    weight = np.array([*oxide, 0.0, 0.0, 0.0])
    up = np.array([float(symbol in group) for symbol in elements] + [0.0] * 3)
    down = np.array([float(symbol not in group) for symbol in elements] + [0.0] * 3)
    purity = np.array([unit.cut.raffinate_purity, unit.cut.extract_purity])
    response = np.zeros((4, 2))
    response[[0, 2, 3], 0] = 1.0
    response[3, 1] = 1.0
    drawn = sum(section.stages for section in circuit.sections[:-1])
    return Specification(
        outlet_stage=given(np.array([0, drawn], dtype=np.int64)),
        weight=given(np.tile(weight, (2, 1))),
        impurity=given(np.array([up, down])),
        log_impurity=given(np.log10(1.0 - purity)),
        response=given(response),
    )
