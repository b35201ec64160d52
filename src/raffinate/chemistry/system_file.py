"""Reading and writing extraction systems as YAML, `format: raffinate-system/1`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from raffinate.chemistry.elements import metal
from raffinate.chemistry.system import NOT_SAPONIFIED, ExtractionSystem
from raffinate.chemistry.system_file_model import FORMAT, Sources, SystemFile
from raffinate.chemistry.system_file_writer import write_system
from raffinate.data_files import read_named, shipped_names
from raffinate.errors import DataError, SpecificationError
from raffinate.sources import Source
from raffinate.yaml_files import first_complaint, read_yaml, require_sources

__all__ = ["FORMAT", "load_system", "parse_system", "shipped_systems", "write_system"]


def load_system(name_or_path: str | Path) -> ExtractionSystem:
    """Return a shipped system, such as "p507_hcl", or one read from a YAML file.

    Args:
        name_or_path: A bare name is looked up among the shipped systems, anything else is a path.

    Raises:
        DataError: No such system, or the file cannot be read as one.
    """
    content, where = read_named(name_or_path, "system", shipped_systems())
    return parse_system(content, where=where)


def shipped_systems() -> tuple[str, ...]:
    """Return the names of the systems that come with the package, in order."""
    return shipped_names(FORMAT)


def parse_system(content: str | bytes, *, where: str = "system") -> ExtractionSystem:
    """Read the text of a system file.

    Args:
        content: YAML text, or bytes in UTF-8.
        where: What to call the file in messages.

    Raises:
        DataError: The text is no YAML, a key is unknown, missing or twice there, a value is of the
            wrong kind, an element or source is unknown, the covariance does not fit, or
            `assumed_constants` does not name exactly the elements with an assumed constant.
    """
    document = read_yaml(content, where, FORMAT)
    try:
        read = SystemFile.model_validate(document)
    except ValidationError as error:
        raise first_complaint(error, where, SystemFile) from error
    for symbol in read.elements:
        try:
            metal(symbol)
        except SpecificationError as error:
            raise DataError(error.what, where=f"{where}: elements", mend=error.mend) from error
    _check_sources(read, where)
    _check_assumed(read, where)
    covariance = _covariance(read, where)
    sources = {key: Source(**entry.model_dump()) for key, entry in read.sources.items()}
    try:
        return _build(read, covariance, sources)
    except SpecificationError as error:
        raise DataError(error.what, where=where, allowed=error.allowed, mend=error.mend) from error


def _build(read: SystemFile, covariance: NDArray[np.float64], sources: Sources) -> ExtractionSystem:
    entries = list(read.elements.values())
    charge = _given({symbol: entry.charge for symbol, entry in read.elements.items()})
    bound = [entry.extractant_number for entry in entries]
    number = [own if own is not None else usual for own, usual in zip(bound, charge, strict=True)]
    saponification = read.saponification
    loading_limit, saponification_limit = read.loading_limit, read.saponification_limit
    return ExtractionSystem(
        name=read.name,
        title=read.title,
        extractant=read.extractant,
        elements=tuple(read.elements),
        log10_extraction_constant=np.array([entry.log10_extraction_constant for entry in entries]),
        log10_covariance=covariance,
        constant_sources=tuple(sources[entry.source] for entry in entries),
        log10_saponification_constant=(
            saponification.log10_constant if saponification else -math.inf
        ),
        saponification_source=sources[saponification.source] if saponification else NOT_SAPONIFIED,
        basis=tuple(sources[key] for key in read.basis),
        validity=tuple(read.validity),
        ranges=read.ranges.ranges(sources) if read.ranges else None,
        mechanism=read.mechanism,
        medium=read.medium,
        extractant_form=read.extractant_form,
        charge=np.array(charge),
        extractant_number=np.array(number),
        exchange_cations=read.exchanged(sources),
        complexes=tuple(
            entry.species(name, "aqueous", sources) for name, entry in read.complexes.items()
        ),
        organic_species=tuple(
            entry.species(name, "organic", sources) for name, entry in read.organic_species.items()
        ),
        activity=read.activity,
        loading=read.loading.loading(sources) if read.loading else None,
        apparent=tuple(entry.apparent(name, sources) for name, entry in read.apparent.items()),
        temperature=read.temperature,
        temperature_slopes=tuple(
            entry.temperature(name, sources) for name, entry in read.temperature_slopes.items()
        ),
        loading_limit=loading_limit.share if loading_limit else None,
        loading_limit_source=sources[loading_limit.source] if loading_limit else None,
        saponification_limit=saponification_limit.share if saponification_limit else None,
        saponification_limit_source=(
            sources[saponification_limit.source] if saponification_limit else None
        ),
        missing=tuple(read.missing.items()),
    )


def _given(charges: Mapping[str, float | None]) -> list[float]:
    """Return the charge of each ion, the usual one where the file states none."""
    return [
        float(metal(symbol).charge) if charge is None else charge
        for symbol, charge in charges.items()
    ]


def _covariance(read: SystemFile, where: str) -> NDArray[np.float64]:
    count = len(read.elements)
    if read.log10_covariance is None:
        return np.zeros((count, count))
    if [len(row) for row in read.log10_covariance] != [count] * count:
        raise DataError(
            f"{len(read.log10_covariance)} rows of "
            f"{sorted({len(row) for row in read.log10_covariance})} numbers.",
            where=f"{where}: log10_covariance",
            allowed=f"{count} rows of {count} numbers, in the order of elements",
        )
    return np.array(read.log10_covariance)


def _check_assumed(read: SystemFile, where: str) -> None:
    differing = read.undeclared()
    if differing:
        raise DataError(
            f"{', '.join(differing)} stands there or rests on an assumed source, not both.",
            where=f"{where}: assumed_constants",
            allowed="the elements whose source has the evidence 'assumed', all of them, no others",
            mend="List each element with an assumed constant, or give its source.",
        )


def _check_sources(read: SystemFile, where: str) -> None:
    places = read.places()
    require_sources({place.path: place.key for place in places}, read.sources, where)
    unused = set(read.sources) - {place.key for place in places}
    if unused:
        raise DataError(
            f"nothing names {', '.join(sorted(unused))}.",
            where=f"{where}: sources",
            mend="List it under basis, or remove it.",
        )
