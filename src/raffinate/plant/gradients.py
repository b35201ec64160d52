"""How what a plant does changes with everything it is made of, in the plant's own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import molar_masses, oxide_molar_masses
from raffinate.errors import SpecificationError, nearest_name
from raffinate.plant.economics_prices import Prices
from raffinate.plant.gradients_inputs import CONSTANT, IMPURITY, InputLayout, unit_of
from raffinate.plant.gradients_outcomes import outcome_unit
from raffinate.plant.gradients_point import SolvedPoint, solved_point
from raffinate.plant.model import Plant
from raffinate.plant.steady import SteadyState

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

PURITY = "purity."
"""Begins the name of a purity, mass fraction of REO, [-]."""

FEED_REO = "feed_reo"
"""Input: oxide in the feed, [kg/m³], its composition kept."""

ONE_PERCENT = 0.01
"""Share of an input by which a tornado turns it, [-]."""

CONSTANT_STEP = 0.01
"""By which a tornado turns a log₁₀ of a constant or of an impurity, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gradients:
    """Derivatives of outcomes by inputs at one steady state, all in SI.

    Attributes:
        plant_name: Which plant.
        met: Products whose purities are held by solving for flows; empty at free flows.
        inputs: Names, (input,).
        input_units: (input,).
        input_values: (input,).
        outcomes: Names, (outcome,).
        outcome_units: (outcome,).
        outcome_values: (outcome,).
        slopes: d outcome / d input, (outcome, input).
    """

    plant_name: str
    met: tuple[str, ...]
    inputs: tuple[str, ...]
    input_units: tuple[str, ...]
    input_values: Array
    outcomes: tuple[str, ...]
    outcome_units: tuple[str, ...]
    outcome_values: Array
    slopes: Array

    def slope(self, outcome: str, by: str) -> float:
        """Return d outcome / d input.

        Raises:
            SpecificationError: There is no such outcome or input.
        """
        return float(self.slopes[_place(outcome, self.outcomes), _place(by, self.inputs)])

    def value(self, outcome: str) -> float:
        """Return an outcome.

        Raises:
            SpecificationError: There is no such outcome.
        """
        return float(self.outcome_values[_place(outcome, self.outcomes)])

    def steps(self) -> Array:
        """Return by how much a tornado turns each input, (input,), SI.

        One percent of its value; 0.01 of what is a logarithm already.
        """
        logarithmic = [name.startswith((CONSTANT, IMPURITY)) for name in self.inputs]
        return np.where(logarithmic, CONSTANT_STEP, ONE_PERCENT * np.abs(self.input_values))

    def tornado(self, outcome: str, count: int | None = None) -> list[tuple[str, float, float]]:
        """Return input, its step and what the step does to an outcome, the largest first.

        Args:
            outcome: Whose changes.
            count: How many inputs; None for all that change it.

        Raises:
            SpecificationError: There is no such outcome.
        """
        steps = self.steps()
        effects = self.slopes[_place(outcome, self.outcomes)] * steps
        order = np.argsort(-np.abs(effects), kind="stable")
        rows = [(self.inputs[k], float(steps[k]), float(effects[k])) for k in order if effects[k]]
        return rows[:count]

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per outcome and input."""
        import pandas as pd

        many, count = len(self.inputs), len(self.outcomes)
        return pd.DataFrame(
            {
                "outcome": np.repeat(self.outcomes, many),
                "outcome_unit": np.repeat(self.outcome_units, many),
                "outcome_value": np.repeat(self.outcome_values, many),
                "input": np.tile(self.inputs, count),
                "input_unit": np.tile(self.input_units, count),
                "input_value": np.tile(self.input_values, count),
                "slope": self.slopes.ravel(),
                "step": np.tile(self.steps(), count),
                "effect_of_step": (self.slopes * self.steps()).ravel(),
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, SI."""
        return {
            "plant": self.plant_name,
            "purities_met": list(self.met),
            "inputs": {
                name: {"value": float(value), "unit": unit, "step": float(step)}
                for name, unit, value, step in zip(
                    self.inputs, self.input_units, self.input_values, self.steps(), strict=True
                )
            },
            "outcomes": {
                name: {
                    "value": float(value),
                    "unit": unit,
                    "slope": dict(zip(self.inputs, row.tolist(), strict=True)),
                }
                for name, unit, value, row in zip(
                    self.outcomes, self.outcome_units, self.outcome_values, self.slopes, strict=True
                )
            },
        }


