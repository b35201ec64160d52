"""What goes the wrong way, or is fed to the organic, while the volumes of a bank move.

Of what leaves the aqueous layer of a settler, less the recycle, a share goes up with the organic;
of what leaves the organic layer a share goes down with the aqueous: the shares of `entrainment`,
now of the flows of the moment. A settler given more than it separates passes the surplus as
dispersion, half of either phase by each outlet, so that with σ = 1 - capacity/(flow of both phases)

    share = (1 - σ) share of a settler that separates + σ/2.

The loop keeps the volume of all organic: what leaves with the aqueous is made up with organic that
brings no rare earth, and what was fed on the way and not lost is bled behind the last stage. That
the surplus parts evenly, and make-up that follows at once, are choices of this program.
"""

from __future__ import annotations

from typing import NamedTuple

from raffinate.cascade.bank import Streams
from raffinate.cascade.entrainment import (
    Entrained,
    Entrainment,
    after,
    before,
    clean_settlers,
)
from raffinate.cascade.equations import TINY, Problem
from raffinate.numerics.jax_setup import Array, jnp

EVEN = 0.5
"""Share of either phase of a dispersion that leaves a settler by the wrong outlet, [-]."""


class Parted(NamedTuple):
    """What leaves the settlers by where it goes; flows in [m³/s].

    Attributes:
        passed: Aqueous that goes on to the stage below, (stage,).
        drawn: Aqueous that is drawn, (draw,).
        aqueous_up: Aqueous that goes up with the organic, (stage,).
        organic_up: Organic that goes on to the stage above, (stage,).
        organic_per_aqueous: Organic in what goes down or is drawn, by volume of the aqueous there,
            (stage,), [-].
    """

    passed: Array
    drawn: Array
    aqueous_up: Array
    organic_up: Array
    organic_per_aqueous: Array


class Entering(NamedTuple):
    """What enters the mixers, and what the organic there is made of.

    Attributes:
        aqueous: Without fresh feeds and recycle, (stage,), [m³/s].
        organic: (stage,), [m³/s].
        entrained: What goes the wrong way; its organic that the last stage passes is the share of
            the inflow of the make-up tank that comes from there, times the organic fed to stage 0.
    """

    aqueous: Array
    organic: Array
    entrained: Entrained


class Loop(NamedTuple):
    """What closes the organic loop behind the last stage; flows in [m³/s].

    Attributes:
        passed: Organic that the last stage sends back.
        bled: What of it leaves the loop.
        made_up: Organic without rare earths that makes up for what is lost.
    """

    passed: Array
    bled: Array
    made_up: Array

    @property
    def kept(self) -> Array:
        """What goes from the last stage to the make-up tank."""
        return self.passed - self.bled

    @property
    def to_tank(self) -> Array:
        """What enters the make-up tank."""
        return self.kept + self.made_up


def is_clean(problem: Problem) -> bool:
    """Return whether nothing of a bank goes the wrong way or is fed to its organic."""
    streams, hydraulics = problem.streams, problem.vessels.hydraulics
    unlimited = hydraulics is None or hydraulics.capacity is None
    return streams.entrainment is None and streams.organic_feeds is None and unlimited


def wrong_shares(problem: Problem, over_aqueous: Array, over_organic: Array) -> Entrainment:
    """Return the shares that go the wrong way, what a settler does not separate included.

    Args:
        problem: Numbers of the bank.
        over_aqueous: Leaving the aqueous layers, recycle included, (stage,), [m³/s].
        over_organic: Leaving the organic layers, (stage,), [m³/s].
    """
    vessels, hydraulics = problem.vessels, problem.vessels.hydraulics
    shares = problem.streams.entrainment or clean_settlers(vessels.active.shape[0])
    if hydraulics is None or hydraulics.capacity is None:
        return shares
    surplus = 1.0 - hydraulics.capacity / jnp.maximum(over_aqueous + over_organic, TINY)
    surplus = jnp.maximum(surplus, 0.0)
    stage = jnp.arange(vessels.active.shape[0])
    # The organic of the last stage is washed on its way back, whatever it carries.
    return Entrainment(
        organic=jnp.where(vessels.active, shares.organic + surplus * (EVEN - shares.organic), 0.0),
        aqueous=jnp.where(
            stage < vessels.last, shares.aqueous + surplus * (EVEN - shares.aqueous), 0.0
        ),
    )


