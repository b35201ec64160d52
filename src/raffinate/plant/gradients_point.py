"""A solved plant as a point from which its neighbours are reached, and its derivatives taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.adjoint import outcome_jacobian, sensitivity
from raffinate.cascade.bank import Unknowns
from raffinate.cascade.equations import Problem
from raffinate.cascade.steady import LONGEST_STEP, SteadyResult, solve_pseudo_transient
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.numerics.jax_setup import Array as Traced
from raffinate.numerics.jax_setup import jax, jnp
from raffinate.plant.arrays import chemistry_of, specification_of
from raffinate.plant.economics_prices import Prices
from raffinate.plant.gradients_cost import cost_numbers
from raffinate.plant.gradients_inputs import (
    FLOWS,
    IMPURITY,
    Frame,
    InputLayout,
    frame_of,
    input_values,
    layout_of,
    problem_at,
)
from raffinate.plant.gradients_outcomes import OutcomeData, outcome_data, outcome_names, outcomes
from raffinate.plant.model import Plant
from raffinate.plant.search import TOLERANCE
from raffinate.plant.steady import SteadyState

Array = NDArray[np.float64]

PASSES = 10
"""Newton passes after which a neighbour counts as too far for one stride."""

SHORTEST_STRIDE = 1e-3
"""Part of the way below which a neighbour counts as out of reach, [-]."""

SMALLEST_BARREN = 1e-60
"""Least rare earth in returning organic that a prediction may have, per extractant, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SolvedPoint:
    """A plant at rest with everything its derivatives need.

    Attributes:
        plant: The plant at its flows.
        chemistry: Equations of one contact.
        layout: Its inputs.
        frame: What of its bank does not follow from the inputs.
        data: Numbers of its outcomes.
        names: Of the outcomes.
        inputs: (input,), SI.
        unknowns: Steady state there.
        state: The steady state from which it was made, as values.
        passes: Newton passes spent to come here.
    """

    plant: Plant
    chemistry: StageChemistry
    layout: InputLayout
    frame: Frame
    data: OutcomeData
    names: tuple[str, ...]
    inputs: Array
    unknowns: Unknowns
    state: SteadyState
    passes: int = 0

    def outcomes(self) -> Array:
        """Return the outcomes, (outcome,), SI."""
        found = _outcomes(
            self.chemistry,
            self.layout,
            self.data,
            self.frame,
            jnp.asarray(self.inputs),
            self.unknowns,
        )
        return np.asarray(found)[: len(self.names)]

    def outcome(self, name: str) -> float:
        """Return one outcome by name, SI."""
        return float(self.outcomes()[self.names.index(name)])

    def problem(self) -> Problem:
        """Return the bank that the inputs make."""
        made: Problem = _problem(self.layout, self.frame, jnp.asarray(self.inputs))
        return made

    def jacobian(self) -> tuple[Array, Array]:
        """Return outcomes, (outcome,), and their derivatives, (outcome, input), SI."""
        values, slopes = _jacobian(
            self.chemistry,
            self.layout,
            self.data,
            self.frame,
            jnp.asarray(self.inputs),
            self.unknowns,
        )
        count = len(self.names)
        return np.asarray(values)[:count], np.asarray(slopes)[:count]

    def flows(self) -> dict[str, float]:
        """Return the flows of the plant, [m³/s], solved for or given."""
        found = self.outcomes()
        return {name: float(found[self.names.index(name)]) for name in FLOWS}

    def with_inputs(self, changes: Mapping[str, float]) -> Array:
        """Return the inputs with some of them changed by name, (input,), SI.

        Raises:
            SpecificationError: There is no such input.
        """
        changed = self.inputs.copy()
        for name, value in changes.items():
            changed[self.layout.place(name)] = value
        return changed

    def moved(self, inputs: Array) -> SolvedPoint:
        """Return the plant at other inputs, walked to from here.

        Every stride starts where the derivatives say the next state is, and is halved if Newton
        does not arrive.

        Raises:
            ConvergenceError: The bank has no steady state there, or none that can be reached.
        """
        begin, way = self.inputs, inputs - self.inputs
        if not np.any(way):
            return self
        done, stride, passes, unknowns = 0.0, 1.0, self.passes, self.unknowns
        while done < 1.0:
            there = min(1.0, done + stride)
            start = _predicted(
                self.chemistry,
                self.layout,
                self.frame,
                jnp.asarray(begin + done * way),
                unknowns,
                jnp.asarray((there - done) * way),
            )
            found = self._solved(begin + there * way, start)
            passes += int(found.iterations)
            if float(found.norm) <= TOLERANCE:
                unknowns, done = found.unknowns, there
                stride *= 2.0
                continue
            stride = 0.4 * (there - done)
            if stride < SHORTEST_STRIDE:
                raise _out_of_reach(self.layout, begin, inputs, done, found)
        return replace(self, inputs=inputs, unknowns=unknowns, passes=passes)

    def _solved(self, inputs: Array, start: Unknowns) -> SteadyResult:
        problem = _problem(self.layout, self.frame, jnp.asarray(inputs))
        found: SteadyResult = solve_pseudo_transient(
            self.chemistry, problem, start, LONGEST_STEP, TOLERANCE, PASSES
        )
        return found


