"""Finding a steady state: a first guess from contacts of the feeds, then a march, then purities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Specification, Streams, Unknowns, adjusted, aqueous_flows
from raffinate.cascade.equations import Problem, blank_inventory, residual
from raffinate.cascade.steady import LONGEST_STEP, SteadyResult, solve_pseudo_transient
from raffinate.cascade.steady_activity import (
    is_exchange,
    solve_exchange_from_given,
    solve_exchange_from_nothing,
)
from raffinate.cascade.steady_reduced import from_given, solve_from_given, solve_from_nothing
from raffinate.chemistry.exchange import AcidicExchange
from raffinate.chemistry.stage_chemistry import Parameters, StageChemistry
from raffinate.errors import SpecificationError
from raffinate.numerics.jax_setup import Array as Traced
from raffinate.numerics.jax_setup import given, jax, jnp
from raffinate.plant.model import Circuit, Section
from raffinate.plant.search_purities import aim_at_purities, log_impurity
from raffinate.plant.search_refusals import not_converged, out_of_reach

Array = NDArray[np.float64]

_residual_at_once = jax.jit(residual, static_argnums=0)

TOLERANCE = 1e-11
"""Largest relative residual of a steady solve, [-]."""

NEARLY = 1e-3
"""Residual of the full equations at which the reduced ones count as solved, [-]."""

COLD_ITERATIONS = 600
"""Newton iterations after which a cold start is given up."""

NEWTON_ITERATIONS = 8
"""Newton iterations after which a start that should be close is given up."""

WARM_MARCH = (1e4, 150)
"""First pseudo-time step, [s], and most iterations of a march from a state that should be close."""

FIRST_STEP = 300.0
"""First pseudo-time step of a cold start, [s]: about the residence time of a mixer."""

FIRST_STRIDE = 0.1
"""First part of the way to the wanted purities, [-]."""

SHORTEST_STRIDE = 1e-4
"""Part of the way below which purities count as out of reach, [-]."""


def solve_fixed(
    chemistry: StageChemistry,
    problem: Problem,
    circuit: Circuit,
    start: Unknowns | None,
    *,
    advance: Callable[[str], None] = lambda step: None,
) -> SteadyResult:
    """Solve at fixed flows: from `start` if that leads anywhere, otherwise from nothing.

    Args:
        chemistry: Equations of one contact.
        problem: The bank.
        circuit: The same in words.
        start: A state to begin from; None begins from nothing.
        advance: Called with what is done next, in words.

    Raises:
        SpecificationError: `start` belongs to a bank of another size.
        ConvergenceError: Carries residual history, worst stage and component.
    """
    if start is not None:
        stages, expected = start.stage.shape, problem.vessels.active.shape
        if stages[:1] != expected:
            raise SpecificationError(
                f"its bank is padded to {stages[0]} stages.",
                where="start",
                allowed=f"{expected[0]}, as the bank to be solved",
                mend="Start from a state of the same plant, or leave it out.",
            )
    advance(f"{circuit.stages} stages at the first flows")
    if is_reducible(chemistry, problem):
        result = solve_reduced(chemistry, problem, start)
        if float(result.norm) <= TOLERANCE:
            return result
    elif _is_plain(problem) and is_exchange(chemistry):
        result = _with_activities(chemistry, problem, start)
        if float(result.norm) <= TOLERANCE:
            return result
    begins: list[Unknowns] = []
    for begin in _starts(chemistry, problem, start):
        begins.append(begin)
        advance(f"{circuit.stages} stages, all that leaves every settler")
        result = _newton(chemistry, problem, begin)
        if float(result.norm) <= TOLERANCE:
            return result
    advance(f"{circuit.stages} stages, led to rest in time")
    for begin in begins:
        result = _march(chemistry, problem, begin, *WARM_MARCH)
        if float(result.norm) <= TOLERANCE:
            return result
    for guess in (settled_guess, first_guess):
        begin = guess(chemistry, problem, circuit)
        result = _march(chemistry, problem, begin, FIRST_STEP, COLD_ITERATIONS)
        if float(result.norm) <= TOLERANCE:
            return result
    raise not_converged(chemistry, circuit, result, TOLERANCE)


def is_reducible(chemistry: StageChemistry, problem: Problem) -> TypeGuard[AcidicExchange]:
    """Return whether the reduced equations describe the bank."""
    return isinstance(chemistry, AcidicExchange) and _is_plain(problem)


def _is_plain(problem: Problem) -> bool:
    """Return whether settlers part the phases clean and no organic is fed on the way."""
    return problem.streams.entrainment is None and problem.streams.organic_feeds is None


def _with_activities(
    chemistry: StageChemistry, problem: Problem, start: Unknowns | None
) -> SteadyResult:
    """Return the solution found around the reduced equations."""
    if start is None:
        return solve_exchange_from_nothing(chemistry, problem)
    return solve_exchange_from_given(chemistry, problem, start, TOLERANCE)


def _starts(
    chemistry: StageChemistry, problem: Problem, start: Unknowns | None
) -> Iterator[Unknowns]:
    """Yield states that should be close: the given one, then that of the reducible bank."""
    if start is not None:
        yield start
    if isinstance(chemistry, AcidicExchange) and not is_reducible(chemistry, problem):
        result = solve_reduced(chemistry, _reducible(problem), start)
        if float(result.norm) <= NEARLY:
            yield result.unknowns


def _reducible(problem: Problem) -> Problem:
    """Return the bank with settlers that part the phases clean and no organic fed on the way."""
    return problem._replace(streams=_parted_clean(problem.streams))


def _parted_clean(streams: Streams) -> Streams:
    """Return streams without entrainment and organic feeds whose fronts stand nearly the same.

    Where fronts stand follows from what goes through the bank net of what comes back: of the
    organic that is what is fed to stage 0 less what the raffinate carries away.
    """
    organic = np.asarray(streams.organic_flow)
    if streams.entrainment is not None:
        flows = aqueous_flows(streams, len(streams.recycle))
        assert flows.entrained is not None
        organic = organic - np.asarray(flows.passed[0] * flows.entrained.organic_per_aqueous[0])
    return streams._replace(organic_flow=given(organic), entrainment=None, organic_feeds=None)


def solve_reduced(
    chemistry: AcidicExchange, problem: Problem, start: Unknowns | None
) -> SteadyResult:
    """Return the solution of the reduced equations from a state or from nothing."""
    if start is None:
        result = solve_from_nothing(chemistry, problem)
    else:
        result = solve_from_given(chemistry, problem, start, NEARLY)
    return _finished(chemistry, problem, result)


def _finished(chemistry: AcidicExchange, problem: Problem, result: SteadyResult) -> SteadyResult:
    """Return a solution of the reduced equations, finished on the full ones if need be."""
    if TOLERANCE < float(result.norm) <= NEARLY:
        finished = _newton(chemistry, problem, result.unknowns)
        done = np.asarray(result.iterations) + np.asarray(finished.iterations)
        return finished._replace(iterations=given(done))
    return result


def solve_near(chemistry: StageChemistry, problem: Problem, start: Unknowns) -> SteadyResult:
    """Return where Newton's iteration from a state ends, solved or not, and try nothing else."""
    if is_reducible(chemistry, problem):
        return _finished(chemistry, problem, from_given(chemistry, problem, start))
    return _newton(chemistry, problem, start)


