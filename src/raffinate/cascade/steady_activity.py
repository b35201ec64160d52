"""Steady state of a bank of exchange with activities: reduced equations, constants among them.

With activities the distribution ratios still are D_k = K_k exp(ν_k u), only that each K_k now
belongs to a stage: what mass action and activity coefficients make of it at the composition there.
Newton's iteration finds ln K together with u, so that no more unknowns are coupled along the bank
than without activities. From nothing a series of longer and longer banks is solved so. Where that
leads nowhere, constants and profiles are found in turns. The state is proved on the full equations
of the full chemistry.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from raffinate.cascade.bank import Unknowns
from raffinate.cascade.equations import Problem, blank_inventory, residual
from raffinate.cascade.reduced import ReducedBank, as_unknowns, at_rest
from raffinate.cascade.reduced_march import feed_everywhere, held_in
from raffinate.cascade.start import Level, Refinement, levels
from raffinate.cascade.steady import HISTORY, SteadyResult, largest
from raffinate.cascade.steady_activity_constants import Liquors, constants_of
from raffinate.cascade.steady_activity_march import (
    FROM_FEED,
    TRAVELLING,
    Asked,
    Coupled,
    Pace,
    begin,
    march,
    newton,
    with_constants,
)
from raffinate.cascade.steady_activity_passes import (
    SOLVED,
    blank_bank,
    constants_in_feed,
    finished,
    solve_by_passes,
)
from raffinate.cascade.steady_reduced import COLD_ITERATIONS, REFINED_RATE, ROUGH, WARM_ITERATIONS
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.chemistry.tableau_chemistry import TableauChemistry
from raffinate.numerics.jax_setup import Array, given, jax, jnp

TOLERANCE = 2e-12
"""Largest charge excess or change of ln K still wanted at which a bank counts as solved, [-]."""


class _Stretch(NamedTuple):
    """One bank of a series solved.

    Attributes:
        log_q: ln q, (stage,), [-].
        log_constant: ln K, (stage, carried), [-].
        log_aqueous: ln x, (stage, species), of [mol/m³].
        iterations: Taken.
        miss: Largest charge excess or change of ln K still wanted, [-]; infinity if the march led
            nowhere.
    """

    log_q: Array
    log_constant: Array
    log_aqueous: Array
    iterations: Array
    miss: Array


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


@partial(jax.jit, static_argnums=(0, 2))
def _from_nothing(
    chemistry: StageChemistry, problem: Problem, final: bool, log_constant: Array
) -> _Stretch | SteadyResult:
    """Solve a bank that begins full of feed."""
    bank = blank_bank(chemistry, problem)
    log_q, held = feed_everywhere(with_constants(bank, log_constant))
    start = begin(bank, log_q, log_constant, held, COLD_ITERATIONS)
    return _marched(chemistry, problem, bank, start, final, FROM_FEED)


@partial(jax.jit, static_argnums=(0, 4, 5))
def _from_shorter(
    chemistry: StageChemistry,
    problem: Problem,
    shorter: _Stretch,
    refinement: Refinement,
    final: bool,
    pace: Pace,
) -> _Stretch | SteadyResult:
    """Solve a bank that begins with the profile of a shorter one, spread over its stages."""
    share = jnp.asarray(refinement.share)[:, None]

    def spread(value: Array) -> Array:
        return value[refinement.below] * (1.0 - share) + value[refinement.above] * share

    bank = blank_bank(chemistry, problem)
    log_q = jnp.where(bank.active, spread(shorter.log_q[:, None])[:, 0], 0.0)
    log_constant = jnp.where(bank.active[:, None], spread(shorter.log_constant), 0.0)
    aqueous = jnp.exp(spread(shorter.log_aqueous))
    held = held_in(with_constants(bank, log_constant), log_q, aqueous, jnp.array(REFINED_RATE))
    start = begin(bank, log_q, log_constant, held, COLD_ITERATIONS)
    return _marched(chemistry, problem, bank, start, final, pace)


def _marched(
    chemistry: StageChemistry,
    problem: Problem,
    bank: ReducedBank,
    start: Coupled,
    final: bool,
    pace: Pace,
) -> _Stretch | SteadyResult:
    asked = Asked(chemistry, problem.parameters, bank, TOLERANCE if final else ROUGH, pace)
    found = march(asked, start)
    if final:
        return _proved(chemistry, problem, bank, found)
    miss = jnp.where(found.held.rate > 0.0, jnp.inf, found.miss)
    log_aqueous = jnp.log(found.state.aqueous)
    return _Stretch(found.log_q, found.log_constant, log_aqueous, found.iteration, miss)


@partial(jax.jit, static_argnums=0)
def _from_given(chemistry: StageChemistry, problem: Problem, start: Unknowns) -> SteadyResult:
    """Solve a bank from a given state; the residual says whether it worked."""
    bank, parameters = blank_bank(chemistry, problem), problem.parameters
    contacts = jnp.asarray(start.stage)[:, : chemistry.unknown_count]
    count = chemistry.element_count
    log_q = jnp.where(bank.active, contacts[:, count + 2] - contacts[:, count + 3], 0.0)
    species = np.array([*range(count + 1), count + 3])
    liquors = Liquors(log_q, jnp.exp(contacts[:, species]), bank.anion, bank.active)
    constants = constants_of(chemistry, parameters, liquors)
    state = begin(bank, log_q, constants, at_rest(bank), WARM_ITERATIONS)
    found = newton(Asked(chemistry, parameters, bank, TOLERANCE), state)
    return _proved(chemistry, problem, bank, found)


def _proved(
    chemistry: StageChemistry, problem: Problem, bank: ReducedBank, found: Coupled
) -> SteadyResult:
    """Return where an iteration ended as a state of the full equations, with their residual."""
    unknowns = as_unknowns(bank, found.log_q, found.state)
    left = residual(
        chemistry, problem, unknowns, blank_inventory(chemistry, problem), jnp.array(0.0)
    )
    history = jnp.full((HISTORY,), jnp.nan).at[: found.history.shape[0]].set(found.history)
    return SteadyResult(unknowns, history, found.iteration, largest(left), left)


def solve_exchange_from_nothing(chemistry: StageChemistry, problem: Problem) -> SteadyResult:
    """Solve a bank through a series of shorter ones; the residual says whether it worked.

    Args:
        chemistry: One for which `is_exchange` holds.
        problem: Numbers of the bank.
    """
    series, wasted = levels(problem), 0
    found: _Stretch | SteadyResult | None = None
    for place, level in enumerate(series):
        found = _next(chemistry, level, found, place == len(series) - 1)
        wasted += int(found.iterations)
        if isinstance(found, _Stretch) and not float(found.miss) <= ROUGH:
            break
    if isinstance(found, SteadyResult):
        result = finished(chemistry, problem, found)
        wasted += int(result.iterations) - int(found.iterations)
        if float(result.norm) <= SOLVED:
            return result._replace(iterations=given(np.int64(wasted)))
    result = solve_by_passes(chemistry, problem)
    return result._replace(iterations=given(np.int64(wasted + int(result.iterations))))


def _next(
    chemistry: StageChemistry, level: Level, shorter: object, final: bool
) -> _Stretch | SteadyResult:
    found: _Stretch | SteadyResult
    if isinstance(shorter, _Stretch):
        found = _from_shorter(
            chemistry, level.problem, shorter, level.refinement, final, TRAVELLING
        )
        return found
    constants = constants_in_feed(chemistry, level.problem)
    found = _from_nothing(chemistry, level.problem, final, constants)
    return found


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
    result: SteadyResult = _from_given(chemistry, problem, start)
    if float(result.norm) <= tolerance:
        return result
    wasted, result = int(result.iterations), solve_exchange_from_nothing(chemistry, problem)
    return result._replace(iterations=given(np.int64(wasted + int(result.iterations))))