def _out_of_reach(
    layout: InputLayout, begin: Array, end: Array, done: float, found: SteadyResult
) -> ConvergenceError:
    # As shares of the larger value, so that inputs of all units compare.
    change = np.abs(end - begin) / np.maximum(np.maximum(np.abs(end), np.abs(begin)), 1e-300)
    name = layout.names[int(np.argmax(change))]
    history = np.asarray(found.history)
    return ConvergenceError(
        f"no steady state was reached beyond {done:.3g} of the way; {name} changes most.",
        where="following the steady state",
        mend="Change the inputs less, or check that the organic can be loaded and stripped.",
        history=[float(each) for each in history[np.isfinite(history)]],
    )


def solved_point(
    plant: Plant,
    state: SteadyState,
    *,
    meet: Sequence[str] = (),
    prices: Prices | None = None,
) -> SolvedPoint:
    """Return a solved plant as a point.

    Args:
        plant: The plant as loaded.
        state: Its steady state; its flows are taken, not those of `plant`.
        meet: Two products whose purities stay met, organic and draw being solved for; none
            leaves the flows as inputs.
        prices: For the outcome "cost"; None leaves it out.

    Raises:
        SpecificationError: A circuit alone, another plant's state, or not two products.
    """
    if state.operation is None or state.plant_name != plant.name:
        raise SpecificationError(
            f"the state is of {state.plant_name}, the plant is {plant.name}.",
            where="gradients",
            mend="Give the plant that was solved.",
        )
    plant = plant.operated(state.operation)
    chemistry = chemistry_of(plant.circuit.system)
    elements = chemistry.element_count
    layout = layout_of(plant)
    numbers = None if prices is None else cost_numbers(plant, state, prices)
    free = SolvedPoint(
        plant=plant,
        chemistry=chemistry,
        layout=layout,
        frame=frame_of(plant),
        data=outcome_data(plant, numbers),
        names=outcome_names(plant, priced=prices is not None),
        inputs=input_values(plant, layout),
        unknowns=Unknowns(
            jnp.asarray(state.unknowns.stage), jnp.asarray(state.unknowns.border)[:elements]
        ),
        state=state,
    )
    return _meeting(free, tuple(meet)) if meet else free


def _meeting(free: SolvedPoint, products: tuple[str, ...]) -> SolvedPoint:
    """Return the same state with purities as inputs in place of flows."""
    plant, elements = free.plant, free.chemistry.element_count
    reached = {name: free.outcome(f"{IMPURITY}{name}") for name in products}
    purities = {name: 1.0 - 10.0**value for name, value in reached.items()}
    layout = layout_of(plant, products)
    border = jnp.concatenate([free.unknowns.border[:elements], jnp.zeros(len(products))])
    return replace(
        free,
        layout=layout,
        frame=frame_of(plant, specification_of(plant, purities)),
        inputs=input_values(plant, layout, reached),
        unknowns=Unknowns(free.unknowns.stage, border),
    )


@partial(jax.jit, static_argnums=0)
def _problem(layout: InputLayout, frame: Frame, inputs: Traced) -> Problem:
    return problem_at(layout, frame, inputs)


@partial(jax.jit, static_argnums=(0, 1))
def _outcomes(
    chemistry: StageChemistry,
    layout: InputLayout,
    data: OutcomeData,
    frame: Frame,
    inputs: Traced,
    unknowns: Unknowns,
) -> Traced:
    return outcomes(chemistry, layout, data, frame, inputs, unknowns)


@partial(jax.jit, static_argnums=(0, 1))
def _jacobian(
    chemistry: StageChemistry,
    layout: InputLayout,
    data: OutcomeData,
    frame: Frame,
    inputs: Traced,
    unknowns: Unknowns,
) -> tuple[Traced, Traced]:
    def build(at: Traced) -> Problem:
        return problem_at(layout, frame, at)

    def measure(at: Traced, found: Unknowns) -> Traced:
        return outcomes(chemistry, layout, data, frame, at, found)

    return outcome_jacobian(chemistry, build, measure, inputs, unknowns)


@partial(jax.jit, static_argnums=(0, 1))
def _predicted(
    chemistry: StageChemistry,
    layout: InputLayout,
    frame: Frame,
    inputs: Traced,
    unknowns: Unknowns,
    way: Traced,
) -> Unknowns:
    def build(at: Traced) -> Problem:
        return problem_at(layout, frame, at)

    move = sensitivity(chemistry, build, inputs, unknowns, way)
    elements = chemistry.element_count
    border = unknowns.border + move.border
    barren = jnp.maximum(border[:elements], SMALLEST_BARREN)
    count = chemistry.unknown_count
    logarithms = unknowns.stage[:, :count] + jnp.clip(move.stage[:, :count], -1.0, 1.0)
    organic = unknowns.stage[:, count:] + move.stage[:, count:]
    # A linear prediction may pass below zero, which no organic can.
    organic = jnp.maximum(organic, 0.1 * unknowns.stage[:, count:])
    stage = jnp.concatenate([logarithms, organic], axis=1)
    return Unknowns(stage, jnp.concatenate([barren, border[elements:]]))
