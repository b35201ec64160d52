"""Steady state of a bank of exchange with activities, around the reduced equations.

With activities the distribution ratios still are D_k = K_k exp(ν_k u), only that each K_k now
belongs to a stage: what mass action and activity coefficients make of it at the composition there.
So the reduced equations are solved with constants per stage, the constants are taken again from
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

from raffinate.cascade.bank import Unknowns
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
from raffinate.cascade.steady_reduced import Profile, from_nothing, from_shorter
from raffinate.chemistry.exchange import AcidicExchange, ExchangeParameters
from raffinate.chemistry.stage_chemistry import Parameters, StageChemistry
from raffinate.chemistry.tableau_chemistry import TableauChemistry
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


def is_exchange(chemistry: StageChemistry) -> bool:
    """Return whether a chemistry is exchange as the reduced equations have it, but for activities.

    That is: trivalent metals and one cation, each in the organic as one complex with as many
    dimers as charges and no proton of its own in the liquor; one monovalent anion, complexed or
    not.
    """
    if not isinstance(chemistry, TableauChemistry):
        return False
    count, tableau = chemistry.element_count, chemistry.tableau
    carried = (*range(count + 1), count + 2)
    if len(chemistry.components) != count + 3 or chemistry.organic_components != carried:
        return False
    names, matrix = tableau.components, tableau.stoichiometry
    valence = dict.fromkeys(chemistry.elements, 3.0)
    valence[chemistry.components[count]] = 1.0
    charge = dict(zip(names, tableau.component_charge.tolist(), strict=True))
    if any(charge[name] != number for name, number in valence.items()):
        return False
    proton, extractant = names.index("proton"), names.index("extractant")
    liquor, organic = matrix[: tableau.aqueous_count], matrix[tableau.aqueous_count :]
    plain = int(np.count_nonzero(liquor[:, proton])) == 1
    wanted = np.zeros((len(valence) + 1, len(names)))
    wanted[-1, extractant] = 1.0
    for row, (name, number) in zip(wanted, valence.items(), strict=False):
        row[[names.index(name), extractant, proton]] = 1.0, number, -number
    same = sorted(map(tuple, organic.tolist())) == sorted(map(tuple, wanted.tolist()))
    return plain and same and charge[chemistry.components[count + 1]] == -1.0


def _stand_in(chemistry: StageChemistry) -> AcidicExchange:
    count = chemistry.element_count
    names = chemistry.components
    return AcidicExchange(names[:count], cation=names[count], anion=names[count + 1])


def _with_constants(problem: Problem, log_constant: Array) -> Problem:
    parameters = ExchangeParameters(log_constant[..., :-1], log_constant[..., -1])
    return problem._replace(parameters=parameters)


def _constants_at(
    chemistry: StageChemistry, parameters: Parameters, contacts: Array, active: Array
) -> Array:
    """Return ln K of what the organic carries at the states of contacts, (stage, carried), [-]."""
    count = chemistry.element_count
    ratio = jax.vmap(lambda one: chemistry.distribution(one, parameters))(contacts)
    valence = jnp.array([3.0] * count + [1.0])
    log_q = contacts[:, count + 2] - contacts[:, count + 3]
    found = jnp.log(ratio[:, : count + 1]) - valence * log_q[:, None]
    return jnp.where(active[:, None], found, 0.0)


@partial(jax.jit, static_argnums=0)
def _constants_in_feed(chemistry: StageChemistry, problem: Problem) -> Array:
    """Return ln K in the richest feed at the strength of each stage's anion, (stage, carried)."""
    count = chemistry.element_count
    blank = jnp.zeros((problem.vessels.active.shape[0], count + 1))
    bank = reduced_bank(_stand_in(chemistry), _with_constants(problem, blank))
    liquor = bank.fed[jnp.argmax(jnp.sum(bank.fed[:, :-2], axis=1))]
    aqueous = jnp.maximum(bank.anion[:, None] * liquor / (liquor @ bank.valence), 1e-9)
    free = jnp.full_like(bank.anion, FREE_SHARE) * bank.dimer
    columns = [aqueous[:, :-1], bank.anion[:, None], free[:, None], aqueous[:, -1:]]
    contacts = jnp.log(jnp.concatenate(columns, axis=1))
    return _constants_at(chemistry, problem.parameters, contacts, bank.active)


