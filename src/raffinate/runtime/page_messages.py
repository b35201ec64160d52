"""The run as the page sees it: documented in docs/reference/page-messages.md."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from raffinate.plant.model import Plant
from raffinate.runtime.loop import PlantRun
from raffinate.runtime.messages import Note
from raffinate.runtime.operate import MODES
from raffinate.runtime.upsets import UPSETS
from raffinate.units import HOUR

SPEEDS = (0, 600, 3600, 10800, 86400)
"""Plant seconds per wall second that the page offers; 0 holds plant time."""

STARTING = "Solving the nominal state and compiling (first start only)…"
"""What is said while the plant is being built."""


def speeds(first: float) -> list[float]:
    """Return the speeds a page may choose, the one the run began with among them."""
    return sorted({*SPEEDS, first})


def starting() -> dict[str, Any]:
    """Return what a page is told while the plant is being built."""
    return {"type": "starting", "text": STARTING}


def hello(run: PlantRun, speed: float) -> dict[str, Any]:
    """Return the first message of a run: the plant, its history and its events."""
    return {
        "type": "hello",
        "plant": {**_description(run), "speeds": speeds(speed)},
        "trend": clean(run.history.columns()),
        "events": [event(note) for note in run.history.notes],
        "horizon_h": run.duration / HOUR,
    }


def _description(run: PlantRun) -> dict[str, Any]:
    plant = run.plant
    return {
        "name": plant.name,
        "title": plant.title,
        "virtual": True,
        "elements": list(plant.circuit.elements),
        "sections": _sections(plant),
        "feed_stage": plant.circuit.last_stage("extraction") + 1,
        "monitored": [stage + 1 for stage in plant.analyzer.monitored_stages],
        "products": [
            {
                "name": product.name,
                "title": product.title,
                "limit": product.purity_limit,
                "from_stage": plant.stage_index(product) + 1,
                "keys": list(product.elements),
            }
            for product in plant.products.values()
        ],
        "levers": [
            {
                "name": lever.name,
                "title": plant.levers[lever.name].title,
                "unit": "m³/h",
                "low": round(lever.low * HOUR, 3),
                "high": round(lever.high * HOUR, 3),
                "nominal": run.operate.nominal[lever.name] * HOUR,
            }
            for lever in run.operate.guard.levers
        ],
        "modes": list(MODES),
        "upsets": [{"name": upset.name, "title": upset.title} for upset in UPSETS.values()],
    }


def _sections(plant: Plant) -> list[dict[str, Any]]:
    found, first = [], 1
    for section in plant.circuit.sections:
        last = first + section.stages - 1
        found.append({"name": section.name, "first": first, "last": last})
        first = last + 1
    return found


def event(note: Note) -> dict[str, Any]:
    """Return a note as the page's event."""
    return {
        "type": "event",
        "t_h": note.time / HOUR,
        "kind": note.kind,
        "text": note.text,
        "priority": note.priority,
    }


def trend(run: PlantRun, since: int) -> dict[str, Any]:
    """Return the rows of the history written after the first `since`."""
    return {"type": "trend", "columns": clean(run.history.columns(since))}


def state(run: PlantRun, speed: float, phase: str) -> dict[str, Any]:
    """Return the present of a run."""
    operate = run.operate
    message: dict[str, Any] = {
        "type": "state",
        "t_h": run.twin.time / HOUR,
        "run": phase,
        "speed": speed,
        "mode": operate.mode,
        "products": {name: _product(run, name) for name in run.plant.products},
        "reagents_per_t_reo": run.reagents_per_t_reo(),
        "levers": {name: _lever(run, name) for name in run.plant.levers},
        "profile": _profile(run),
        "readings": _readings(run),
        "targets": _targets(run),
        "rules": [
            {"text": text.replace("_", " "), "strength": strength}
            for text, strength in operate.advice.rules
        ],
        "alarms": [
            {
                "tag": alarm.tag,
                "text": alarm.text,
                "priority": alarm.priority,
                "since_h": alarm.since / HOUR,
            }
            for alarm in operate.alarms.standing
        ],
        "upsets": _upsets(run),
        "analyzer": _analyzer(run),
    }
    cleaned: dict[str, Any] = clean(message)
    return cleaned


