"""What is asked of the chemistry against what is measured: speed, other laboratories, other codes.

Prints one table and, with --json or --output, the same as JSON. Each part imports what it needs by
itself, so that --part measures one where the packages of the others are absent.

    python benchmarks/chemistry.py
    python benchmarks/chemistry.py --quick              # fewer repeats
    python benchmarks/chemistry.py --part speciation    # one part
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine import machine

COEFFICIENTS = (
    Path(__file__).parents[1] / "tests" / "literature" / "data" / "mean_activity_coefficients.csv"
)
LARGEST_MOLALITY = {"HCl": 6.0, "NH4Cl": 5.0}
"""Of the range asked for, [mol/kg]; 3 of the rare-earth chlorides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One line of the table.

    Attributes:
        what: What is measured.
        measured: Its value.
        asked: The limit.
        at_least: Whether the limit is a lower one.
        unit: Of both.
        remark: What a reader must know.
    """

    what: str
    measured: float
    asked: float
    at_least: bool = False
    unit: str = ""
    remark: str = ""

    @property
    def met(self) -> bool:
        """Whether the limit holds."""
        if self.at_least:
            return self.measured >= self.asked
        return self.measured <= self.asked

    def to_dict(self) -> dict[str, Any]:
        """Return the line as plain numbers and texts."""
        return asdict(self) | {"met": self.met}


def throughput(quick: bool) -> list[Judged]:
    """Return contacts per second on one core, each number of elements and model.

    The module that measures them has to keep JAX to one core before it is loaded, so it runs in a
    process of its own.
    """
    command = [sys.executable, str(Path(__file__).with_name("chemistry_throughput.py"))]
    done = subprocess.run(
        [*command, *(("--quick",) if quick else ())], capture_output=True, text=True, check=True
    )
    cases = {k: case for k, case in json.loads(done.stdout).items() if k != "machine"}
    return [
        Judged(
            what=f"contacts a second, {name.replace('_', ', ')} elements",
            measured=case["per_second"],
            asked=case["wanted_per_second"],
            at_least=True,
            unit="1/s",
            remark=f"{case['converged']:.2%} converged, imbalance {case['largest_imbalance']:.0e}",
        )
        for name, case in cases.items()
    ]


def other_laboratories(quick: bool) -> list[Judged]:
    """Return how well a laboratory is predicted by the others, each model and rule."""
    from chemistry_fit import all_variants, unseen_laboratories

    found = []
    for score in (unseen_laboratories(),) if quick else all_variants():
        name = score.variant
        found += [
            Judged(what=f"median |Δlog₁₀ D|, {name}", measured=score.median_error, asked=0.20),
            Judged(what=f"rms Δlog₁₀ D, {name}", measured=score.rms, asked=0.35),
            Judged(
                what=f"rows in 90 % intervals, {name}",
                measured=score.coverage,
                asked=0.80,
                at_least=True,
                remark="and at most 0.97",
            ),
            Judged(
                what=f"β(Nd/Pr) within 2 sd, {name}",
                measured=score.within_stated,
                asked=5,
                at_least=True,
                unit=f"of {score.separations}",
                remark=f"{score.within_expected} by the assay error of an unknown laboratory",
            ),
        ]
    return found


def speciation(quick: bool) -> list[Judged]:
    """Return the largest difference from PHREEQC of each liquor."""
    from chemistry_phreeqc import ALLOWED, LIQUORS, compare, worst

    return [
        Judged(
            what=f"PHREEQC, {liquor.name}",
            measured=worst(compare(liquor)),
            asked=ALLOWED,
            unit="log₁₀ m",
        )
        for liquor in LIQUORS
    ]


def pitzer(quick: bool) -> list[Judged]:
    """Return the largest error of mean activity coefficients of each salt, in its range."""
    lines = COEFFICIENTS.read_text(encoding="utf-8").splitlines()
    worst: dict[str, float] = {}
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        molality, valence = float(row["molality"]), int(row["valence"])
        if molality <= LARGEST_MOLALITY.get(row["salt"], math.inf):
            found = mean_coefficient(row["cation"], valence, molality)
            error = abs(found / float(row["gamma"]) - 1.0)
            worst[row["salt"]] = max(worst.get(row["salt"], 0.0), error)
    return [
        Judged(
            what=f"Pitzer, measured γ± of {salt}",
            measured=100.0 * error,
            asked=3.0,
            unit="%",
            remark="at 3.4 mol/kg, beyond the range asked for" if salt.endswith("Cl3") else "",
        )
        for salt, error in worst.items()
    ]


def mean_coefficient(cation: str, valence: int, molality: float) -> float:
    """Return the mean activity coefficient of a chloride by Pitzer's model, [-]."""
    from raffinate.chemistry.pitzer_build import build_pitzer
    from raffinate.chemistry.species import free_species
    from raffinate.numerics.jax_setup import jnp

    model, parameters, _, _ = build_pitzer([free_species(cation), free_species("chloride")])
    log_gamma, _ = model.log_molal(jnp.array([molality, valence * molality]), parameters)
    return math.exp(float(log_gamma[0] + valence * log_gamma[1]) / (1 + valence))


PARTS: dict[str, Callable[[bool], list[Judged]]] = {
    "throughput": throughput,
    "other_laboratories": other_laboratories,
    "speciation": speciation,
    "pitzer": pitzer,
}


def print_table(report: dict[str, list[Judged]]) -> None:
    """Print every line and whether it is met."""
    for part, lines in report.items():
        print(f"\n{part.replace('_', ' ')}")
        for line in lines:
            sign = "≥" if line.at_least else "≤"
            mark = "met" if line.met else "NOT MET"
            value = f"{line.measured:.4g}"
            limit = f"{sign} {line.asked:.4g} {line.unit}" if math.isfinite(line.asked) else ""
            print(f"  {line.what:58} {value:>10}  {limit:18} {mark}  {line.remark}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--part", choices=PARTS, action="append", help="this part only")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument("--output", type=Path, help="write the JSON here as well")
    options = parser.parse_args()
    report = {name: PARTS[name](options.quick) for name in options.part or PARTS}
    text = json.dumps(
        {
            "machine": machine(),
            "quick": options.quick,
            **{name: [line.to_dict() for line in lines] for name, lines in report.items()},
        },
        indent=2,
        ensure_ascii=False,
    )
    if options.json:
        print(text)
    else:
        print_table(report)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
