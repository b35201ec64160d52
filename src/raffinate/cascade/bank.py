"""Arrays that describe a bank of mixer-settlers: vessels, streams, outlets, and what is free.

All are array-only pytrees, padded to a size bucket so that changing a stage count inside a bucket
never recompiles. Stage 0 is where barren organic enters and the raffinate leaves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from raffinate.numerics.jax_setup import Array, given, jnp


def bucket_size(stages: int) -> int:
    """Return the padded number of stages that holds `stages`: steps of 8, 32, then 128."""
    step = 8 if stages <= 128 else 32 if stages <= 512 else 128
    return step * -(-stages // step)


class Vessels(NamedTuple):
    """Holdups of every stage.

    Attributes:
        mixer_aqueous, mixer_organic: Phase volumes in the mixer, (stage,), [m³].
        settler_aqueous, settler_organic: Phase volumes in the settler, (stage,), [m³].
        efficiency: Organic-phase Murphree efficiency, (stage,), [-].
        active: Whether the stage exists or is padding, (stage,).
        last: Index of the last stage that exists.
        tank: Volume of the organic make-up tank in the loop, [m³].
    """

    mixer_aqueous: Array
    mixer_organic: Array
    settler_aqueous: Array
    settler_organic: Array
    efficiency: Array
    active: Array
    last: Array
    tank: Array


class Streams(NamedTuple):
    """What enters and leaves a bank, and where.

    Attributes:
        organic_flow: Organic through every stage, [m³/s].
        organic_inlet: Barren organic as saponified, (component,), [mol/m³]; the rare earths it
            brings back from the strip come from the loop and are not read here.
        feed_flow: Aqueous feeds, (feed,), [m³/s].
        feed_concentration: Their composition, (feed, component), [mol/m³].
        feed_stage: Stage each one enters, (feed,).
        draw_flow: Aqueous drawn from the liquor leaving a stage, (draw,), [m³/s].
        draw_stage: Those stages, (draw,).
        recycle: Settled aqueous returned to its own mixer, (stage,), [m³/s].
    """

    organic_flow: Array
    organic_inlet: Array
    feed_flow: Array
    feed_concentration: Array
    feed_stage: Array
    draw_flow: Array
    draw_stage: Array
    recycle: Array


class AqueousFlows(NamedTuple):
    """Aqueous flow pattern that follows from the streams.

    Attributes:
        leaving: Flow leaving each settler, (stage,), [m³/s].
        passed: What of it goes on to the stage below, (stage,), [m³/s].
        fed: Components brought by feeds, (stage, component), [mol/s].
    """

    leaving: Array
    passed: Array
    fed: Array


def aqueous_flows(streams: Streams, stage_count: int) -> AqueousFlows:
    """Return the aqueous flows of every stage; incompressible, so at once."""
    stage = jnp.arange(stage_count)
    fed_above = (streams.feed_stage[None, :] >= stage[:, None]) * streams.feed_flow[None, :]
    drawn_above = (streams.draw_stage[None, :] > stage[:, None]) * streams.draw_flow[None, :]
    drawn_here = (streams.draw_stage[None, :] == stage[:, None]) * streams.draw_flow[None, :]
    leaving = fed_above.sum(axis=1) - drawn_above.sum(axis=1)
    entry = (streams.feed_stage[None, :] == stage[:, None]) * streams.feed_flow[None, :]
    return AqueousFlows(
        leaving=leaving,
        passed=leaving - drawn_here.sum(axis=1),
        fed=entry @ streams.feed_concentration,
    )


class Specification(NamedTuple):
    """Purities to be met and the flows that are free to meet them.

    Attributes:
        outlet_stage: Stage whose leaving liquor is the product, (spec,).
        weight: Mass of product oxide per mole, (spec, component), [kg/mol].
        impurity: Which components count as impurity there, (spec, component), 0 or 1.
        log_impurity: Wanted log₁₀ of the impurity mass fraction, (spec,), [-].
        response: d ln(flow)/d(free variable) for [organic, feeds…, draws…], (flow, spec), [-].
    """

    outlet_stage: Array
    weight: Array
    impurity: Array
    log_impurity: Array
    response: Array


def no_specification(component_count: int, flow_count: int) -> Specification:
    """Return the specification that asks nothing and frees nothing."""
    return Specification(
        outlet_stage=given(np.zeros(0, dtype=np.int64)),
        weight=given(np.zeros((0, component_count))),
        impurity=given(np.zeros((0, component_count))),
        log_impurity=given(np.zeros(0)),
        response=given(np.zeros((flow_count, 0))),
    )


def adjusted(streams: Streams, specification: Specification, free: Array) -> Streams:
    """Return the streams with the free variables, (spec,), applied to their flows."""
    factor = jnp.exp(specification.response @ free)
    feeds = streams.feed_flow.shape[0]
    return streams._replace(
        organic_flow=streams.organic_flow * factor[0],
        feed_flow=streams.feed_flow * factor[1 : 1 + feeds],
        draw_flow=streams.draw_flow * factor[1 + feeds :],
    )


class Inventory(NamedTuple):
    """What the vessels hold: linear states, so that conservation is exact.

    Attributes:
        mixer: Content of the mixers, both phases, (stage, component), [mol].
        mixer_organic: Content of their organic phase, (stage, carried), [mol].
        settler_aqueous: Concentration in settled aqueous, (stage, component), [mol/m³].
        settler_organic: Concentration in settled organic, (stage, carried), [mol/m³].
        tank: Rare earths in the organic tank, (element,), [mol/m³].
    """

    mixer: Array
    mixer_organic: Array
    settler_aqueous: Array
    settler_organic: Array
    tank: Array


class Unknowns(NamedTuple):
    """What a solve finds.

    Attributes:
        stage: Per stage the unknowns of the chemistry, then the organic leaving the mixer as a
            fraction of the extractant, (stage, unknown + carried).
        border: Rare earths in the barren organic, as a fraction of the extractant, (element,),
            then the free variables, (spec,).
    """

    stage: Array
    border: Array
