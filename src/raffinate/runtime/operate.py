"""The operating side: takes reports, keeps the mode, asks the controller, sends what the guard allows.

Only the guard writes setpoints. A controller proposes; in manual the operator's requests are the
proposal; in ratio the acid and the scrub follow the organic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from raffinate.control.fuzzy_supervisor import (
    Advice,
    FuzzySupervisor,
    Monitored,
    Outlet,
    SupervisorState,
)
from raffinate.control.guard import Guard, Refusal
from raffinate.control.plan import Lever, Plan
from raffinate.errors import SpecificationError, nearest_name
from raffinate.plant.model import RAFFINATE, Plant
from raffinate.plant.steady import SteadyState
from raffinate.runtime.messages import CONTROL_PERIOD, SCAN, Note, Orders, PlantReport
from raffinate.runtime.twin import place_of

MODES = ("manual", "ratio", "fuzzy")
"""Modes of control."""

PLAN_LIFE = 2.0 * CONTROL_PERIOD
"""How long a plan holds without a successor, [s]."""

WARM_UP = 2.0 * 3600.0
"""Plant time before which missing readings are no alarm: the analyzer has not been round yet, [s]."""

AIM = 10.0**-3.35
"""Impurity the controller aims at in both products, [-]: 0.35 decades inside a limit of 0.1 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm that stands.

    Attributes:
        tag: What it is about.
        text: In words.
        priority: "low", "medium" or "high".
        since: Plant time at which it came, [s].
    """

    tag: str
    text: str
    priority: str
    since: float


def levers_of(plant: Plant, nominal: Mapping[str, float]) -> tuple[Lever, ...]:
    """Return the levers in SI around the nominal flows; the safe plan is the nominal one."""
    return tuple(
        Lever(
            name=name,
            low=limits.low * nominal[name],
            high=limits.high * nominal[name],
            rate_limit=limits.rate * nominal[name],
            unit="m³/s",
            safe=nominal[name],
        )
        for name, limits in plant.levers.items()
    )


def supervisor_of(plant: Plant, nominal: SteadyState, aim: float = AIM) -> FuzzySupervisor:
    """Return the fuzzy supervisor whose targets are the model's nominal profile."""
    elements = plant.circuit.elements
    raffinate = next(p for p in plant.products.values() if p.outlet == RAFFINATE)
    heavy = tuple(e for e in elements if e not in raffinate.elements)
    light = raffinate.elements
    chosen = np.array([e in heavy for e in elements])
    ratio = np.log10(nominal.aqueous[:, chosen].sum(1) / nominal.aqueous[:, ~chosen].sum(1))
    feed = plant.circuit.last_stage("extraction")
    operation = nominal.operation
    assert operation is not None
    return FuzzySupervisor(
        heavy=heavy,
        light=light,
        stages=tuple(
            Monitored(
                place=place_of(stage + 1),
                side=-1 if stage <= feed else 1,
                target=float(ratio[stage]),
            )
            for stage in plant.analyzer.monitored_stages
        ),
        outlets=tuple(
            Outlet(
                name=name,
                side=-1 if product.outlet == RAFFINATE else 1,
                elements=product.elements,
                aim=math.log10(aim),
            )
            for name, product in plant.products.items()
        ),
        nominal={name: getattr(operation, name) for name in plant.levers},
    )


