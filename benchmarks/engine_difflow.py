"""The same extraction section solved by raffinate and by difflow, one after the other in one run.

    python benchmarks/engine_difflow.py                    # 10, 30 and 100 stages
    python benchmarks/engine_difflow.py --stages 10 --stages 30 --repeats 1

The package difflow, which holds difflow_ree, is no dependency of this
project: run this with an interpreter that can import both. Both get the constants, feed and flows
of engine_cases/difflow/extraction_8.yaml and start without a guess; difflow's section is
compiled as one function. raffinate closes its organic loop through a strip of eight stages, which
it solves as well: it does the larger task. Times are medians after the compiling call, of the wall
clock and of this process's processor time; the ratio is of the latter, as is fair when other work
shares the machine. Beside them stands how far apart the two raffinates are.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engine_cases import timed

CASE = "difflow/extraction_8"
LITRES = 1000.0
HOUR = 3600.0


def by_raffinate(case: dict[str, Any], stages: int, repeats: int) -> dict[str, Any]:
    """Solve with raffinate; the strip comes on top of the stages."""
    import engine_cases

    from raffinate.plant.steady import solve_steady

    whole = engine_cases.circuit_of(case)
    extraction, strip = whole.sections
    circuit = replace(whole, sections=(replace(extraction, stages=stages), strip))
    times, state = timed(repeats, lambda: solve_steady(circuit, check_mixers=False))
    feed = case["feed"]["flow_m3_per_h"] / HOUR
    return times | {
        "stages_with_strip": circuit.stages,
        "iterations": state.iterations,
        "residual": state.residual,
        "balance_error": state.balance_error,
        "raffinate_mol_per_m3": (state.raffinate / feed).tolist(),
    }


def by_difflow(case: dict[str, Any], stages: int, repeats: int) -> dict[str, Any]:
    """Solve with difflow_ree's MassActionSection."""
    import jax
    import numpy as np
    from difflow_ree.equilibrium.mass_action import MassActionParams, MassActionSection

    elements = case["elements"]
    feed_flow = case["feed"]["flow_m3_per_h"] / HOUR * LITRES
    organic_flow = case["organic"]["flow_m3_per_h"] / HOUR * LITRES
    extractant = case["organic"]["extractant_mol_per_m3"] / LITRES
    section = MassActionSection(
        MassActionParams(
            n_stages=stages,
            extractant="PC88A",
            elements=tuple(elements),
            aqueous_volumetric_flow=feed_flow,
            organic_volumetric_flow=organic_flow,
            extractant_conc=extractant,
            log10_K={name: entry["log10_constant"] for name, entry in elements.items()},
            network="cation_exchange_dimer",
        )
    )
    moles = {
        name: entry["feed_mol_per_m3"] / LITRES * feed_flow for name, entry in elements.items()
    }
    acid = case["feed"]["free_acid_mol_per_m3"] / LITRES * feed_flow
    feed = section.schema.make_aqueous(moles, acid=acid, water=55.0 * feed_flow)
    solvent = section.schema.make_organic(extractant * organic_flow, diluent_flow=4.0)

    def solve(given: Any, organic: Any) -> tuple[Any, Any]:
        raffinate, _, info = section(given, organic)
        return [raffinate[f"F_{name}"] for name in elements], info["residual_norm"]

    compiled = jax.jit(solve)
    times, (out, residual) = timed(repeats, lambda: jax.block_until_ready(compiled(feed, solvent)))
    leaving = np.array([float(value) for value in out]) / feed_flow * LITRES
    return times | {"residual": float(residual), "raffinate_mol_per_m3": leaving.tolist()}


def compared(case: dict[str, Any], stages: int, repeats: int) -> dict[str, Any]:
    """Return both lines of one number of stages and what they differ by."""
    import numpy as np

    ours = by_raffinate(case, stages, max(repeats, 15))
    theirs = by_difflow(case, stages, repeats)
    here, there = (np.array(line.pop("raffinate_mol_per_m3")) for line in (ours, theirs))
    fed = np.array([entry["feed_mol_per_m3"] for entry in case["elements"].values()])
    return {
        "stages": stages,
        "raffinate": ours,
        "difflow": theirs,
        "ratio": theirs["processor_seconds"] / ours["processor_seconds"],
        "ratio_of_wall": theirs["seconds"] / ours["seconds"],
        "largest_difference_of_feed": float(np.max(np.abs(here - there) / fed)),
    }


def table(lines: list[dict[str, Any]]) -> str:
    """Return the lines as a table."""
    rows = ["stages   raffinate [ms]   difflow [ms]    ratio   differ by, of feed"]
    rows += [
        f"{line['stages']:6d} {1e3 * line['raffinate']['processor_seconds']:16.1f} "
        f"{1e3 * line['difflow']['processor_seconds']:14.0f} {line['ratio']:8.0f} "
        f"{line['largest_difference_of_feed']:20.1e}"
        for line in lines
    ]
    return "\n".join(rows)


def main() -> None:
    """Run the comparison; print a table of processor times and the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stages", action="append", type=int, help="this many stages only")
    parser.add_argument("--repeats", type=int, default=3, help="of difflow")
    parser.add_argument("--output", type=Path, help="write the JSON here as well")
    options = parser.parse_args()
    if importlib.util.find_spec("difflow_ree") is None:
        raise SystemExit("difflow is not installed here: pip install difflow, outside the lock.")
    import engine_cases
    from engine import machine

    case = engine_cases.read_case(CASE)
    lines = [
        compared(case, n, options.repeats) for n in options.stages or case["extraction_stages"]
    ]
    report = {"machine": machine(), "difflow": version("difflow"), "lines": lines}
    text = json.dumps(report, indent=2)
    print(f"{table(lines)}\n{text}")
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
