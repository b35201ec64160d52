"""Rationalised alarm lists: YAML at the door, definitions inside."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, ValidationError

from raffinate.data_files import read_named, shipped_names
from raffinate.errors import DataError, nearest_name
from raffinate.plant.model import Plant
from raffinate.runtime.alarm_definitions import (
    AlarmDefinition,
    AlarmDefinitions,
    AlarmPriority,
    PriorityMatrix,
    Severity,
    alarm_tags,
)
from raffinate.runtime.alarms import AlarmList
from raffinate.sources import Source
from raffinate.units import HOUR
from raffinate.yaml_files import (
    SourceEntry,
    StrictEntry,
    first_complaint,
    read_yaml,
    require_sources,
)

FORMAT = "raffinate-alarms/1"

DEFAULT_LIST = "alarms_ceprnd_p507"
"""List of the default plant."""

Positive = Annotated[FiniteFloat, Field(gt=0)]
NotNegative = Annotated[FiniteFloat, Field(ge=0)]
Words = Annotated[str, Field(min_length=1)]


class _MatrixFile(StrictEntry):
    borders_min: Annotated[list[Positive], Field(min_length=1)]
    severe: list[AlarmPriority]
    moderate: list[AlarmPriority]
    minor: list[AlarmPriority]
    source: str


class _AlarmFile(StrictEntry):
    priority: AlarmPriority
    severity: Severity
    respond_min: Positive
    cause: Words
    consequence: Words
    action: Words
    group: str = ""
    on_delay_s: NotNegative = 0.0
    off_delay_s: NotNegative = 0.0
    deadband_fraction: Annotated[FiniteFloat, Field(ge=0, lt=1)] = 0.0
    latching: bool = False
    longest_shelving_h: NotNegative
    suppressed_by: list[str] = Field(default_factory=list)
    realarm_h: Positive | None = None
    auto_delay: bool = False
    source: str


class _ListFile(StrictEntry):
    format: Literal["raffinate-alarms/1"]
    name: str
    title: str
    sources: dict[str, SourceEntry]
    matrix: _MatrixFile
    alarms: Annotated[dict[str, _AlarmFile], Field(min_length=1)]


def alarm_list_of(plant: Plant) -> AlarmList:
    """Return the empty alarm list of a plant, with its rationalised definitions.

    A plant without a list of its own gets the one that ships for the default plant, whose patterns
    fit any; what it does not name is shown as not rationalised.
    """
    own = f"alarms_{plant.name}"
    definitions = load_alarm_list(own if own in shipped_alarm_lists() else DEFAULT_LIST)
    return AlarmList(definitions, tags=alarm_tags(plant))


def load_alarm_list(name_or_path: str | Path = DEFAULT_LIST) -> AlarmDefinitions:
    """Return a shipped alarm list, or one read from a YAML file.

    Raises:
        DataError: No such list, or the file cannot be read as one.
    """
    content, where = read_named(name_or_path, "alarm list", shipped_alarm_lists())
    return parse_alarm_list(content, where=where)


def shipped_alarm_lists() -> tuple[str, ...]:
    """Return the names of the alarm lists that come with the package."""
    return shipped_names(FORMAT)


def parse_alarm_list(content: str | bytes, *, where: str = "alarm list") -> AlarmDefinitions:
    """Read the text of an alarm list.

    Raises:
        DataError: The text is no alarm list, a priority is not that of the matrix, or alarms
            suppress each other; says where, what and the mend.
    """
    document = read_yaml(content, where, FORMAT)
    try:
        read = _ListFile.model_validate(document)
    except ValidationError as error:
        raise first_complaint(error, where, _ListFile) from error
    _check_sources(read, where)
    matrix = _matrix(read.matrix, where)
    for tag, entry in read.alarms.items():
        _check_priority(tag, entry, matrix, where)
    _check_suppression(read.alarms, where)
    sources = {name: entry.source() for name, entry in read.sources.items()}
    return AlarmDefinitions(
        name=read.name,
        title=read.title,
        matrix=matrix,
        definitions=tuple(
            _definition(tag, entry, sources[entry.source]) for tag, entry in read.alarms.items()
        ),
        sources=tuple(sources.values()),
    )


def _definition(tag: str, entry: _AlarmFile, source: Source) -> AlarmDefinition:
    return AlarmDefinition(
        tag=tag,
        priority=entry.priority,
        severity=entry.severity,
        respond_within=entry.respond_min * 60.0,
        cause=entry.cause,
        consequence=entry.consequence,
        action=entry.action,
        group=entry.group,
        on_delay=entry.on_delay_s,
        off_delay=entry.off_delay_s,
        deadband=entry.deadband_fraction,
        latching=entry.latching,
        longest_shelving=entry.longest_shelving_h * HOUR,
        suppressed_by=tuple(entry.suppressed_by),
        realarm_after=None if entry.realarm_h is None else entry.realarm_h * HOUR,
        auto_delay=entry.auto_delay,
        source=source,
    )


def _matrix(read: _MatrixFile, where: str) -> PriorityMatrix:
    if any(later <= earlier for earlier, later in pairwise(read.borders_min)):
        raise DataError(
            f"the borders are {read.borders_min} min.",
            where=f"{where}: matrix.borders_min",
            allowed="rising",
        )
    rows: dict[Severity, list[AlarmPriority]] = {
        "severe": read.severe,
        "moderate": read.moderate,
        "minor": read.minor,
    }
    columns = len(read.borders_min) + 1
    for severity, row in rows.items():
        if len(row) != columns:
            raise DataError(
                f"the row has {len(row)} priorities.",
                where=f"{where}: matrix.{severity}",
                allowed=f"{columns}, one more than there are borders",
            )
    return PriorityMatrix(
        borders=tuple(border * 60.0 for border in read.borders_min),
        rows={severity: tuple(row) for severity, row in rows.items()},
    )


def _check_priority(tag: str, entry: _AlarmFile, matrix: PriorityMatrix, where: str) -> None:
    due = matrix.priority(entry.severity, entry.respond_min * 60.0)
    if entry.priority != due:
        raise DataError(
            f"the priority is {entry.priority}.",
            where=f"{where}: alarms.{tag}.priority",
            allowed=f"{due}, by the matrix, for {entry.severity} within {entry.respond_min:g} min",
            mend="Reconsider severity and time to respond, not the priority.",
        )


def _check_sources(read: _ListFile, where: str) -> None:
    named = {"matrix.source": read.matrix.source}
    named |= {f"alarms.{tag}.source": entry.source for tag, entry in read.alarms.items()}
    require_sources(named, read.sources, where)


def _check_suppression(alarms: Mapping[str, _AlarmFile], where: str) -> None:
    """Refuse suppressors that are not defined exactly, and alarms that suppress each other."""
    exact = tuple(tag for tag in alarms if "*" not in tag)
    for tag, entry in alarms.items():
        for other in entry.suppressed_by:
            if other not in exact:
                raise DataError(
                    f"{other!r} is no tag that this list defines exactly.",
                    where=f"{where}: alarms.{tag}.suppressed_by",
                    mend=nearest_name(other, exact),
                )
    for tag in alarms:
        seen, waiting = set(), list(alarms[tag].suppressed_by)
        while waiting:
            other = waiting.pop()
            if other == tag:
                raise DataError(
                    "the alarm suppresses itself, directly or by way of others.",
                    where=f"{where}: alarms.{tag}.suppressed_by",
                    mend="Name only alarms of causes; both would be lost.",
                )
            if other not in seen:
                seen.add(other)
                waiting += alarms[other].suppressed_by
