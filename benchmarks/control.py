"""Manual against fuzzy control of the default plant, over upsets and plant-model mismatches.

For every seed the virtual plant differs from the operator's model; each run lasts thirty plant
days and meets one relative step of 240 h, or none; the stand-in for the analyzer makes the
readings. Prints a table, and with --output writes it as JSON and draws it.

    python benchmarks/control.py --jobs 2 --output docs/reference/control-benchmark.json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

STEP_BEGIN_H, STEP_END_H = 120.0, 360.0
RECOVERY_H = 72.0
SIZES = (-0.10, -0.05, 0.05, 0.10)
SUBJECTS = {
    "saponification": "organic.saponification_degree",
    "feed Nd": "feed.nd_mass_fraction",
}


def scenarios() -> dict[str, str | None]:
    """Return the event of each scenario, by name."""
    found: dict[str, str | None] = {"no upset": None}
    for title, name in SUBJECTS.items():
        for size in SIZES:
            factor = 1.0 + size
            text = f"{name}*={factor:g}@{STEP_BEGIN_H:g}h..{STEP_END_H:g}h"
            found[f"{title} {size:+.0%}"] = text
    return found


def one_run(task: tuple[str, str | None, str, int, float]) -> dict[str, Any]:
    """Run one plant for thirty days and judge it."""
    from raffinate.errors import RaffinateError
    from raffinate.plant.events import parse_event
    from raffinate.plant.plant_file import load_plant
    from raffinate.runtime.loop import PlantRun

    name, text, mode, seed, days = task
    plant = load_plant("ceprnd_p507")
    # Hundreds of plant months: by the stand-in that is fitted to the shipped plant's analyzer.
    plant = replace(plant, analyzer=replace(plant.analyzer, model="statistical"))
    story = [] if text is None else [(parse_event(text, plant.circuit.elements), name)]
    begun = time.perf_counter()
    result: dict[str, Any] = {"scenario": name, "mode": mode, "seed": seed}
    try:
        run = PlantRun(plant, seed=seed, mode=mode, duration=days * 86400.0, story=story)
        summary = run.run_to_end()
    except RaffinateError as error:
        return {**result, "error": str(error)}
    return {**result, **_judged(run, summary), "wall_s": time.perf_counter() - begun}


def _judged(run: Any, summary: dict[str, Any]) -> dict[str, Any]:
    columns = run.history.columns()
    hours = columns["t_h"]
    limits = {name: 1.0 - p.purity_limit for name, p in run.plant.products.items()}
    off = [
        hour
        for row, hour in enumerate(hours)
        if any(columns[f"{name}_impurity"][row] > limit for name, limit in limits.items())
    ]
    changes = (0.0, STEP_BEGIN_H, STEP_END_H)
    # A period belongs to the disturbance before it and must be clean once 72 h have passed.
    late = [hour for hour in off if min(hour - c for c in changes if c < hour) > RECOVERY_H]
    return {
        "off_spec_t": {n: p["off_spec_t"] for n, p in summary["products"].items()},
        "hours_to_off_spec": off[0] if off else None,
        "hours_off_spec": len(off) * (hours[1] - hours[0]),
        "held": not off,
        "recovered": bool(off) and not late,
        "balance_error": summary["balance_error"],
        "reagents_per_t_reo": summary["reagents_per_t_reo"],
    }


def gather(results: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield one row per scenario and mode."""
    keys = list(dict.fromkeys((r["scenario"], r["mode"]) for r in results))
    for scenario, mode in keys:
        rows = [r for r in results if (r["scenario"], r["mode"]) == (scenario, mode)]
        good = [r for r in rows if "error" not in r]
        to_off = sorted(r["hours_to_off_spec"] for r in good if r["hours_to_off_spec"] is not None)
        yield {
            "scenario": scenario,
            "mode": mode,
            "runs": len(rows),
            "failed": len(rows) - len(good),
            "off_spec_t_mean": sum(sum(r["off_spec_t"].values()) for r in good) / max(len(good), 1),
            "off_spec_t_worst": max((sum(r["off_spec_t"].values()) for r in good), default=0.0),
            "hours_to_off_spec_median": to_off[len(to_off) // 2] if to_off else None,
            "went_off": len(to_off),
            "held": sum(r["held"] for r in good) / max(len(rows), 1),
            "held_or_recovered": sum(r["held"] or r["recovered"] for r in good) / max(len(rows), 1),
        }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| upset | mode | off-spec t REO, mean | worst | hours to off-spec, median | "
        "held | held or recovered |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        to_off = row["hours_to_off_spec_median"]
        shown = "never" if to_off is None else f"{to_off:.0f}"
        lines.append(
            f"| {row['scenario']} | {row['mode']} | {row['off_spec_t_mean']:.1f} | "
            f"{row['off_spec_t_worst']:.1f} | {shown} | {row['held']:.0%} | "
            f"{row['held_or_recovered']:.0%} |"
        )
    return "\n".join(lines)


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw off-spec tonnes and the share held or recovered, manual beside fuzzy."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(row["scenario"] for row in rows))
    figure = Figure(figsize=(9.0, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    colours = {"manual": "#b04a3a", "fuzzy": "#2b6a8f"}
    for shift, mode in ((0.19, "manual"), (-0.19, "fuzzy")):
        chosen = {row["scenario"]: row for row in rows if row["mode"] == mode}
        if len(chosen) < len(names):
            continue
        places = [len(names) - 1 - k + shift for k in range(len(names))]
        tonnes = [chosen[name]["off_spec_t_mean"] for name in names]
        left.barh(places, tonnes, 0.36, color=colours[mode], label=mode)
        for place, value in zip(places, tonnes, strict=True):
            left.text(value, place, f" {value:.1f}", va="center", fontsize=8)
        share = [100.0 * chosen[name]["held_or_recovered"] for name in names]
        right.barh(places, share, 0.36, color=colours[mode])
        for place, value in zip(places, share, strict=True):
            right.text(value, place, f" {value:.0f}", va="center", fontsize=8)
    left.set_yticks(range(len(names)), names[::-1])
    left.set_xlabel("off-spec in 30 days, t REO, mean of the seeds")
    right.set_xlabel("runs held or recovered, %")
    right.set_xlim(0.0, 112.0)
    left.margins(x=0.1)
    left.legend(frameon=False, loc="best")
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="x", alpha=0.25)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="1-10", help="such as 1-10 or 101,102")
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--modes", default="manual,fuzzy")
    parser.add_argument("--only", default="", help="scenarios whose name contains this")
    parser.add_argument("--output", type=Path, help="write every run as JSON")
    parser.add_argument("--picture", type=Path, help="draw the table, PNG or SVG")
    parser.add_argument("--read", type=Path, help="take the runs of an earlier --output instead")
    options = parser.parse_args()
    results = json.loads(options.read.read_text())["runs"] if options.read else run_all(options)
    order = list(scenarios())
    results.sort(key=lambda r: (order.index(r["scenario"]), r["mode"] != "manual", r["seed"]))
    rows = list(gather(results))
    print(table(rows))
    if options.output is not None:
        text = json.dumps({"rows": rows, "runs": results}, indent=1, ensure_ascii=False)
        options.output.write_text(text + "\n")
    if options.picture is not None:
        draw(rows, options.picture)


def run_all(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run every scenario in every mode for every seed; progress goes to stderr."""
    if "-" in options.seeds:
        low, high = (int(part) for part in options.seeds.split("-"))
        seeds = list(range(low, high + 1))
    else:
        seeds = [int(part) for part in options.seeds.split(",")]
    tasks = [
        (name, text, mode, seed, options.days)
        for name, text in scenarios().items()
        if options.only in name
        for mode in options.modes.split(",")
        for seed in seeds
    ]
    results: list[dict[str, Any]] = []
    context = multiprocessing.get_context("spawn")
    with context.Pool(options.jobs) as pool:
        for done, result in enumerate(pool.imap_unordered(one_run, tasks), start=1):
            results.append(result)
            left = sum(result.get("off_spec_t", {}).values())
            note = result.get("error", f"{left:.2f} t off-spec")
            print(
                f"{done}/{len(tasks)} {result['scenario']}, {result['mode']}, seed "
                f"{result['seed']}: {note}",
                file=sys.stderr,
                flush=True,
            )
    return results


if __name__ == "__main__":
    main()
