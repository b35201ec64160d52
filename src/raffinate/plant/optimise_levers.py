"""What an optimiser may turn, and what it must keep: levers and limits of a plant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import oxide_molar_masses
from raffinate.errors import SpecificationError, nearest_name
from raffinate.plant.arrays import MIXER_RATIO
from raffinate.plant.gradients import FEED_REO
from raffinate.plant.gradients_inputs import IMPURITY, RATIO, InputLayout
from raffinate.plant.gradients_point import SolvedPoint
from raffinate.plant.model import Operation, Plant

Array = NDArray[np.float64]

BETTER = 1.0
"""Decades by which an impurity may be lower than asked for, if that is cheaper, [-]."""

LEVERS = (
    RATIO,
    "acid_concentration",
    "saponification_degree",
    "extractant_concentration",
    FEED_REO,
)
"""What may be freed beside the flows that meet the purities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever:
    """One number an optimiser turns.

    Attributes:
        name: An input, or `FEED_REO`: strength of the feed at the same oxide per time.
        low, high: Range, SI.
    """

    name: str
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One outcome an optimiser keeps in a range.

    Attributes:
        name: An outcome.
        low, high: Range, SI.
        why: Who asks for it, in words.
    """

    name: str
    low: float
    high: float
    why: str


def levers_of(
    point: SolvedPoint,
    purities: Mapping[str, float],
    free: Mapping[str, tuple[float, float]],
) -> tuple[Lever, ...]:
    """Return the levers: both impurities, then what is freed.

    Args:
        point: Where the search begins, its purities met.
        purities: Least purity of each product, [-].
        free: Range of what is freed, by name, SI.

    Raises:
        SpecificationError: No such lever, or no range.
    """
    found = []
    for product in point.layout.products:
        target = float(np.log10(1.0 - purities[product]))
        found.append(Lever(name=f"{IMPURITY}{product}", low=target - BETTER, high=target))
    for name, (low, high) in free.items():
        if name not in LEVERS:
            raise SpecificationError(
                f"{name!r} cannot be freed.",
                where="optimise",
                allowed=", ".join(LEVERS),
                mend=nearest_name(name, LEVERS),
            )
        if not 0.0 < low < high < np.inf:
            raise SpecificationError(
                f"its range is {low:g} to {high:g}.",
                where=f"optimise: {name}",
                allowed="two numbers above 0, the lower one first",
            )
        found.append(Lever(name=name, low=low, high=high))
    return tuple(found)


def limits_of(plant: Plant, nominal: Operation) -> tuple[Limit, ...]:
    """Return what a plant keeps: ranges of its levers, and phase ratios its mixers run.

    Args:
        plant: The plant as loaded.
        nominal: Its nominal operation, which the ranges of levers are multiples of.
    """
    low, high = MIXER_RATIO
    return (
        *(
            Limit(
                name=lever.name,
                low=lever.low * getattr(nominal, lever.name),
                high=lever.high * getattr(nominal, lever.name),
                why=f"range of the lever {lever.title}, in the plant file",
            )
            for lever in plant.levers.values()
        ),
        *(
            Limit(
                name=f"{section.name}.oa_ratio",
                low=low,
                high=high,
                why="the range in which a mixer disperses",
            )
            for section in plant.circuit.sections
        ),
    )


def lever_value(layout: InputLayout, inputs: Array, name: str) -> float:
    """Return the value of a lever, SI."""
    if name == FEED_REO:
        return float(inputs[layout.feed] @ np.array(oxide_molar_masses(layout.elements)))
    return float(inputs[layout.place(name)])


def with_levers(
    layout: InputLayout, inputs: Array, levers: tuple[Lever, ...], values: Array
) -> Array:
    """Return inputs with the levers at `values`, (input,), SI."""
    changed = inputs.copy()
    for lever, value in zip(levers, values, strict=True):
        if lever.name == FEED_REO:
            # A stronger feed brings the same oxide in less liquor.
            factor = value / lever_value(layout, changed, FEED_REO)
            changed[layout.feed] *= factor
            changed[layout.place("feed_flow")] /= factor
        else:
            changed[layout.place(lever.name)] = value
    return changed


def lever_slopes(
    layout: InputLayout, inputs: Array, levers: tuple[Lever, ...], slopes: Array
) -> Array:
    """Return derivatives by the levers, (outcome, lever), from those by inputs."""
    columns = []
    for lever in levers:
        if lever.name == FEED_REO:
            strength, flow = lever_value(layout, inputs, FEED_REO), layout.place("feed_flow")
            by_metal = slopes[:, layout.feed] @ inputs[layout.feed]
            columns.append((by_metal - slopes[:, flow] * inputs[flow]) / strength)
        else:
            columns.append(slopes[:, layout.place(lever.name)])
    return np.stack(columns, axis=1)
