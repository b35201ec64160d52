"""The made-up alarm list of fake_server.py: every state of the standard, and its moves."""

from __future__ import annotations

from typing import Any

from fake_plant import PLANT, FakePlant, purity

REASONS: dict[str, dict[str, str]] = {
    "cepr.purity": {
        "cause": "The Nd front has moved towards the raffinate: too little organic, or too "
        "little saponification.",
        "consequence": "Ce/Pr raffinate goes to the off-specification tank.",
        "action": "Check the saponification, then raise the organic flow by one to two percent.",
    },
    "nd.purity": {
        "cause": "Ce and Pr reach the strip: too little scrub, or too much organic.",
        "consequence": "Nd liquor goes to the off-specification tank.",
        "action": "Raise the scrub flow, or lower the organic flow by one percent.",
    },
    "scrub_flow.deviation": {
        "cause": "The scrub pump has tripped or its suction is blocked.",
        "consequence": "Pr breaks through to the strip within about eight hours.",
        "action": "Restart the pump; open the by-pass if it does not start.",
    },
    "stage_20.nd": {
        "cause": "The Nd front stands further to the left than it should.",
        "consequence": "The margin of the Ce/Pr raffinate shrinks.",
        "action": "Watch the trend; the controller acts on it.",
    },
}
SILENT = {
    "cause": "Made up for work on the page.",
    "consequence": "None.",
    "action": "None is needed.",
}
STANDING = [
    ("stage_44.reading", "Reading of stage 44 stale", "low", "acknowledged", 7.5),
    ("acid_tank.level", "Acid tank under 20 %", "medium", "shelved", 30.0),
    ("xrf.chi2", "Spectrum of channel 1 fits poorly", "low", "suppressed", 52.0),
    ("ph_probe_3.drift", "pH probe 3 drifts", "low", "out_of_service", 96.0),
]


class FakeAlarms:
    """Alarms that follow from the plant, and a few that stand in each state."""

    def __init__(self, plant: FakePlant) -> None:
        self.plant = plant
        self.alarms: dict[str, dict[str, Any]] = {}
        for tag, text, priority, state, age in STANDING:
            self.raise_(tag, text, priority, plant.t_h - age)
            self.alarms[tag]["state"] = state
        self.alarms["acid_tank.level"]["shelved_until_h"] = plant.t_h + 5.0
        self.alarms["stage_44.reading"]["chattering"] = True
        self.raise_("nd.lab_late", "Laboratory result of Nd liquor late", "low", plant.t_h - 3.0)
        self.alarms["nd.lab_late"].update(state="returned", active=False)
        self.update()
        if "cepr.purity" not in self.alarms:
            self.raise_("cepr.purity", "Ce/Pr raffinate near its limit", "high", plant.t_h - 0.3)
            self.alarms["cepr.purity"]["kept"] = True

    def raise_(self, tag: str, text: str, priority: str, since_h: float) -> None:
        """Let an alarm stand, unacknowledged."""
        self.alarms[tag] = {
            "tag": tag,
            "text": text,
            "priority": priority,
            "since_h": since_h,
            "state": "unacknowledged",
            "active": True,
            "first_out": tag == "scrub_flow.deviation",
            **REASONS.get(tag, SILENT),
            "shelved_until_h": None,
            "chattering": False,
        }

    def found(self) -> dict[str, tuple[str, str]]:
        """Return text and priority of what is wrong now, by tag."""
        found = {}
        for product in PLANT["products"]:
            if 1 - purity(product["name"], self.plant.front) > 1e-3:
                found[f"{product['name']}.purity"] = (
                    f"{product['title']} off specification",
                    "high",
                )
        if self.plant.running("scrub_pump_trip"):
            found["scrub_flow.deviation"] = ("Scrub flow 100 % under its setpoint", "medium")
        if self.plant.running("feed_nd_high"):
            found["stage_20.nd"] = ("Nd at stage 20 above its band", "low")
        return found

    def update(self) -> None:
        """Raise and clear alarms as the plant goes."""
        found = self.found()
        for tag, (text, priority) in found.items():
            if tag not in self.alarms or not self.alarms[tag]["active"]:
                self.raise_(tag, text, priority, self.plant.t_h)
                self.plant.note("alarm", text, priority)
        for tag in [tag for tag in REASONS if tag in self.alarms and tag not in found]:
            alarm = self.alarms[tag]
            if alarm.get("kept"):
                continue
            alarm["active"] = False
            if alarm["state"] == "acknowledged":
                del self.alarms[tag]
            elif alarm["state"] == "unacknowledged":
                alarm["state"] = "returned"
        for alarm in self.alarms.values():
            until = alarm["shelved_until_h"]
            if until is not None and self.plant.t_h >= until:
                alarm.update(state="unacknowledged", shelved_until_h=None)

    def obey(self, action: str, tag: str | None, hours: float | None) -> dict[str, Any]:
        """Carry out one action of an operator; return its event."""
        if action == "acknowledge_all":
            for each in list(self.alarms):
                if self.alarms[each]["state"] in ("unacknowledged", "returned"):
                    self.acknowledge(each)
            return self.plant.note("alarm", "All alarms acknowledged by dev")
        if tag not in self.alarms:
            return refusal(f"There is no alarm {tag}.", None, "Reload the page.")
        alarm, text = self.alarms[tag], self.alarms[tag]["text"]
        if action == "acknowledge":
            self.acknowledge(tag)
        elif action == "shelve":
            until = self.plant.t_h + (hours or 8.0)
            alarm.update(state="shelved", shelved_until_h=until)
        elif action == "suppress":
            alarm["state"] = "suppressed"
        elif action == "out_of_service":
            alarm["state"] = "out_of_service"
        else:
            alarm.update(state="unacknowledged", shelved_until_h=None)
        return self.plant.note("alarm", f"{text}: {action.replace('_', ' ')} by dev")

    def acknowledge(self, tag: str) -> None:
        """Acknowledge one alarm; one that has returned then goes."""
        if self.alarms[tag]["active"]:
            self.alarms[tag]["state"] = "acknowledged"
        else:
            del self.alarms[tag]

    def listed(self) -> list[dict[str, Any]]:
        """Return the alarms as the page takes them."""
        return [
            {key: value for key, value in alarm.items() if key != "kept"}
            for alarm in self.alarms.values()
        ]

    def figures(self) -> dict[str, Any]:
        """Return the figures of the alarm system."""
        states = [alarm["state"] for alarm in self.alarms.values()]
        of = {
            priority: sum(alarm["priority"] == priority for alarm in self.alarms.values())
            for priority in ("high", "medium", "low")
        }
        return {
            "standing": sum(alarm["active"] for alarm in self.alarms.values()),
            "unacknowledged": states.count("unacknowledged"),
            "shelved": states.count("shelved"),
            "suppressed": states.count("suppressed"),
            "out_of_service": states.count("out_of_service"),
            "per_10_min": 0.13,
            "peak_10_min": 4,
            "flood": False,
            "flood_percent": 0.0,
            "chattering": [tag for tag, alarm in self.alarms.items() if alarm["chattering"]],
            "stale": ["ph_probe_3.drift"],
            "per_day": 18.7,
            "by_priority": of,
        }


def refusal(what: str, allowed: str | None, mend: str) -> dict[str, Any]:
    """Return a refusal as the page takes it."""
    error = {"where": "request", "what": what, "allowed": allowed, "mend": mend}
    return {"type": "error", "error": error}
