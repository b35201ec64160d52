"""The nodemap of our own twin, written as the file another server's would be."""

from __future__ import annotations

from typing import Any

import yaml

from raffinate.plant.model import Plant
from raffinate.runtime.nodemap_file import FORMAT
from raffinate.runtime.tags import NAMESPACES, REQUESTS, stream_folders


def twin_nodemap_text(plant: Plant) -> str:
    """Return the nodemap file of our own twin of a plant.

    It depends on names only: the limits of the levers may be those before the nominal solve.
    """
    document = {
        "format": FORMAT,
        "title": f"The twin of {plant.name} as raffinate serves it",
        "namespaces": {"plant": NAMESPACES["plant"]},
        "plant": {
            "time": "plant;s=PLC/Time",
            "epoch": "plant;s=PLC/Epoch",
            "scan": "plant;s=PLC/Scan",
            "acknowledged": "plant;s=PLC/Acknowledged",
            "plc_mode": "plant;s=PLC/Mode",
            "watchdog": "plant;s=PLC/Watchdog",
            "plan_expires": "plant;s=PLC/PlanExpires",
            "plc_alarms": "plant;s=PLC/Alarms",
            "records_object": "plant;s=Records",
            "records_last": "plant;s=Records/Last",
            "guard": {
                "heartbeat": "plant;s=Guard/Heartbeat",
                "sequence": "plant;s=Guard/Sequence",
                "expires": "plant;s=Guard/Expires",
                "requests": f"plant;s={REQUESTS}",
            },
            "levers": {name: _twin_lever(name) for name in plant.levers},
            **_twin_streams(plant),
            "interlocks": {
                name: {"node": f"plant;s=Interlocks/{name}", "text": text}
                for name, text in _TWIN_INTERLOCKS.items()
            },
        },
    }
    written: str = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=100)
    return f"# Written by: raffinate export nodemap --plant {plant.name}\n{written}"


_TWIN_INTERLOCKS = {
    "scrub_within_acid": "Scrub held to the strip acid flow",
    "organic_lost": "Organic lost",
}


def _twin_lever(name: str) -> dict[str, Any]:
    folder = f"plant;s=Levers/{name}"
    limits = {key: f"{folder}/{key.capitalize()}" for key in ("low", "high", "rate", "safe")}
    return {
        "setpoint": f"{folder}/Setpoint",
        "trajectory": f"{folder}/Trajectory",
        "in_force": f"{folder}/InForce",
        "measured": f"{folder}/Measured",
        "output": f"{folder}/Output",
        "limits": limits,
        "unit": "m³/h",
    }


def _twin_streams(plant: Plant) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {"streams": {}, "laboratory": {}}
    for (instrument, place), folder in stream_folders(plant).items():
        node = f"plant;s={folder}"
        found["streams" if instrument == "xrf" else "laboratory"][place] = {
            "values": f"{node}/Values",
            "elements": list(plant.circuit.elements),
            "unit": "mol/m³",
            "covariance": f"{node}/Covariance",
            "detection_limit": f"{node}/DetectionLimit",
            "sample_time": f"{node}/SampleTime",
            "result_time": f"{node}/ResultTime",
            "sequence": f"{node}/Sequence",
            "quality": f"{node}/Quality",
            "chi2_per_dof": f"{node}/Chi2PerDof",
            "flags": f"{node}/Flags",
        }
    return found
