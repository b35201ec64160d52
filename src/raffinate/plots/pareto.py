"""Pictures of what is traded for cost, and of what moves an outcome how much."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from raffinate.plots.canvas import (
    ELEMENT_COLOURS,
    LEVER_COLOURS,
    TEXT,
    clean,
    drawing,
    new_figure,
    save_picture,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from raffinate.plant.gradients import Gradients
    from raffinate.plant.network_stages import NetworkStageSearch
    from raffinate.plant.optimise_stages import StageSearch
    from raffinate.plant.pareto import ParetoFront

PANEL = (6.4, 4.2)
"""Size of a picture with one panel, [inch]."""

FLOW_TITLES = {"organic_flow": "organic", "scrub_flow": "scrub", "acid_flow": "acid"}
"""Of the flows of a plant of one circuit."""

ORGANIC = ".organic_"
"""In the names of the organic of a circuit of many."""

BAR_HEIGHT = 0.27
"""Of one bar of a tornado, [inch]."""


def save_pareto(front: ParetoFront, path: Path) -> None:
    """Draw a front and write it by the ending of `path`: PNG, SVG or PDF.

    Raises:
        SpecificationError: The ending is another one, or the file cannot be written.
    """
    save_picture(pareto_figure(front), path)


def save_tornado(found: Gradients, outcome: str, path: Path, count: int = 15) -> None:
    """Draw what moves an outcome and write it by the ending of `path`: PNG, SVG or PDF.

    Raises:
        SpecificationError: No such outcome or ending, or the file cannot be written.
    """
    save_picture(tornado_figure(found, outcome, count), path)


def save_stages(search: StageSearch | NetworkStageSearch, path: Path) -> None:
    """Draw the trials of a search over stages and write it by the ending of `path`.

    Raises:
        SpecificationError: The ending is another one, or the file cannot be written.
    """
    save_picture(stages_figure(search), path)


def pareto_figure(front: ParetoFront) -> Figure:
    """Return the front: cost against what is traded for it, flows of each plant beneath."""
    with drawing():
        figure = new_figure(PANEL[0], PANEL[1] + 2.0)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.0, 1.2))
        across = [point.other for point in front.points]
        order = sorted(range(len(across)), key=across.__getitem__)
        x = [across[k] for k in order]
        cost = [front.points[k].cost for k in order]
        upper.plot(x, cost, color=LEVER_COLOURS[1], marker="o", markersize=5, linewidth=1.6)
        upper.set_ylabel(f"cost, {front.currency} per kg REO")
        _draw_flows(lower, front, order, x)
        lower.set_xlabel(front.axis)
        for axes in (upper, lower):
            clean(axes)
        figure.suptitle(f"{front.plant_name}: least cost against {front.axis.partition(',')[0]}")
    return figure


def _draw_flows(axes: Axes, front: ParetoFront, order: list[int], x: list[float]) -> None:
    first = front.points[order[0]].flows
    # Of many circuits only the organic: its acid and its draw move with it.
    names = [name for name in first if name in FLOW_TITLES or ORGANIC in name]
    for place, name in enumerate(names):
        axes.plot(
            x,
            [front.points[k].flows[name] / first[name] for k in order],
            color=ELEMENT_COLOURS[place % len(ELEMENT_COLOURS)]
            if len(names) > len(LEVER_COLOURS)
            else LEVER_COLOURS[place],
            linestyle="-" if place < len(ELEMENT_COLOURS) else "--",
            marker=".",
            linewidth=1.2,
            label=FLOW_TITLES.get(name, f"{name.partition('.')[0]}: organic"),
        )
    axes.set_ylabel("flow, relative")
    axes.legend(frameon=False, fontsize=8.5, ncols=3, loc="best")


def tornado_figure(found: Gradients, outcome: str, count: int = 15) -> Figure:
    """Return what one step of each input does to an outcome, the largest on top."""
    rows = found.tornado(outcome, count)
    with drawing():
        figure = new_figure(PANEL[0] + 0.6, 1.3 + BAR_HEIGHT * max(len(rows), 4))
        axes = figure.subplots()
        effects = [effect for _, _, effect in rows]
        heights = range(len(rows))
        colours = [LEVER_COLOURS[1] if each > 0.0 else LEVER_COLOURS[0] for each in effects]
        axes.barh(heights, effects, color=colours, height=0.7)
        axes.set_yticks(heights, [_step_text(name, step, found) for name, step, _ in rows])
        axes.invert_yaxis()
        axes.axvline(0.0, color=TEXT, linewidth=0.8)
        unit = found.outcome_units[found.outcomes.index(outcome)]
        axes.set_xlabel(f"change of {outcome}" + ("" if unit == "-" else f", {unit}"))
        clean(axes)
        held = "purities met by solving for flows" if found.met else "at given flows"
        axes.set_title(f"{found.plant_name}, {held}", fontsize=10.5, loc="left")
    return figure


def _step_text(name: str, step: float, found: Gradients) -> str:
    value = abs(float(found.input_values[found.inputs.index(name)]))
    relative = step / value if value else 0.0
    return f"{name}  +1 %" if abs(relative - 0.01) < 1e-9 else f"{name}  +{step:g}"


def stages_figure(search: StageSearch | NetworkStageSearch) -> Figure:
    """Return the objective of every choice of stages, in the order of trial, the best marked."""
    with drawing():
        figure = new_figure(*PANEL)
        axes = figure.subplots()
        done = [
            (k + 1, each.value) for k, each in enumerate(search.trials) if each.value is not None
        ]
        trials, values = [k for k, _ in done], [value for _, value in done]
        axes.plot(trials, values, "o", color=LEVER_COLOURS[3], markersize=3.5)
        least = list(accumulate(values, min))
        axes.plot(trials, least, color=LEVER_COLOURS[1], linewidth=1.2, drawstyle="steps-post")
        best = min(done, key=lambda pair: pair[1])
        axes.plot(*best, "o", color=LEVER_COLOURS[1], markersize=8)
        # Few trials late in a search are dear, so this corner is nearly free.
        axes.text(
            0.98,
            0.97,
            _best_stages(search),
            transform=axes.transAxes,
            ha="right",
            va="top",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 2.0},
        )
        optimum = search.best
        axes.set_xlabel("trial")
        axes.set_ylabel(
            f"cost, {optimum.account.prices.currency} per kg REO"
            if optimum.objective == "cost"
            else optimum.objective
        )
        axes.margins(y=0.2)
        clean(axes)
        name = optimum.account.plant_name
        axes.set_title(f"{name}: search over stages", fontsize=10.5, loc="left")
    return figure


def _best_stages(search: StageSearch | NetworkStageSearch) -> str:
    """Return the stages of the best plant, a line for each circuit of many."""
    counts: dict[str, list[str]] = {}
    for name, count in search.stages.items():
        counts.setdefault(name.rpartition(".")[0], []).append(str(count))
    lines = [f"{circuit} {' + '.join(own)}".strip() for circuit, own in counts.items()]
    return "\n".join([*lines[:-1], f"{lines[-1]} stages"])
