"""All steady states of a plant at its flows that can be found, each checked, and which are stable.

There is no proof that a search has found all of them. This one begins from nothing, and from the
states of neighbours: the same plant with more and less organic, acid and ammonia, each led back to
the plant itself in steps short enough for Newton's iteration to stay on its branch. A branch that
turns back on the way does not arrive; one that arrives elsewhere than the others is another
solution. Between any two found the iteration is begun as well: there the unstable ones lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from raffinate.cascade.bank import Unknowns
from raffinate.cascade.equations import Problem
from raffinate.cascade.solutions import distinct, leading_rate
from raffinate.cascade.steady import SteadyResult
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.errors import ConvergenceError
from raffinate.numerics.jax_setup import given, jax
from raffinate.plant.arrays import check_mixer_ratios, chemistry_of, problem_of
from raffinate.plant.model import Circuit, Plant
from raffinate.plant.search import TOLERANCE, is_reducible, solve_fixed, solve_near, solve_reduced
from raffinate.plant.steady import SteadyState, described_state, parts_of

NEIGHBOURS = (0.8, 0.9, 0.96, 1.04, 1.1, 1.25)
"""Factors on each lever at which neighbours are solved, [-]."""

LEVERS = ("organic", "acid", "saponification")
"""What is changed in a neighbour: a flow, the strength of the metal-free liquors, a degree."""

BETWEEN = (0.2, 0.4, 0.5, 0.6, 0.8)
"""Places between two solutions at which Newton's iteration is begun, [-]."""

SHORTEST_STRIDE = 0.02
"""Part of the way back from a neighbour below which its branch counts as not arriving, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solution:
    """One steady state among all that were found.

    Attributes:
        state: The state, its balances checked as in every solve.
        leading_rate: Eigenvalue of the dynamic equations nearest to zero, [1/s]: negative, the
            rate at which the slowest disturbance dies away; positive, at which one grows. Not a
            number if it was not found.
        found_from: Where the searches that ended in it began.
    """

    state: SteadyState
    leading_rate: float
    found_from: tuple[str, ...]

    @property
    def stable(self) -> bool | None:
        """Whether the plant stays there when slightly disturbed; None if that was not found."""
        return None if np.isnan(self.leading_rate) else self.leading_rate < 0.0


def find_solutions(
    plant_or_circuit: Plant | Circuit, *, check_mixers: bool = True
) -> tuple[Solution, ...]:
    """Return the distinct steady states that can be found at the flows of a plant or circuit.

    Args:
        plant_or_circuit: What to solve, at the flows written in it.
        check_mixers: Refuse phase ratios that no mixer runs.

    Returns:
        One solution or more, by rising rare earth in the barren organic.

    Raises:
        SpecificationError: A mixer outside its phase ratio.
        ConvergenceError: No search ended in a steady state.
        BalanceError: What enters one of them is not what leaves it.
    """
    plant, circuit = parts_of(plant_or_circuit)
    if check_mixers:
        check_mixer_ratios(circuit)
    chemistry, problem = chemistry_of(circuit.system), problem_of(circuit)
    searches = list(_ended(chemistry, problem, circuit))
    states = [searches[group[0]][1] for group in _groups(problem, searches)]
    searches += _between(chemistry, problem, states)
    found = [
        (searches[group[0]][1], tuple(searches[place][0] for place in group))
        for group in _groups(problem, searches)
    ]
    if not found:
        raise ConvergenceError(
            "no search ended in a steady state.",
            where="steady states",
            allowed=f"a largest relative residual of at most {TOLERANCE:.0e}",
            mend="Give the strip more acid, or saponify the organic less: where the strip returns "
            "organic so loaded that saponification leaves no extractant free, there is none.",
        )
    found.sort(key=lambda pair: float(np.sum(np.asarray(pair[0].unknowns.border))))
    return tuple(
        Solution(
            state=described_state(
                plant, circuit, chemistry, problem, result, int(result.iterations)
            ),
            leading_rate=float(leading_rate(chemistry, problem, result.unknowns)),
            found_from=names,
        )
        for result, names in found
    )


def _groups(
    problem: Problem, searches: list[tuple[str, SteadyResult]]
) -> tuple[tuple[int, ...], ...]:
    return distinct(problem, [result for _, result in searches], TOLERANCE)


def _ended(
    chemistry: StageChemistry, problem: Problem, circuit: Circuit
) -> Iterator[tuple[str, SteadyResult]]:
    found = _from_nothing(chemistry, problem, circuit)
    if found is not None:
        yield "nothing", found
    for lever in LEVERS:
        for factor in NEIGHBOURS:
            neighbour = _changed(chemistry, problem, lever, factor)
            begin = _from_nothing(chemistry, neighbour, circuit)
            if begin is not None:
                name = f"{factor - 1.0:+.0%} {lever}"
                yield name, _led_back(chemistry, problem, lever, factor, begin)


def _from_nothing(
    chemistry: StageChemistry, problem: Problem, circuit: Circuit
) -> SteadyResult | None:
    if is_reducible(chemistry, problem):
        # Where this finds none, half a minute of marching on the full equations rarely does.
        found = solve_reduced(chemistry, problem, None)
        return found if float(found.norm) <= TOLERANCE else None
    try:
        return solve_fixed(chemistry, problem, circuit, None)
    except ConvergenceError:
        return None


def _changed(chemistry: StageChemistry, problem: Problem, lever: str, factor: float) -> Problem:
    """Return the bank with one lever multiplied by a factor."""
    streams = problem.streams
    elements = chemistry.element_count
    if lever == "organic":
        flow = given(np.asarray(streams.organic_flow) * factor)
        return problem._replace(streams=streams._replace(organic_flow=flow))
    if lever == "saponification":
        inlet = np.array(streams.organic_inlet)
        inlet[elements] = min(inlet[elements] * factor, 0.99 * inlet[-1])
        return problem._replace(streams=streams._replace(organic_inlet=given(inlet)))
    liquors = np.array(streams.feed_concentration)
    liquors[liquors[:, :elements].sum(axis=1) == 0.0] *= factor
    return problem._replace(streams=streams._replace(feed_concentration=given(liquors)))


def _led_back(
    chemistry: StageChemistry, problem: Problem, lever: str, factor: float, begin: SteadyResult
) -> SteadyResult:
    """Return where the branch of a neighbour's state arrives; unsolved if it does not."""
    done, stride, here = 0.0, 1.0, begin
    while True:
        there = min(1.0, done + stride)
        bank = _changed(chemistry, problem, lever, factor ** (1.0 - there))
        found = solve_near(chemistry, bank, here.unknowns)
        if float(found.norm) <= TOLERANCE:
            if there == 1.0:
                return found
            done, here, stride = there, found, 1.5 * stride
            continue
        stride *= 0.4
        if stride < SHORTEST_STRIDE:
            return found


def _between(
    chemistry: StageChemistry, problem: Problem, found: list[SteadyResult]
) -> Iterator[tuple[str, SteadyResult]]:
    for index, one in enumerate(found):
        for other in found[:index]:
            for place in BETWEEN:
                begin: Unknowns = jax.tree.map(
                    lambda a, b, share=place: (1.0 - share) * a + share * b,
                    one.unknowns,
                    other.unknowns,
                )
                yield "between two others", solve_near(chemistry, problem, begin)
