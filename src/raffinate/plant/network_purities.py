"""Flows that give a circuit the purities of its cut, from steady states at fixed flows alone.

Two flows are free: the organic, which the acid follows, and the share of the strip liquor that is
drawn. More drawn makes the raffinate purer and the extract less pure; more organic, with the draw
that balances the two, makes both purer. So for each organic flow the draw is found at which both
miss their purity alike, in decades of impurity; the organic is then found at which they do not
miss; and Newton's method with differences of whole solves ends it. Every solve starts from the one
before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Specification, Streams
from raffinate.cascade.equations import Problem
from raffinate.cascade.steady import SteadyResult
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.errors import ConvergenceError
from raffinate.numerics.jax_setup import given
from raffinate.plant.arrays import settled_flows
from raffinate.plant.model import Circuit
from raffinate.plant.network_fixed import solve_bank
from raffinate.plant.search_refusals import purity_mend

Array = NDArray[np.float64]

ROUGH = 0.02
"""Decades of impurity at which the nested search hands over to Newton's method."""

CLOSE = 1e-9
"""Decades of impurity at which a purity is met."""

DIFFERENCE = 1e-5
"""Step of the differences, in ln of organic and logit of the share drawn."""

FIRST_STEP = 0.05
"""First step of a search for a bracket, in the same."""

WIDEST = 3.0
"""How far from where it began a bracket is looked for, in the same."""

ROUNDS = 60
"""Solves after which one nested search is given up."""


@dataclass(slots=True)
class _Bank:
    """A circuit whose two flows are moved: ln of the organic over its first, logit of the draw."""

    chemistry: StageChemistry
    problem: Problem
    circuit: Circuit
    specification: Specification
    result: SteadyResult
    iterations: int = 0

    def streams(self, organic: float, draw: float) -> Streams:
        """Return the streams at these two."""
        streams = self.problem.streams
        factor = float(np.exp(organic))
        flows = np.array(streams.feed_flow)
        flows[-1] *= factor
        share = 1.0 / (1.0 + np.exp(-draw))
        return streams._replace(
            organic_flow=given(np.float64(float(streams.organic_flow) * factor)),
            feed_flow=given(flows),
            draw_flow=given(np.array([flows[-1] * share])),
        )

    def excess(self, organic: float, draw: float) -> Array:
        """Return by how many decades the impurities of both products exceed what is wanted."""
        problem = self.problem._replace(streams=self.streams(organic, draw))
        self.result = solve_bank(self.chemistry, problem, self.circuit, self.result.unknowns)
        self.iterations += int(self.result.iterations)
        count = self.chemistry.element_count
        asked = self.specification
        stages = np.asarray(asked.outlet_stage)
        profile = np.asarray(self.result.unknowns.stage)
        rows = np.exp(profile[stages, :count])
        if problem.streams.entrainment is not None:
            entrained = settled_flows(problem.streams).entrained
            assert entrained is not None
            begin = self.chemistry.unknown_count
            loaded = profile[stages, begin : begin + count]
            carried = np.asarray(entrained.organic_per_aqueous)[stages]
            dimer = float(np.asarray(problem.streams.organic_inlet)[-1])
            rows = rows + carried[:, None] * loaded * dimer
        mass = rows * np.asarray(asked.weight)[:, :count]
        impure = (mass * np.asarray(asked.impurity)[:, :count]).sum(axis=1) / mass.sum(axis=1)
        found: Array = np.log10(impure) - np.asarray(asked.log_impurity)
        return found

    def balance(self, organic: float, draw: float) -> tuple[float, float]:
        """Return the draw at which both products miss alike, and by how much they do."""
        missed = [0.0]

        def leaning(value: float) -> float:
            raffinate, extract = self.excess(organic, value)
            missed[0] = max(float(raffinate), float(extract))
            return float(raffinate - extract)

        # Below the least organic no draw balances the two; how far off the worse is still tells.
        found = _falling_root(leaning, draw)
        return (draw, missed[0]) if found is None else (found, missed[0])


