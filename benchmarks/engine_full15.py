"""Time and memory of `full15`, about 1,000 stages with recycles, from nothing. Prints JSON.

Every measurement is made in a process of its own. The first has an empty compilation cache, so
that its first solve is the first ever on a machine; the second finds what the first compiled.
`cold` is a solve without a guess by a compiled engine, the median of several; no guess is used
anywhere. Times are of the wall clock, with those of the CPU, of all threads, beside them.

    python benchmarks/engine_full15.py
    python benchmarks/engine_full15.py --cached      # without the compiling process
    python benchmarks/engine_full15.py --tight       # and the purities against a tighter solve
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

PLANT = "full15"
MUST = {"cold_s": 4.0, "peak_memory_MB": 1500.0}
REACH = {"cold_s": 0.5, "peak_memory_MB": 700.0}


def measured(repeat: int, tight: bool) -> dict[str, Any]:
    """Return what this process takes for the plant."""
    from raffinate.plant.network_file import load_network
    from raffinate.plant.network_solve import solve_network

    wall, cpu = time.perf_counter(), time.process_time()
    network = load_network(PLANT)
    state = solve_network(network)
    first = time.perf_counter() - wall, time.process_time() - cpu
    walls, cpus = [], []
    for _ in range(repeat):
        wall, cpu = time.perf_counter(), time.process_time()
        state = solve_network(network)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    unit = 1e3 if sys.platform != "darwin" else 1e6
    row: dict[str, Any] = {
        "circuits": len(network.circuits),
        "stages": network.stages,
        "metals": len(network.elements),
        "first_s": first[0],
        "first_cpu_s": first[1],
        "cold_s": statistics.median(walls),
        "cold_cpu_s": statistics.median(cpus),
        "peak_memory_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
        "iterations": sum(circuit.iterations for circuit in state.circuits.values()),
        "rounds": state.rounds,
        "residual": state.residual,
        "balance_error": state.balance_error,
        "network_balance": max(state.balance.values()),
        "purity": {name: product.purity for name, product in state.products.items()},
    }
    if tight:
        row["purity_error"] = _purity_error(network, row["purity"])
    return row


def _purity_error(network: Any, purity: dict[str, float]) -> float:
    """Return by how much purities differ from those of the full equations, solved to 1e-11."""
    from raffinate.plant import network_fixed
    from raffinate.plant.network_solve import solve_network

    network_fixed.ENOUGH = 0.0
    tight = solve_network(network)
    return max(abs(product.purity - purity[name]) for name, product in tight.products.items())


def _in_a_process(cache: str, given: argparse.Namespace, *, tight: bool) -> dict[str, Any]:
    command = [sys.executable, __file__, "--here", "--repeat", str(given.repeat)]
    environment = {**os.environ, "RAFFINATE_CACHE_DIR": cache} if cache else dict(os.environ)
    done = subprocess.run(
        [*command, "--tight"] if tight else command,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cached", action="store_true")
    parser.add_argument("--tight", action="store_true")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        json.dump(measured(given.repeat, given.tight), sys.stdout)
        return
    found: dict[str, Any] = {"plant": PLANT, "must": MUST, "reach": REACH}
    if given.cached:
        found["cached"] = _in_a_process("", given, tight=given.tight)
    else:
        with tempfile.TemporaryDirectory() as cache:
            found["compiling"] = _in_a_process(cache, given, tight=False)
            found["cached"] = _in_a_process(cache, given, tight=given.tight)
    json.dump(found, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
