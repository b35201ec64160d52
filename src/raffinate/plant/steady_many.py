"""Steady states of many plants of one layout at once, each with its own verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Unknowns
from raffinate.cascade.equations import Problem
from raffinate.cascade.steady_batch import (
    BatchResult,
    enter_one,
    nearest_solved,
    solve_batch,
    stacked,
)
from raffinate.chemistry.exchange import AcidicExchange
from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.numerics.jax_setup import jax
from raffinate.plant.arrays import check_mixer_ratios, chemistry_of, problem_of
from raffinate.plant.balance import STEADY_TOLERANCE
from raffinate.plant.model import Circuit, Plant
from raffinate.plant.refusals import refuse_entrainment, refuse_organic_feeds
from raffinate.plant.search import TOLERANCE, solve_fixed

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SteadyMany:
    """Plants of one layout at rest.

    Attributes:
        elements: Symbols on the element axis.
        converged: Whether a plant is solved: residual and balance within their tolerances and
            nothing negative, (plant,). The rows of a plant that is not are no state of it.
        residual: Largest relative residual, (plant,), [-].
        balance_error: Worst relative imbalance over the boundary, (plant,), [-].
        iterations: Newton iterations, (plant,).
        alone: Whether a plant was solved by itself, from nothing: the one all begin from, and
            those that no solved neighbour led to, (plant,).
        aqueous: Rare earths, (plant, stage, element), [mol/m³].
        organic: Rare earths, (plant, stage, element), [mol/m³].
        raffinate: Rare earths leaving stage 1, (plant, element), [mol/s].
        drawn: Rare earths in the draws, (plant, element), [mol/s].
        unknowns: What the engine found, plant first.
    """

    elements: tuple[str, ...]
    converged: NDArray[np.bool_]
    residual: Array
    balance_error: Array
    iterations: NDArray[np.int64]
    alone: NDArray[np.bool_]
    aqueous: Array
    organic: Array
    raffinate: Array
    drawn: Array
    unknowns: Unknowns

    def complaints(self) -> tuple[str, ...]:
        """Return a sentence on every plant that is not solved."""
        return tuple(
            f"Plant {index}: residual {self.residual[index]:.2e}, balance "
            f"{self.balance_error[index]:.2e}; at most {TOLERANCE:.0e} and {STEADY_TOLERANCE:.0e} "
            f"are allowed. Solve it alone for the worst stage."
            for index in np.flatnonzero(~self.converged)
        )


def solve_steady_many(
    plants: Sequence[Plant | Circuit], *, check_mixers: bool = True
) -> SteadyMany:
    """Solve plants that differ in numbers, not in layout, from nothing and all at once.

    One in their middle is solved from nothing and the others from it, outwards; a plant to which
    that does not lead is solved by itself, see `SteadyMany.alone`.

    Args:
        plants: With the same stages, places of feeds and draws, and elements.
        check_mixers: Refuse phase ratios that no mixer runs.

    Raises:
        SpecificationError: No plants, different layouts, a mixer outside its phase ratio, or a
            chemistry that is no ideal exchange.
    """
    circuits = [one.circuit if isinstance(one, Plant) else one for one in plants]
    for circuit in circuits:
        refuse_entrainment(circuit, "solve_steady_many")
        refuse_organic_feeds(circuit, "solve_steady_many")
    chemistry = _common_chemistry(circuits)
    if check_mixers:
        for circuit in circuits:
            check_mixer_ratios(circuit)
    problem = stacked([problem_of(circuit) for circuit in circuits])
    found = solve_batch(chemistry, problem)
    _finish(chemistry, problem, circuits, found)
    count, elements = circuits[0].stages, len(circuits[0].elements)
    stage = np.asarray(found.unknowns.stage)[:, :count]
    aqueous = np.exp(stage[..., :elements])
    organic = stage[..., chemistry.unknown_count :][..., :elements]
    organic = organic * np.asarray(problem.streams.organic_inlet)[:, None, -1:]
    draws = aqueous[np.arange(len(circuits))[:, None], np.asarray(problem.streams.draw_stage)]
    drawn = np.einsum("pd,pde->pe", np.asarray(problem.streams.draw_flow), draws)
    fed = np.asarray(problem.streams.feed_flow).sum(axis=1)
    raffinate = fed - np.asarray(problem.streams.draw_flow).sum(axis=1)
    norm, imbalance = found.norm, found.imbalance
    positive = (organic > 0.0).all(axis=(1, 2)) & np.isfinite(aqueous).all(axis=(1, 2))
    return SteadyMany(
        elements=circuits[0].elements,
        converged=(norm <= TOLERANCE) & (imbalance <= STEADY_TOLERANCE) & positive,
        residual=norm,
        balance_error=imbalance,
        iterations=found.iterations,
        alone=found.alone,
        aqueous=aqueous,
        organic=organic,
        raffinate=raffinate[:, None] * aqueous[:, 0],
        drawn=drawn,
        unknowns=found.unknowns,
    )


def _finish(
    chemistry: AcidicExchange, problem: Problem, circuits: Sequence[Circuit], found: BatchResult
) -> None:
    """Solve what the batch left as a plant alone is solved, and enter it in `found`."""
    for index in np.flatnonzero(~(found.norm <= TOLERANCE)).tolist():
        bank = jax.tree.map(lambda values, row=index: np.asarray(values)[row], problem)
        begin = nearest_solved(problem, found, index)
        try:
            result = solve_fixed(chemistry, bank, circuits[index], begin)
        except ConvergenceError:
            # What it lacks stands in its residual, and `complaints` names it.
            continue
        enter_one(chemistry, bank, found, index, result)


def _common_chemistry(circuits: Sequence[Circuit]) -> AcidicExchange:
    """Return the chemistry all share.

    Raises:
        SpecificationError: There is none, or the layouts differ.
    """
    where = "many plants"
    if not circuits:
        raise SpecificationError("no plants.", where=where, mend="Give at least one.")
    chemistry = chemistry_of(circuits[0].system)
    if not isinstance(chemistry, AcidicExchange):
        raise SpecificationError(
            f"the chemistry of {circuits[0].system.name} is no ideal exchange.",
            where=where,
            mend="Solve such plants one by one.",
        )
    layout = _layout(circuits[0])
    for index, circuit in enumerate(circuits):
        if chemistry_of(circuit.system) != chemistry or _layout(circuit) != layout:
            raise SpecificationError(
                f"plant {index} has other elements, stages, feeds or draws than the first.",
                where=where,
                mend="Group the plants by layout and solve each group.",
            )
    return chemistry


def _layout(circuit: Circuit) -> tuple[tuple[int, bool, bool], ...]:
    return tuple(
        (section.stages, section.aqueous is not None, bool(section.draw))
        for section in circuit.sections
    )
