"""What the processes say to each other: plain values that would travel between machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from raffinate.control.plan import Plan
from raffinate.instruments.reading import Reading
from raffinate.instruments.sampling import Request

SCAN = 60.0
"""Supervisory scan, [s] of plant time."""

CONTROL_PERIOD = 600.0
"""Control period, [s] of plant time."""

BLANK, STANDARD = "blank", "standard"
"""Names of the checks of the online analyzer, which are their places."""

CHECK = "check"
"""Instrument of a reading of a blank or standard, so that nobody takes it for one of the plant."""

CHECK_ALARM = "xrf.check"
"""Tag of the alarm while a check has failed and is not made good."""

MODES = ("manual", "ratio", "fuzzy")
"""Modes of control."""

STARTING = "Solving the nominal state and compiling (first start only)…"
"""What is said while the plant is being built."""


def place_of(stage: int) -> str:
    """Return the name of a sampled stage, counted from 1."""
    return f"stage {stage}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlantReport:
    """What a plant's control system publishes after a control period.

    Attributes:
        time: Plant time at the end of it, [s].
        measured: Flows as measured, by lever name, [m³/s].
        setpoints: Setpoints in force at the end, by lever name, [m³/s].
        readings: Online readings whose result became known in it.
        assays: Laboratory results that became known in it.
        checks: Readings of the analyzer's blank and standard that did, as read.
        alarms: Tags of what the plant itself reports, with a sentence each.
        remote: Whether the plant's own controller followed the guard's plan.
        sequence: Number of the newest plan it has been given; 0 where it does not tell.
    """

    time: float
    measured: Mapping[str, float]
    setpoints: Mapping[str, float]
    readings: tuple[Reading, ...]
    assays: tuple[Reading, ...]
    checks: tuple[Reading, ...] = ()
    alarms: Mapping[str, str] = field(default_factory=dict)
    remote: bool = True
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What `operate` sends to the plant for one control period.

    Attributes:
        plans: One plan per scan, as the guard wrote them.
        heartbeat: Counts plant scans.
        requests: Streams the analyzer is asked to look at next.
    """

    plans: tuple[Plan, ...]
    heartbeat: int
    requests: tuple[Request, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A line for the event log.

    Attributes:
        time: Plant time, [s].
        kind: "mode", "upset", "alarm", "lot", "lab" or "run".
        text: In words.
        priority: "info", "low", "medium" or "high".
    """

    time: float
    kind: str
    text: str
    priority: str = "info"
