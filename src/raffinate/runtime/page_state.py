"""The present of a run as the page shows it, from the mirrored tags of both servers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from raffinate.control.plc import INTERLOCKS
from raffinate.instruments.reading import Reading
from raffinate.plant.model import Plant, Product
from raffinate.runtime.page_messages import encode
from raffinate.runtime.page_readings import margin, purity_of, read_reading, reading_row
from raffinate.runtime.page_tags import TagView
from raffinate.units import HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the page shows beside the plant.

    Attributes:
        processes: Rows as the page lists them.
        links: Rows as the page lists them.
        span: Plant times between which the past can be shown, [s]; None without history.
    """

    processes: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    span: tuple[float, float] | None = None


class PresentPage:
    """Builds the `state` message.

    Args:
        plant: The plant; only names, limits and stages of it are used, never its flows.
        of_plant: Tags of the plant's server.
        of_operate: Tags of the operating program.
    """

    def __init__(self, plant: Plant, of_plant: TagView, of_operate: TagView) -> None:
        self.plant = plant
        self.of_plant = of_plant
        self.of_operate = of_operate
        self._listed: Any = None
        self._readings: list[tuple[Reading, str]] = []
        self._assayed: Any = None
        self._assays: dict[str, Reading] = {}

    @property
    def time(self) -> float | None:
        """Plant time, [s]; None before any is known."""
        time = self.of_plant.number("PLC/Time")
        return self.of_operate.number("Time") if time is None else time

    @property
    def virtual(self) -> bool:
        """Whether the plant's server shows a true state, as only a virtual plant does."""
        return self.of_plant.text("Pace/Phase") is not None

    @property
    def phase(self) -> str:
        """Return "running", "paused" or "finished"; a real plant always runs."""
        return self.of_plant.text("Pace/Phase") or "running"

    @property
    def speed(self) -> float:
        """Plant seconds per wall second."""
        speed = self.of_plant.number("Pace/Speed")
        return 1.0 if speed is None else speed

    def message(self, around: Surroundings) -> dict[str, Any]:
        """Return the `state` message, all but the profile."""
        now = self.time or 0.0
        self._read_readings()
        return {
            "type": "state",
            "t_h": now / HOUR,
            "run": self.phase,
            "speed": self.speed,
            "mode": self.of_operate.text("Mode/Current") or "",
            "products": {name: self._product(p, now) for name, p in self.plant.products.items()},
            "reagents_per_t_reo": self._reagents(),
            "levers": {name: self._lever(name) for name in self.plant.levers},
            "readings": [
                row
                for reading, verdict in self._readings
                if (row := reading_row(reading, verdict, now)) is not None
            ],
            "targets": self.of_operate.rows("Targets"),
            "rules": self._rules(),
            "alarms": self.of_operate.rows("Alarms/Standing"),
            "alarm_figures": self.of_operate.json("Alarms/Figures"),
            "upsets": self._upsets(now),
            "analyzer": self._analyzer(now),
            "plc": self._plc(),
            "controller": {
                "holding": self.of_operate.text("Controller/Holding") or "",
                "trim": self.of_operate.numbers("Controller/Trim") or [],
            },
            "solver": {
                "step_ms": self.of_plant.number("Pace/StepTime"),
                "advice_ms": self.of_operate.number("Controller/Seconds"),
                "balance_error": self.of_plant.number("Truth/BalanceError"),
            },
            "processes": around.processes,
            "links": around.links,
            "history": span_of(around.span),
        }

    def show(self, readings: list[tuple[Reading, str]], assays: dict[str, Reading]) -> None:
        """Show these readings with their verdicts, and these assays by product.

        They stay until the operating program publishes others.
        """
        self._readings, self._assays = readings, assays

    def _read_readings(self) -> None:
        """Parse readings and assays, once per text that a server publishes."""
        listed = self.of_operate.json("Readings")
        if listed is not self._listed:
            self._listed = listed
            rows = listed if isinstance(listed, list) else []
            found = ((read_reading(row), row) for row in rows)
            self._readings = [(r, str(row.get("verdict", r.quality))) for r, row in found if r]
        assayed = self.of_operate.json("Assays")
        if assayed is not self._assayed:
            self._assayed = assayed
            found_assays = assayed if isinstance(assayed, dict) else {}
            read = {name: read_reading(row) for name, row in found_assays.items()}
            self._assays = {name: assay for name, assay in read.items() if assay}

    def _product(self, product: Product, now: float) -> dict[str, Any]:
        folder, tags = f"Truth/Products/{product.name}", self.of_plant
        lab = self._assay(product, now)
        seen = purity_of(self._reading_at(product.name), product)
        purity = tags.number(f"{folder}/Purity")
        if purity is None and not self.virtual:
            # Nobody knows the truth of a real plant; its analyzer comes closest, then the assay.
            purity = seen[0] if seen is not None else lab["purity"] if lab else None
        sigma = lab["sigma"] if lab else seen[1] if seen else None
        made, hours = tags.number(f"{folder}/MadeTonnes"), now / HOUR
        return {
            "purity": purity,
            "lab": lab,
            "in_spec": None if purity is None else purity >= product.purity_limit,
            "off_spec_h": tags.number(f"{folder}/OffSpecHours") or 0.0,
            "off_spec_t": tags.number(f"{folder}/OffSpecTonnes") or 0.0,
            "lots": tags.count(f"{folder}/Lots"),
            "lots_off_spec": tags.count(f"{folder}/LotsOffSpec"),
            "recovery": tags.number(f"{folder}/Recovery"),
            "reo_kg_per_h": None if made is None or not hours > 0.0 else 1000.0 * made / hours,
            "sigma": sigma,
            **margin(purity, sigma, product.purity_limit),
        }

    def _reading_at(self, place: str) -> Reading | None:
        sound = (
            reading
            for reading, verdict in self._readings
            if reading.place == place and verdict in ("good", "below_limit")
        )
        return next(sound, None)

    def _assay(self, product: Product, now: float) -> dict[str, Any] | None:
        assay = self._assays.get(product.name)
        found = purity_of(assay, product)
        if assay is None or found is None:
            return None
        return {
            "purity": found[0],
            "age_h": (now - assay.sample_time) / HOUR,
            "sigma": found[1],
        }

    def _reagents(self) -> dict[str, float]:
        found = {name: self.of_plant.number(f"Truth/Reagents/{name}") for name in ("NH3", "HCl")}
        return {name: value for name, value in found.items() if value is not None}

    def _lever(self, name: str) -> dict[str, Any]:
        folder, plant, operate = f"Levers/{name}", self.of_plant, self.of_operate
        in_force = self._number(f"{folder}/InForce")
        expires = plant.hours("PLC/PlanExpires")
        return {
            "setpoint": in_force,
            "measured": self._number(f"{folder}/Measured"),
            "held_by": operate.text(f"{folder}/HeldBy") or "",
            "output": plant.number(f"{folder}/Output"),
            "requested": operate.number(f"{folder}/Request"),
            "plan_expires_h": operate.hours("Plan/Expires") if expires is None else expires,
            "low": plant.number(f"{folder}/Low"),
            "high": plant.number(f"{folder}/High"),
        }

    def _number(self, path: str) -> float | None:
        """Return a number of the plant; of a real one, what operate tells of it."""
        value = self.of_plant.number(path)
        return self.of_operate.number(path) if value is None else value

    def _rules(self) -> list[dict[str, Any]]:
        texts = self.of_operate.texts("Controller/Rules")
        strengths = self.of_operate.numbers("Controller/Strengths") or []
        return [
            {"text": text.replace("_", " "), "strength": strength}
            for text, strength in zip(texts, strengths, strict=False)
        ]

    def _upsets(self, now: float) -> list[dict[str, Any]]:
        rows = []
        for row in self.of_plant.rows("Upsets/Table"):
            begin, end = row.get("begin"), row.get("end")
            if not isinstance(begin, (int, float)) or begin > now:
                continue
            ends = float(end) if isinstance(end, (int, float)) else None
            rows.append(
                {
                    "name": row.get("name"),
                    "title": row.get("title"),
                    "from_h": begin / HOUR,
                    "to_h": None if ends is None else ends / HOUR,
                    "active": ends is None or now < ends,
                }
            )
        return rows

    def _analyzer(self, now: float) -> dict[str, Any] | None:
        if not self._readings:
            return None
        newest = max((reading for reading, _ in self._readings), key=lambda r: r.sample_time)
        return {"place": newest.place, "age_h": (now - newest.sample_time) / HOUR}

    def _plc(self) -> dict[str, Any] | None:
        tags = self.of_plant if self.of_plant.text("PLC/Mode") else self.of_operate
        mode = tags.text("PLC/Mode")
        if not mode:
            return None
        return {
            "mode": mode,
            # The tag says that the heartbeat is lost, the page asks whether it is heard.
            "watchdog": not tags.flag("PLC/Watchdog"),
            "interlocks": [
                {
                    "name": name,
                    "text": text,
                    "active": bool(tags.flag(f"Interlocks/{name}")),
                }
                for name, text in INTERLOCKS.items()
            ],
        }


