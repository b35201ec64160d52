"""Whole plants solved from nothing: time, memory, balances. Prints one row per shipped network.

Usage: python benchmarks/plants.py [NAME ...] [--purities] [--repeat 3] [--json]

The first solve of a process compiles, or reads what another process compiled; the others are cold
starts, without a guess, of a compiled engine. Times are of the CPU, of all threads.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from typing import Any

from raffinate.plant.network_file import load_network, shipped_networks
from raffinate.plant.network_solve import solve_network


def measured(name: str, hold: str, repeat: int) -> dict[str, Any]:
    """Return what one plant takes."""
    network = load_network(name)
    began = time.process_time()
    state = solve_network(network, hold="purities" if hold == "purities" else "flows")
    first = time.process_time() - began
    times = []
    for _ in range(repeat):
        began = time.process_time()
        state = solve_network(network, hold="purities" if hold == "purities" else "flows")
        times.append(time.process_time() - began)
    return {
        "plant": name,
        "hold": hold,
        "circuits": len(network.circuits),
        "stages": network.stages,
        "metals": len(network.elements),
        "first_s": first,
        "cold_s": statistics.median(times) if times else None,
        "peak_memory_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "rounds": state.rounds,
        "iterations": sum(circuit.iterations for circuit in state.circuits.values()),
        "residual": state.residual,
        "balance_error": state.balance_error,
        "network_balance": max(state.balance.values()),
        "purity": {product: value.purity for product, value in state.products.items()},
        "recovery": {product: value.recovery for product, value in state.products.items()},
    }


def main() -> None:
    """Measure the plants named, or all that ship."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--purities", action="store_true")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = []
    for name in given.names or shipped_networks():
        row = measured(name, "purities" if given.purities else "flows", given.repeat)
        rows.append(row)
        if not given.json:
            cold = "" if row["cold_s"] is None else f"{row['cold_s']:.3f} s"
            print(
                f"{name}: {row['circuits']} circuits, {row['stages']} stages, {row['metals']} "
                f"metals; first {row['first_s']:.1f} s, cold {cold}, peak "
                f"{row['peak_memory_MB']:.0f} MB; {row['iterations']} iterations, {row['rounds']} "
                f"rounds; residual {row['residual']:.1e}, balance {row['balance_error']:.1e}, "
                f"network {row['network_balance']:.1e}"
            )
            for product, purity in row["purity"].items():
                print(
                    f"    {product:8} {purity:.6f} of REO, recovery {row['recovery'][product]:.5f}"
                )
    if given.json:
        json.dump(rows, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
