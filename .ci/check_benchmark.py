"""Read the JSON of benchmarks/engine.py from standard input and fail if anything is missing."""

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


def complaints(report: dict[str, Any]) -> list[str]:
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


if __name__ == "__main__":
    wrong = complaints(json.load(sys.stdin))
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    sys.exit(1 if wrong else 0)
