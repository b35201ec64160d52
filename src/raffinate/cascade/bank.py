"""Arrays that describe a bank of mixer-settlers: vessels, streams, outlets, and what is free.

All are array-only pytrees, padded to a size bucket so that changing a stage count inside a bucket
never recompiles. Stage 0 is where barren organic enters and the raffinate leaves.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from raffinate.cascade.entrainment import (
    Entrained,
    Entrainment,
    OrganicFeeds,
    clean_settlers,
    settled_flows,
)
from raffinate.cascade.volumes import Hydraulics, MovingFlows, Volumes
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
        cells_aqueous, cells_organic: In dynamics, volumes of the cells of a settler before its
            last, from the mixer on, (stage, cell), [m³]; the settler volumes above are then those
            of the last cell. None where settlers are single cells.
        hydraulics: In dynamics, what lets volumes follow the flows; None keeps them.
    """

    mixer_aqueous: Array
    mixer_organic: Array
    settler_aqueous: Array
    settler_organic: Array
    efficiency: Array
    active: Array
    last: Array
    tank: Array
    cells_aqueous: Array | None = None
    cells_organic: Array | None = None
    hydraulics: Hydraulics | None = None


class FeedRamp(NamedTuple):
    """Aqueous feeds whose composition moves evenly in time.

    Attributes:
        slope: d(composition)/dt, (feed, component), [mol/m³/s].
        time: When the feeds have the composition of their streams, [s].
    """

    slope: Array
    time: Array


class Streams(NamedTuple):
    """What enters and leaves a bank, and where.

    Attributes:
        organic_flow: Organic fed to stage 0, [m³/s]; without entrainment it flows through every
            stage.
        organic_inlet: Barren organic as saponified, (component,), [mol/m³]; the rare earths it
            brings back from the strip come from the loop and are not read here.
        feed_flow: Aqueous feeds, (feed,), [m³/s].
        feed_concentration: Their composition, (feed, component), [mol/m³].
        feed_stage: Stage each one enters, (feed,).
        draw_flow: Aqueous drawn from the liquor leaving a stage, (draw,), [m³/s].
        draw_stage: Those stages, (draw,).
        recycle: Settled aqueous returned to its own mixer, (stage,), [m³/s].
        entrainment: Shares that go the wrong way; None if settlers part the phases clean.
        organic_feeds: Organic fed between the ends; None if there is none.
        moving: Flows while volumes move; None if what enters a vessel leaves it at once.
        ramp: In dynamics, feeds that move in time; None if they stay.
    """

    organic_flow: Array
    organic_inlet: Array
    feed_flow: Array
    feed_concentration: Array
    feed_stage: Array
    draw_flow: Array
    draw_stage: Array
    recycle: Array
    entrainment: Entrainment | None = None
    organic_feeds: OrganicFeeds | None = None
    moving: MovingFlows | None = None
    ramp: FeedRamp | None = None


def streams_at(streams: Streams, time: Array) -> Streams:
    """Return the streams as they are at `time`, [s]."""
    if streams.ramp is None:
        return streams
    passed = time - streams.ramp.time
    return streams._replace(
        feed_concentration=streams.feed_concentration + passed * streams.ramp.slope, ramp=None
    )


class AqueousFlows(NamedTuple):
    """Flow pattern that follows from the streams.

    Attributes:
        leaving: Aqueous leaving each settler, (stage,), [m³/s].
        passed: What of it goes on to the stage below, (stage,), [m³/s].
        fed: Components brought by feeds, (stage, component), [mol/s].
        organic: Organic leaving each settler, (stage,), [m³/s].
        entrained: What goes the wrong way or is fed to the organic; None if nothing is.
    """

    leaving: Array
    passed: Array
    fed: Array
    organic: Array
    entrained: Entrained | None = None


def aqueous_flows(streams: Streams, stage_count: int) -> AqueousFlows:
    """Return the flows of every stage; incompressible, so at once."""
    stage = jnp.arange(stage_count)
    fed_above = (streams.feed_stage[None, :] >= stage[:, None]) * streams.feed_flow[None, :]
    drawn_above = (streams.draw_stage[None, :] > stage[:, None]) * streams.draw_flow[None, :]
    drawn_here = (streams.draw_stage[None, :] == stage[:, None]) * streams.draw_flow[None, :]
    entry = (streams.feed_stage[None, :] == stage[:, None]) * streams.feed_flow[None, :]
    fed = entry @ streams.feed_concentration
    if streams.moving is not None:
        moving = streams.moving
        return AqueousFlows(moving.leaving, moving.passed, fed, moving.organic, moving.entrained)
    if streams.entrainment is not None or streams.organic_feeds is not None:
        settled = settled_flows(
            streams.entrainment or clean_settlers(stage_count),
            streams.organic_flow,
            streams.organic_feeds,
            entry.sum(axis=1),
            drawn_here.sum(axis=1),
        )
        return AqueousFlows(
            settled.aqueous, settled.passed, fed, settled.organic, settled.entrained
        )
    leaving = fed_above.sum(axis=1) - drawn_above.sum(axis=1)
    return AqueousFlows(
        leaving=leaving,
        passed=leaving - drawn_here.sum(axis=1),
        fed=fed,
        organic=jnp.broadcast_to(jnp.asarray(streams.organic_flow), (stage_count,)),
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
        cells_aqueous: Concentration in the settler cells before the last, from the mixer on,
            (stage, cell, component), [mol/m³]; None where settlers are single cells.
        cells_organic: Likewise, (stage, cell, carried), [mol/m³].
        volumes: Phase volumes where they move; settlers, cells and tank are then amounts, [mol].
    """

    mixer: Array
    mixer_organic: Array
    settler_aqueous: Array
    settler_organic: Array
    tank: Array
    cells_aqueous: Array | None = None
    cells_organic: Array | None = None
    volumes: Volumes | None = None


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
