"""Records: what a server has to tell, numbered, in a form that a disk and a network carry."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from raffinate.errors import DataError
from raffinate.instruments.reading import Reading
from raffinate.runtime.messages import Note


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record:
    """Everything a server said about one step.

    Attributes:
        sequence: Rises by one with every record of a server, from 1.
        time: Plant time, [s].
        wall: UTC, [µs].
        values: Scalars by tag path; NaN means bad.
        arrays: Profiles by tag path.
        samples: Readings and assays whose result became known.
        notes: Lines for the event log.
        changes: Who changed what: entries as the audit trail has them.
    """

    sequence: int
    time: float
    wall: int
    values: Mapping[str, float] = field(default_factory=dict)
    arrays: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    samples: tuple[Reading, ...] = ()
    notes: tuple[Note, ...] = ()
    changes: tuple[Mapping[str, Any], ...] = ()

    def to_json(self) -> str:
        """Return the record as one line of ASCII; a number that is none becomes null.

        ASCII, because texts come from people: some of their characters end a line, and some no
        file can hold.
        """
        return json.dumps(
            {
                "sequence": self.sequence,
                "time": self.time,
                "wall": self.wall,
                "values": {path: _sent(value) for path, value in self.values.items()},
                "arrays": {path: [_sent(v) for v in row] for path, row in self.arrays.items()},
                "samples": [reading_to_dict(sample) for sample in self.samples],
                "notes": [asdict(note) for note in self.notes],
                "changes": [dict(change) for change in self.changes],
            },
            allow_nan=False,
            separators=(",", ":"),
        )


def record_from_json(line: str | bytes) -> Record:
    """Read a record.

    Raises:
        DataError: The line is no record.
    """
    try:
        found = json.loads(line)
        return Record(
            sequence=int(found["sequence"]),
            time=float(found["time"]),
            wall=int(found["wall"]),
            values={path: _received(value) for path, value in found["values"].items()},
            arrays={
                path: tuple(_received(value) for value in row)
                for path, row in found["arrays"].items()
            },
            samples=tuple(reading_from_dict(sample) for sample in found["samples"]),
            notes=tuple(Note(**note) for note in found["notes"]),
            changes=tuple(found["changes"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"a line is no record: {error!r}.", where="records") from error


def reading_to_dict(reading: Reading) -> dict[str, Any]:
    """Return a reading as plain values; numbers that are none become None."""
    return {
        "place": reading.place,
        "sample_time": reading.sample_time,
        "result_time": reading.result_time,
        "elements": list(reading.elements),
        "values": [_sent(value) for value in reading.values.tolist()],
        "covariance": [[_sent(value) for value in row] for row in reading.covariance.tolist()],
        "detection_limit": [_sent(value) for value in reading.detection_limit.tolist()],
        "quality": reading.quality,
        "instrument": reading.instrument,
        "chi2_per_dof": _sent(reading.chi2_per_dof),
        "flags": list(reading.flags),
    }


def reading_from_dict(found: Mapping[str, Any]) -> Reading:
    """Return the reading that `reading_to_dict` wrote down.

    Raises:
        KeyError: A part is missing.
        SpecificationError: The parts do not fit each other.
    """
    return Reading(
        place=found["place"],
        sample_time=found["sample_time"],
        result_time=found["result_time"],
        elements=tuple(found["elements"]),
        values=np.array([_received(value) for value in found["values"]]),
        covariance=np.array([[_received(v) for v in row] for row in found["covariance"]]),
        detection_limit=np.array([_received(value) for value in found["detection_limit"]]),
        quality=found["quality"],
        instrument=found["instrument"],
        chi2_per_dof=_received(found["chi2_per_dof"]),
        flags=tuple(found["flags"]),
    )


def _sent(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _received(value: float | None) -> float:
    return math.nan if value is None else value
