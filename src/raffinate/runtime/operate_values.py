"""What operate's server shows: values by tag path, as `tags.py` lists them."""

from __future__ import annotations

import json
from typing import Any

from raffinate.runtime.operate import Operate
from raffinate.runtime.records import reading_to_dict
from raffinate.runtime.tags import Value
from raffinate.units import HOUR


def operate_values(operate: Operate) -> dict[str, Value]:
    """Return modes, setpoints and the controller."""
    rules = [(text.replace("_", " "), strength) for text, strength in operate.advice.rules]
    found: dict[str, Value] = {
        "Time": operate.time,
        "Mode/Current": operate.mode,
        "Controller/Rules": tuple(text for text, _ in rules),
        "Controller/Strengths": tuple(float(strength) for _, strength in rules),
        "Controller/Holding": operate.advice.holding if operate.mode == "fuzzy" else "",
        "Controller/Trim": tuple(float(trim) for trim in operate.state.trim),
        "Targets": _json(targets(operate)),
        "Readings": _json(readings(operate)),
        "Sampling/Wanted": _json(wanted(operate)),
        "Assays": _json({name: reading_to_dict(each) for name, each in operate.assays.items()}),
    }
    found["Plan/Sequence"], found["Plan/Expires"] = operate.plan
    for name in operate.plant.levers:
        folder = f"Levers/{name}"
        found[f"{folder}/InForce"] = operate.in_force[name] * HOUR
        found[f"{folder}/Request"] = operate.requests[name] * HOUR
        found[f"{folder}/HeldBy"] = operate.held_by(name)
        found[f"{folder}/Nominal"] = operate.nominal[name] * HOUR
        if operate.report is not None:
            found[f"{folder}/Measured"] = operate.report.measured[name] * HOUR
            found[f"{folder}/AtPlant"] = operate.report.setpoints[name] * HOUR
    return found


def alarm_values(operate: Operate) -> dict[str, Value]:
    """Return the alarms, their figures and their number."""
    return {
        "Alarms/Standing": _json(operate.alarms.snapshot(operate.time)),
        "Alarms/Figures": _json(operate.alarms.figures(operate.time)),
        "Alarms/Count": operate.alarms.count,
    }


def readings(operate: Operate) -> list[dict[str, Any]]:
    """Return the latest good reading of every place, with what operate thinks of the newest."""
    return [
        {**reading_to_dict(reading), "verdict": operate.state.quality.get(place, "good")}
        for place, reading in operate.state.readings.items()
    ]


def wanted(operate: Operate) -> dict[str, Any]:
    """Return which streams the analyzer is asked for, the most telling first, and why."""
    if operate.worth is None:
        return {"requests": [], "why": ""}
    asked = operate.worth.requests(operate.stages, operate.time)
    rows = [{"stream": each.stream, "worth": float(f"{each.worth:.4g}")} for each in asked]
    return {"requests": rows, "why": operate.worth.told(operate.stages, operate.time)}


def targets(operate: Operate) -> list[dict[str, Any]]:
    """Return what the controller steers to: mole fraction of the heavy element by stage."""
    supervisor, rows = operate.supervisor, []
    if len(supervisor.heavy) != 1:
        return []
    for stage in supervisor.stages:
        trim = operate.state.trim[0 if stage.side < 0 else 1]
        ratio = 10.0 ** (stage.target + trim)
        rows.append(
            {
                "stage": int(stage.place.removeprefix("stage ")),
                "fraction": {supervisor.heavy[0]: ratio / (1.0 + ratio)},
            }
        )
    return rows


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