def parted(problem: Problem, over_aqueous: Array, over_organic: Array, recycle: Array) -> Parted:
    """Return where goes what leaves the settlers.

    Args:
        problem: Numbers of the bank.
        over_aqueous: Leaving the aqueous layers, recycle included, (stage,), [m³/s].
        over_organic: Leaving the organic layers, (stage,), [m³/s].
        recycle: What of the aqueous returns to its own mixer, (stage,), [m³/s].
    """
    streams = problem.streams
    shares = wrong_shares(problem, over_aqueous, over_organic)
    aqueous_up = shares.aqueous * (over_aqueous - recycle)
    downward = over_aqueous - recycle - aqueous_up
    drawn = jnp.minimum(streams.draw_flow, downward[streams.draw_stage])
    # Where no aqueous goes down none carries organic.
    flows = downward > 0.0
    organic_down = jnp.where(flows, shares.organic * over_organic, 0.0)
    return Parted(
        passed=downward.at[streams.draw_stage].add(-drawn),
        drawn=drawn,
        aqueous_up=aqueous_up,
        organic_up=over_organic - organic_down,
        organic_per_aqueous=organic_down / jnp.where(flows, downward, 1.0),
    )


def _fed_organic(streams: Streams, size: int) -> tuple[Array, Array | None]:
    """Return organic fed to every stage, (stage,), [m³/s], and what it brings, [mol/s]."""
    feeds = streams.organic_feeds
    if feeds is None:
        return jnp.zeros(size), None
    entry = (feeds.stage[None, :] == jnp.arange(size)[:, None]) * feeds.flow[None, :]
    return entry.sum(axis=1), entry @ feeds.concentration


def entering_mixers(problem: Problem, parts: Parted) -> Entering:
    """Return what enters the mixers when this leaves the settlers; the loop is not closed yet."""
    streams, active = problem.streams, problem.vessels.active
    fed, brought = _fed_organic(streams, active.shape[0])
    inlet = jnp.zeros_like(fed).at[0].set(streams.organic_flow)
    from_below = inlet + before(parts.organic_up)
    from_above = after(parts.organic_per_aqueous * parts.passed)
    organic = jnp.where(active, from_below + from_above + fed, streams.organic_flow)
    return Entering(
        aqueous=after(parts.passed) + before(parts.aqueous_up),
        organic=organic,
        entrained=Entrained(
            organic_passed=parts.organic_up,
            organic_per_aqueous=parts.organic_per_aqueous,
            aqueous_up=parts.aqueous_up,
            from_before=from_below / organic,
            from_above=from_above / organic,
            fed=None if brought is None else brought / organic[:, None],
        ),
    )


def closed_loop(problem: Problem, parts: Parted) -> Loop:
    """Return what makes up for the organic that leaves with the aqueous, or is bled."""
    streams = problem.streams
    lost = parts.passed[0] * parts.organic_per_aqueous[0]
    lost = lost + jnp.sum(parts.drawn * parts.organic_per_aqueous[streams.draw_stage])
    fed = 0.0 if streams.organic_feeds is None else jnp.sum(streams.organic_feeds.flow)
    passed = parts.organic_up[problem.vessels.last]
    return Loop(
        passed=passed,
        bled=jnp.clip(fed - lost, 0.0, passed),
        made_up=jnp.maximum(lost - fed, 0.0),
    )


def with_tank(problem: Problem, entrained: Entrained, loop: Loop) -> Entrained:
    """Return the flows with what the tank gets written as a share of what it gives."""
    share = loop.kept / loop.to_tank * problem.streams.organic_flow
    return entrained._replace(
        organic_passed=entrained.organic_passed.at[problem.vessels.last].set(share)
    )
