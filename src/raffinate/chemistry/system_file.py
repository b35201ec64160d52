"""Reading and writing extraction systems as YAML, `format: raffinate-system/1`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from raffinate.chemistry.elements import rare_earth
from raffinate.chemistry.system import ExtractionSystem, SaponifyingCation
from raffinate.errors import DataError, SpecificationError, nearest_name
from raffinate.sources import Evidence, Source
from raffinate.yaml_files import first_complaint, read_yaml

FORMAT = "raffinate-system/1"
"""First key of every system file."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _SourceFile(_Strict):
    title: str
    reference: str = ""
    evidence: Evidence
    licence: str = ""
    note: str = ""


class _ConstantFile(_Strict):
    log10_extraction_constant: FiniteFloat
    source: str


class _SaponificationFile(_Strict):
    cation: SaponifyingCation
    log10_constant: FiniteFloat
    source: str


class _SystemFile(_Strict):
    format: Literal["raffinate-system/1"]
    name: str
    title: str
    extractant: str
    elements: Annotated[dict[str, _ConstantFile], Field(min_length=1)]
    log10_covariance: list[list[FiniteFloat]] | None = None
    saponification: _SaponificationFile
    sources: dict[str, _SourceFile]
    basis: list[str] = []
    validity: list[str] = []


class _Row(list[float]):
    """One row of a matrix, written on one line."""


class _RowDumper(yaml.SafeDumper):
    """Writes a matrix row by row."""


def _represent_row(dumper: _RowDumper, row: _Row) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", row, flow_style=True)


_RowDumper.add_representer(_Row, _represent_row)


class _Place(NamedTuple):
    """A key of the file that names a source, and the name it gives."""

    path: str
    key: str


def load_system(name_or_path: str | Path) -> ExtractionSystem:
    """Return a shipped system, such as "p507_hcl", or one read from a YAML file.

    Args:
        name_or_path: A bare name is looked up among the shipped systems, anything else is a path.

    Raises:
        DataError: No such system, or the file cannot be read as one.
    """
    path = Path(name_or_path)
    shipped = files("raffinate.data") / f"{name_or_path}.yaml"
    if isinstance(name_or_path, str) and path.name == name_or_path and shipped.is_file():
        return parse_system(shipped.read_bytes(), where=f"{name_or_path}.yaml")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror}), and no shipped system has this name.",
            where=str(name_or_path),
            mend=nearest_name(str(name_or_path), shipped_systems()),
        ) from error
    return parse_system(content, where=str(path))


def shipped_systems() -> tuple[str, ...]:
    """Return the names of the systems that come with the package, in order."""
    begin = f"format: {FORMAT}"
    return tuple(
        sorted(
            entry.name.removesuffix(".yaml")
            for entry in files("raffinate.data").iterdir()
            if entry.name.endswith(".yaml")
            and entry.read_text(encoding="utf-8").lstrip().startswith(begin)
        )
    )


def parse_system(content: str | bytes, *, where: str = "system") -> ExtractionSystem:
    """Read the text of a system file.

    Args:
        content: YAML text, or bytes in UTF-8.
        where: What to call the file in messages.

    Raises:
        DataError: The text is no YAML, a key is unknown, missing or twice there, a value is of the
            wrong kind, an element or source is unknown, or the covariance does not fit.
    """
    document = read_yaml(content, where, FORMAT)
    try:
        read = _SystemFile.model_validate(document)
    except ValidationError as error:
        raise first_complaint(error, where, _SystemFile) from error
    for symbol in read.elements:
        try:
            rare_earth(symbol)
        except SpecificationError as error:
            raise DataError(error.what, where=f"{where}: elements", mend=error.mend) from error
    _check_sources(read, where)
    sources = {key: Source(**entry.model_dump()) for key, entry in read.sources.items()}
    count = len(read.elements)
    covariance = read.log10_covariance or [[0.0] * count for _ in range(count)]
    if [len(row) for row in covariance] != [count] * count:
        raise DataError(
            f"{len(covariance)} rows of {sorted({len(row) for row in covariance})} numbers.",
            where=f"{where}: log10_covariance",
            allowed=f"{count} rows of {count} numbers, in the order of elements",
        )
    try:
        return ExtractionSystem(
            name=read.name,
            title=read.title,
            extractant=read.extractant,
            elements=tuple(read.elements),
            log10_extraction_constant=np.array(
                [entry.log10_extraction_constant for entry in read.elements.values()]
            ),
            log10_covariance=np.array(covariance),
            constant_sources=tuple(sources[entry.source] for entry in read.elements.values()),
            saponifying_cation=read.saponification.cation,
            log10_saponification_constant=read.saponification.log10_constant,
            saponification_source=sources[read.saponification.source],
            basis=tuple(sources[key] for key in read.basis),
            validity=tuple(read.validity),
        )
    except SpecificationError as error:
        raise DataError(error.what, where=where, allowed=error.allowed, mend=error.mend) from error


def write_system(system: ExtractionSystem) -> str:
    """Return the system as YAML text that `parse_system` reads back exactly."""
    keys = {source: f"S{number}" for number, source in enumerate(system.sources, start=1)}
    elements = {
        symbol: {"log10_extraction_constant": float(constant), "source": keys[source]}
        for symbol, constant, source in zip(
            system.elements,
            system.log10_extraction_constant,
            system.constant_sources,
            strict=True,
        )
    }
    document = {
        "format": FORMAT,
        "name": system.name,
        "title": system.title,
        "extractant": system.extractant,
        "elements": elements,
        "log10_covariance": [_Row(row) for row in system.log10_covariance.tolist()],
        "saponification": {
            "cation": system.saponifying_cation,
            "log10_constant": float(system.log10_saponification_constant),
            "source": keys[system.saponification_source],
        },
        "sources": {key: _source_entry(source) for source, key in keys.items()},
        "basis": [keys[source] for source in system.basis],
        "validity": list(system.validity),
    }
    return yaml.dump(document, Dumper=_RowDumper, sort_keys=False, allow_unicode=True, width=100)


def _source_entry(source: Source) -> dict[str, str]:
    entry = {"title": source.title, "reference": source.reference, "evidence": source.evidence}
    entry |= {"licence": source.licence, "note": source.note}
    return {key: text for key, text in entry.items() if text or key == "title"}


def _check_sources(read: _SystemFile, where: str) -> None:
    places = [
        _Place(f"elements.{symbol}.source", entry.source) for symbol, entry in read.elements.items()
    ]
    places.append(_Place("saponification.source", read.saponification.source))
    places += [_Place(f"basis.{number}", key) for number, key in enumerate(read.basis)]
    for place in places:
        if place.key not in read.sources:
            raise DataError(
                f"{place.key!r} is not among the sources.",
                where=f"{where}: {place.path}",
                mend=nearest_name(place.key, tuple(read.sources)),
            )
    unused = set(read.sources) - {place.key for place in places}
    if unused:
        raise DataError(
            f"nothing names {', '.join(sorted(unused))}.",
            where=f"{where}: sources",
            mend="List it under basis, or remove it.",
        )