def profile_tags(elements: tuple[str, ...]) -> dict[tuple[str, str], str]:
    """Return the tag of each row of the profile; pH and free extractant have no element."""
    phases = {"aqueous": "Truth/Aqueous", "organic": "Truth/Organic"}
    rows = {(name, e): f"{folder}/{e}" for name, folder in phases.items() for e in elements}
    return rows | {("pH", ""): "Truth/pH", ("free_extractant", ""): "Truth/FreeExtractant"}


def profile_of(tags: TagView, elements: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the true profile of a virtual plant, or None where the server shows none."""
    found: dict[str, Any] = {"aqueous": {}, "organic": {}}
    for (name, element), path in profile_tags(elements).items():
        row = tags.numbers(path)
        if not row:
            return None
        if element:
            found[name][element] = shortened(row)
        else:
            found[name] = shortened(row)
    return found


class ProfileText:
    """The profile as JSON; it is most of a state, and changes less often than the rest.

    Args:
        tags: Of the plant's server.
        elements: On the element axis.
    """

    def __init__(self, tags: TagView, elements: tuple[str, ...]) -> None:
        self._tags = tags
        self._elements = elements
        self._paths = tuple(profile_tags(elements).values())
        self._seen: list[Any] = []
        self._text = "null"

    def read(self) -> str:
        """Return the profile as it is now; "null" where the server shows none."""
        seen = [self._tags.raw(path) for path in self._paths]
        if len(seen) != len(self._seen) or any(
            a is not b for a, b in zip(seen, self._seen, strict=True)
        ):
            self._seen = seen
            self._text = encode(profile_of(self._tags, self._elements))
        return self._text


def shortened(row: list[float | None]) -> list[float | None]:
    """Return the row with six significant digits, more than any pixel shows."""
    return [None if value is None else float(f"{value:.6g}") for value in row]


def span_of(span: tuple[float, float] | None) -> dict[str, float] | None:
    """Return two plant times, [s], as the page's span, [h]."""
    return None if span is None else {"from_h": span[0] / HOUR, "to_h": span[1] / HOUR}
