"""What a plant does, as one differentiable function of its inputs and its steady state."""

from __future__ import annotations

from typing import NamedTuple

from raffinate.cascade.bank import AqueousFlows, Streams, Unknowns, adjusted, aqueous_flows
from raffinate.cascade.entrainment import going_down, returned_organic
from raffinate.cascade.equations import Problem
from raffinate.chemistry.elements import (
    AMMONIA_MOLAR_MASS,
    HYDROGEN_CHLORIDE_MOLAR_MASS,
    oxide_molar_masses,
)
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.numerics.jax_setup import Array as Traced
from raffinate.numerics.jax_setup import jnp
from raffinate.plant.gradients_cost import CostAmounts, CostNumbers, no_cost, running_cost
from raffinate.plant.gradients_inputs import (
    VOLUMES,
    Frame,
    InputLayout,
    along_stages,
    problem_at,
)
from raffinate.plant.model import RAFFINATE, Plant

COST = "cost"
"""Outcome: what the account counts per oxide produced, [currency/kg]."""

REO_HELD = "reo_held"
"""Outcome: oxide in the plant, [kg]."""

OUTCOME_UNITS = {
    "log_impurity": "-",
    "recovery": "-",
    "reo": "kg/s",
    "reagent": "kg/kg",
    "organic_flow": "m³/s",
    "acid_flow": "m³/s",
    "scrub_flow": "m³/s",
    "draw_flow": "m³/s",
    "barren_oxide": "kg/m³",
    "oa_ratio": "-",
    REO_HELD: "kg",
    COST: "currency/kg",
}
"""Units of outcomes, by the first or last part of their names."""

PLANT_OUTCOMES = ("organic_flow", "acid_flow", "scrub_flow", "draw_flow", "barren_oxide", REO_HELD)


class OutcomeData(NamedTuple):
    """Numbers that outcomes need beside those of the bank.

    Attributes:
        oxide: Mass of oxide per mole of metal, (element,), [kg/mol].
        wanted: Which oxides count as product, (product, element), 0 or 1.
        from_raffinate: Whether a product is the raffinate rather than the draw, (product,).
        cost: What amounts cost.
    """

    oxide: Traced
    wanted: Traced
    from_raffinate: Traced
    cost: CostNumbers


class _Bank(NamedTuple):
    """A bank at rest, as outcomes read it."""

    streams: Streams
    flows: AqueousFlows
    aqueous: Traced
    organic: Traced
    liquor: Traced
    returned: Traced


def outcome_data(plant: Plant, cost: CostNumbers | None = None) -> OutcomeData:
    """Return the numbers that the outcomes of a plant need."""
    elements = plant.circuit.elements
    products = plant.products.values()
    return OutcomeData(
        oxide=jnp.array(oxide_molar_masses(elements)),
        wanted=jnp.array([[float(e in p.elements) for e in elements] for p in products]),
        from_raffinate=jnp.array([float(p.outlet == RAFFINATE) for p in products]),
        cost=no_cost(len(elements)) if cost is None else cost,
    )


def outcome_names(plant: Plant, *, priced: bool) -> tuple[str, ...]:
    """Return the outcomes of a plant, in order."""
    products = tuple(plant.products)
    sections = tuple(section.name for section in plant.circuit.sections)
    return (
        *(f"{kind}.{name}" for kind in ("log_impurity", "recovery", "reo") for name in products),
        *("reagent.NH3", "reagent.HCl"),
        *PLANT_OUTCOMES,
        *(f"{section}.oa_ratio" for section in sections),
        *((COST,) if priced else ()),
    )


def outcome_unit(name: str) -> str:
    """Return the SI unit of an outcome by name."""
    first, _, last = name.partition(".")
    return OUTCOME_UNITS.get(last, OUTCOME_UNITS.get(first, "-"))


def outcomes(
    chemistry: StageChemistry,
    layout: InputLayout,
    data: OutcomeData,
    frame: Frame,
    inputs: Traced,
    unknowns: Unknowns,
) -> Traced:
    """Return the outcomes, (outcome,), in the order of `outcome_names`.

    Args:
        chemistry: Equations of one contact.
        layout: Which inputs there are.
        data: Further numbers.
        frame: What of the bank does not follow from its inputs.
        inputs: (input,).
        unknowns: Its steady state.
    """
    problem = problem_at(layout, frame, inputs)
    bank = _bank(chemistry, problem, unknowns)
    elements, last = chemistry.element_count, problem.vessels.last
    streams, flows = bank.streams, bank.flows
    fed = (streams.feed_flow @ streams.feed_concentration)[:elements]
    if streams.organic_feeds is not None:
        feeds = streams.organic_feeds
        fed = fed + (feeds.flow @ feeds.concentration)[:elements]
    raffinate = flows.passed[0] * bank.liquor[0]
    drawn = streams.draw_flow @ bank.liquor[streams.draw_stage]
    share = data.from_raffinate[:, None]
    product = share * raffinate[:elements] + (1.0 - share) * drawn[:elements]
    mass = product * data.oxide
    total = jnp.sum(mass, axis=1)
    log_impurity = jnp.log10(jnp.sum(mass * (1.0 - data.wanted), axis=1) / total)
    recovery = jnp.sum(product * data.wanted, axis=1) / (data.wanted @ fed)
    produced = jnp.sum(total)
    cation = streams.organic_flow * (streams.organic_inlet[elements] - bank.returned[elements])
    acid = streams.feed_flow[1]
    acid_mass = acid * inputs[layout.place("acid_concentration")] * HYDROGEN_CHLORIDE_MOLAR_MASS
    oxide, solvent = _held(layout, data, frame, bank, inputs)
    draw = jnp.sum(streams.draw_flow)
    found = [
        *(log_impurity, recovery, total),
        jnp.stack([cation * AMMONIA_MOLAR_MASS, acid_mass]) / produced,
        jnp.stack([streams.organic_flow, acid, acid - draw, draw]),
        jnp.stack([bank.organic[last, :elements] @ data.oxide, jnp.sum(oxide)]),
        _mixer_ratio(layout, frame, bank, inputs)[frame.first],
    ]
    leaving = raffinate[elements] + drawn[elements]
    amounts = _amounts(layout, data, frame, bank, inputs, (cation, leaving, oxide, solvent))
    # Without prices it is 0 and has no name: one kernel then serves both.
    found.append((running_cost(data.cost, amounts) / produced)[None])
    return jnp.concatenate(found)


