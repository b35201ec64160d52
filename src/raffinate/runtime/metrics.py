"""The run as Prometheus scrapes it: text exposition format 0.0.4.

Source: Prometheus documentation, "Exposition formats" and "Metric and label naming": base units,
units and `_total` as suffixes, one HELP and TYPE per family.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from raffinate.runtime.page_hub import PUSH_BOUNDS, PushTimes
from raffinate.runtime.page_state import Surroundings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of the answer."""

Labels = Mapping[str, str]
Sample = tuple[Labels, float | None]

CUBIC_METRES_PER_SECOND = 1.0 / 3600.0
"""m³/s in one m³/h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A metric with its samples.

    Attributes:
        name: With its unit, after "raffinate_".
        kind: Type, as Prometheus names it.
        text: What it is.
        samples: Labels and value of each; None and what is not finite is left out.
    """

    name: str
    kind: Literal["gauge", "counter"]
    text: str
    samples: tuple[Sample, ...]


def render(families: Iterable[Family]) -> str:
    """Return metrics as text."""
    lines = []
    for family in families:
        name = f"raffinate_{family.name}"
        lines += [f"# HELP {name} {_escaped(family.text)}", f"# TYPE {name} {family.kind}"]
        lines += [
            f"{name}{_labels(labels)} {value!r}"
            for labels, value in family.samples
            if value is not None and math.isfinite(value)
        ]
    return "\n".join(lines) + "\n"


def render_histogram(name: str, text: str, times: PushTimes) -> str:
    """Return a histogram of seconds as text."""
    name = f"raffinate_{name}"
    lines = [f"# HELP {name} {_escaped(text)}", f"# TYPE {name} histogram"]
    total = 0
    for bound, count in zip((*PUSH_BOUNDS, math.inf), times.counts, strict=True):
        total += count
        shown = "+Inf" if math.isinf(bound) else f"{bound:g}"
        lines.append(f'{name}_bucket{{le="{shown}"}} {total}')
    lines += [f"{name}_sum {times.total!r}", f"{name}_count {total}"]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    inside = ",".join(f'{key}="{_escaped(value, quoted=True)}"' for key, value in labels.items())
    return f"{{{inside}}}"


