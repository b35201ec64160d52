"""From plants as values to the arrays of the engine."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import (
    AqueousFlows,
    Specification,
    Streams,
    Vessels,
    aqueous_flows,
    bucket_size,
    no_specification,
)
from raffinate.cascade.entrainment import Entrainment, OrganicFeeds
from raffinate.cascade.equations import Problem
from raffinate.chemistry.elements import oxide_molar_masses
from raffinate.chemistry.exchange import FLOOR, AcidicExchange, ExchangeParameters
from raffinate.chemistry.species import FREE_SPECIES
from raffinate.chemistry.stage_chemistry import Parameters, StageChemistry
from raffinate.chemistry.system import ExtractionSystem
from raffinate.chemistry.system_tableau import (
    SystemTableau,
    exchange_constants,
    extractant_units,
    narrowed,
    system_tableau,
)
from raffinate.chemistry.tableau_chemistry import TableauChemistry, TableauParameters
from raffinate.errors import SpecificationError
from raffinate.numerics.jax_setup import given, jax
from raffinate.plant.mixer_mends import mixer_mend
from raffinate.plant.model import Circuit, Liquor, OrganicFeed, Plant

Array = NDArray[np.float64]

MIXER_RATIO = (1.0 / 3.0, 3.0)
"""Organic to aqueous in a mixer outside which it does not run, [-]; internal recycle included."""

_flows_at_once = jax.jit(aqueous_flows, static_argnums=1)

SAPONIFIER = "ammonium"
"""Component with which a plant saponifies its organic."""


def is_simple_exchange(system: ExtractionSystem) -> bool:
    """Return whether a system is ideal exchange of trivalent metals and ammonium for a dimer.

    For it the contact has a closed form, which `AcidicExchange` solves faster than a tableau.
    """
    plain = (
        system.mechanism == "exchange"
        and system.extractant_form == "dimer"
        and system.activity == "ideal"
        and system.loading is None
        and np.isfinite(system.log10_saponification_constant)
    )
    further = (
        system.exchange_cations or system.complexes or system.organic_species or system.apparent
    )
    trivalent = (system.charge == 3.0).all() and (system.extractant_number == 3.0).all()
    return bool(plain and trivalent and not further)


def chemistry_of(system: ExtractionSystem) -> StageChemistry:
    """Return the equations of a system, a hashable value."""
    if is_simple_exchange(system):
        return AcidicExchange(system.elements, cation=system.saponifying_cation)
    stated = plant_tableau(system)
    return TableauChemistry(stated.tableau, system.elements, stated.nonideality.model)


def plant_tableau(system: ExtractionSystem) -> SystemTableau:
    """Return the tableau of a system as a bank runs it: with one saponifying cation, ammonium.

    Raises:
        SpecificationError: The extractant is not saponified with ammonium.
    """
    cations = exchange_constants(system)
    if SAPONIFIER not in cations:
        raise SpecificationError(
            f"the extractant of {system.name} takes up no {SAPONIFIER}.",
            where="chemistry of a bank",
            allowed=f"systems with a constant of {SAPONIFIER}",
            mend=f"It has {', '.join(cations) or 'no constant of any cation'}.",
        )
    return system_tableau(narrowed(system, system.elements, (SAPONIFIER,)))


def parameters_of(system: ExtractionSystem) -> Parameters:
    """Return the numbers of a system."""
    if not is_simple_exchange(system):
        stated = plant_tableau(system)
        return TableauParameters(given(stated.log10_constants), stated.nonideality.parameters)
    ten = np.log(10.0)
    return ExchangeParameters(
        given(np.asarray(system.log10_extraction_constant) * ten),
        given(np.float64(system.log10_saponification_constant * ten)),
    )


def liquor_components(
    liquor: Liquor,
    elements: tuple[str, ...],
    charge: Array | None = None,
    anion_charge: float = 1.0,
) -> Array:
    """Return a liquor as components, (component,), [mol/m³]; anion from electroneutrality.

    Args:
        liquor: What is supplied.
        elements: Symbols on the element axis.
        charge: Of their ions, (element,), [-]; 3 of each if left out.
        anion_charge: Charge of one anion, without its sign, [-].

    Raises:
        SpecificationError: An element without a constant, or an amount that cannot be.
    """
    unknown = set(liquor.concentration) - set(elements)
    if unknown:
        raise SpecificationError(
            f"{', '.join(sorted(unknown))} has no constant in the system.",
            where=f"liquor {liquor.name}",
            allowed=", ".join(elements),
        )
    for name, value in (*liquor.concentration.items(), ("free acid", liquor.proton)):
        if not (np.isfinite(value) and value >= 0.0):
            raise SpecificationError(
                f"{name} is {value:g} mol/m³.", where=f"liquor {liquor.name}", allowed="0 or more"
            )
    rare_earths = np.array([max(liquor.concentration.get(e, 0.0), FLOOR) for e in elements])
    each = np.full(len(elements), 3.0) if charge is None else charge
    positive = float(each @ rare_earths) + FLOOR + max(liquor.proton, FLOOR)
    return np.array([*rare_earths, FLOOR, positive / anion_charge, 0.0])


def streams_of(circuit: Circuit) -> Streams:
    """Return the streams of a circuit."""
    size = bucket_size(circuit.stages)
    elements = circuit.elements
    anion_charge = -float(FREE_SPECIES[circuit.system.medium].charge)
    feeds, draws, recycle = [], [], np.zeros(size)
    start = 0
    for section in circuit.sections:
        end = start + section.stages
        recycle[start:end] = section.recycle
        if section.aqueous is not None:
            components = liquor_components(
                section.aqueous, elements, circuit.system.charge, anion_charge
            )
            feeds.append((section.aqueous.flow, components, end - 1))
        if section.draw:
            draws.append((section.draw_flow, start))
        start = end
    dimer = extractant_of(circuit)
    cation = circuit.saponification_degree * circuit.extractant_concentration
    organic = np.array([0.0] * len(elements) + [max(cation, FLOOR), 0.0, dimer])
    return Streams(
        organic_flow=given(np.float64(circuit.organic_flow)),
        organic_inlet=given(organic),
        feed_flow=given(np.array([feed[0] for feed in feeds])),
        feed_concentration=given(np.array([feed[1] for feed in feeds])),
        feed_stage=given(np.array([feed[2] for feed in feeds])),
        draw_flow=given(np.array([draw[0] for draw in draws])),
        draw_stage=given(np.array([draw[1] for draw in draws], dtype=np.int64)),
        recycle=given(recycle),
        entrainment=entrainment_of(circuit),
        organic_feeds=organic_feeds_of(circuit),
    )


def entrainment_of(circuit: Circuit) -> Entrainment | None:
    """Return the entrained shares of a circuit; None if its settlers part the phases clean."""
    shares = np.zeros((2, bucket_size(circuit.stages)))
    start = 0
    for section in circuit.sections:
        part = slice(start, start + section.stages)
        shares[0, part], shares[1, part] = section.entrained_organic, section.entrained_aqueous
        start += section.stages
    # Barren organic is washed before it returns, and the wash goes back to the last stage.
    shares[1, circuit.stages - 1] = 0.0
    if not shares.any():
        return None
    organic, aqueous = given(shares)
    return Entrainment(organic=organic, aqueous=aqueous)


def organic_feeds_of(circuit: Circuit) -> OrganicFeeds | None:
    """Return the organic fed between the ends of a circuit; None if there is none.

    Raises:
        SpecificationError: An element without a constant, an amount that cannot be, or more than
            the extractant carries.
    """
    if all(section.organic is None for section in circuit.sections):
        return None
    dimer = extractant_of(circuit)
    flows, rows, stages, start = [], [], [], 0
    for section in circuit.sections:
        if section.organic is not None:
            _check_organic_feed(circuit, section.organic, dimer)
            metals = [section.organic.concentration.get(symbol, 0.0) for symbol in circuit.elements]
            flows.append(section.organic.flow)
            rows.append([*metals, section.organic.cation, dimer])
            stages.append(start)
        start += section.stages
    return OrganicFeeds(
        flow=given(np.array(flows)),
        concentration=given(np.array(rows)),
        stage=given(np.array(stages, dtype=np.int64)),
    )


def _check_organic_feed(circuit: Circuit, feed: OrganicFeed, dimer: float) -> None:
    where, elements = f"organic feed {feed.name}", circuit.elements
    unknown = sorted(set(feed.concentration) - set(elements))
    if unknown:
        raise SpecificationError(
            f"{', '.join(unknown)} has no constant in the system.",
            where=where,
            allowed=", ".join(elements),
        )
    for name, value in (*feed.concentration.items(), ("cation", feed.cation), ("flow", feed.flow)):
        if not (np.isfinite(value) and value >= 0.0):
            raise SpecificationError(f"{name} is {value:g}.", where=where, allowed="0 or more")
    binding = dict(zip(elements, circuit.system.extractant_number.tolist(), strict=True))
    bound = feed.cation + sum(binding[name] * value for name, value in feed.concentration.items())
    if bound > dimer:
        raise SpecificationError(
            f"its metals and cation bind {bound:.4g} mol/m³ of extractant.",
            where=where,
            allowed=f"at most the {dimer:.4g} mol/m³ there are",
            mend="Give it less metal.",
        )


def extractant_of(circuit: Circuit) -> float:
    """Return the extractant of a circuit in the units of its system, such as dimer, [mol/m³]."""
    return circuit.extractant_concentration / extractant_units(circuit.system)


def settled_flows(streams: Streams) -> AqueousFlows:
    """Return what settles and where it goes, padded as the streams are, as NumPy arrays."""
    size = np.shape(streams.recycle)[0]
    flows: AqueousFlows = jax.tree.map(np.asarray, _flows_at_once(streams, size))
    return flows


def vessels_of(circuit: Circuit) -> Vessels:
    """Return the holdups of a circuit; mixer phases split as the flows that meet there."""
    size = bucket_size(circuit.stages)
    # Padding holds 1 of everything, so that its idle equations stay regular.
    columns = np.ones((5, size))
    ratio = mixer_ratios(circuit)
    start = 0
    for section in circuit.sections:
        part = slice(start, start + section.stages)
        organic = section.mixer * ratio[part] / (1.0 + ratio[part])
        columns[0, part] = section.mixer - organic
        columns[1, part] = organic
        columns[2, part] = section.settler_aqueous
        columns[3, part] = section.settler_organic
        columns[4, part] = section.efficiency
        start += section.stages
    mixer_aqueous, mixer_organic, settler_aqueous, settler_organic, efficiency = given(columns)
    return Vessels(
        mixer_aqueous=mixer_aqueous,
        mixer_organic=mixer_organic,
        settler_aqueous=settler_aqueous,
        settler_organic=settler_organic,
        efficiency=efficiency,
        active=given(np.arange(size) < circuit.stages),
        last=given(np.int64(circuit.stages - 1)),
        tank=given(np.float64(circuit.organic_tank)),
    )


def aqueous_leaving(circuit: Circuit) -> Array:
    """Return the aqueous that goes down from every stage on balance, (stage,), [m³/s].

    Draws are not yet taken off. What entrainment sends up comes down again: it adds to what
    settles, not to this.
    """
    flow, rows = 0.0, []
    for section in reversed(circuit.sections):
        flow += section.aqueous.flow if section.aqueous is not None else 0.0
        rows.append(np.full(section.stages, flow))
        flow -= section.draw_flow
    return np.concatenate(rows[::-1])


def settling(circuit: Circuit) -> tuple[Array, Array]:
    """Return organic and aqueous that settle in every stage, recycle left out, (stage,), [m³/s]."""
    if entrainment_of(circuit) is None and organic_feeds_of(circuit) is None:
        return np.full(circuit.stages, circuit.organic_flow), aqueous_leaving(circuit)
    flows = settled_flows(streams_of(circuit))
    count = circuit.stages
    return np.asarray(flows.organic)[:count], np.asarray(flows.leaving)[:count]


def mixer_ratios(circuit: Circuit) -> Array:
    """Return organic to aqueous in every mixer, internal recycle included, (stage,), [-]."""
    recycle = np.concatenate([np.full(s.stages, s.recycle) for s in circuit.sections])
    # Without any aqueous the ratio is infinite and refused by name; it must not divide by zero.
    organic, leaving = settling(circuit)
    aqueous: Array = np.maximum(leaving + recycle, 1e-300)
    return organic / aqueous


def check_mixer_ratios(circuit: Circuit) -> None:
    """Raise if a mixer would be asked to disperse what does not disperse.

    Raises:
        SpecificationError: Names the section, the ratio, the range and the mend.
    """
    ratios, names = mixer_ratios(circuit), circuit.section_names
    organic, leaving = settling(circuit)
    low, high = MIXER_RATIO
    for place, (name, ratio) in enumerate(zip(names, ratios.tolist(), strict=True)):
        if not low <= ratio <= high:
            section = next(s for s in circuit.sections if s.name == name)
            raise SpecificationError(
                f"O/A in the mixer is {ratio:.3g}.",
                where=name,
                allowed=f"{low:.3g} to {high:.3g}, the range in which it disperses",
                mend=mixer_mend(
                    section,
                    organic=float(organic[place]),
                    aqueous=float(leaving[place]),
                    organic_flow=circuit.organic_flow,
                    limits=MIXER_RATIO,
                ),
            )


def problem_of(circuit: Circuit, specification: Specification | None = None) -> Problem:
    """Return everything the engine needs to know of a circuit."""
    streams = streams_of(circuit)
    flows = 1 + len(streams.feed_flow) + len(streams.draw_flow)
    if specification is None:
        specification = no_specification(len(circuit.elements) + 3, flows)
    return Problem(vessels_of(circuit), streams, specification, parameters_of(circuit.system))


def specification_of(plant: Plant, purities: Mapping[str, float]) -> Specification:
    """Return purities as equations; organic (with the acid) and the draw become free.

    Raises:
        SpecificationError: Not two purities, or one that is no fraction or of no product.
    """
    if len(purities) != 2:
        raise SpecificationError(
            f"{len(purities)} purities are asked for.",
            where="purity specification",
            allowed="2: the two flows that are freed need as many equations",
            mend=f"Give one for each of {', '.join(plant.products)}.",
        )
    elements = plant.circuit.elements
    oxide = np.array([*oxide_molar_masses(elements), 0.0, 0.0, 0.0])
    stages, impurity, target = [], [], []
    for name, purity in purities.items():
        product = plant.product(name)
        if not 0.0 < purity < 1.0:
            raise SpecificationError(
                f"purity is {purity:g}.",
                where=f"specification of {name}",
                allowed="between 0 and 1, as a fraction",
                mend="Write 0.999 for 99.9 %.",
            )
        stages.append(plant.stage_index(product))
        wanted = [float(e not in product.elements) for e in elements]
        impurity.append([*wanted, 0.0, 0.0, 0.0])
        target.append(np.log10(1.0 - purity))
    response = np.zeros((4, len(stages)))
    response[[0, 2, 3], 0] = 1.0
    response[3, 1] = 1.0
    return Specification(
        outlet_stage=given(np.array(stages, dtype=np.int64)),
        weight=given(np.tile(oxide, (len(stages), 1))),
        impurity=given(np.array(impurity)),
        log_impurity=given(np.array(target)),
        response=given(response),
    )
