"""Figures of the runtime: what a run must stand and what it may cost. Prints JSON.

Each figure is a part that can be run alone. Numbers stand beside what they must be and should be.
Everything is written to temporary folders and removed.

    python benchmarks/runtime.py                          # all, in full: most of an hour
    python benchmarks/runtime.py --only kills --only soak
    python benchmarks/runtime.py --reduced --output figures.json
    python benchmarks/runtime.py --read benchmarks/results/runtime.json     # its table
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from engine import machine

FIGURES = {
    "tags": "runtime_reused",
    "web": "runtime_reused",
    "historian": "runtime_reused",
    "paint": "runtime_paint",
    "kills": "runtime_kills",
    "fuzz": "runtime_fuzz",
    "links": "runtime_links",
    "soak": "runtime_soak",
}
"""Figures in their order, and the modules with a function of the same name."""


def measured(name: str, reduced: bool) -> dict[str, Any]:
    """Measure one figure."""
    figure: Callable[[bool], Any] = getattr(import_module(FIGURES[name]), name)
    print(f"{name} …", file=sys.stderr, flush=True)
    load, begun = _load(), time.monotonic()
    found = figure(reduced).to_dict()
    return {
        **found,
        "reduced": reduced,
        "wall_s": round(time.monotonic() - begun, 1),
        "load_average_1_min": [load, _load()],
    }


def _load() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a table for people."""
    lines = []
    for figure in figures.values():
        lines.append(f"{figure['title']}  ({figure['wall_s']:.0f} s)")
        for row in figure["limits"]:
            verdict = {True: "ok", False: "NOT MET", None: ""}[row["met"]]
            asked = [f"{k} ≤ {row[k]:g}" for k in ("must", "reach") if row[k] is not None]
            told = f"{row['value']:,.10g} {row['unit']}".strip()
            lines.append(f"  {row['what']:<52} {told:>18}  {', '.join(asked):<24} {verdict}")
    return "\n".join(lines)


def markdown(figures: dict[str, Any]) -> str:
    """Return the figures as the table of the documentation."""
    lines = ["| what | measured | must | reach |", "|---|---:|---:|---:|"]
    for figure in figures.values():
        load = " to ".join(f"{each:.1f}" for each in figure["load_average_1_min"])
        lines.append(f"| **{figure['title']}** (load average {load}) | | | |")
        for row in figure["limits"]:
            must, reach = (
                "" if row[each] is None else f"{row[each]:,g} {row['unit']}".strip()
                for each in ("must", "reach")
            )
            told = f"{row['value']:,.10g} {row['unit']}".strip()
            lines.append(f"| {row['what']} | {told} | {must} | {reach} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", choices=FIGURES, help="may be repeated")
    parser.add_argument("--reduced", action="store_true", help="small, in minutes, as in CI")
    parser.add_argument("--output", type=Path, help="write the JSON here as well")
    parser.add_argument("--update", action="store_true", help="keep the other figures of --output")
    parser.add_argument("--read", type=Path, help="print the table of such a file, and no more")
    given = parser.parse_args()
    if given.read is not None:
        print(markdown(json.loads(given.read.read_text(encoding="utf-8"))["figures"]))
        return
    figures: dict[str, Any] = {}
    if given.update and given.output is not None and given.output.exists():
        figures = json.loads(given.output.read_text(encoding="utf-8"))["figures"]
    for name in given.only or FIGURES:
        figures[name] = measured(name, given.reduced)
        figures = {each: figures[each] for each in FIGURES if each in figures}
        report = {
            "machine": machine(),
            "met": all(figure["met"] for figure in figures.values()),
            "figures": figures,
        }
        text = json.dumps(report, indent=2)
        if given.output is not None:
            given.output.write_text(text + "\n", encoding="utf-8")
    print(text)
    print(table(figures), file=sys.stderr)


if __name__ == "__main__":
    main()
