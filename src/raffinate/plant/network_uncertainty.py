"""The probability that a plant of many circuits makes its specification.

As `uncertainty` does it for one circuit: linear, through the gradients of the joined plant, and by
trials of which each is solved. Circuits of one extraction system share its constants and so move
together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import ConvergenceError, SpecificationError, nearest_name
from raffinate.plant.gradients import Gradients
from raffinate.plant.gradients_inputs import CONSTANT, IMPURITY
from raffinate.plant.network import Network
from raffinate.plant.network_inputs import with_inputs
from raffinate.plant.network_levers import at_state
from raffinate.plant.network_outcomes import network_gradients
from raffinate.plant.network_solve import solve_network
from raffinate.plant.network_state import NetworkState
from raffinate.plant.network_trials import asked_impurities
from raffinate.plant.optimise_levers import Limit
from raffinate.plant.uncertainty import (
    LEAST_SAMPLES,
    SpecificationProbability,
    cut_draws,
    probability_told,
)

Array = NDArray[np.float64]


def network_probability(
    network: Network,
    state: NetworkState,
    *,
    deviations: Mapping[str, float] | None = None,
    purities: Mapping[str, float] | None = None,
    samples: int = 0,
    seed: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> SpecificationProbability:
    """Return how likely a plant of many circuits makes its purities at the flows it has.

    Args:
        network: The plant.
        state: Its steady state at the best estimate.
        deviations: Standard deviations by input, SI, beside the constants' fitted covariance.
        purities: Limits by product, [-]; those left out are the limits of the products.
        samples: Of the Monte Carlo; 0 leaves it out, for each one solves the whole plant.
        seed: Of its generator.
        advance: Called at every sample.

    Raises:
        SpecificationError: An unknown input or product, no uncertainty, or too few samples.
    """
    if samples and samples < LEAST_SAMPLES:
        raise SpecificationError(
            f"samples is {samples}.",
            where="uncertainty",
            allowed=f"0 for gradients alone, or {LEAST_SAMPLES} or more",
        )
    network = at_state(network, state)
    wanted = {name: product.purity_limit for name, product in network.products.items()}
    asked = asked_impurities(network, wanted | dict(purities or {}))
    limits = tuple(
        Limit(name=name, low=-np.inf, high=high, why="purity") for name, high in asked.items()
    )
    gradients = network_gradients(network, state)
    spread = network_covariance(network, gradients, deviations or {})
    names = [limit.name for limit in limits]
    draws, clipped = cut_draws(gradients.inputs, gradients.input_values, spread, samples, seed)
    found = _solved(network, state, gradients, spread, draws, names, advance)
    places = [gradients.outcomes.index(name) for name in names]
    return probability_told(
        network.name,
        gradients.inputs,
        limits,
        gradients.outcome_values[places],
        gradients.slopes[places],
        spread,
        found,
        "flows",
        clipped,
    )


def network_covariance(
    network: Network, gradients: Gradients, deviations: Mapping[str, float]
) -> Array:
    """Return the covariance of the inputs, (input, input), SI.

    Args:
        network: The plant; the covariance of every system it uses is taken once.
        gradients: Whose inputs.
        deviations: Standard deviations by input, SI.

    Raises:
        SpecificationError: An unknown input, a deviation that cannot be, or nothing uncertain.
    """
    inputs = gradients.inputs
    spread = np.zeros((len(inputs), len(inputs)))
    for unit in network.circuits:
        prefix = f"{CONSTANT}{unit.system.name}."
        places = [inputs.index(f"{prefix}{element}") for element in unit.system.elements]
        spread[np.ix_(places, places)] = unit.system.log10_covariance
    for name, deviation in deviations.items():
        if name not in inputs or not 0.0 <= deviation < np.inf:
            raise SpecificationError(
                f"{name} is no input of {network.name}, or its deviation {deviation:g} cannot be.",
                where="uncertainty",
                allowed="an input, and 0 or more",
                mend=nearest_name(name, inputs),
            )
        place = inputs.index(name)
        spread[place, :] = spread[:, place] = 0.0
        spread[place, place] = deviation**2
    if not spread.any():
        systems = dict.fromkeys(unit.system.name for unit in network.circuits)
        raise SpecificationError(
            f"nothing is uncertain: {', '.join(systems)} has no covariance.",
            where="uncertainty",
            mend="Give deviations of inputs, or fitted systems.",
        )
    return spread


def _solved(
    network: Network,
    state: NetworkState,
    gradients: Gradients,
    spread: Array,
    draws: Array,
    names: list[str],
    advance: Callable[[], None],
) -> Array:
    """Return outcomes of every sample, (sample, outcome), NaN where there is no steady state."""
    moved = [k for k in range(len(gradients.inputs)) if spread[k, k] > 0.0]
    found = np.full((len(draws), len(names)), np.nan)
    for row, inputs in enumerate(draws):
        advance()
        values = {gradients.inputs[k]: float(inputs[k]) for k in moved}
        try:
            there = solve_network(with_inputs(network, values), start=state)
        except (ConvergenceError, SpecificationError):
            continue
        found[row] = [
            np.log10(1.0 - there.products[name.removeprefix(IMPURITY)].purity) for name in names
        ]
    return found
