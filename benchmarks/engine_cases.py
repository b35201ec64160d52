"""Steady states of committed cases: time, residual, balance and what a tighter solve changes.

    python benchmarks/engine_cases.py                  # all, as JSON
    python benchmarks/engine_cases.py --quick          # fewer repeats, fewer plants at once
    python benchmarks/engine_cases.py --case steady_60x3

Every case is a file in engine_cases/. "seconds" are medians of the wall clock after a warm-up;
"processor_seconds" are medians of this process's processor time, which a busy machine disturbs
less. "cold" has no guess; "warm" begins with the state found and 10 % more organic, and
"cold_10_percent" is the same flows without it. A case with an activity model is the full
chemistry: the constants of its ideal namesake are shifted so that the plant separates alike, and
"over_ideal" are its medians over those of the namesake in the same run.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raffinate.plant.model import Circuit
    from raffinate.plant.steady import SteadyState

CASES = Path(__file__).with_name("engine_cases")
HOUR = 3600.0
TIGHTER = 1e-13
"""Residual of the solve against which purities are compared, [-]."""

MORE_ORGANIC = 1.1
PLANTS_AT_ONCE = 1024


def read_case(name: str) -> dict[str, Any]:
    """Return a case file as written."""
    from raffinate.yaml_files import read_yaml

    text = (CASES / f"{name}.yaml").read_text(encoding="utf-8")
    return read_yaml(text, name, "raffinate-engine-case/1")


def circuit_of(case: dict[str, Any], stages: int | None = None) -> Circuit:
    """Return the circuit of a case, its sections stretched to `stages` in all if given."""
    from raffinate.plant.model import Circuit

    lengths = [section["stages"] for section in case["sections"]]
    if stages is not None:
        factor = stages / sum(lengths)
        lengths = [round(length * factor) for length in lengths]
        lengths[-1] += stages - sum(lengths)
    organic = case["organic"]
    return Circuit(
        system=_system(case),
        sections=_sections(case, lengths),
        organic_flow=organic["flow_m3_per_h"] / HOUR,
        extractant_concentration=organic["extractant_mol_per_m3"],
        saponification_degree=organic["saponification_degree"],
    )


def _system(case: dict[str, Any]) -> Any:
    import numpy as np

    from raffinate.chemistry.system import ExtractionSystem
    from raffinate.sources import Source

    sources = {name: Source(**entry) for name, entry in case["sources"].items()}
    entries = case["elements"].values()
    return ExtractionSystem(
        name=case["name"],
        title=case["title"],
        extractant="PC-88A",
        elements=tuple(case["elements"]),
        log10_extraction_constant=np.array([entry["log10_constant"] for entry in entries]),
        log10_covariance=np.zeros((len(entries), len(entries))),
        constant_sources=tuple(sources[entry["source"]] for entry in entries),
        log10_saponification_constant=case["log10_ammonium_constant"],
        activity=case.get("activity", "ideal"),
    )


def _sections(case: dict[str, Any], lengths: list[int]) -> tuple[Any, ...]:
    from raffinate.plant.model import Liquor, Section

    feed = Liquor(
        name="feed",
        flow=case["feed"]["flow_m3_per_h"] / HOUR,
        concentration={s: entry["feed_mol_per_m3"] for s, entry in case["elements"].items()},
        proton=case["feed"]["free_acid_mol_per_m3"],
    )
    acid = Liquor(
        name="acid",
        flow=case["acid"]["flow_m3_per_h"] / HOUR,
        proton=case["acid"]["hcl_mol_per_m3"],
    )
    liquors = [feed, *[None] * (len(lengths) - 2), acid]
    return tuple(
        Section(
            name=entry["name"],
            stages=stages,
            aqueous=liquor,
            draw="strip_liquor" if "draw_m3_per_h" in entry else "",
            draw_flow=entry.get("draw_m3_per_h", 0.0) / HOUR,
            efficiency=entry["efficiency"],
            recycle=entry["recycle_m3_per_h"] / HOUR,
        )
        for entry, stages, liquor in zip(case["sections"], lengths, liquors, strict=True)
    )


def timed(repeats: int, action: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Return the times of an action, and its result."""
    begun = time.perf_counter()
    result = action()
    first = time.perf_counter() - begun
    walls, used = [], []
    for _ in range(repeats):
        begun, processor = time.perf_counter(), time.process_time()
        result = action()
        walls.append(time.perf_counter() - begun)
        used.append(time.process_time() - processor)
    times = {
        "seconds": statistics.median(walls),
        "least_seconds": min(walls),
        "processor_seconds": statistics.median(used),
        "least_processor_seconds": min(used),
        "first_seconds": first,
    }
    return times, result


