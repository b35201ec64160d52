"""What a gradient costs against the solve it belongs to, and how well it agrees with differences.

Prints JSON. CPU time of one thread, medians after a warm-up; the ratio is taken in one run.

    python benchmarks/gradients.py
    python benchmarks/gradients.py --plant ceprnd_p507 --repeats 9
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
from raffinate.plant.plant_file import load_plant
from raffinate.plant.steady import solve_nominal, solve_steady
from raffinate.sources import Source

STEPS = (1e-4, 1e-5, 1e-6)
"""Relative steps of the central differences."""

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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plant", default="ceprnd_p507")
    parser.add_argument("--repeats", type=int, default=7)
    asked = parser.parse_args()
    told = {
        "load_average_1_min": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "must": "gradient of the cost at most 3 times the solve",
        **measured(asked.plant, asked.repeats),
    }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