def _place(name: str, known: Sequence[str]) -> int:
    if name not in known:
        raise SpecificationError(
            f"{name!r} is not among the gradients.",
            where="gradients",
            allowed=", ".join(known),
            mend=nearest_name(name, tuple(known)),
        )
    return list(known).index(name)


def plant_gradients(
    plant: Plant,
    state: SteadyState,
    *,
    meet: Sequence[str] = (),
    prices: Prices | None = None,
) -> Gradients:
    """Return the derivatives of everything a plant does by everything it is made of.

    Beside the inputs of the bank, the mass fraction of each element of the feed (the others
    rescaled, total oxide kept) and the oxide of the feed (its composition kept) are inputs.

    Args:
        plant: The plant as loaded.
        state: Its steady state.
        meet: Two products whose purities stay met; none leaves the flows as inputs.
        prices: For the outcome "cost", [currency/kg of REO]; None leaves it out.

    Raises:
        SpecificationError: A circuit alone, another plant's state, or not two products.
    """
    return gradients_at(solved_point(plant, state, meet=meet, prices=prices))


def gradients_at(point: SolvedPoint) -> Gradients:
    """Return the derivatives at a solved point."""
    values, slopes = point.jacobian()
    layout = point.layout
    names, further, amounts = _feed_directions(layout, point.inputs)
    slopes = np.concatenate([slopes, slopes[:, layout.feed] @ further.T], axis=1)
    impure = [k for k, name in enumerate(point.names) if name.startswith(IMPURITY)]
    share = 10.0 ** values[impure]
    purity_slopes = -np.log(10.0) * share[:, None] * slopes[impure]
    products = [point.names[k].removeprefix(IMPURITY) for k in impure]
    inputs = (*layout.names, *names)
    outcomes = (*(f"{PURITY}{name}" for name in products), *point.names)
    return Gradients(
        plant_name=point.plant.name,
        met=layout.products,
        inputs=inputs,
        input_units=tuple("kg/m³" if name == FEED_REO else unit_of(name) for name in inputs),
        input_values=np.concatenate([point.inputs, amounts]),
        outcomes=outcomes,
        outcome_units=tuple(outcome_unit(name) for name in outcomes),
        outcome_values=np.concatenate([1.0 - share, values]),
        slopes=np.concatenate([purity_slopes, slopes]),
    )


def _feed_directions(layout: InputLayout, inputs: Array) -> tuple[list[str], Array, Array]:
    """Return names, d concentration (name, element), [mol/m³ per unit], and values."""
    concentration = inputs[layout.feed]
    metal, oxide = np.array(molar_masses(layout.elements)), oxide_molar_masses(layout.elements)
    mass = concentration * metal
    fraction = mass / mass.sum()
    reo = float(concentration @ np.array(oxide))
    share = concentration * np.array(oxide) / reo
    rows = []
    for place in range(len(fraction)):
        # The others give way in proportion, so that only this logarithm and one of theirs move.
        relative = np.full(len(fraction), -1.0 / (1.0 - fraction[place]))
        relative[place] = 1.0 / fraction[place]
        rows.append(concentration * (relative - float(share @ relative)))
    rows.append(concentration / reo)
    names = [f"feed.{element}_mass_fraction" for element in layout.elements]
    return [*names, FEED_REO], np.array(rows), np.append(fraction, reo)
