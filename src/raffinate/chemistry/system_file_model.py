"""Form of a system file, `format: raffinate-system/1`, as pydantic checks it."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from raffinate.chemistry.loading import LoadingModel
from raffinate.chemistry.species import Phase, Species
from raffinate.chemistry.system import (
    ActivityKind,
    ApparentSlope,
    ExchangeCation,
    ExtractantForm,
    Mechanism,
    SaponifyingCation,
    TemperatureSlope,
    ValidityRanges,
)
from raffinate.chemistry.system_parts import ExchangeCationName, Span
from raffinate.sources import Evidence, Source
from raffinate.units import PER_LITRE

FORMAT = "raffinate-system/1"
"""First key of every system file."""

Sources = dict[str, Source]
"""Sources of a file by their keys."""


class SourcePlace(NamedTuple):
    """A key of the file that names a source, and the name it gives."""

    path: str
    key: str


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SourceEntry(_Strict):
    """One entry of `sources`."""

    title: str
    reference: str = ""
    evidence: Evidence
    licence: str = ""
    note: str = ""


class ConstantEntry(_Strict):
    """One entry of `elements`."""

    log10_extraction_constant: FiniteFloat
    source: str
    charge: FiniteFloat | None = None
    extractant_number: FiniteFloat | None = None


class SaponificationEntry(_Strict):
    """The key `saponification`."""

    cation: SaponifyingCation
    log10_constant: FiniteFloat
    source: str


class ExchangeCationEntry(_Strict):
    """One entry of `exchange_cations`."""

    log10_constant: FiniteFloat
    source: str


class SpeciesEntry(_Strict):
    """One entry of `complexes` or `organic_species`."""

    charge: int = 0
    composition: Annotated[dict[str, FiniteFloat], Field(min_length=1)]
    log10_constant: FiniteFloat
    source: str
    ion_size: FiniteFloat = 0.0
    water: FiniteFloat = 0.0

    def species(self, name: str, phase: Phase, sources: Sources) -> Species:
        """Return the species of this name in this phase."""
        return Species(
            name=name,
            phase=phase,
            charge=self.charge,
            composition=tuple(self.composition.items()),
            log10_constant=self.log10_constant,
            source=sources[self.source],
            ion_size=self.ion_size,
            water=self.water,
        )


class LoadingEntry(_Strict):
    """The key `loading`."""

    level: FiniteFloat
    spread: FiniteFloat
    reference: FiniteFloat
    source: str

    def loading(self, sources: Sources) -> LoadingModel:
        """Return the loading model."""
        return LoadingModel(
            level=self.level,
            spread=self.spread,
            reference=self.reference,
            source=sources[self.source],
        )


class ApparentEntry(_Strict):
    """One entry of `apparent`."""

    slope: FiniteFloat
    extractant_slope: FiniteFloat
    source: str
    slope_per_extractant: FiniteFloat = 0.0

    def apparent(self, element: str, sources: Sources) -> ApparentSlope:
        """Return the slopes of this element."""
        return ApparentSlope(
            element=element,
            slope=self.slope,
            extractant_slope=self.extractant_slope,
            slope_per_extractant=self.slope_per_extractant,
            source=sources[self.source],
        )


class TemperatureEntry(_Strict):
    """One entry of `temperature_slopes`."""

    slope: FiniteFloat
    source: str

    def temperature(self, element: str, sources: Sources) -> TemperatureSlope:
        """Return the slope of this element."""
        return TemperatureSlope(element=element, slope=self.slope, source=sources[self.source])


class LimitEntry(_Strict):
    """The keys `loading_limit` and `saponification_limit`."""

    share: FiniteFloat
    source: str


_Pair = Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)]


class RangesEntry(_Strict):
    """The key `ranges`: lowest and highest value of each, concentrations in mol/L."""

    source: str
    pH: _Pair | None = None
    proton_mol_per_L: _Pair | None = None
    anion_mol_per_L: _Pair | None = None
    extractant_mol_per_L: _Pair | None = None
    loading: _Pair | None = None

    def ranges(self, sources: Sources) -> ValidityRanges:
        """Return the ranges in SI."""
        return ValidityRanges(
            source=sources[self.source],
            pH=_span(self.pH),
            proton=_span(self.proton_mol_per_L, PER_LITRE),
            anion=_span(self.anion_mol_per_L, PER_LITRE),
            extractant=_span(self.extractant_mol_per_L, PER_LITRE),
            loading=_span(self.loading),
        )


def _span(pair: list[float] | None, unit: float = 1.0) -> Span | None:
    return None if pair is None else (pair[0] * unit, pair[1] * unit)


class SystemFile(_Strict):
    """The whole file."""

    format: Literal["raffinate-system/1"]
    name: str
    title: str
    extractant: str
    mechanism: Mechanism = "exchange"
    medium: str = "chloride"
    extractant_form: ExtractantForm = "dimer"
    activity: ActivityKind = "ideal"
    elements: Annotated[dict[str, ConstantEntry], Field(min_length=1)]
    assumed_constants: list[str] = []
    log10_covariance: list[list[FiniteFloat]] | None = None
    saponification: SaponificationEntry | None = None
    exchange_cations: dict[ExchangeCationName, ExchangeCationEntry] = {}
    complexes: dict[str, SpeciesEntry] = {}
    organic_species: dict[str, SpeciesEntry] = {}
    loading: LoadingEntry | None = None
    apparent: dict[str, ApparentEntry] = {}
    temperature: FiniteFloat = 298.15
    temperature_slopes: dict[str, TemperatureEntry] = {}
    loading_limit: LimitEntry | None = None
    saponification_limit: LimitEntry | None = None
    ranges: RangesEntry | None = None
    missing: dict[str, str] = {}
    sources: dict[str, SourceEntry]
    basis: list[str] = []
    validity: list[str] = []

    def undeclared(self) -> tuple[str, ...]:
        """Return elements on which `assumed_constants` and the evidence of their source differ.

        The list is kept by hand, so that nobody takes in an assumed constant unawares.
        """
        assumed = {
            symbol
            for symbol, entry in self.elements.items()
            if self.sources[entry.source].evidence == "assumed"
        }
        return tuple(sorted(assumed ^ set(self.assumed_constants)))

    def exchanged(self, sources: Sources) -> tuple[ExchangeCation, ...]:
        """Return the further cations that the extractant carries."""
        return tuple(
            ExchangeCation(
                name=name, log10_constant=entry.log10_constant, source=sources[entry.source]
            )
            for name, entry in self.exchange_cations.items()
        )

    def places(self) -> tuple[SourcePlace, ...]:
        """Return every key of the file that names a source."""
        tables: dict[str, dict[str, str]] = {
            "elements": {name: entry.source for name, entry in self.elements.items()},
            "exchange_cations": {
                name: entry.source for name, entry in self.exchange_cations.items()
            },
            "complexes": {name: entry.source for name, entry in self.complexes.items()},
            "organic_species": {name: entry.source for name, entry in self.organic_species.items()},
            "apparent": {name: entry.source for name, entry in self.apparent.items()},
            "temperature_slopes": {
                name: entry.source for name, entry in self.temperature_slopes.items()
            },
        }
        places = [
            SourcePlace(f"{table}.{name}.source", key)
            for table, entries in tables.items()
            for name, key in entries.items()
        ]
        single = {
            "saponification": self.saponification,
            "loading": self.loading,
            "loading_limit": self.loading_limit,
            "saponification_limit": self.saponification_limit,
            "ranges": self.ranges,
        }
        places += [
            SourcePlace(f"{name}.source", entry.source)
            for name, entry in single.items()
            if entry is not None
        ]
        places += [SourcePlace(f"basis.{number}", key) for number, key in enumerate(self.basis)]
        return tuple(places)
