"""Flows that meet purities: Newton on the outlets alone, a solved bank inside.

Every trial is a whole steady state, solved from the one before it, so that the search sees two
numbers, the impurities, as functions of two flows. Slopes are differences; close to the end each
pass leaves about their relative error, a hundred-thousandth, of the miss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Specification, Unknowns, adjusted
from raffinate.cascade.equations import Problem
from raffinate.cascade.steady import SteadyResult
from raffinate.cascade.steady_activity import solve_exchange_from_given
from raffinate.cascade.steady_reduced import solve_from_given
from raffinate.chemistry.exchange import AcidicExchange
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.numerics.jax_setup import given, jax, jnp

Array = NDArray[np.float64]

_adjusted_at_once = jax.jit(adjusted)

SOLVED = 1e-9
"""Residual of the full equations at which a trial counts as solved, [-]."""

CLOSE = 1e-10
"""Distance in log₁₀ of the impurities at which the search ends, [-]."""

TRIALS = 40
"""Steps after which it is given up."""

NUDGE = 1e-5
"""Change of the logarithm of a flow by which answers are measured, [-]."""

LARGEST_STEP = 0.2
"""Largest change of the logarithm of a flow in a step, [-]."""

SERVED = 0.1
"""Part of the miss that a step may leave for its slopes to be used again, [-]."""

SHORTEST_STEP = 1.0 / 64.0
"""Part of a step below which the search is given up, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aimed:
    """Where the search ended.

    Attributes:
        unknowns: The state with its free variables; None if the search led nowhere.
        iterations: Newton iterations of all trials.
        reached: log₁₀ of the impurities there, (spec,), [-].
    """

    unknowns: Unknowns | None
    iterations: int
    reached: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Trial:
    free: Array
    unknowns: Unknowns
    miss: Array
    iterations: int

    @property
    def distance(self) -> float:
        """Return the norm of the miss; infinity for a trial that is no steady state."""
        norm = float(np.linalg.norm(self.miss))
        return norm if np.isfinite(norm) else np.inf


_Tried = Callable[[Array, Unknowns], _Trial]


def aim_at_purities(
    chemistry: StageChemistry,
    problem: Problem,
    specification: Specification,
    result: SteadyResult,
) -> Aimed:
    """Return the state at flows that meet the purities.

    Args:
        chemistry: Equations of one contact: simple exchange, or exchange with activities.
        problem: The bank at the first flows.
        specification: Purities wanted and flows freed.
        result: Its steady state at the first flows.
    """
    elements = chemistry.element_count
    wanted = np.asarray(specification.log_impurity)

    def tried(free: Array, start: Unknowns) -> _Trial:
        streams = jax.tree.map(
            np.asarray, _adjusted_at_once(problem.streams, specification, given(free))
        )
        found = _solved(chemistry, problem._replace(streams=streams), start)
        solved = float(found.norm) <= SOLVED
        miss = log_impurity(specification, found.unknowns, elements) - wanted
        miss = miss if solved else np.full_like(wanted, np.nan)
        return _Trial(
            free=free, unknowns=found.unknowns, miss=miss, iterations=int(found.iterations)
        )

    free = np.zeros(len(wanted))
    here = _Trial(
        free=free,
        unknowns=result.unknowns,
        miss=log_impurity(specification, result.unknowns, elements) - wanted,
        iterations=0,
    )
    iterations = 0
    answer: Array | None = None
    for _ in range(TRIALS):
        if here.distance <= CLOSE:
            border = jnp.concatenate([jnp.asarray(here.unknowns.border), jnp.asarray(here.free)])
            unknowns = Unknowns(here.unknowns.stage, border)
            return Aimed(unknowns=unknowns, iterations=iterations, reached=here.miss + wanted)
        if answer is None:
            answer, taken = _slopes(tried, here)
            iterations += taken
        if not np.isfinite(answer).all() or np.linalg.matrix_rank(answer) < len(wanted):
            break
        step: Array = np.asarray(np.linalg.solve(answer, -here.miss), dtype=np.float64)
        # The direction is kept: only along it is the miss sure to shrink at first.
        step = step * min(1.0, LARGEST_STEP / float(np.max(np.abs(step))))
        better, taken = _nearer(tried, here, step)
        iterations += taken
        if better is None:
            break
        # Slopes that led most of the way lead further; what they missed is made good (Broyden).
        served = better.distance <= SERVED * here.distance
        moved, off = better.free - here.free, better.miss - here.miss
        answer = answer + np.outer(off - answer @ moved, moved) / (moved @ moved)
        answer = answer if served else None
        here = better
    return Aimed(unknowns=None, iterations=iterations, reached=here.miss + wanted)


def _solved(chemistry: StageChemistry, problem: Problem, start: Unknowns) -> SteadyResult:
    if isinstance(chemistry, AcidicExchange):
        return solve_from_given(chemistry, problem, start, SOLVED)
    return solve_exchange_from_given(chemistry, problem, start, SOLVED)


def _slopes(tried: _Tried, here: _Trial) -> tuple[Array, int]:
    """Return d(miss)/d(free), (spec, free), and the iterations it took."""
    nudges = NUDGE * np.eye(len(here.free))
    nudged = [tried(here.free + nudge, here.unknowns) for nudge in nudges]
    slopes: Array = np.stack([(trial.miss - here.miss) / NUDGE for trial in nudged], axis=1)
    return slopes, sum(trial.iterations for trial in nudged)


def _nearer(tried: _Tried, here: _Trial, step: Array) -> tuple[_Trial | None, int]:
    """Return the first trial along a step that is nearer, if any, and the iterations it took."""
    part, iterations = 1.0, 0
    while part >= SHORTEST_STEP:
        trial = tried(here.free + part * step, here.unknowns)
        iterations += trial.iterations
        if trial.distance < here.distance:
            return trial, iterations
        part *= 0.5
    return None, iterations


def log_impurity(specification: Specification, unknowns: Unknowns, elements: int) -> Array:
    """Return log₁₀ of the impurity mass fractions a state has at the specified outlets, (spec,)."""
    stage = np.asarray(unknowns.stage)[np.asarray(specification.outlet_stage)]
    mass = np.exp(stage[:, :elements]) * np.asarray(specification.weight)[:, :elements]
    impurity = mass * np.asarray(specification.impurity)[:, :elements]
    logarithm: Array = np.log10(impurity.sum(axis=1) / mass.sum(axis=1))
    return logarithm
