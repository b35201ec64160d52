"""The plant as the operating program meets it: through the nodes that a nodemap names.

One way in and one way out, for the twin and for a real plant alike: a report is read, plans are
written. Where the server keeps records, samples come from them, so that a cut link loses none;
elsewhere they are read from the nodes of each stream.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol
from zlib import crc32

from raffinate.errors import DataError
from raffinate.instruments.reading import Reading
from raffinate.plant.model import Plant
from raffinate.runtime.alarms import Finding
from raffinate.runtime.messages import CHECK, SCAN, Note, Orders, PlantReport
from raffinate.runtime.nodemap import NodeMap
from raffinate.runtime.nodemap_nodes import NodeRef, StreamNodes
from raffinate.runtime.plant_clock import PlantClock
from raffinate.runtime.records import Record, record_from_json

PULL = 500
"""Most records asked for at a time."""

STILL = 3
"""Most times that new results are read until none has changed meanwhile."""

SHOWN = 1200.0
"""Plant time for which a jump of the clock or a gap is told, [s]: it is looked for every second,
and alarms are taken up with the next scan."""


class NodeClient(Protocol):
    """What is needed of an OPC UA client."""

    async def read_full(self, names: Sequence[str]) -> Sequence[tuple[Any, str, datetime | None]]:
        """Return value, quality and source time of each node."""

    async def write(self, pairs: Sequence[tuple[str, Any]]) -> None:
        """Write values in one request."""

    async def call(self, object_node: str, method: str, *arguments: Any) -> Any:
        """Call a method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortState:
    """What a port remembers over a restart.

    Attributes:
        records: Number of the last record taken.
        streams: Sequence, or sample time, of the last result taken, by instrument and place.
        heartbeat: The last one sent.
        offsets: Of the clock, before its last jump and since, [s].
    """

    records: int
    streams: Mapping[tuple[str, str], float]
    heartbeat: int = 0
    offsets: tuple[float, float] = (0.0, 0.0)


