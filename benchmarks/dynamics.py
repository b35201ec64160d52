"""Thirty days of the shipped plant with an upset every day: time, steps, error, balance.

Prints JSON. Times are CPU seconds of this process and wall seconds, after a run that compiles;
the nominal state is solved beforehand and timed beside it. Errors are against the same run at a
hundredth and at a thousandth of the tolerance, over all rows.

    python benchmarks/dynamics.py
    python benchmarks/dynamics.py --quick     # 5 days instead of 30
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from raffinate.plant.events import Event
    from raffinate.plant.model import Plant
    from raffinate.plant.simulate import Trajectory
    from raffinate.plant.steady import SteadyState

PLANT = "ceprnd_p507"
HOUR = 3600.0
ROWS = 600.0


def daily_upset(plant: Plant, days: int) -> list[Event]:
    """Return a day of 3 % less and a day of 3 % more saponification, in turn."""
    from raffinate.plant.events import parse_event

    texts = [
        f"organic.saponification_degree*={0.97 if day % 2 else 1.03:g}"
        f"@{24 * day:g}h..{24 * (day + 1):g}h"
        for day in range(days)
    ]
    return [parse_event(text, plant.circuit.elements) for text in texts]


def timed(
    plant: Plant, nominal: SteadyState, days: int, tolerance: float
) -> tuple[dict[str, Any], Trajectory]:
    """Run once; return its times and what it reached."""
    from raffinate.plant.simulate import simulate

    events = daily_upset(plant, days)
    cpu, wall = time.process_time(), time.perf_counter()
    path = simulate(
        plant, days * 24.0 * HOUR, events, nominal=nominal, interval=ROWS, tolerance=tolerance
    )
    found = {
        "tolerance": tolerance,
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
        "steps": path.steps,
        "balance_error": path.balance_error,
    }
    return found, path


def difference(path: Trajectory, tight: Trajectory) -> dict[str, float]:
    """Return the largest differences between two runs over all rows."""
    found = {
        f"impurity_{name}_relative": float(np.abs(values / tight.impurity[name] - 1.0).max())
        for name, values in path.impurity.items()
    }
    for name in ("aqueous", "organic"):
        ours, theirs = getattr(path, name), getattr(tight, name)
        found[f"{name}_over_tolerated_1"] = float((np.abs(ours - theirs) / (1.0 + theirs)).max())
    return found


def main() -> None:
    """Run the benchmark and print its JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="5 days instead of 30")
    parser.add_argument("--output", type=Path, help="write the JSON here as well")
    options = parser.parse_args()
    from raffinate.plant.plant_file import load_plant
    from raffinate.plant.steady import solve_nominal

    days, repeats = (5, 1) if options.quick else (30, 5)
    plant = load_plant(PLANT)
    nominal = solve_nominal(plant)
    begun = time.process_time()
    solve_nominal(plant)
    nominal_time = time.process_time() - begun
    first, _ = timed(plant, nominal, days, 1e-3)
    runs = [timed(plant, nominal, days, 1e-3) for _ in range(repeats)]
    middle = {key: statistics.median(run[0][key] for run in runs) for key in ("cpu_s", "wall_s")}
    finer, fine = timed(plant, nominal, days, 1e-5)
    finest, tight = timed(plant, nominal, days, 1e-6)
    report = {
        "plant": PLANT,
        "days": days,
        "rows_every_s": ROWS,
        "load_average_1_min": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "nominal_solve_cpu_s": nominal_time,
        "first_run_in_process": first,
        "median": {**runs[-1][0], **middle},
        "error_against_tight": difference(runs[-1][1], tight),
        "error_of_the_finer_run": difference(fine, tight),
        "finer": finer,
        "tight": finest,
    }
    text = json.dumps(report, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
