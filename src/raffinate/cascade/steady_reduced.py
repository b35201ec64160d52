"""Steady state of a bank of ideal exchange: reduced equations, proved on the full ones.

From nothing a series of longer and longer banks is solved; from a given state the bank alone, by
Newton's iteration, which is given up as soon as it does not lead nearer. The end is always put
into the full equations, whose residual is what is reported.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from raffinate.cascade.bank import Unknowns
from raffinate.cascade.equations import Problem, blank_inventory, residual
from raffinate.cascade.reduced import Held, ReducedBank, as_unknowns, reduced_bank
from raffinate.cascade.reduced_march import (
    March,
    Newton,
    feed_everywhere,
    held_in,
    march,
    newton,
)
from raffinate.cascade.start import Level, Refinement, levels
from raffinate.cascade.steady import HISTORY, SteadyResult, largest
from raffinate.chemistry.exchange import AcidicExchange
from raffinate.numerics.jax_setup import Array, given, jax, jnp

TOLERANCE = 1e-12
"""Largest charge excess, as a logarithm, at which the reduced equations count as solved, [-]."""

ROUGH = 1e-2
"""The same for a bank that only gives the start of a longer one, [-]."""

COLD_ITERATIONS = 150
"""Iterations after which a march from nothing is given up."""

SHORTER_ITERATIONS = 60
"""The same of a bank that only gives a start: where it has none the longer one begins from feed."""

WARM_ITERATIONS = 12
"""Newton iterations after which a start from a given state is given up."""

REFINED_RATE = 0.03
"""Part of its throughput a stage holds back at first in a bank that begins from a shorter one."""


class Profile(NamedTuple):
    """Where a march ended.

    Attributes:
        log_q: ln q, (stage,), [-].
        log_aqueous: ln x, (stage, species), of [mol/m³].
        iterations: Taken so far.
        excess: Largest charge excess, as a logarithm, [-]; infinity if the march led nowhere.
        history: The excess before each iteration, NaN where not reached.
    """

    log_q: Array
    log_aqueous: Array
    iterations: Array
    excess: Array
    history: Array


def _profile(found: March) -> Profile:
    return Profile(
        found.log_q,
        jnp.log(found.state.aqueous),
        found.iteration,
        jnp.where(found.held.rate > 0.0, jnp.inf, found.excess),
        found.history,
    )


class Stretch(NamedTuple):
    """One bank of a series solved.

    Attributes:
        profile: Where its march ended.
        result: The same in the full equations; None for a bank that only gives a start.
    """

    profile: Profile
    result: SteadyResult | None


@partial(jax.jit, static_argnums=(0, 2))
def from_nothing(chemistry: AcidicExchange, problem: Problem, final: bool) -> Stretch:
    """Solve a bank that begins full of feed.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the bank.
        final: Whether it is the bank that is wanted.
    """
    bank = reduced_bank(chemistry, problem)
    log_q, held = feed_everywhere(bank)
    return _solved(chemistry, problem, bank, log_q, held, final)


@partial(jax.jit, static_argnums=(0, 4))
def from_shorter(
    chemistry: AcidicExchange,
    problem: Problem,
    shorter: Profile,
    refinement: Refinement,
    final: bool,
) -> Stretch:
    """Solve a bank that begins with the profile of a shorter one, spread over its stages.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the bank.
        shorter: Profile of the shorter bank.
        refinement: How it is spread.
        final: Whether it is the bank that is wanted.
    """
    bank = reduced_bank(chemistry, problem)

    def spread(value: Array) -> Array:
        share = refinement.share.reshape((-1,) + (1,) * (value.ndim - 1))
        return value[refinement.below] * (1.0 - share) + value[refinement.above] * share

    log_q = jnp.where(bank.active, spread(shorter.log_q), 0.0)
    held = held_in(bank, log_q, jnp.exp(spread(shorter.log_aqueous)), jnp.array(REFINED_RATE))
    return _solved(chemistry, problem, bank, log_q, held, final)


def _solved(
    chemistry: AcidicExchange,
    problem: Problem,
    bank: ReducedBank,
    log_q: Array,
    held: Held,
    final: bool,
) -> Stretch:
    enough, most = (TOLERANCE, COLD_ITERATIONS) if final else (ROUGH, SHORTER_ITERATIONS)
    found = march(bank, log_q, held, enough, most)
    result = _proved(chemistry, problem, bank, found) if final else None
    return Stretch(_profile(found), result)


@partial(jax.jit, static_argnums=0)
def from_given(chemistry: AcidicExchange, problem: Problem, start: Unknowns) -> SteadyResult:
    """Solve a bank from a given state; the residual says whether it worked.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the bank.
        start: The state, of a bank of the same size.
    """
    bank = reduced_bank(chemistry, problem)
    log_free, log_proton = (start.stage[:, chemistry.element_count + k] for k in (2, 3))
    log_q = jnp.where(bank.active, log_free - log_proton, 0.0)
    found = newton(bank, log_q, TOLERANCE, WARM_ITERATIONS)
    return _proved(chemistry, problem, bank, found)


def _proved(
    chemistry: AcidicExchange, problem: Problem, bank: ReducedBank, found: March | Newton
) -> SteadyResult:
    """Return where an iteration ended as a state of the full equations, with their residual."""
    unknowns = as_unknowns(bank, found.log_q, found.state)
    left = residual(
        chemistry, problem, unknowns, blank_inventory(chemistry, problem), jnp.array(0.0)
    )
    history = jnp.full((HISTORY,), jnp.nan).at[: found.history.shape[0]].set(found.history)
    return SteadyResult(unknowns, history, found.iteration, largest(left), left)


def solve_from_nothing(chemistry: AcidicExchange, problem: Problem) -> SteadyResult:
    """Solve a bank through a series of shorter ones; the residual says whether it worked."""
    *shorter, whole = levels(problem)
    iterations = 0
    profile: Profile | None = None
    for level in shorter:
        profile = _next(chemistry, level, profile, False).profile
        iterations += int(profile.iterations)
    result = _next(chemistry, whole, profile, True).result
    assert result is not None
    return result._replace(iterations=given(np.int64(iterations + int(result.iterations))))


def _next(chemistry: AcidicExchange, level: Level, profile: Profile | None, final: bool) -> Stretch:
    if profile is None or not float(profile.excess) <= ROUGH:
        # What a shorter bank could not find the longer one must find by itself.
        found: Stretch = from_nothing(chemistry, level.problem, final)
        return found
    found = from_shorter(chemistry, level.problem, profile, level.refinement, final)
    return found


def solve_from_given(
    chemistry: AcidicExchange, problem: Problem, start: Unknowns, tolerance: float
) -> SteadyResult:
    """Solve a bank from a given state, and where that leads nowhere from nothing.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the bank.
        start: The state, of a bank of the same size.
        tolerance: Largest relative residual at which the first attempt counts, [-].
    """
    result: SteadyResult = from_given(chemistry, problem, start)
    if float(result.norm) <= tolerance:
        return result
    wasted, result = int(result.iterations), solve_from_nothing(chemistry, problem)
    return result._replace(iterations=given(np.int64(wasted + int(result.iterations))))
