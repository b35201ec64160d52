"""A plant moving in time: the engine's integration with operations that change between calls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Unknowns, no_specification
from raffinate.cascade.boundary import Boundary, total_held
from raffinate.cascade.dynamic import Motion, begin, integrate
from raffinate.cascade.equations import Problem
from raffinate.errors import ConvergenceError
from raffinate.numerics.jax_setup import jax
from raffinate.plant.arrays import chemistry_of, parameters_of, streams_of, vessels_of
from raffinate.plant.balance import TRAJECTORY_TOLERANCE, check_balance
from raffinate.plant.model import Operation, Plant
from raffinate.plant.search import first_guess
from raffinate.plant.steady import SteadyState

Array = NDArray[np.float64]

LONGEST_STEP = 6.0 * 3600.0
"""Longest step of the integration, [s]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """A plant at one moment of its motion.

    Attributes:
        aqueous: Rare earths in the settled aqueous, (stage, element), [mol/m³].
        organic: Rare earths in the settled organic, (stage, element), [mol/m³].
        proton: Free acid of the mixers, (stage,), [mol/m³].
        free_extractant: Free dimer of the mixers, (stage,), [mol/m³].
    """

    aqueous: Array
    organic: Array
    proton: Array
    free_extractant: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Passage:
    """What passed the boundary in one advance, rare earths, (element,), [mol].

    Attributes:
        fed: Fed.
        raffinate: Left at stage 1.
        drawn: Left with the draw.
        ammonia: Ammonia taken up by the organic, [mol].
        acid: Hydrogen chloride fed to the strip, [mol].
    """

    fed: Array
    raffinate: Array
    drawn: Array
    ammonia: float
    acid: float


class PlantMotion:
    """Integrates one plant; every advance holds one operation.

    Args:
        plant: At its design flows, which fix how the phases share the mixers.
        start: Steady state to begin from; None begins with vessels filled with feed, fresh
            organic and acid that have met once.
        tolerance: Relative error per step; also absolute in mol/m³.
    """

    def __init__(self, plant: Plant, start: SteadyState | None, *, tolerance: float = 1e-3) -> None:
        self.plant = plant
        self.chemistry = chemistry_of(plant.circuit.system)
        self.tolerance = tolerance
        self._vessels = vessels_of(plant.circuit)
        self._parameters = parameters_of(plant.circuit.system)
        problem = self._problem(plant.operation())
        if start is None:
            unknowns = first_guess(self.chemistry, problem, plant.circuit)
        else:
            unknowns = start.unknowns
        self._motion: Motion = begin(self.chemistry, problem, unknowns, np.float64(1.0))
        self._held_at_start = self._held()
        components = len(self.chemistry.components)
        self._entered = np.zeros(components)
        self._left = np.zeros(components)
        self.steps = 0
        self.rejected = 0

    def _problem(self, operation: Operation) -> Problem:
        streams = streams_of(self.plant.operated(operation).circuit)
        flows = 1 + len(streams.feed_flow) + len(streams.draw_flow)
        nothing = no_specification(len(self.chemistry.components), flows)
        return Problem(self._vessels, streams, nothing, self._parameters)

    def _held(self) -> Array:
        problem = self._problem(self.plant.operation())
        return np.asarray(total_held(self.chemistry, problem, self._motion.held))

    def advance(self, operation: Operation, duration: float) -> Passage:
        """Hold `operation` for `duration` seconds.

        Raises:
            ConvergenceError: The step size fell below any use.
        """
        problem = self._problem(operation)
        motion = integrate(
            self.chemistry,
            problem,
            self._motion,
            np.float64(duration),
            np.float64(self.tolerance),
            np.float64(LONGEST_STEP),
        )
        failed, steps, rejected, crossed = jax.device_get(
            (motion.failed, motion.steps, motion.rejected, motion.crossed)
        )
        if failed:
            raise ConvergenceError(
                f"no step of at least 0.1 ms could be taken within {duration:g} s.",
                where="simulation",
                mend="Check the flows of this interval; a phase may have been cut off for long.",
            )
        self._motion = motion
        self.steps += int(steps)
        self.rejected += int(rejected)
        self._count(crossed)
        elements = len(self.plant.circuit.elements)
        share = operation.acid_concentration * operation.acid_flow * duration
        ammonia = crossed.organic_in[elements] - crossed.organic_out[elements]
        return Passage(
            fed=crossed.fed[:elements],
            raffinate=crossed.raffinate[:elements],
            drawn=crossed.drawn.sum(axis=0)[:elements],
            ammonia=float(ammonia),
            acid=float(share),
        )

    def _count(self, crossed: Boundary) -> None:
        elements = len(self.plant.circuit.elements)
        carried = list(self.chemistry.organic_components)
        entered = crossed.fed.copy()
        left = crossed.raffinate + crossed.drawn.sum(axis=0)
        organic_in, organic_out = crossed.organic_in.copy(), crossed.organic_out.copy()
        # Rare earths in the organic stay in the loop, whose tank is counted as held.
        organic_in[:elements] = organic_out[:elements] = 0.0
        entered[carried] += organic_in
        left[carried] += organic_out
        self._entered += entered
        self._left += left

    def check(self) -> float:
        """Return the worst relative imbalance since the start.

        Raises:
            BalanceError: It is above what a trajectory may have.
        """
        held = self._held()
        return check_balance(
            self._entered,
            self._left,
            held - self._held_at_start,
            self.chemistry.components,
            tolerance=TRAJECTORY_TOLERANCE,
            where="trajectory",
            held=self._held_at_start,
        )

    def snapshot(self) -> Snapshot:
        """Return the plant as it is now."""
        count, elements = self.plant.circuit.stages, len(self.plant.circuit.elements)
        held = self._motion.held
        aqueous, organic, stage = jax.device_get(
            (held.settler_aqueous, held.settler_organic, self._motion.unknowns.stage)
        )
        proton, free = np.exp(stage[:count, self.chemistry.acidity].T)
        return Snapshot(
            aqueous=aqueous[:count, :elements],
            organic=organic[:count, :elements],
            proton=proton,
            free_extractant=free,
        )

    @property
    def unknowns(self) -> Unknowns:
        """Algebraic unknowns of the present state."""
        return self._motion.unknowns
