"""Tags of a run that never ran: made-up values of the shipped plant, for tests of the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from raffinate.instruments.reading import Reading
from raffinate.plant.model import Plant
from raffinate.plant.plant_file import load_plant
from raffinate.runtime.page_source import PageSource, RunFacts
from raffinate.runtime.page_tags import TagView
from raffinate.runtime.records import reading_to_dict
from raffinate.runtime.tags import Value
from raffinate.units import HOUR

HOURS = 20.0
"""Plant time of the made-up values, [h]."""

FLOWS = {"organic_flow": 14.6, "scrub_flow": 1.4, "acid_flow": 1.76}
"""Nominal flows, [m³/h]."""

PROCESSES: list[dict[str, Any]] = [
    {
        "name": name,
        "state": "running",
        "pid": 100 + number,
        "since_s": 60.0,
        "restarts": number,
        "cpu_percent": 2.5,
        "memory_MB": 80.0,
        "age_s": 0.4,
    }
    for number, name in enumerate(("twin", "operate", "history", "web"))
]

LINKS: list[dict[str, Any]] = [
    {"name": "operate → plant", "connected": True, "age_s": 0.2, "round_trip_ms": 12.0},
    {"name": "web → plant", "connected": True, "age_s": 0.1, "round_trip_ms": None},
]


def reading(
    place: str, hours: float, values: tuple[float, ...] = (200.0, 80.0, 1.0), **changes: Any
) -> Reading:
    """Return a reading of the analyzer, known three minutes after its sample."""
    chosen: dict[str, Any] = {
        "place": place,
        "sample_time": hours * HOUR,
        "result_time": hours * HOUR + 180.0,
        "elements": ("Ce", "Pr", "Nd"),
        "values": np.array(values),
        "covariance": np.diag((0.5, 0.5, 0.01)),
        "detection_limit": np.array((0.3, 0.3, 0.3)),
        "quality": "good",
        "instrument": "xrf",
    }
    return Reading(**{**chosen, **changes})


def assay(place: str, hours: float, values: tuple[float, ...] = (200.0, 80.0, 0.2)) -> Reading:
    """Return a result of the laboratory, known four hours after its sample."""
    return reading(
        place,
        hours,
        values,
        result_time=(hours + 4.0) * HOUR,
        covariance=np.diag((1e-4, 1e-4, 1e-4)),
        detection_limit=np.array((0.001, 0.001, 0.001)),
        instrument="assay",
    )


def plant_values(plant: Plant) -> dict[str, Value]:
    """Return what the plant's server would tell."""
    stages = plant.circuit.stages
    row = tuple(0.1 + 0.001 * stage for stage in range(stages))
    found: dict[str, Value] = {
        "PLC/Time": HOURS * HOUR,
        "PLC/Mode": "remote",
        "PLC/Watchdog": False,
        "PLC/PlanExpires": (HOURS + 1.0) * HOUR,
        "Interlocks/scrub_within_acid": True,
        "Interlocks/organic_lost": False,
        "Pace/Speed": 600.0,
        "Pace/Phase": "running",
        "Pace/StepTime": 14.0,
        "Pace/Horizon": 720.0 * HOUR,
        "Truth/BalanceError": 1e-9,
        "Truth/SaponificationDegree": 0.36,
        "Truth/pH": row,
        "Truth/FreeExtractant": row,
        "Truth/Reagents/NH3": 0.5,
        "Truth/Reagents/HCl": 1.1,
        "Upsets/Table": json.dumps(
            [
                {"name": "feed_nd_high", "title": "Feed Nd", "begin": 3600.0, "end": None},
                {"name": "acid_weak", "title": "Acid", "begin": 3600.0, "end": 7200.0},
                {"name": "scrub_pump_trip", "title": "Trip", "begin": 1e9, "end": None},
            ]
        ),
    }
    for element in plant.circuit.elements:
        found[f"Truth/Aqueous/{element}"] = row
        found[f"Truth/Organic/{element}"] = row
        found[f"Truth/Feed/{element}"] = 0.3
    for name in plant.products:
        folder = f"Truth/Products/{name}"
        found |= {
            f"{folder}/Purity": 0.9995,
            f"{folder}/OffSpecHours": 0.5,
            f"{folder}/OffSpecTonnes": 0.01,
            f"{folder}/Lots": 3,
            f"{folder}/LotsOffSpec": 1,
            f"{folder}/Recovery": 0.999,
            f"{folder}/MadeTonnes": 2.0,
        }
    for name, flow in FLOWS.items():
        folder = f"Levers/{name}"
        found |= {
            f"{folder}/InForce": flow,
            f"{folder}/Measured": 1.01 * flow,
            f"{folder}/Output": 60.0,
            f"{folder}/Low": 0.5 * flow,
            f"{folder}/High": 1.6 * flow,
            f"{folder}/Rate": 0.5 * flow,
            f"{folder}/Safe": flow,
        }
    return found