def _bank(chemistry: StageChemistry, problem: Problem, unknowns: Unknowns) -> _Bank:
    free = unknowns.border[chemistry.element_count :]
    streams = adjusted(problem.streams, problem.specification, free)
    size = problem.vessels.active.shape[0]
    dissolved = len(chemistry.components) - 1
    flows = aqueous_flows(streams, size)
    aqueous = jnp.exp(unknowns.stage[:, :dissolved])
    organic = unknowns.stage[:, chemistry.unknown_count :] * streams.organic_inlet[-1]
    soluble = tuple(k for k in chemistry.organic_components if k < dissolved)
    return _Bank(
        streams,
        flows,
        aqueous,
        organic,
        going_down(flows.entrained, aqueous, organic[:, : len(soluble)], soluble),
        returned_organic(flows.entrained, streams.organic_flow, organic, problem.vessels.last),
    )


def _mixer_ratio(layout: InputLayout, frame: Frame, bank: _Bank, inputs: Traced) -> Traced:
    """Return organic to aqueous in every mixer, internal recycle included, (stage,), [-]."""
    aqueous = bank.flows.leaving + along_stages(layout, frame, inputs, "recycle")
    return bank.flows.organic / jnp.where(frame.template.vessels.active, aqueous, 1.0)


def _held(
    layout: InputLayout, data: OutcomeData, frame: Frame, bank: _Bank, inputs: Traced
) -> tuple[Traced, Traced]:
    """Return oxides held, (element,), [kg], and organic held, [m³]."""
    elements, vessels = data.oxide.shape[0], frame.template.vessels
    ratio = _mixer_ratio(layout, frame, bank, inputs)
    mixer, settled_organic, settled_aqueous = (
        along_stages(layout, frame, inputs, quantity) for quantity in VOLUMES
    )
    in_mixer = mixer * ratio / (1.0 + ratio)
    organic = jnp.where(vessels.active, in_mixer + settled_organic, 0.0)
    aqueous = jnp.where(vessels.active, mixer - in_mixer + settled_aqueous, 0.0)
    tank = inputs[layout.place("organic_tank")]
    moles = (
        organic @ bank.organic[:, :elements]
        + aqueous @ bank.aqueous[:, :elements]
        + tank * bank.organic[vessels.last, :elements]
    )
    return moles * data.oxide, jnp.sum(organic) + tank


def _entrained(bank: _Bank) -> Traced:
    """Return the organic that leaves with the liquors, [m³/s]."""
    if bank.flows.entrained is None:
        return jnp.zeros(())
    carried, streams = bank.flows.entrained.organic_per_aqueous, bank.streams
    lost: Traced = bank.flows.passed[0] * carried[0]
    return lost + streams.draw_flow @ carried[streams.draw_stage]


def _oxide_fed(layout: InputLayout, data: OutcomeData, bank: _Bank, inputs: Traced) -> Traced:
    """Return the oxide in the feed and in organic fed on the way, [kg/s]."""
    streams = bank.streams
    fed: Traced = streams.feed_flow[0] * (inputs[jnp.array(layout.feed)] @ data.oxide)
    if streams.organic_feeds is None:
        return fed
    feeds, count = streams.organic_feeds, data.oxide.shape[0]
    return fed + (feeds.flow @ feeds.concentration)[:count] @ data.oxide


def _amounts(
    layout: InputLayout,
    data: OutcomeData,
    frame: Frame,
    bank: _Bank,
    inputs: Traced,
    known: tuple[Traced, Traced, Traced, Traced],
) -> CostAmounts:
    cation, leaving_cation, oxide, solvent = known
    feed_flow, acid_flow = bank.streams.feed_flow

    def by_section(quantity: str) -> Traced:
        return inputs[jnp.array(layout.by_section(quantity))]

    mixer = by_section(VOLUMES[0])
    return CostAmounts(
        feed_oxide=_oxide_fed(layout, data, bank, inputs),
        feed_flow=feed_flow,
        acid_flow=acid_flow,
        organic_flow=bank.streams.organic_flow,
        acid_concentration=inputs[layout.place("acid_concentration")],
        base=cation,
        cation=leaving_cation,
        leaving=bank.flows.passed[0] + jnp.sum(bank.streams.draw_flow),
        entrained=_entrained(bank),
        extractant=inputs[layout.place("extractant_concentration")],
        stages=frame.stages,
        mixer=mixer,
        stage_volume=mixer + by_section(VOLUMES[1]) + by_section(VOLUMES[2]),
        oxide=oxide,
        organic_held=solvent,
    )
