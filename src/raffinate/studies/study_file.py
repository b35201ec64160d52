"""Study files: YAML at the door, a `Study` inside."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, FiniteFloat, ValidationError

from raffinate import __version__
from raffinate.data_files import read_named, shipped_names
from raffinate.errors import DataError
from raffinate.plant.economics_prices import Prices
from raffinate.plant.economics_prices_file import load_prices
from raffinate.plant.events import parse_event
from raffinate.plant.model import Plant
from raffinate.plant.network import Network
from raffinate.plant.network_file import is_network, load_network
from raffinate.plant.plant_file import FORMAT as PLANT
from raffinate.plant.plant_file import load_plant
from raffinate.studies.model import Flows, Method, Motion, OutcomeGroup, Study
from raffinate.studies.study_checks import check_study
from raffinate.studies.study_inputs import InputFile, read_constants, read_input
from raffinate.units import HOUR
from raffinate.yaml_files import (
    SourceEntry,
    StrictEntry,
    first_complaint,
    read_yaml,
    require_sources,
)

FORMAT = "raffinate-study/1"
PREFIX = "study_"

ALL_OUTCOMES: tuple[OutcomeGroup, ...] = (
    *("purity", "recovery", "production", "flows", "reagents", "cost"),
)


class ConstantsFile(StrictEntry):
    """Extraction constants drawn together."""

    elements: list[str] = Field(default_factory=list)
    log10_covariance: Literal["fitted"] | list[list[FiniteFloat]] = "fitted"
    source: str = ""


class _MotionFile(StrictEntry):
    hours: FiniteFloat = Field(gt=0)
    interval_h: FiniteFloat = Field(default=1.0, gt=0)
    start: Literal["steady", "startup"] = "steady"
    events: list[str] = Field(default_factory=list)


class _StudyFile(StrictEntry):
    format: Literal["raffinate-study/1"]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    title: str = ""
    plant: str
    method: Method
    count: int = Field(default=0, ge=0)
    seed: int = Field(default=0, ge=0)
    flows: Flows = "nominal"
    purity: dict[str, FiniteFloat] = Field(default_factory=dict)
    prices: str = ""
    sources: dict[str, SourceEntry] = Field(default_factory=dict)
    inputs: dict[str, InputFile] = Field(default_factory=dict)
    constants: ConstantsFile | None = None
    cases: list[dict[str, FiniteFloat]] = Field(default_factory=list)
    outcomes: list[OutcomeGroup] = Field(default_factory=list)
    simulate: _MotionFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StudyText:
    """A study and the file it was read from.

    Attributes:
        study: What it means.
        content: The file.
        where: What to call it.
    """

    study: Study
    content: bytes
    where: str


def shipped_studies() -> tuple[str, ...]:
    """Return the names of the studies that ship."""
    return shipped_names(FORMAT, PREFIX)


def load_study(name_or_path: str | Path) -> StudyText:
    """Return a shipped study, or one read from a YAML file.

    Raises:
        DataError: No such file, or it cannot be read as one.
        SpecificationError: It asks for what cannot be.
    """
    known = shipped_studies()
    content, where = read_named(name_or_path, "study", known, prefix=PREFIX)
    return StudyText(study=parse_study(content, where=where), content=content, where=where)


def parse_study(content: str | bytes, *, where: str = "study") -> Study:
    """Read the text of a study file, and the plant and price files it names.

    Raises:
        DataError: The text is no study file; says where, what and the mend.
        SpecificationError: It asks for what cannot be.
    """
    document = read_yaml(content, where, FORMAT)
    try:
        read = _StudyFile.model_validate(document)
    except ValidationError as error:
        raise first_complaint(error, where, _StudyFile) from error
    _check_sources(read, where)
    plant = load_network(read.plant) if is_network(read.plant) else load_plant(read.plant)
    prices = load_prices(read.prices) if read.prices else None
    study = _study(read, plant, prices, _digest(content, read))
    check_study(study, where)
    return study


def _check_sources(read: _StudyFile, where: str) -> None:
    named = {f"inputs.{key}.source": each.source for key, each in read.inputs.items()}
    if read.constants is not None:
        named["constants.source"] = read.constants.source
    given = {place: key for place, key in named.items() if key}
    require_sources(given, read.sources, where)
    for key, each in read.inputs.items():
        if each.distribution is not None and not each.source:
            raise DataError(
                "it names no source.",
                where=f"{where}: inputs.{key}",
                mend="Say under `source` who says that it varies so; write `evidence: assumed` "
                "in that source if nobody does.",
            )


def _study(read: _StudyFile, plant: Plant | Network, prices: Prices | None, digest: str) -> Study:
    sources = {key: entry.source() for key, entry in read.sources.items()}
    inputs = tuple(read_input(name, each, sources) for name, each in read.inputs.items())
    constants = None
    if read.constants is not None:
        constants = read_constants(
            plant,
            tuple(read.constants.elements),
            read.constants.log10_covariance,
            sources.get(read.constants.source),
        )
    outcomes = tuple(read.outcomes) or tuple(
        group for group in ALL_OUTCOMES if group != "cost" or prices is not None
    )
    named = list(sources.values())
    for more in (constants.sources if constants is not None else (), plant.sources):
        named += more
    return Study(
        name=read.name,
        title=read.title,
        plant=plant,
        method=read.method,
        count=read.count,
        seed=read.seed,
        flows=read.flows,
        purities={**(plant.nominal_purity if isinstance(plant, Plant) else {}), **read.purity},
        inputs=inputs,
        constants=constants,
        cases=tuple(read.cases),
        outcomes=outcomes,
        motion=_motion(read.simulate, plant),
        prices=prices,
        sources=tuple(dict.fromkeys(named)),
        digest=digest,
    )


def _motion(read: _MotionFile | None, plant: Plant | Network) -> Motion | None:
    if read is None:
        return None
    elements = plant.circuit.elements if isinstance(plant, Plant) else plant.elements
    return Motion(
        duration=read.hours * HOUR,
        interval=read.interval_h * HOUR,
        start=read.start,
        events=tuple(parse_event(text, elements) for text in read.events),
    )


def _systems(plant: Mapping[str, Any]) -> list[str]:
    """Return the extraction systems a plant file names, for itself and for its circuits."""
    circuits = plant.get("circuits") or {}
    named = [plant.get("system"), *(each.get("system") for each in circuits.values())]
    return sorted({str(name) for name in named if name})


def _digest(content: str | bytes, read: _StudyFile) -> str:
    """Return what changes when anything does that the results depend on."""
    made = hashlib.sha256()
    plant, where = read_named(read.plant, "plant", ())
    files = [content.encode() if isinstance(content, str) else content, plant]
    files += [
        read_named(name, "system", ())[0] for name in _systems(read_yaml(plant, where, PLANT))
    ]
    if read.prices:
        files.append(read_named(read.prices, "price file", ())[0])
    for each in (__version__.encode(), *files):
        made.update(len(each).to_bytes(8, "big") + each)
    return made.hexdigest()