@partial(jax.jit, static_argnums=0)
def _constants_in(chemistry: StageChemistry, problem: Problem, profile: Profile) -> Array:
    """Return ln K at the end of a march, (stage, carried), [-]."""
    count = chemistry.element_count
    blank = jnp.zeros((problem.vessels.active.shape[0], count + 1))
    bank = reduced_bank(_stand_in(chemistry), _with_constants(problem, blank))
    log_proton = profile.log_aqueous[:, -1:]
    columns = [
        profile.log_aqueous[:, :-1],
        jnp.log(bank.anion)[:, None],
        profile.log_q[:, None] + log_proton,
        log_proton,
    ]
    contacts = jnp.concatenate(columns, axis=1)
    return _constants_at(chemistry, problem.parameters, contacts, bank.active)


@partial(jax.jit, static_argnums=0)
def _settled(
    chemistry: StageChemistry, problem: Problem, log_q: Array, log_constant: Array
) -> SteadyResult:
    """Return the bank solved from close by, its constants with it."""
    simple, active = _stand_in(chemistry), jnp.asarray(problem.vessels.active)

    def solved(now: _Pass) -> tuple[ReducedBank, Array, Distributed, Array]:
        bank = reduced_bank(simple, _with_constants(problem, now.log_constant))
        found = newton(bank, now.log_q, EXCESS, NEWTON_ITERATIONS)
        return bank, found.log_q, found.state, found.iteration

    def passed(now: _Pass) -> _Pass:
        bank, there, state, iterations = solved(now)
        contacts = as_unknowns(bank, there, state).stage[:, : chemistry.unknown_count]
        taken = _constants_at(chemistry, problem.parameters, contacts, active)
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


def _spread(refinement: Refinement, value: Array) -> Array:
    """Return constants of a shorter bank over the stages of a longer one, (stage, carried)."""
    rows, share = np.asarray(value), refinement.share[:, None]
    return given(rows[refinement.below] * (1.0 - share) + rows[refinement.above] * share)


def solve_exchange_from_nothing(chemistry: StageChemistry, problem: Problem) -> SteadyResult:
    """Solve a bank through a series of shorter ones; the residual says whether it worked.

    Args:
        chemistry: One for which `is_exchange` holds.
        problem: Numbers of the bank.
    """
    simple, series = _stand_in(chemistry), levels(problem)
    first = series[0]
    constants = _constants_in_feed(chemistry, first.problem)
    stretch = from_nothing(simple, _with_constants(first.problem, constants), False)
    profile, iterations = stretch.profile, int(stretch.profile.iterations)
    constants = _constants_in(chemistry, first.problem, profile)
    for place, level in enumerate(series):
        if place:
            constants = _spread(level.refinement, constants)
        bank = _with_constants(level.problem, constants)
        profile = from_shorter(simple, bank, profile, level.refinement, False).profile
        iterations += int(profile.iterations)
        constants = _constants_in(chemistry, level.problem, profile)
    result = _finished(chemistry, problem, _settled(chemistry, problem, profile.log_q, constants))
    return result._replace(iterations=given(np.int64(iterations + int(result.iterations))))


def _finished(chemistry: StageChemistry, problem: Problem, result: SteadyResult) -> SteadyResult:
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


def solve_exchange_from_given(
    chemistry: StageChemistry, problem: Problem, start: Unknowns, tolerance: float
) -> SteadyResult:
    """Solve a bank from a given state, and where that leads nowhere from nothing.

    Args:
        chemistry: One for which `is_exchange` holds.
        problem: Numbers of the bank.
        start: The state, of a bank of the same size.
        tolerance: Largest relative residual at which the first attempt counts, [-].
    """
    contacts = jnp.asarray(start.stage)[:, : chemistry.unknown_count]
    active = jnp.asarray(problem.vessels.active)
    constants = _given_constants(chemistry, problem.parameters, contacts, active)
    free, proton = chemistry.element_count + 2, chemistry.element_count + 3
    log_q = jnp.where(active, contacts[:, free] - contacts[:, proton], 0.0)
    result: SteadyResult = _settled(chemistry, problem, log_q, constants)
    if float(result.norm) <= tolerance:
        return result
    wasted, result = int(result.iterations), solve_exchange_from_nothing(chemistry, problem)
    return result._replace(iterations=given(np.int64(wasted + int(result.iterations))))


_given_constants = jax.jit(_constants_at, static_argnums=0)
