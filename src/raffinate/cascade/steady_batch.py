"""Many banks of one layout solved at once: the same kernels, with a plant axis in front.

Every bank marches until all have arrived; what one of them does never touches another.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from raffinate.cascade.bank import Unknowns, aqueous_flows
from raffinate.cascade.equations import Problem
from raffinate.cascade.start import Refinement, levels
from raffinate.cascade.steady import SteadyResult
from raffinate.cascade.steady_reduced import Profile, Stretch, from_nothing, from_shorter
from raffinate.chemistry.exchange import AcidicExchange
from raffinate.numerics.jax_setup import Array, jax, jnp


class BatchResult(NamedTuple):
    """Outcome of many solves; every array has the plant as its first axis.

    Attributes:
        unknowns: Where each ended.
        norm: Largest residual of the full equations, relative, (plant,), [-].
        imbalance: Worst relative imbalance of what crosses the boundary, (plant,), [-].
        iterations: Taken in all banks of its series, (plant,).
    """

    unknowns: Unknowns
    norm: Array
    imbalance: Array
    iterations: Array


def stacked(problems: list[Problem]) -> Problem:
    """Return problems of one layout with a plant axis in front of every array."""
    stack: Problem = jax.tree.map(lambda *values: np.stack(values), *problems)
    return stack


@partial(jax.jit, static_argnums=(0, 2))
def _from_nothing(chemistry: AcidicExchange, problem: Problem, final: bool) -> Stretch:
    found: Stretch = jax.vmap(lambda one: from_nothing(chemistry, one, final))(problem)
    return found


@partial(jax.jit, static_argnums=(0, 4))
def _from_shorter(
    chemistry: AcidicExchange,
    problem: Problem,
    shorter: Profile,
    refinement: Refinement,
    final: bool,
) -> Stretch:
    def one(bank: Problem, profile: Profile) -> Stretch:
        found: Stretch = from_shorter(chemistry, bank, profile, refinement, final)
        return found

    found: Stretch = jax.vmap(one)(problem, shorter)
    return found


def solve_batch(chemistry: AcidicExchange, problem: Problem) -> BatchResult:
    """Solve banks of one layout from nothing.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the banks, the plant in front of every axis.
    """
    *shorter, whole = levels(problem)
    if not shorter:
        last = _from_nothing(chemistry, whole.problem, True)
        return _outcome(chemistry, problem, last.result, last.profile.iterations)
    profile = _from_nothing(chemistry, shorter[0].problem, False).profile
    iterations = profile.iterations
    for level in shorter[1:]:
        profile = _from_shorter(chemistry, level.problem, profile, level.refinement, False).profile
        iterations = iterations + profile.iterations
    last = _from_shorter(chemistry, whole.problem, profile, whole.refinement, True)
    return _outcome(chemistry, problem, last.result, iterations + last.profile.iterations)


def _outcome(
    chemistry: AcidicExchange, problem: Problem, result: SteadyResult | None, iterations: Array
) -> BatchResult:
    assert result is not None
    imbalance = _imbalances(chemistry, problem, result.unknowns)
    return BatchResult(result.unknowns, result.norm, imbalance, iterations)


@partial(jax.jit, static_argnums=0)
def _imbalances(chemistry: AcidicExchange, problem: Problem, unknowns: Unknowns) -> Array:
    found: Array = jax.vmap(partial(boundary_imbalance, chemistry))(problem, unknowns)
    return found


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