class PlantPort:
    """Reads reports from a plant's server and writes plans to it.

    Args:
        client: Connected to it.
        nodemap: Names its nodes.
        plant: The operator's model, at its nominal flows.
        epoch_us: UTC at plant time 0, [µs], where the server does not tell plant time.
    """

    def __init__(
        self, client: NodeClient, nodemap: NodeMap, plant: Plant, *, epoch_us: int
    ) -> None:
        self._client = client
        self._map = nodemap
        self._plant = plant
        self._epoch_us = epoch_us
        self._clock = PlantClock(epoch_us)
        # Only a clock that the plant tells of is known to be the one that stamps its samples.
        self._stamps = nodemap.time is not None and nodemap.scan is None
        self._records = 0
        self._streams: dict[tuple[str, str], float] = {}
        self._sent: dict[str, float] = {}
        self._source_times: dict[NodeRef, datetime | None] = {}
        self._heartbeat = 0
        self.scan = 0
        self.findings: dict[str, Finding] = {}
        self._shown_until: dict[str, float] = {}
        self.notes: list[Note] = []

    def state(self) -> PortState:
        """Return what `restore` needs."""
        return PortState(
            records=self._records,
            streams=dict(self._streams),
            heartbeat=self._heartbeat,
            offsets=self._clock.offsets,
        )

    def restore(self, state: PortState) -> None:
        """Go on after the samples that were taken before a restart."""
        self._records = state.records
        self._streams = dict(state.streams)
        self._heartbeat = state.heartbeat
        self._clock.offsets = state.offsets

    async def report(self) -> PlantReport:
        """Return what the plant says now, with every sample not yet taken.

        Raises:
            DataError: A flow or a setpoint is not to be had.
            RaffinateError: The server does not answer.
        """
        found, report = await self._looked()
        return await self._with_samples(found, report)

    async def report_after(self, scan: int) -> PlantReport | None:
        """Return what the plant says if `scan` is not its last scan; None if it is.

        Samples are taken only together with a report: they would be lost with it.

        Raises:
            DataError: A flow or a setpoint is not to be had.
            RaffinateError: The server does not answer.
        """
        found, report = await self._looked()
        return None if self.scan == scan else await self._with_samples(found, report)

    async def _looked(self) -> tuple[dict[NodeRef, Any], PlantReport]:
        """Return what every report needs, and a report without samples."""
        found = await self._read(self._standing_nodes())
        now = self._time(found)
        measured, setpoints = self._flows(found)
        if self._map.scan is not None and found[self._map.scan] is not None:
            self.scan = int(found[self._map.scan])
        else:
            self.scan = round(now / SCAN)
        report = PlantReport(
            time=now,
            measured=measured,
            setpoints=setpoints,
            readings=(),
            assays=(),
            alarms=self._alarms(found),
            sequence=self._plan_sequence(found),
            remote=self._is_remote(found),
        )
        return found, report

    async def _with_samples(self, found: Mapping[NodeRef, Any], report: PlantReport) -> PlantReport:
        readings = await self._samples(found, report.time)
        return replace(
            report,
            readings=tuple(r for r in readings if r.instrument not in ("assay", CHECK)),
            assays=tuple(r for r in readings if r.instrument == "assay"),
            checks=tuple(r for r in readings if r.instrument == CHECK),
        )

    async def _read(self, nodes: Sequence[NodeRef]) -> dict[NodeRef, Any]:
        """Return what nodes hold, None where it is bad; source times go to `_source_times`."""
        answers = await self._client.read_full([str(node) for node in nodes])
        found = {}
        for node, (value, quality, moment) in zip(nodes, answers, strict=True):
            bad = quality in ("bad", "stale") or (isinstance(value, float) and math.isnan(value))
            found[node] = None if bad else value
            self._source_times[node] = moment
        return found

    def _standing_nodes(self) -> list[NodeRef]:
        """Return what every report needs."""
        named = self._map
        nodes: list[NodeRef | None] = [
            *(named.time, named.scan, named.plc_mode, named.watchdog, named.plc_alarms),
            *(named.sequence, named.records_last),
            *(state.node for state in (*named.alarms, *named.interlocks)),
        ]
        for lever in named.levers.values():
            nodes += [lever.measured, lever.in_force or lever.setpoint]
        if named.records_object is None:
            nodes += [stream.sequence or stream.sample_time for stream in named.streams]
            nodes += [s.values[0] for s in named.streams if not (s.sequence or s.sample_time)]
        return [node for node in dict.fromkeys(nodes) if node is not None]

    def _time(self, found: Mapping[NodeRef, Any]) -> float:
        told = None if self._map.time is None else _moment(found[self._map.time])
        if isinstance(told, (int, float)) and self._map.scan is not None:
            return float(told)
        if isinstance(told, datetime):
            utc = _utc(told)
        elif isinstance(told, (int, float)):
            utc = self._epoch_us / 1e6 + float(told)
        else:
            utc = time.time()
        now, jump = self._clock.plant_time(utc)
        if jump:
            text = f"The plant's clock jumped by {jump:+.0f} s; plant time goes on without it"
            self._find("link.clock", text, now)
        self._forget(now)
        return now

    def _find(self, tag: str, text: str, now: float) -> None:
        """Tell of something that happens in a moment, for long enough to be taken up."""
        self.findings[tag] = (text, "medium")
        self._shown_until[tag] = now + SHOWN
        self.notes.append(Note(time=now, kind="run", text=text, priority="medium"))

    def _forget(self, now: float) -> None:
        for tag in [tag for tag, until in self._shown_until.items() if now > until]:
            del self._shown_until[tag]
            self.findings.pop(tag, None)

    def _flows(self, found: Mapping[NodeRef, Any]) -> tuple[dict[str, float], dict[str, float]]:
        measured, setpoints = {}, {}
        for name, lever in self._map.levers.items():
            flow, setpoint = found[lever.measured], found[lever.in_force or lever.setpoint]
            if flow is None or setpoint is None:
                raise DataError(
                    f"the {'flow' if flow is None else 'setpoint'} of {name} is bad.",
                    where="plant",
                    mend="Look at its transmitter or controller; plans wait until it is good.",
                )
            measured[name] = lever.to_si(float(flow))
            setpoints[name] = lever.to_si(float(setpoint))
            if lever.in_force is None and name in self._sent:
                # Read back through a unit and back: the plan itself, to the last digit.
                sent = self._sent[name]
                if abs(setpoints[name] - sent) <= 1e-9 * abs(sent):
                    setpoints[name] = sent
        return measured, setpoints

    def _is_remote(self, found: Mapping[NodeRef, Any]) -> bool:
        mode = None if self._map.plc_mode is None else found[self._map.plc_mode]
        return mode is None or str(mode).casefold() == "remote"

    def _plan_sequence(self, found: Mapping[NodeRef, Any]) -> int:
        told = None if self._map.sequence is None else found[self._map.sequence]
        return int(told) if isinstance(told, (int, float)) else 0

    def _alarms(self, found: Mapping[NodeRef, Any]) -> dict[str, str]:
        alarms = {}
        for state in (*self._map.alarms, *self._map.interlocks):
            if found[state.node] is not None and bool(found[state.node]) == state.when:
                alarms[state.tag] = state.text
        if self._map.watchdog is not None and found[self._map.watchdog]:
            alarms["plc.watchdog"] = "The plant's controller misses the guard's heartbeat"
        rows = found[self._map.plc_alarms] if self._map.plc_alarms is not None else None
        for row in rows or ():
            tag, _, text = str(row).partition("|")
            alarms[tag] = text
        return alarms

    # Samples.

    async def _samples(self, found: Mapping[NodeRef, Any], now: float) -> list[Reading]:
        """Return the samples not yet taken; only when all have come do they count as taken."""
        if self._map.records_object is not None:
            return await self._pulled(found, now)
        marks = self._marks(self._map.streams, found)
        new = {k: m for k, m in marks.items() if m is not None and self._streams.get(k) != m}
        fresh = [s for s in self._map.streams if (s.instrument, s.place) in new]
        if not fresh:
            return []
        values, taken = await self._read_still(fresh, new)
        readings = [self._reading(stream, values, now) for stream in fresh]
        self._streams |= taken
        return readings

    async def _read_still(
        self, streams: Sequence[StreamNodes], marks: Mapping[tuple[str, str], float]
    ) -> tuple[dict[NodeRef, Any], dict[tuple[str, str], float]]:
        """Return the streams' nodes, read while no result changed, and the marks they bear.

        A result that comes between two requests would else be taken under the mark of the one
        before it, and taken again with its own.
        """
        nodes = {node: None for each in streams for node in (*each.nodes, _mark_node(each))}
        for _ in range(STILL):
            values = await self._read(list(nodes))
            before = marks
            found = self._marks(streams, values)
            # A mark gone bad stays what it was: the result before it has been seen already.
            marks = {**before, **{k: m for k, m in found.items() if m is not None}}
            if marks == before:
                break
        return values, dict(marks)

    def _marks(
        self, streams: Sequence[StreamNodes], found: Mapping[NodeRef, Any]
    ) -> dict[tuple[str, str], float | None]:
        return {(s.instrument, s.place): self._mark(s, found) for s in streams}

    async def _pulled(self, found: Mapping[NodeRef, Any], now: float) -> list[Reading]:
        assert self._map.records_object is not None
        owner, after = str(self._map.records_object), self._records
        newest = None if self._map.records_last is None else found[self._map.records_last]
        if isinstance(newest, int) and newest < after:
            # The plant's machine died, and its ring lost its end: those numbers come again.
            after = newest
        readings: list[Reading] = []
        while True:
            text = await self._client.call(owner, "Pull", after, PULL)
            lines = [line for line in text.split("\n") if line]
            for record in map(record_from_json, lines):
                if self._map.scan is not None and record.time > now:
                    # The plant has run on since it was looked at: that is for the next report.
                    lines = []
                    break
                self._note_gap(record.sequence - after - 1 if after else 0, record)
                after = record.sequence
                readings += record.samples
            if not lines:
                self._records = after
                return readings

    def _note_gap(self, missing: int, record: Record) -> None:
        if missing > 0:
            text = f"{missing} records of the plant are missing before number {record.sequence}"
            self._find("link.gap", text, record.time)

    def _mark(self, stream: StreamNodes, found: Mapping[NodeRef, Any]) -> float | None:
        """Return what tells a stream's result from the one before; None where it has none."""
        told = _moment(found[_mark_node(stream)])
        if isinstance(told, datetime):
            return _utc(told)
        if told is None or isinstance(told, (int, float)):
            return told
        # Not hash(), which is another in every process.
        return float(crc32(repr(told).encode(errors="backslashreplace")))

    def _reading(self, stream: StreamNodes, values: Mapping[NodeRef, Any], now: float) -> Reading:
        first = stream.values[0]
        told = values[stream.sample_time] if stream.sample_time else self._source_times[first]
        sampled = self._plant_time(told, now)
        known = self._plant_time(values[stream.result_time] if stream.result_time else None, now)
        elements = self._plant.circuit.elements
        return stream.reading(values, elements, sample_time=min(sampled, now), result_time=known)

    def _plant_time(self, told: Any, now: float) -> float:
        told = _moment(told)
        if told is None:
            return now
        utc = _utc(told) if isinstance(told, datetime) else self._epoch_us / 1e6 + float(told)
        return self._clock.sampled(utc, now) if self._stamps else utc - self._epoch_us / 1e6

    # Plans.

    async def send(self, orders: Orders) -> None:
        """Write the plans of the next scans, in one request.

        Raises:
            RaffinateError: The server refuses it or does not answer.
        """
        last = orders.plans[-1]
        pairs: list[tuple[str, Any]] = []
        for name, lever in self._map.levers.items():
            pairs.append((str(lever.setpoint), lever.from_si(last.setpoints[name])))
            self._sent[name] = last.setpoints[name]
            if lever.trajectory is not None:
                row = tuple(lever.from_si(plan.setpoints[name]) for plan in orders.plans)
                pairs.append((str(lever.trajectory), row))
        if self._map.sequence is not None:
            pairs.append((str(self._map.sequence), last.sequence))
        if self._map.expires is not None:
            pairs.append((str(self._map.expires), self._expiry(last.expires_at, last.issued_at)))
        if self._map.requests is not None and orders.requests:
            rows = tuple(f"{each.stream}|{each.worth:.6g}" for each in orders.requests)
            pairs.append((str(self._map.requests), rows))
        self._heartbeat = max(self._heartbeat + 1, orders.heartbeat)
        beat = orders.heartbeat if self._map.scan is not None else self._heartbeat
        # Last, because it makes the rest count.
        pairs.append((str(self._map.heartbeat), beat))
        await self._client.write(pairs)

    def _expiry(self, expires_at: float, now: float) -> Any:
        if self._map.expiry_form == "seconds_left":
            return expires_at - now
        # By the plant's own clock, which may have jumped.
        told = expires_at - (self._clock.offsets[1] if self._stamps else 0.0)
        if self._map.expiry_form == "utc":
            return datetime.fromtimestamp(self._epoch_us / 1e6 + told, tz=UTC)
        return told


def _mark_node(stream: StreamNodes) -> NodeRef:
    """Return the node that tells a stream's result from the one before."""
    return stream.sequence or stream.sample_time or stream.values[0]


def _moment(told: Any) -> Any:
    """Return a time that came as text as a time; anything else as it is."""
    if isinstance(told, str):
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(told)
    return told


def _utc(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
