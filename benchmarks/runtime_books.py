"""What is left of a run when it has ended: rings, history and audit trails, compared."""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from runtime_support import Limit, ring_records

from raffinate.plant.plant_file import load_plant
from raffinate.runtime.audit import read_audit
from raffinate.runtime.audit_run import verify_run
from raffinate.runtime.historian import open_historian
from raffinate.runtime.records import Record
from raffinate.runtime.run_directory import RunDirectory

FOREVER = 2**62
"""A time after all others, UTC [µs]."""

SLACK = 1e-9
"""Share of its span by which a flow may pass a limit through units and back."""

Spans = Mapping[str, tuple[float, float]]
"""Least and greatest setpoint of each lever, [m³/h]."""

Sample = tuple[int, str, str, float]
"""Number of the record, instrument, place and time of a sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """A run that has ended.

    Attributes:
        steps: Records of the plant's steps.
        spans: Limits of the levers.
        samples: All samples in the plant's ring.
        entries: All audit entries.
        counts: What should be 0, by what it counts.
        detail: Sizes.
    """

    steps: Sequence[Record]
    spans: Spans
    samples: Sequence[Sample]
    entries: Sequence[dict[str, Any]]
    counts: Mapping[str, int]
    detail: Mapping[str, Any]

    def limits(self) -> list[Limit]:
        """Return the counts with what they must be."""
        return [Limit(what=what, value=value, must=0) for what, value in self.counts.items()]


def books_of(run: RunDirectory) -> Books:
    """Compare rings, history and audit trails."""
    rings = {source: ring_records(run, source) for source in ("plant", "operate")}
    steps = steps_of(rings["plant"])
    spans = spans_of(run)
    samples = samples_of(rings["plant"])
    with contextlib.closing(open_historian(run.history_url, read_only=True)) as history:
        cursors = {source: history.cursor(source) for source in rings}
        gaps = history.gaps(0, FOREVER)
        stored = history.samples("", 0, FOREVER)
        changes = [change.entry for change in history.changes(0, FOREVER)]
        rows = len(history.rows("plant:Levers/acid_flow/InForce", 0, FOREVER).value)
    known = [
        (s.sequence, s.reading.instrument, s.reading.place, s.reading.sample_time) for s in stored
    ]
    entries = [entry for file in run.audit_files() for entry in read_audit(file)]
    copied = {(entry.get("trail"), entry.get("n")) for entry in changes}
    counts = {
        "setpoints of records beyond their limits": sum(
            is_beyond(step.values[f"Levers/{name}/InForce"], *span)
            for step in steps
            for name, span in spans.items()
        ),
        "numbers missing in the rings": sum(map(_missing, rings.values())),
        "gaps in the history": len(gaps),
        "records behind at the end": sum(abs(rows[-1].sequence - cursors[source])
                                         for source, rows in rings.items() if rows),
        "steps missing in the history": abs(len(steps) - rows),
        "samples not in the history": len(set(samples) ^ set(known)),
        "samples the plant skipped": _skipped(samples),
        "broken audit trails": sum(not trail.sound for trail in verify_run(run).trails),
    }  # fmt: skip
    return Books(
        steps=steps,
        spans=spans,
        samples=samples,
        entries=entries,
        counts=counts,
        detail={
            "records": {source: len(rows) for source, rows in rings.items()},
            "samples": len(samples),
            "audit_entries": len(entries),
            "audit_entries_not_in_history": sum(
                (entry["trail"], entry["n"]) not in copied for entry in entries
            ),
        },
    )


def steps_of(records: Sequence[Record]) -> list[Record]:
    """Return the records of steps; others only tell what people did meanwhile."""
    return [record for record in records if "Levers/acid_flow/InForce" in record.values]


def samples_of(records: Sequence[Record]) -> list[Sample]:
    """Return every sample of records."""
    return [
        (record.sequence, sample.instrument, sample.place, sample.sample_time)
        for record in records
        for sample in record.samples
    ]


def spans_of(run: RunDirectory) -> Spans:
    """Return the limits of the levers around the flows that the run calls nominal."""
    nominal = json.loads((run.path / "nominal.json").read_text(encoding="utf-8"))["levers"]
    levers = load_plant(run.settings.plant).levers
    return {n: (e.low * nominal[n], e.high * nominal[n]) for n, e in levers.items()}


def is_beyond(flow: float, low: float, high: float) -> bool:
    """Return whether a flow lies beyond its limits."""
    slack = SLACK * (high - low)
    return not low - slack <= flow <= high + slack


def _missing(records: Sequence[Record]) -> int:
    if not records:
        return 0
    return sum(b.sequence - a.sequence - 1 for a, b in pairwise(records)) + records[0].sequence - 1


def _skipped(samples: Sequence[Sample]) -> int:
    """Return how many samples are missing, or too many, in the regular rounds of instruments."""
    times: dict[tuple[str, str], list[float]] = {}
    for _, instrument, place, time in samples:
        times.setdefault((instrument, place), []).append(time)
    found = 0
    for row in times.values():
        steps = [b - a for a, b in pairwise(sorted(row))]
        usual = statistics.median(steps) if steps else 1.0
        found += sum(abs(round(step / usual) - 1) for step in steps)
    return found