class Operate:
    """One plant's operating program.

    Args:
        plant: The operator's model, at its nominal flows.
        nominal: Its nominal steady state.
        mode: Mode to begin in.
        in_force: Setpoints the plant has now; nominal ones if not given.
    """

    def __init__(
        self,
        plant: Plant,
        nominal: SteadyState,
        mode: str,
        in_force: Mapping[str, float] | None = None,
    ) -> None:
        operation = nominal.operation
        assert operation is not None
        self.plant = plant
        self.nominal = {name: float(getattr(operation, name)) for name in plant.levers}
        self.supervisor = supervisor_of(plant, nominal)
        self.guard = Guard(levers=levers_of(plant, self.nominal), plan_life=PLAN_LIFE)
        start = dict(in_force) if in_force is not None else dict(self.nominal)
        self._guarded = self.guard.start(start, 0.0)
        self.state: SupervisorState = self.supervisor.start(0.0, start)
        self.requests = dict(start)
        self.advice = Advice(setpoints=start, rules=())
        self.time = 0.0
        self.mode = ""
        self.mode_history: list[tuple[float, str]] = []
        self.alarms: dict[str, Alarm] = {}
        self.alarm_count = 0
        self.assays: dict[str, object] = {}
        self._sequence = 0
        self._report: PlantReport | None = None
        self.set_mode(mode)

    def set_mode(self, mode: str) -> Note:
        """Change the mode without a bump: every controller starts from what is in force.

        Raises:
            SpecificationError: There is no such mode.
        """
        if mode not in MODES:
            raise SpecificationError(
                f"{mode!r} is no mode.", where="operate", mend=nearest_name(mode, MODES)
            )
        self.requests = dict(self._guarded.in_force)
        self.state = self.supervisor.start(self.time, self.requests, self.state)
        self.mode = mode
        self.mode_history.append((self.time, mode))
        return Note(time=self.time, kind="mode", text=f"Mode: {mode}")

    def request(self, lever: str, value: float) -> Note:
        """Take an operator's setpoint, [m³/s], for the modes in which operators set flows.

        Raises:
            SpecificationError: Unknown lever, wrong mode, or a value outside its limits.
        """
        known = {each.name: each for each in self.guard.levers}
        if lever not in known:
            raise SpecificationError(
                f"{lever!r} is no lever.", where="operate", mend=nearest_name(lever, tuple(known))
            )
        if self.mode == "fuzzy" or (self.mode == "ratio" and lever != "organic_flow"):
            raise SpecificationError(
                f"{lever} is held by {self.mode}.", where="operate",
                mend="Change to manual first.",
            )
        limits = known[lever]
        if not (math.isfinite(value) and limits.low <= value <= limits.high):
            raise SpecificationError(
                f"{lever} is asked to be {value * 3600:.4g} m³/h.",
                where="operate",
                allowed=f"{limits.low * 3600:.4g} to {limits.high * 3600:.4g} m³/h",
            )
        self.requests[lever] = value
        if self.mode == "ratio":
            self._follow_organic()
        return Note(time=self.time, kind="mode", text=f"{lever} set to {value * 3600:.4g} m³/h")

    def _follow_organic(self) -> None:
        share = self.requests["organic_flow"] / self._guarded.in_force["organic_flow"]
        for name in ("acid_flow", "scrub_flow"):
            self.requests[name] = self._guarded.in_force[name] * share

    def take(self, report: PlantReport) -> tuple[Note, ...]:
        """Take in a report: judge readings, keep assays, raise and clear alarms."""
        self.time = report.time
        self._report = report
        self.state = self.supervisor.observe(
            self.state, report.readings, report.assays, report.time
        )
        for assay in report.assays:
            self.assays[assay.place] = assay
        return self._judge_alarms(report)

    def orders(self) -> Orders:
        """Return the plans of the next control period, one per scan."""
        if self.mode == "fuzzy" and self._report is not None:
            self.state, self.advice = self.supervisor.advise(
                self.state, self._report.measured, self._report.setpoints, CONTROL_PERIOD
            )
            wanted = dict(self.advice.setpoints)
        else:
            self.advice = replace(self.advice, rules=(), holding="")
            wanted = dict(self.requests)
        self._sequence += 1
        proposal = Plan(
            setpoints=wanted,
            issued_at=self.time,
            expires_at=self.time + PLAN_LIFE,
            sequence=self._sequence,
            author="fuzzy_supervisor" if self.mode == "fuzzy" else "operator",
            mode=self.mode,
        )
        plans = []
        refused: tuple[Refusal, ...] = ()
        for scan in range(int(CONTROL_PERIOD / SCAN)):
            self._guarded, plan, found = self.guard.step(
                self._guarded, proposal if scan == 0 else None, self.time + scan * SCAN
            )
            refused += found
            plans.append(plan)
        self._refusals = refused
        return Orders(plans=tuple(plans), heartbeat=int(self.time / SCAN))

    @property
    def in_force(self) -> Mapping[str, float]:
        """Setpoints in force, by lever name, [m³/s]."""
        return self._guarded.in_force

    def _judge_alarms(self, report: PlantReport) -> tuple[Note, ...]:
        standing: dict[str, tuple[str, str]] = {
            tag: (text, "high") for tag, text in report.alarms.items()
        }
        for place, verdict in self.state.quality.items():
            if verdict in ("bad", "stale", "missing"):
                standing[f"xrf.{place}"] = (f"Reading of {place} is {verdict}", "medium")
        for stage in self.supervisor.stages:
            if stage.place not in self.state.readings and report.time > WARM_UP:
                standing[f"xrf.{stage.place}"] = (f"No reading of {stage.place}", "medium")
        for name, product in self.plant.products.items():
            assay = self.assays.get(name)
            if assay is None:
                continue
            fractions, _ = assay.fractions("oxide")  # type: ignore[attr-defined]
            wanted = [e in product.elements for e in self.plant.circuit.elements]
            if 1.0 - float(fractions[~np.array(wanted)].sum()) < product.purity_limit:
                standing[f"{name}.purity"] = (f"Assay of {name} is below its limit", "high")
        if self.mode == "fuzzy" and self.advice.holding and report.time > WARM_UP:
            standing["fuzzy.holding"] = (
                f"Fuzzy control holds still: {self.advice.holding}", "high"
            )
        notes = []
        for tag, (text, priority) in standing.items():
            if tag not in self.alarms:
                self.alarms[tag] = Alarm(tag=tag, text=text, priority=priority, since=report.time)
                self.alarm_count += 1
                notes.append(Note(time=report.time, kind="alarm", text=text, priority=priority))
        for tag in [tag for tag in self.alarms if tag not in standing]:
            gone = self.alarms.pop(tag)
            notes.append(Note(time=report.time, kind="alarm", text=f"Cleared: {gone.text}"))
        return tuple(notes)