def operate_values(plant: Plant) -> dict[str, Value]:
    """Return what the operating program would tell."""
    seen = [
        {**reading_to_dict(reading(f"stage {stage + 1}", HOURS - 0.5)), "verdict": "good"}
        for stage in plant.analyzer.monitored_stages
    ]
    seen.append({**reading_to_dict(reading("cepr", HOURS - 0.25)), "verdict": "stale"})
    found: dict[str, Value] = {
        "Time": HOURS * HOUR,
        "Mode/Current": "fuzzy",
        "Controller/Rules": ("if inventory is high and trend is rising then add organic_flow",),
        "Controller/Strengths": (0.7,),
        "Controller/Holding": "",
        "Controller/Trim": (0.1, -0.05),
        "Controller/Seconds": 1.5,
        "Plan/Expires": (HOURS + 0.5) * HOUR,
        "Targets": json.dumps([{"stage": 5, "fraction": {"Nd": 0.2}}]),
        "Readings": json.dumps(seen),
        "Assays": json.dumps({"cepr": reading_to_dict(assay("cepr", HOURS - 6.0))}),
        "Alarms/Standing": json.dumps([alarm_row()]),
        "Alarms/Figures": json.dumps({"standing": 1, "flood": False}),
        "Link/Connected": True,
        "Link/Age": 0.2,
        "Link/RoundTrip": 12.0,
    }
    for name, flow in FLOWS.items():
        folder = f"Levers/{name}"
        found |= {
            f"{folder}/Request": flow,
            f"{folder}/InForce": flow,
            f"{folder}/HeldBy": "fuzzy",
            f"{folder}/Nominal": flow,
        }
    return found


def alarm_row() -> dict[str, Any]:
    """Return one alarm as the page lists it."""
    return {
        "tag": "xrf.cepr",
        "text": "Analyzer reading of cepr is stale",
        "priority": "medium",
        "since_h": 19.0,
        "state": "unacknowledged",
        "active": True,
        "first_out": False,
        "cause": "",
        "consequence": "",
        "action": "",
        "shelved_until_h": None,
        "chattering": False,
    }


class FakeRun:
    """A run whose tags a test changes as it likes."""

    def __init__(self, *, virtual: bool = True) -> None:
        self.plant = load_plant("ceprnd_p507")
        self.of_plant = plant_values(self.plant)
        self.of_operate = operate_values(self.plant)
        self.processes: list[dict[str, Any]] = [dict(row) for row in PROCESSES]
        self.links: list[dict[str, Any]] = [dict(row) for row in LINKS]
        self.linked = True
        self.nominal: Mapping[str, Any] | None = {
            "aqueous": {"Ce": [1.0]},
            "organic": {},
            "reagents_per_t_reo": {"NH3": 0.5},
        }
        if not virtual:
            for path in [p for p in self.of_plant if p.startswith(("Truth", "Pace", "Upsets"))]:
                del self.of_plant[path]
        self.facts = RunFacts(plant=self.plant, virtual=virtual, first_speed=1234.0)
        self.source = PageSource(
            self.facts,
            TagView(lambda path: self.of_plant.get(path)),
            TagView(lambda path: self.of_operate.get(path)),
            processes=lambda: self.processes,
            links=lambda: self.links,
            linked=lambda: self.linked,
            nominal=lambda: self.nominal,
        )

    def state(self) -> dict[str, Any]:
        """Return the `state` message as a page reads it."""
        found: dict[str, Any] = json.loads(self.source.state())
        return found
