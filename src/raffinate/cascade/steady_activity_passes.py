"""Steady state of a bank of exchange with activities, by passes over the constants.

The way that is left where Newton's iteration on constants and profiles together leads nowhere. The
reduced equations are solved with constants per stage, the constants are taken again from
the full chemistry at the state found, and so on until neither changes. An element shares most of
its change with the others, which moves u and little else; each pass therefore leaves a few
hundredths of the miss. The state is proved on the full equations of the full chemistry.

Source: J. F. Boston, S. L. Sullivan, Can. J. Chem. Eng. 52 (1974) 52 (an inner loop with simple
constants, an outer one that takes them from the full chemistry).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from raffinate.cascade.equations import Problem, blank_inventory, residual
from raffinate.cascade.reduced import (
    Distributed,
    ReducedBank,
    as_unknowns,
    at_rest,
    distributed,
    reduced_bank,
)
from raffinate.cascade.reduced_march import newton
from raffinate.cascade.start import Refinement, levels
from raffinate.cascade.steady import (
    HISTORY,
    LONGEST_STEP,
    SteadyResult,
    largest,
    solve_pseudo_transient,
)
from raffinate.cascade.steady_activity_constants import Liquors, constants_of, stand_in
from raffinate.cascade.steady_reduced import Profile, from_nothing, from_shorter
from raffinate.chemistry.exchange import ExchangeParameters
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.numerics.jax_setup import Array, given, jax, jnp, lax

PASSES = 40
"""Passes over the constants after which the solve is given up."""

SETTLED = 4e-12
"""Largest change of a logarithm of a constant in a pass at which they count as found, [-]."""

ROUNDING = 1e-9
"""Change below which one that no longer halves is rounding, and the passes end, [-]."""

SOLVED = 1e-11
"""Largest relative residual of the full equations at which a bank counts as solved, [-]."""

NEARLY = 1e-3
"""The same at which Newton's iteration on the full equations is worth a trial, [-]."""

EXCESS = 1e-12
"""Largest charge excess, as a logarithm, that Newton's iteration leaves within a pass, [-]."""

NEWTON_ITERATIONS = 12
"""Newton iterations of a pass at most."""

FREE_SHARE = 0.3
"""Part of the extractant taken as free where constants are first asked for, [-]; with no loading
term they do not depend on it."""


class _Pass(NamedTuple):
    """State of the outer iteration.

    Attributes:
        log_q: ln q, (stage,), [-].
        log_constant: ln K of carried species, (stage, carried), [-].
        change: Largest change of the latter in the last pass.
        done: Passes made.
        iterations: Newton iterations of all passes.
        history: Change before each pass, NaN where not reached.
    """

    log_q: Array
    log_constant: Array
    change: Array
    done: Array
    iterations: Array
    history: Array


def _with_constants(problem: Problem, log_constant: Array) -> Problem:
    parameters = ExchangeParameters(log_constant[..., :-1], log_constant[..., -1])
    return problem._replace(parameters=parameters)


def blank_bank(chemistry: StageChemistry, problem: Problem) -> ReducedBank:
    """Return the numbers of a bank whose constants are not yet known."""
    size = problem.vessels.active.shape[0]
    blank = jnp.zeros((size, chemistry.element_count + 1))
    return reduced_bank(stand_in(chemistry), _with_constants(problem, blank))


@partial(jax.jit, static_argnums=0)
def constants_in_feed(chemistry: StageChemistry, problem: Problem) -> Array:
    """Return ln K in the richest feed at the strength of each stage's anion, (stage, carried)."""
    bank = blank_bank(chemistry, problem)
    liquor = bank.fed[jnp.argmax(jnp.sum(bank.fed[:, :-2], axis=1))]
    aqueous = jnp.maximum(bank.anion[:, None] * liquor / (liquor @ bank.valence), 1e-9)
    log_q = jnp.log(FREE_SHARE * bank.dimer / aqueous[:, -1])
    liquors = Liquors(log_q, aqueous, bank.anion, bank.active)
    return constants_of(chemistry, problem.parameters, liquors)


@partial(jax.jit, static_argnums=0)
def _constants_in(chemistry: StageChemistry, problem: Problem, profile: Profile) -> Array:
    """Return ln K at the end of a march, (stage, carried), [-]."""
    bank = blank_bank(chemistry, problem)
    aqueous = jnp.exp(profile.log_aqueous)
    liquors = Liquors(profile.log_q, aqueous, bank.anion, bank.active)
    return constants_of(chemistry, problem.parameters, liquors)