def solve_for_purities(
    chemistry: StageChemistry,
    problem: Problem,
    circuit: Circuit,
    specification: Specification,
    result: SteadyResult,
    *,
    advance: Callable[[str], None] = lambda step: None,
) -> tuple[SteadyResult, Problem, int]:
    """Walk the purities from what the first flows give to what is wanted.

    Args:
        chemistry: Equations of one contact.
        problem: The bank at the first flows.
        circuit: The same in words.
        specification: Purities wanted and flows freed.
        result: Its steady state at the first flows.
        advance: Called with what is done next, in words.

    Returns:
        The state, the bank at the flows found, and the iterations it took.

    Raises:
        ConvergenceError: No flows give these purities.
    """
    elements = chemistry.element_count
    advance("flows for the purities")
    wanted = np.asarray(specification.log_impurity)
    begin = _impurity_found(chemistry, problem, specification, result.unknowns)
    border = jnp.concatenate([result.unknowns.border[:elements], jnp.zeros(len(wanted))])
    unknowns = Unknowns(result.unknowns.stage, border)
    done, stride, iterations = 0.0, FIRST_STRIDE, 0
    active = _is_plain(problem) and is_exchange(chemistry)
    if active or is_reducible(chemistry, problem):
        aimed = aim_at_purities(chemistry, problem, specification, result)
        iterations += aimed.iterations
        if aimed.unknowns is not None:
            unknowns, done = aimed.unknowns, 1.0
        elif active:
            # A walk on the full equations takes minutes here and hardly ever leads further.
            raise out_of_reach(chemistry, circuit, result, aimed.reached)
    while done < 1.0:
        advance(f"flows for the purities, {done:.0%} of the way")
        here = min(1.0, done + stride)
        target = begin + (wanted - begin) * here
        asked = specification._replace(log_impurity=given(target))
        found = _newton(chemistry, problem._replace(specification=asked), unknowns)
        iterations += int(found.iterations)
        if float(found.norm) <= TOLERANCE:
            unknowns, done = found.unknowns, here
            stride *= 1.7 if int(found.iterations) < 6 else 1.0
            continue
        stride *= 0.4
        if stride < SHORTEST_STRIDE:
            raise out_of_reach(chemistry, circuit, found, target)
    advance("the plant at the flows found")
    streams = adjusted(problem.streams, specification, unknowns.border[elements:])
    problem = problem._replace(streams=jax.tree.map(np.asarray, streams))
    settled = Unknowns(unknowns.stage, unknowns.border[:elements])
    if is_reducible(chemistry, problem):
        result = solve_reduced(chemistry, problem, settled)
    elif active:
        result = _with_activities(chemistry, problem, settled)
    else:
        result = _newton(chemistry, problem, settled)
    if not float(result.norm) <= TOLERANCE:
        raise not_converged(chemistry, circuit, result, TOLERANCE)
    return result, problem, iterations


