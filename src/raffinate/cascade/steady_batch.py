"""Many banks of one layout solved at once: the same kernel, with a plant axis in front.

One bank in the middle of all is solved alone, from nothing. From its state Newton's iteration
is tried in every other, a part of the banks at a time; what is then not solved begins from the
nearest that is, and so on outwards. Where that leads no further, the middle one of those left is
solved alone and they begin from there. No bank touches another but by where it begins, and every
one is proved on the full equations.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Unknowns, aqueous_flows
from raffinate.cascade.equations import Problem
from raffinate.cascade.steady import SteadyResult
from raffinate.cascade.steady_reduced import from_given, solve_from_nothing
from raffinate.chemistry.exchange import AcidicExchange
from raffinate.numerics.jax_setup import Array, given, jax, jnp

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

AT_ONCE = 128
"""Banks solved at once at most: what is at work on them stays in the cache of a processor."""

ROUNDS = 40
"""Rounds, and banks solved alone between them, after which all that is left is solved alone."""

SOLVED = 1e-11
"""Largest relative residual of the full equations at which a bank counts as solved, [-]."""


class BatchResult(NamedTuple):
    """Outcome of many solves; every array has the plant as its first axis.

    Attributes:
        unknowns: Where each ended.
        norm: Largest residual of the full equations, relative, (plant,), [-].
        imbalance: Worst relative imbalance of what crosses the boundary, (plant,), [-].
        iterations: Taken, (plant,).
        alone: Whether it was tried by itself, from nothing, (plant,).
    """

    unknowns: Unknowns
    norm: Floats
    imbalance: Floats
    iterations: Indices
    alone: NDArray[np.bool_]


def stacked(problems: list[Problem]) -> Problem:
    """Return problems of one layout with a plant axis in front of every array."""
    stack: Problem = jax.tree.map(lambda *values: np.stack(values), *problems)
    return stack


class _Part(NamedTuple):
    """What one call of the kernel returns of a part of the banks."""

    unknowns: Unknowns
    norm: Array
    imbalance: Array
    iterations: Array


@partial(jax.jit, static_argnums=0)
def _from_given(chemistry: AcidicExchange, problem: Problem, start: Unknowns) -> _Part:
    def one(bank: Problem, begin: Unknowns) -> _Part:
        found = from_given(chemistry, bank, begin)
        imbalance = boundary_imbalance(chemistry, bank, found.unknowns)
        return _Part(found.unknowns, found.norm, imbalance, found.iterations)

    part: _Part = jax.vmap(one)(problem, start)
    return part


def solve_batch(chemistry: AcidicExchange, problem: Problem) -> BatchResult:
    """Solve banks of one layout from nothing.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the banks, the plant in front of every axis.
    """
    place = _places(problem)
    found = _nothing_yet(chemistry, problem)
    nearer = False
    for _ in range(ROUNDS):
        missing = _missing(found)
        if not len(missing):
            return found
        if nearer:
            begins = _nearest(place, missing, np.flatnonzero(found.norm <= SOLVED))
            for first in range(0, len(missing), AT_ONCE):
                part = slice(first, first + AT_ONCE)
                _solve_part(chemistry, problem, found, missing[part], begins[part])
        else:
            away = place[missing] - np.median(place[missing], axis=0)
            middle = missing[np.argmin(np.linalg.norm(away, axis=1))]
            missing = np.array([middle])
            _solve_alone(chemistry, problem, found, int(middle))
        nearer = bool((found.norm[missing] <= SOLVED).any())
    for index in _missing(found):
        _solve_alone(chemistry, problem, found, int(index))
    return found


def _missing(found: BatchResult) -> Indices:
    """Return the banks that are neither solved nor given up, (missing,)."""
    return np.flatnonzero(~(found.norm <= SOLVED) & ~found.alone)


def _places(problem: Problem) -> Floats:
    """Return each number in which the banks differ, against its largest, (plant, number), [-]."""
    columns = [
        np.asarray(leaf, dtype=np.float64).reshape(len(leaf), -1)
        for leaf in jax.tree.leaves(problem)
    ]
    table = np.concatenate(columns, axis=1)
    table = table[:, (table != table[0]).any(axis=0)]
    place: Floats = table / np.abs(table).max(axis=0, initial=1e-300)
    return place


def _nearest(place: Floats, wanted: Indices, among: Indices) -> Indices:
    """Return for each wanted bank which of others is nearest, (wanted,)."""
    from scipy.spatial import cKDTree

    if not place.shape[1]:
        return np.full(len(wanted), among[0])
    found: Indices = among[cKDTree(place[among]).query(place[wanted])[1]]
    return found


def nearest_solved(problem: Problem, found: BatchResult, index: int) -> Unknowns | None:
    """Return the state of the solved bank nearest to one, None while none is solved.

    Args:
        problem: Numbers of the banks, the plant in front of every axis.
        found: Their outcome.
        index: Place of the one.
    """
    among = np.flatnonzero(found.norm <= SOLVED)
    if not len(among):
        return None
    begin = int(_nearest(_places(problem), np.array([index]), among)[0])
    return Unknowns(*(np.asarray(values)[begin] for values in found.unknowns))


def _nothing_yet(chemistry: AcidicExchange, problem: Problem) -> BatchResult:
    plants, stages = problem.vessels.active.shape
    carried, elements = len(chemistry.organic_components), chemistry.element_count
    return BatchResult(
        unknowns=Unknowns(
            given(np.full((plants, stages, chemistry.unknown_count + carried), np.nan)),
            given(np.full((plants, elements), np.nan)),
        ),
        norm=np.full(plants, np.inf),
        imbalance=np.full(plants, np.inf),
        iterations=np.zeros(plants, dtype=np.int64),
        alone=np.zeros(plants, dtype=np.bool_),
    )


def _solve_part(
    chemistry: AcidicExchange,
    problem: Problem,
    found: BatchResult,
    wanted: Indices,
    begins: Indices,
) -> None:
    """Solve some banks from the states of others and enter them in `found`."""
    count = len(wanted)
    # One size for all parts of an ensemble: the kernel is compiled once.
    size = min(AT_ONCE, 1 << (len(found.norm) - 1).bit_length())
    wanted, begins = (np.pad(rows, (0, size - count), mode="edge") for rows in (wanted, begins))
    banks = jax.tree.map(lambda values: np.asarray(values)[wanted], problem)
    start = Unknowns(*(values[begins] for values in found.unknowns))
    part = jax.device_get(_from_given(chemistry, banks, start))
    _enter(found, wanted[:count], jax.tree.map(lambda values: values[:count], part))


def _solve_alone(
    chemistry: AcidicExchange, problem: Problem, found: BatchResult, index: int
) -> None:
    """Solve one bank from nothing and enter it in `found`."""
    bank = jax.tree.map(lambda values: np.asarray(values)[index], problem)
    enter_one(chemistry, bank, found, index, solve_from_nothing(chemistry, bank))


def enter_one(
    chemistry: AcidicExchange,
    bank: Problem,
    found: BatchResult,
    index: int,
    result: SteadyResult,
) -> None:
    """Enter what solving one bank alone gave in the outcome of all.

    Args:
        chemistry: Equations of one contact.
        bank: Numbers of the bank.
        found: The outcome of all.
        index: Place of the bank.
        result: Its solution.
    """
    imbalance = _imbalance(chemistry, bank, result.unknowns)
    one = _Part(result.unknowns, result.norm, imbalance, result.iterations)
    _enter(found, np.array([index]), jax.tree.map(lambda value: np.asarray(value)[None], one))
    found.alone[index] = True


def _enter(found: BatchResult, rows: Indices, part: _Part) -> None:
    for held, values in zip(found.unknowns, part.unknowns, strict=True):
        np.asarray(held)[rows] = values
    found.norm[rows] = np.where(np.isfinite(part.norm), part.norm, np.inf)
    found.imbalance[rows] = part.imbalance
    found.iterations[rows] += part.iterations


def boundary_imbalance(chemistry: AcidicExchange, problem: Problem, unknowns: Unknowns) -> Array:
    """Return the worst relative imbalance of what crosses the boundary of a bank, [-].

    It is made of boundary streams alone, which no residual contains. A component that passes as a
    trace is judged against the total that passes.
    """
    streams, count = problem.streams, chemistry.unknown_count
    soluble = len(chemistry.components) - 1
    carried, elements = jnp.array(chemistry.organic_components), chemistry.element_count
    passed = aqueous_flows(streams, unknowns.stage.shape[0]).passed
    aqueous = jnp.exp(unknowns.stage[:, :soluble])
    left = passed[0] * aqueous[0] + streams.draw_flow @ aqueous[streams.draw_stage]
    left = jnp.append(left, 0.0)
    inlet = jnp.asarray(streams.organic_inlet)
    # The loop returns its rare earths: they neither enter nor leave.
    kept = jnp.arange(carried.shape[0]) >= elements
    organic = unknowns.stage[problem.vessels.last, count:] * inlet[-1]
    entered = jnp.asarray(streams.feed_flow) @ streams.feed_concentration
    entered = entered.at[carried].add(jnp.where(kept, streams.organic_flow * inlet[carried], 0.0))
    left = left.at[carried].add(jnp.where(kept, streams.organic_flow * organic, 0.0))
    scale = jnp.maximum(entered, 1e-9 * (jnp.sum(entered) + jnp.max(entered)))
    worst = jnp.max(jnp.abs(entered - left) / scale)
    return jnp.where(jnp.isnan(worst), jnp.inf, worst)


_imbalance = jax.jit(boundary_imbalance, static_argnums=0)
