"""Times of the engine on the default plant, each with the residual and balance error it reached.

Prints JSON. Times are medians after a warm-up, in seconds of the wall clock; what starts processes
does so with an interpreter of its own, so that imports and compilation are counted.

    python benchmarks/engine.py
    python benchmarks/engine.py --quick     # fewer repeats, 24 h instead of 720 h
    python benchmarks/engine.py --cases     # and the committed cases of engine_cases.py
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raffinate.plant.model import Plant
    from raffinate.plant.steady import SteadyState

PLANT = "ceprnd_p507"
HOUR = 3600.0
CONTROL_PERIOD = 600.0

NOMINAL_SOLVE = f"""
import json, resource, sys
from raffinate.plant.plant_file import load_plant
from raffinate.plant.steady import solve_nominal
state = solve_nominal(load_plant({PLANT!r}))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({{
    "residual": state.residual,
    "balance_error": state.balance_error,
    "peak_memory_MiB": peak / (1024.0 if sys.platform != "darwin" else 1024.0**2),
}}))
"""

SIMULATION = f"""
import json, resource, sys
from raffinate.plant.plant_file import load_plant
from raffinate.plant.simulate import simulate
path = simulate(load_plant({PLANT!r}), 24 * 3600.0)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({{
    "balance_error": path.balance_error,
    "peak_memory_MiB": peak / (1024.0 if sys.platform != "darwin" else 1024.0**2),
}}))
"""

IMPORT = (
    "import time; begun = time.perf_counter(); import raffinate; print(time.perf_counter() - begun)"
)


def machine() -> dict[str, Any]:
    """Return what the times were taken on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "load_average_1_min": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "jax": version("jax"),
        "raffinate": version("raffinate"),
    }


def median_time(repeats: int, action: Callable[[], Any]) -> tuple[float, Any]:
    """Return the median time of `action`, [s], after one warm-up, and its last result."""
    result = action()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        result = action()
        times.append(time.perf_counter() - begun)
    return statistics.median(times), result


def process(code: str, cache: Path | None = None) -> tuple[float, str]:
    """Run code in a fresh interpreter; return its time, [s], and what it printed."""
    environment = dict(os.environ)
    if cache is not None:
        environment["RAFFINATE_CACHE_DIR"] = str(cache)
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    elapsed = time.perf_counter() - begun
    if done.returncode != 0:
        raise SystemExit(f"a process of the benchmark failed:\n{done.stderr}")
    return elapsed, done.stdout.strip()


def time_steady(plant: Plant, nominal: SteadyState, repeats: int) -> dict[str, Any]:
    """Time a cold start at the nominal flows, and one from there with 1 % more organic."""
    from raffinate.plant.steady import solve_steady

    assert nominal.operation is not None
    here = plant.operated(nominal.operation)
    more = replace(nominal.operation, organic_flow=1.01 * nominal.operation.organic_flow)
    there = plant.operated(more)
    cases = {
        "cold_steady_solve": lambda: solve_steady(here),
        "warm_steady_solve": lambda: solve_steady(there, start=nominal),
    }
    found = {}
    for name, action in cases.items():
        seconds, state = median_time(repeats, action)
        found[name] = {
            "seconds": seconds,
            "iterations": state.iterations,
            "residual": state.residual,
            "balance_error": state.balance_error,
        }
    return found


def time_processes(repeats: int) -> dict[str, Any]:
    """Time importing, the first process on a machine, a later one, and their memory."""
    imports = [float(process(IMPORT)[1]) for _ in range(repeats)]
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        first, printed = process(NOMINAL_SOLVE, cache)
        first_result = json.loads(printed)
        cached, printed = process(NOMINAL_SOLVE, cache)
        cached_result = json.loads(printed)
    _, printed = process(SIMULATION)
    return {
        "import_raffinate": {"seconds": statistics.median(imports)},
        "first_process_nominal_solve": {"seconds": first, **first_result},
        "cached_process_nominal_solve": {"seconds": cached, **cached_result},
        "process_simulating_24_h": json.loads(printed),
    }


def daily_upset(plant: Plant, hours: float) -> list[Any]:
    """Return a day of 3 % less and a day of 3 % more saponification, in turn."""
    from raffinate.plant.events import parse_event

    texts = [
        f"organic.saponification_degree*={0.97 if day % 2 else 1.03:g}"
        f"@{24 * day:g}h..{24 * (day + 1):g}h"
        for day in range(int(hours / 24.0))
    ]
    return [parse_event(text, plant.circuit.elements) for text in texts]


def time_simulations(plant: Plant, nominal: SteadyState, hours: float) -> dict[str, Any]:
    """Time long simulations with a row per control period, and the control period alone."""
    from raffinate.cascade.dynamic import NEWTON_TOLERANCE
    from raffinate.plant.motion import PlantMotion
    from raffinate.plant.simulate import simulate

    found: dict[str, Any] = {}
    simulate(plant, 24.0 * HOUR, daily_upset(plant, 24.0))
    for name, events in (("at_rest", []), ("daily_upset", daily_upset(plant, hours))):
        begun = time.perf_counter()
        path = simulate(plant, hours * HOUR, events, nominal=nominal, interval=CONTROL_PERIOD)
        found[f"simulation_{name}"] = {
            "hours": hours,
            "seconds": time.perf_counter() - begun,
            "steps": path.steps,
            "residual_at_most": NEWTON_TOLERANCE,
            "balance_error": path.balance_error,
        }
    assert nominal.operation is not None
    upset = replace(
        nominal.operation,
        saponification_degree=0.95 * nominal.operation.saponification_degree,
    )
    motion = PlantMotion(plant.operated(nominal.operation), nominal)
    seconds, _ = median_time(60, lambda: motion.advance(upset, CONTROL_PERIOD))
    found["control_period_10_min"] = {
        "seconds": seconds,
        "residual_at_most": NEWTON_TOLERANCE,
        "balance_error": motion.check(),
    }
    return found


def main() -> None:
    """Run the benchmark and print its JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats, a day not a month")
    parser.add_argument("--cases", action="store_true", help="the committed cases as well")
    parser.add_argument("--output", type=Path, help="write the JSON here as well")
    options = parser.parse_args()
    from raffinate.plant.plant_file import load_plant
    from raffinate.plant.steady import solve_nominal

    repeats, hours = (3, 24.0) if options.quick else (15, 720.0)
    plant = load_plant(PLANT)
    nominal = solve_nominal(plant)
    report = {
        "machine": machine(),
        "plant": PLANT,
        "stages": plant.circuit.stages,
        "quick": options.quick,
        **time_steady(plant, nominal, repeats),
        **time_processes(min(repeats, 7)),
        **time_simulations(plant, nominal, hours),
    }
    if options.cases:
        import engine_cases

        names = sorted(path.stem for path in engine_cases.CASES.glob("*.yaml"))
        report["cases"] = engine_cases.run(names, options.quick)
    text = json.dumps(report, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
