"""Read the JSON of a benchmark from standard input and fail if anything is missing or wrong.

The argument names the benchmark: `engine` or `runtime`.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

TIMED = (
    "cold_steady_solve",
    "warm_steady_solve",
    "import_raffinate",
    "first_process_nominal_solve",
    "cached_process_nominal_solve",
    "simulation_at_rest",
    "simulation_daily_upset",
    "control_period_10_min",
)
LIMITS = {"residual": 1e-9, "balance_error": 1e-6}

FIGURES = ("tags", "web", "historian", "paint", "kills", "fuzz", "links", "soak")
JUDGED = ("", "% of span")
"""Units of what is judged on any machine: counts, and bumps of setpoints. Times and loads are not,
because they are those of the machine and of whoever else is at work on it."""


def engine_complaints(report: dict[str, Any]) -> list[str]:
    """Return what is missing or wrong, in sentences."""
    found = []
    for name in TIMED:
        entry = report.get(name, {})
        if not (isinstance(entry.get("seconds"), float) and entry["seconds"] > 0.0):
            found.append(f"{name} has no time.")
        for key, limit in LIMITS.items():
            # Of a trajectory the solver's bound is known, not the largest residual met.
            value = entry.get(key, entry.get(f"{key}_at_most", math.nan))
            if name != "import_raffinate" and not 0.0 <= value <= limit:
                found.append(f"{name}: {key} is {value}, not at most {limit:g}.")
    if not report.get("process_simulating_24_h", {}).get("peak_memory_MiB", 0.0) > 0.0:
        found.append("No peak memory.")
    return found


def runtime_complaints(report: dict[str, Any]) -> list[str]:
    """Return what is missing or not as it must be, in sentences."""
    found = []
    for name in FIGURES:
        figure = report.get("figures", {}).get(name, {})
        limits = figure.get("limits", [])
        if not limits:
            found.append(f"{name} has no figures.")
        for row in limits:
            value, must = row["value"], row["must"]
            if not (isinstance(value, (int, float)) and math.isfinite(value)):
                found.append(f"{name}: {row['what']} is {value}, which is no number.")
            elif must is not None and row["unit"] in JUDGED and not value <= must:
                found.append(f"{name}: {row['what']} is {value:g}, not at most {must:g}.")
                found.append(f"  {json.dumps(figure.get('detail', {}))[:4000]}")
    return found


COMPLAINTS = {"engine": engine_complaints, "runtime": runtime_complaints}


if __name__ == "__main__":
    wrong = COMPLAINTS[sys.argv[1]](json.load(sys.stdin))
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    sys.exit(1 if wrong else 0)
