"""How a virtual plant differs from the operator's model: drawn from a seed.

All spreads are assumed, of the size that fitted constants, stage tests and flow meters have: the
level of log₁₀ K 0.05, β-1 5 % relative, stage efficiency 0.02, flow-meter bias 1 %.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from raffinate.plant.model import Plant
from raffinate.sources import Source

LEVEL_SD = 0.05
SELECTIVITY_SD = 0.05
EFFICIENCY_SD = 0.02
METER_SD = 0.01

MISMATCH_SOURCE = Source(
    title="Spread between a plant and its model",
    evidence="assumed",
    note=(
        f"sd of the level of log10 K {LEVEL_SD}, of beta-1 {SELECTIVITY_SD:.0%} relative, of stage "
        f"efficiency {EFFICIENCY_SD}, of flow-meter bias {METER_SD:.0%}; spreads cut at 2 sd"
    ),
)
"""Where the spreads come from."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mismatch:
    """One draw.

    Attributes:
        plant: The true plant.
        meter_bias: Relative bias of the flow meters, by lever name, [-].
        level: Shift of log₁₀ K common to all elements, [-].
        selectivity: Factor on β-1 of each neighbouring pair, (element - 1,), [-].
        efficiency: Shift of the stage efficiency, [-].
    """

    plant: Plant
    meter_bias: dict[str, float]
    level: float
    selectivity: tuple[float, ...]
    efficiency: float


def draw_mismatch(plant: Plant, generator: np.random.Generator) -> Mismatch:
    """Return a plant that differs from `plant`, and its flow meters' biases."""

    def spread(sd: float) -> float:
        return float(sd * np.clip(generator.standard_normal(), -2.0, 2.0))

    system = plant.circuit.system
    constants = np.array(system.log10_extraction_constant)
    level = spread(LEVEL_SD)
    factors = tuple(1.0 + spread(SELECTIVITY_SD) for _ in constants[1:])
    beta = 10.0 ** np.diff(constants)
    changed = 1.0 + (beta - 1.0) * np.array(factors)
    # The middle element keeps its place, so that level and selectivity stay apart.
    steps = np.concatenate([[0.0], np.cumsum(np.log10(changed))])
    middle = len(constants) // 2
    constants = constants[middle] + level + steps - steps[middle]
    efficiency = spread(EFFICIENCY_SD)
    sections = tuple(
        replace(s, efficiency=min(s.efficiency + efficiency, 1.0)) for s in plant.circuit.sections
    )
    circuit = replace(
        plant.circuit,
        system=replace(system, log10_extraction_constant=constants),
        sections=sections,
    )
    return Mismatch(
        plant=replace(plant, circuit=circuit),
        meter_bias={name: spread(METER_SD) for name in plant.levers},
        level=level,
        selectivity=factors,
        efficiency=efficiency,
    )