@partial(jax.jit, static_argnums=0)
def _settled(
    chemistry: StageChemistry, problem: Problem, log_q: Array, log_constant: Array
) -> SteadyResult:
    """Return the bank solved from close by, its constants with it."""
    simple = stand_in(chemistry)

    def solved(now: _Pass) -> tuple[ReducedBank, Array, Distributed, Array]:
        bank = reduced_bank(simple, _with_constants(problem, now.log_constant))
        found = newton(bank, now.log_q, EXCESS, NEWTON_ITERATIONS)
        return bank, found.log_q, found.state, found.iteration

    def passed(now: _Pass) -> _Pass:
        bank, there, state, iterations = solved(now)
        liquors = Liquors(there, state.aqueous, bank.anion, bank.active)
        taken = constants_of(chemistry, problem.parameters, liquors)
        change = jnp.max(jnp.abs(taken - now.log_constant))
        return _Pass(
            log_q=there,
            log_constant=taken,
            change=jnp.where(jnp.isnan(change), jnp.inf, change),
            done=now.done + 1,
            iterations=now.iterations + iterations,
            history=now.history.at[now.done].set(now.change),
        )

    def unfinished(now: _Pass) -> Array:
        before = now.history[jnp.maximum(now.done - 1, 0)]
        stalled = (now.change < ROUNDING) & (now.change > 0.5 * before)
        usable = jnp.isfinite(now.log_q).all() & (now.done < PASSES)
        return (now.change > SETTLED) & usable & ~stalled

    none, history = jnp.array(0), jnp.full((HISTORY,), jnp.nan)
    begin = _Pass(log_q, log_constant, jnp.array(1e300), none, none, history)
    end = lax.while_loop(unfinished, passed, begin)
    # The constants are the last ones found: the state goes with those before them.
    bank = reduced_bank(simple, _with_constants(problem, end.log_constant))
    unknowns = as_unknowns(bank, end.log_q, distributed(bank, end.log_q, at_rest(bank)))
    left = residual(
        chemistry, problem, unknowns, blank_inventory(chemistry, problem), jnp.array(0.0)
    )
    return SteadyResult(unknowns, end.history, end.iterations, largest(left), left)


def spread_constants(refinement: Refinement, value: Array) -> Array:
    """Return constants of a shorter bank over the stages of a longer one, (stage, carried)."""
    rows, share = np.asarray(value), refinement.share[:, None]
    return given(rows[refinement.below] * (1.0 - share) + rows[refinement.above] * share)


def solve_by_passes(chemistry: StageChemistry, problem: Problem) -> SteadyResult:
    """Solve a bank through a series of shorter ones; the residual says whether it worked.

    Args:
        chemistry: One for which `is_exchange` holds.
        problem: Numbers of the bank.
    """
    simple, series = stand_in(chemistry), levels(problem)
    first = series[0]
    constants = constants_in_feed(chemistry, first.problem)
    stretch = from_nothing(simple, _with_constants(first.problem, constants), False)
    profile, iterations = stretch.profile, int(stretch.profile.iterations)
    constants = _constants_in(chemistry, first.problem, profile)
    for place, level in enumerate(series):
        if place:
            constants = spread_constants(level.refinement, constants)
        bank = _with_constants(level.problem, constants)
        profile = from_shorter(simple, bank, profile, level.refinement, False).profile
        iterations += int(profile.iterations)
        constants = _constants_in(chemistry, level.problem, profile)
    settled = _settled(chemistry, problem, profile.log_q, constants)
    result = finished(chemistry, problem, settled)
    return result._replace(iterations=given(np.int64(iterations + int(result.iterations))))


def finished(chemistry: StageChemistry, problem: Problem, result: SteadyResult) -> SteadyResult:
    """Return a state that the passes brought near, ended by Newton on the full equations.

    In a long bank with many elements a pass leaves most of the miss, as it moves whole fronts.
    """
    if not SOLVED < float(result.norm) <= NEARLY:
        return result
    ended: SteadyResult = solve_pseudo_transient(
        chemistry, problem, result.unknowns, LONGEST_STEP, SOLVED, NEWTON_ITERATIONS
    )
    return ended._replace(
        iterations=given(np.int64(int(result.iterations) + int(ended.iterations)))
    )