def _impurity_found(
    chemistry: StageChemistry, problem: Problem, specification: Specification, unknowns: Unknowns
) -> Array:
    """Return log₁₀ of the impurities at the outlets, entrained organic included, (spec,)."""
    elements = chemistry.element_count
    if problem.streams.entrainment is None:
        return log_impurity(specification, unknowns, elements)
    nothing = jnp.zeros_like(jnp.asarray(specification.log_impurity))
    asked = problem._replace(specification=specification._replace(log_impurity=nothing))
    at = Unknowns(unknowns.stage, jnp.concatenate([unknowns.border[:elements], nothing]))
    left = _residual_at_once(chemistry, asked, at, blank_inventory(chemistry, asked), 0.0)
    return np.asarray(left.border)[elements:]


def first_guess(chemistry: StageChemistry, problem: Problem, circuit: Circuit) -> Unknowns:
    """Return a bank filled with feed and loaded organic, and with acid where acid enters."""
    elements, streams = chemistry.element_count, problem.streams
    carried = list(chemistry.organic_components)
    liquors = np.asarray(streams.feed_concentration)
    inlet = np.asarray(streams.organic_inlet)[carried]
    rich = int(np.argmax(liquors[:, :elements].sum(axis=1)))
    # Little organic, so that it leaves loaded and the feed hardly changed.
    loaded_row, loaded = _shaken(chemistry, problem, liquors[rich], inlet, 0.05)
    arriving = loaded.copy()
    arriving[elements] = 1.0
    rows = np.tile(loaded_row, (len(problem.vessels.active), 1))
    begin = 0
    for section in circuit.sections:
        end = begin + section.stages
        if section.aqueous is not None and _brings_no_metal(section):
            index = int(np.flatnonzero(np.asarray(streams.feed_stage) == end - 1)[0])
            fraction = circuit.organic_flow / (circuit.organic_flow + section.aqueous.flow)
            rows[begin:end], _ = _shaken(chemistry, problem, liquors[index], arriving, fraction)
        begin = end
    return Unknowns(jnp.asarray(rows), jnp.full((elements,), 1e-6))


