"""The operating side: takes reports, keeps the mode, asks the controller, obeys the guard.

Only the guard writes setpoints. A controller proposes; in manual the operator's requests are the
proposal; in ratio the acid and the scrub follow the organic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from raffinate.control.fuzzy_supervisor import (
    Advice,
    SupervisorState,
)
from raffinate.control.guard import Guard, GuardState, Refusal
from raffinate.control.plan import Plan
from raffinate.control.sampling_worth import Knowledge
from raffinate.errors import SpecificationError, nearest_name
from raffinate.instruments.reading import Quality, Reading, judge_reading
from raffinate.plant.model import Plant
from raffinate.plant.steady import SteadyState
from raffinate.runtime.alarms import AlarmList, Finding
from raffinate.runtime.messages import (
    CONTROL_PERIOD,
    MODES,
    SCAN,
    Note,
    Orders,
    PlantReport,
)
from raffinate.runtime.operate_findings import (
    LAB_SILENCE,
    WARM_UP,
    analyzer_findings,
    guard_findings,
    impurity_of,
    laboratory_findings,
)
from raffinate.runtime.operate_setup import levers_of, supervisor_of, worth_of
from raffinate.units import HOUR

PLAN_LIFE = 2.0 * CONTROL_PERIOD
"""How long a plan holds without a successor, [s]."""

SAME_SETPOINT = 1e-6
"""Share of a lever's span within which the plant counts as doing what the guard wrote, [-]."""