def purity_difference(circuit: Circuit, state: SteadyState) -> float:
    """Return the largest change of a mole fraction at an outlet if solved more tightly, [-]."""
    import numpy as np

    from raffinate.cascade.steady import LONGEST_STEP, solve_pseudo_transient
    from raffinate.plant.arrays import chemistry_of, problem_of

    chemistry, problem = chemistry_of(circuit.system), problem_of(circuit)
    tight = solve_pseudo_transient(chemistry, problem, state.unknowns, LONGEST_STEP, TIGHTER, 4)
    outlets = [0, *np.asarray(problem.streams.draw_stage)]
    aqueous = np.exp(np.asarray(tight.unknowns.stage)[outlets, : len(circuit.elements)])
    here = state.aqueous[outlets]
    change = aqueous / aqueous.sum(axis=1)[:, None] - here / here.sum(axis=1)[:, None]
    return float(np.abs(change).max())


def judged(circuit: Circuit, times: dict[str, float], state: SteadyState) -> dict[str, Any]:
    """Return one line: times beside what the solve reached."""
    return times | {
        "stages": circuit.stages,
        "elements": len(circuit.elements),
        "iterations": state.iterations,
        "residual": state.residual,
        "balance_error": state.balance_error,
        "purity_difference": purity_difference(circuit, state),
    }


def cold_and_warm(circuit: Circuit, repeats: int, *, warm: bool = True) -> dict[str, Any]:
    """Return the lines of a circuit solved from nothing and from its own state."""
    from raffinate.plant.steady import solve_steady

    times, state = timed(repeats, lambda: solve_steady(circuit))
    found = {"cold": judged(circuit, times, state)}
    if warm:
        more = replace(circuit, organic_flow=MORE_ORGANIC * circuit.organic_flow)
        times, there = timed(repeats, lambda: solve_steady(more, start=state))
        found["warm_10_percent"] = judged(more, times, there)
        times, there = timed(repeats, lambda: solve_steady(more))
        found["cold_10_percent"] = judged(more, times, there)
    return found


def growth(case: dict[str, Any], repeats: int) -> dict[str, Any]:
    """Return the cold lines at rising numbers of stages, and the exponent of their medians."""
    import numpy as np

    lines = {
        str(stages): cold_and_warm(circuit_of(case, stages), repeats, warm=False)["cold"]
        for stages in case["stages_in_all"]
    }
    logs = np.log([[line["stages"], line["least_seconds"]] for line in lines.values()])
    return {"exponent": float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0]), "lines": lines}


def at_once(circuit: Circuit, plants: int) -> dict[str, Any]:
    """Return the line of plants with flows within 5 % of each other, solved at once."""
    import numpy as np

    from raffinate.plant.steady_many import solve_steady_many

    factors = np.random.default_rng(0).uniform(0.95, 1.05, plants)
    many = [replace(circuit, organic_flow=f * circuit.organic_flow) for f in factors]
    times, found = timed(2, lambda: solve_steady_many(many, check_mixers=False))
    return {f"{name}_per_plant": value / plants for name, value in times.items()} | {
        "plants": plants,
        "converged": int(found.converged.sum()),
        "alone": int(found.alone.sum()),
        "residual": float(found.residual.max()),
        "balance_error": float(found.balance_error.max()),
        "iterations_most": int(found.iterations.max()),
    }


def over_ideal(line: dict[str, Any], ideal: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return medians of a case over those of its ideal namesake, for every start it has."""
    kinds = ("seconds", "processor_seconds", "least_processor_seconds")
    return {
        start: {kind: line[start][kind] / ideal[start][kind] for kind in kinds} for start in line
    }


def with_namesakes(names: list[str]) -> dict[str, dict[str, Any]]:
    """Return the cases named and the ideal namesakes they are compared with, these first."""
    cases = {name: read_case(name) for name in names}
    ideal = dict.fromkeys(case["ideal"] for case in cases.values() if "ideal" in case)
    return {name: cases.get(name) or read_case(name) for name in (*ideal, *cases)}


def run(names: list[str], quick: bool) -> dict[str, Any]:
    """Return every line of the cases named."""
    repeats = 3 if quick else 25
    report: dict[str, Any] = {}
    for name, case in with_namesakes(names).items():
        if "stages_in_all" in case:
            if quick:
                case["stages_in_all"] = case["stages_in_all"][:2]
            report[name] = growth(case, repeats)
            continue
        report[name] = cold_and_warm(circuit_of(case), repeats, warm=case.get("warm", True))
        if "ideal" in case:
            report[name]["over_ideal"] = over_ideal(report[name], report[case["ideal"]])
        if name == "steady_60x3":
            report[name]["at_once"] = at_once(circuit_of(case), 16 if quick else PLANTS_AT_ONCE)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report["peak_memory_MiB"] = peak / (1024.0 if sys.platform != "darwin" else 1024.0**2)
    assert math.isfinite(report["peak_memory_MiB"])
    return report


def main() -> None:
    """Run the cases and print their JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats, fewer plants")
    parser.add_argument("--case", action="append", help="this case only")
    parser.add_argument("--output", type=Path, help="write the JSON here as well")
    options = parser.parse_args()
    names = options.case or sorted(path.stem for path in CASES.glob("*.yaml"))
    text = json.dumps(run(names, options.quick), indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
