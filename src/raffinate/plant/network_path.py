"""Streams over a short time: what they are on the mean, at its beginning and at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.plant.network_stream import Stream, StreamAxis

Array = NDArray[np.float64]

TRACE = 1e-6
"""Share of all metals in a stream below which a metal is judged as if it were that much, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StreamPath:
    """A stream over one time.

    Attributes:
        mean: What passes, per second; balances are made of it.
        begin: As it begins.
        end: As it ends.
    """

    mean: Stream
    begin: Stream
    end: Stream

    def through(self, unit: Callable[[Stream], Stream]) -> StreamPath:
        """Return what a unit without contents makes of it."""
        return StreamPath(mean=unit(self.mean), begin=unit(self.begin), end=unit(self.end))


def constant_path(stream: Stream) -> StreamPath:
    """Return a stream that stays as it is."""
    return StreamPath(mean=stream, begin=stream, end=stream)


def joined(paths: Sequence[StreamPath], join: Callable[[list[Stream]], Stream]) -> StreamPath:
    """Return several streams run together by `join`."""
    return StreamPath(
        mean=join([path.mean for path in paths]),
        begin=join([path.begin for path in paths]),
        end=join([path.end for path in paths]),
    )


def curvature(axis: StreamAxis, path: StreamPath) -> float:
    """Return by how much a stream departs from an even course, relative, [-].

    That is its mean less the mean of its ends, by metal; a metal that is less than `TRACE` of all
    is judged as if it were that much.
    """
    mean = path.mean.metals(axis)
    off = 0.5 * (path.begin.metals(axis) + path.end.metals(axis)) - mean
    scale = np.abs(mean) + TRACE * float(np.abs(mean).sum())
    if not scale.any():
        return 0.0
    return float(np.max(np.abs(off[scale > 0.0]) / scale[scale > 0.0]))


def amounts_at(path: StreamPath, shares: Array) -> Array:
    """Return the amounts at shares of the time, (share,), from 0 to 1, (share, component), [mol/s].

    They follow the parabola that has the ends and the mean of the path; an amount that it would
    swing below zero goes straight in its logarithm.
    """
    return between(path.begin.amount, path.mean.amount, path.end.amount, shares)


def between(begin: Array, mean: Array, end: Array, shares: Array) -> Array:
    """Return values, (share, value), at shares of a time from their ends and their mean."""
    share = shares[:, None]
    found: Array = (
        begin
        + share * (6.0 * mean - 4.0 * begin - 2.0 * end)
        + share**2 * (3.0 * begin + 3.0 * end - 6.0 * mean)
    )
    low = np.minimum(begin, end)
    swung = (found < 0.5 * low) & (low > 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        straight = np.exp((1.0 - share) * np.log(begin) + share * np.log(end))
    return np.where(swung, straight, found)
