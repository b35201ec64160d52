"""The made-up plant of fake_server.py: moving numbers, no chemistry whatever."""

from __future__ import annotations

import bisect
import math
import random
from dataclasses import dataclass, replace
from typing import Any

STAGES = 68
FEED, STRIP = 26, 61
MONITORED = [6, 12, 20, 34, 44, 54]
PERIOD_H = 1 / 6
NOMINAL = {"organic_flow": 14.2, "scrub_flow": 1.31, "acid_flow": 1.87}
SPAN = {"organic_flow": (8.0, 24.0), "scrub_flow": (0.6, 2.6), "acid_flow": (0.9, 3.2)}
TITLES = {"organic_flow": "Organic", "scrub_flow": "Scrub", "acid_flow": "Acid"}
REAGENTS = {"NH3": 0.553, "HCl": 1.604}
UPSETS = {
    "saponification_low": ("Saponification −10 % for 48 h", 48.0),
    "feed_nd_high": ("Feed Nd fraction +0.05", None),
    "feed_nd_low": ("Feed Nd fraction −0.04 for 72 h", 72.0),
    "scrub_pump_trip": ("Scrub pump trip for 4 h", 4.0),
    "acid_weak": ("Strip acid −5 % for 24 h", 24.0),
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
            "name": name,
            "title": TITLES[name],
            "unit": "m³/h",
            "low": SPAN[name][0],
            "high": SPAN[name][1],
            "nominal": nominal,
            "rate": round(0.5 * nominal, 3),
            "safe": nominal,
        }
        for name, nominal in NOMINAL.items()
    ],
    "nominal_reagents_per_t_reo": REAGENTS,
    "modes": ["manual", "ratio", "fuzzy"],
    "upsets": [{"name": name, "title": title} for name, (title, _) in UPSETS.items()],
    "speeds": [0, 1, 60, 3600, 10800],
}


def purity(name: str, front: float) -> float:
    """Return the made-up purity of a product, mass fraction of REO."""
    return 1 - 10 ** (-3.22 + 0.35 * (1 if name == "cepr" else -0.6) * front)


def fractions(stage: int, front: float, ratio: float = 1.0) -> dict[str, float]:
    """Return made-up mole fractions at a stage."""
    nd_end = math.log(1 / (1 - purity("nd", front))) + 0.2
    cepr_end = math.log(1 / (1 - purity("cepr", front))) + 0.2
    if stage <= FEED:
        level = -cepr_end + (cepr_end - 0.5) * ((stage - 1) / (FEED - 1)) ** 1.15
    else:
        share = min(1.0, (stage - FEED) / (STRIP - FEED))
        level = -0.5 + (nd_end + 0.5) * share**1.1
    nd = 1 / (1 + math.exp(-level) / ratio)
    pr = (1 - nd) * min(0.97, 0.29 + 0.66 * (max(0, stage - 6) / 48) ** 1.6)
    return {"Ce": 1 - nd - pr, "Pr": pr, "Nd": nd}


def profile(front: float) -> dict[str, Any]:
    """Return made-up concentrations of every stage, [mol/L]."""
    aqueous, organic = [], []
    for stage in range(1, STAGES + 1):
        strength = 1.25 if stage >= STRIP else 1.05 - 0.15 * (stage < FEED)
        aqueous.append({e: strength * v for e, v in fractions(stage, front).items()})
        loading = 0.18 if stage < STRIP else 0.18 * math.exp(-1.5 * (stage - 60))
        organic.append({e: loading * v for e, v in fractions(stage, front, 1.55).items()})
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


@dataclass(frozen=True)
class Moment:
    """What a past time is shown from again."""

    t_h: float
    front: float
    mode: str
    setpoints: dict[str, float]
    readings: dict[str, dict[str, Any]]


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
        self.moments: list[Moment] = []
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
        end = None if hours is None else self.t_h + hours
        self.upsets.append(
            {"name": name, "title": title, "from_h": self.t_h, "to_h": end, "active": True}
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
            if 1 - purity(name, self.front) > 1e-3:
                self.off_spec[name] += PERIOD_H
        row = self.row()
        for name, value in row.items():
            self.columns.setdefault(name, []).append(value)
        places: list[int | str] = [*MONITORED, "cepr", "nd"]
        self.read(places[len(self.columns["t_h"]) % len(places)])
        self.moments.append(
            Moment(self.t_h, self.front, self.mode, dict(self.setpoints), dict(self.readings))
        )
        if self.t_h % 24 < PERIOD_H:
            percent = 100 * purity("nd", self.front)
            self.note("lot", f"Nd liquor lot {self.t_h // 24:.0f} closed at {percent:.3f} %")
        return row

    def row(self) -> dict[str, float | None]:
        """Return the row of the trends for now."""
        impurity = {name: 1 - purity(name, self.front) for name in ("cepr", "nd")}
        return {
            "t_h": self.t_h,
            **{f"{name}_impurity": value for name, value in impurity.items()},
            **{
                f"{name}_lab_impurity": value * self.random.gauss(1, 0.02)
                if self.t_h % 8 < PERIOD_H
                else None
                for name, value in impurity.items()
            },
            **{name: self.measured(name) for name in NOMINAL},
            **{f"{name}_sp": value for name, value in self.setpoints.items()},
            "feed_nd_mass_fraction": 0.4213 if self.running("feed_nd_high") else 0.3713,
            "saponification_degree": 0.324 if self.running("saponification_low") else 0.36,
        }

    def measured(self, name: str) -> float:
        """Return a flow meter's value, [m³/h]."""
        if name == "scrub_flow" and self.running("scrub_pump_trip"):
            return 0.0
        return self.setpoints[name] * self.random.gauss(1, 0.002)

    def read(self, place: int | str) -> None:
        """Let the analyzer read a stage or a product."""
        stage = place if isinstance(place, int) else (1 if place == "cepr" else STRIP)
        truth = fractions(stage, self.front)
        sigma = {element: 2e-4 + 0.02 * min(value, 1 - value) for element, value in truth.items()}
        self.readings[str(place)] = {
            "place": f"stage {place}" if isinstance(place, int) else place,
            "stage": place if isinstance(place, int) else None,
            "at": self.t_h,
            "fraction": {e: v + self.random.gauss(0, sigma[e]) for e, v in truth.items()},
            "sigma": sigma,
            "quality": "stale" if place == 44 and self.running("scrub_pump_trip") else "good",
        }

    def now(self) -> Moment:
        """Return the present."""
        return Moment(self.t_h, self.front, self.mode, self.setpoints, self.readings)

    def at(self, t_h: float) -> Moment:
        """Return the newest moment at or before a time, [h]."""
        found = bisect.bisect_right(self.moments, t_h, key=lambda moment: moment.t_h)
        return replace(self.moments[max(0, found - 1)])
