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
import secrets
import time
from pathlib import Path
from typing import Any

import uvicorn
from fake_alarms import FakeAlarms, refusal
from fake_plant import (
    MONITORED,
    NOMINAL,
    PERIOD_H,
    PLANT,
    REAGENTS,
    RULES,
    SPAN,
    FakePlant,
    Moment,
    fractions,
    profile,
    purity,
)
from fake_spectrum import spectrum_at
from fake_what_if import what_if
from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

STATIC = Path(__file__).parents[2] / "src" / "raffinate" / "runtime" / "static"
CAN = [
    "mode", "setpoint", "alarm_acknowledge", "alarm_shelve", "alarm_suppress", "alarm_service",
    "upset", "speed", "what_if",
]  # fmt: skip
COOKIE = "raffinate_fake"


class FakeServer:
    """What the page is told about the fake plant, and what it may ask."""

    def __init__(self, plant: FakePlant, *, virtual: bool, role: str, user: str) -> None:
        self.plant, self.alarms = plant, FakeAlarms(plant)
        self.description = {**PLANT, "virtual": virtual}
        self.began = time.monotonic()
        self.session = {
            "user": user,
            "role": role,
            "can": [] if role == "viewer" else CAN,
            "login": user != "local",
        }

    def hello(self) -> dict[str, Any]:
        """Return the message a page gets on connecting."""
        nominal = profile(0.0)
        return {
            "type": "hello",
            "plant": self.description,
            "trend": self.plant.columns,
            "events": self.plant.events,
            "horizon_h": 720,
            "session": self.session,
            "history": self.history(),
            "nominal_profile": {phase: nominal[phase] for phase in ("aqueous", "organic")},
        }

    def history(self) -> dict[str, float]:
        """Return the span that can be replayed."""
        return {"from_h": self.plant.moments[0].t_h, "to_h": self.plant.moments[-1].t_h}

    def state(self) -> dict[str, Any]:
        """Return the whole state message."""
        plant, now = self.plant, self.plant.now()
        self.alarms.update()
        strength = min(1.0, abs(plant.front))
        tripped = plant.running("scrub_pump_trip")
        return {
            "type": "state",
            "run": "paused" if plant.speed == 0 else "running",
            "speed": plant.speed,
            **self.moment(now),
            "reagents_per_t_reo": {
                name: value * (1 + 0.04 * plant.front) for name, value in REAGENTS.items()
            },
            "targets": [
                {"stage": s, "fraction": {"Nd": fractions(s, 0.0)["Nd"]}} for s in MONITORED
            ],
            "rules": []
            if plant.mode != "fuzzy"
            else [
                {
                    "text": text,
                    "strength": max(0.0, strength - 0.21 * i)
                    if i % 2 == 0
                    else max(0.0, 0.9 - strength - 0.1 * i),
                }
                for i, text in enumerate(RULES)
            ],
            "upsets": plant.upsets,
            "analyzer": {"place": "stage 34", "age_h": 0.05},
            "history": self.history(),
            "plc": {
                "mode": "hold" if tripped else "remote",
                "watchdog": not tripped,
                "interlocks": [
                    {
                        "name": "scrub_within_acid",
                        "text": "Scrub no more than the acid",
                        "active": False,
                    },
                    {
                        "name": "organic_lost",
                        "text": "Organic lost: feed closed",
                        "active": tripped,
                    },
                ],
            },
            "alarms": self.alarms.listed(),
            "alarm_figures": self.alarms.figures(),
            "controller": {
                "holding": "the scrub pump has tripped" if tripped else "",
                "trim": [0.02, -0.05],
            },
            **self.machinery(),
        }

    def machinery(self) -> dict[str, Any]:
        """Return made-up figures of processes, links and solver."""
        up = time.monotonic() - self.began
        rows = [
            ("twin", "running", 31.0, 412.0, 0),
            ("operate", "running", 4.2, 128.0, 0),
            (
                "history",
                "restarting" if self.plant.running("acid_weak") else "running",
                1.1,
                61.0,
                2,
            ),
            ("web", "running", 2.4, 84.0, 0),
        ]
        return {
            "processes": [
                {
                    "name": name,
                    "state": state,
                    "pid": 4100 + i,
                    "since_s": up,
                    "restarts": restarts,
                    "cpu_percent": cpu + random.gauss(0, 0.3),
                    "memory_MB": memory,
                    "age_s": 0.4,
                }
                for i, (name, state, cpu, memory, restarts) in enumerate(rows)
            ],
            "links": [
                {"name": "operate → plant", "connected": True, "age_s": 0.1, "round_trip_ms": 7.9},
                {"name": "web → plant", "connected": True, "age_s": 0.2, "round_trip_ms": 3.1},
                {
                    "name": "history → operate",
                    "connected": not self.plant.running("acid_weak"),
                    "age_s": 0.3,
                    "round_trip_ms": 4.4,
                },
            ],
            "solver": {
                "step_ms": 6.1 + abs(random.gauss(0, 0.4)),
                "advice_ms": 14.2 + abs(random.gauss(0, 1.5)),
                "balance_error": 3.1e-11,
            },
        }

    def moment(self, at: Moment) -> dict[str, Any]:
        """Return the part of a state that a frame of the replay has too."""
        return {
            "t_h": at.t_h,
            "mode": at.mode,
            "profile": profile(at.front),
            "readings": [
                {**{k: v for k, v in reading.items() if k != "at"}, "age_h": at.t_h - reading["at"]}
                for reading in at.readings.values()
            ],
            "levers": {name: self.lever(name, at) for name in NOMINAL},
            "products": {name: self.product(name, at) for name in ("cepr", "nd")},
        }

    def lever(self, name: str, at: Moment) -> dict[str, Any]:
        """Return the state of a lever."""
        setpoint, (low, high) = at.setpoints[name], SPAN[name]
        follows = at.mode == "ratio" and name == "organic_flow"
        return {
            "setpoint": setpoint,
            "measured": self.plant.measured(name) if at.t_h == self.plant.t_h else setpoint,
            "held_by": "operator" if at.mode == "manual" or follows else at.mode,
            "output": 100 * (setpoint - low) / (high - low),
            "requested": setpoint,
            "plan_expires_h": at.t_h + 2 / 3,
            "low": low,
            "high": high,
        }

    def product(self, name: str, at: Moment) -> dict[str, Any]:
        """Return the state of a product."""
        value, lots = purity(name, at.front), int(at.t_h // 24)
        margin, sigma = math.log10(1e-3 / (1 - value)), 2.4e-5
        off = self.plant.off_spec[name]
        return {
            "purity": value,
            "lab": {"purity": value - 2e-5, "age_h": 4 + at.t_h % 8, "sigma": 1.2e-5},
            "in_spec": 1 - value <= 1e-3,
            "off_spec_h": off,
            "off_spec_t": off * (0.157 if name == "cepr" else 0.093),
            "lots": lots,
            "lots_off_spec": min(lots, math.ceil(off / 24)),
            "recovery": 0.9994,
            "reo_kg_per_h": 157.0 if name == "cepr" else 93.0,
            "sigma": sigma,
            "margin_decades": margin,
            "margin_sigma": sigma / (1 - value) / math.log(10),
        }

    def obey(self, message: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request; return the event, the answer or the refusal it leads to."""
        plant, kind = self.plant, message["type"]
        if kind == "replay":
            return {"type": "frame", **self.moment(plant.at(float(message["t_h"])))}
        if kind == "history":
            return self.columns(message)
        if kind == "spectrum":
            return spectrum_at(plant.t_h, message.get("sample_time"))
        if self.session["role"] == "viewer":
            return refusal(f"{kind} was refused: a viewer only looks.", None, "Log in.")
        if kind == "alarm":
            return self.alarms.obey(message["action"], message.get("tag"), message.get("hours"))
        if kind == "mode":
            plant.mode = message["mode"]
            return plant.note("mode", f"Mode is {plant.mode}")
        if kind == "speed":
            plant.speed = float(message["value"])
            return plant.note("run", f"Plant time at {plant.speed:g} × real time")
        if kind == "upset":
            return plant.start_upset(message["name"])
        if kind == "clear_upset":
            for upset in plant.upsets:
                if upset["active"] and upset["name"] == message["name"]:
                    upset.update(active=False, to_h=plant.t_h)
            return plant.note("upset", f"{message['name']} ended by the operator")
        if (
            kind == "setpoint"
            and self.lever(message["lever"], plant.now())["held_by"] == "operator"
        ):
            plant.setpoints[message["lever"]] = message["value"]
            return plant.note("mode", f"{message['lever']} set to {message['value']:g} m³/h")
        return refusal(
            f"{kind} was refused.", "setpoints in manual", "Choose the manual mode first."
        )

    def columns(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return the trends of some columns over a span, every n-th row of them."""
        rows = [
            i
            for i, t in enumerate(self.plant.columns["t_h"])
            if t is not None and message["from_h"] <= t <= message["to_h"]
        ]
        rows = rows[:: max(1, len(rows) // int(message["points"]))]
        known = [tag for tag in ("t_h", *message["tags"]) if tag in self.plant.columns]
        columns = {tag: [self.plant.columns[tag][i] for i in rows] for tag in known}
        for tag in known[1:]:
            columns |= {f"{tag}_low": columns[tag], f"{tag}_high": columns[tag]}
        return {"type": "history", "id": message["id"], "columns": columns}


async def converse(socket: WebSocket, server: FakeServer) -> None:
    """Tell one page everything, and do what it asks, until it leaves."""
    plant = server.plant
    await socket.send_json(server.hello())
    running: list[asyncio.Task[None]] = []

    async def simulate(message: dict[str, Any]) -> None:
        async for answer in what_if(plant, message):
            await socket.send_json(answer)

    async def tell() -> None:
        owed = 0.0
        while True:
            await socket.send_json(server.state())
            await asyncio.sleep(0.1)
            owed += 0.1 * plant.speed / 3600 / PERIOD_H
            rows = [plant.step() for _ in range(int(owed))]
            owed -= len(rows)
            if rows:
                columns = {name: [row[name] for row in rows] for name in rows[0]}
                await socket.send_json({"type": "trend", "columns": columns})

    teller = asyncio.create_task(tell())
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            message = await socket.receive_json()
            if message["type"].startswith("what_if"):
                for task in running:
                    task.cancel()
                running.clear()
                if message["type"] == "what_if":
                    running.append(asyncio.create_task(simulate(message)))
            else:
                await socket.send_json(server.obey(message))
    for task in (teller, *running):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
            await task


def make_app(server: FakeServer, password: str | None, folder: Path) -> FastAPI:
    """Serve the fake plant at /ws, and the built page beside it."""
    app, token = FastAPI(), secrets.token_urlsafe()

    @app.post("/login")
    async def login(request: Request) -> Response:
        asked = await request.json()
        if asked != {"user": server.session["user"], "password": password}:
            error = {
                "where": "log-in",
                "what": "The name or the password is wrong.",
                "allowed": None,
                "mend": "Try again.",
            }
            return JSONResponse({"error": error}, status_code=401)
        response = Response(status_code=204)
        response.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return response

    @app.post("/logout")
    async def logout() -> Response:
        response = Response(status_code=204)
        response.delete_cookie(COOKIE)
        return response

    @app.websocket("/ws")
    async def link(socket: WebSocket) -> None:
        await socket.accept()
        if password is not None and socket.cookies.get(COOKIE) != token:
            await socket.send_json({"type": "login", "required": True, "error": None})
            await socket.close()
            return
        await converse(socket, server)

    app.mount("/", StaticFiles(directory=folder, html=True))
    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--hours", type=float, default=230.0, help="plant hours already past")
    parser.add_argument("--login", metavar="NAME:PASSWORD", help="ask for this name and password")
    parser.add_argument("--role", default="engineer", help="role of whoever looks")
    parser.add_argument("--real", action="store_true", help="pretend that the plant is not virtual")
    parser.add_argument("--static", type=Path, default=STATIC, help="folder of the built page")
    options = parser.parse_args()
    name, _, password = (options.login or "local:").partition(":")
    fake = FakeServer(
        FakePlant(options.hours), virtual=not options.real, role=options.role, user=name
    )
    app = make_app(fake, password if options.login else None, options.static)
    uvicorn.run(app, port=options.port, log_level="warning")
