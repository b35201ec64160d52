"""The default story, told in manual and under fuzzy control, and each upset alone.

Prints, for the plant equal to its model and left in manual, the hours from each upset to the first
off-specification product; for the plants of the seeds left in manual without any upset, when they
drift off; and the whole story in manual and fuzzy. With --picture it draws the story. Readings
come from the stand-in for the analyzer. With --analyzer chain each reading of the whole story is
counted and quantified, as the shipped plant does, some five minutes of computing for each mode;
--hours ends it earlier, --modes leaves one out, and --only-story leaves out the rest.

    python benchmarks/story.py --picture docs/img/story.png
    python benchmarks/story.py --only-story --analyzer chain --modes fuzzy
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from raffinate.plant.model import Plant
from raffinate.plant.plant_file import load_plant
from raffinate.runtime.loop import PlantRun
from raffinate.runtime.upsets import DEFAULT_STORY, UPSETS
from raffinate.units import HOUR

UPSET_AT = 24.0 * HOUR

MODES = ("manual", "fuzzy")


Analyzer = Literal["chain", "statistical"]


def default_plant(analyzer: Analyzer = "statistical") -> Plant:
    """Return the shipped plant with this model of its analyzer."""
    plant = load_plant("ceprnd_p507")
    return replace(plant, analyzer=replace(plant.analyzer, model=analyzer))


def first_off_spec(run: PlantRun) -> float | None:
    """Return the first hour at which a product was off specification."""
    found = [
        product["hours_to_off_spec"]
        for product in run.summary()["products"].values()
        if product["hours_to_off_spec"] is not None
    ]
    return min(found, default=None)


def upsets_alone() -> list[dict[str, Any]]:
    """Return hours to off-spec of each upset of the story, alone, in manual, matched plant."""
    rows = []
    for _, name in DEFAULT_STORY:
        upset = UPSETS[name]
        run = PlantRun(
            default_plant(),
            mode="manual",
            matched=True,
            duration=UPSET_AT + 200.0 * HOUR,
            story=[(upset.begun(UPSET_AT), upset.title)],
        )
        run.run_to_end()
        first = first_off_spec(run)
        after = None if first is None else first - UPSET_AT / HOUR
        rows.append({"upset": upset.title, "hours_to_off_spec": after})
    return rows


def drift(seeds: list[int]) -> list[dict[str, Any]]:
    """Return when plants that differ from their model drift off by themselves, in manual."""
    rows = []
    for seed in seeds:
        run = PlantRun(default_plant(), mode="manual", seed=seed, duration=300.0 * HOUR, story=[])
        run.run_to_end()
        rows.append({"seed": seed, "hours_to_off_spec": first_off_spec(run)})
    return rows


def told(mode: str, seed: int, analyzer: Analyzer, hours: float) -> tuple[PlantRun, float]:
    """Return the default story, run to its end, and the CPU time it took, [s]."""
    begun = time.process_time()
    run = PlantRun(default_plant(analyzer), mode=mode, seed=seed, duration=hours * HOUR)
    run.run_to_end()
    return run, time.process_time() - begun


def draw(runs: dict[str, PlantRun], path: Path) -> None:
    """Draw impurities and flows of the story in manual and fuzzy."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 6.6), layout="constrained")
    axes = figure.subplots(3, 1, sharex=True, height_ratios=(2, 2, 1.5))
    colours = {"manual": "#b04a3a", "fuzzy": "#2b6a8f"}
    for axis, product in zip(axes, ("cepr", "nd"), strict=False):
        for mode, run in runs.items():
            columns = run.history.columns()
            axis.semilogy(
                columns["t_h"], columns[f"{product}_impurity"], color=colours[mode], label=mode
            )
        axis.axhline(1e-3, color="0.3", linestyle="--", linewidth=0.9)
        axis.text(4, 1.08e-3, "limit 0.1 %", fontsize=8, color="0.3")
        title = "Nd in Ce/Pr" if product == "cepr" else "Ce + Pr in Nd"
        axis.set_ylabel(f"{title}\nmass fraction of REO")
        axis.set_ylim(5e-5, 5e-1)
    axes[1].legend(loc="upper left", ncols=2, frameon=False)
    columns = runs["fuzzy"].history.columns()
    nominal = runs["fuzzy"].operate.nominal
    for name, style in (("organic_flow", "-"), ("scrub_flow", "--"), ("acid_flow", ":")):
        share = [value / (nominal[name] * HOUR) for value in columns[f"{name}_sp"]]
        title = runs["fuzzy"].plant.levers[name].title
        axes[2].plot(columns["t_h"], share, style, color=colours["fuzzy"], label=title)
    axes[2].set_ylabel("fuzzy setpoints\nover nominal")
    axes[2].legend(loc="upper right", ncols=3, frameon=False, fontsize=8)
    axes[2].set_xlabel("plant time, h")
    for axis in axes:
        axis.grid(alpha=0.25)
        for begin, name in DEFAULT_STORY:
            end = min(begin + UPSETS[name].duration, runs["fuzzy"].duration)
            axis.axvspan(begin / HOUR, end / HOUR, color="0.5", alpha=0.13, linewidth=0)
    for begin, name in DEFAULT_STORY:
        axes[0].annotate(
            UPSETS[name].title,
            (begin / HOUR, 4.2e-1),
            fontsize=8,
            va="top",
            xytext=(3, 0),
            textcoords="offset points",
        )
    figure.savefig(path, dpi=150)


def main() -> None:
    """Tell the story."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--drift-seeds", type=int, default=5)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--analyzer", choices=("statistical", "chain"), default="statistical")
    parser.add_argument("--hours", type=float, default=720.0)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--only-story", action="store_true")
    options = parser.parse_args()
    if options.picture is not None and set(options.modes) != set(MODES):
        parser.error("the picture needs both modes")
    found = {
        mode: told(mode, options.seed, options.analyzer, options.hours) for mode in options.modes
    }
    runs = {mode: run for mode, (run, _) in found.items()}
    result: dict[str, Any] = {}
    if not options.only_story:
        result["upsets_alone_in_manual"] = upsets_alone()
        result["manual_without_upset"] = drift(list(range(1, options.drift_seeds + 1)))
    result["analyzer"] = options.analyzer
    result["story"] = {
        mode: {**run.summary(), "cpu_s": round(cpu, 1)} for mode, (run, cpu) in found.items()
    }
    print(json.dumps(result, indent=1, ensure_ascii=False))
    if options.picture is not None:
        draw(runs, options.picture)


if __name__ == "__main__":
    main()
