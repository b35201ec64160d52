"""Where a solve from nothing begins: the same bank with fewer stages, solved first.

In a long bank the fronts between the elements travel a few stages in a pass, so that a march from
a bank full of feed takes passes without end. With a quarter of the stages and the same flows the
same fronts are a few stages from where they belong. The profile found there, spread over twice
the stages, is where the next bank begins, and so on to the whole one: as the fronts stand in
nearly the same place of their section, each bank takes a few passes, whatever its length.

Source: P. Deuflhard, Newton Methods for Nonlinear Problems (2004), chapter 8 (nested iteration).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Vessels, bucket_size
from raffinate.cascade.equations import Problem
from raffinate.numerics.jax_setup import Array, given

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

SHORTEST = 30
"""Stages that a bank solved from nothing has at most."""

LEAST_OF_A_SECTION = 3
"""Stages that a section keeps in a shorter bank, if it has as many."""


class Refinement(NamedTuple):
    """How the profile of a shorter bank is spread over a longer one.

    Attributes:
        below: Stage of the shorter bank at or below each stage, (stage,).
        above: The next one in the same section, (stage,).
        share: Weight of the latter, (stage,), [-].
    """

    below: Indices
    above: Indices
    share: Floats


class Level(NamedTuple):
    """One bank of a series.

    Attributes:
        problem: Its numbers.
        refinement: From the bank before it; for the first, its own stages.
    """

    problem: Problem
    refinement: Refinement


def section_bounds(problem: Problem) -> Indices:
    """Return the first stage of every run of equal stages, and the end of the last.

    A run ends where a liquor enters or is drawn, or where the efficiency changes.

    Args:
        problem: A bank, or several of one length with a leading axis in every array.
    """
    streams, count = problem.streams, int(np.max(problem.vessels.last)) + 1
    efficiency = np.atleast_2d(problem.vessels.efficiency)[:, :count]
    changes = 1 + np.flatnonzero(np.any(np.diff(efficiency, axis=1), axis=0))
    edges = [
        np.array([0, count]),
        np.ravel(streams.feed_stage) + 1,
        np.ravel(streams.draw_stage),
        changes,
    ]
    bounds: Indices = np.unique(np.concatenate(edges)).astype(np.int64)
    return bounds


def levels(problem: Problem) -> tuple[Level, ...]:
    """Return banks of rising length with the same flows; the last is the bank itself.

    Args:
        problem: A bank, or several of one length with a leading axis in every array; the
            refinements, which all share, have no such axis.
    """
    bounds = section_bounds(problem)
    lengths = np.diff(bounds)
    halvings = 0
    while bounds[-1] / 2**halvings > SHORTEST:
        halvings += 1
    found: list[Level] = []
    before: Indices | None = None
    for exponent in range(halvings, -1, -1):
        here = shortened(lengths, 2**exponent)
        if before is not None and (here == before).all():
            continue
        shorter = problem if exponent == 0 else _with_lengths(problem, bounds, here)
        size = np.shape(shorter.vessels.active)[-1]
        found.append(Level(shorter, refinement(here if before is None else before, here, size)))
        before = here
    return tuple(found)


def shortened(lengths: Indices, factor: int) -> Indices:
    """Return the stages of every section, (section,), in a bank `factor` times shorter."""
    least = np.minimum(lengths, LEAST_OF_A_SECTION)
    divided: Indices = np.maximum(least, -(-lengths // factor)).astype(np.int64)
    return divided


def refinement(short: Indices, long: Indices, size: int) -> Refinement:
    """Return how a profile over `short` sections is spread over `long` ones.

    Args:
        short: Stages of the sections of the shorter bank, (section,).
        long: Of the longer bank, (section,).
        size: Padded number of stages of the longer bank.
    """
    below = np.zeros(size, dtype=np.int64)
    above, share = below.copy(), np.zeros(size)
    begin_short = begin_long = 0
    for few, many in zip(short, long, strict=True):
        place = np.clip((np.arange(many) + 0.5) * few / many - 0.5, 0.0, few - 1.0)
        floor = np.floor(place).astype(np.int64)
        part = slice(begin_long, begin_long + many)
        below[part] = begin_short + floor
        above[part] = begin_short + np.minimum(floor + 1, few - 1)
        share[part] = place - floor
        begin_short, begin_long = begin_short + few, begin_long + many
    return Refinement(below, above, share)


def _with_lengths(problem: Problem, bounds: Indices, lengths: Indices) -> Problem:
    """Return the bank with other stage numbers in its sections."""
    ends = np.concatenate([[0], np.cumsum(lengths)])
    count = int(ends[-1])
    size = bucket_size(count)
    like = np.repeat(bounds[:-1], lengths)
    vessels, streams = problem.vessels, problem.streams
    several = np.shape(vessels.active)[:-1]

    def padded(value: object, filler: float) -> Array:
        column = np.full((*several, size), filler)
        column[..., :count] = np.asarray(value)[..., like]
        return given(column)

    shorter = Vessels(
        mixer_aqueous=padded(vessels.mixer_aqueous, 1.0),
        mixer_organic=padded(vessels.mixer_organic, 1.0),
        settler_aqueous=padded(vessels.settler_aqueous, 1.0),
        settler_organic=padded(vessels.settler_organic, 1.0),
        efficiency=padded(vessels.efficiency, 1.0),
        active=given(np.broadcast_to(np.arange(size) < count, (*several, size))),
        last=given(np.full(several, count - 1)),
        tank=vessels.tank,
    )
    feed = ends[np.searchsorted(bounds, np.asarray(streams.feed_stage) + 1)] - 1
    draw = ends[np.searchsorted(bounds, np.asarray(streams.draw_stage))]
    shorter_streams = streams._replace(
        feed_stage=given(feed), draw_stage=given(draw), recycle=padded(streams.recycle, 0.0)
    )
    return problem._replace(vessels=shorter, streams=shorter_streams)
