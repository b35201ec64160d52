"""Phase volumes of a bank in time: mixers that overflow, settlers with two weirs.

A mixer is always full and well mixed, so that what leaves it carries the phases as they are in it:

    V_a' = Q_a - (Q_a + Q_o) V_a/V.

A settler of area A lets the organic out over a weir of height H_o and the aqueous, behind an
underflow, over one of height H_a, both in proportion to the head, q = A head/τ, with the heads
H - H_o and h + r (H - h) - H_a, where H is the depth, h the interface and r the ratio of
densities. Without weirs its layers keep their volumes and it passes on what it gets.

Volumes do not depend on composition. In an implicit stage they are found first; the unknowns are
what leaves the settlers. Derived here from the balance of the liquid columns on both sides of the
underflow; weirs that pass in proportion to their head are a choice of this program.
"""

from __future__ import annotations

from typing import NamedTuple

from raffinate.cascade.bank import Streams, Vessels, aqueous_flows
from raffinate.cascade.dynamic_entrained import (
    Loop,
    closed_loop,
    entering_mixers,
    is_clean,
    parted,
    with_tank,
)
from raffinate.cascade.entrainment import Entrained
from raffinate.cascade.equations import Problem
from raffinate.cascade.volumes import Hydraulics, MovingFlows, Volumes, Weirs
from raffinate.numerics.jax_setup import Array, jax, jnp, lax

FILM = 1e-9
"""Head that is always there, [m]: a layer below its weir still passes a film."""

SOLVED = 1e-12
"""Largest imbalance of a settler, as a share of what is pumped, [-]."""

MAX_ITERATIONS = 30
"""Newton iterations for the volumes before a step is given up."""


class Passing(NamedTuple):
    """What flows at the end of an implicit stage, and how volumes change; flows in [m³/s].

    Attributes:
        entering_aqueous, entering_organic: Into the mixers, (stage,).
        sent_aqueous, sent_organic: From the mixers to the settlers, (stage,).
        over_aqueous, over_organic: Out of the settlers, (stage,).
        recycle: Of the aqueous, what returns to its mixer, (stage,).
        drawn: Of the rest, what is drawn, (draw,).
        rates: Of the volumes, [m³/s].
        entrained: What goes the wrong way or is fed to the organic; None if nothing is.
        loop: What closes the organic loop then; None where all that leaves the last stage returns.
    """

    entering_aqueous: Array
    entering_organic: Array
    sent_aqueous: Array
    sent_organic: Array
    over_aqueous: Array
    over_organic: Array
    recycle: Array
    drawn: Array
    rates: Volumes
    entrained: Entrained | None = None
    loop: Loop | None = None


def cell_count(vessels: Vessels) -> Array:
    """Return the cells of every settler, (stage,)."""
    if vessels.cells_aqueous is None:
        return jnp.ones(vessels.active.shape[0])
    return 1.0 + jnp.sum(vessels.cells_aqueous > 0.0, axis=1)


def overflows(weirs: Weirs, aqueous: Array, organic: Array) -> tuple[Array, Array]:
    """Return aqueous and organic over the weirs, [m³/s], at these volumes of layers, [m³]."""
    interface, depth = aqueous / weirs.area, (aqueous + organic) / weirs.area
    pushed = interface + weirs.density_ratio * (depth - interface)
    speed = weirs.area / weirs.overflow_time
    return (
        speed * jnp.maximum(pushed - weirs.aqueous_height, FILM),
        speed * jnp.maximum(depth - weirs.organic_height, FILM),
    )


