"""What a killed twin resumes from, and what a copy of it begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from raffinate.control.plc import PlcState
from raffinate.runtime.checkpoint import load_checkpoint
from raffinate.runtime.records import Record
from raffinate.runtime.run_directory import RunDirectory
from raffinate.runtime.twin import Twin


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwinCheckpoint:
    """What a killed twin resumes from.

    Attributes:
        twin: The plant, whole.
        plc: Its controller.
        record: What it said last; on the ring already, or to be put there.
        speed: Pace, [plant s per wall s].
        streams: Results so far, by instrument and place.
        measured: Flows as measured last, by lever, [m³/s].
    """

    twin: Twin
    plc: PlcState
    record: Record
    speed: float
    streams: Mapping[tuple[str, str], int]
    measured: Mapping[str, float]


def nominal_flows(twin: Twin) -> dict[str, float]:
    """Return the nominal flow of each lever, [m³/s], around which its limits lie."""
    operation = twin.model.operation()
    return {name: float(getattr(operation, name)) for name in twin.model.levers}


def resumed(run: RunDirectory) -> TwinCheckpoint | None:
    """Return what a killed twin left; None where the run is new.

    Raises:
        DataError: The checkpoint is damaged.
    """
    found = load_checkpoint(run.checkpoint("twin"))
    if isinstance(found, TwinCheckpoint):
        return found
    return None
