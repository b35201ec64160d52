"""The operating program with its memory on disk; no network here.

Reports come in and orders go out through plain calls; people ask through one door, which judges
their role and leaves an entry in the audit trail whatever the answer.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from raffinate.errors import RaffinateError, SpecificationError, nearest_name
from raffinate.plant.model import Plant
from raffinate.plant.steady import SteadyState
from raffinate.runtime.alarm_actions import ROLE_OF_ACTION
from raffinate.runtime.alarms import AlarmList, Finding
from raffinate.runtime.checkpoint import load_checkpoint, save_checkpoint
from raffinate.runtime.messages import MODES, Note, Orders, PlantReport
from raffinate.runtime.opcua_access import AccessDenied, Who, may
from raffinate.runtime.operate import Operate, OperateState
from raffinate.runtime.operate_values import alarm_values, operate_values
from raffinate.runtime.plant_port import PortState
from raffinate.runtime.records import Record
from raffinate.runtime.ring import Ring
from raffinate.runtime.run_directory import RunDirectory
from raffinate.runtime.sample_gate import SampleGate
from raffinate.runtime.tags import Role, Value
from raffinate.units import HOUR

Audit = Callable[[dict[str, Any]], dict[str, Any]]
"""Writes an entry to the audit trail and returns it as written."""

REQUESTS = ("mode", "setpoint", "alarm")
"""What people may ask operate for."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OperateCheckpoint:
    """What a killed operating program resumes from.

    Attributes:
        operate: Its state.
        port: What was taken from the plant; None where nothing was.
        gate: Newest samples.
        record: What it said last.
    """

    operate: OperateState
    port: PortState | None
    gate: SampleGate
    record: Record