def _upsets(run: PlantRun) -> list[dict[str, Any]]:
    now = run.twin.time
    return [
        {
            "name": active.name,
            "title": active.title,
            "from_h": active.event.begin / HOUR,
            "to_h": active.event.end / HOUR if math.isfinite(active.event.end) else None,
            "active": active.event.begin <= now < active.event.end,
        }
        for active in run.twin.upsets
        if active.event.begin <= now
    ]


def _product(run: PlantRun, name: str) -> dict[str, Any]:
    account, product = run.twin.accounts[name], run.plant.products[name]
    recovery, hours = run.recovery(name), run.twin.time / HOUR
    return {
        "purity": account.purity,
        "lab": _assay(run, name),
        "in_spec": bool(not account.purity < product.purity_limit),
        "off_spec_h": account.off_spec_time / HOUR,
        "off_spec_t": account.off_spec / 1000.0,
        "lots": account.lots,
        "lots_off_spec": account.lots_off_spec,
        "recovery": None if recovery is None else round(recovery, 5),
        "reo_kg_per_h": float(account.made.sum()) / hours if hours > 0.0 else None,
    }


def _assay(run: PlantRun, name: str) -> dict[str, Any] | None:
    assay = run.operate.assays.get(name)
    if assay is None:
        return None
    impurity, sigma = assay.impurity(run.plant.products[name].elements)
    return {
        "purity": 1.0 - impurity,
        "age_h": (run.twin.time - assay.sample_time) / HOUR,
        "sigma": sigma,
    }


def _lever(run: PlantRun, name: str) -> dict[str, Any]:
    report = run.operate.report
    return {
        "setpoint": run.operate.in_force[name] * HOUR,
        "measured": None if report is None else report.measured[name] * HOUR,
        "held_by": run.operate.held_by(name),
    }


def _profile(run: PlantRun) -> dict[str, Any]:
    snapshot, elements = run.twin.profile(), run.plant.circuit.elements
    return {
        "aqueous": {
            e: [round(v, 12) for v in (snapshot.aqueous[:, k] / 1e3).tolist()]
            for k, e in enumerate(elements)
        },
        "organic": {
            e: [round(v, 12) for v in (snapshot.organic[:, k] / 1e3).tolist()]
            for k, e in enumerate(elements)
        },
        "pH": (-np.log10(snapshot.proton / 1e3)).round(4).tolist(),
        "free_extractant": (snapshot.free_extractant / 1e3).round(5).tolist(),
    }


def _readings(run: PlantRun) -> list[dict[str, Any]]:
    rows = []
    for place, reading in run.operate.state.readings.items():
        if not reading.values.sum() > reading.detection_limit.sum():
            continue
        fractions, covariance = reading.fractions("mole")
        sigma = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
        stage = int(place.removeprefix("stage ")) if place.startswith("stage ") else None
        verdict = run.operate.state.quality.get(place, "good")
        rows.append(
            {
                "place": place,
                "stage": stage,
                "age_h": (run.twin.time - reading.sample_time) / HOUR,
                "fraction": dict(zip(reading.elements, fractions.tolist(), strict=True)),
                "sigma": dict(zip(reading.elements, sigma.tolist(), strict=True)),
                "quality": verdict if verdict in ("bad", "stale") else "good",
            }
        )
    return rows


def _targets(run: PlantRun) -> list[dict[str, Any]]:
    supervisor, rows = run.operate.supervisor, []
    if len(supervisor.heavy) != 1:
        return []
    for stage in supervisor.stages:
        trim = run.operate.state.trim[0 if stage.side < 0 else 1]
        ratio = 10.0 ** (stage.target + trim)
        rows.append(
            {
                "stage": int(stage.place.removeprefix("stage ")),
                "fraction": {supervisor.heavy[0]: ratio / (1.0 + ratio)},
            }
        )
    return rows


def _analyzer(run: PlantRun) -> dict[str, Any] | None:
    readings = run.operate.state.previous
    if not readings:
        return None
    newest = max(readings.values(), key=lambda reading: reading.sample_time)
    return {
        "place": newest.place,
        "age_h": (run.twin.time - newest.sample_time) / HOUR,
    }


def clean(value: Any) -> Any:
    """Return the value with every number JSON cannot carry turned into None."""
    if isinstance(value, dict):
        return {key: clean(each) for key, each in value.items()}
    if isinstance(value, list):
        return [clean(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
