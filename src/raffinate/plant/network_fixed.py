"""One bank of a network at fixed flows, on the reduced equations wherever they are enough."""

from __future__ import annotations

from raffinate.cascade.bank import Unknowns
from raffinate.cascade.equations import Problem
from raffinate.cascade.steady import SteadyResult
from raffinate.cascade.steady_reduced import solve_from_given, solve_from_nothing
from raffinate.chemistry.exchange import AcidicExchange
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.plant.model import Circuit
from raffinate.plant.search import solve_fixed

ENOUGH = 1e-10
"""Relative residual of the full equations at which the reduced ones are not finished on them, [-].

A tenth of what balances are checked to. Constants that lie six decades apart leave the reduced
equations, solved to the last digit, at a few 1e-11; a last pass of the full ones is a compilation
of its own for every size of bank.
"""


def solve_bank(
    chemistry: StageChemistry, problem: Problem, circuit: Circuit, start: Unknowns | None
) -> SteadyResult:
    """Solve a bank at fixed flows: from `start` if that leads anywhere, otherwise from nothing.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the bank.
        circuit: The same in words.
        start: State of a bank of the same size; None if there is none.

    Raises:
        SpecificationError: `start` belongs to a bank of another size.
        ConvergenceError: Carries residual history, worst stage and component.
    """
    streams = problem.streams
    plain = streams.entrainment is None and streams.organic_feeds is None
    fits = start is None or start.stage.shape[:1] == problem.vessels.active.shape
    if isinstance(chemistry, AcidicExchange) and plain and fits:
        if start is None:
            result = solve_from_nothing(chemistry, problem)
        else:
            result = solve_from_given(chemistry, problem, start, ENOUGH)
        if float(result.norm) <= ENOUGH:
            return result
    return solve_fixed(chemistry, problem, circuit, start)
