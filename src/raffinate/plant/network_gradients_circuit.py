"""A circuit of a network as a differentiable map: what enters and its settings to what leaves.

Inputs are the liquors that enter, amounts and flow, and the settings of the circuit; outcomes are
its outlets, amounts and flow, and what it uses (`USES`). Derivatives come from the implicit
function theorem on the bank at rest, see `raffinate.cascade.adjoint`.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.adjoint import outcome_jacobian
from raffinate.cascade.bank import Unknowns, aqueous_flows
from raffinate.cascade.entrainment import going_down, returned_organic
from raffinate.cascade.equations import Problem
from raffinate.chemistry.exchange import FLOOR, ExchangeParameters
from raffinate.chemistry.stage_chemistry import Parameters, StageChemistry
from raffinate.numerics.jax_setup import Array as Traced
from raffinate.numerics.jax_setup import given, jax, jnp
from raffinate.plant.arrays import chemistry_of
from raffinate.plant.gradients_inputs import CONSTANT, constants_of
from raffinate.plant.network import CircuitUnit
from raffinate.plant.network_bank import network_problem
from raffinate.plant.network_circuit import CircuitState
from raffinate.plant.network_gradients_held import held_in
from raffinate.plant.network_gradients_layout import FLOWS, CircuitLayout
from raffinate.plant.network_stream import Stream, StreamAxis

Array = NDArray[np.float64]


class CircuitFrame(NamedTuple):
    """What of a circuit does not follow from its inputs; an array-only pytree.

    Attributes:
        template: The bank as it was solved.
        section: Section of every stage, (stage,); 0 for padding.
        first: First stage of every section, (section,).
        stages: Of every section, (section,).
        recycle: Stated, (section,), [m³/s]; negative where it makes `mixer_ratio`.
        mixer_ratio: [-].
        residences: Of mixers and settlers, (2,), [s].
        loss: HA dissolved by liquor that leaves, [mol/m³].
        bleed: Share of the organic, [-].
        stuck: Share extracted, share stripped and HA bound of stuck metals, (3, stuck), [-].
        equipment: Reference volume, [m³], and exponent of cost in volume, (2,).
        metal_value: What a mole held is worth, (element,), [currency/mol].
    """

    template: Problem
    section: Traced
    first: Traced
    stages: Traced
    recycle: Traced
    mixer_ratio: Traced
    residences: Traced
    loss: Traced
    bleed: Traced
    stuck: Traced
    equipment: Traced
    metal_value: Traced


class _Entering(NamedTuple):
    whole: Traced
    fed: Traced
    seen: list[Traced]
    flows: list[Traced]
    loaded: Traced


def circuit_frame(
    axis: StreamAxis,
    unit: CircuitUnit,
    state: CircuitState,
    streams: dict[str, Stream],
    equipment: tuple[float, float],
    metal_value: Array,
) -> CircuitFrame:
    """Return the frame of a circuit at rest.

    Args:
        axis: Components of the streams.
        unit: The circuit.
        state: As solved.
        streams: Of the network, by name.
        equipment: Reference volume of a stage, [m³], and exponent of its cost in volume, [-].
        metal_value: What a mole held is worth, (metal of the plant,), [currency/mol].
    """
    liquors = {s.name: streams[s.liquor] for s in unit.sections if s.liquor}
    template = network_problem(state.circuit, axis, liquors)
    counts = [section.stages for section in unit.sections]
    section = np.zeros(len(np.asarray(template.vessels.active)), dtype=np.int64)
    section[: sum(counts)] = np.repeat(np.arange(len(counts)), counts)
    vessels, loop = unit.vessels, unit.organic
    return CircuitFrame(
        template=template,
        section=given(section),
        first=given(np.cumsum([0, *counts[:-1]])),
        stages=given(np.array(counts, dtype=np.float64)),
        recycle=given(np.array([-1.0 if s.recycle is None else s.recycle for s in unit.sections])),
        mixer_ratio=given(np.float64(vessels.mixer_ratio)),
        residences=given(np.array([vessels.mixer_residence, vessels.settler_residence])),
        loss=given(np.float64(loop.loss)),
        bleed=given(np.float64(loop.bleed)),
        stuck=given(
            np.array([[m.extracted, m.stripped, m.extractant_number] for m in loop.stuck])
            .reshape(len(loop.stuck), 3)
            .T.copy()
        ),
        equipment=given(np.array(equipment)),
        metal_value=given(metal_value[[axis.elements.index(e) for e in unit.system.elements]]),
    )


def circuit_inputs(
    layout: CircuitLayout, unit: CircuitUnit, state: CircuitState, streams: dict[str, Stream]
) -> Array:
    """Return the inputs of a circuit at rest, (input,), SI."""
    found: dict[str, float] = {
        "extractant_concentration": unit.organic.extractant_concentration,
        "saponification_degree": unit.organic.saponification_degree,
    }
    if state.flows is not None:
        flows = (state.flows.organic, state.flows.acid, state.flows.draw)
        found |= dict(zip(FLOWS, flows, strict=True))
    found["organic_per_feed"] = unit.organic_per_feed
    for section in unit.sections:
        found[f"{section.name}.efficiency"] = section.efficiency
        found[f"{section.name}.draw_per_feed"] = section.draw_per_feed
        if section.acid is not None:
            found[f"{section.name}.acid_per_feed"] = section.acid.per_feed
            found[f"{section.name}.acid_concentration"] = section.acid.proton
    names = [name for name in layout.settings if name.startswith(CONSTANT)]
    known = constants_of(unit.system)
    found |= {n: float(known[k]) for n, k in zip(names, layout.constant_places, strict=True)}
    taken = [streams[section.liquor] for section in unit.sections if section.liquor]
    rows = [np.append(stream.amount, stream.flow) for stream in taken]
    return np.concatenate([*rows, np.array([found[name] for name in layout.settings])])


def circuit_jacobian(
    unit: CircuitUnit,
    layout: CircuitLayout,
    frame: CircuitFrame,
    inputs: Array,
    unknowns: Unknowns,
) -> tuple[Array, Array]:
    """Return outcomes, (outcome,), and their derivatives, (outcome, input), SI.

    Outcomes are the raffinate and the draws, each with its amounts and flow, then `USES`.
    """
    chemistry = chemistry_of(unit.system)
    elements = chemistry.element_count
    at = Unknowns(jnp.asarray(unknowns.stage), jnp.asarray(unknowns.border)[:elements])
    values, slopes = _jacobian(chemistry, layout, frame, jnp.asarray(inputs), at)
    return np.asarray(values), np.asarray(slopes)


@partial(jax.jit, static_argnums=(0, 1))
def _jacobian(
    chemistry: StageChemistry,
    layout: CircuitLayout,
    frame: CircuitFrame,
    inputs: Traced,
    unknowns: Unknowns,
) -> tuple[Traced, Traced]:
    def build(at: Traced) -> Problem:
        return circuit_problem(layout, frame, at)

    def measure(at: Traced, found: Unknowns) -> Traced:
        return circuit_outcomes(chemistry, layout, frame, at, found)

    return outcome_jacobian(chemistry, build, measure, inputs, unknowns)


def circuit_problem(layout: CircuitLayout, frame: CircuitFrame, inputs: Traced) -> Problem:
    """Return the bank that the inputs make; traceable."""
    entering = _entering(layout, frame, inputs)
    template = frame.template
    streams = template.streams
    organic, acids, draws = _flows(layout, inputs, entering.fed)
    rows, flows = [], []
    for name in layout.feeds:
        if name in layout.liquors:
            place = layout.liquors.index(name)
            flows.append(entering.flows[place])
            rows.append(_liquor(layout, entering.seen[place], entering.flows[place]))
        else:
            flows.append(acids[name])
            strength = inputs[layout.setting(f"{name}.acid_concentration")]
            rows.append(_acid(layout, strength))
    free = inputs[layout.setting("extractant_concentration")]
    free = free - frame.stuck[2] @ entering.loaded / organic
    cation = jnp.maximum(inputs[layout.setting("saponification_degree")] * free, FLOOR)
    inlet = jnp.stack([cation, jnp.zeros(()), free / layout.dimer_units])
    feeds = streams.organic_feeds
    if feeds is not None:
        brought = jnp.asarray(feeds.concentration).at[:, -1].set(free / layout.dimer_units)
        feeds = feeds._replace(concentration=brought)
    efficiency = inputs[jnp.array([layout.setting(f"{s}.efficiency") for s in layout.sections])]
    active = template.vessels.active
    return Problem(
        template.vessels._replace(efficiency=jnp.where(active, efficiency[frame.section], 1.0)),
        streams._replace(
            organic_flow=organic,
            organic_inlet=jnp.concatenate([jnp.zeros(len(layout.chosen)), inlet]),
            feed_flow=jnp.stack(flows),
            feed_concentration=jnp.stack(rows),
            draw_flow=jnp.stack([draws[name] for name in layout.draws]),
            organic_feeds=feeds,
        ),
        template.specification,
        _parameters(layout, template.parameters, inputs),
    )


def _entering(layout: CircuitLayout, frame: CircuitFrame, inputs: Traced) -> _Entering:
    """Return liquors as the equilibrium meets them, as `network_circuit` does."""
    width, anion = layout.width, layout.metals + 1
    rows = [inputs[k * width : (k + 1) * width] for k in range(len(layout.liquors))]
    whole = sum(rows[1:], rows[0])
    stuck, charge = jnp.array(layout.stuck, dtype=int), jnp.array(layout.charge)
    beside = jnp.array([layout.metals + 2, layout.metals + 3])
    seen = []
    for row in rows:
        passes = (1.0 - frame.stuck[0]) * row[stuck]
        held = passes @ charge[stuck] / layout.anion_charge
        seen.append(row[:-1].at[anion].add(-held).at[stuck].set(0.0).at[beside].set(0.0))
    extracted = frame.stuck[0] * whole[stuck]
    leaves = 1.0 - (1.0 - frame.bleed) * (1.0 - frame.stuck[1])
    loaded = extracted / jnp.where(leaves > 0.0, leaves, 1.0)
    return _Entering(whole, whole[-1], seen, [row[-1] for row in rows], loaded)


def _flows(
    layout: CircuitLayout, inputs: Traced, fed: Traced
) -> tuple[Traced, dict[str, Traced], dict[str, Traced]]:
    """Return the organic flow, the acids and the draws by section, [m³/s]."""
    acids = [name for name in layout.feeds if name not in layout.liquors]
    if not layout.at_ratios:
        organic, acid, draw = (inputs[layout.setting(name)] for name in FLOWS)
        return organic, dict.fromkeys(acids, acid), dict.fromkeys(layout.draws, draw)
    return (
        inputs[layout.setting("organic_per_feed")] * fed,
        {name: inputs[layout.setting(f"{name}.acid_per_feed")] * fed for name in acids},
        {name: inputs[layout.setting(f"{name}.draw_per_feed")] * fed for name in layout.draws},
    )


def _liquor(layout: CircuitLayout, amount: Traced, flow: Traced) -> Traced:
    """Return a liquor as components, as `arrays.liquor_components` and `network_bank` do."""
    count = layout.metals
    charge, z = jnp.array(layout.charge), layout.anion_charge
    acid = z * amount[count + 1] - charge @ amount[:count] - amount[count]
    chosen = jnp.array(layout.chosen)
    metals = jnp.maximum(amount[chosen] / flow, FLOOR)
    ammonium = amount[count] / flow
    positive = charge[chosen] @ metals + FLOOR + jnp.maximum(acid / flow, FLOOR)
    anion = (positive + jnp.maximum(ammonium, 0.0)) / z
    rest = jnp.stack([jnp.maximum(ammonium, FLOOR), anion, jnp.zeros(())])
    return jnp.concatenate([metals, rest])


def _acid(layout: CircuitLayout, strength: Traced) -> Traced:
    metals = jnp.full(len(layout.chosen), FLOOR)
    positive = jnp.array(layout.charge)[jnp.array(layout.chosen)] @ metals + FLOOR + strength
    rest = jnp.stack([jnp.asarray(FLOOR), positive / layout.anion_charge, jnp.zeros(())])
    return jnp.concatenate([metals, rest])


def _parameters(layout: CircuitLayout, parameters: Parameters, inputs: Traced) -> Parameters:
    constants = inputs[jnp.array(layout.constants)]
    if layout.simple:
        natural = constants * jnp.log(10.0)
        return ExchangeParameters(natural[:-1], natural[-1])
    known = jnp.asarray(parameters.log10_constants)
    changed = known.at[jnp.array(layout.constant_places)].set(constants)
    return parameters._replace(log10_constants=changed)


def circuit_outcomes(
    chemistry: StageChemistry,
    layout: CircuitLayout,
    frame: CircuitFrame,
    inputs: Traced,
    unknowns: Unknowns,
) -> Traced:
    """Return outlets and `USES` of a circuit; traceable."""
    problem = circuit_problem(layout, frame, inputs)
    streams, vessels = problem.streams, problem.vessels
    entering = _entering(layout, frame, inputs)
    dissolved, count = len(chemistry.components) - 1, chemistry.element_count
    flows = aqueous_flows(streams, vessels.active.shape[0])
    aqueous = jnp.exp(unknowns.stage[:, :dissolved])
    organic = unknowns.stage[:, chemistry.unknown_count :] * streams.organic_inlet[-1]
    soluble = tuple(k for k in chemistry.organic_components if k < dissolved)
    liquor = going_down(flows.entrained, aqueous, organic[:, : len(soluble)], soluble)
    made = [_outlet(layout, flows.passed[0], liquor[0], count)]
    for k in range(len(layout.draws)):
        made.append(_outlet(layout, streams.draw_flow[k], liquor[streams.draw_stage[k]], count))
    made = _pass_beside(layout, frame, entering, made)
    back = returned_organic(flows.entrained, streams.organic_flow, organic, vessels.last)
    ammonia = streams.organic_flow * (streams.organic_inlet[count] - back[count])
    out = flows.passed[0] + jnp.sum(streams.draw_flow)
    lost = frame.loss * out
    if flows.entrained is not None:
        carried = flows.entrained.organic_per_aqueous
        with_liquor = flows.passed[0] * carried[0] + streams.draw_flow @ carried[streams.draw_stage]
        lost = lost + with_liquor * inputs[layout.setting("extractant_concentration")]
    metals = (aqueous[:, :count], organic[:, :count])
    uses = _uses(layout, frame, problem, entering, inputs, ammonia, lost, metals)
    return jnp.concatenate([*made, uses])


def _outlet(layout: CircuitLayout, flow: Traced, row: Traced, count: int) -> Traced:
    amount = jnp.zeros(layout.width).at[jnp.array(layout.chosen)].set(flow * row[:count])
    place = layout.metals
    outlet: Traced = (
        amount.at[place].set(flow * row[count]).at[place + 1].set(flow * row[count + 1])
    )
    return outlet.at[-1].set(flow)


def _pass_beside(
    layout: CircuitLayout, frame: CircuitFrame, entering: _Entering, made: list[Traced]
) -> list[Traced]:
    whole, count = entering.whole, layout.metals
    stuck, charge = jnp.array(layout.stuck, dtype=int), jnp.array(layout.charge)
    passes = (1.0 - frame.stuck[0]) * whole[stuck]
    raffinate = made[0].at[count + 2].add(whole[count + 2]).at[count + 3].add(whole[count + 3])
    raffinate = raffinate.at[stuck].add(passes)
    raffinate = raffinate.at[count + 1].add(passes @ charge[stuck] / layout.anion_charge)
    stripped = frame.stuck[1] * entering.loaded
    if len(made) == 1:
        return [raffinate.at[stuck].add(stripped)]
    return [raffinate, *made[1:-1], made[-1].at[stuck].add(stripped)]


def _uses(
    layout: CircuitLayout,
    frame: CircuitFrame,
    problem: Problem,
    entering: _Entering,
    inputs: Traced,
    ammonia: Traced,
    lost: Traced,
    metals: tuple[Traced, Traced],
) -> Traced:
    """Return `USES`, in their order."""
    _, acids, _ = _flows(layout, inputs, entering.fed)
    organic = problem.streams.organic_flow
    water = jnp.zeros(())
    acid = jnp.zeros(())
    for name, flow in acids.items():
        water = water + flow
        acid = acid + flow * inputs[layout.setting(f"{name}.acid_concentration")]
    stuck = jnp.array(layout.stuck, dtype=int)
    bled = frame.bleed * (1.0 - frame.stuck[1]) * entering.loaded
    acid = acid + bled @ jnp.array(layout.charge)[stuck]
    clean = problem.streams._replace(entrainment=None, organic_feeds=None)
    aqueous = aqueous_flows(clean, problem.vessels.active.shape[0]).leaving[frame.first]
    needed = jnp.maximum(organic / frame.mixer_ratio - aqueous, 0.0)
    through = aqueous + jnp.where(frame.recycle < 0.0, needed, frame.recycle)
    mixer = (organic + through) * frame.residences[0]
    volume = mixer + (organic + through) * frame.residences[1]
    value, held = held_in(
        problem,
        recycle=(through - aqueous)[frame.section],
        settling=through[frame.section],
        residences=frame.residences,
        aqueous=metals[0],
        organic=metals[1],
        metal_value=frame.metal_value,
    )
    reference, exponent = frame.equipment
    nothing = jnp.zeros(())
    return jnp.stack(
        [
            *(ammonia, acid, lost, nothing, nothing, water),
            frame.stages @ mixer,
            frame.stages @ (volume / reference) ** exponent,
            entering.fed + water,
            organic,
            *(value, held, held * inputs[layout.setting("extractant_concentration")]),
        ]
    )