def _escaped(text: str, *, quoted: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quoted else text


def run_metrics(
    state: Mapping[str, Any] | None,
    around: Surroundings,
    *,
    lag: float | None,
    pages: int,
    states: int,
    events: int,
) -> str:
    """Return the metrics of a run.

    Args:
        state: A `state` message; None while there is no plant.
        around: Processes and links.
        lag: Plant time by which the history is behind, [s]; None without history.
        pages: Pages that are open.
        states: States written for pages so far.
        events: Notes known.
    """
    plant: tuple[Family, ...] = ()
    if state is not None:
        plant = (*_plant(state), *_levers(state["levers"]), *_alarms(state["alarms"]))
    return render(
        (
            *plant,
            *_processes(around.processes, around.links),
            _single("history_lag_seconds", "Plant time by which the history is behind.", lag),
            _single("web_pages", "Pages that are open.", float(pages)),
            _single("web_events", "Notes in the event log of the page.", float(events)),
            Family(
                name="web_states_total",
                kind="counter",
                text="States written for pages.",
                samples=(({}, float(states)),),
            ),
        )
    )


def _single(name: str, text: str, value: float | None) -> Family:
    return Family(name=name, kind="gauge", text=text, samples=(({}, value),))


def _by(
    name: str,
    text: str,
    label: str,
    rows: Mapping[str, float | None],
    kind: Literal["gauge", "counter"] = "gauge",
) -> Family:
    samples = tuple(({label: key}, value) for key, value in rows.items())
    return Family(name=name, kind=kind, text=text, samples=samples)


def _plant(state: Mapping[str, Any]) -> tuple[Family, ...]:
    products = state["products"]

    def of(key: str, factor: float = 1.0) -> dict[str, float | None]:
        return {n: None if p[key] is None else factor * p[key] for n, p in products.items()}

    return (
        _single("plant_time_seconds", "Plant time since the run began.", 3600.0 * state["t_h"]),
        _single("plant_speed_ratio", "Plant seconds per wall second.", state["speed"]),
        _by("plant_phase", "1 for the phase the run is in.", "phase", {state["run"]: 1.0}),
        _by("control_mode", "1 for the mode of control.", "mode", {state["mode"]: 1.0}),
        _by("product_purity_ratio", "Mass fraction of REO at the outlet.", "product", of("purity")),
        _by("product_in_spec", "1 where the outlet is within its limit.", "product",
            of("in_spec")),
        _by("product_off_spec_seconds", "Time below the limit so far.", "product",
            of("off_spec_h", 3600.0)),
        _by("product_off_spec_kilograms", "REO that left below the limit so far.", "product",
            of("off_spec_t", 1000.0)),
        _by("product_lots_total", "Lots closed.", "product", of("lots"), "counter"),
        _by("product_lots_off_spec_total", "Lots below their limit.", "product",
            of("lots_off_spec"), "counter"),
        _by("reagents_ratio", "Mass of reagent per mass of REO made.", "reagent",
            state["reagents_per_t_reo"]),
    )  # fmt: skip


def _levers(levers: Mapping[str, Mapping[str, Any]]) -> tuple[Family, ...]:
    def flows(key: str) -> dict[str, float | None]:
        return {
            name: None if lever[key] is None else CUBIC_METRES_PER_SECOND * lever[key]
            for name, lever in levers.items()
        }

    return (
        _by("flow_setpoint_cubic_metres_per_second", "Setpoint in force.", "lever",
            flows("setpoint")),
        _by("flow_measured_cubic_metres_per_second", "Measured flow.", "lever",
            flows("measured")),
    )  # fmt: skip


def _alarms(alarms: Sequence[Mapping[str, Any]]) -> tuple[Family, ...]:
    counts: dict[tuple[str, str], int] = {
        (priority, state): 0
        for priority in ("low", "medium", "high")
        for state in ("unacknowledged", "acknowledged")
    }
    for alarm in alarms:
        key = (str(alarm.get("priority")), str(alarm.get("state")))
        counts[key] = counts.get(key, 0) + 1
    return (
        Family(
            name="alarms",
            kind="gauge",
            text="Alarms listed now.",
            samples=tuple(
                ({"priority": priority, "state": state}, float(count))
                for (priority, state), count in counts.items()
            ),
        ),
    )


def _processes(
    processes: Sequence[Mapping[str, Any]], links: Sequence[Mapping[str, Any]]
) -> tuple[Family, ...]:
    def of(key: str, factor: float = 1.0) -> dict[str, float | None]:
        return {
            str(row["name"]): None if row[key] is None else factor * row[key] for row in processes
        }

    def link(key: str, factor: float = 1.0) -> dict[str, float | None]:
        return {str(row["name"]): None if row[key] is None else factor * row[key] for row in links}

    running = {str(row["name"]): float(row["state"] == "running") for row in processes}
    return (
        _by("process_running", "1 where a process runs.", "process", running),
        _by("process_restarts_total", "Starts after the first.", "process", of("restarts"),
            "counter"),
        _by("process_cpu_ratio", "Share of one core.", "process", of("cpu_percent", 0.01)),
        _by("process_resident_memory_bytes", "Resident memory.", "process",
            of("memory_MB", 1e6)),
        _by("process_heartbeat_age_seconds", "Wall time since its last sign of life.", "process",
            of("age_s")),
        _by("link_connected", "1 where a link holds.", "link", link("connected")),
        _by("link_age_seconds", "Wall time since anything came over it.", "link", link("age_s")),
        _by("link_round_trip_seconds", "Wall time from an order to its report.", "link",
            link("round_trip_ms", 1e-3)),
    )  # fmt: skip
