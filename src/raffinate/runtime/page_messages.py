"""What the page is told besides the present: documented in docs/reference/page-messages.md."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from raffinate.errors import RaffinateError
from raffinate.plant.model import LeverLimits, Plant
from raffinate.runtime.messages import MODES, STARTING
from raffinate.runtime.page_tags import TagView
from raffinate.runtime.upsets import UPSETS
from raffinate.units import HOUR

SPEEDS = (0, 600, 3600, 10800, 86400)
"""Plant seconds per wall second that the page offers; 0 holds plant time."""


def speeds(first: float) -> list[float]:
    """Return the speeds a page may choose, the one the run began with among them."""
    return sorted({*SPEEDS, first})


def starting(text: str = STARTING) -> dict[str, Any]:
    """Return what a page is told while there is nothing to show yet."""
    return {"type": "starting", "text": text}


def login(error: str | None = None) -> dict[str, Any]:
    """Return what a page is told that nobody has logged in at."""
    return {"type": "login", "required": True, "error": error}


def refusal(error: RaffinateError) -> dict[str, Any]:
    """Return an error as the page shows it."""
    return {"type": "error", "error": error.to_dict()}


def event(kind: str, text: str, priority: str, time: float) -> dict[str, Any]:
    """Return a note of plant time `time`, [s], as the page's event."""
    return {"type": "event", "t_h": time / HOUR, "kind": kind, "text": text, "priority": priority}


def description(
    plant: Plant, of_plant: TagView, of_operate: TagView, first_speed: float, *, virtual: bool
) -> dict[str, Any]:
    """Return the plant as `hello` describes it.

    Args:
        plant: From its file; flows come from the tags, for nominal ones are solved elsewhere.
        of_plant: Tags of the plant's server: limits, rates and the safe plan of each lever.
        of_operate: Tags of the operating program: nominal flows.
        first_speed: Speed the run began with, plant seconds per wall second.
        virtual: Whether the plant is simulated.
    """
    return {
        "name": plant.name,
        "title": plant.title,
        "virtual": virtual,
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
        "levers": [_lever(limits, of_plant, of_operate) for limits in plant.levers.values()],
        "modes": list(MODES),
        "upsets": [{"name": u.name, "title": u.title} for u in UPSETS.values()] if virtual else [],
        "speeds": speeds(first_speed) if virtual else [],
    }


def _lever(limits: LeverLimits, of_plant: TagView, of_operate: TagView) -> dict[str, Any]:
    folder = f"Levers/{limits.name}"
    nominal = of_operate.number(f"{folder}/Nominal")

    def told(name: str, factor: float) -> float | None:
        """Return a limit as the server tells it, or else as the plant file does."""
        value = of_plant.number(f"{folder}/{name}")
        if value is None and nominal is not None:
            value = factor * nominal
        return None if value is None else round(value, 3)

    return {
        "name": limits.name,
        "title": limits.title,
        "unit": "m³/h",
        "low": told("Low", limits.low),
        "high": told("High", limits.high),
        "nominal": nominal,
        "rate": told("Rate", limits.rate * HOUR),
        "safe": told("Safe", 1.0),
    }


def _sections(plant: Plant) -> list[dict[str, Any]]:
    found, first = [], 1
    for section in plant.circuit.sections:
        last = first + section.stages - 1
        found.append({"name": section.name, "first": first, "last": last})
        first = last + 1
    return found


def encode(message: Mapping[str, Any] | None, **ready: str) -> str:
    """Return a message as JSON.

    Args:
        message: Plain values; a number JSON cannot carry becomes null.
        ready: Further keys whose values are JSON already.
    """
    try:
        text = json.dumps(message, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    except ValueError:
        text = json.dumps(clean(message), separators=(",", ":"), ensure_ascii=False)
    if not ready:
        return text
    tail = ",".join(f'"{key}":{value}' for key, value in ready.items())
    return f"{text[:-1]},{tail}}}"


def clean(value: Any) -> Any:
    """Return the value with every number JSON cannot carry turned into None."""
    if isinstance(value, dict):
        return {key: clean(each) for key, each in value.items()}
    if isinstance(value, list):
        return [clean(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
