"""The made-up what-if of fake_server.py: the front runs ahead to where the flows push it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

from fake_plant import FakePlant, profile, purity


async def what_if(plant: FakePlant, message: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Run a copy of the front ahead, and tell how far it is."""
    hours, levers = float(message["hours"]), message["levers"]
    push = sum(levers.get(name, now) / now - 1 for name, now in plant.setpoints.items())
    steps = 20
    begin = {"type": "what_if", "id": message["id"], "live": False}
    times = [plant.t_h + hours * i / steps for i in range(steps + 1)]
    fronts = [
        plant.front - 9 * push * (1 - math.exp(-i / steps * hours / 30)) for i in range(steps + 1)
    ]
    for step in range(1, steps + 1):
        await asyncio.sleep(0.1)
        yield {
            **begin,
            "progress": step / steps,
            "done": False,
            "columns": None,
            "profile": None,
            "products": None,
            "text": "Simulating a copy of the twin",
        }
    yield {
        **begin,
        "progress": 1.0,
        "done": True,
        "columns": {
            "t_h": times,
            **{
                f"{name}_impurity": [1 - purity(name, front) for front in fronts]
                for name in ("cepr", "nd")
            },
        },
        "profile": profile(fronts[-1]),
        "products": {
            name: {
                "purity": purity(name, fronts[-1]),
                "in_spec": 1 - purity(name, fronts[-1]) <= 1e-3,
                "hours_to_off_spec": next(
                    (
                        t - times[0]
                        for t, front in zip(times, fronts, strict=True)
                        if 1 - purity(name, front) > 1e-3
                    ),
                    None,
                ),
            }
            for name in ("cepr", "nd")
        },
        "text": f"{hours:g} h ahead with the flows asked for",
    }
