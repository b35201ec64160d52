"""The virtual plant as its own thread moves it: in step with the guard, and safe without it.

No network here: orders and calls come in through methods that any thread may use, what there is to
show goes out through one callback, and every step stands on the disk before anyone is told of it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from raffinate.control.plc import INTERLOCKS, Plc
from raffinate.errors import SpecificationError
from raffinate.instruments.reading import Fault
from raffinate.instruments.sampling import Request
from raffinate.runtime import twin_values
from raffinate.runtime.checkpoint import save_checkpoint
from raffinate.runtime.messages import CONTROL_PERIOD, SCAN, Note, PlantReport
from raffinate.runtime.operate_setup import levers_of
from raffinate.runtime.records import Record
from raffinate.runtime.ring import Ring
from raffinate.runtime.run_directory import RunDirectory
from raffinate.runtime.tags import Value, check_folders, stream_folders
from raffinate.runtime.twin import Twin
from raffinate.runtime.twin_checkpoint import TwinCheckpoint, nominal_flows, resumed
from raffinate.units import HOUR

FAST = 600.0
"""Pace above which the plant moves a control period at a time, [plant s per wall s]."""

PATIENCE = 2.0
"""Wall time for which a watched twin waits for the guard, [s]."""

HEARING = 0.25
"""Longest wall time for which a twin that goes on alone waits for the guard before each step, [s]:
one that has come back could otherwise never be as quick as the plant, and be in step again."""

NEWS_INTERVAL = 1.0
"""Longest wall time for which what people did waits for a record, [s]."""

MOST_CHANGES = 500
"""Entries of the audit trail in one record: a flood of them must not make one that nobody can
carry."""

PROFILE_INTERVAL = 0.5
"""Least wall time between two profiles, [s]."""

LONGEST_LAG = 1.0
"""Most wall time lost to a slow step that is made up, [s]."""

PERIOD_SCANS = round(CONTROL_PERIOD / SCAN)

Publish = Callable[[Mapping[str, Value]], None]


class TwinHost:
    """Moves one virtual plant.

    Args:
        run: Run directory.
        twin: The plant as it begins; not used where there is a checkpoint.
        publish: Takes values by tag path; called in the thread that moves the plant.
    """

    def __init__(self, run: RunDirectory, twin: Twin | None, publish: Publish) -> None:
        self._run = run
        self._publish = publish
        self.ring = Ring(run.ring("plant"))
        kept = resumed(run)
        if kept is None:
            if twin is None:
                raise SpecificationError("there is no plant to move.", where="twin")
            self.twin, self.speed = twin, run.settings.speed
            self._streams: dict[tuple[str, str], int] = {}
        else:
            self.twin, self.speed = kept.twin, kept.speed
            self._streams = dict(kept.streams)
        self.levers = levers_of(self.twin.plant, nominal_flows(self.twin))
        self._plc = Plc(levers=self.levers, scan_time=SCAN)
        self._measured: dict[str, float] = {}
        if kept is None:
            self.plc = self._plc.start({each.name: each.safe for each in self.levers})
            self._sequence = self.ring.last
        else:
            self.plc = kept.plc
            self._measured = dict(kept.measured)
            self._sequence = kept.record.sequence
            self._complete_ring(kept.record)
        self.duration = run.settings.hours * HOUR
        self.step_ms = 0.0
        self.alone = False
        self._waiting_since: float | None = None
        self._shown_at = 0.0
        self._told: list[Note] = []
        self._changes: deque[Mapping[str, Any]] = deque()
        self._lock = threading.Lock()
        self._woken = threading.Condition()
        self._stopping = False
        self._folders = stream_folders(self.twin.plant) | check_folders(self.twin.plant)
        self._requests: tuple[Request, ...] | None = None

    def _complete_ring(self, record: Record) -> None:
        """Put the last record on the ring, where the kill came between the two."""
        if self.ring.last >= record.sequence:
            self._sequence = self.ring.last
            return
        if self.ring.last < record.sequence - 1:
            # The machine died and took records that were not yet forced to the disk.
            self.ring.skip_to(record.sequence)
        self.ring.append(record)

    @property
    def finished(self) -> bool:
        """Whether the run has reached its end."""
        return self.twin.time >= self.duration - 1e-6

    @property
    def phase(self) -> str:
        """Return "running", "paused" or "finished"."""
        if self.finished:
            return "finished"
        return "running" if self.speed > 0.0 else "paused"

    # What other threads ask for.

    def accept(
        self,
        trajectory: Mapping[str, Sequence[float]],
        *,
        heartbeat: int,
        sequence: int,
        expires_at: float,
    ) -> None:
        """Take a plan of the guard, [m³/s].

        Raises:
            SpecificationError: The PLC refuses it.
        """
        with self._woken:
            self.plc = self._plc.accept(
                self.plc,
                trajectory,
                heartbeat=heartbeat,
                sequence=sequence,
                expires_at=expires_at,
            )
            self._woken.notify_all()

    def ask(self, requests: Sequence[Request]) -> None:
        """Take the streams that the estimation would have the analyzer look at next.

        Through a shelf of its own: the step under way must not hold up whoever writes.
        """
        self._requests = tuple(requests)

    def set_speed(self, speed: float) -> None:
        """Change the pace, [plant s per wall s]; 0 holds plant time."""
        with self._woken:
            self.speed = speed
            self._woken.notify_all()
        self._publish(self._pace())

    def begin_upset(self, name: str) -> None:
        """Let an upset begin now.

        Raises:
            SpecificationError: There is no such upset.
        """
        with self._lock:
            self.twin.begin_upset(name)
            self._publish(twin_values.upset_values(self.twin))

    def end_upset(self, name: str) -> None:
        """End an upset now.

        Raises:
            SpecificationError: None of this name is active.
        """
        with self._lock:
            self._told.append(self.twin.clear_upset(name))
            self._publish(twin_values.upset_values(self.twin))

    def inject_fault(self, place: str, fault: Fault | None) -> None:
        """Let an instrument fail from now on, or mend it.

        Raises:
            SpecificationError: There is no such instrument, place or fault.
        """
        with self._lock:
            self.twin.inject_fault(place, fault)
            text = f"Fault of {place}: {fault}" if fault else f"{place} is mended"
            self._told.append(Note(time=self.twin.time, kind="upset", text=text, priority="medium"))

    def keep(self, entry: Mapping[str, Any]) -> None:
        """Let the next record carry an entry of the audit trail to the history."""
        self._changes.append(entry)

    def stop(self) -> None:
        """Make `run_until_stopped` return after the step under way."""
        with self._woken:
            self._stopping = True
            self._woken.notify_all()

    # What the plant's own thread does.

    def run_until_stopped(self) -> None:
        """Move the plant at its pace until `stop` is called."""
        self.twin.prepare()
        self.show_all()
        due = time.monotonic()
        while not self._stopping:
            if self.finished or self.speed <= 0.0:
                self._publish(self._pace())
                self._wait(0.2, lambda: self.speed > 0.0 and not self.finished)
                self._tell_news()
                due = time.monotonic()
                continue
            scans = self._scans_to_run()
            if scans == 0:
                continue
            begun_at, speed = time.monotonic(), self.speed
            self.step(scans)
            self.step_ms = 1e3 * (time.monotonic() - begun_at)
            due = max(due + scans * SCAN / speed, time.monotonic() - LONGEST_LAG)
            due = self._waited_until(due, speed)

    def _waited_until(self, due: float, speed: float) -> float:
        """Wait for a wall time and return it; a new pace ends the wait, and counts from then."""
        while not self._stopping and self.speed == speed:
            left = due - time.monotonic()
            if left <= 0.0:
                return due
            self._wait(min(left, NEWS_INTERVAL), lambda: self.speed != speed)
            self._tell_news()
        return time.monotonic()

    def _wait(self, longest: float, until: Callable[[], bool]) -> None:
        with self._woken:
            self._woken.wait_for(lambda: self._stopping or until(), timeout=longest)

    def _scans_to_run(self) -> int:
        """Wait for the guard and return how many scans may be run; 0 to look again."""
        to_boundary = PERIOD_SCANS - self.plc.scan % PERIOD_SCANS
        most = to_boundary if self.speed > FAST else 1
        ahead = self.plc.acknowledged - self.plc.scan
        if ahead > 0:
            self._waiting_since, self.alone = None, False
            return min(most, ahead)
        if self.alone:
            self._wait(HEARING, lambda: self.plc.acknowledged > self.plc.scan or self.speed <= 0.0)
            heard = self.plc.acknowledged > self.plc.scan or self.speed <= 0.0
            return 0 if heard else most
        now = time.monotonic()
        if self._waiting_since is None:
            self._waiting_since = now
        left = self._waiting_since + PATIENCE - now
        if left <= 0.0:
            self.alone = True
            return most
        self._wait(left, lambda: self.plc.acknowledged > self.plc.scan or self.speed <= 0.0)
        return 0

    def step(self, scans: int) -> None:
        """Run scans: plans of the PLC, the plant, disk, then whoever listens."""
        with self._lock:
            plans = []
            for scan in range(scans):
                with self._woken:
                    self.plc, plan = self._plc.step(
                        self.plc, self.twin.time + scan * SCAN, self._measured
                    )
                plans.append(plan)
            asked, self._requests = self._requests, None
            if asked is not None:
                self.twin.ask(asked)
            report, notes = self.twin.advance(plans)
            self._measured = dict(report.measured)
            told, self._told = self._told, []
            self._say(report, (*told, *notes))

    def _tell_news(self) -> None:
        """Record what people did while no step takes it along."""
        with self._lock:
            while self._told or self._changes:
                told, self._told = self._told, []
                record = self._record({}, {}, (), told)
                save_checkpoint(self._run.checkpoint("twin"), self._checkpoint(record))
                self.ring.append(record)
                self._publish({"Records/Last": self._sequence})

    def _say(self, report: PlantReport, notes: Sequence[Note]) -> None:
        alarms = {**report.alarms, **self._own_alarms()}
        lasting: dict[str, Value] = {
            **twin_values.lever_values(self.levers, self.plc, report),
            **twin_values.true_values(self.twin),
        }
        # Whole profiles at control periods at most, and no faster than anyone can look.
        now = time.monotonic()
        show = now - self._shown_at >= PROFILE_INTERVAL
        profile = twin_values.profile_values(self.twin) if show else {}
        if show:
            self._shown_at = now
            lasting["Truth/BalanceError"] = self.twin.check()
        samples = (*report.readings, *report.assays, *report.checks)
        record = self._record(lasting, profile, samples, notes)
        save_checkpoint(self._run.checkpoint("twin"), self._checkpoint(record))
        self.ring.append(record)
        self._publish(
            {
                **lasting,
                **profile,
                **self._samples_shown(samples),
                **twin_values.upset_values(self.twin),
                **(twin_values.spectrum_values(self.twin) if show else {}),
                **self._pace(),
                "Records/Last": self._sequence,
                "PLC/Time": self.twin.time,
                **twin_values.plc_values(self.plc, alarms),
            }
        )

    def _record(
        self,
        lasting: Mapping[str, Value],
        profile: Mapping[str, tuple[float, ...]],
        samples: Sequence[Any],
        notes: Sequence[Note],
    ) -> Record:
        self._sequence += 1
        count = min(len(self._changes), MOST_CHANGES)
        return Record(
            sequence=self._sequence,
            time=self.twin.time,
            wall=time.time_ns() // 1000,
            values={
                **{path: float(v) for path, v in lasting.items() if isinstance(v, (int, float))},
                "PLC/Remote": float(self.plc.mode == "remote"),
            },
            arrays=profile,
            samples=tuple(samples),
            notes=tuple(notes),
            changes=tuple(self._changes.popleft() for _ in range(count)),
        )

    def _checkpoint(self, record: Record) -> TwinCheckpoint:
        return TwinCheckpoint(
            twin=self.twin,
            plc=self.plc,
            record=record,
            speed=self.speed,
            streams=dict(self._streams),
            measured=self._measured,
        )

    def _own_alarms(self) -> dict[str, str]:
        found = {}
        if self.alone:
            found["twin.alone"] = "The twin went on without the guard's acknowledgment"
        if self.plc.watchdog:
            found["plc.watchdog"] = "The PLC misses the guard's heartbeat and holds the last plan"
        if self.plc.mode == "safe":
            found["plc.safe"] = "The plan has expired: the PLC runs the safe plan"
        for name in self.plc.interlocks:
            found[f"plc.interlock.{name}"] = INTERLOCKS[name]
        return found

    def _samples_shown(self, samples: Sequence[Any]) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for sample in samples:
            key = (sample.instrument, sample.place)
            if key not in self._folders:
                continue
            self._streams[key] = self._streams.get(key, 0) + 1
            found |= twin_values.stream_values(self._folders[key], self._streams[key], sample)
        return found

    def _pace(self) -> dict[str, Value]:
        return {
            "Pace/Speed": self.speed,
            "Pace/Phase": self.phase,
            "Pace/StepTime": self.step_ms,
            "Pace/Horizon": self.duration,
        }

    def show_all(self) -> None:
        """Publish everything as it is, before the first step or after a resume."""
        with self._lock:
            flows = {name: self.plc.in_force[name] for name in self.plc.in_force}
            report = PlantReport(
                time=self.twin.time, measured=flows, setpoints=flows, readings=(), assays=()
            )
            self._publish(
                {
                    **twin_values.lever_limits(self.levers),
                    **twin_values.lever_values(self.levers, self.plc, report),
                    **twin_values.true_values(self.twin),
                    **twin_values.profile_values(self.twin),
                    **twin_values.upset_values(self.twin),
                    **twin_values.spectrum_values(self.twin),
                    **self._pace(),
                    **twin_values.plc_values(self.plc, self._own_alarms()),
                    "PLC/Epoch": self._run.settings.epoch_us,
                    "PLC/Time": self.twin.time,
                    "Records/Last": self.ring.last,
                }
            )

    def close(self) -> None:
        """Check the balance of the whole run, and close the ring."""
        self._publish({"Truth/BalanceError": self.twin.check()})
        self.ring.close()