@jax.jit
def weirs_that_hold(weirs: Weirs, problem: Problem) -> Weirs:
    """Return the weirs set so high that the settlers hold their volumes at these flows.

    Args:
        weirs: Whose heights are not read.
        problem: Numbers of the bank.
    """
    vessels, streams = problem.vessels, problem.streams
    flows = aqueous_flows(streams, vessels.active.shape[0])
    count = cell_count(vessels)
    aqueous, organic = count * vessels.settler_aqueous, count * vessels.settler_organic
    interface, depth = aqueous / weirs.area, (aqueous + organic) / weirs.area
    pushed = interface + weirs.density_ratio * (depth - interface)
    head = weirs.overflow_time / weirs.area
    return weirs._replace(
        organic_height=depth - head * flows.organic,
        aqueous_height=pushed - head * (flows.leaving + streams.recycle),
    )


def resting(problem: Problem) -> Volumes:
    """Return the volumes at which the flows pass and settlers hold what the vessels say."""
    vessels, streams = problem.vessels, problem.streams
    hydraulics = _hydraulics(vessels)
    flows = aqueous_flows(streams, vessels.active.shape[0])
    aqueous = flows.leaving + streams.recycle
    share = jnp.where(vessels.active, aqueous / (aqueous + flows.organic), 0.5)
    return Volumes(
        mixer_aqueous=hydraulics.mixer * share,
        settler_aqueous=jnp.asarray(vessels.settler_aqueous),
        settler_organic=jnp.asarray(vessels.settler_organic),
        tank=jnp.asarray(vessels.tank),
    )


def _hydraulics(vessels: Vessels) -> Hydraulics:
    assert vessels.hydraulics is not None
    return vessels.hydraulics


class _Arriving(NamedTuple):
    """What the settlers send to the mixers, and what of it is drawn on the way; as in `Passing`.

    Attributes:
        aqueous: Without fresh feeds and recycle, (stage,), [m³/s].
        organic: (stage,), [m³/s].
        drawn: (draw,), [m³/s].
        to_tank: Organic that enters the make-up tank, [m³/s].
        entrained: What goes the wrong way or is fed to the organic.
        loop: What closes the organic loop then.
    """

    aqueous: Array
    organic: Array
    drawn: Array
    to_tank: Array
    entrained: Entrained | None = None
    loop: Loop | None = None


def _arriving(
    problem: Problem, over_aqueous: Array, over_organic: Array, recycle: Array
) -> _Arriving:
    vessels, streams = problem.vessels, problem.streams
    if not is_clean(problem):
        parts = parted(problem, over_aqueous, over_organic, recycle)
        entering, loop = entering_mixers(problem, parts), closed_loop(problem, parts)
        entrained = with_tank(problem, entering.entrained, loop)
        return _Arriving(
            entering.aqueous, entering.organic, parts.drawn, loop.to_tank, entrained, loop
        )
    onward = over_aqueous - recycle
    drawn = jnp.minimum(streams.draw_flow, onward[streams.draw_stage])
    onward = onward.at[streams.draw_stage].add(-drawn)
    organic_flow = jnp.asarray(streams.organic_flow)
    organic = jnp.concatenate([organic_flow[None], over_organic[:-1]])
    organic = jnp.where(vessels.active, organic, organic_flow)
    return _Arriving(jnp.append(onward[1:], 0.0), organic, drawn, over_organic[vessels.last])


