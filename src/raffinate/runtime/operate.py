"""The operating side: takes reports, keeps the mode, asks the controller, obeys the guard.

Only the guard writes setpoints. A controller proposes; in manual the operator's requests are the
proposal; in ratio the acid and the scrub follow the organic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

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
from raffinate.instruments.reading import Quality, Reading, judge_reading
from raffinate.plant.model import RAFFINATE, Plant
from raffinate.plant.steady import SteadyState
from raffinate.runtime.alarms import AlarmList, Finding
from raffinate.runtime.messages import CONTROL_PERIOD, SCAN, Note, Orders, PlantReport
from raffinate.runtime.twin import place_of
from raffinate.units import HOUR

MODES = ("manual", "ratio", "fuzzy")
"""Modes of control."""

PLAN_LIFE = 2.0 * CONTROL_PERIOD
"""How long a plan holds without a successor, [s]."""

WARM_UP = 2.0 * HOUR
"""Plant time before which a missing reading is no alarm, [s]: the analyzer has not been round."""

LAB_SILENCE = 16.0 * HOUR
"""Age of the latest sound assay above which the laboratory counts as silent, [s]."""

AIM = 10.0**-3.35
"""Impurity the controller aims at in both products, [-]: 0.35 decades inside a limit of 0.1 %."""


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
        in_force: Setpoints the plant has now, [m³/s]; nominal ones if not given.

    Attributes:
        assays: Latest sound assay by product.
        fresh_assays: Sound assays that came with the last report.
        report: The last report; None before the first.
        mode_history: Plant time, [s], and mode of every change.
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
        self.alarms = AlarmList()
        self.report: PlantReport | None = None
        self.assays: dict[str, Reading] = {}
        self.fresh_assays: tuple[Reading, ...] = ()
        self._latest_assay: dict[str, Reading] = {}
        self._assay_quality: dict[str, Quality] = {}
        self._ratio: dict[str, float] = {}
        self._refusals: tuple[Refusal, ...] = ()
        self._sequence = 0
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
        organic = self.requests["organic_flow"]
        self._ratio = {name: flow / organic for name, flow in self.requests.items()}
        self.state = self.supervisor.start(self.time, self.requests, self.state)
        if mode != self.mode:
            self.mode_history.append((self.time, mode))
        self.mode = mode
        return Note(time=self.time, kind="mode", text=f"Mode: {mode}")

    def held_by(self, lever: str) -> str:
        """Return who moves a lever: "operator", "ratio" or "fuzzy"."""
        if self.mode == "manual" or (self.mode == "ratio" and lever == "organic_flow"):
            return "operator"
        return self.mode

    def request(self, lever: str, value: float) -> Note:
        """Take an operator's setpoint, [m³/s], for a lever that the operator holds.

        Raises:
            SpecificationError: Unknown lever, wrong mode, or a value outside its limits.
        """
        known = {each.name: each for each in self.guard.levers}
        if lever not in known:
            raise SpecificationError(
                f"{lever!r} is no lever.", where="operate", mend=nearest_name(lever, tuple(known))
            )
        if self.held_by(lever) != "operator":
            raise SpecificationError(
                f"{lever} is held by {self.mode}.",
                where="operate",
                mend="Change to manual first.",
            )
        limits = known[lever]
        # A setpoint typed from the page's rounded limits must not fail in the last bit.
        slack = 1e-3 * (limits.high - limits.low)
        if not limits.low - slack <= value <= limits.high + slack:
            raise SpecificationError(
                f"{lever} is asked to be {value * HOUR:.4g} m³/h.",
                where="operate",
                allowed=f"{limits.low * HOUR:.4g} to {limits.high * HOUR:.4g} m³/h",
            )
        self.requests[lever] = limits.limited(value)
        if self.mode == "ratio":
            self.requests = {
                name: ratio * self.requests["organic_flow"] for name, ratio in self._ratio.items()
            }
        title = self.plant.levers[lever].title
        return Note(time=self.time, kind="mode", text=f"{title} set to {value * HOUR:.4g} m³/h")

    def take(self, report: PlantReport) -> tuple[Note, ...]:
        """Take in a report: judge readings and assays, raise and clear alarms."""
        self.time = report.time
        self.report = report
        self.fresh_assays = tuple(a for a in report.assays if self._sound(a, report.time))
        self.state = self.supervisor.observe(
            self.state, report.readings, self.fresh_assays, report.time
        )
        results = []
        for assay in self.fresh_assays:
            self.assays[assay.place] = assay
            results.append(self._lab_note(assay, report.time))
        return (*self.alarms.update(self._findings(report), report.time), *results)

    def _sound(self, assay: Reading, time: float) -> bool:
        previous = self._latest_assay.get(assay.place)
        verdict, _ = judge_reading(assay, previous, time, LAB_SILENCE)
        self._latest_assay[assay.place] = assay
        self._assay_quality[assay.place] = verdict
        return verdict in ("good", "below_limit")

    def _lab_note(self, assay: Reading, time: float) -> Note:
        purity = 1.0 - self.impurity(assay)
        found = f"{purity:.4%}" if math.isfinite(purity) else "next to no rare earths"
        age = (time - assay.sample_time) / HOUR
        text = f"{assay.place} {found}, sampled {age:.0f} h ago"
        return Note(time=time, kind="lab", text=text)

    def impurity(self, assay: Reading) -> float:
        """Return the mass fraction of REO that is not the product, as an assay says, [-].

        NaN where the sample holds next to no rare earths.
        """
        return assay.impurity(self.plant.products[assay.place].elements)[0]

    def orders(self) -> Orders:
        """Return the plans of the next control period, one per scan."""
        if self.mode == "fuzzy" and self.report is not None:
            self.state, self.advice = self.supervisor.advise(
                self.state, self.report.measured, self.report.setpoints, CONTROL_PERIOD
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

    def _findings(self, report: PlantReport) -> dict[str, Finding]:
        """Return everything that is wrong now, by tag."""
        found: dict[str, Finding] = {tag: (text, "high") for tag, text in report.alarms.items()}
        found |= self._analyzer_findings(report.time)
        found |= self._laboratory_findings(report.time)
        found |= self._guard_findings()
        if self.mode == "fuzzy" and self.advice.holding and report.time > WARM_UP:
            text = f"Fuzzy control holds still: {self.advice.holding}"
            found["fuzzy.holding"] = (text, "high")
        return found

    def _analyzer_findings(self, time: float) -> dict[str, Finding]:
        found: dict[str, Finding] = {}
        places = (*(stage.place for stage in self.supervisor.stages), *self.plant.products)
        for place in places:
            verdict = self.state.quality.get(place)
            if verdict in ("bad", "stale", "missing"):
                found[f"xrf.{place}"] = (f"Analyzer reading of {place} is {verdict}", "medium")
            elif verdict is None and time > WARM_UP:
                found[f"xrf.{place}"] = (f"No analyzer reading of {place} has come", "medium")
        return found

    def _laboratory_findings(self, time: float) -> dict[str, Finding]:
        found: dict[str, Finding] = {}
        for name, product in self.plant.products.items():
            assay = self.assays.get(name)
            sampled = 0.0 if assay is None else assay.sample_time
            if self._assay_quality.get(name) in ("bad", "stale"):
                found[f"lab.{name}"] = (f"Assay of {name} is not believed", "medium")
            elif time - sampled > LAB_SILENCE:
                hours = LAB_SILENCE / HOUR
                text = f"No assay of {name} from the last {hours:.0f} h"
                found[f"lab.{name}"] = (text, "medium")
            if assay is not None and 1.0 - self.impurity(assay) < product.purity_limit:
                found[f"{name}.purity"] = (f"Assay of {name} is below its limit", "high")
        return found

    def _guard_findings(self) -> dict[str, Finding]:
        found: dict[str, Finding] = {}
        for refusal in self._refusals:
            if refusal.kind != "out_of_range":
                found[f"guard.{refusal.kind}"] = (f"Guard: {refusal.message}", "high")
                continue
            title = self.plant.levers[refusal.lever].title
            text = f"Guard: {title} held at its limit, {refusal.granted * HOUR:.4g} m³/h"
            found[f"guard.{refusal.lever}"] = (text, "low")
        return found