PERIOD_SCANS = round(CONTROL_PERIOD / SCAN)
"""Scans in a control period."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OperateState:
    """What an operating program needs to go on after it was killed.

    Attributes:
        time: Plant time of the last report, [s].
        mode: Mode of control.
        mode_history: Plant time, [s], and mode of every change.
        supervisor: State of the fuzzy controller.
        guarded: State of the guard.
        advice: Last advice.
        requests: Setpoints asked for in manual and ratio, [m³/s].
        ratio: Flow over organic flow that the ratio mode keeps, [-].
        assays: Latest sound assay by product.
        latest_assay: Latest assay by product, sound or not.
        assay_quality: Judgement of it.
        sequence: Number of the last proposal.
        advised: Plant time of the last advice, [s].
        alarms: What the alarm list remembers.
        stages: What readings have told of the monitored stages, for the choice of the next one.
    """

    time: float
    mode: str
    mode_history: tuple[tuple[float, str], ...]
    supervisor: SupervisorState
    guarded: GuardState
    advice: Advice
    requests: Mapping[str, float]
    ratio: Mapping[str, float]
    assays: Mapping[str, Reading]
    latest_assay: Mapping[str, Reading]
    assay_quality: Mapping[str, Quality]
    sequence: int
    advised: float
    alarms: Any
    stages: Knowledge = field(default_factory=dict)


class Operate:
    """One plant's operating program.

    Args:
        plant: The operator's model, at its nominal flows.
        nominal: Its nominal steady state.
        mode: Mode to begin in.
        in_force: Setpoints the plant has now, [m³/s]; nominal ones if not given.
        alarms: The alarm list, empty; one without definitions if not given.

    Attributes:
        assays: Latest sound assay by product.
        fresh_assays: Sound assays that came with the last report.
        report: The last report; None before the first.
        mode_history: Plant time, [s], and mode of every change.
        worth: Judges which stream to look at next; None where the analyzer keeps to a rota.
        stages: What it has been told.
    """

    def __init__(
        self,
        plant: Plant,
        nominal: SteadyState,
        mode: str,
        in_force: Mapping[str, float] | None = None,
        *,
        alarms: AlarmList | None = None,
    ) -> None:
        operation = nominal.operation
        assert operation is not None
        self.plant = plant
        self.nominal = {name: float(getattr(operation, name)) for name in plant.levers}
        self.supervisor = supervisor_of(plant, nominal)
        self.worth = worth_of(plant, self.supervisor)
        self.stages: Knowledge = {}
        self.guard = Guard(levers=levers_of(plant, self.nominal), plan_life=PLAN_LIFE)
        start = dict(in_force) if in_force is not None else dict(self.nominal)
        self._guarded = self.guard.start(start, 0.0)
        self._before = self._guarded
        self.state: SupervisorState = self.supervisor.start(0.0, start)
        self.requests = dict(start)
        self.advice = Advice(setpoints=start, rules=())
        self.time = 0.0
        self.mode = ""
        self.mode_history: list[tuple[float, str]] = []
        self.alarms = alarms if alarms is not None else AlarmList()
        self.report: PlantReport | None = None
        self.assays: dict[str, Reading] = {}
        self.fresh_assays: tuple[Reading, ...] = ()
        self._latest_assay: dict[str, Reading] = {}
        self._assay_quality: dict[str, Quality] = {}
        self._ratio: dict[str, float] = {}
        self._refusals: tuple[Refusal, ...] = ()
        self._sequence = 0
        self._advised = -math.inf
        self._met = False
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
        self._advised = -math.inf
        self.requests = dict(self._guarded.in_force)
        self._ratio = self._ratios(self.requests)
        # Until the next period begins, the advice of some other hour must not count.
        self.advice = Advice(setpoints=self.requests, rules=())
        self.state = self.supervisor.start(self.time, self.requests, self.state)
        if mode != self.mode:
            self.mode_history.append((self.time, mode))
        self.mode = mode
        return Note(time=self.time, kind="mode", text=f"Mode: {mode}")

    def _ratios(self, flows: Mapping[str, float]) -> dict[str, float]:
        # The ratios of a plant that stands are no aim for one that runs.
        kept = flows if flows["organic_flow"] > 0.0 else self.nominal
        return {name: flow / kept["organic_flow"] for name, flow in kept.items()}

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

    def state_now(self) -> OperateState:
        """Return what `restore` needs."""
        return OperateState(
            time=self.time,
            mode=self.mode,
            mode_history=tuple(self.mode_history),
            supervisor=self.state,
            guarded=self._guarded,
            advice=self.advice,
            requests=dict(self.requests),
            ratio=dict(self._ratio),
            assays=dict(self.assays),
            latest_assay=dict(self._latest_assay),
            assay_quality=dict(self._assay_quality),
            sequence=self._sequence,
            advised=self._advised,
            alarms=self.alarms.state(),
            stages=dict(self.stages),
        )

    def restore(self, state: OperateState, *, alone: bool = True) -> None:
        """Go on where a process was killed; the next report tells what the plant did since.

        Args:
            state: From `state_now`.
            alone: Whether nobody else moves the plant: what was asked for then stands. Otherwise
                it is left as it is found.
        """
        self.time = state.time
        self.mode = state.mode
        self.mode_history = list(state.mode_history)
        self.state = state.supervisor
        self._guarded = self._before = state.guarded
        self.advice = state.advice
        self.requests = dict(state.requests)
        self._ratio = dict(state.ratio)
        self.assays = dict(state.assays)
        self._latest_assay = dict(state.latest_assay)
        self._assay_quality = dict(state.assay_quality)
        self._sequence = state.sequence
        # Advice asked for twice would move the levers twice.
        self._advised = state.advised
        self._met = alone
        self.alarms.restore(state.alarms)
        self.stages = dict(state.stages)

    def take(
        self, report: PlantReport, extra: Mapping[str, Finding] | None = None
    ) -> tuple[Note, ...]:
        """Take in a report: judge readings and assays, raise and clear alarms.

        Args:
            report: What the plant says.
            extra: What is wrong outside the plant, such as a link, by tag of the alarm.
        """
        notes = self._follow(report)
        self.time = report.time
        self.report = report
        self.fresh_assays = tuple(a for a in report.assays if self._sound(a, report.time))
        self.state = self.supervisor.observe(
            self.state, report.readings, self.fresh_assays, report.time
        )
        if self.worth is not None:
            self.stages = self.worth.learned(self.stages, self.state.readings.values())
        results = []
        for assay in self.fresh_assays:
            self.assays[assay.place] = assay
            results.append(self._lab_note(assay, report.time))
        found = {**self._findings(report), **(extra or {})}
        return (*notes, *self.alarms.update(found, report.time), *results)

    def watch(self, extra: Mapping[str, Finding]) -> tuple[Note, ...]:
        """Raise and clear alarms while no report comes."""
        found = {} if self.report is None else self._findings(self.report)
        return self.alarms.update({**found, **extra}, self.time)

    def _follow(self, report: PlantReport) -> tuple[Note, ...]:
        """Start the guard afresh from what the plant does, where that is not what it wrote.

        The plant's own controller acts by itself when the heartbeat is lost, a plan expires or an
        interlock trips; taking over from its setpoints keeps the return free of a bump.
        """
        if report.sequence > self._guarded.sequence:
            # A guard that was killed after it had spoken must not count the same numbers again.
            self._guarded = replace(self._guarded, sequence=report.sequence)
        back = report.time < self.time
        given = self._guarded.in_force
        in_force = {lever.name: report.setpoints[lever.name] for lever in self.guard.levers}
        astray = any(
            abs(in_force[lever.name] - given[lever.name]) > SAME_SETPOINT * (lever.high - lever.low)
            for lever in self.guard.levers
        )
        # Orders for more scans than the plant has run since: its pace was taken down meanwhile.
        ahead = report.time < self._guarded.time
        met, self._met = self._met, True
        if not (astray or back or ahead):
            return ()
        self._guarded = self.guard.start(in_force, report.time, sequence=self._guarded.sequence)
        if report.remote and met and not back:
            # A scan was run before its orders were changed, or an interlock limits a lever: what
            # was asked for stands, and is walked to from where the plant is.
            return ()
        self.state = self.supervisor.start(report.time, in_force, self.state)
        self.advice, self._advised = Advice(setpoints=in_force, rules=()), -math.inf
        if self.mode != "fuzzy" or not met:
            self.requests = in_force
            self._ratio = self._ratios(in_force)
        why = "the plant's own controller had moved them"
        if back or not met:
            why = "plant time went back" if back else "that is how it is run so far"
        text = f"Setpoints taken over from the plant: {why}"
        return (Note(time=report.time, kind="mode", text=text, priority="low"),)

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
        return impurity_of(assay, self.plant.products)

    def orders(self, scans: int = PERIOD_SCANS) -> Orders:
        """Return the plans of the next scans.

        The controller is asked once per control period, at its begin; the scans in between follow
        its last advice, or what the operator asks for.

        Args:
            scans: How many.
        """
        self._before = self._guarded
        return self._ordered(scans)

    def orders_again(self, scans: int = PERIOD_SCANS) -> Orders:
        """Return plans for the same scans as the last orders, after a request has changed them."""
        self._guarded = self._before
        return self._ordered(scans)

    def _ordered(self, scans: int) -> Orders:
        begins = round(self.time / SCAN) % PERIOD_SCANS == 0
        if self.mode == "fuzzy" and self.report is not None:
            if begins and self._advised != self.time:
                self._advised = self.time
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
        for scan in range(scans):
            self._guarded, plan, found = self.guard.step(
                self._guarded, proposal if scan == 0 else None, self.time + scan * SCAN
            )
            refused += found
            plans.append(plan)
        self._refusals = refused
        return Orders(
            plans=tuple(plans),
            heartbeat=round(self.time / SCAN) + scans,
            requests=() if self.worth is None else self.worth.requests(self.stages, self.time),
        )

    @property
    def in_force(self) -> Mapping[str, float]:
        """Setpoints in force, by lever name, [m³/s]."""
        return self._guarded.in_force

    @property
    def plan(self) -> tuple[int, float]:
        """Number and expiry, [s], of the last plan; NaN while there is none."""
        accepted = self._guarded.accepted
        return self._guarded.sequence, math.nan if accepted is None else accepted.expires_at

    def _findings(self, report: PlantReport) -> dict[str, Finding]:
        """Return everything that is wrong now, by tag."""
        places = (*(stage.place for stage in self.supervisor.stages), *self.plant.products)
        found: dict[str, Finding] = {tag: (text, "high") for tag, text in report.alarms.items()}
        found |= analyzer_findings(self.state, places, report.time)
        found |= laboratory_findings(
            self.plant.products, self.assays, self._assay_quality, report.time
        )
        found |= guard_findings(self.plant, self._refusals)
        if self.mode == "fuzzy" and self.advice.holding and report.time > WARM_UP:
            text = f"Fuzzy control holds still: {self.advice.holding}"
            found["fuzzy.holding"] = (text, "high")
        return found