def _passing(problem: Problem, base: Volumes, rate: Array, over: Array) -> tuple[Passing, Array]:
    """Return what flows if `over`, (2, stage), leaves the settlers, and by how much that is off."""
    vessels, streams = problem.vessels, problem.streams
    hydraulics, active = _hydraulics(vessels), vessels.active
    over_aqueous, over_organic = over
    recycle = jnp.minimum(streams.recycle, over_aqueous)
    arriving = _arriving(problem, over_aqueous, over_organic, recycle)
    fed = jnp.zeros_like(recycle).at[streams.feed_stage].add(streams.feed_flow)
    entering_aqueous = fed + recycle + arriving.aqueous
    organic_flow, entering_organic = jnp.asarray(streams.organic_flow), arriving.organic
    through = entering_aqueous + entering_organic
    mixed = (base.mixer_aqueous + entering_aqueous / rate) / (
        1.0 + through / (rate * hydraulics.mixer)
    )
    sent_aqueous = through * mixed / hydraulics.mixer
    sent_organic = through - sent_aqueous
    count = cell_count(vessels)
    wanted = (sent_aqueous, sent_organic)
    if hydraulics.weirs is not None:
        wanted = overflows(
            hydraulics.weirs,
            count * base.settler_aqueous + (sent_aqueous - over_aqueous) / rate,
            count * base.settler_organic + (sent_organic - over_organic) / rate,
        )
    off = jnp.where(active, over - jnp.stack(wanted), over)
    rates = Volumes(
        mixer_aqueous=jnp.where(active, entering_aqueous - sent_aqueous, 0.0),
        settler_aqueous=jnp.where(active, (sent_aqueous - over_aqueous) / count, 0.0),
        settler_organic=jnp.where(active, (sent_organic - over_organic) / count, 0.0),
        tank=arriving.to_tank - organic_flow,
    )
    found = Passing(
        entering_aqueous,
        entering_organic,
        sent_aqueous,
        sent_organic,
        over_aqueous,
        over_organic,
        recycle,
        arriving.drawn,
        rates,
        arriving.entrained,
        arriving.loop,
    )
    return found, off


def passing(problem: Problem, base: Volumes, rate: Array) -> Passing:
    """Return what flows at the end of an implicit stage; not a number where nothing fits.

    Args:
        problem: Numbers of the bank.
        base: Volumes the stage starts from.
        rate: 1/(γ Δt), [1/s].
    """
    streams, active = problem.streams, problem.vessels.active
    size = active.shape[0]
    flows = aqueous_flows(streams, size)
    start = jnp.where(active, jnp.stack([flows.leaving + streams.recycle, flows.organic]), 0.0)
    scale = jnp.sum(streams.feed_flow) + streams.organic_flow

    def balanced(over: Array) -> tuple[Array, Passing]:
        found, left = _passing(problem, base, rate, over.reshape(2, size))
        return left.reshape(-1), found

    def unfinished(carry: tuple[Array, Passing, Array, Array]) -> Array:
        _, _, solved, iteration = carry
        return ~solved & (iteration <= MAX_ITERATIONS)

    def improve(
        carry: tuple[Array, Passing, Array, Array],
    ) -> tuple[Array, Passing, Array, Array]:
        over, _, _, iteration = carry
        # Values and slopes of one evaluation: what stands here once is compiled once.
        left, slope, found = jax.linearize(balanced, over, has_aux=True)
        solved = jnp.max(jnp.abs(left)) <= SOLVED * scale

        def stepped() -> Array:
            matrix = jax.vmap(slope, out_axes=1)(jnp.eye(2 * size))
            return jnp.maximum(over + jnp.linalg.solve(matrix, -left), 0.0)

        return lax.cond(solved, lambda: over, stepped), found, solved, iteration + 1

    over = start.reshape(-1)
    nothing: Passing = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(balanced, over)[1]
    )
    begun = (over, nothing, jnp.array(False), jnp.array(0))
    _, found, solved, _ = lax.while_loop(unfinished, improve, begun)
    # What is not solved must not look solved.
    checked: Passing = jax.tree.map(lambda leaf: jnp.where(solved, leaf, jnp.nan), found)
    return checked


def moving_streams(streams: Streams, found: Passing) -> Streams:
    """Return the streams as they pass while volumes move."""
    drawn = jnp.zeros_like(found.recycle).at[streams.draw_stage].add(found.drawn)
    passed = found.over_aqueous - found.recycle - drawn
    if found.entrained is not None:
        passed = passed - found.entrained.aqueous_up
    return streams._replace(
        draw_flow=found.drawn,
        recycle=found.recycle,
        moving=MovingFlows(
            leaving=found.entering_aqueous - found.recycle,
            passed=passed,
            organic=found.entering_organic,
            entrained=found.entrained,
        ),
    )