class OperateHost:
    """Keeps one operating program.

    Args:
        run: Run directory.
        plant: The operator's model, at its nominal flows.
        nominal: Its nominal steady state.
        audit: Takes what people asked for.
        alarms: The alarm list, empty.
        keeps_plant: Record flows and samples too, for a plant whose server keeps no records.
    """

    def __init__(
        self,
        run: RunDirectory,
        plant: Plant,
        nominal: SteadyState,
        audit: Audit,
        alarms: AlarmList,
        *,
        keeps_plant: bool,
    ) -> None:
        self._run = run
        self._audit = audit
        self._keeps_plant = keeps_plant
        self.ring = Ring(run.ring("operate"))
        self.operate = Operate(plant, nominal, run.settings.mode, alarms=alarms)
        self.gate = SampleGate()
        self.port: PortState | None = None
        self._sequence = self.ring.last
        self._notes: list[Note] = []
        self._changes: list[Mapping[str, Any]] = []
        self._samples: tuple[Any, ...] = ()
        self._last: Record | None = None
        self._lock = threading.Lock()
        self.advice_ms = 0.0
        self.asked = False
        self._resume()

    def _resume(self) -> None:
        kept = load_checkpoint(self._run.checkpoint("operate"))
        if not isinstance(kept, OperateCheckpoint):
            text = f"Run begins in {self.operate.mode}, seed {self._run.settings.seed}"
            if not self._run.settings.virtual:
                text = f"Run begins in {self.operate.mode} at {self._run.settings.connect}"
            self._notes.append(Note(time=0.0, kind="run", text=text))
            return
        self.operate.restore(kept.operate, alone=self._run.settings.virtual)
        self.port, self.gate = kept.port, kept.gate
        if kept.record.sequence > self.ring.last:
            if kept.record.sequence > self.ring.last + 1:
                self.ring.skip_to(kept.record.sequence)
            self.ring.append(kept.record)
        self._sequence = self.ring.last
        self._notes.append(
            Note(time=self.operate.time, kind="run", text="The operating program was restarted")
        )

    # Reports and orders.

    def take(self, report: PlantReport, extra: Mapping[str, Finding]) -> None:
        """Take in a report of the plant."""
        with self._lock:
            found = dict(extra)
            self.gate, samples, remarks = self.gate.passed(
                (*report.readings, *report.assays), report.time
            )
            if remarks:
                found["samples.order"] = (f"Samples refused: {'; '.join(remarks)}", "low")
            names = {id(sample) for sample in samples}
            self._samples = (*report.readings, *report.assays)
            sound = replace(
                report,
                readings=tuple(s for s in report.readings if id(s) in names),
                assays=tuple(s for s in report.assays if id(s) in names),
            )
            self._notes += self.operate.take(sound, found)

    def watch(self, extra: Mapping[str, Finding]) -> None:
        """Raise and clear alarms while no report comes."""
        with self._lock:
            self._notes += self.operate.watch(extra)

    def orders(self, scans: int) -> Orders:
        """Return the plans of the next scans."""
        with self._lock:
            begun = time.perf_counter()
            found = self.operate.orders(scans)
            self.advice_ms = 1e3 * (time.perf_counter() - begun)
            self.asked = False
            return found

    def orders_again(self, scans: int) -> Orders:
        """Return other plans for the same scans, after someone has asked for a change."""
        with self._lock:
            self.asked = False
            return self.operate.orders_again(scans)

    def note(self, *notes: Note) -> None:
        """Add lines to the event log."""
        with self._lock:
            self._notes += notes

    def commit(self, port: PortState) -> None:
        """Put the state and all that happened since the last commit on the disk."""
        with self._lock:
            self.port = port
            self._write_down()

    def _write_down(self) -> None:
        self._sequence += 1
        record = Record(
            sequence=self._sequence,
            time=self.operate.time,
            wall=time.time_ns() // 1000,
            values=self._kept_values(),
            samples=self._samples if self._keeps_plant else (),
            notes=tuple(self._notes),
            changes=tuple(self._changes),
        )
        self._notes, self._changes, self._samples = [], [], ()
        checkpoint = OperateCheckpoint(
            operate=self.operate.state_now(), port=self.port, gate=self.gate, record=record
        )
        save_checkpoint(self._run.checkpoint("operate"), checkpoint)
        self.ring.append(record)

    @property
    def has_news(self) -> bool:
        """Whether something waits for a commit although no report has come."""
        return bool(self._notes or self._changes)

    def _kept_values(self) -> dict[str, float]:
        operate = self.operate
        found = {
            "Alarms/Standing": float(len(operate.alarms.standing)),
            "Alarms/Count": float(operate.alarms.count),
            "Controller/AdviceTime": self.advice_ms,
        }
        found["Mode/Index"] = float(MODES.index(operate.mode))
        for name, flow in operate.requests.items():
            found[f"Levers/{name}/Request"] = flow * HOUR
        for index, trim in enumerate(operate.state.trim):
            found[f"Controller/Trim/{index + 1}"] = float(trim)
        if self._keeps_plant and operate.report is not None:
            for name in operate.plant.levers:
                found[f"Levers/{name}/Measured"] = operate.report.measured[name] * HOUR
                found[f"Levers/{name}/InForce"] = operate.report.setpoints[name] * HOUR
        return found

    def values(self) -> dict[str, Value]:
        """Return what the server shows."""
        with self._lock:
            return {
                **operate_values(self.operate),
                **alarm_values(self.operate),
                "Controller/Seconds": self.advice_ms,
                "Records/Last": self.ring.last,
            }

    def standing_alarms(self) -> tuple[list[dict[str, Any]], float]:
        """Return the alarms as the page shows them, and plant time, [s]."""
        with self._lock:
            return self.operate.alarms.snapshot(self.operate.time), self.operate.time

    # What people ask for.

    def ask(self, request: Mapping[str, Any], who: Who, source: str = "opcua") -> None:
        """Do what someone asks for, and write down that they did, whatever the answer.

        Args:
            request: As the page sends it: a mode, a setpoint [m³/h], an action on an alarm.
            who: Who asks.
            source: Through which door.

        Raises:
            AccessDenied: Their role may not.
            SpecificationError: It cannot be done; says why.
        """
        what, old, new = self._described(request)
        entry = {
            "plant_time": self.operate.time,
            "user": who.name,
            "role": who.role,
            "source": source,
            "what": what,
            "old": old,
            "new": new,
        }
        try:
            self.carry_out(request, who)
        except RaffinateError as error:
            self.written({**entry, "accepted": False, "reason": str(error)})
            raise
        self.written({**entry, "accepted": True, "reason": ""})

    def carry_out(self, request: Mapping[str, Any], who: Who) -> None:
        """Do what someone asks for, where the server that heard it keeps the audit trail.

        Raises:
            AccessDenied: Their role may not.
            SpecificationError: It cannot be done; says why.
        """
        needed = _role_for(request)
        if not may(who.role, needed):
            raise AccessDenied(
                f"{who.name} is {who.role}, and {request['type']} needs {needed}.",
                where="operate",
                mend="Ask someone whose role may.",
            )
        with self._lock:
            self._notes.append(self._do(request, who))
            self.asked = True
            # Before anybody is told that it is done: a kill must not undo it.
            self._write_down()

    def written(self, entry: dict[str, Any]) -> None:
        """Write an entry to the audit trail; the next record carries it to the history."""
        entry = self._audit({"plant_time": self.operate.time, **entry})
        with self._lock:
            self._changes.append(entry)

    def _described(self, request: Mapping[str, Any]) -> tuple[str, Any, Any]:
        kind = request.get("type")
        if kind == "mode":
            return "Mode/Request", self.operate.mode, request.get("mode")
        if kind == "setpoint":
            lever = str(request.get("lever"))
            old = self.operate.requests.get(lever)
            shown = None if old is None else round(old * HOUR, 6)
            return f"Levers/{lever}/Request", shown, request.get("value")
        if kind == "alarm":
            return f"Alarms/{request.get('tag', '')}", None, request.get("action")
        return str(kind), None, None

    def _do(self, request: Mapping[str, Any], who: Who) -> Note:
        kind = request.get("type")
        if kind == "mode":
            note = self.operate.set_mode(str(request.get("mode")))
            return replace(note, text=f"{note.text} ({who.name})")
        if kind == "setpoint":
            value = request.get("value")
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise SpecificationError(f"{value!r} is no number.", where="setpoint")
            note = self.operate.request(str(request.get("lever")), float(value) / HOUR)
            return replace(note, text=f"{note.text} ({who.name})")
        hours = request.get("hours")
        if hours is not None and not (isinstance(hours, (int, float)) and math.isfinite(hours)):
            raise SpecificationError(f"{hours!r} is no number of hours.", where="alarm")
        return self.operate.alarms.act(
            request["action"],
            str(request.get("tag", "")),
            self.operate.time,
            who.name,
            hours=None if hours is None else float(hours),
            comment=_shown(str(request.get("comment") or "")[:500]),
        )


def _shown(text: str) -> str:
    """Return what people wrote without the characters that not every database and client holds."""
    return "".join(each if each.isprintable() else " " for each in text)


def _role_for(request: Mapping[str, Any]) -> Role:
    """Return the lowest role that may ask for this.

    Raises:
        SpecificationError: Nobody can ask for it.
    """
    kind = request.get("type")
    if kind not in REQUESTS:
        raise SpecificationError(
            f"{kind!r} is no request.", where="operate", mend=nearest_name(str(kind), REQUESTS)
        )
    if kind != "alarm":
        return "operator"
    action = request.get("action")
    if not isinstance(action, str) or action not in ROLE_OF_ACTION:
        raise SpecificationError(
            f"{action!r} is nothing that can be done to an alarm.",
            where="operate",
            mend=nearest_name(str(action), tuple(ROLE_OF_ACTION)),
        )
    return ROLE_OF_ACTION[action]
