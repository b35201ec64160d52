"""Contacts per second of the equilibrium on one core, ideal and with Pitzer coefficients.

Prints JSON. Rates are medians after a warm-up, by the wall clock and by the processor time of the
one core the process is pinned to: on a machine shared with others only the second is its own. The
constants are spread evenly, which is all that a rate depends on.

    python benchmarks/chemistry_throughput.py
    python benchmarks/chemistry_throughput.py --quick     # fewer contacts and repeats
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from raffinate.chemistry.tableau import Tableau

ELEMENTS = {
    5: ("La", "Ce", "Pr", "Nd", "Sm"),
    15: (
        *("La", "Ce", "Pr", "Nd", "Sm", "Eu", "Gd", "Tb"),
        *("Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Y"),
    ),
}

WANTED = {("ideal", 5): 2e5, ("ideal", 15): 5e4, ("pitzer", 5): 5e4, ("pitzer", 15): 1e4}
"""Contacts per second that the package promises."""


def use_one_core() -> None:
    """Pin the process to one core and keep XLA from starting threads; before JAX is imported."""
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def exchange_tableau(elements: tuple[str, ...]) -> Tableau:
    """Return acidic exchange of some elements and ammonium in chloride."""
    from raffinate.chemistry.species import Species
    from raffinate.chemistry.tableau import build_tableau
    from raffinate.sources import Source

    assumed = Source(title="Constants of a timing", evidence="assumed")

    def bound(component: str, units: float, log10_constant: float) -> Species:
        return Species(
            name=f"{component} bound",
            phase="organic",
            charge=0,
            composition=((component, 1.0), ("extractant", units), ("proton", -units)),
            log10_constant=log10_constant,
            source=assumed,
        )

    spread = np.linspace(-2.0, 3.0, len(elements))
    species = [bound(e, 3.0, float(k)) for e, k in zip(elements, spread, strict=True)]
    components = (*elements, "ammonium", "proton", "chloride", "extractant")
    return build_tableau(components, [*species, bound("ammonium", 1.0, -2.0)])


def feeds(elements: int, contacts: int) -> tuple[np.ndarray, np.ndarray]:
    """Return totals, (component, contact), [mol/m³], and organic fractions of varied contacts."""
    draw = np.random.default_rng(0)
    organic = draw.uniform(0.3, 0.75, contacts)
    metal = 10.0 ** draw.uniform(0.0, 3.0, (elements, contacts)) / elements
    acid = 10.0 ** draw.uniform(-1.0, 3.0, contacts)
    soap = draw.uniform(0.0, 400.0, contacts)
    aqueous = 1.0 - organic
    rows = [
        *(aqueous * metal),
        organic * soap,
        aqueous * acid - organic * soap,
        aqueous * (3.0 * metal.sum(axis=0) + acid),
        organic * 500.0,
    ]
    return np.array(rows), organic


def time_contacts(activity: str, elements: int, contacts: int, repeats: int) -> dict[str, Any]:
    """Time a batch; return its rates, its iterations and the largest imbalance in it."""
    from raffinate.chemistry.equilibrium_batch import equilibrium_batch
    from raffinate.chemistry.nonideality import build_nonideality

    tableau = exchange_tableau(ELEMENTS[elements])
    built = build_nonideality("pitzer" if activity == "pitzer" else "ideal", tableau.species)
    totals, organic = feeds(elements, contacts)

    def solve() -> Any:
        return equilibrium_batch(
            tableau, totals, organic, tableau.log10_constants, built.model, built.parameters
        )

    begun = time.perf_counter()
    found = solve()
    first = time.perf_counter() - begun
    wall, processor = [], []
    for _ in range(repeats):
        at_wall, at_processor = time.perf_counter(), time.process_time()
        found = solve()
        wall.append(time.perf_counter() - at_wall)
        processor.append(time.process_time() - at_processor)
    solved = found.converged
    return {
        "contacts": contacts,
        "wanted_per_second": WANTED[activity, elements],
        "per_second": contacts / statistics.median(wall),
        "per_processor_second": contacts / statistics.median(processor),
        "first_call_seconds": first,
        "converged": float(solved.mean()),
        "mean_iterations": float(found.iterations[solved].mean()),
        "most_iterations": int(found.iterations[solved].max()),
        "largest_imbalance": float(found.residual[solved].max()),
    }


def machine() -> dict[str, Any]:
    """Return what the rates were taken on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if os.name == "posix" else []
    models = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores_used": 1,
        "load_average_1_min": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "jax": version("jax"),
    }


def measure(quick: bool) -> dict[str, Any]:
    """Return the rates of all cases."""
    cases = {}
    for activity, elements in WANTED:
        contacts = 2**15 if activity == "ideal" else 2**13
        contacts, repeats = (contacts // 4, 3) if quick else (contacts, 9)
        cases[f"{activity}_{elements}"] = time_contacts(activity, elements, contacts, repeats)
    return cases


def main() -> None:
    """Run the benchmark and print its JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer contacts and repeats")
    options = parser.parse_args()
    use_one_core()
    print(json.dumps({"machine": machine(), **measure(options.quick)}, indent=2))


if __name__ == "__main__":
    main()