def search_purities(
    chemistry: StageChemistry,
    problem: Problem,
    circuit: Circuit,
    specification: Specification,
    result: SteadyResult,
) -> tuple[SteadyResult, Problem, int]:
    """Return the state, the bank at the flows found, and the iterations it took.

    Args:
        chemistry: Equations of one contact.
        problem: The bank at the first flows; one draw, and the acid the last of its feeds.
        circuit: The same in words.
        specification: Purities wanted of raffinate and draw.
        result: Its steady state at the first flows.

    Raises:
        ConvergenceError: No flows near the first ones give these purities.
    """
    bank = _Bank(chemistry, problem, circuit, specification, result)
    streams = problem.streams
    share = float(streams.draw_flow[0]) / float(streams.feed_flow[-1])
    draw = float(np.log(share / (1.0 - share)))
    here = [draw]

    def lacking(organic: float) -> float:
        here[0], missed = bank.balance(organic, here[0])
        return missed

    organic = _falling_root(lacking, 0.0)
    if organic is None:
        missed = "; ".join(f"{value:.2g}" for value in bank.excess(0.0, draw))
        raise ConvergenceError(
            "no organic near the first flow gives these purities; at the first flows raffinate and "
            f"extract miss them by {missed} decades of impurity.",
            where="purity specification",
            mend=purity_mend(circuit),
        )
    organic, draw = _finished(bank, organic, here[0])
    settled = problem._replace(streams=bank.streams(organic, draw))
    return bank.result, settled, bank.iterations


def _falling_root(function: Callable[[float], float], start: float) -> float | None:
    """Return where a falling function is zero, within `ROUGH`: a bracket, then false position.

    None if it does not change its sign within `WIDEST` of the start.
    """
    here, value = start, function(start)
    if abs(value) <= ROUGH:
        return here
    step = FIRST_STEP if value > 0.0 else -FIRST_STEP
    while abs(here - start) <= WIDEST:
        there = here + step
        other = function(there)
        if abs(other) <= ROUGH:
            return there
        if (other > 0.0) != (value > 0.0):
            return _between(function, (here, value), (there, other))
        here, value, step = there, other, 1.6 * step
    return None


def _between(
    function: Callable[[float], float], one: tuple[float, float], two: tuple[float, float]
) -> float:
    """Return a zero between two values of unlike sign: Illinois' false position."""
    (a, at_a), (b, at_b) = one, two
    for _ in range(ROUNDS):
        middle = b - at_b * (b - a) / (at_b - at_a)
        value = function(middle)
        if abs(value) <= ROUGH or abs(b - a) < 1e-13:
            return middle
        if (value > 0.0) != (at_b > 0.0):
            a, at_a = b, at_b
        else:
            at_a *= 0.5
        b, at_b = middle, value
    return b


def _finished(bank: _Bank, organic: float, draw: float) -> tuple[float, float]:
    """Return both variables where the purities are met, by Newton's method with differences."""
    excess = bank.excess(organic, draw)
    for _ in range(12):
        if float(np.abs(excess).max()) <= CLOSE:
            return organic, draw
        by_organic = (bank.excess(organic + DIFFERENCE, draw) - excess) / DIFFERENCE
        by_draw = (bank.excess(organic, draw + DIFFERENCE) - excess) / DIFFERENCE
        step = np.linalg.solve(np.column_stack([by_organic, by_draw]), -excess)
        step *= min(1.0, 0.2 / float(np.abs(step).max()))
        organic, draw = organic + float(step[0]), draw + float(step[1])
        excess = bank.excess(organic, draw)
    if float(np.abs(excess).max()) <= 100.0 * CLOSE:
        return organic, draw
    raise ConvergenceError(
        f"the purities are missed by {float(np.abs(excess).max()):.1e} decades of impurity.",
        where="purity specification",
        allowed=f"{CLOSE:.0e}",
        mend="Ask for less purity, or give the circuit more stages.",
    )
