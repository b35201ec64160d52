"""Writing extraction systems as YAML, `format: raffinate-system/1`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import yaml

from raffinate.chemistry.elements import metal
from raffinate.chemistry.species import Species
from raffinate.chemistry.system import ExtractionSystem
from raffinate.chemistry.system_file_model import FORMAT
from raffinate.sources import Source
from raffinate.units import PER_LITRE

_Keys = dict[Source, str]


class _Row(list[float]):
    """One row of a matrix, written on one line."""


class _RowDumper(yaml.SafeDumper):
    """Writes a matrix row by row."""


def _represent_row(dumper: _RowDumper, row: _Row) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", row, flow_style=True)


_RowDumper.add_representer(_Row, _represent_row)


def write_system(system: ExtractionSystem) -> str:
    """Return the system as YAML text that `parse_system` reads back exactly."""
    keys = {source: f"S{number}" for number, source in enumerate(system.sources, start=1)}
    document: dict[str, Any] = {
        "format": FORMAT,
        "name": system.name,
        "title": system.title,
        "extractant": system.extractant,
        **_unlike_the_default(
            {
                "mechanism": (system.mechanism, "exchange"),
                "medium": (system.medium, "chloride"),
                "extractant_form": (system.extractant_form, "dimer"),
                "activity": (system.activity, "ideal"),
                "temperature": (system.temperature, 298.15),
            }
        ),
        "elements": _elements(system, keys),
        **_unlike_the_default({"assumed_constants": (list(system.assumed), [])}),
        "log10_covariance": [_Row(row) for row in system.log10_covariance.tolist()],
        **_organic_parts(system, keys),
        "sources": {key: _source_entry(source) for source, key in keys.items()},
        "basis": [keys[source] for source in system.basis],
        "validity": list(system.validity),
    }
    return yaml.dump(document, Dumper=_RowDumper, sort_keys=False, allow_unicode=True, width=100)


def _unlike_the_default(values: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    return {key: value for key, (value, default) in values.items() if value != default}


def _elements(system: ExtractionSystem, keys: _Keys) -> dict[str, dict[str, Any]]:
    entries = {}
    for place, symbol in enumerate(system.elements):
        charge = float(system.charge[place])
        entries[symbol] = {
            "log10_extraction_constant": float(system.log10_extraction_constant[place]),
            "source": keys[system.constant_sources[place]],
            **_unlike_the_default(
                {
                    "charge": (charge, float(metal(symbol).charge)),
                    "extractant_number": (float(system.extractant_number[place]), charge),
                }
            ),
        }
    return entries


def _organic_parts(system: ExtractionSystem, keys: _Keys) -> dict[str, Any]:
    """Return the entries that only some systems have."""
    parts: dict[str, Any] = {}
    if math.isfinite(system.log10_saponification_constant):
        parts["saponification"] = {
            "cation": system.saponifying_cation,
            "log10_constant": float(system.log10_saponification_constant),
            "source": keys[system.saponification_source],
        }
    parts["exchange_cations"] = {
        cation.name: {"log10_constant": cation.log10_constant, "source": keys[cation.source]}
        for cation in system.exchange_cations
    }
    parts["complexes"] = _species(system.complexes, keys)
    parts["organic_species"] = _species(system.organic_species, keys)
    if system.loading is not None:
        parts["loading"] = {
            "level": system.loading.level,
            "spread": system.loading.spread,
            "reference": system.loading.reference,
            "source": keys[system.loading.source],
        }
    parts["apparent"] = {
        slope.element: {
            "slope": slope.slope,
            "extractant_slope": slope.extractant_slope,
            "source": keys[slope.source],
            **_unlike_the_default({"slope_per_extractant": (slope.slope_per_extractant, 0.0)}),
        }
        for slope in system.apparent
    }
    parts["temperature_slopes"] = {
        slope.element: {"slope": slope.slope, "source": keys[slope.source]}
        for slope in system.temperature_slopes
    }
    parts |= _limits(system, keys)
    parts["missing"] = dict(system.missing)
    return {key: entry for key, entry in parts.items() if entry}


def _limits(system: ExtractionSystem, keys: _Keys) -> dict[str, Any]:
    found: dict[str, Any] = {}
    limits = {
        "loading_limit": (system.loading_limit, system.loading_limit_source),
        "saponification_limit": (system.saponification_limit, system.saponification_limit_source),
    }
    for name, (share, source) in limits.items():
        if share is not None and source is not None:
            found[name] = {"share": share, "source": keys[source]}
    if system.ranges is not None:
        found["ranges"] = {
            "source": keys[system.ranges.source],
            **{_range_key(name): _span(name, span) for name, span in system.ranges.spans.items()},
        }
    return found


def _range_key(name: str) -> str:
    return name if name in ("pH", "loading") else f"{name}_mol_per_L"


def _span(name: str, span: tuple[float, float]) -> _Row:
    unit = 1.0 if name in ("pH", "loading") else PER_LITRE
    return _Row(value / unit for value in span)


def _species(species: Sequence[Species], keys: _Keys) -> dict[str, dict[str, Any]]:
    return {
        one.name: {
            **_unlike_the_default({"charge": (one.charge, 0)}),
            "composition": dict(one.composition),
            "log10_constant": one.log10_constant,
            "source": keys[one.source],
            **_unlike_the_default({"ion_size": (one.ion_size, 0.0), "water": (one.water, 0.0)}),
        }
        for one in species
    }


def _source_entry(source: Source) -> dict[str, str]:
    entry = {"title": source.title, "reference": source.reference, "evidence": source.evidence}
    entry |= {"licence": source.licence, "note": source.note}
    return {key: text for key, text in entry.items() if text or key == "title"}
