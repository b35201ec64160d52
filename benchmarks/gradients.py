"""What a gradient costs against the solve it belongs to, and how well it agrees with differences.

Prints JSON. CPU time of one thread, medians after a warm-up; the ratio is taken in one run.

    python benchmarks/gradients.py
    python benchmarks/gradients.py --plant ceprnd_p507 --repeats 9
    python benchmarks/gradients.py --plant full15 --repeats 3
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from raffinate.plant.economics_prices import Figure, Prices
from raffinate.plant.gradients_point import SolvedPoint, solved_point
from raffinate.plant.network import Network
from raffinate.plant.network_file import load_network
from raffinate.plant.network_levers import at_state, lever_values, with_levers
from raffinate.plant.network_outcomes import network_gradients
from raffinate.plant.network_solve import solve_network
from raffinate.plant.plant_file import load_plant, shipped_plants
from raffinate.plant.steady import solve_nominal, solve_steady
from raffinate.sources import Source

STEPS = (1e-4, 1e-5, 1e-6)
"""Relative steps of the central differences."""

NETWORK_STEPS = (1e-6, 1e-7, 1e-8)
"""The same of a network, whose impurities may move by decades with a thousandth of a flow."""

COMPARED = 6
"""Flows of a network that are moved."""

ONE_CIRCUIT = frozenset(shipped_plants())
"""Plants of one circuit; all others are networks."""

PLACEHOLDER = Source(title="Placeholder: only the time counts", evidence="assumed")


def prices() -> Prices:
    """Return the least that makes a cost: an acid and a base."""
    figure = Figure(value=0.4, source=PLACEHOLDER)
    return Prices(
        name="benchmark",
        currency="USD",
        prices={"acid_per_kg": figure, "base_per_kg": figure},
    )


def median_time(work: Callable[[], Any], repeats: int) -> float:
    """Return the median CPU time of `work`, [s], after one call that is not counted."""
    work()
    found = []
    for _ in range(repeats):
        begun = time.process_time()
        work()
        found.append(time.process_time() - begun)
    return statistics.median(found)


def agreement(point: SolvedPoint, step: float) -> dict[str, float]:
    """Return how far slopes of impurities and cost are from central differences, relative."""
    _, slopes = point.jacobian()
    rows = [k for k, n in enumerate(point.names) if n.startswith(("log_impurity", "cost"))]
    relative = slopes[rows] * np.abs(point.inputs)
    columns = []
    for place, value in enumerate(point.inputs):
        ends = []
        for sign in (1.0, -1.0):
            inputs = point.inputs.copy()
            inputs[place] = value + sign * step * abs(value)
            ends.append(point.moved(inputs).outcomes()[rows])
        columns.append((ends[0] - ends[1]) / (2.0 * step))
    expected = np.stack(columns, axis=1)
    size = np.maximum(np.abs(relative), 1e-3 * np.abs(relative).max(axis=1, keepdims=True))
    error = np.abs(relative - expected) / size
    return {"step": step, "median": float(np.median(error)), "worst": float(error.max())}


def measured(name: str, repeats: int) -> dict[str, Any]:
    """Return times, ratios and agreement for one plant."""
    plant = load_plant(name)
    state = solve_nominal(plant)
    assert state.operation is not None
    at_rest = plant.operated(state.operation)
    more = replace(state.operation, organic_flow=1.1 * state.operation.organic_flow)
    turned = plant.operated(more)
    times = {
        "cold_solve_s": median_time(lambda: solve_steady(at_rest), repeats),
        "nominal_solve_s": median_time(lambda: solve_nominal(plant), repeats),
        "warm_solve_organic_plus_10_percent_s": median_time(
            lambda: solve_steady(turned, start=state), repeats
        ),
    }
    found: dict[str, Any] = {"plant": name, **times}
    for label, meet in (("free", ()), ("met", tuple(plant.nominal_purity))):
        point = solved_point(plant, state, meet=meet, prices=prices())
        spent = median_time(point.jacobian, repeats)
        found[label] = {
            "outcomes": len(point.names),
            "inputs": len(point.inputs),
            "all_gradients_s": spent,
            "ratio_to_cold_solve": spent / times["cold_solve_s"],
            "ratio_to_nominal_solve": spent / times["nominal_solve_s"],
            "ratio_to_warm_solve": spent / times["warm_solve_organic_plus_10_percent_s"],
            "differences": [agreement(point, step) for step in STEPS],
        }
    return found


def network_agreement(network: Network, step: float, count: int) -> dict[str, float]:
    """Return how far slopes by flows are from central differences, relative.

    Args:
        network: With its flows written into it.
        step: Relative.
        count: Flows that are moved, evenly from all.
    """
    state = solve_network(network)
    told = network_gradients(network, state, prices=prices())
    rows = [k for k, n in enumerate(told.outcomes) if n.startswith(("log_impurity", "cost"))]
    known = lever_values(network)
    names = [name for name in known if name in told.inputs]
    found = []
    for name in names[:: max(len(names) // count, 1)][:count]:
        ends = []
        for sign in (1.0, -1.0):
            turned = with_levers(network, {name: known[name] * (1.0 + sign * step)})
            there = solve_network(turned, start=state)
            ends.append(network_gradients(turned, there, prices=prices()).outcome_values[rows])
        expected = (ends[0] - ends[1]) / (2.0 * step)
        slopes = told.slopes[rows, told.inputs.index(name)] * known[name]
        size = max(1e-3, float(np.abs(expected).max()))
        found.append(float(np.abs(slopes - expected).max()) / size)
    return {
        "flows": len(found),
        "step": step,
        "median": float(np.median(found)),
        "worst": max(found),
    }


def network_measured(name: str, repeats: int) -> dict[str, Any]:
    """Return times, ratios and agreement for one plant of many circuits."""
    network = load_network(name)
    state = solve_network(network)
    solve = median_time(lambda: solve_network(network), repeats)
    found: dict[str, Any] = {"plant": name, "stages": network.stages, "cold_solve_s": solve}
    for label, meet in (("free", False), ("met", True)):
        told = network_gradients(network, state, meet=meet, prices=prices())
        spent = median_time(
            lambda meet=meet: network_gradients(network, state, meet=meet, prices=prices()),
            repeats,
        )
        found[label] = {
            "outcomes": len(told.outcomes),
            "inputs": len(told.inputs),
            "all_gradients_s": spent,
            "ratio_to_cold_solve": spent / solve,
        }
    there = at_state(network, state)
    found["differences"] = [network_agreement(there, step, COMPARED) for step in NETWORK_STEPS]
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plant", default="ceprnd_p507")
    parser.add_argument("--repeats", type=int, default=7)
    asked = parser.parse_args()
    work = measured if asked.plant in ONE_CIRCUIT else network_measured
    told = {
        "load_average_1_min": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "must": "gradient of the cost at most 3 times the solve",
        **work(asked.plant, asked.repeats),
    }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