def settled_guess(chemistry: StageChemistry, problem: Problem, circuit: Circuit) -> Unknowns:
    """Return the first guess with liquors as strong as the flows will make them.

    The anion never enters the organic, so its steady profile follows from the flows alone. Between
    a dilute feed and a strong strip the march is then spared the long filling of the bank.
    """
    guess = first_guess(chemistry, problem, circuit)
    elements, rows = chemistry.element_count, np.array(guess.stage)
    liquors = np.asarray(problem.streams.feed_concentration)
    rich = liquors[int(np.argmax(liquors[:, :elements].sum(axis=1)))]
    passive = _passive(chemistry)
    inlet = np.asarray(problem.streams.organic_inlet)[list(chemistry.organic_components)]
    strength = _passive_profile(chemistry, problem) / rich[passive]
    begin = 0
    for section in circuit.sections:
        part = slice(begin, begin + section.stages)
        if not _brings_no_metal(section):
            # The same few strengths recur along a section; each is shaken once.
            for value in np.unique(np.round(strength[part], 9)):
                row, _ = _shaken(chemistry, problem, rich * value, inlet, 0.05)
                rows[part][np.round(strength[part], 9) == value] = row
        begin += section.stages
    return Unknowns(jnp.asarray(rows), guess.border)


def _passive(chemistry: StageChemistry) -> int:
    """Return the index of the component that only the aqueous carries: the anion."""
    carried = chemistry.organic_components
    return next(k for k in range(len(chemistry.components)) if k not in carried)


def _passive_profile(chemistry: StageChemistry, problem: Problem) -> Array:
    """Return the steady concentration of the anion, (stage,), [mol/m³]."""
    size = len(problem.vessels.active)
    flows = aqueous_flows(_reducible(problem).streams, size)
    leaving, passed = np.asarray(flows.leaving), np.asarray(flows.passed)
    fed = np.asarray(flows.fed)[:, _passive(chemistry)]
    profile, arriving = np.zeros(size), 0.0
    for stage in range(size - 1, -1, -1):
        total = arriving + fed[stage]
        profile[stage] = total / leaving[stage] if leaving[stage] > 0.0 else 0.0
        arriving = passed[stage] * profile[stage]
    return profile


def _brings_no_metal(section: Section) -> bool:
    return section.aqueous is not None and sum(section.aqueous.concentration.values()) == 0.0


def _shaken(
    chemistry: StageChemistry, problem: Problem, aqueous: Array, organic: Array, fraction: float
) -> tuple[Array, Array]:
    """Return the unknowns of a stage in which both have met, and the organic that leaves it."""
    carried = list(chemistry.organic_components)
    dimer = float(problem.streams.organic_inlet[-1])
    totals = (1.0 - fraction) * aqueous
    totals[carried] += fraction * organic
    unknowns, phase = _contact_function(chemistry)(
        jnp.asarray(totals), fraction, problem.parameters
    )
    leaving = np.asarray(phase)[carried]
    return np.concatenate([np.asarray(unknowns), leaving / dimer]), leaving


@lru_cache(maxsize=16)
def _contact_function(chemistry: StageChemistry) -> Callable[..., tuple[Traced, Traced]]:
    def contact(totals: Traced, fraction: Traced, parameters: Parameters) -> tuple[Traced, Traced]:
        unknowns = chemistry.contact(totals, fraction, parameters)
        return unknowns, chemistry.phases(unknowns, parameters)[1]

    return jax.jit(contact)


def _march(
    chemistry: StageChemistry, problem: Problem, start: Unknowns, step: float, iterations: int
) -> SteadyResult:
    result: SteadyResult = solve_pseudo_transient(
        chemistry, problem, start, step, TOLERANCE, iterations
    )
    return result


def _newton(chemistry: StageChemistry, problem: Problem, start: Unknowns) -> SteadyResult:
    return _march(chemistry, problem, start, LONGEST_STEP, NEWTON_ITERATIONS)
