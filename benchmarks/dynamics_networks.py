"""Thirty days of a plant of many circuits with an upset every day: time, steps, error, balance.

Prints JSON. Times are CPU seconds of this process and wall seconds, after a run that compiles;
the steady state is solved beforehand. Errors are of the impurities, against the same run at a
hundredth of the tolerance, over all rows.

    python benchmarks/dynamics_networks.py
    python benchmarks/dynamics_networks.py --plant full15 --circuit ce_pr --days 10 --repeats 1
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from raffinate.plant.events import Event
    from raffinate.plant.network import Network
    from raffinate.plant.network_simulate import NetworkTrajectory
    from raffinate.plant.network_state import NetworkState

HOUR = 3600.0


def daily_upset(network: Network, circuit: str, days: int) -> list[Event]:
    """Return a day of 1 % less and a day of 1 % more organic in one circuit, in turn."""
    from raffinate.plant.network_events import parse_network_event

    texts = [
        f"{circuit}.organic_flow*={0.99 if day % 2 else 1.01:g}@{24 * day:g}h..{24 * (day + 1):g}h"
        for day in range(days)
    ]
    return [parse_network_event(text, network) for text in texts]


def timed(
    network: Network, nominal: NetworkState, events: list[Event], days: int, tolerance: float
) -> tuple[dict[str, Any], NetworkTrajectory]:
    """Run once; return its times and what it reached."""
    from raffinate.plant.network_simulate import simulate_network

    cpu, wall = time.process_time(), time.perf_counter()
    path = simulate_network(
        network, days * 24.0 * HOUR, events, nominal=nominal, interval=600.0, tolerance=tolerance
    )
    found = {
        "tolerance": tolerance,
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
        "intervals": path.times,
        "steps": path.steps,
        "balance_error": path.balance_error,
    }
    return found, path


def main() -> None:
    """Run the benchmark and print its JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plant", default="lree_baotou")
    parser.add_argument("--circuit", default="ce_pr", help="whose organic is upset")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    from raffinate.plant.network_file import load_network
    from raffinate.plant.network_levers import at_state
    from raffinate.plant.network_solve import solve_network

    network = load_network(options.plant)
    nominal = solve_network(network)
    network = at_state(network, nominal)
    events, days = daily_upset(network, options.circuit, options.days), options.days
    first, _ = timed(network, nominal, events, days, 1e-3)
    runs = [timed(network, nominal, events, days, 1e-3) for _ in range(options.repeats)]
    middle = {key: statistics.median(run[0][key] for run in runs) for key in ("cpu_s", "wall_s")}
    finer, fine = timed(network, nominal, events, days, 1e-5)
    path = runs[-1][1]
    report = {
        "plant": options.plant,
        "stages": network.stages,
        "circuits": len(network.circuits),
        "days": days,
        "load_average_1_min": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "first_run_in_process": first,
        "median": {**runs[-1][0], **middle},
        "finer": finer,
        "error_of_impurities_relative": {
            name: float(np.abs(values / fine.impurity[name] - 1.0).max())
            for name, values in path.impurity.items()
        },
        "peak_memory_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
