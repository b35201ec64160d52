"""A fake plant for developing the operator page: moving numbers, no chemistry whatever.

Run ``python web/dev/fake_server.py`` in the package's environment, then ``npm run dev`` in ``web``
for the sources, or open http://127.0.0.1:8000 for the built page. Not part of the package.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import random
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.staticfiles import StaticFiles

STATIC = Path(__file__).parents[2] / "src" / "raffinate" / "runtime" / "static"
STAGES = 68
FEED, STRIP = 26, 61
MONITORED = [6, 12, 20, 34, 44, 54]
PERIOD_H = 1 / 6
NOMINAL = {"organic_flow": 14.2, "scrub_flow": 1.31, "acid_flow": 1.87}
UPSETS = {
    "saponification_low": ("Saponification −10 % for 48 h", 48.0),
    "feed_nd_high": ("Feed Nd fraction +0.05", None),
    "scrub_pump_trip": ("Scrub pump trip for 4 h", 4.0),
}
RULES = [
    "if Nd in the extraction is high and rising then add organic",
    "if Nd in the extraction is on target then hold organic",
    "if Ce+Pr in the scrub is high then add scrub",
    "if Ce+Pr in the scrub is on target and steady then hold scrub",
    "if the last lab assay of Nd liquor is low then shift the scrub target by one step",
]
PLANT: dict[str, Any] = {
    "name": "ceprnd_p507",
    "title": "CePr/Nd separation with P507",
    "virtual": True,
    "elements": ["Ce", "Pr", "Nd"],
    "sections": [
        {"name": "extraction", "first": 1, "last": 26},
        {"name": "scrub", "first": 27, "last": 60},
        {"name": "strip", "first": 61, "last": 68},
    ],
    "feed_stage": FEED,
    "monitored": MONITORED,
    "products": [
        {
            "name": "cepr",
            "title": "Ce/Pr raffinate",
            "limit": 0.999,
            "from_stage": 1,
            "keys": ["Ce", "Pr"],
        },
        {"name": "nd", "title": "Nd liquor", "limit": 0.999, "from_stage": 61, "keys": ["Nd"]},
    ],
    "levers": [
        {
            "name": "organic_flow",
            "title": "Organic",
            "unit": "m³/h",
            "low": 8.0,
            "high": 24.0,
            "nominal": 14.2,
        },
        {
            "name": "scrub_flow",
            "title": "Scrub",
            "unit": "m³/h",
            "low": 0.6,
            "high": 2.6,
            "nominal": 1.31,
        },
        {
            "name": "acid_flow",
            "title": "Acid",
            "unit": "m³/h",
            "low": 0.9,
            "high": 3.2,
            "nominal": 1.87,
        },
    ],
    "modes": ["manual", "ratio", "fuzzy"],
    "upsets": [{"name": name, "title": title} for name, (title, _) in UPSETS.items()],
    "speeds": [0, 1, 60, 3600, 10800],
}


class FakePlant:
    """One drifting number, the place of the Nd front, from which everything else is made up."""

    def __init__(self, hours: float) -> None:
        self.t_h, self.speed, self.mode = 0.0, 10800.0, "fuzzy"
        self.front, self.random = 0.0, random.Random(1)
        self.setpoints = dict(NOMINAL)
        self.off_spec = {"cepr": 0.0, "nd": 0.0}
        self.upsets: list[dict[str, Any]] = []
        self.columns: dict[str, list[float | None]] = {}
        self.events: list[dict[str, Any]] = []
        self.readings: dict[str, dict[str, Any]] = {}
        self.note("run", "Started from the nominal steady state")
        while self.t_h < hours:
            self.step()
            if abs(self.t_h - 0.3 * hours) < PERIOD_H / 2:
                self.start_upset("saponification_low")
            if abs(self.t_h - 0.75 * hours) < PERIOD_H / 2:
                self.start_upset("feed_nd_high")

    def note(self, kind: str, text: str, priority: str = "info") -> dict[str, Any]:
        """Log an event and return it."""
        event = {"type": "event", "t_h": self.t_h, "kind": kind, "text": text, "priority": priority}
        self.events.append(event)
        return event

    def start_upset(self, name: str) -> dict[str, Any]:
        """Begin an upset now; return its event."""
        title, hours = UPSETS[name]
        self.upsets.append(
            {
                "name": name,
                "title": title,
                "from_h": self.t_h,
                "to_h": None if hours is None else self.t_h + hours,
                "active": True,
            }
        )
        return self.note("upset", f"{title}: started", "low")

    def running(self, name: str) -> bool:
        """Return whether an upset of this name is active."""
        return any(upset["active"] and upset["name"] == name for upset in self.upsets)

    def step(self) -> dict[str, float | None]:
        """Advance one control period; return its trend row."""
        self.t_h += PERIOD_H
        for upset in self.upsets:
            if upset["active"] and upset["to_h"] is not None and self.t_h >= upset["to_h"]:
                upset["active"] = False
                self.note("upset", f"{upset['title']}: ended")
        push = 0.006 * (self.running("saponification_low") + self.running("feed_nd_high"))
        pull = 0.012 * self.front if self.mode == "fuzzy" else 0.0
        self.front += push - pull + self.random.gauss(0, 0.006)
        if self.mode != "manual":
            self.setpoints["organic_flow"] = 14.2 * (1 + 0.05 * self.front)
            self.setpoints["scrub_flow"] = 1.31 * (1 - 0.03 * self.front)
            self.setpoints["acid_flow"] = 1.87 * (1 + 0.02 * self.front)
        for name in self.off_spec:
            if 1 - self.purity(name) > 1e-3:
                self.off_spec[name] += PERIOD_H
        row: dict[str, float | None] = {
            "t_h": self.t_h,
            **{f"{name}_impurity": 1 - self.purity(name) for name in ("cepr", "nd")},
            **{
                f"{name}_lab_impurity": (1 - self.purity(name)) * self.random.gauss(1, 0.02)
                if self.t_h % 8 < PERIOD_H
                else None
                for name in ("cepr", "nd")
            },
            **{name: self.measured(name) for name in NOMINAL},
            **{f"{name}_sp": value for name, value in self.setpoints.items()},
            "feed_nd_mass_fraction": 0.4213 if self.running("feed_nd_high") else 0.3713,
            "saponification_degree": 0.324 if self.running("saponification_low") else 0.36,
        }
        for name, value in row.items():
            self.columns.setdefault(name, []).append(value)
        places: list[int | str] = [*MONITORED, "cepr", "nd"]
        self.read(places[len(self.columns["t_h"]) % len(places)])
        if self.t_h % 24 < PERIOD_H:
            purity = 100 * self.purity("nd")
            self.note("lot", f"Nd liquor lot {self.t_h // 24:.0f} closed at {purity:.3f} %")
        return row

    def measured(self, name: str) -> float:
        """Return a flow meter's value, [m³/h]."""
        if name == "scrub_flow" and self.running("scrub_pump_trip"):
            return 0.0
        return self.setpoints[name] * self.random.gauss(1, 0.002)

    def purity(self, name: str) -> float:
        """Return the made-up purity of a product, mass fraction of REO."""
        sign = 1 if name == "cepr" else -0.6
        return 1 - 10 ** (-3.22 + 0.35 * sign * self.front)

    def fractions(self, stage: int, ratio: float = 1.0) -> dict[str, float]:
        """Return made-up mole fractions at a stage."""
        nd_end = math.log(1 / (1 - self.purity("nd"))) + 0.2
        cepr_end = math.log(1 / (1 - self.purity("cepr"))) + 0.2
        if stage <= FEED:
            level = -cepr_end + (cepr_end - 0.5) * ((stage - 1) / (FEED - 1)) ** 1.15
        else:
            share = min(1.0, (stage - FEED) / (STRIP - FEED))
            level = -0.5 + (nd_end + 0.5) * share**1.1
        nd = 1 / (1 + math.exp(-level) / ratio)
        pr = (1 - nd) * min(0.97, 0.29 + 0.66 * (max(0, stage - 6) / 48) ** 1.6)
        return {"Ce": 1 - nd - pr, "Pr": pr, "Nd": nd}

    def read(self, place: int | str) -> None:
        """Let the analyzer read a stage or a product."""
        stage = place if isinstance(place, int) else (1 if place == "cepr" else STRIP)
        truth = self.fractions(stage)
        sigma = {element: 2e-4 + 0.02 * value for element, value in truth.items()}
        self.readings[str(place)] = {
            "place": f"stage {place}" if isinstance(place, int) else place,
            "stage": place if isinstance(place, int) else None,
            "at": self.t_h,
            "fraction": {e: v + self.random.gauss(0, sigma[e]) for e, v in truth.items()},
            "sigma": sigma,
            "quality": "stale" if place == 44 and self.running("scrub_pump_trip") else "good",
        }

    def profile(self) -> dict[str, Any]:
        """Return made-up concentrations of every stage, [mol/L]."""
        aqueous, organic = [], []
        for stage in range(1, STAGES + 1):
            strength = 1.25 if stage >= STRIP else 1.05 - 0.15 * (stage < FEED)
            aqueous.append({e: strength * v for e, v in self.fractions(stage).items()})
            loading = 0.18 if stage < STRIP else 0.18 * math.exp(-1.5 * (stage - 60))
            organic.append({e: loading * v for e, v in self.fractions(stage, 1.55).items()})
        acid = [
            1.25 + 0.2 * s / STAGES if s < STRIP else 0.6 - 0.12 * (s - 60)
            for s in range(1, STAGES + 1)
        ]
        return {
            "aqueous": {e: [row[e] for row in aqueous] for e in ("Ce", "Pr", "Nd")},
            "organic": {e: [row[e] for row in organic] for e in ("Ce", "Pr", "Nd")},
            "pH": acid,
            "free_extractant": [0.75 - 3 * sum(row.values()) for row in organic],
        }

    def product(self, name: str) -> dict[str, Any]:
        """Return the state of a product as the page takes it."""
        purity = self.purity(name)
        lots = int(self.t_h // 24)
        return {
            "purity": purity,
            "lab": {"purity": purity - 2e-5, "age_h": 4 + self.t_h % 8, "sigma": 1.2e-5},
            "in_spec": 1 - purity <= 1e-3,
            "off_spec_h": self.off_spec[name],
            "off_spec_t": self.off_spec[name] * (0.157 if name == "cepr" else 0.093),
            "lots": lots,
            "lots_off_spec": min(lots, math.ceil(self.off_spec[name] / 24)),
            "recovery": 0.9994,
            "reo_kg_per_h": 157.0 if name == "cepr" else 93.0,
        }

    def alarms(self) -> list[dict[str, Any]]:
        """Return the alarms that follow from the state."""
        found = []
        for product in PLANT["products"]:
            if self.off_spec[product["name"]] and 1 - self.purity(product["name"]) > 1e-3:
                found.append(
                    {
                        "tag": f"{product['name']}.purity",
                        "priority": "high",
                        "text": f"{product['title']} off specification",
                        "since_h": self.t_h - 3.2,
                    }
                )
        if self.running("scrub_pump_trip"):
            found.append(
                {
                    "tag": "scrub_flow.deviation",
                    "priority": "medium",
                    "text": "Scrub flow 100 % under its setpoint",
                    "since_h": self.t_h - 0.4,
                }
            )
        if self.running("feed_nd_high"):
            found.append(
                {
                    "tag": "stage_20.nd",
                    "priority": "low",
                    "text": "Nd at stage 20 above its band",
                    "since_h": self.t_h - 5.0,
                }
            )
        return found

    def state(self) -> dict[str, Any]:
        """Return the whole state message."""
        strength = min(1.0, abs(self.front))
        return {
            "type": "state",
            "t_h": self.t_h,
            "run": "paused" if self.speed == 0 else "running",
            "speed": self.speed,
            "mode": self.mode,
            "products": {name: self.product(name) for name in ("cepr", "nd")},
            "reagents_per_t_reo": {"NH3": 0.553, "HCl": 1.604},
            "levers": {
                name: {
                    "setpoint": self.setpoints[name],
                    "measured": self.measured(name),
                    "held_by": "operator" if self.mode == "manual" else self.mode,
                }
                for name in NOMINAL
            },
            "profile": self.profile(),
            "readings": [
                {
                    **{k: v for k, v in reading.items() if k != "at"},
                    "age_h": self.t_h - reading["at"],
                }
                for reading in self.readings.values()
            ],
            "targets": [
                {
                    "stage": s,
                    "fraction": {"Nd": FRONT_AT_REST[s]} if s <= FEED else {"Pr": FRONT_AT_REST[s]},
                }
                for s in MONITORED
            ],
            "rules": []
            if self.mode != "fuzzy"
            else [
                {
                    "text": text,
                    "strength": max(0.0, strength - 0.21 * i)
                    if i % 2 == 0
                    else max(0.0, 0.9 - strength - 0.1 * i),
                }
                for i, text in enumerate(RULES)
            ],
            "alarms": self.alarms(),
            "upsets": self.upsets,
            "analyzer": {"place": "stage 34", "age_h": 0.05},
        }

    def hello(self) -> dict[str, Any]:
        """Return the message a page gets on connecting."""
        return {
            "type": "hello",
            "plant": PLANT,
            "trend": self.columns,
            "events": self.events,
            "horizon_h": 720,
        }

    def obey(self, message: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request; return the event, or the refusal, it leads to."""
        kind = message["type"]
        if kind == "mode":
            self.mode = message["mode"]
            return self.note("mode", f"Mode is {self.mode}")
        if kind == "speed":
            self.speed = float(message["value"])
            return self.note("run", f"Plant time at {self.speed:g} × real time")
        if kind == "upset":
            return self.start_upset(message["name"])
        if kind == "clear_upset":
            for upset in self.upsets:
                if upset["active"] and upset["name"] == message["name"]:
                    upset.update(active=False, to_h=self.t_h)
            return self.note("upset", f"{message['name']} ended by the operator")
        if kind == "setpoint" and self.mode == "manual":
            self.setpoints[message["lever"]] = message["value"]
            return self.note("mode", f"{message['lever']} set to {message['value']:g} m³/h")
        return {
            "type": "error",
            "error": {
                "where": "request",
                "what": f"{kind} was refused.",
                "allowed": "setpoints in manual",
                "mend": "Choose the manual mode first.",
            },
        }


def make_app(plant: FakePlant) -> FastAPI:
    """Serve the fake plant at /ws, and the built page beside it."""
    app = FastAPI()

    @app.websocket("/ws")
    async def link(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json(plant.hello())

        async def listen() -> None:
            with contextlib.suppress(WebSocketDisconnect):
                while True:
                    await socket.send_json(plant.obey(await socket.receive_json()))

        async def tell() -> None:
            owed = 0.0
            while True:
                await socket.send_json(plant.state())
                await asyncio.sleep(0.1)
                owed += 0.1 * plant.speed / 3600 / PERIOD_H
                rows = [plant.step() for _ in range(int(owed))]
                owed -= len(rows)
                if rows:
                    columns = {name: [row[name] for row in rows] for name in rows[0]}
                    await socket.send_json({"type": "trend", "columns": columns})

        teller = asyncio.create_task(tell())
        await listen()
        teller.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
            await teller

    app.mount("/", StaticFiles(directory=STATIC, html=True))
    return app


FRONT_AT_REST = {
    stage: FakePlant(0.0).fractions(stage)["Nd" if stage <= FEED else "Pr"] for stage in MONITORED
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--hours", type=float, default=230.0, help="plant hours already past")
    options = parser.parse_args()
    uvicorn.run(make_app(FakePlant(options.hours)), port=options.port, log_level="warning")
